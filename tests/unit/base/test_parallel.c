#include "base/parallel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 10000

static atomic_int calls[MANY];

static void count(void *ctx, size_t i)
{
    atomic_fetch_add(&calls[i], 1);
    atomic_fetch_add((atomic_int *)ctx, 1);
}

static void each_is_done_once(void **state)
{
    static const size_t threads[] = {0, 1, 2, 7, 1000};
    atomic_int all;

    (void)state;
    for (size_t k = 0; k < sizeof(threads) / sizeof(threads[0]); k++) {
        memset(calls, 0, sizeof(calls));
        atomic_init(&all, 0);
        parallel_each(MANY, threads[k], count, &all);
        assert_int_equal(all, MANY);
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(calls[i], 1);
    }
}

static void of_none_nothing_is_done(void **state)
{
    atomic_int all = 0;

    (void)state;
    parallel_each(0, 4, count, &all);
    assert_int_equal(all, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_done_once),
        cmocka_unit_test(of_none_nothing_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
