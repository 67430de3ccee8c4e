#include "base/cleanup.h"
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* FIPS 180-4's examples */
#define SHA256_EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA256_ABC   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA512_ABC                                                                                 \
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"                      \
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void known_vectors(void **state)
{
    struct digest d;

    (void)state;
    digest_of(DIGEST_SHA256, "", 0, &d);
    assert_string_equal(d.text, SHA256_EMPTY);
    digest_of(DIGEST_SHA256, "abc", 3, &d);
    assert_string_equal(d.text, SHA256_ABC);
    assert_int_equal(d.n, strlen(SHA256_ABC));
    digest_of(DIGEST_SHA512, "abc", 3, &d);
    assert_string_equal(d.text, SHA512_ABC);
    assert_int_equal(d.algorithm, DIGEST_SHA512);
    assert_int_equal(digest_hex(&d).n, 128);
}

static void parsing_accepts_its_own_text(void **state)
{
    struct digest d;
    struct err e;

    (void)state;
    assert_int_equal(digest_parse(STR(SHA256_ABC), &d, &e), ERR_OK);
    assert_int_equal(d.algorithm, DIGEST_SHA256);
    assert_string_equal(d.text, SHA256_ABC);
    assert_true(str_eq(digest_hex(&d), str_of(&SHA256_ABC[7])));
    assert_int_equal(digest_parse(STR(SHA512_ABC), &d, &e), ERR_OK);
    assert_int_equal(d.algorithm, DIGEST_SHA512);
}

static void parsing_refuses_anything_else(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:abc",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
        "sha256:../../../../../../../../../../../../../../../../../../../../../x",
        " sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
    };
    struct digest d = {.n = 99};
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (digest_parse(str_of(bad[i]), &d, &e) != ERR_DIGEST_MALFORMED || !e.public_detail)
            fail_msg("'%s' should not be valid", bad[i]);
    }
    assert_int_equal(digest_parse(STR_NONE, &d, &e), ERR_DIGEST_MALFORMED);
    assert_int_equal(d.n, 99);
}

static void algorithms_have_names(void **state)
{
    enum digest_algorithm a = DIGEST_SHA256;

    (void)state;
    assert_true(digest_algorithm_parse(STR("sha512"), &a));
    assert_int_equal(a, DIGEST_SHA512);
    assert_string_equal(digest_algorithm_name(a), "sha512");
    assert_false(digest_algorithm_parse(STR("sha384"), &a));
    assert_false(digest_algorithm_parse(STR("SHA256"), &a));
}

static void a_hasher_takes_bytes_piece_by_piece(void **state)
{
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    struct digest d, whole;

    (void)state;
    hasher_digest(h, &d);
    assert_string_equal(d.text, SHA256_EMPTY);
    hasher_update(h, "a", 1);
    hasher_update(h, "", 0);
    hasher_update(h, "bc", 2);
    hasher_digest(h, &d);
    assert_string_equal(d.text, SHA256_ABC);
    assert_int_equal(hasher_algorithm(h), DIGEST_SHA256);
    hasher_update(h, "d", 1); /* it goes on after a digest was taken */
    hasher_digest(h, &d);
    digest_of(DIGEST_SHA256, "abcd", 4, &whole);
    assert_true(digest_eq(&d, &whole));
}

static void a_hasher_goes_on_from_what_was_saved(void **state)
{
    static const size_t lengths[] = {0, 1, 55, 63, 64, 65, 127, 128, 129, 1000};
    char text[2000], saved[HASHER_STATE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
        enum digest_algorithm a = i % 2 ? DIGEST_SHA512 : DIGEST_SHA256;
        size_t first = lengths[i / 2];
        AUTO(hasher) struct hasher *h = hasher_new(a);
        AUTO(hasher) struct hasher *other = NULL;
        struct digest d, whole;

        hasher_update(h, text, first);
        other = hasher_load(saved, hasher_save(h, saved));
        assert_non_null(other);
        assert_int_equal(hasher_algorithm(other), a);
        assert_int_equal(hasher_bytes(other), first);
        hasher_update(other, text + first, sizeof(text) - first);
        hasher_digest(other, &d);
        digest_of(a, text, sizeof(text), &whole);
        assert_true(digest_eq(&d, &whole));
    }
}

/* Past 2^32 bits, where the count of bits has two words. */
static void a_saved_hasher_knows_how_much_it_has_seen(void **state)
{
    static char piece[1 << 20];
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    AUTO(hasher) struct hasher *other = NULL;
    char saved[HASHER_STATE_MAX];
    struct digest d, again;

    (void)state;
    for (int i = 0; i < 600; i++)
        hasher_update(h, piece, sizeof(piece));
    other = hasher_load(saved, hasher_save(h, saved));
    assert_int_equal(hasher_bytes(other), 600ull << 20);
    hasher_digest(h, &d);
    hasher_digest(other, &again);
    assert_true(digest_eq(&d, &again));
}

static void what_no_hasher_saved_is_not_loaded(void **state)
{
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    char saved[HASHER_STATE_MAX];
    size_t n;

    (void)state;
    hasher_update(h, "abc", 3);
    n = hasher_save(h, saved);
    assert_null(hasher_load(saved, 0));
    assert_null(hasher_load(saved, n - 1));
    assert_null(hasher_load(saved, n + 1));
    saved[0] = '9';
    assert_null(hasher_load(saved, n));
    saved[0] = '1';
    saved[1] = '\xff';
    assert_null(hasher_load(saved, n));
}

static void digests_of_two_algorithms_differ(void **state)
{
    struct digest a, b;

    (void)state;
    digest_of(DIGEST_SHA256, "abc", 3, &a);
    digest_of(DIGEST_SHA512, "abc", 3, &b);
    assert_false(digest_eq(&a, &b));
    assert_true(digest_eq(&a, &a));
    hasher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(parsing_accepts_its_own_text),
        cmocka_unit_test(parsing_refuses_anything_else),
        cmocka_unit_test(algorithms_have_names),
        cmocka_unit_test(a_hasher_takes_bytes_piece_by_piece),
        cmocka_unit_test(a_hasher_goes_on_from_what_was_saved),
        cmocka_unit_test(a_saved_hasher_knows_how_much_it_has_seen),
        cmocka_unit_test(what_no_hasher_saved_is_not_loaded),
        cmocka_unit_test(digests_of_two_algorithms_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
