/* The chain of providers, with one that answers when it is told to. */
#include "auth/core/auth.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define AT_ONCE 2

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int asked;
static bool open_now;
static enum credential_kind of_threads;

static enum verdict slow_check(struct provider *p, const struct credential *c,
                               struct identity **ret_identity, struct err *e)
{
    (void)e;
    if (c->kind != CREDENTIAL_BEARER) {
        pthread_mutex_lock(&mutex);
        asked++;
        pthread_cond_broadcast(&changed);
        while (!open_now)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
    }
    *ret_identity = identity_new(IDENTITY_USER, STR("alice"), p->driver->name);
    return VERDICT_YES;
}

static void slow_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver slow_driver = {
    .name = "slow",
    .kinds = 1u << CREDENTIAL_BASIC | 1u << CREDENTIAL_BEARER | 1u << CREDENTIAL_SESSION,
    .check = slow_check,
    .free = slow_free,
};

static _Atomic uint64_t at_once;
static struct auth *chain;

static int open_chain(uint64_t configured, uint64_t max)
{
    struct auth_options options = {60000, 64, 100, 60000, {&at_once, max}};
    struct provider *p = NEW(struct provider);

    p->driver = &slow_driver;
    chain = auth_new(&options, &p, 1);
    at_once = configured;
    asked = 0;
    open_now = false;
    of_threads = CREDENTIAL_BASIC;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return open_chain(AT_ONCE, 64);
}

static int setup_few_workers(void **state)
{
    (void)state;
    return open_chain(64, AT_ONCE);
}

static int teardown(void **state)
{
    (void)state;
    auth_free(chain);
    return 0;
}

static enum auth_result sign_in(enum credential_kind kind, const char *secret, struct err *e)
{
    struct credential c = {
        .kind = kind, .user = STR("alice"), .secret = str_of(secret), .address = "192.0.2.1"};
    struct identity *id = NULL;
    unsigned retry_s;
    enum auth_result r = auth_check(chain, &c, &id, &retry_s, e);

    assert_int_equal(r == AUTH_OK, id != NULL);
    identity_unref(id);
    return r;
}

static void *wait_for_it(void *secret)
{
    struct err e = {0};

    return (void *)(intptr_t)sign_in(of_threads, secret, &e);
}

static void start_as_many_as_may(pthread_t threads[AT_ONCE])
{
    static char secrets[AT_ONCE][2] = {"a", "b"};

    for (int i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_it, secrets[i]), 0);
    pthread_mutex_lock(&mutex);
    while (asked < AT_ONCE)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void let_them_through(pthread_t threads[AT_ONCE])
{
    void *result;

    pthread_mutex_lock(&mutex);
    open_now = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < AT_ONCE; i++) {
        pthread_join(threads[i], &result);
        assert_int_equal((intptr_t)result, AUTH_OK);
    }
}

static void one_more_than_may_be_checked_at_once_is_told_to_come_later(void **state)
{
    pthread_t threads[AT_ONCE];
    struct err e = {0};

    (void)state;
    start_as_many_as_may(threads);
    assert_int_equal(sign_in(CREDENTIAL_BASIC, "c", &e), AUTH_FAILED);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_string_equal(e.detail, "too many sign-ins at once; try again in a moment");
    assert_int_equal(asked, AT_ONCE);
    let_them_through(threads);
    assert_int_equal(sign_in(CREDENTIAL_BASIC, "c", &e), AUTH_OK);
}

static void sessions_take_no_more_workers_than_that_either(void **state)
{
    pthread_t threads[AT_ONCE];
    struct err e = {0};

    (void)state;
    of_threads = CREDENTIAL_SESSION;
    start_as_many_as_may(threads);
    assert_int_equal(sign_in(CREDENTIAL_SESSION, "c", &e), AUTH_FAILED);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    let_them_through(threads);
}

static void passwords_that_take_long_keep_no_token_out(void **state)
{
    pthread_t threads[AT_ONCE];
    struct err e = {0};

    (void)state;
    start_as_many_as_may(threads);
    assert_int_equal(sign_in(CREDENTIAL_BEARER, "token", &e), AUTH_OK);
    let_them_through(threads);
}

static void who_signed_in_lately_is_not_checked_again(void **state)
{
    pthread_t threads[AT_ONCE];
    struct err e = {0};

    (void)state;
    start_as_many_as_may(threads);
    let_them_through(threads);
    open_now = false;
    assert_int_equal(sign_in(CREDENTIAL_BASIC, "a", &e), AUTH_OK);
    assert_int_equal(asked, AT_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_more_than_may_be_checked_at_once_is_told_to_come_later,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(one_more_than_may_be_checked_at_once_is_told_to_come_later,
                                        setup_few_workers, teardown),
        cmocka_unit_test_setup_teardown(sessions_take_no_more_workers_than_that_either,
                                        setup_few_workers, teardown),
        cmocka_unit_test_setup_teardown(passwords_that_take_long_keep_no_token_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_signed_in_lately_is_not_checked_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
