/* Moving metadata: whole, after any stop, and refused where it would mix. */
#include "core/migrate.h"

#include "base/cleanup.h"
#include "names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 250 /* some pages */

#define assert_ok(call) assert_int_equal((call), ERR_OK)

struct pair {
    struct meta *from, *to; /* faults */
    struct migrate_count counts[META_ROW_KINDS];
    bool resumed;
    struct err e;
};

static struct meta *open_memory(void)
{
    const struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct meta *m;
    struct err e;

    assert_ok(meta_sqlite_new(&o, &m, &e));
    return meta_fault_new(m);
}

static void commit_one(struct meta *m, struct meta_op op)
{
    struct err e;

    assert_ok(meta_commit(m, &op, 1, 0, NULL, &e));
}

static void put_record(struct meta *m, const char *key)
{
    commit_one(m, meta_op_record_put(STR("users"), str_of(key), STR("{}"), META_ANY));
}

static void fill(struct meta *m)
{
    struct repo_name repo = repo_of("app");
    struct meta_audit x = {1, 1000, "user:a", "push", "", "", "ok", "", "app"};

    for (int i = 0; i < MANY; i++) {
        char key[16];
        struct digest d;

        snprintf(key, sizeof(key), "user%d", i);
        digest_of(DIGEST_SHA256, key, strlen(key), &d);
        put_record(m, key);
        commit_one(m, meta_op_blob_link(&repo, &d, (uint64_t)i));
        commit_one(m, meta_op_audit_add(&x));
    }
}

static int set_up(void **state)
{
    static struct pair pair;

    pair = (struct pair){.from = open_memory(), .to = open_memory()};
    fill(pair.from);
    *state = &pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *p = *state;

    meta_free(p->from);
    meta_free(p->to);
    return 0;
}

static enum err_code run(struct pair *p)
{
    struct migrate m = {.from = p->from, .to = p->to};

    return migrate_run(&m, &p->resumed, p->counts, &p->e);
}

static void renew_target(struct pair *p)
{
    meta_free(p->to);
    p->to = open_memory();
}

static void stop_after(struct pair *p, uint64_t calls)
{
    meta_fault_arm(p->to, calls + 1, ERR_UNAVAILABLE);
    assert_int_equal(run(p), ERR_UNAVAILABLE);
    meta_fault_arm(p->to, 0, ERR_OK);
}

static void all_is_moved_and_counted(void **state)
{
    struct pair *p = *state;
    struct meta_usage usage;

    assert_ok(run(p));
    assert_false(p->resumed);
    assert_int_equal(p->counts[META_ROW_REPO].rows, 1);
    assert_int_equal(p->counts[META_ROW_BLOB].rows, MANY);
    assert_int_equal(p->counts[META_ROW_RECORD].rows, MANY);
    assert_int_equal(p->counts[META_ROW_AUDIT].rows, MANY);
    assert_int_equal(p->counts[META_ROW_TAG].rows, 0);
    assert_ok(meta_usage(p->to, STR("app"), &usage, &p->e));
    assert_int_equal(usage.bytes, MANY * (MANY - 1) / 2);
    assert_ok(migrate_check_whole(p->to, &p->e));
}

static void the_digest_tells_other_content(void **state)
{
    struct pair *p = *state;
    struct digest before;

    assert_ok(run(p));
    before = p->counts[META_ROW_RECORD].digest;
    renew_target(p);
    assert_ok(run(p));
    assert_true(digest_eq(&before, &p->counts[META_ROW_RECORD].digest));
    renew_target(p);
    put_record(p->from, "user7"); /* its version alone is another one */
    assert_ok(run(p));
    assert_false(digest_eq(&before, &p->counts[META_ROW_RECORD].digest));
}

