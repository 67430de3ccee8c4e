/* Members with a clock and rounds by hand: what each does of itself, and takes others for. */
#include "support.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define MEMBERS 3

struct fixture {
    struct meta *database;
    struct line lines[MEMBERS];
    struct members *m[MEMBERS];
    unsigned forgot[MEMBERS];
};

static struct fixture *f; /* of the test that runs */

static void note_forgot(void *ctx)
{
    ++*(unsigned *)ctx;
}

static int set_up(void **state)
{
    f = NEW(struct fixture);
    f->database = database_new();
    for (int i = 0; i < MEMBERS; i++) {
        const struct members_listener l = {.forget = note_forgot, .ctx = &f->forgot[i]};

        line_init(&f->lines[i], f->database);
        f->m[i] = member_new(&f->lines[i]);
        members_listen(f->m[i], &l);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < MEMBERS; i++)
        members_free(f->m[i]);
    meta_free(f->database);
    free(f);
    return 0;
}

static void member_stop(int i)
{
    members_free(STEAL(f->m[i]));
}

static size_t rows(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_int_equal(meta_records(f->database, STR("replicas"), STR(""), 100, &l, ERR_IGNORED),
                     ERR_OK);
    return l.n;
}

static bool may_act(int i)
{
    struct uuid id = members_id(f->m[i]);

    return members_may_act(f->m[i], &id);
}

static bool is_gone(int of, const struct uuid *id)
{
    bool gone;

    assert_int_equal(members_is_gone(f->m[of], id, &gone, ERR_IGNORED), ERR_OK);
    return gone;
}

static bool same(struct uuid a, struct uuid b)
{
    return strcmp(a.text, b.text) == 0;
}

/* ---- a database of one process */

static void on_a_database_of_one_process_everybody_else_is_gone(void **state)
{
    const struct members_options o = {.lease_ms = LEASE_MS, .name = ""};
    AUTO(members) struct members *m = members_new(f->database, &o);
    struct uuid id = members_id(m), other;
    struct meta_op op;
    bool gone;

    (void)state;
    assert_int_equal(members_start(m, ERR_IGNORED), ERR_OK);
    uuid_make(&other);
    assert_true(members_may_act(m, &id));
    assert_false(members_may_act(m, &other));
    assert_true(members_may_answer(m));
    assert_int_equal(members_is_gone(m, &other, &gone, ERR_IGNORED), ERR_OK);
    assert_true(gone);
    assert_int_equal(members_is_gone(m, &id, &gone, ERR_IGNORED), ERR_OK);
    assert_false(gone);
    assert_false(members_fence(m, &id, &op));
    assert_int_equal(rows(), 0);
}

/* ---- being there */

static void a_member_is_nothing_before_its_start_and_after_its_end(void **state)
{
    (void)state;
    assert_false(may_act(0));
    assert_false(members_may_answer(f->m[0]));
    member_start(f->m[0]);
    assert_true(may_act(0));
    assert_int_equal(rows(), 1);
    member_stop(0);
    assert_int_equal(rows(), 0);
}

static void hear_again(void *ctx)
{
    atomic_store(&((struct line *)ctx)->deaf, false);
}

static void be_deaf_once(void *ctx)
{
    struct line *l = ctx;

    atomic_store(&l->deaf, true);
    l->in_commit = hear_again;
}

static void a_start_is_tried_again_when_the_database_is_late(void **state)
{
    struct line *l = &f->lines[0];

    (void)state;
    l->in_commit = be_deaf_once;
    l->ctx = l;
    member_start(f->m[0]);
    assert_true(may_act(0));
    assert_int_equal(rows(), 1);
}

static void a_member_acts_until_nine_tenths_of_a_lease(void **state)
{
    (void)state;
    member_start(f->m[0]);
    atomic_fetch_add(&test_now_ms, LEASE_MS * 9 / 10 - 1);
    assert_true(may_act(0));
    assert_true(members_may_answer(f->m[0]));
    atomic_fetch_add(&test_now_ms, 1);
    assert_false(may_act(0));
    assert_false(members_may_answer(f->m[0]));
    members_round(f->m[0]);
    assert_true(may_act(0));
    assert_true(members_may_answer(f->m[0]));
}

