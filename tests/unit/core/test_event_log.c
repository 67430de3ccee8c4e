#include "core/event_log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/outbox.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

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

static struct uuid put(int number)
{
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;

    outbox_begin(&ev, "test.happened");
    outbox_add_number(&ev, "number", number);
    op = outbox_put(&ev);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    return ev.id;
}

static size_t move_all(void)
{
    size_t n;

    assert_ok(event_log_move(w.r, &n, ERR_IGNORED));
    return n;
}

static void an_event_has_its_id_and_the_next_number(void **state)
{
    AUTO(events) struct event_list l = {0};
    struct uuid id = put(1);
    char start[128];

    (void)state;
    assert_int_equal(move_all(), 1);
    assert_ok(event_log_read(w.meta, 0, 10, &l, ERR_IGNORED));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.rows[0].seq, 1);
    assert_string_equal(l.rows[0].id, id.text);
    snprintf(start, sizeof(start), "{\"id\":\"%s\",\"event\":\"test.happened\",\"time\":\"",
             id.text);
    assert_true(str_starts(str_of(l.rows[0].json), str_of(start)));
}

static void many_keep_their_order_through_many_transactions(void **state)
{
    AUTO(events) struct event_list l = {0};
    char want[32];

    (void)state;
    for (int i = 1; i <= 120; i++)
        put(i);
    assert_int_equal(move_all(), 120);
    assert_int_equal(move_all(), 0);
    assert_ok(event_log_read(w.meta, 20, 50, &l, ERR_IGNORED));
    assert_int_equal(l.n, 50);
    assert_true(l.more);
    for (size_t i = 0; i < l.n; i++) {
        assert_int_equal(l.rows[i].seq, 21 + i);
        snprintf(want, sizeof(want), ",\"number\":%zu}", 21 + i);
        assert_true(str_ends(str_of(l.rows[i].json), str_of(want)));
    }
}

static void the_oldest_go_when_there_are_too_many(void **state)
{
    AUTO(events) struct event_list l = {0};
    uint64_t first, last;
    size_t n;

    (void)state;
    for (int i = 1; i <= 150; i++)
        put(i);
    move_all();
    assert_ok(event_log_trim(w.r, 20, &n, ERR_IGNORED));
    assert_int_equal(n, 130);
    assert_ok(event_log_bounds(w.meta, &first, &last, ERR_IGNORED));
    assert_int_equal(first, 131);
    assert_int_equal(last, 150);
    assert_ok(event_log_read(w.meta, 0, 1, &l, ERR_IGNORED));
    assert_int_equal(l.rows[0].seq, 131);
    assert_ok(event_log_trim(w.r, 20, &n, ERR_IGNORED));
    assert_int_equal(n, 0);
}

static enum err_code read_so_far(void *ctx, uint64_t *ret_read, struct err *e)
{
    (void)e;
    *ret_read = *(const uint64_t *)ctx;
    return ERR_OK;
}

static uint64_t oldest_behind_a_tidy(uint64_t read, uint64_t keep, uint64_t keep_waiting)
{
    uint64_t first, last;

    atomic_store(&w.conf->registry.outbox_keep, keep);
    atomic_store(&w.conf->registry.outbox_keep_waiting, keep_waiting);
    event_log_keep_for(w.r->events, read_so_far, &read);
    assert_ok(event_log_tidy(w.r, ERR_IGNORED));
    assert_ok(event_log_bounds(w.meta, &first, &last, ERR_IGNORED));
    return first;
}

static void what_was_not_read_stays_up_to_a_bound(void **state)
{
    (void)state;
    for (int i = 1; i <= 30; i++)
        put(i);
    move_all();
    assert_int_equal(oldest_behind_a_tidy(0, 5, 100), 1);
    assert_int_equal(oldest_behind_a_tidy(0, 5, 25), 6);
    assert_int_equal(oldest_behind_a_tidy(10, 5, 100), 11);
    assert_int_equal(oldest_behind_a_tidy(28, 5, 100), 26);
    assert_int_equal(oldest_behind_a_tidy(UINT64_MAX, 4, 100), 27);
}

static void numbers_go_on_after_all_are_gone(void **state)
{
    struct meta_op op = meta_op_record_delete(EVENT_LOG, STR("0000000000000001"), META_ANY);
    uint64_t first, last;

    (void)state;
    assert_ok(event_log_bounds(w.meta, &first, &last, ERR_IGNORED));
    assert_int_equal(first, 1);
    assert_int_equal(last, 0);
    put(1);
    move_all();
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_ok(event_log_bounds(w.meta, &first, &last, ERR_IGNORED));
    assert_int_equal(first, 2);
    assert_int_equal(last, 1);
    put(2);
    move_all();
    assert_ok(event_log_bounds(w.meta, &first, &last, ERR_IGNORED));
    assert_int_equal(first, 2);
    assert_int_equal(last, 2);
}

