/* Two servers, and a real Redis. */
#include "auth/core/shared_rates.h"
#include "base/clock.h"
#include "redis_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define TIMEOUT_MS 3000

/* So slow that nothing comes back within a test. */
static const struct rate_limit slow = {1, 3600, 10};

struct place {
    struct redis_server server;
    struct redis_client clients[2];
    struct rate *rates[2];
    struct shared_rates *shared[2];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    redis_server_make(&p->server, NULL);
    redis_server_start(&p->server);
    for (size_t i = 0; i < 2; i++) {
        redis_client_open(&p->clients[i], p->server.url, TIMEOUT_MS);
        redis_client_wait(&p->clients[i], true);
        p->rates[i] = rate_new();
        p->shared[i] = shared_rates_new(p->rates[i], p->clients[i].redis, "t:");
    }
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    for (size_t i = 0; i < 2; i++) {
        shared_rates_free(p->shared[i]);
        rate_free(p->rates[i]);
        redis_client_close(&p->clients[i]);
    }
    redis_server_remove(&p->server);
    free(p);
    return 0;
}

static unsigned take(struct rate *r, const char *who, unsigned n)
{
    struct rate_state state;
    unsigned taken = 0;

    while (n-- > 0)
        taken += rate_take(r, 'i', str_of(who), &slow, &state);
    return taken;
}

static uint64_t remaining(struct rate *r, const char *who)
{
    struct rate_state state;

    (void)rate_peek(r, 'i', str_of(who), &slow, &state);
    return state.remaining;
}

static void what_one_let_through_is_not_left_with_the_other(void **state)
{
    struct place *p = *state;

    assert_int_equal(take(p->rates[0], "alice", 6), 6);
    shared_rates_tell(p->shared[0]);
    assert_int_equal(take(p->rates[1], "alice", 1), 1);
    shared_rates_tell(p->shared[1]);
    assert_int_equal(remaining(p->rates[1], "alice"), 3);
    assert_int_equal(take(p->rates[1], "alice", 5), 3);
    assert_int_equal(take(p->rates[1], "bob", 1), 1);
    shared_rates_tell(p->shared[1]);
    assert_int_equal(remaining(p->rates[1], "bob"), 9);
}

static void what_all_took_too_much_together_is_owed(void **state)
{
    struct place *p = *state;

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(take(p->rates[i], "alice", 10), 10);
    for (size_t i = 0; i < 2; i++)
        shared_rates_tell(p->shared[i]);
    assert_int_equal(redis_server_do(&p->server, "EVAL \"return redis.call('get', "
                                                 "redis.call('keys', '*')[1])\" 0")[0],
                     '-');
}

static void a_bucket_refills_for_all(void **state)
{
    static const struct rate_limit fast = {100, 1, 10};
    struct place *p = *state;
    int64_t until_ms = clock_mono_ms() + 10000;
    struct rate_state ignored;

    for (int i = 0; i < 10; i++)
        assert_true(rate_take(p->rates[0], 'i', STR("alice"), &fast, &ignored));
    shared_rates_tell(p->shared[0]);
    while (!rate_take(p->rates[0], 'i', STR("alice"), &fast, &ignored)) {
        assert_true(clock_mono_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        shared_rates_tell(p->shared[0]);
    }
}

static void its_thread_tells_without_being_asked(void **state)
{
    struct place *p = *state;
    int64_t until_ms = clock_mono_ms() + 10000;
    struct err e;

    assert_int_equal(shared_rates_start(p->shared[0], &e), ERR_OK);
    assert_int_equal(take(p->rates[0], "alice", 1), 1);
    while (strcmp(redis_server_do(&p->server, "DBSIZE"), ":1") != 0) {
        assert_true(clock_mono_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static void a_redis_that_is_gone_leaves_each_its_own(void **state)
{
    struct place *p = *state;

    redis_server_kill(&p->server);
    assert_int_equal(take(p->rates[0], "alice", 12), 10);
    assert_int_equal(take(p->rates[1], "alice", 12), 10);
}

static void a_redis_that_stands_still_holds_up_nobody(void **state)
{
    struct place *p = *state;
    int64_t began_ms = clock_mono_ms();

    redis_server_pause(&p->server);
    assert_int_equal(take(p->rates[0], "alice", 12), 10);
    assert_true(clock_mono_ms() - began_ms < TIMEOUT_MS);
}

static void many_buckets_are_told_at_once(void **state)
{
    struct place *p = *state;
    char who[16];

    for (int i = 0; i < 3000; i++) {
        snprintf(who, sizeof(who), "u%d", i);
        assert_int_equal(take(p->rates[0], who, 2), 2);
    }
    shared_rates_tell(p->shared[0]);
    assert_string_equal(redis_server_do(&p->server, "DBSIZE"), ":3000");
    assert_int_equal(take(p->rates[1], who, 1), 1);
    shared_rates_tell(p->shared[1]);
    assert_int_equal(remaining(p->rates[1], who), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_one_let_through_is_not_left_with_the_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_all_took_too_much_together_is_owed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bucket_refills_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(its_thread_tells_without_being_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redis_that_is_gone_leaves_each_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redis_that_stands_still_holds_up_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(many_buckets_are_told_at_once, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