static void take_long(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&test_now_ms, LEASE_MS / 2);
}

static void a_renewal_counts_from_its_start(void **state)
{
    (void)state;
    member_start(f->m[0]);
    f->lines[0].in_commit = take_long;
    members_round(f->m[0]);
    atomic_fetch_add(&test_now_ms, LEASE_MS * 9 / 10 - LEASE_MS / 2 - 1);
    assert_true(may_act(0));
    atomic_fetch_add(&test_now_ms, 1);
    assert_false(may_act(0));
}

static void who_renews_stays(void **state)
{
    struct uuid a, b;

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    a = members_id(f->m[0]);
    b = members_id(f->m[1]);
    PASS(10 * LEASE_MS, f->m[0], f->m[1]);
    assert_false(is_gone(0, &b));
    assert_false(is_gone(1, &a));
    assert_true(same(a, members_id(f->m[0])));
    assert_true(may_act(0));
    assert_int_equal(rows(), 2);
}

static void who_stands_still_for_a_lease_is_gone(void **state)
{
    struct uuid a;

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    a = members_id(f->m[0]);
    PASS(LEASE_MS - 1, f->m[1]);
    assert_false(is_gone(1, &a));
    assert_int_equal(rows(), 2);
    PASS(1, f->m[1]);
    assert_true(is_gone(1, &a));
    assert_int_equal(rows(), 1);
}

/* When its row is deleted it has not acted for a while. */
static void who_is_taken_for_gone_did_not_act_any_more(void **state)
{
    struct uuid a;

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    a = members_id(f->m[0]);
    while (!is_gone(1, &a)) {
        bool acted = members_may_act(f->m[0], &a);

        PASS(LEASE_MS / 10, f->m[1]);
        assert_true(!is_gone(1, &a) || !acted);
    }
    assert_false(members_may_act(f->m[0], &a));
}

static void who_was_taken_for_gone_comes_back_as_another(void **state)
{
    struct uuid a, fresh;

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    a = members_id(f->m[0]);
    PASS(LEASE_MS, f->m[1]);
    f->forgot[0] = 0;
    members_round(f->m[0]);
    fresh = members_id(f->m[0]);
    assert_false(same(a, fresh));
    assert_int_equal(f->forgot[0], 1);
    assert_true(may_act(0));
    assert_false(members_may_act(f->m[0], &a));
    assert_true(is_gone(0, &a));
    members_round(f->m[1]);
    assert_true(is_gone(1, &a));
    assert_false(is_gone(1, &fresh));
}

static void a_renewal_whose_answer_was_lost_loses_nothing(void **state)
{
    struct uuid a;

    (void)state;
    member_start(f->m[0]);
    a = members_id(f->m[0]);
    atomic_store(&f->lines[0].deaf, true);
    members_round(f->m[0]);
    atomic_store(&f->lines[0].deaf, false);
    PASS(LEASE_MS / 10, f->m[0]);
    assert_true(same(a, members_id(f->m[0])));
    assert_true(may_act(0));
    assert_int_equal(rows(), 1);
}

static void without_the_database_nothing_is_done_until_it_is_back(void **state)
{
    struct uuid a;

    (void)state;
    member_start(f->m[0]);
    a = members_id(f->m[0]);
    atomic_store(&f->lines[0].cut, true);
    PASS(LEASE_MS, f->m[0]);
    assert_false(may_act(0));
    assert_false(members_may_answer(f->m[0]));
    atomic_store(&f->lines[0].cut, false);
    PASS(LEASE_MS / 10, f->m[0]);
    assert_true(members_may_act(f->m[0], &a));
    assert_true(members_may_answer(f->m[0]));
}

