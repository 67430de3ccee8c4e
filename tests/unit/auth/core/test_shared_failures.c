/* Two servers, and a real Redis. */
#include "auth/core/failures.h"
#include "base/clock.h"
#include "redis_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HERE       "192.0.2.1"
#define THERE      "192.0.2.2"
#define AFTER      3
#define TIMEOUT_MS 3000

struct place {
    struct redis_server server;
    struct redis_client clients[2];
    struct failures *failures[2];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    redis_server_make(&p->server, NULL);
    redis_server_start(&p->server);
    for (size_t i = 0; i < 2; i++) {
        redis_client_open(&p->clients[i], p->server.url, TIMEOUT_MS);
        redis_client_wait(&p->clients[i], true);
        p->failures[i] = failures_new(AFTER, 60000);
        failures_share(p->failures[i], p->clients[i].redis, "t:");
    }
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    for (size_t i = 0; i < 2; i++) {
        failures_free(p->failures[i]);
        redis_client_close(&p->clients[i]);
    }
    redis_server_remove(&p->server);
    free(p);
    return 0;
}

static bool locked(struct failures *f, const char *user, const char *address)
{
    return failures_locked_ms(f, str_of(user), address) > 0;
}

static int64_t wrong(struct failures *f, const char *user, const char *address, int times)
{
    int64_t delay_ms = 0;

    for (int i = 0; i < times; i++)
        delay_ms = failures_count(f, str_of(user), address);
    return delay_ms;
}

static void who_is_locked_out_of_one_is_locked_out_of_all(void **state)
{
    struct place *p = *state;

    wrong(p->failures[0], "alice", HERE, AFTER - 1);
    assert_false(locked(p->failures[1], "alice", HERE));
    wrong(p->failures[1], " ALICE", HERE, 1);
    assert_true(locked(p->failures[0], "alice", HERE));
    assert_true(locked(p->failures[1], "alice", HERE));
    assert_in_range(failures_locked_ms(p->failures[0], STR("alice"), HERE), 50000, 60000);
    assert_false(locked(p->failures[0], "alice", THERE));
    assert_false(locked(p->failures[0], "bob", HERE));
}

static void an_address_is_locked_out_of_all(void **state)
{
    struct place *p = *state;
    char user[2] = "a";

    for (int i = 0; i < AFTER * 10; i++, user[0] = (char)('a' + i % 26))
        wrong(p->failures[i % 2], user, HERE, 1);
    assert_true(locked(p->failures[0], "", HERE));
    assert_true(locked(p->failures[1], "nobody", HERE));
    assert_false(locked(p->failures[1], "nobody", THERE));
}

static void each_is_answered_later_than_the_one_before_wherever_that_was(void **state)
{
    struct place *p = *state;

    assert_int_equal(wrong(p->failures[0], "alice", HERE, 1), 50);
    assert_int_equal(wrong(p->failures[1], "alice", HERE, 1), 100);
    assert_int_equal(wrong(p->failures[0], "alice", HERE, 1), 200);
}

static void the_right_secret_clears_for_all(void **state)
{
    struct place *p = *state;

    wrong(p->failures[0], "alice", HERE, AFTER - 1);
    failures_clear(p->failures[1], STR("alice"), HERE);
    wrong(p->failures[1], "alice", HERE, 1);
    assert_false(locked(p->failures[1], "alice", HERE));
}

static void no_names_stand_in_redis(void **state)
{
    struct place *p = *state;

    wrong(p->failures[0], "alice", HERE, 1);
    assert_string_equal(redis_server_do(&p->server, "DBSIZE"), ":2");
    assert_string_equal(redis_server_do(&p->server,
                                        "EVAL \"return #redis.call('keys', '*alice*') + "
                                        "#redis.call('keys', '*192*')\" 0"),
                        ":0");
}

static void without_redis_each_counts_alone(void **state)
{
    struct place *p = *state;

    wrong(p->failures[0], "alice", HERE, AFTER - 1);
    redis_server_kill(&p->server);
    redis_client_wait(&p->clients[0], false);
    wrong(p->failures[0], "alice", HERE, 1);
    assert_true(locked(p->failures[0], "alice", HERE));
}

static void a_redis_that_stands_still_holds_up_one_try(void **state)
{
    struct place *p = *state;
    int64_t began_ms = clock_mono_ms();

    redis_server_pause(&p->server);
    for (int i = 0; i < 20; i++)
        assert_false(locked(p->failures[0], "alice", HERE));
    assert_true(clock_mono_ms() - began_ms < 3 * TIMEOUT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_locked_out_of_one_is_locked_out_of_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_address_is_locked_out_of_all, setup, teardown),
        cmocka_unit_test_setup_teardown(
            each_is_answered_later_than_the_one_before_wherever_that_was, setup, teardown),
        cmocka_unit_test_setup_teardown(the_right_secret_clears_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(no_names_stand_in_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(without_redis_each_counts_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redis_that_stands_still_holds_up_one_try, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
