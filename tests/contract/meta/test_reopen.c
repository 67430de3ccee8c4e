/* What is left when the database is closed and opened again. */
#include "base/cleanup.h"
#include "fixture.h"

static void reopening_keeps_everything(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = {.repo = repo_of("a"), .owner = "bob", .started_ms = 5}, got;
    struct repo_name r = repo_of("a");
    struct digest subject = digest_for("m");
    struct meta_projection rows[8];
    struct meta_referrer_list l;
    struct meta_name_list names;
    static const char *const expected[] = {"a"};
    int64_t version, turn;

    uuid_make(&u.id);
    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    assert_ok(put_referrer(f, "a", "sig", "m", "t", ""));
    assert_ok(commit_one(f, meta_op_upload_take(&u, &turn)));
    version = version_of(f, "a", "t");
    fixture_reopen(f);
    assert_true(has_blob(f, "a", "layer"));
    assert_tag(f, "a", "t", "m");
    assert_int_equal(version_of(f, "a", "t"), version);
    assert_int_equal(pending(f, rows, 8), 1);
    assert_ok(meta_upload_get(f->m, &u.id, &got, &f->e));
    assert_ok(meta_referrers(f->m, &r, &subject, STR(""), STR(""), 10, &l, &f->e));
    assert_int_equal(l.n, 1);
    meta_referrer_list_done(&l);
    assert_ok(meta_repos(f->m, STR(""), 10, &names, &f->e));
    assert_names(&names, 1, expected);
    meta_name_list_done(&names);
    assert_ok(delete_tag(f, "a", "t", version));
    fixture_reopen(f);
    assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
    assert_ok(set_tag(f, "a", "t", "m", META_ABSENT));
    assert_true(version_of(f, "a", "t") > version + 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(reopening_keeps_everything)};

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
