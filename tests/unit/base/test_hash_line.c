#include "base/hash_line.h"

#include "base/byte_line.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY_BYTES (6u << 20)

/* Bytes that differ everywhere. */
static unsigned char *some_bytes(size_t n)
{
    unsigned char *p = mem_alloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(i * 31 + i / 251);
    return p;
}

static void assert_hash_in_pieces(size_t n, size_t piece)
{
    AUTO(mem) unsigned char *p = some_bytes(n);
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    struct hash_line *l = hash_line_new(h);
    struct digest wanted, got;

    for (size_t at = 0; at < n; at += piece)
        hash_line_add(l, p + at, n - at < piece ? n - at : piece);
    memset(p, 0, n); /* it was copied */
    hash_line_free(l);
    hasher_digest(h, &got);
    free(p);
    p = some_bytes(n);
    digest_of(DIGEST_SHA256, p, n, &wanted);
    assert_string_equal(got.text, wanted.text);
    assert_int_equal(hasher_bytes(h), n);
}

static void pieces_of_any_size_are_hashed_in_their_order(void **state)
{
    static const size_t pieces[] = {1000, 4096, 65536, 131072, 131073, 1u << 20, MANY_BYTES};

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
        assert_hash_in_pieces(MANY_BYTES, pieces[i]);
    assert_hash_in_pieces(0, 1);
    assert_hash_in_pieces(10, 3);
}

static void without_a_thread_to_be_had_it_is_the_same(void **state)
{
    unsigned n = 0;

    (void)state;
    while (helper_thread_take())
        n++;
    assert_hash_in_pieces(MANY_BYTES, 65536);
    for (; n > 0; n--)
        helper_thread_give();
}

/* The only thread that there may be ends when nothing comes, and so another gets one. */
static void who_gets_no_bytes_holds_no_thread(void **state)
{
    AUTO(mem) unsigned char *p = some_bytes(MANY_BYTES);
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    struct hash_line *l = hash_line_new(h);
    unsigned n = 0, before = 0;

    (void)state;
    while (helper_thread_take())
        before++;
    for (unsigned i = 0; i < before; i++)
        helper_thread_give();
    hash_line_add(l, p, MANY_BYTES); /* by itself */
    hash_line_add(l, p, MANY_BYTES);
    while (n < before) { /* until its thread is given back */
        if (helper_thread_take())
            n++;
    }
    for (; n > 0; n--)
        helper_thread_give();
    hash_line_add(l, p, MANY_BYTES); /* by a new thread */
    hash_line_free(l);
    assert_int_equal(hasher_bytes(h), 3ull * MANY_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_are_hashed_in_their_order),
        cmocka_unit_test(without_a_thread_to_be_had_it_is_the_same),
        cmocka_unit_test(who_gets_no_bytes_holds_no_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