static void what_is_no_event_holds_nothing_up(void **state)
{
    const struct meta_op ops[] = {
        meta_op_record_put(OUTBOX, STR("0 no key"), STR("{\"event\":\"x\"}"), META_ANY),
        meta_op_record_put(OUTBOX, STR("00000000-0000-7000-8000-000000000000"), STR("no JSON"),
                           META_ANY),
    };

    (void)state;
    assert_ok(meta_commit(w.meta, ops, 2, 0, NULL, ERR_IGNORED));
    put(1);
    assert_int_equal(move_all(), 1);
    assert_int_equal(move_all(), 0);
}

#define LARGE ((60u << 10) - 200)

static void large_ones_are_moved_few_at_a_time(void **state)
{
    AUTO(mem) char *text = mem_zero(LARGE + 1);
    AUTO(events) struct event_list l = {0};

    (void)state;
    memset(text, 'x', LARGE);
    for (int i = 0; i < 40; i++) {
        AUTO(outbox) struct outbox_event ev = {0};
        struct meta_op op;

        outbox_begin(&ev, "test.happened");
        outbox_add_text(&ev, "text", str_of(text));
        op = outbox_put(&ev);
        assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    }
    assert_int_equal(move_all(), 40);
    assert_ok(event_log_read(w.meta, 0, 100, &l, ERR_IGNORED));
    assert_int_equal(l.n, 40);
    assert_true(strlen(l.rows[39].json) > LARGE);
}

/* ---- two that move */

#define RIVALS 4
#define EACH   60

static void *mover(void *arg)
{
    struct err e;

    for (int i = 0; i < EACH; i++) {
        enum err_code code;

        put(i);
        /* Another process has a log of its own, and so no lock in common. */
        do
            code = event_log_move(arg, NULL, &e);
        while (code == ERR_LATER);
        assert_ok(code);
    }
    return NULL;
}

static void of_several_that_move_each_event_is_there_once(void **state)
{
    struct registry others[RIVALS];
    pthread_t threads[RIVALS];
    AUTO(events) struct event_list l = {0};

    (void)state;
    for (size_t i = 0; i < RIVALS; i++) {
        others[i] = *w.r;
        others[i].events = event_log_new(&others[i]);
        pthread_create(&threads[i], NULL, mover, &others[i]);
    }
    for (size_t i = 0; i < RIVALS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < RIVALS; i++)
        event_log_free(others[i].events);
    assert_int_equal(move_all(), 0);
    assert_ok(event_log_read(w.meta, 0, EVENT_LOG_PAGE, &l, ERR_IGNORED));
    assert_int_equal(l.n, RIVALS * EACH);
    for (size_t i = 0; i < l.n; i++)
        assert_int_equal(l.rows[i].seq, i + 1);
}

/* ---- what nobody waits for */

static void defer(struct event_log *log, int number)
{
    struct outbox_event ev;

    outbox_begin(&ev, "test.happened");
    outbox_add_number(&ev, "number", number);
    event_log_defer(log, &ev);
}

static void what_is_put_off_is_bounded_and_written_at_the_end(void **state)
{
    struct event_log *log = event_log_new(w.r);
    AUTO(events) struct event_list l = {0};
    uint64_t first, last;

    (void)state;
    for (int i = 0; i < 5000; i++)
        defer(log, i);
    assert_false(event_log_has_room(log));
    event_log_free(log);
    move_all();
    assert_ok(event_log_bounds(w.meta, &first, &last, ERR_IGNORED));
    assert_int_equal(last, 4096);
    assert_ok(event_log_read(w.meta, 0, 2, &l, ERR_IGNORED));
    assert_true(str_ends(str_of(l.rows[1].json), STR(",\"number\":1}")));
}

static void what_happens_again_is_told_once(void **state)
{
    (void)state;
    assert_true(event_log_may_tell(w.r->events, STR("team/app")));
    assert_false(event_log_may_tell(w.r->events, STR("team/app")));
    assert_true(event_log_may_tell(w.r->events, STR("other/app")));
}

/* ---- waiting */

static void *wait_for_one(void *arg)
{
    *(bool *)arg = event_log_wait(w.r->events, 0, 60000);
    return NULL;
}

static void who_waits_wakes_when_one_comes(void **state)
{
    bool there = false;
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, wait_for_one, &there);
    put(1);
    move_all();
    pthread_join(thread, NULL);
    assert_true(there);
    assert_false(event_log_wait(w.r->events, 1, 1));
}

static void who_waits_wakes_when_the_server_stops(void **state)
{
    bool there = true;
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, wait_for_one, &there);
    event_log_hush(w.r->events);
    pthread_join(thread, NULL);
    assert_false(there);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_has_its_id_and_the_next_number),
        TEST(many_keep_their_order_through_many_transactions),
        TEST(the_oldest_go_when_there_are_too_many),
        TEST(what_was_not_read_stays_up_to_a_bound),
        TEST(numbers_go_on_after_all_are_gone),
        TEST(what_is_no_event_holds_nothing_up),
        TEST(large_ones_are_moved_few_at_a_time),
        TEST(of_several_that_move_each_event_is_there_once),
        TEST(what_is_put_off_is_bounded_and_written_at_the_end),
        TEST(what_happens_again_is_told_once),
        TEST(who_waits_wakes_when_one_comes),
        TEST(who_waits_wakes_when_the_server_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
