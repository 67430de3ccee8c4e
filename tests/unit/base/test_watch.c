#include "base/watch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/test-watch-XXXXXX";

static void put(const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* As if the time for the next look had come. */
static bool look(struct watch *w)
{
    atomic_store(&w->look_ms, 0);
    return watch_changed(w);
}

static void a_change_is_told_once(void **state)
{
    struct watch w;

    (void)state;
    put("one");
    watch_init(&w, path);
    assert_false(look(&w));
    put("other");
    assert_true(look(&w));
    assert_false(look(&w));
}

static void nothing_is_told_before_its_time(void **state)
{
    struct watch w;

    (void)state;
    put("one");
    watch_init(&w, path);
    put("other");
    atomic_store(&w.look_ms, INT64_MAX);
    assert_false(watch_changed(&w));
}

static void a_file_that_is_gone_for_a_moment_has_not_changed(void **state)
{
    struct watch w;

    (void)state;
    put("one");
    watch_init(&w, path);
    unlink(path);
    assert_false(look(&w));
    put("another");
    assert_true(look(&w));
}

static void a_file_that_stays_away_is_told_once(void **state)
{
    struct watch w;

    (void)state;
    put("one");
    watch_init(&w, path);
    unlink(path);
    assert_false(look(&w));
    assert_true(look(&w));
    assert_false(look(&w));
    assert_false(look(&w));
    put("one");
    assert_true(look(&w));
}

static void no_file_never_changes(void **state)
{
    struct watch w;

    (void)state;
    watch_init(&w, "");
    assert_false(look(&w));
    watch_init(&w, NULL);
    assert_false(look(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_told_once),
        cmocka_unit_test(nothing_is_told_before_its_time),
        cmocka_unit_test(a_file_that_is_gone_for_a_moment_has_not_changed),
        cmocka_unit_test(a_file_that_stays_away_is_told_once),
        cmocka_unit_test(no_file_never_changes),
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
