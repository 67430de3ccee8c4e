#include "store/s3/temp.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1ull << 20)
#define MAX (16 * MIB)

struct fixture {
    char path[64];
    struct s3_temp *temp;
    struct s3_room others, mine;
    bool spare; /* others can do without */
    struct err e;
};

static bool free_some(void *ctx)
{
    struct fixture *f = ctx;
    bool spare = f->spare;

    f->spare = false;
    if (spare)
        s3_temp_give(f->temp, &f->others);
    return spare;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->path, sizeof(f->path), "/tmp/test_temp_XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(s3_temp_new(f->path, MAX, free_some, f, &f->temp, &f->e), ERR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    s3_temp_give(f->temp, &f->others);
    s3_temp_give(f->temp, &f->mine);
    s3_temp_free(f->temp);
    rmdir(f->path);
    free(f);
    return 0;
}

static void all_rooms_together_have_an_end(void **state)
{
    struct fixture *f = *state;

    assert_true(s3_temp_grow(f->temp, &f->others, MAX - MIB));
    assert_true(s3_temp_grow(f->temp, &f->mine, MIB));
    assert_false(s3_temp_grow(f->temp, &f->mine, 2 * MIB));
    assert_true(s3_temp_grow(f->temp, &f->mine, MIB)); /* has it */
    s3_temp_give(f->temp, &f->others);
    assert_true(s3_temp_grow(f->temp, &f->mine, 2 * MIB));
}

static void *give_later(void *ctx)
{
    struct fixture *f = ctx;

    usleep(100000);
    s3_temp_give(f->temp, &f->others);
    return NULL;
}

static void who_finds_no_room_waits_until_it_is_given_back(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_true(s3_temp_grow(f->temp, &f->others, MAX));
    pthread_create(&thread, NULL, give_later, f);
    assert_int_equal(s3_temp_wait(f->temp, &f->mine, MIB, &f->e), ERR_OK);
    pthread_join(thread, NULL);
    assert_int_equal(f->mine.taken_bytes, MIB);
}

static void what_nobody_is_at_is_freed_for_who_needs_room(void **state)
{
    struct fixture *f = *state;

    f->spare = true;
    assert_true(s3_temp_grow(f->temp, &f->others, MAX));
    assert_int_equal(s3_temp_wait(f->temp, &f->mine, MIB, &f->e), ERR_OK);
    assert_false(f->spare);
}

static void more_than_there_can_be_is_not_waited_for(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(s3_temp_wait(f->temp, &f->mine, MAX + 1, &f->e), ERR_STORAGE_FULL);
    assert_int_equal(s3_temp_health(f->temp, &f->e), ERR_OK);
}

static void nobody_waits_for_room_when_the_program_ends(void **state)
{
    struct fixture *f = *state;
    int64_t begun_ms = clock_mono_ms();

    assert_true(s3_temp_grow(f->temp, &f->others, MAX));
    s3_temp_hurry(f->temp, 10);
    assert_int_equal(s3_temp_wait(f->temp, &f->mine, MIB, &f->e), ERR_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - begun_ms, 10, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(all_rooms_together_have_an_end),
        TEST(who_finds_no_room_waits_until_it_is_given_back),
        TEST(what_nobody_is_at_is_freed_for_who_needs_room),
        TEST(more_than_there_can_be_is_not_waited_for),
        TEST(nobody_waits_for_room_when_the_program_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
