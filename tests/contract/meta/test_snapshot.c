/* Reading the database as it was at one moment. */
#include "base/cleanup.h"
#include "fixture.h"

#include <string.h>

static bool has_snapshots(void)
{
    return strcmp(fixture_driver(), "memory") != 0 &&
           !str_starts(str_of(fixture_driver()), STR("dynamodb"));
}

/* Asserts that there is one. */
static struct meta *snapshot_of(struct fixture *f)
{
    struct meta *s = NULL;

    assert_ok(meta_snapshot(f->m, &s, &f->e));
    return s;
}

static size_t count(struct meta *m, enum meta_row_kind kind)
{
    AUTO(row_list) struct meta_row_list l = {0};

    assert_int_equal(meta_rows(m, kind, STR(""), 100, &l, ERR_IGNORED), ERR_OK);
    assert_false(l.more);
    return l.n;
}

static void a_snapshot_stays_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest layer = digest_for("layer"), later = digest_for("later");
    struct meta *s;
    uint64_t size;

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put(f, "a", "one"));
    s = snapshot_of(f);
    assert_ok(blob_unlink(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "later"));
    assert_ok(put(f, "a", "two"));
    assert_ok(meta_blob_stat(s, &r, &layer, &size, &f->e));
    assert_int_equal(meta_blob_stat(s, &r, &later, &size, &f->e), ERR_BLOB_UNKNOWN);
    assert_int_equal(count(s, META_ROW_MANIFEST), 1);
    meta_free(s);
    assert_int_equal(count(f->m, META_ROW_MANIFEST), 2);
}

static void a_snapshot_holds_nobody_up(void **state)
{
    struct fixture *f = *state;
    struct meta *s = snapshot_of(f), *second;

    for (int i = 0; i < 20; i++) /* more than there are connections */
        assert_ok(blob_link(f, "a", "layer"));
    second = snapshot_of(f);
    assert_int_equal(count(s, META_ROW_BLOB), 0);
    assert_int_equal(count(second, META_ROW_BLOB), 1);
    meta_free(s);
    meta_free(second);
}

static void a_snapshot_is_not_written_to(void **state)
{
    struct fixture *f = *state;
    struct meta *s = snapshot_of(f);
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("layer");
    struct meta_op op = meta_op_blob_link(&r, &d, 5);

    assert_int_equal(meta_commit(s, &op, 1, 0, NULL, ERR_IGNORED), ERR_INTERNAL);
    meta_free(s);
    assert_false(has_blob(f, "a", "layer"));
}

static void a_database_without_snapshots_says_so(void **state)
{
    struct fixture *f = *state;
    struct meta *s = NULL;

    assert_int_equal(meta_snapshot(f->m, &s, &f->e), ERR_UNSUPPORTED);
    assert_null(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest with[] = {
        TEST(a_snapshot_stays_as_it_was),
        TEST(a_snapshot_holds_nobody_up),
        TEST(a_snapshot_is_not_written_to),
    };
    const struct CMUnitTest without[] = {TEST(a_database_without_snapshots_says_so)};

    fixture_choose(argc, argv);
    return has_snapshots() ? cmocka_run_group_tests_name(fixture_driver(), with, NULL, NULL)
                           : cmocka_run_group_tests_name(fixture_driver(), without, NULL, NULL);
}
