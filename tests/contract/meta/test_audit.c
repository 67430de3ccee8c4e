/* The audit trail: filters, order, pages. */
#include "dynamo_table.h"
#include "fixture.h"

#include <stdio.h>

/* A line of a trail; the time is what the test says. */
struct line {
    int64_t time_ms;
    const char *actor, *action, *repository, *address, *result;
};

static const struct line lines[] = {
    {1000, "user:alice", "push", "dev/app", "10.0.0.1", "ok"},
    {2000, "user:bob", "push", "dev/app", "10.0.0.2", "denied"},
    {3000, "user:alice", "delete", "dev/web", "10.0.0.1", "ok"},
    {3000, "anonymous", "sign-in", "", "10.0.0.3", "failed"},
    {4000, "user:alice", "push", "prod/app", "10.0.0.1", "ok"},
};

#define LINES (sizeof(lines) / sizeof(lines[0]))

static void write_line(struct fixture *f, const struct line *l)
{
    struct meta_audit x = {.time_ms = l->time_ms,
                           .actor = l->actor,
                           .action = l->action,
                           .target = l->repository,
                           .address = l->address,
                           .result = l->result,
                           .detail = "",
                           .repository = l->repository[0] ? l->repository : NULL};

    assert_ok(commit_one(f, meta_op_audit_add(&x)));
}

static void write_all(struct fixture *f)
{
    for (size_t i = 0; i < LINES; i++)
        write_line(f, &lines[i]);
}

/* The ids that match, newest first: "5 3". */
static void assert_found(struct fixture *f, struct meta_audit_filter filter, const char *want)
{
    struct meta_audit_list l;
    char found[64] = "";
    size_t n = 0;

    assert_ok(meta_audit(f->m, &filter, 100, &l, &f->e));
    assert_false(l.more);
    for (size_t i = 0; i < l.n; i++)
        n += (size_t)snprintf(found + n, sizeof(found) - n, "%s%lld", i ? " " : "",
                              (long long)l.rows[i].id);
    assert_string_equal(found, want);
    meta_audit_list_done(&l);
}

static void an_entry_is_kept_as_it_was_made(void **state)
{
    struct fixture *f = *state;
    struct meta_audit x = {.time_ms = 1234,
                           .actor = "user:a",
                           .action = "push",
                           .target = "dev/app:v1",
                           .address = "::1",
                           .result = "ok",
                           .detail = "{}",
                           .repository = "dev/app"};
    struct meta_audit_filter all = {.from_ms = 0};
    struct meta_audit_list l;

    assert_ok(commit_one(f, meta_op_audit_add(&x)));
    assert_ok(meta_audit(f->m, &all, 10, &l, &f->e));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.rows[0].time_ms, 1234);
    assert_string_equal(l.rows[0].actor, "user:a");
    assert_string_equal(l.rows[0].action, "push");
    assert_string_equal(l.rows[0].target, "dev/app:v1");
    assert_string_equal(l.rows[0].address, "::1");
    assert_string_equal(l.rows[0].result, "ok");
    assert_string_equal(l.rows[0].detail, "{}");
    assert_string_equal(l.rows[0].repository, "dev/app");
    meta_audit_list_done(&l);
}

static void entries_come_newest_first_by_their_time(void **state)
{
    struct fixture *f = *state;

    write_all(f);
    write_line(f, &(struct line){500, "late", "push", "x", "", "ok"}); /* written late */
    assert_found(f, (struct meta_audit_filter){.from_ms = 0}, "5 4 3 2 1 6");
}

static void each_filter_narrows(void **state)
{
    struct fixture *f = *state;

    write_all(f);
    assert_found(f, (struct meta_audit_filter){.actor = STR("user:alice")}, "5 3 1");
    assert_found(f, (struct meta_audit_filter){.action = STR("push")}, "5 2 1");
    assert_found(f, (struct meta_audit_filter){.repository = STR("dev/app")}, "2 1");
    assert_found(f, (struct meta_audit_filter){.address = STR("10.0.0.1")}, "5 3 1");
    assert_found(f, (struct meta_audit_filter){.result = STR("ok")}, "5 3 1");
    assert_found(f, (struct meta_audit_filter){.result = STR("denied")}, "2");
    assert_found(f, (struct meta_audit_filter){.from_ms = 2000, .until_ms = 4000}, "4 3 2");
    assert_found(f, (struct meta_audit_filter){.actor = STR("user")}, "");
}