/* All members were held up alike. */
static void nobody_is_gone_because_the_database_hung(void **state)
{
    struct uuid a, b;

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    a = members_id(f->m[0]);
    b = members_id(f->m[1]);
    PASS(LEASE_MS, f->m[0], f->m[1]);
    atomic_fetch_add(&test_now_ms, 10 * LEASE_MS);
    PASS(LEASE_MS, f->m[0], f->m[1]);
    assert_true(same(a, members_id(f->m[0])));
    assert_true(same(b, members_id(f->m[1])));
}

static void one_that_was_not_seen_yet_is_asked_after(void **state)
{
    struct uuid b, nobody;

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    b = members_id(f->m[1]);
    uuid_make(&nobody);
    assert_false(members_is_listed(f->m[0], &b));
    assert_false(is_gone(0, &b));
    assert_true(is_gone(0, &nobody));
}

static void without_the_database_nobody_is_called_gone(void **state)
{
    struct uuid nobody;
    bool gone = false;

    (void)state;
    member_start(f->m[0]);
    uuid_make(&nobody);
    atomic_store(&f->lines[0].cut, true);
    assert_int_equal(members_is_gone(f->m[0], &nobody, &gone, ERR_IGNORED), ERR_UNAVAILABLE);
}

static void a_transaction_of_one_that_is_gone_does_not_count(void **state)
{
    struct uuid a;
    struct meta_op ops[] = {
        meta_op_record_put(STR("things"), STR("k"), STR("v"), META_ANY),
        {0},
    };

    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    a = members_id(f->m[0]);
    assert_true(members_fence(f->m[0], &a, &ops[1]));
    assert_int_equal(meta_commit(f->database, ops, 2, 0, NULL, ERR_IGNORED), ERR_OK);
    PASS(LEASE_MS, f->m[1]);
    assert_int_equal(meta_commit(f->database, ops, 2, 0, NULL, ERR_IGNORED), ERR_NOT_FOUND);
}

/* ---- answering from memory */

static bool answers(int i)
{
    return members_may_answer(f->m[i]);
}

static size_t asked_by(int i)
{
    struct uuid ids[MEMBERS_MAX];
    size_t n;

    (void)members_to_ask(f->m[i], ids, &n);
    return n;
}

static void a_member_alone_answers_from_the_start(void **state)
{
    (void)state;
    member_start(f->m[0]);
    assert_true(answers(0));
    assert_int_not_equal(members_turn(f->m[0]), 0);
}

static void members_that_reach_nobody_fall_silent(void **state)
{
    (void)state;
    member_start(f->m[0]);
    member_start(f->m[1]);
    assert_false(answers(1));
    assert_int_equal(asked_by(1), 1); /* until the first has said that it is silent */
    members_round(f->m[0]);
    assert_false(answers(0));
    assert_int_equal(members_turn(f->m[0]), 0);
    assert_int_equal(f->forgot[0], 1);
    members_round(f->m[1]);
    assert_int_equal(asked_by(1), 0);
    assert_int_equal(asked_by(0), 0);
    member_stop(1);
    members_round(f->m[0]);
    assert_true(answers(0));
}

static void reach_each_other(int n)
{
    for (int i = 0; i < n; i++)
        members_set_reachable(f->m[i], true);
    for (int i = 0; i < n; i++)
        member_start(f->m[i]);
    PASS(LEASE_MS, f->m[0], f->m[1]);
    for (int i = 0; i < n; i++)
        assert_true(answers(i));
}

static void members_that_reach_each_other_answer(void **state)
{
    (void)state;
    reach_each_other(2);
    assert_int_equal(asked_by(0), 1);
    assert_int_equal(asked_by(1), 1);
    assert_int_equal(f->forgot[0], 0); /* the first one went on all the time */
}

