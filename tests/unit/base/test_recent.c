#include "base/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KEEP_MS 60000

static struct digest digest_number(unsigned n)
{
    struct digest d;

    digest_of(DIGEST_SHA256, &n, sizeof(n), &d);
    return d;
}

static int set_up(void **state)
{
    *state = recent_new(KEEP_MS);
    return 0;
}

static int tear_down(void **state)
{
    recent_free(*state);
    return 0;
}

static void what_was_seen_is_known_for_a_while(void **state)
{
    const struct digest d = digest_number(1), other = digest_number(2);

    recent_add(*state, &d, recent_since(*state, &d), 1000);
    assert_true(recent_has(*state, &d, 1000));
    assert_true(recent_has(*state, &d, 999 + KEEP_MS));
    assert_false(recent_has(*state, &d, 1000 + KEEP_MS));
    assert_false(recent_has(*state, &other, 1000));
}

static void what_was_deleted_is_forgotten(void **state)
{
    const struct digest d = digest_number(1), other = digest_number(2);

    recent_add(*state, &d, recent_since(*state, &d), 1000);
    recent_add(*state, &other, recent_since(*state, &other), 1000);
    recent_forget(*state, &d);
    assert_false(recent_has(*state, &d, 1000));
    assert_true(recent_has(*state, &other, 1000));
}

static void what_was_seen_before_it_was_deleted_is_not_added_after(void **state)
{
    const struct digest d = digest_number(1);
    uint64_t since = recent_since(*state, &d);

    recent_forget(*state, &d);
    recent_add(*state, &d, since, 1000);
    assert_false(recent_has(*state, &d, 1000));
}

static void as_many_as_there_is_room_for_are_known_the_last_among_them(void **state)
{
    struct digest d = {0};
    unsigned known = 0;

    for (unsigned n = 0; n < 20000; n++) {
        d = digest_number(n);
        recent_add(*state, &d, recent_since(*state, &d), 1000 + n);
    }
    assert_true(recent_has(*state, &d, 30000));
    for (unsigned n = 0; n < 20000; n++) {
        d = digest_number(n);
        known += recent_has(*state, &d, 30000);
    }
    assert_int_equal(known, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_was_seen_is_known_for_a_while),
        TEST(what_was_deleted_is_forgotten),
        TEST(what_was_seen_before_it_was_deleted_is_not_added_after),
        TEST(as_many_as_there_is_room_for_are_known_the_last_among_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
