#include "scan/rescan.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "scan/result.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>

#define OLD_MS 1000
#define NEW_MS 2000

struct fixture {
    struct world w;
    struct conf_scan conf;
    struct rescan x;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    world_in_memory(&f->w);
    world_add_jobs(&f->w);
    atomic_store(&f->conf.rescan, true);
    atomic_store(&f->conf.rescan_rate, 360000);
    f->x.registry = f->w.r;
    f->x.conf = &f->conf;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    world_done(&f->w);
    free(f);
    return 0;
}

static struct digest nth(unsigned n)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", n);
    return sha256_of(str_of(text));
}

static void result(struct fixture *f, unsigned n, enum scan_status status, int64_t data_ms)
{
    struct scan_result s = {.status = status, .n_repos = 1, .facts.data_ms = data_ms};
    struct digest d = nth(n);
    AUTO(buf) struct buf json = {0};
    struct meta_op op;

    s.repos[0] = repo_of("team/app");
    buf_init(&json, 65536);
    scan_result_print(&s, &json);
    op = meta_op_record_put(SCAN_RESULTS, digest_str(&d), buf_str(&json), META_ANY);
    assert_ok(meta_commit(f->w.meta, &op, 1, 0, NULL, &f->e));
}

static bool is_asked(struct fixture *f, unsigned n)
{
    char key[SCAN_KEY_MAX + 1];
    struct repo_name repo = repo_of("team/app");
    struct digest d = nth(n);
    struct meta_job job;

    scan_key(&repo, &d, key);
    if (meta_job_get(f->w.meta, STR(SCAN_AGAIN), str_of(key), &job, &f->e) != ERR_OK)
        return false;
    meta_job_done(&job);
    return true;
}

/* As if all that was asked for had been done. */
static size_t take_asked(struct fixture *f)
{
    struct meta_job_list l = {0};
    size_t n = 0;

    assert_ok(meta_jobs(f->w.meta, STR(""), STR(""), 1000, &l, &f->e));
    for (size_t i = 0; i < l.n; i++) {
        struct meta_op op;

        if (strcmp(l.rows[i].kind, SCAN_AGAIN) != 0)
            continue;
        op = meta_op_job_cancel(str_of(l.rows[i].kind), str_of(l.rows[i].key));
        assert_ok(meta_commit(f->w.meta, &op, 1, 0, NULL, &f->e));
        n++;
    }
    meta_job_list_done(&l);
    return n;
}

static struct rescan_state state_of(struct fixture *f)
{
    struct rescan_state s;

    assert_ok(rescan_state(f->w.r, &s, &f->e));
    return s;
}

static void what_was_scanned_with_other_data_is_asked_for(void **state)
{
    struct fixture *f = *state;

    result(f, 1, SCAN_COMPLETED, OLD_MS);
    result(f, 2, SCAN_COMPLETED, NEW_MS);
    result(f, 3, SCAN_NOT_APPLICABLE, 0);
    result(f, 4, SCAN_UNSUPPORTED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_true(is_asked(f, 1));
    assert_false(is_asked(f, 2));
    assert_false(is_asked(f, 3));
    assert_true(is_asked(f, 4));
    assert_int_equal(state_of(f).looked, 4);
    assert_int_equal(state_of(f).asked, 2);
}

static void the_same_data_begins_no_walk(void **state)
{
    struct fixture *f = *state;

    result(f, 1, SCAN_COMPLETED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 1);
    assert_ok(rescan_note(&f->x, NEW_MS, true, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 0);
}

static void a_server_that_is_behind_begins_no_walk(void **state)
{
    struct fixture *f = *state;

    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_note(&f->x, OLD_MS, false, &f->e));
    assert_true(state_of(f).data_ms == NEW_MS);
}

static void data_that_was_put_back_to_older_begins_one(void **state)
{
    struct fixture *f = *state;

    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_note(&f->x, OLD_MS, true, &f->e));
    assert_true(state_of(f).data_ms == OLD_MS);
}

static void no_more_are_asked_for_than_the_rate_allows(void **state)
{
    struct fixture *f = *state;
    size_t asked, all = 0;

    atomic_store(&f->conf.rescan_rate, 3600);
    for (unsigned i = 0; i < 25; i++)
        result(f, i, SCAN_COMPLETED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    for (int i = 0; i < 3; i++) {
        assert_ok(rescan_turn(&f->x, NULL, &f->e));
        asked = take_asked(f);
        assert_true(asked <= 10);
        all += asked;
    }
    assert_int_equal(all, 25);
}

static void none_are_asked_for_while_earlier_ones_wait(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->conf.rescan_rate, 3600);
    for (unsigned i = 0; i < 25; i++)
        result(f, i, SCAN_COMPLETED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    for (int i = 0; i < 3; i++)
        assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 10);
}

/* What the walk asked for last, it asked for long ago. */
static void let_time_pass(struct fixture *f)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *o = NULL;
    AUTO(mem) char *text = NULL;
    struct meta_op op;

    assert_ok(meta_record_get(f->w.meta, STR("scan.data"), STR("walk"), &record, &f->e));
    o = json_loads(record.value, 0, NULL);
    json_object_set_new(o, "last_ms", json_integer(1));
    text = json_dumps(o, 0);
    op = meta_op_record_put(STR("scan.data"), STR("walk"), str_of(text), record.version);
    assert_ok(meta_commit(f->w.meta, &op, 1, 0, NULL, &f->e));
}

static void one_that_waits_for_long_keeps_no_others_from_it(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->conf.rescan_rate, 3600);
    for (unsigned i = 0; i < 15; i++)
        result(f, i, SCAN_COMPLETED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    let_time_pass(f);
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 15);
}

static void a_walk_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct rescan other = f->x; /* another process */

    atomic_store(&f->conf.rescan_rate, 3600);
    for (unsigned i = 0; i < 15; i++)
        result(f, i, SCAN_COMPLETED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 10);
    assert_ok(rescan_turn(&other, NULL, &f->e));
    assert_int_equal(take_asked(f), 5);
    assert_int_equal(state_of(f).looked, 15);
}

static void a_walk_that_finds_nothing_ends(void **state)
{
    struct fixture *f = *state;

    result(f, 1, SCAN_COMPLETED, NEW_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_true(atomic_load(&f->x.walking));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_true(state_of(f).ended_ms > 0);
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_false(atomic_load(&f->x.walking));
}

static void with_scan_rescan_off_nothing_is_asked_for(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->conf.rescan, false);
    result(f, 1, SCAN_COMPLETED, OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, true, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 0);
}

static void many_results_take_several_pages(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 450; i++)
        result(f, i, SCAN_COMPLETED, i % 9 ? NEW_MS : OLD_MS);
    assert_ok(rescan_note(&f->x, NEW_MS, false, &f->e));
    assert_ok(rescan_turn(&f->x, NULL, &f->e));
    assert_int_equal(take_asked(f), 50);
    assert_int_equal(state_of(f).looked, 450);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_scanned_with_other_data_is_asked_for),
        CASE(the_same_data_begins_no_walk),
        CASE(a_server_that_is_behind_begins_no_walk),
        CASE(data_that_was_put_back_to_older_begins_one),
        CASE(no_more_are_asked_for_than_the_rate_allows),
        CASE(none_are_asked_for_while_earlier_ones_wait),
        CASE(one_that_waits_for_long_keeps_no_others_from_it),
        CASE(a_walk_goes_on_where_it_was),
        CASE(a_walk_that_finds_nothing_ends),
        CASE(with_scan_rescan_off_nothing_is_asked_for),
        CASE(many_results_take_several_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
