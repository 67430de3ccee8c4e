#include "base/clock.h"
#include "base/thread.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void *own_mask(void *arg)
{
    pthread_sigmask(SIG_BLOCK, NULL, arg);
    return NULL;
}

static void a_thread_takes_no_signals_and_its_maker_still_does(void **state)
{
    sigset_t of_thread, of_maker;
    pthread_t thread;

    (void)state;
    assert_int_equal(thread_start(&thread, "test", THREAD_STACK_USUAL, own_mask, &of_thread), 0);
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &of_maker);
    for (const int *s = (int[]){SIGTERM, SIGINT, SIGHUP, SIGPIPE, 0}; *s; s++) {
        assert_true(sigismember(&of_thread, *s));
        assert_false(sigismember(&of_maker, *s));
    }
}

static void *until_locked(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

static void a_thread_has_its_name(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    char name[16];

    (void)state;
    pthread_mutex_lock(&mutex);
    assert_int_equal(thread_start(&thread, "a-name", 256 * 1024, until_locked, &mutex), 0);
    assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    assert_string_equal(name, "a-name");
}

static void a_timed_wait_goes_by_the_monotonic_clock(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int64_t until_ms = clock_mono_ms() + 20;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_t cond;

    (void)state;
    thread_cond_init(&cond);
    pthread_mutex_lock(&mutex);
    while (pthread_cond_timedwait(&cond, &mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&mutex);
    assert_true(clock_mono_ms() >= until_ms);
    pthread_cond_destroy(&cond);
}

/* As a container is started that gets fewer than the machine has. */
static void only_processors_that_may_be_used_count(void **state)
{
    cpu_set_t all, one;
    int first = 0;
    size_t n;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    assert_int_equal(thread_processors(), CPU_COUNT(&all));
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    n = thread_processors();
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_takes_no_signals_and_its_maker_still_does),
        cmocka_unit_test(a_thread_has_its_name),
        cmocka_unit_test(only_processors_that_may_be_used_count),
        cmocka_unit_test(a_timed_wait_goes_by_the_monotonic_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
