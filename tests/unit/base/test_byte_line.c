/* Bytes that another thread takes: all, in their order, and what that thread says of them. */
#include "base/byte_line.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES (4u << 20)
#define PIECE 70000u

struct taken {
    unsigned char *p;
    size_t n;
    size_t wrong_at; /* what ends there or behind it is refused */
    unsigned after;  /* calls that came behind that */
};

static enum err_code take(void *ctx, const void *p, size_t n, struct err *e)
{
    struct taken *t = ctx;

    t->after += t->n >= t->wrong_at;
    memcpy(t->p + t->n, p, n);
    t->n += n;
    return t->n >= t->wrong_at ? err_set(e, ERR_IMAGE_INVALID, "wrong at %zu", t->wrong_at)
                               : ERR_OK;
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 31 + i / 251);
}

/* Adds bytes from `at` on, each piece from the same memory. */
static enum err_code add(struct byte_line *l, size_t at, size_t end, struct err *e)
{
    AUTO(mem) unsigned char *piece = mem_alloc(PIECE);

    while (at < end) {
        size_t n = end - at < PIECE ? end - at : PIECE;

        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(at + i);
        TRY(byte_line_add(l, piece, n, e));
        at += n;
    }
    return ERR_OK;
}

static void all_is_taken_in_its_order_when_it_has_settled(void **state)
{
    struct taken t = {.p = mem_alloc(BYTES), .wrong_at = SIZE_MAX};
    AUTO(byte_line) struct byte_line *l = byte_line_new(take, &t);

    (void)state;
    for (size_t at = 0; at < BYTES; at += BYTES / 4) {
        assert_int_equal(add(l, at, at + BYTES / 4, ERR_IGNORED), ERR_OK);
        assert_int_equal(byte_line_settle(l, ERR_IGNORED), ERR_OK);
        assert_int_equal(t.n, at + BYTES / 4);
    }
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(t.p[i], byte_at(i));
    free(t.p);
}

/* Early, by the owner; late, by another thread. */
static void what_is_wrong_is_told_and_nothing_is_taken_behind_it(void **state)
{
    static const size_t wrong[] = {1, BYTES - 2 * PIECE};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct taken t = {.p = mem_alloc(BYTES), .wrong_at = wrong[i]};
        AUTO(byte_line) struct byte_line *l = byte_line_new(take, &t);
        struct err e = {0};
        enum err_code code = add(l, 0, BYTES, &e);

        if (code == ERR_OK)
            code = byte_line_settle(l, &e);
        assert_int_equal(code, ERR_IMAGE_INVALID);
        assert_non_null(strstr(e.detail, "wrong at"));
        assert_int_equal(byte_line_add(l, "x", 1, &e), ERR_IMAGE_INVALID);
        assert_int_equal(byte_line_settle(l, &e), ERR_IMAGE_INVALID);
        assert_int_equal(t.after, 0);
        free(t.p);
    }
}

static void without_a_thread_to_be_had_it_is_the_same(void **state)
{
    unsigned n = 0;

    while (helper_thread_take())
        n++;
    all_is_taken_in_its_order_when_it_has_settled(state);
    what_is_wrong_is_told_and_nothing_is_taken_behind_it(state);
    for (; n > 0; n--)
        helper_thread_give();
}

/* What was added is taken, also when its owner has no use for it any more. */
static void freeing_waits(void **state)
{
    struct taken t = {.p = mem_alloc(BYTES), .wrong_at = SIZE_MAX};
    struct byte_line *l = byte_line_new(take, &t);

    (void)state;
    assert_int_equal(add(l, 0, BYTES, ERR_IGNORED), ERR_OK);
    byte_line_free(l);
    assert_int_equal(t.n, BYTES);
    free(t.p);
    byte_line_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_taken_in_its_order_when_it_has_settled),
        cmocka_unit_test(what_is_wrong_is_told_and_nothing_is_taken_behind_it),
        cmocka_unit_test(without_a_thread_to_be_had_it_is_the_same),
        cmocka_unit_test(freeing_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
