/* Runs whose process was killed: their records say so in the end, and no others do. */
#include "gc/collector.h"
#include "gc/lost.h"
#include "unit/core/support.h"

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void put(struct str collection, const char *id, const char *text)
{
    struct meta_op op = meta_op_record_put(collection, str_of(id), str_of(text), META_ANY);

    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static bool says(const char *id, const char *what)
{
    AUTO(record) struct meta_record record = {0};

    assert_ok(meta_record_get(w.r->meta, GC_RUNS, str_of(id), &record, ERR_IGNORED));
    return strstr(record.value, what) != NULL;
}

#define RUNNING "{\"started\":1,\"ended\":0,\"state\":\"running\",\"error\":\"\"}"

static void a_run_that_nobody_is_at_is_lost(void **state)
{
    (void)state;
    put(GC_RUNS, "1", RUNNING);
    assert_ok(gc_lost_end(w.r->meta, NULL, ERR_IGNORED));
    assert_true(says("1", "\"state\":\"lost\""));
    assert_true(says("1", "without a word"));
    assert_false(says("1", "\"ended\":0"));
}

static void a_run_that_goes_on_by_its_order_is_not(void **state)
{
    (void)state;
    put(GC_RUNS, "1", RUNNING);
    put(GC_ORDERS, "1", "{}");
    assert_ok(gc_lost_end(w.r->meta, NULL, ERR_IGNORED));
    assert_true(says("1", "running"));
}

static void the_run_that_asks_and_those_that_ended_are_not(void **state)
{
    (void)state;
    put(GC_RUNS, "1", RUNNING);
    put(GC_RUNS, "2", "{\"state\":\"done\"}");
    put(GC_RUNS, "3", "{\"state\":\"stopped\"}");
    assert_ok(gc_lost_end(w.r->meta, "1", ERR_IGNORED));
    assert_true(says("1", "running"));
    assert_true(says("2", "done"));
    assert_true(says("3", "stopped"));
}

static void the_next_run_says_it(void **state)
{
    const struct gc_options o = {.registry = w.r, .id = "2"};
    struct gc_counts counts;

    (void)state;
    put(GC_RUNS, "1", RUNNING);
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
    assert_true(says("1", "lost"));
    assert_true(says("2", "done"));
}

static void a_dry_run_leaves_it(void **state)
{
    const struct gc_options o = {.registry = w.r, .id = "2", .dry_run = true};
    struct gc_counts counts;

    (void)state;
    put(GC_RUNS, "1", RUNNING);
    assert_ok(gc_run(&o, &counts, ERR_IGNORED));
    assert_true(says("1", "running"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_run_that_nobody_is_at_is_lost),
        TEST(a_run_that_goes_on_by_its_order_is_not),
        TEST(the_run_that_asks_and_those_that_ended_are_not),
        TEST(the_next_run_says_it),
        TEST(a_dry_run_leaves_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