static void one_that_is_not_reached_any_more_silences_all(void **state)
{
    (void)state;
    reach_each_other(2);
    members_set_reachable(f->m[1], false);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    assert_false(answers(0));
    assert_false(answers(1));
    assert_int_equal(f->forgot[0], 1);
    assert_int_equal(f->forgot[1], 1);
    assert_int_equal(asked_by(0) + asked_by(1), 0);
    members_set_reachable(f->m[1], true);
    PASS(LEASE_MS, f->m[0], f->m[1]);
    assert_true(answers(0));
    assert_true(answers(1));
}

static bool forgot_when_told;

static void look_at_row(void *ctx)
{
    AUTO(records) struct meta_record_list l = {0};

    (void)ctx;
    assert_int_equal(meta_records(f->database, STR("replicas"), STR(""), 100, &l, ERR_IGNORED),
                     ERR_OK);
    for (size_t i = 0; i < l.n; i++)
        forgot_when_told |= strstr(l.rows[i].value, "\"answers\":true") != NULL;
}

/* Who reads "silent" in the row may rely on it. */
static void a_member_forgets_before_it_says_that_it_is_silent(void **state)
{
    const struct members_listener l = {.forget = look_at_row};

    (void)state;
    members_listen(f->m[0], &l);
    forgot_when_told = false;
    member_start(f->m[0]);
    member_start(f->m[1]);
    members_round(f->m[0]);
    assert_false(answers(0));
    assert_true(forgot_when_told);
}

static void a_newcomer_waits_for_writes_that_began_before_it_was_known(void **state)
{
    struct members_write early, late;

    (void)state;
    members_set_reachable(f->m[0], true);
    members_set_reachable(f->m[1], true);
    member_start(f->m[0]);
    assert_int_equal(members_write_begin(f->m[0], &early, ERR_IGNORED), ERR_OK);
    member_start(f->m[1]);
    PASS(LEASE_MS, f->m[0], f->m[1]);
    assert_int_equal(asked_by(0), 1); /* known, but not said so */
    assert_false(answers(1));
    assert_int_equal(members_write_begin(f->m[0], &late, ERR_IGNORED), ERR_OK);
    members_write_end(f->m[0], &early);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    assert_true(answers(1)); /* the later one asks it */
    members_write_end(f->m[0], &late);
}

static void each_announcement_is_waited_for_anew(void **state)
{
    struct members_write w;

    (void)state;
    reach_each_other(2);
    members_set_reachable(f->m[1], false);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    assert_int_equal(members_write_begin(f->m[0], &w, ERR_IGNORED), ERR_OK);
    assert_int_equal(asked_by(0), 0);
    members_set_reachable(f->m[1], true);
    PASS(2 * LEASE_MS, f->m[0], f->m[1]);
    assert_false(answers(1));
    members_write_end(f->m[0], &w);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    assert_true(answers(1));
}

/* It looked when the announcement was there. */
static void who_came_later_is_not_waited_for(void **state)
{
    (void)state;
    members_set_reachable(f->m[2], true);
    reach_each_other(2);
    member_start(f->m[2]);
    assert_int_equal(asked_by(2), 2);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    assert_true(answers(0));
    assert_true(answers(1));
    assert_int_equal(f->forgot[0] + f->forgot[1], 0);
}

static void a_newcomer_does_not_wait_for_one_that_is_gone(void **state)
{
    (void)state;
    reach_each_other(2);
    members_set_reachable(f->m[2], true);
    member_start(f->m[2]);
    PASS(LEASE_MS / 2, f->m[0], f->m[2]);
    assert_false(answers(2));
    PASS(LEASE_MS, f->m[0], f->m[2]);
    assert_true(answers(2));
    assert_int_equal(rows(), 2);
}

static void who_comes_back_answers_only_when_all_know_it_again(void **state)
{
    struct members_write w;

    (void)state;
    reach_each_other(2);
    PASS(LEASE_MS, f->m[1]);
    assert_int_equal(members_write_begin(f->m[1], &w, ERR_IGNORED), ERR_OK);
    assert_int_equal(asked_by(1), 0);
    PASS(LEASE_MS, f->m[0], f->m[1]);
    assert_true(may_act(0));
    assert_false(answers(0));
    members_write_end(f->m[1], &w);
    PASS(LEASE_MS / 5, f->m[0], f->m[1]);
    assert_true(answers(0));
}

