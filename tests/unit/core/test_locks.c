#include "core/locks.h"

#include "support.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  2000

static struct locks locks;

static void the_same_key_is_the_same_mutex(void **state)
{
    pthread_mutex_t *first, *second;

    (void)state;
    locks_init(&locks);
    first = locks_hold(&locks, STR("library/busybox"), STR("latest"));
    assert_int_not_equal(pthread_mutex_trylock(first), 0);
    locks_release(first);
    second = locks_hold(&locks, STR("library/busybox"), STR("latest"));
    assert_ptr_equal(first, second);
    locks_release(second);
    locks_done(&locks);
}

static void keys_spread_over_the_stripes(void **state)
{
    bool used[LOCKS_STRIPES] = {0};
    size_t n = 0;

    (void)state;
    locks_init(&locks);
    for (unsigned i = 0; i < 4 * LOCKS_STRIPES; i++) {
        char tag[16];
        pthread_mutex_t *held;

        snprintf(tag, sizeof(tag), "v%u", i);
        held = locks_hold(&locks, STR("library/busybox"), str_of(tag));
        if (!used[held - locks.stripes])
            n++;
        used[held - locks.stripes] = true;
        locks_release(held);
    }
    locks_done(&locks);
    assert_true(n > LOCKS_STRIPES / 2);
}

static void releasing_nothing_is_allowed(void **state)
{
    (void)state;
    locks_release(NULL);
}

static void a_held_lock_is_released_at_the_end_of_its_scope(void **state)
{
    pthread_mutex_t *was;

    (void)state;
    locks_init(&locks);
    {
        AUTO(held) pthread_mutex_t *held = locks_hold(&locks, STR("a"), STR("b"));

        was = held;
    }
    assert_int_equal(pthread_mutex_trylock(was), 0);
    pthread_mutex_unlock(was);
    locks_done(&locks);
}

static void *count(void *arg)
{
    unsigned *counter = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        AUTO(held) pthread_mutex_t *held = locks_hold(&locks, STR("a"), STR("b"));

        (*counter)++;
    }
    return NULL;
}

static void threads_with_the_same_key_take_turns(void **state)
{
    pthread_t threads[THREADS];
    unsigned counter = 0;

    (void)state;
    locks_init(&locks);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, &counter), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    locks_done(&locks);
    assert_int_equal(counter, THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_key_is_the_same_mutex),
        cmocka_unit_test(keys_spread_over_the_stripes),
        cmocka_unit_test(releasing_nothing_is_allowed),
        cmocka_unit_test(a_held_lock_is_released_at_the_end_of_its_scope),
        cmocka_unit_test(threads_with_the_same_key_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
