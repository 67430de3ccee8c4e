/* What operations cost on PostgreSQL, in round trips, and what happens to its connections. */
#include "base/cleanup.h"
#include "database.h"
#include "fixture.h"
#include "meta/postgres.h"

#include <stdio.h>

static uint64_t since(struct fixture *f, uint64_t *from)
{
    uint64_t now = postgres_round_trips(f->m), n = now - *from;

    *from = now;
    return n;
}

static void linking_a_blob_takes_one_also_the_first_of_a_repository(void **state)
{
    struct fixture *f = *state;
    uint64_t from = postgres_round_trips(f->m);

    assert_ok(blob_link(f, "a", "first"));
    assert_int_equal(since(f, &from), 1);
    assert_ok(blob_link(f, "a", "second"));
    assert_int_equal(since(f, &from), 1);
}

static void finishing_an_upload_takes_one(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("layer");
    struct meta_upload u = {.repo = r, .started_ms = 5};
    uint64_t from;

    uuid_make(&u.id);
    assert_ok(commit_one(f, meta_op_upload_take(&u, &u.turn)));
    from = postgres_round_trips(f->m);
    assert_ok(commit(f,
                     (const struct meta_op[]){meta_op_upload_finish(&u, &d, 6),
                                              meta_op_blob_link(&r, &d, 5),
                                              meta_op_quota_check(STR("a"), 5, UINT64_MAX),
                                              meta_op_quota_check(STR(""), 1000, 10)},
                     4));
    assert_int_equal(since(f, &from), 1);
}

static void a_read_takes_one(void **state)
{
    struct fixture *f = *state;
    uint64_t from;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    from = postgres_round_trips(f->m);
    assert_tag(f, "a", "t", "m");
    assert_true(has_manifest(f, "a", "m"));
    assert_false(has_blob(f, "a", "none"));
    assert_int_equal(since(f, &from), 3);
}

static void links_are_found_with_one(void **state)
{
    struct fixture *f = *state;
    struct layered l;
    struct meta_link links[11];
    uint64_t from;

    layered_begin(f, &l);
    for (size_t i = 0; i < 11; i++)
        links[i] = (struct meta_link){.digest = &l.edges[i].digest, .may_be_blob = true};
    from = postgres_round_trips(f->m);
    assert_ok(meta_find_links(f->m, &l.repo, links, 11, &f->e));
    assert_int_equal(since(f, &from), 1);
    layered_done(&l);
}

static void taking_an_upload_takes_one(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = {.repo = repo_of("a"), .started_ms = 5};
    uint64_t from = postgres_round_trips(f->m);

    uuid_make(&u.id);
    assert_ok(commit_one(f, meta_op_upload_take(&u, &u.turn)));
    assert_int_equal(u.turn, 1);
    assert_int_equal(since(f, &from), 1);
}

static void a_manifest_of_many_layers_with_a_tag_takes_one(void **state)
{
    struct fixture *f = *state;
    struct layered l;
    uint64_t from;

    layered_begin(f, &l);
    from = postgres_round_trips(f->m);
    assert_ok(commit(f, l.ops, 2));
    assert_int_equal(since(f, &from), 1);
    assert_ok(commit(f, l.ops, 2)); /* again */
    assert_int_equal(since(f, &from), 1);
    layered_done(&l);
}

static void what_is_appended_to_a_push_takes_none_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct layered l;
    struct meta_op ops[3];
    uint64_t from;

    layered_begin(f, &l);
    ops[0] = l.ops[0];
    ops[1] = l.ops[1];
    ops[2] = meta_op_record_append(STR("line"), STR("k"), STR("v"));
    from = postgres_round_trips(f->m);
    assert_ok(commit(f, ops, 3));
    assert_int_equal(since(f, &from), 1);
    layered_done(&l);
}

/* A meta that waits for no lock for long. */
static struct meta *impatient(struct fixture *f)
{
    const struct meta_postgres_options o = {
        .url = database_url(), .connections = 2, .connect_timeout_ms = 10000, .timeout_ms = 300};
    struct meta *m = NULL;

    assert_ok(meta_postgres_new(&o, &m, &f->e));
    return m;
}

static void say(PGconn *c, const char *text)
{
    const struct libpq *lib = libpq();

    assert_true(lib->PQsendQuery(c, text));
    for (PGresult *result; (result = lib->PQgetResult(c));)
        lib->PQclear(result);
}

/* A client of the database that says just that, and waits. */
static PGconn *another(const char *text)
{
    const char *const names[] = {"dbname", NULL}, *const values[] = {database_url(), NULL};
    PGconn *c = libpq()->PQconnectdbParams(names, values, 1);

    say(c, text);
    return c;
}

static void a_check_of_a_record_takes_none_of_its_own(void **state)
{
    struct fixture *f = *state;
    const struct meta_op ops[] = {
        meta_op_record_put(STR("things"), STR("b"), STR("v"), META_ANY),
        meta_op_record_check(STR("things"), STR("a")),
    };
    uint64_t from, without;

    assert_ok(commit_one(f, meta_op_record_put(STR("things"), STR("a"), STR("v"), META_ANY)));
    assert_ok(commit_one(f, ops[0]));
    from = postgres_round_trips(f->m);
    assert_ok(commit_one(f, ops[0]));
    without = since(f, &from);
    assert_ok(commit(f, ops, 2));
    assert_int_equal(since(f, &from), without);
}