/* Whichever call is the last one that happens. */
static void after_any_stop_the_same_again_does_the_rest(void **state)
{
    struct pair *p = *state;
    uint64_t calls;

    assert_ok(run(p));
    calls = meta_fault_calls(p->to);
    assert_true(calls > 20);
    for (uint64_t n = 0; n < calls; n++) {
        renew_target(p);
        stop_after(p, n);
        assert_ok(run(p));
        assert_int_equal(p->counts[META_ROW_AUDIT].rows, MANY);
        assert_int_equal(p->counts[META_ROW_BLOB].rows, MANY);
    }
}

static void what_was_done_before_a_stop_is_not_done_again(void **state)
{
    struct pair *p = *state;
    uint64_t whole;

    assert_ok(run(p));
    whole = meta_fault_calls(p->to);
    renew_target(p);
    stop_after(p, whole / 2);
    meta_fault_arm(p->to, UINT64_MAX, ERR_OK); /* counts from here */
    assert_ok(run(p));
    assert_true(p->resumed);
    assert_true(meta_fault_calls(p->to) < whole);
}

static void a_half_is_known_until_it_is_whole(void **state)
{
    struct pair *p = *state;

    stop_after(p, 20);
    assert_int_equal(migrate_check_whole(p->to, &p->e), ERR_CONFIG);
    assert_ok(run(p));
    assert_ok(migrate_check_whole(p->to, &p->e));
}

static void a_database_that_is_not_empty_is_refused(void **state)
{
    struct pair *p = *state;

    put_record(p->to, "somebody");
    assert_int_equal(run(p), ERR_CONFIG);
    assert_non_null(strstr(p->e.detail, "not empty, it has records"));
    renew_target(p);
    assert_ok(run(p));
    assert_int_equal(run(p), ERR_CONFIG);
}

static void a_half_from_elsewhere_is_refused(void **state)
{
    struct pair *p = *state;

    stop_after(p, 20);
    meta_free(p->from);
    p->from = open_memory();
    assert_int_equal(run(p), ERR_CONFIG);
    assert_non_null(strstr(p->e.detail, "from another database"));
}

static void a_database_is_not_moved_to_itself(void **state)
{
    struct pair *p = *state;
    struct migrate m = {.from = p->from, .to = p->from};

    assert_int_equal(migrate_run(&m, &p->resumed, p->counts, &p->e), ERR_CONFIG);
    assert_non_null(strstr(p->e.detail, "the same database"));
}

static void a_source_that_changed_meanwhile_is_told(void **state)
{
    struct pair *p = *state;
    struct repo_name repo = repo_of("app");
    struct digest d;

    stop_after(p, 20);
    digest_of(DIGEST_SHA256, "later", 5, &d);
    commit_one(p->from, meta_op_blob_link(&repo, &d, 5));
    assert_int_equal(run(p), ERR_CORRUPT);
    assert_non_null(strstr(p->e.detail, "repositories differ"));
    assert_int_equal(migrate_check_whole(p->to, &p->e), ERR_CONFIG);
}

static void what_was_moved_moves_on(void **state)
{
    struct pair *p = *state;
    struct digest first;
    struct meta *third = open_memory();
    struct migrate m = {.from = p->to, .to = third};

    assert_ok(run(p));
    first = p->counts[META_ROW_RECORD].digest;
    assert_ok(migrate_run(&m, &p->resumed, p->counts, &p->e));
    assert_true(digest_eq(&first, &p->counts[META_ROW_RECORD].digest));
    meta_free(third);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_moved_and_counted),
        TEST(the_digest_tells_other_content),
        TEST(after_any_stop_the_same_again_does_the_rest),
        TEST(what_was_done_before_a_stop_is_not_done_again),
        TEST(a_half_is_known_until_it_is_whole),
        TEST(a_database_that_is_not_empty_is_refused),
        TEST(a_half_from_elsewhere_is_refused),
        TEST(a_database_is_not_moved_to_itself),
        TEST(a_source_that_changed_meanwhile_is_told),
        TEST(what_was_moved_moves_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
