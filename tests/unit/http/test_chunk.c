#include "http/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char out[65536];
static size_t out_n, total_used;

/* Decodes text in pieces of `step` bytes, into `cap` bytes at a time. */
static enum http_parse decode(const char *text, size_t n, size_t step, size_t cap)
{
    struct http_chunk d;
    enum http_parse r = HTTP_PARSE_MORE;

    http_chunk_init(&d);
    out_n = total_used = 0;
    while (total_used < n && r == HTTP_PARSE_MORE) {
        size_t piece = n - total_used < step ? n - total_used : step, used, got;

        r = http_chunk_decode(&d, text + total_used, piece, out + out_n, cap, &used, &got);
        assert_true(used <= piece && got <= cap);
        assert_true(used > 0 || r != HTTP_PARSE_MORE);
        total_used += used;
        out_n += got;
    }
    return r;
}

static void expect(const char *text, enum http_parse want, const char *data, size_t used)
{
    static const size_t steps[] = {1, 2, 3, 7, 65536}, caps[] = {1, 5, 4096};

    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 3; k++) {
            enum http_parse r = decode(text, strlen(text), steps[i], caps[k]);

            if (r != want)
                fail_msg("verdict %d instead of %d (step %zu): %s", r, want, steps[i], text);
            if (data) {
                assert_int_equal(out_n, strlen(data));
                assert_memory_equal(out, data, out_n);
                assert_int_equal(total_used, used);
            }
        }
    }
}

static void good(const char *text, const char *data)
{
    expect(text, HTTP_PARSE_DONE, data, strlen(text));
}

static void bad(const char *text)
{
    expect(text, HTTP_PARSE_BAD, NULL, 0);
}

static void data_comes_out_in_any_split(void **state)
{
    (void)state;
    good("0\r\n\r\n", "");
    good("5\r\nhello\r\n0\r\n\r\n", "hello");
    good("5\r\nhello\r\nA\r\n, chunked!\r\n000\r\n\r\n", "hello, chunked!");
    good("00a\r\n0123456789\r\n0\r\n\r\n", "0123456789");
}

static void bytes_behind_the_end_are_left(void **state)
{
    (void)state;
    expect("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n", HTTP_PARSE_DONE, "a", 11);
}

static void extensions_and_trailers_are_dropped(void **state)
{
    (void)state;
    good("1;a=b\r\nx\r\n0;c\r\n\r\n", "x");
    good("1;a=\"b c\"\r\nx\r\n0\r\nDigest: y\r\nB:\r\n\r\n", "x");
    good("1 ;a\r\nx\r\n0\t; b\r\n\r\n", "x");
}

static void malformed_framing_is_refused(void **state)
{
    static const char *const rows[] = {
        "\r\n",         "g\r\n",      "-1\r\n",          "+1\r\n",           " 1\r\nx\r\n",
        "0x1\r\n",      "1\nx\r\n",   "1\r\nxy\r\n",     "1\r\nx\n0\r\n",    "1\r\nx\r\r\n",
        "1\rx\r\n",     "1 1\r\n",    "1_0\r\n",         ";a\r\n",           "1;a\nb\r\n",
        "1;a\x01\r\n",  "0\r\n\n",    "0\r\n\r\r",       "0\r\n a: b\r\n",   "0\r\na b: c\r\n",
        "0\r\n: c\r\n", "0\r\na\r\n", "0\r\na: b\n\r\n", "0\r\na: \x01\r\n", "0\r\na: b\r\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        bad(rows[i]);
    bad("1;a\x7f\r\n");
}

static void a_size_that_would_overflow_is_refused(void **state)
{
    (void)state;
    bad("10000000000000000\r\n");
    bad("fffffffffffffffff\r\n");
    bad("ffffffffffffffff\r\n");
    bad("0000000000000000000000001\r\nx\r\n");
}

static void extensions_and_trailers_are_bounded(void **state)
{
    size_t n = 40 * 1024;
    char *text = malloc(n);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', n);
    memcpy(text, "1;", 2);
    assert_int_equal(decode(text, n, 4096, 4096), HTTP_PARSE_BAD);
    memcpy(text, "0\r\n", 3);
    assert_int_equal(decode(text, n, 4096, 4096), HTTP_PARSE_BAD);
    /* many small extensions count together */
    for (size_t i = 0; i + 8 <= n; i += 8)
        memcpy(text + i, "1;b\r\nx\r\n", 8);
    assert_int_equal(decode(text, n, 4096, 4096), HTTP_PARSE_MORE);
    for (size_t i = 0; i + 16 <= n; i += 16)
        memcpy(text + i, "1;bbbbbbbbb\r\nx\r\n", 16);
    assert_int_equal(decode(text, n, 4096, 4096), HTTP_PARSE_BAD);
    free(text);
}

static void it_decodes_in_place(void **state)
{
    char text[] = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    struct http_chunk d;
    size_t used, n;

    (void)state;
    http_chunk_init(&d);
    assert_int_equal(
        http_chunk_decode(&d, text, sizeof(text) - 1, text, sizeof(text) - 1, &used, &n),
        HTTP_PARSE_DONE);
    assert_int_equal(n, 7);
    assert_memory_equal(text, "abcdefg", 7);
}

static void data_can_be_dropped(void **state)
{
    const char *text = "3\r\nabc\r\n0\r\n\r\n";
    struct http_chunk d;
    size_t used, n;

    (void)state;
    http_chunk_init(&d);
    assert_int_equal(http_chunk_decode(&d, text, strlen(text), NULL, SIZE_MAX, &used, &n),
                     HTTP_PARSE_DONE);
    assert_int_equal(used, strlen(text));
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_comes_out_in_any_split),
        cmocka_unit_test(bytes_behind_the_end_are_left),
        cmocka_unit_test(extensions_and_trailers_are_dropped),
        cmocka_unit_test(malformed_framing_is_refused),
        cmocka_unit_test(a_size_that_would_overflow_is_refused),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(it_decodes_in_place),
        cmocka_unit_test(data_can_be_dropped),
    };

    return cmocka_run_group_tests_name("http/chunk", tests, NULL, NULL);
}