static uint64_t epoch(int i)
{
    uint64_t e;

    (void)members_epoch(f->m[i], &e);
    return e;
}

static void who_is_not_certain_silences_all_for_a_new_epoch(void **state)
{
    uint64_t was;

    (void)state;
    reach_each_other(2);
    was = epoch(0);
    members_distrust(f->m[1], 0);
    members_round(f->m[1]);
    assert_false(answers(1));
    assert_int_equal(epoch(1), was); /* the other one may still answer from it */
    members_round(f->m[0]);
    assert_false(answers(0));
    PASS(LEASE_MS, f->m[0], f->m[1]);
    assert_true(answers(0));
    assert_true(answers(1));
    assert_int_not_equal(epoch(0), was);
    assert_int_equal(epoch(0), epoch(1));
    assert_int_equal(f->forgot[0], 1);
    assert_int_equal(f->forgot[1], 1);
}

static void one_alone_that_is_not_certain_begins_a_new_epoch(void **state)
{
    uint64_t was;

    (void)state;
    member_start(f->m[0]);
    was = epoch(0);
    members_distrust(f->m[0], LEASE_MS);
    PASS(LEASE_MS - 1, f->m[0]);
    assert_false(answers(0));
    assert_int_equal(epoch(0), was);
    PASS(LEASE_MS / 2, f->m[0]);
    assert_true(answers(0));
    assert_int_not_equal(epoch(0), was);
}

/* As when a standby was promoted that did not have all. */
static void one_whose_row_went_back_may_be_answering(void **state)
{
    struct uuid b = members_id(f->m[1]);
    AUTO(record) struct meta_record r = {0};
    struct meta_op drop, put;

    (void)state;
    members_set_reachable(f->m[0], true);
    member_start(f->m[0]);
    member_start(f->m[1]); /* not reachable, so silent */
    PASS(LEASE_MS, f->m[0], f->m[1]);
    assert_int_equal(asked_by(0), 0);
    assert_int_equal(meta_record_get(f->database, STR("replicas"), str_of(b.text), &r, ERR_IGNORED),
                     ERR_OK);
    drop = meta_op_record_delete(STR("replicas"), str_of(b.text), META_ANY);
    put = meta_op_record_put(STR("replicas"), str_of(b.text), str_of(r.value), META_ABSENT);
    assert_int_equal(meta_commit(f->database, &drop, 1, 0, NULL, ERR_IGNORED), ERR_OK);
    assert_int_equal(meta_commit(f->database, &put, 1, 0, NULL, ERR_IGNORED), ERR_OK);
    members_round(f->m[0]);
    assert_int_equal(asked_by(0), 1);
    members_round(f->m[1]);
    members_round(f->m[0]);
    assert_int_equal(asked_by(0), 0);
}

static size_t asked_when_begun;

static void *write_main(void *ctx)
{
    struct members_write *w = ctx;

    if (members_write_begin(f->m[0], w, ERR_IGNORED) != ERR_OK)
        w->number = 0;
    asked_when_begun = asked_by(0);
    return NULL;
}

/* Under its new id it has not seen yet whom it has to ask. */
static void a_write_between_two_ids_waits_for_the_look(void **state)
{
    struct members_write w = {0};
    pthread_t thread;
    struct uuid a;

    (void)state;
    reach_each_other(2);
    a = members_id(f->m[0]);
    PASS(LEASE_MS, f->m[1]);
    members_set_reachable(f->m[2], true);
    member_start(f->m[2]); /* meanwhile */
    PASS(LEASE_MS, f->m[1], f->m[2]);
    assert_true(answers(2));
    atomic_store(&f->lines[0].deaf, true);
    members_round(f->m[0]); /* learns that it is gone; the new row's answer is lost */
    assert_false(same(a, members_id(f->m[0])));
    assert_int_equal(pthread_create(&thread, NULL, write_main, &w), 0);
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* it has its turn, and waits */
    atomic_store(&f->lines[0].deaf, false);
    members_round(f->m[0]);
    pthread_join(thread, NULL);
    assert_int_not_equal(w.number, 0);
    assert_true(same(w.id, members_id(f->m[0])));
    assert_int_equal(asked_when_begun, 2);
    members_write_end(f->m[0], &w);
}

