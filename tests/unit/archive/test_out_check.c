#include "archive/out_check.h"

#include "archive/out_layout.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOB "the bytes of a blob"

/* With a blob as text, so that all of it is in the layout. */
static void lay_out(struct out_layout *l, const char *algorithm, struct str bytes)
{
    struct digest d;
    char path[200];

    digest_of(strcmp(algorithm, "sha512") == 0 ? DIGEST_SHA512 : DIGEST_SHA256, BLOB, strlen(BLOB),
              &d);
    snprintf(path, sizeof(path), "blobs/%s/" STR_FMT, algorithm, STR_ARG(digest_hex(&d)));
    out_layout_init(l);
    out_layout_file(l, STR("index.json"), STR("{}"));
    out_layout_file(l, str_of(path), bytes);
    assert_ok(out_layout_end(l, ERR_IGNORED));
}

static enum err_code check(struct str bytes, size_t step, unsigned *ret_blobs)
{
    AUTO(out_check) struct out_check *c = out_check_new();

    for (size_t at = 0; at < bytes.n; at += step) {
        size_t n = bytes.n - at < step ? bytes.n - at : step;

        TRY(out_check_feed(c, str_sub(bytes, at, n), ERR_IGNORED));
    }
    return out_check_end(c, ret_blobs, ERR_IGNORED);
}

static void an_archive_is_right_in_steps_of_any_size(void **state)
{
    static const size_t steps[] = {1, 3, 511, 512, 513, 100000};
    static const char *const algorithms[] = {"sha256", "sha512"}; /* the latter has a long name */

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        AUTO(out_layout) struct out_layout l = {0};
        unsigned n = 0;

        lay_out(&l, algorithms[i % 2], STR(BLOB));
        assert_ok(check(buf_str(&l.text), steps[i / 2], &n));
        assert_int_equal(n, 1);
    }
}

static void a_cut_one_is_not(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    unsigned n;

    (void)state;
    lay_out(&l, "sha256", STR(BLOB));
    for (size_t to = 0; to + 1024 < l.text.n; to += 13)
        assert_code(ERR_CORRUPT, check(str_sub(buf_str(&l.text), 0, to), 512, &n));
}

static void a_blob_with_other_bytes_is_not(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    unsigned n;

    (void)state;
    lay_out(&l, "sha256", STR("the bytes of another"));
    assert_code(ERR_CORRUPT, check(buf_str(&l.text), 512, &n));
}

static void a_damaged_header_is_not(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    unsigned n;

    (void)state;
    lay_out(&l, "sha256", STR(BLOB));
    l.text.p[2] ^= 1;
    assert_code(ERR_CORRUPT, check(buf_str(&l.text), 512, &n));
}

static void a_size_in_a_record_counts(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    AUTO(out_check) struct out_check *c = out_check_new();
    struct digest d = sha256_of(STR("x"));
    unsigned n;

    (void)state;
    out_layout_init(&l);
    out_layout_blob(&l, STR("large"), &d, 9ull << 30);
    assert_ok(out_check_feed(c, buf_str(&l.text), ERR_IGNORED));
    assert_ok(out_check_feed(c, STR("not a header, but the first bytes of many"), ERR_IGNORED));
    assert_code(ERR_CORRUPT, out_check_end(c, &n, ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_is_right_in_steps_of_any_size),
        cmocka_unit_test(a_cut_one_is_not),
        cmocka_unit_test(a_blob_with_other_bytes_is_not),
        cmocka_unit_test(a_damaged_header_is_not),
        cmocka_unit_test(a_size_in_a_record_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
