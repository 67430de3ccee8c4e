#include "store/s3/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct digest digest_number(unsigned n)
{
    struct digest d;

    digest_of(DIGEST_SHA256, &n, sizeof(n), &d);
    return d;
}

static int set_up(void **state)
{
    *state = s3_known_new();
    return 0;
}

static int tear_down(void **state)
{
    s3_known_free(*state);
    return 0;
}

static void what_was_seen_is_known_for_a_while(void **state)
{
    const struct digest d = digest_number(1), other = digest_number(2);

    s3_known_add(*state, &d, s3_known_since(*state), 1000);
    assert_true(s3_known_has(*state, &d, 1000));
    assert_true(s3_known_has(*state, &d, 999 + S3_KNOWN_MS));
    assert_false(s3_known_has(*state, &d, 1000 + S3_KNOWN_MS));
    assert_false(s3_known_has(*state, &other, 1000));
}

static void what_was_deleted_is_forgotten(void **state)
{
    const struct digest d = digest_number(1), other = digest_number(2);

    s3_known_add(*state, &d, s3_known_since(*state), 1000);
    s3_known_add(*state, &other, s3_known_since(*state), 1000);
    s3_known_forget(*state, &d);
    assert_false(s3_known_has(*state, &d, 1000));
    assert_true(s3_known_has(*state, &other, 1000));
}

static void what_was_seen_before_it_was_deleted_is_not_added_after(void **state)
{
    const struct digest d = digest_number(1);
    uint64_t since = s3_known_since(*state);

    s3_known_forget(*state, &d);
    s3_known_add(*state, &d, since, 1000);
    assert_false(s3_known_has(*state, &d, 1000));
}

static void as_many_as_there_is_room_for_are_known_the_last_among_them(void **state)
{
    struct digest d = {0};
    unsigned known = 0;

    for (unsigned n = 0; n < 20000; n++) {
        d = digest_number(n);
        s3_known_add(*state, &d, s3_known_since(*state), 1000 + n);
    }
    assert_true(s3_known_has(*state, &d, 30000));
    for (unsigned n = 0; n < 20000; n++) {
        d = digest_number(n);
        known += s3_known_has(*state, &d, 30000);
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
