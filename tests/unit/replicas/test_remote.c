/* What is heard of others' writes, in any order, becomes one entering and one leaving of each. */
#include "replicas/remote.h"

#include "base/mem.h"
#include "support.h"

#include <stdlib.h>

struct fixture {
    struct meta *database;
    struct line line;
    struct members *members, *other;
    struct remote_writes *remote;
    int entered, left;
};

static struct fixture *f; /* of the test that runs */

static void enter(void *ctx, const struct message_key *keys, size_t n)
{
    (void)ctx;
    assert_int_equal(n, 1);
    assert_true(str_eq(keys[0].reference, STR("latest")));
    f->entered++;
}

static void leave(void *ctx, const struct message_key *keys, size_t n)
{
    enter(ctx, keys, n);
    f->entered--;
    f->left++;
}

static int set_up(void **state)
{
    f = NEW(struct fixture);
    f->database = database_new();
    line_init(&f->line, f->database);
    f->members = member_new(&f->line);
    f->other = member_new(&f->line);
    member_start(f->members);
    f->remote = remote_writes_new(
        &(struct remote_options){.members = f->members, .enter = enter, .leave = leave});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remote_writes_free(f->remote);
    members_free(f->other);
    members_free(f->members);
    meta_free(f->database);
    free(f);
    return 0;
}

static bool hear(enum message_kind kind, uint64_t number, uint64_t lowest)
{
    struct message m = {.kind = kind,
                        .from = members_id(f->other),
                        .number = number,
                        .lowest = lowest,
                        .keys = kind == MESSAGE_ENTER ? STR("a/b latest\n") : STR("")};

    remote_writes_raise(f->remote, &m);
    if (kind == MESSAGE_LEAVE)
        remote_writes_leave(f->remote, &m);
    return kind == MESSAGE_ENTER && remote_writes_enter(f->remote, &m);
}

static void look(void)
{
    members_round(f->members);
    remote_writes_looked(f->remote, members_look(f->members));
}

static void a_write_is_entered_once_and_left_once(void **state)
{
    (void)state;
    assert_true(hear(MESSAGE_ENTER, 1, 1));
    assert_true(hear(MESSAGE_ENTER, 1, 1)); /* its answer was lost */
    assert_int_equal(f->entered, 1);
    assert_int_equal(f->left, 0);
    hear(MESSAGE_LEAVE, 1, 1);
    hear(MESSAGE_LEAVE, 1, 1);
    assert_false(hear(MESSAGE_ENTER, 1, 1)); /* late */
    hear(MESSAGE_LOWEST, 0, 2);
    assert_false(hear(MESSAGE_ENTER, 1, 1)); /* later still */
    assert_int_equal(f->entered, 1);
    assert_int_equal(f->left, 1);
}

static void an_end_that_comes_first_is_an_end(void **state)
{
    (void)state;
    hear(MESSAGE_LEAVE, 1, 1);
    assert_false(hear(MESSAGE_ENTER, 1, 1));
    assert_int_equal(f->entered, 0);
    assert_int_equal(f->left, 0);
}

static void an_end_that_was_lost_is_heard_of_with_the_next_message(void **state)
{
    (void)state;
    assert_true(hear(MESSAGE_ENTER, 1, 1));
    assert_true(hear(MESSAGE_ENTER, 2, 1));
    assert_true(hear(MESSAGE_ENTER, 3, 2));
    assert_int_equal(f->left, 1);
    hear(MESSAGE_LOWEST, 0, 4);
    assert_int_equal(f->left, 3);
}

static void writes_of_a_member_that_is_there_stay(void **state)
{
    (void)state;
    member_start(f->other);
    assert_true(hear(MESSAGE_ENTER, 1, 1));
    look();
    assert_int_equal(f->left, 0);
}

static void writes_of_a_member_that_is_gone_have_ended(void **state)
{
    (void)state;
    member_start(f->other);
    assert_true(hear(MESSAGE_ENTER, 1, 1));
    look();
    members_stop(f->other);
    look();
    assert_int_equal(f->left, 1);
}

/* Its row was there when it wrote, and the look before that did not see it. */
static void writes_of_a_newcomer_stay_until_a_look_that_began_later(void **state)
{
    (void)state;
    member_start(f->other);
    assert_true(hear(MESSAGE_ENTER, 1, 1));
    remote_writes_looked(f->remote, members_look(f->members));
    assert_int_equal(f->left, 0);
    look();
    assert_int_equal(f->left, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_entered_once_and_left_once),
        TEST(an_end_that_comes_first_is_an_end),
        TEST(an_end_that_was_lost_is_heard_of_with_the_next_message),
        TEST(writes_of_a_member_that_is_there_stay),
        TEST(writes_of_a_member_that_is_gone_have_ended),
        TEST(writes_of_a_newcomer_stay_until_a_look_that_began_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
