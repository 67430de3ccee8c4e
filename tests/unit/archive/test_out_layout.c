#include "archive/out_layout.h"

#include "unit/core/support.h"

#include <stdlib.h>

#define GIB (1ull << 30)

static struct digest digest_named(const char *text)
{
    return sha256_of(str_of(text));
}

/* A field of the header at that place of the text. */
static const char *field(const struct out_layout *l, size_t header, size_t at)
{
    return l->text.p + header + at;
}

#define NAME     0
#define SIZE     124
#define CHECKSUM 148
#define TYPE     156

static void small_archive(struct out_layout *l)
{
    struct digest layer = digest_named("layer");

    out_layout_init(l);
    out_layout_file(l, STR("a"), STR("some text"));
    out_layout_blob(l, STR("b"), &layer, 1000);
    assert_ok(out_layout_end(l, ERR_IGNORED));
}

static void text_and_blobs_take_turns(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};

    (void)state;
    small_archive(&l);
    assert_int_equal(l.n_pieces, 3);
    assert_false(l.pieces[0].is_blob);
    assert_int_equal(l.pieces[0].n_bytes, 3 * 512); /* header, text, header */
    assert_true(l.pieces[1].is_blob);
    assert_int_equal(l.pieces[1].at_bytes, 3 * 512);
    assert_int_equal(l.pieces[1].n_bytes, 1000);
    assert_int_equal(l.pieces[2].n_bytes, 24 + 1024);
    assert_int_equal(l.n_bytes, 3 * 512 + 1024 + 1024);
}

static void each_byte_is_found_in_its_piece(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};

    (void)state;
    small_archive(&l);
    for (uint64_t at = 0; at < l.n_bytes; at++) {
        const struct out_piece *p = out_layout_find(&l, at);

        assert_in_range(at, p->at_bytes, p->at_bytes + p->n_bytes - 1);
    }
}

/* Of what is written and of what tar programs of the world have checked: changing it changes the
 * archive of every image. */
static void the_text_of_an_archive_stays_what_it_is(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    struct digest d;

    (void)state;
    small_archive(&l);
    d = sha256_of(buf_str(&l.text));
    assert_string_equal(d.text,
                        "sha256:17398d1d67f770d608b6a0c74152931d6106e6725a0e5ac5063113371a1c37f4");
}

static void an_empty_blob_is_a_header_alone(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    struct digest nothing = digest_named("");

    (void)state;
    out_layout_init(&l);
    out_layout_blob(&l, STR("empty"), &nothing, 0);
    assert_int_equal(l.n_pieces, 1);
    assert_int_equal(l.n_bytes, 512);
}

static void a_size_of_8_gib_stands_in_a_record_and_not_in_the_header(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    struct digest d = digest_named("large");

    (void)state;
    out_layout_init(&l);
    out_layout_blob(&l, STR("large"), &d, 8 * GIB);
    assert_int_equal(*field(&l, 0, TYPE), 'x');
    assert_string_equal(field(&l, 0, SIZE), "00000000023");
    assert_memory_equal(l.text.p + 512, "19 size=8589934592\n", 20);
    assert_int_equal(*field(&l, 1024, TYPE), '0');
    assert_string_equal(field(&l, 1024, SIZE), "00000000000");
    assert_int_equal(l.n_bytes, 3 * 512 + 8 * GIB);
}

static void a_size_below_8_gib_needs_no_record(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    struct digest d = digest_named("large");

    (void)state;
    out_layout_init(&l);
    out_layout_blob(&l, STR("large"), &d, 8 * GIB - 1);
    assert_int_equal(*field(&l, 0, TYPE), '0');
    assert_string_equal(field(&l, 0, SIZE), "77777777777");
    assert_int_equal(l.n_bytes, 512 + 8 * GIB);
}

static void a_name_over_100_bytes_stands_in_a_record(void **state)
{
    static const char name[] = "blobs/sha512/"
                               "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                               "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    AUTO(out_layout) struct out_layout l = {0};

    (void)state;
    out_layout_init(&l);
    out_layout_file(&l, str_of(name), STR("x"));
    assert_int_equal(*field(&l, 0, TYPE), 'x');
    assert_memory_equal(l.text.p + 512, "151 path=", 9);
    assert_memory_equal(l.text.p + 512 + 9, name, strlen(name));
    assert_memory_equal(field(&l, 1024, NAME), name, 100);
}

/* The record counts the digits of its own length: 99 and 100 bytes around the edge. */
static void the_length_of_a_record_counts_itself(void **state)
{
    char name[128];

    (void)state;
    memset(name, 'n', sizeof(name));
    for (size_t n = 101; n < sizeof(name); n++) {
        AUTO(out_layout) struct out_layout l = {0};
        char *end;

        out_layout_init(&l);
        out_layout_file(&l, (struct str){name, n}, STR(""));
        size_t told = strtoul(l.text.p + 512, &end, 10);
        assert_memory_equal(end, " path=", 6);
        assert_int_equal(l.text.p[512 + told - 1], '\n');
        assert_int_equal(l.text.p[512 + told], '\0');
    }
}

static void the_sum_of_a_header_is_right(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    unsigned long sum = 0;

    (void)state;
    small_archive(&l);
    for (size_t i = 0; i < 512; i++)
        sum += i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : (unsigned char)l.text.p[i];
    assert_int_equal(strtoul(field(&l, 0, CHECKSUM), NULL, 8), sum);
}

static void other_blobs_make_another_digest(void **state)
{
    struct digest d[2], of[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        AUTO(out_layout) struct out_layout l = {0};

        d[i] = digest_named(i ? "one" : "two");
        out_layout_init(&l);
        out_layout_blob(&l, STR("same"), &d[i], 10);
        assert_ok(out_layout_end(&l, ERR_IGNORED));
        out_layout_digest(&l, &of[i]);
    }
    assert_digest_not_equal(&of[0], &of[1]);
}

static void more_text_than_memory_is_given_is_refused(void **state)
{
    AUTO(out_layout) struct out_layout l = {0};
    struct err e = {0};
    char *text = noise(1u << 20, 1);

    (void)state;
    out_layout_init(&l);
    for (int i = 0; i < 9; i++)
        out_layout_file(&l, STR("much"), (struct str){text, 1u << 20});
    assert_code(ERR_UNSUPPORTED, out_layout_end(&l, &e));
    assert_true(e.public_detail);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_blobs_take_turns),
        cmocka_unit_test(each_byte_is_found_in_its_piece),
        cmocka_unit_test(the_text_of_an_archive_stays_what_it_is),
        cmocka_unit_test(an_empty_blob_is_a_header_alone),
        cmocka_unit_test(a_size_of_8_gib_stands_in_a_record_and_not_in_the_header),
        cmocka_unit_test(a_size_below_8_gib_needs_no_record),
        cmocka_unit_test(a_name_over_100_bytes_stands_in_a_record),
        cmocka_unit_test(the_length_of_a_record_counts_itself),
        cmocka_unit_test(the_sum_of_a_header_is_right),
        cmocka_unit_test(other_blobs_make_another_digest),
        cmocka_unit_test(more_text_than_memory_is_given_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