/* As a transaction in flight holds it. A deletion that had no answer may be done when that ends. */
static void a_record_that_was_checked_can_be_changed_but_not_deleted(void **state)
{
    struct fixture *f = *state;
    const struct meta_op change = meta_op_record_put(STR("things"), STR("a"), STR("w"), 1);
    const struct meta_op drop = meta_op_record_delete(STR("things"), STR("a"), 2);
    AUTO(record) struct meta_record there = {0};
    struct meta *m;
    PGconn *holder;
    enum err_code code;

    assert_ok(commit_one(f, meta_op_record_put(STR("things"), STR("a"), STR("v"), META_ABSENT)));
    m = impatient(f);
    holder = another("BEGIN; SELECT version FROM records FOR KEY SHARE");
    assert_ok(meta_commit(m, &change, 1, 0, NULL, &f->e));
    assert_int_equal(meta_commit(m, &drop, 1, 0, NULL, &f->e), ERR_UNAVAILABLE);
    assert_ok(meta_record_get(f->m, STR("things"), STR("a"), &there, &f->e));
    libpq()->PQfinish(holder);
    code = commit_one(f, drop);
    assert_true(code == ERR_OK || code == ERR_CONFLICT);
    meta_record_done(&there);
    assert_int_equal(meta_record_get(f->m, STR("things"), STR("a"), &there, &f->e), ERR_NOT_FOUND);
    meta_free(m);
}

/* What is checked is held: else a transaction could count that began before its record went. */
static void a_check_waits_for_a_deletion_in_flight(void **state)
{
    struct fixture *f = *state;
    const struct meta_op ops[] = {
        meta_op_record_put(STR("things"), STR("b"), STR("v"), META_ANY),
        meta_op_record_check(STR("things"), STR("a")),
    };
    struct meta *m;
    PGconn *deleter;

    assert_ok(commit_one(f, meta_op_record_put(STR("things"), STR("a"), STR("v"), META_ABSENT)));
    m = impatient(f);
    deleter = another("BEGIN; DELETE FROM records WHERE key = 'a'");
    assert_int_equal(meta_commit(m, ops, 2, 0, NULL, &f->e), ERR_UNAVAILABLE);
    say(deleter, "COMMIT");
    libpq()->PQfinish(deleter);
    assert_int_equal(commit(f, ops, 2), ERR_NOT_FOUND);
    meta_free(m);
}

/* As a restart of the server does, or a pooler that lets a connection go. They have ended before
 * something is asked: a transaction of one round trip that meets the end may have been done. */
static void a_connection_that_the_server_ended_is_replaced(void **state)
{
    static const char end[] = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                              " WHERE datname = current_database() AND pid <> pg_backend_pid()";
    struct fixture *f = *state;

    assert_ok(put(f, "a", "m"));
    database_run(end);
    assert_true(has_manifest(f, "a", "m"));
    database_run(end);
    assert_ok(blob_link(f, "a", "layer"));
}

/* The lock on the row of the repository is held by somebody who does not go on. */
static void a_lock_that_is_held_too_long_means_unavailable(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("layer");
    struct meta_op op = meta_op_blob_link(&r, &d, 5);
    struct meta *m;
    PGconn *holder;

    assert_ok(blob_link(f, "a", "first"));
    m = impatient(f);
    holder = another("BEGIN; SELECT id FROM repos FOR UPDATE");
    assert_int_equal(meta_commit(m, &op, 1, 0, NULL, &f->e), ERR_UNAVAILABLE);
    libpq()->PQfinish(holder);
    assert_ok(meta_commit(f->m, &op, 1, 0, NULL, &f->e));
    meta_free(m);
}

/* What it waits for may last, and more than one would wait then. */
static void the_server_ends_a_read_that_was_given_up(void **state)
{
    static const char ended[] =
        "DO $$ BEGIN"
        " FOR i IN 1..200 LOOP"
        "  PERFORM pg_stat_clear_snapshot();"
        "  IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
        "                 AND wait_event_type = 'Lock') THEN RETURN; END IF;"
        "  PERFORM pg_sleep(0.05);"
        " END LOOP;"
        " RAISE 'a read goes on that was given up'; END $$";
    struct fixture *f = *state;
    AUTO(record) struct meta_record there = {0};
    struct meta *m;
    PGconn *holder;

    assert_ok(commit_one(f, meta_op_record_put(STR("things"), STR("a"), STR("v"), META_ABSENT)));
    m = impatient(f);
    holder = another("BEGIN; LOCK TABLE records");
    assert_int_equal(meta_record_get(m, STR("things"), STR("a"), &there, &f->e), ERR_UNAVAILABLE);
    database_run(ended);
    libpq()->PQfinish(holder);
    assert_ok(meta_record_get(m, STR("things"), STR("a"), &there, &f->e));
    meta_free(m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(linking_a_blob_takes_one_also_the_first_of_a_repository),
        TEST(a_read_takes_one),
        TEST(links_are_found_with_one),
        TEST(taking_an_upload_takes_one),
        TEST(finishing_an_upload_takes_one),
        TEST(a_manifest_of_many_layers_with_a_tag_takes_one),
        TEST(what_is_appended_to_a_push_takes_none_of_its_own),
        TEST(a_check_of_a_record_takes_none_of_its_own),
        TEST(a_record_that_was_checked_can_be_changed_but_not_deleted),
        TEST(a_check_waits_for_a_deletion_in_flight),
        TEST(a_connection_that_the_server_ended_is_replaced),
        TEST(a_lock_that_is_held_too_long_means_unavailable),
        TEST(the_server_ends_a_read_that_was_given_up),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
