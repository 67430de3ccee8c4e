#include "base/ticker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 10

struct ends {
    struct ticker *ticker;
    struct reader *reader;
};

static int set_up(void **state)
{
    static struct ends ends;

    *state = &ends;
    return ticker_new(ROOM, &ends.ticker, &ends.reader, ERR_IGNORED) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct ends *x = *state;

    reader_free(x->reader);
    ticker_free(x->ticker);
    *x = (struct ends){0};
    return 0;
}

static void assert_read(struct ends *x, size_t cap, const char *want)
{
    char text[64] = "";
    size_t n;

    assert_int_equal(reader_read(x->reader, text, cap, &n, ERR_IGNORED), ERR_OK);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
}

static void assert_nothing_now(struct ends *x)
{
    char text[8];
    size_t n;

    assert_int_equal(reader_read(x->reader, text, sizeof(text), &n, ERR_IGNORED), ERR_LATER);
}

static bool is_readable(struct ends *x)
{
    struct pollfd p = {.fd = reader_wait_fd(x->reader), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void what_is_added_is_read_in_pieces(void **state)
{
    struct ends *x = *state;

    assert_nothing_now(x);
    ticker_add(x->ticker, STR("one"));
    ticker_add(x->ticker, STR("two"));
    assert_read(x, 4, "onet");
    assert_read(x, 64, "wo");
    assert_nothing_now(x);
}

static void its_descriptor_says_when_there_is_something(void **state)
{
    struct ends *x = *state;

    assert_nothing_now(x);
    assert_false(is_readable(x));
    ticker_add(x->ticker, STR("one"));
    assert_true(is_readable(x));
    assert_read(x, 2, "on");
    assert_true(is_readable(x));
    assert_read(x, 64, "e");
    assert_nothing_now(x);
    assert_false(is_readable(x));
    ticker_end(x->ticker);
    assert_true(is_readable(x));
}

static void no_more_is_kept_than_there_is_room_for(void **state)
{
    struct ends *x = *state;

    ticker_add(x->ticker, STR("12345678"));
    assert_int_equal(ticker_room(x->ticker), 2);
    ticker_add(x->ticker, STR("lost"));
    assert_read(x, 3, "123");
    ticker_add(x->ticker, STR("abcde"));
    assert_read(x, 64, "45678abcde");
    assert_int_equal(ticker_room(x->ticker), ROOM);
}

static void one_that_has_ended_is_read_to_its_end(void **state)
{
    struct ends *x = *state;

    ticker_add(x->ticker, STR("last"));
    ticker_free(x->ticker);
    x->ticker = NULL;
    assert_read(x, 64, "last");
    assert_read(x, 64, "");
    assert_read(x, 64, "");
}

static void nothing_is_added_for_a_reader_that_is_gone(void **state)
{
    struct ends *x = *state;

    assert_false(ticker_is_left(x->ticker));
    reader_free(x->reader);
    x->reader = NULL;
    assert_true(ticker_is_left(x->ticker));
    assert_int_equal(ticker_room(x->ticker), 0);
    ticker_add(x->ticker, STR("for nobody"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_added_is_read_in_pieces),
        TEST(its_descriptor_says_when_there_is_something),
        TEST(no_more_is_kept_than_there_is_room_for),
        TEST(one_that_has_ended_is_read_to_its_end),
        TEST(nothing_is_added_for_a_reader_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
