/* The text of the statements, the schema and its migrations. */
#include "base/cleanup.h"
#include "meta/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sql *open_memory(void)
{
    const struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct sql *db;
    struct err e;

    assert_int_equal(sqlite_open(&o, &db, &e), ERR_OK);
    return db;
}

static void words_and_placeholders_are_of_the_dialect(void **state)
{
    const struct sql_dialect d = {.placeholder = '?', .id = "ID", .bytes = "BLOB", .lock = ""};
    AUTO(buf) struct buf b = {0};

    (void)state;
    buf_init(&b, 1000);
    sql_expand(&d, "a @id@, b @bytes@ = $1 AND $22 @lock@", &b);
    assert_string_equal(buf_text(&b), "a ID, b BLOB = ?1 AND ?22 ");
}

/* Every parameter is used, numbered from 1 without a gap, as PostgreSQL wants it. */
static void parameters_are_numbered_without_gaps(void **state)
{
    (void)state;
    for (int id = 0; id < SQL_ID_COUNT; id++) {
        const char *text = sql_statement((enum sql_id)id);
        bool used[10] = {false};
        int max = 0;

        for (const char *p = text; *p; p++) {
            if (*p != '$')
                continue;
            assert_in_range(p[1], '1', '9');
            used[p[1] - '0'] = true;
            max = p[1] - '0' > max ? p[1] - '0' : max;
        }
        for (int i = 1; i <= max; i++)
            assert_true(used[i]);
        assert_null(strstr(text, "'%"));
    }
}

/* "SEARCH ... USING ..." is a look-up or a range of an index. The scans are those of what is
 * pending, in the order of its key and with a limit, or of who holds it, and that of what
 * everything together holds. */
