#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef bool decode_fn(struct str text, unsigned char *dst, size_t *ret_n);

static void assert_decodes(decode_fn *decode, const char *text, struct str bytes)
{
    unsigned char dst[64];
    size_t n;

    assert_true(BASE64_ROOM(strlen(text)) <= sizeof(dst));
    assert_true(decode(str_of(text), dst, &n));
    assert_int_equal(n, bytes.n);
    assert_memory_equal(dst, bytes.p, n);
}

static void assert_refused(decode_fn *decode, struct str text)
{
    unsigned char dst[64];
    size_t n;

    if (decode(text, dst, &n))
        fail_msg("taken for base64: '" STR_FMT "'", STR_ARG(text));
}

/* RFC 4648, 10 */
static void the_vectors_of_the_rfc_decode(void **state)
{
    (void)state;
    assert_decodes(base64_decode, "", STR(""));
    assert_decodes(base64_decode, "Zg==", STR("f"));
    assert_decodes(base64_decode, "Zm8=", STR("fo"));
    assert_decodes(base64_decode, "Zm9v", STR("foo"));
    assert_decodes(base64_decode, "Zm9vYg==", STR("foob"));
    assert_decodes(base64_decode, "Zm9vYmE=", STR("fooba"));
    assert_decodes(base64_decode, "Zm9vYmFy", STR("foobar"));
}

static void any_byte_may_be_encoded(void **state)
{
    (void)state;
    assert_decodes(base64_decode, "AP/+AA==", STR("\0\xff\xfe\0"));
    assert_decodes(base64url_decode, "AP_-AA", STR("\0\xff\xfe\0"));
}

static void text_that_is_not_strict_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z",      "Zg",        "Zg=",      "Zm9",  "====", "=",     "==",
        "Z===",   "Zm9v====",  "Zm9vZg=a", "Zg=A", "Zm=v", " Zm9v", "Zm9v ",
        "Zm9v\n", "Zm\n9v===", "Zm9-",     "Zm9_", "Zh==", "Zm9=",  "\xc3\xa4==",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(base64_decode, str_of(bad[i]));
    assert_refused(base64_decode, STR("Zm\0v"));
}

static void base64url_has_no_padding(void **state)
{
    static const char *const bad[] = {"Z", "Zg==", "Zm8=", "Zm9+", "Zm9/", "Zh", "Zm9", "Zm9v\n"};

    (void)state;
    assert_decodes(base64url_decode, "Zg", STR("f"));
    assert_decodes(base64url_decode, "Zm8", STR("fo"));
    assert_decodes(base64url_decode, "Zm9v", STR("foo"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(base64url_decode, str_of(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_decode),
        cmocka_unit_test(any_byte_may_be_encoded),
        cmocka_unit_test(text_that_is_not_strict_base64_is_refused),
        cmocka_unit_test(base64url_has_no_padding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