static void a_write_joins_a_process_that_has_not(void **state)
{
    struct members_write w;

    (void)state;
    assert_int_equal(members_write_begin(f->m[0], &w, ERR_IGNORED), ERR_OK);
    assert_int_equal(rows(), 1);
    assert_int_equal(members_lowest_write(f->m[0]), w.number);
    members_write_end(f->m[0], &w);
    assert_int_equal(members_lowest_write(f->m[0]), w.number + 1);
}

/* ---- the thread */

static void the_thread_renews_and_finds_who_is_gone(void **state)
{
    const struct members_options o = {.lease_ms = 1000, .name = "test"};
    struct members *a = members_new(&f->lines[0].meta, &o), *b = members_new(&f->lines[1].meta, &o);
    struct uuid b_id;
    bool gone = false;

    (void)state;
    member_start(a);
    member_start(b);
    b_id = members_id(b);
    assert_int_equal(members_is_gone(a, &b_id, &gone, ERR_IGNORED), ERR_OK);
    assert_false(gone);
    atomic_store(&f->lines[1].cut, true);
    while (!gone)
        assert_int_equal(members_is_gone(a, &b_id, &gone, ERR_IGNORED), ERR_OK);
    assert_false(members_may_act(b, &b_id));
    atomic_store(&f->lines[1].cut, false);
    for (struct uuid id = b_id; same(id, b_id) || !members_may_act(b, &id); id = members_id(b))
        ;
    members_free(a);
    members_free(b);
    assert_int_equal(rows(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(on_a_database_of_one_process_everybody_else_is_gone),
        TEST(a_member_is_nothing_before_its_start_and_after_its_end),
        TEST(a_start_is_tried_again_when_the_database_is_late),
        TEST(a_member_acts_until_nine_tenths_of_a_lease),
        TEST(a_renewal_counts_from_its_start),
        TEST(who_renews_stays),
        TEST(who_stands_still_for_a_lease_is_gone),
        TEST(who_is_taken_for_gone_did_not_act_any_more),
        TEST(who_was_taken_for_gone_comes_back_as_another),
        TEST(a_renewal_whose_answer_was_lost_loses_nothing),
        TEST(without_the_database_nothing_is_done_until_it_is_back),
        TEST(nobody_is_gone_because_the_database_hung),
        TEST(one_that_was_not_seen_yet_is_asked_after),
        TEST(without_the_database_nobody_is_called_gone),
        TEST(a_transaction_of_one_that_is_gone_does_not_count),
        TEST(a_member_alone_answers_from_the_start),
        TEST(members_that_reach_nobody_fall_silent),
        TEST(members_that_reach_each_other_answer),
        TEST(one_that_is_not_reached_any_more_silences_all),
        TEST(a_member_forgets_before_it_says_that_it_is_silent),
        TEST(a_newcomer_waits_for_writes_that_began_before_it_was_known),
        TEST(each_announcement_is_waited_for_anew),
        TEST(who_came_later_is_not_waited_for),
        TEST(a_newcomer_does_not_wait_for_one_that_is_gone),
        TEST(who_comes_back_answers_only_when_all_know_it_again),
        TEST(who_is_not_certain_silences_all_for_a_new_epoch),
        TEST(one_alone_that_is_not_certain_begins_a_new_epoch),
        TEST(one_whose_row_went_back_may_be_answering),
        TEST(a_write_between_two_ids_waits_for_the_look),
        TEST(a_write_joins_a_process_that_has_not),
        TEST(the_thread_renews_and_finds_who_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