static void check_plan(sqlite3 *handle, const struct sql_dialect *d, enum sql_id id)
{
    AUTO(buf) struct buf b = {0};
    sqlite3_stmt *stmt;

    buf_init(&b, 10000);
    buf_add_text(&b, "EXPLAIN QUERY PLAN ");
    sql_expand(d, sql_statement(id), &b);
    if (sqlite3_prepare_v2(handle, buf_text(&b), -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", buf_text(&b), sqlite3_errmsg(handle));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(stmt, 3);

        if (strcmp(step, "SCAN CONSTANT ROW") == 0) /* of no table */
            continue;
        if (id == SQL_PROJECTION_LIST && strcmp(step, "SCAN p") == 0)
            continue;
        if (id == SQL_PROJECTION_HOLDERS && strstr(step, "COVERING INDEX projections_by_holder"))
            continue;
        if ((id == SQL_USAGE_ALL || id == SQL_QUICK_USAGE_ALL) && strcmp(step, "SCAN repos") == 0)
            continue;
        if (strstr(step, "SCAN json_each VIRTUAL TABLE") || strcmp(step, "SCAN u") == 0 ||
            strcmp(step, "SCAN CONSTANT ROW") == 0) /* of what was given, or one row */
            continue;
        if (id == SQL_REVIVE_NAMED &&
            (strcmp(step, "SCAN n") == 0 || strcmp(step, "SCAN named") == 0)) /* found so far */
            continue;
        if (strncmp(step, "SCAN", 4) == 0 || strstr(step, "TEMP B-TREE"))
            fail_msg("%s: %s", sql_statement(id), step);
    }
    sqlite3_finalize(stmt);
}

static void every_statement_is_look_ups_and_ranges(void **state)
{
    struct sql *db = open_memory();
    struct err e;

    (void)state;
    assert_int_equal(sql_migrate(db, sql_schema, sql_schema_n, &e), ERR_OK);
    for (int id = 0; id < SQL_ID_COUNT; id++)
        check_plan(((struct sqlite *)db)->writer->handle, &db->adapter->dialect, (enum sql_id)id);
    db->adapter->free(db);
}

/* What is said of many entries costs as much as there are of these, however many rows there are:
 * the list comes first, or behind the one repository that it is in. */
static void lists_are_the_outer_loop(void **state)
{
    static const enum sql_id ids[] = {SQL_REPOS_SHOWN, SQL_TAGS_SHOWN, SQL_MANIFESTS_SHOWN,
                                      SQL_SIGNED_AMONG, SQL_RECORDS_AMONG};
    struct sql *db = open_memory();
    struct err e;

    (void)state;
    assert_int_equal(sql_migrate(db, sql_schema, sql_schema_n, &e), ERR_OK);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        AUTO(buf) struct buf b = {0};
        sqlite3_stmt *stmt;

        buf_init(&b, 10000);
        buf_add_text(&b, "EXPLAIN QUERY PLAN ");
        sql_expand(&db->adapter->dialect, sql_statement(ids[i]), &b);
        assert_int_equal(sqlite3_prepare_v2(((struct sqlite *)db)->writer->handle, buf_text(&b), -1,
                                            &stmt, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_non_null(strstr((const char *)sqlite3_column_text(stmt, 3), "json_each"));
        sqlite3_finalize(stmt);
    }
    db->adapter->free(db);
}

/* A page of a long trail must not depend on its length. */
static void the_audit_trail_is_asked_by_its_indexes(void **state)
{
    static const struct {
        enum sql_id id;
        const char *index;
    } ways[] = {
        {SQL_AUDIT_LIST, "audit_by_time "},
        {SQL_AUDIT_BY_ACTOR, "audit_by_actor "},
        {SQL_AUDIT_BY_ACTION, "audit_by_action "},
        {SQL_AUDIT_BY_ADDRESS, "audit_by_address "},
        {SQL_AUDIT_BY_FAILURE, "audit_by_failure "},
        {SQL_AUDIT_BY_REPOSITORY, "audit_by_repository "},
    };
    struct sql *db = open_memory();
    sqlite3_stmt *stmt;
    struct err e;

    (void)state;
    assert_int_equal(sql_migrate(db, sql_schema, sql_schema_n, &e), ERR_OK);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        AUTO(buf) struct buf b = {0};

        buf_init(&b, 10000);
        buf_add_text(&b, "EXPLAIN QUERY PLAN ");
        sql_expand(&db->adapter->dialect, sql_statement(ways[i].id), &b);
        assert_int_equal(sqlite3_prepare_v2(((struct sqlite *)db)->writer->handle, buf_text(&b), -1,
                                            &stmt, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_non_null(strstr((const char *)sqlite3_column_text(stmt, 3), ways[i].index));
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        sqlite3_finalize(stmt);
    }
    db->adapter->free(db);
}

static const struct sql_migration steps[] = {
    {"CREATE TABLE t (v BIGINT); INSERT INTO t VALUES (1)"},
    {"CREATE TABLE u (w @text@); INSERT INTO u SELECT v FROM t"},
    {"UPDATE u SET w = w || 'x'"},
};

static enum err_code exec(struct sql_conn *c, void *ctx, struct err *e)
{
    return c->adapter->script(c, ctx, e);
}

static bool runs(struct sql *db, const char *text)
{
    struct err e;

    return db->adapter->transact(db, 0, exec, (void *)(uintptr_t)text, &e) == ERR_OK;
}

/* A CHECK that fails is how a script says that a value is not as expected. */
#define IS(expression)                                                                             \
    "CREATE TABLE c (b CHECK (b)); INSERT INTO c SELECT " expression "; DROP TABLE c"

static void migrations_run_in_order_and_once(void **state)
{
    struct sql *db = open_memory();
    struct err e;

    (void)state;
    assert_int_equal(sql_migrate(db, steps, 2, &e), ERR_OK);
    assert_true(runs(db, IS("(SELECT max(version) FROM schema_version) = 2")));
    assert_int_equal(sql_migrate(db, steps, 2, &e), ERR_OK);
    assert_int_equal(sql_migrate(db, steps, 3, &e), ERR_OK);
    assert_true(runs(db, IS("(SELECT w FROM u) = '1x'")));
    assert_int_equal(sql_migrate(db, steps, 3, &e), ERR_OK);
    assert_true(runs(db, IS("(SELECT count(*) FROM schema_version) = 3")));
    db->adapter->free(db);
}

static void a_migration_that_fails_leaves_the_version_before(void **state)
{
    static const struct sql_migration broken[] = {
        {"CREATE TABLE t (v BIGINT)"},
        {"CREATE TABLE u (w BIGINT); INSERT INTO nothing VALUES (1)"},
    };
    struct sql *db = open_memory();
    struct err e;

    (void)state;
    assert_int_not_equal(sql_migrate(db, broken, 2, &e), ERR_OK);
    assert_non_null(strstr(e.detail, "from version 1"));
    assert_true(runs(db, IS("(SELECT max(version) FROM schema_version) = 1")));
    assert_false(runs(db, "SELECT * FROM u"));
    assert_int_equal(sql_migrate(db, steps, 2, &e), ERR_OK); /* repaired, it goes on */
    db->adapter->free(db);
}

static void a_newer_schema_is_a_clear_error(void **state)
{
    struct sql *db = open_memory();
    struct err e;

    (void)state;
    assert_int_equal(sql_migrate(db, steps, 3, &e), ERR_OK);
    assert_int_equal(sql_migrate(db, steps, 2, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "version 3"));
    assert_non_null(strstr(e.detail, "up to 2"));
    assert_true(runs(db, IS("(SELECT w FROM u) = '1x'")));
    db->adapter->free(db);
}

/* Of a database that was there before repositories had a time of their last push. */
static void an_upgrade_finds_when_repositories_were_pushed_last(void **state)
{
    struct sql *db = open_memory();
    struct err e;

    (void)state;
    assert_int_equal(sql_migrate(db, sql_schema, 10, &e), ERR_OK);
    assert_true(runs(db, "INSERT INTO repos (id, name, manifests, version) VALUES (1, 'a', 1, 2),"
                         " (2, 'b', 1, 1), (3, 'c', 1, 1);"
                         "INSERT INTO tags (repo_id, name, manifest_id, version, pushed_ms) VALUES"
                         " (1, 'x', 1, 1, 500), (1, 'y', 1, 2, 300), (2, 'x', 2, 1, 0)"));
    assert_int_equal(sql_migrate(db, sql_schema, sql_schema_n, &e), ERR_OK);
    assert_true(runs(db, IS("(SELECT group_concat(pushed_ms) FROM repos) = '500,0,0'")));
    db->adapter->free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_placeholders_are_of_the_dialect),
        cmocka_unit_test(parameters_are_numbered_without_gaps),
        cmocka_unit_test(every_statement_is_look_ups_and_ranges),
        cmocka_unit_test(lists_are_the_outer_loop),
        cmocka_unit_test(an_upgrade_finds_when_repositories_were_pushed_last),
        cmocka_unit_test(the_audit_trail_is_asked_by_its_indexes),
        cmocka_unit_test(migrations_run_in_order_and_once),
        cmocka_unit_test(a_migration_that_fails_leaves_the_version_before),
        cmocka_unit_test(a_newer_schema_is_a_clear_error),
    };

    return cmocka_run_group_tests_name("meta/sql", tests, NULL, NULL);
}
