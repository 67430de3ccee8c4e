/* Runs of a server that serves requests meanwhile: in short steps, and all the same to the end. */
#include "base/clock.h"
#include "base/pace.h"
#include "gc/collector.h"
#include "unit/core/support.h"

#include <stdio.h>

#define BLOBS 200

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    w.conf->gc.grace_ms = 0;
    w.conf->gc.share = 90;
    for (int i = 0; i < BLOBS; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        (void)blob_put(&w, "app", str_of(text));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static size_t transactions(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(meta_records(w.r->meta, GC_JOURNAL, STR(""), BLOBS, &l, ERR_IGNORED));
    return l.n;
}

/* For all of the test, however long this process is kept from its turn. */
static bool ask(void *ctx)
{
    (void)ctx;
    pace_request(clock_mono_us() + 3600 * (int64_t)1000000);
    return true;
}

static bool ask_nothing(void *ctx)
{
    (void)ctx;
    pace_request(clock_mono_us() - 3600 * (int64_t)1000000);
    return true;
}

static void collect(bool (*go_on)(void *ctx), uint64_t rate)
{
    const struct gc_options o = {
        .registry = w.r, .share = w.conf->gc.share, .rate = rate, .go_on = go_on};
    struct gc_counts counts;

    (void)go_on(NULL);
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
    assert_int_equal(counts.deleted.blobs, BLOBS);
    assert_int_equal(counts.problems, 0);
}

static void all_goes_at_once_while_nobody_asks(void **state)
{
    (void)state;
    collect(ask_nothing, 0);
    assert_int_equal(transactions(), 1);
}

static void all_goes_in_steps_while_somebody_asks(void **state)
{
    (void)state;
    collect(ask, 0);
    assert_true(transactions() > 1);
}

static void a_rate_holds_for_steps_that_are_short(void **state)
{
    int64_t before_ms = clock_mono_ms();

    (void)state;
    collect(ask, 2000);
    assert_true(clock_mono_ms() - before_ms >= BLOBS * 1000 / 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_goes_at_once_while_nobody_asks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_goes_in_steps_while_somebody_asks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rate_holds_for_steps_that_are_short, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