static void filters_hold_together(void **state)
{
    struct fixture *f = *state;

    write_all(f);
    assert_found(f,
                 (struct meta_audit_filter){.actor = STR("user:alice"),
                                            .action = STR("push"),
                                            .address = STR("10.0.0.1"),
                                            .result = STR("ok"),
                                            .from_ms = 1001},
                 "5");
    assert_found(
        f, (struct meta_audit_filter){.repository = STR("dev/app"), .result = STR("failed")}, "");
}

static bool of_dev(const void *ctx, struct str repository)
{
    return str_starts(repository, str_of(ctx));
}

static void repositories_may_be_chosen_by_a_function(void **state)
{
    struct fixture *f = *state;

    write_all(f);
    assert_found(f, (struct meta_audit_filter){.repository_matches = of_dev, .ctx = "dev/"},
                 "3 2 1");
    assert_found(f,
                 (struct meta_audit_filter){
                     .repository_matches = of_dev, .ctx = "dev/", .actor = STR("user:alice")},
                 "3 1");
}

/* Two of the entries have the same time: a page may end between them. */
static void pages_leave_nothing_out_and_repeat_nothing(void **state)
{
    struct fixture *f = *state;
    struct meta_audit_filter filter = {.from_ms = 0};
    bool more = true;
    int64_t id = 5;

    write_all(f);
    while (more) {
        struct meta_audit_list l;

        assert_ok(meta_audit(f->m, &filter, 1, &l, &f->e));
        assert_int_equal(l.n, 1);
        assert_int_equal(l.rows[0].id, id--);
        more = l.more;
        filter.before = l.next;
        meta_audit_list_done(&l);
    }
    assert_int_equal(id, 0);
}

static void a_page_that_found_little_ends_early_and_goes_on(void **state)
{
    enum { BATCH = 500 };
    static struct meta_op ops[BATCH];
    struct fixture *f = *state;
    /* More than a page may look at, and less than two. */
    const size_t many = fixture_is_dynamodb() ? DYNAMO_TABLE_AUDIT_LOOK * 5 / 4 : 25000;
    struct meta_audit x = {1, 1000, "user:b", "push", "", "", "ok", "", "b"};
    struct meta_audit_filter filter = {.actor = STR("user:b")};
    struct meta_audit_list l;
    size_t found = 0, pages = 0;

    write_line(f, &(struct line){1000, "user:b", "push", "dev/a", "", "ok"});
    for (size_t i = 0; i < BATCH; i++)
        ops[i] = meta_op_audit_add(&x);
    for (size_t i = 0; i < many; i += BATCH)
        assert_ok(meta_commit(f->m, ops, BATCH, META_LAZY, NULL, &f->e));
    filter.repository_matches = of_dev;
    filter.ctx = "dev/";
    for (bool more = true; more; pages++) {
        assert_ok(meta_audit(f->m, &filter, 10, &l, &f->e));
        found += l.n;
        more = l.more;
        filter.before = l.next;
        meta_audit_list_done(&l);
    }
    assert_int_equal(found, 1);
    assert_int_equal(pages, 2);
}

static void what_is_too_old_is_pruned(void **state)
{
    struct fixture *f = *state;

    write_all(f);
    assert_ok(commit_one(f, meta_op_audit_prune(3000)));
    assert_found(f, (struct meta_audit_filter){.from_ms = 0}, "5 4 3");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_is_kept_as_it_was_made),
        TEST(entries_come_newest_first_by_their_time),
        TEST(each_filter_narrows),
        TEST(filters_hold_together),
        TEST(repositories_may_be_chosen_by_a_function),
        TEST(pages_leave_nothing_out_and_repeat_nothing),
        TEST(a_page_that_found_little_ends_early_and_goes_on),
        TEST(what_is_too_old_is_pruned),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
