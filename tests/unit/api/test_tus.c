#include "api/tus.h"

#include "exchange.h"

#include <stdio.h>

/* The grammar of tus' headers, through requests that have nothing else. */

static struct conf_limits limits;
static struct conf_registry options = {.archives = {.bytes = 1000}};
static struct registry registry = {.limits = &limits, .options = &options};

static enum err_code metadata(const char *field, const char *key, char *dst, size_t cap)
{
    struct err e = {0};
    enum err_code code = tus_metadata(str_of(field), key, dst, cap, &e);

    if (code != ERR_OK)
        assert_true(e.public_detail);
    return code;
}

static void a_value_is_found_among_others(void **state)
{
    char text[16];

    (void)state;
    assert_ok(metadata("a YWJj,b,c ,d ZGVm", "d", text, sizeof(text)));
    assert_string_equal(text, "def");
    assert_ok(metadata("a YWJj,b,c ", "a", text, sizeof(text)));
    assert_string_equal(text, "abc");
}

static void a_key_without_a_value_or_that_is_not_there_is_empty(void **state)
{
    static const char *const keys[] = {"b", "c", "none"};
    char text[16];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_ok(metadata("a YWJj,b,c ", keys[i], text, sizeof(text)));
        assert_string_equal(text, "");
    }
    assert_ok(metadata("", "a", text, sizeof(text)));
    assert_string_equal(text, "");
}

static void metadata_that_is_not_to_the_protocol_is_refused(void **state)
{
    static const char *const fields[] = {
        "a YWJj,a YWJj", /* twice */
        ",a YWJj",       /* a pair without a key */
        "b YWJj,,a YWJj",
        "a !",                       /* no base64 */
        "a YWI",                     /* without its padding */
        "a AAAA",                    /* no text */
        "a YWJjZGVmZ2hpamtsbW5vcHE=" /* longer than may be */
    };
    char text[16];

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        assert_code(ERR_REQUEST_INVALID, metadata(fields[i], "a", text, sizeof(text)));
}

/* A request of one header or two. */
static struct req request_of(struct http_head *head, const char *name, const char *value,
                             const char *other, const char *other_value)
{
    *head = (struct http_head){.method = HTTP_POST};
    if (name)
        head->fields[head->n_fields++] = (struct http_field){str_of(name), str_of(value)};
    if (other)
        head->fields[head->n_fields++] = (struct http_field){str_of(other), str_of(other_value)};
    return (struct req){.registry = &registry, .head = head};
}

static void a_length_is_told_now_or_later_and_not_both(void **state)
{
    static const struct {
        const char *length, *later;
        enum err_code code;
        uint64_t bytes;
    } rows[] = {
        {"0", NULL, ERR_OK, 0},
        {"1000", NULL, ERR_OK, 1000},
        {"1001", NULL, ERR_IMAGE_TOO_LARGE, 0},
        {NULL, "1", ERR_OK, UINT64_MAX},
        {NULL, "0", ERR_REQUEST_INVALID, 0},
        {"5", "1", ERR_REQUEST_INVALID, 0},
        {NULL, NULL, ERR_REQUEST_INVALID, 0},
        {"-1", NULL, ERR_REQUEST_INVALID, 0},
        {"", NULL, ERR_REQUEST_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head head;
        struct req q = request_of(&head, rows[i].length ? "Upload-Length" : NULL, rows[i].length,
                                  rows[i].later ? "Upload-Defer-Length" : NULL, rows[i].later);
        uint64_t bytes = 0;

        assert_code(rows[i].code, tus_length(&q, &bytes, ERR_IGNORED));
        assert_int_equal(bytes, rows[i].bytes);
    }
}

static void only_a_post_can_stand_for_another_method(void **state)
{
    static const struct {
        const char *wanted;
        enum http_method method;
    } rows[] = {{"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE}, {"HEAD", HTTP_HEAD},
                {"PUT", HTTP_POST},    {"patch", HTTP_POST},    {"", HTTP_POST}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head head;

        request_of(&head, "X-HTTP-Method-Override", rows[i].wanted, NULL, NULL);
        assert_int_equal(tus_method(&head), rows[i].method);
        head.method = HTTP_GET;
        assert_int_equal(tus_method(&head), HTTP_GET);
    }
}

/* ---- checksums */

struct text_reader {
    struct reader reader;
    struct str left;
};

static enum err_code read_text(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct text_reader *t = (struct text_reader *)r;

    (void)e;
    *ret_n = t->left.n < cap ? t->left.n : cap;
    *ret_n = *ret_n < 4 ? *ret_n : 4; /* in pieces */
    memcpy(buf, t->left.p, *ret_n);
    t->left = str_sub(t->left, *ret_n, t->left.n - *ret_n);
    return ERR_OK;
}

static enum err_code read_all(const char *checksum, const char *body)
{
    static const struct reader_ops ops = {.read = read_text};
    struct text_reader text = {{.ops = &ops}, str_of(body)};
    AUTO(reader) struct reader *checked = NULL;
    struct http_head head;
    struct req q = request_of(&head, "Upload-Checksum", checksum, NULL, NULL);
    char buf[64];
    size_t n;

    TRY(tus_checksum(&q, &text.reader, &checked, ERR_IGNORED));
    do {
        TRY(reader_read(checked, buf, sizeof(buf), &n, ERR_IGNORED));
    } while (n > 0);
    return ERR_OK;
}

static void the_checksum_of_the_protocols_example_is_right(void **state)
{
    (void)state; /* tus 1.0.0, "Checksum", "Example" */
    assert_ok(read_all("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "hello world"));
}

static void other_bytes_have_not_that_checksum(void **state)
{
    (void)state;
    assert_code(ERR_CHECKSUM, read_all("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "hello World"));
    assert_code(ERR_CHECKSUM, read_all("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", ""));
}

static void what_is_no_checksum_is_refused(void **state)
{
    static const char *const values[] = {"",
                                         "sha1",
                                         "sha1 ",
                                         "sha1 AAAA",
                                         "crc32 AAAA",
                                         "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
                                         "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
                                         "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_code(ERR_REQUEST_INVALID, read_all(values[i], "hello world"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_among_others),
        cmocka_unit_test(a_key_without_a_value_or_that_is_not_there_is_empty),
        cmocka_unit_test(metadata_that_is_not_to_the_protocol_is_refused),
        cmocka_unit_test(a_length_is_told_now_or_later_and_not_both),
        cmocka_unit_test(only_a_post_can_stand_for_another_method),
        cmocka_unit_test(the_checksum_of_the_protocols_example_is_right),
        cmocka_unit_test(other_bytes_have_not_that_checksum),
        cmocka_unit_test(what_is_no_checksum_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
