#include "core/reference.h"

#include "support.h"

#define HEX64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX128 HEX64 HEX64

static enum err_code parse(const char *text, struct reference *ret_ref)
{
    struct err e = {0};
    enum err_code code = reference_parse(str_of(text), ret_ref, &e);

    if (code != ERR_OK)
        assert_true(e.public_detail);
    return code;
}

static void a_word_is_a_tag(void **state)
{
    struct reference ref;

    (void)state;
    assert_ok(parse("v1.0_rc-2", &ref));
    assert_false(ref.is_digest);
    assert_string_equal(ref.tag.text, "v1.0_rc-2");
    assert_string_equal(reference_str(&ref).p, "v1.0_rc-2");
}

static void sha256_is_a_digest(void **state)
{
    struct reference ref;

    (void)state;
    assert_ok(parse("sha256:" HEX64, &ref));
    assert_true(ref.is_digest);
    assert_int_equal(ref.digest.algorithm, DIGEST_SHA256);
    assert_string_equal(reference_str(&ref).p, "sha256:" HEX64);
}

static void sha512_is_a_digest(void **state)
{
    struct reference ref;

    (void)state;
    assert_ok(parse("sha512:" HEX128, &ref));
    assert_true(ref.is_digest);
    assert_int_equal(ref.digest.algorithm, DIGEST_SHA512);
}

static void what_has_a_colon_is_no_tag(void **state)
{
    static const char *const digests[] = {
        ":",
        "tag:",
        ":tag",
        "sha256:",
        "sha256:abc",
        "sha512:" HEX64,
        "sha256:" HEX128,
        "SHA256:" HEX64,
        "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        "sha256:" HEX64 ":",
        "md5:0123456789abcdef0123456789abcdef",
    };
    struct reference ref;

    (void)state;
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
        assert_code(ERR_DIGEST_MALFORMED, parse(digests[i], &ref));
}

static void what_no_tag_may_hold_is_refused(void **state)
{
    static const char *const tags[] = {"",    ".",   "..",    "-x",      ".x",
                                       "a/b", "a b", "a%20b", "\xc3\xa9"};
    struct reference ref;

    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        assert_code(ERR_TAG_INVALID, parse(tags[i], &ref));
}

static void a_nul_byte_is_refused(void **state)
{
    struct reference ref;

    (void)state;
    assert_code(ERR_TAG_INVALID, reference_parse(STR("a\0b"), &ref, ERR_IGNORED));
}

static void a_tag_may_have_128_characters_and_no_more(void **state)
{
    struct reference ref;

    (void)state;
    assert_ok(parse(HEX128, &ref));
    assert_code(ERR_TAG_INVALID, parse(HEX128 "0", &ref));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_a_tag),
        cmocka_unit_test(sha256_is_a_digest),
        cmocka_unit_test(sha512_is_a_digest),
        cmocka_unit_test(what_has_a_colon_is_no_tag),
        cmocka_unit_test(what_no_tag_may_hold_is_refused),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(a_tag_may_have_128_characters_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
