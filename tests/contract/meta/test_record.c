/* Records, and what a namespace may hold. */
#include "base/mem.h"
#include "fixture.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8

/* The strings are gone when it returns: nothing may still point to them. */
static enum err_code put_record(struct meta *m, const char *key, const char *value,
                                int64_t expected)
{
    char *own_key = mem_strdup(key), *own_value = mem_strdup(value);
    struct meta_op op =
        meta_op_record_put(STR("things"), str_of(own_key), str_of(own_value), expected);
    enum err_code code = meta_commit(m, &op, 1, 0, NULL, ERR_IGNORED);

    memset(own_key, 'x', strlen(own_key));
    memset(own_value, 'x', strlen(own_value));
    free(own_key);
    free(own_value);
    return code;
}

static enum err_code delete_record(struct fixture *f, const char *key, int64_t expected)
{
    return commit_one(f, meta_op_record_delete(STR("things"), str_of(key), expected));
}

static void assert_record(struct fixture *f, const char *key, const char *value, int64_t version)
{
    struct meta_record r;

    assert_ok(meta_record_get(f->m, STR("things"), str_of(key), &r, &f->e));
    assert_string_equal(r.key, key);
    assert_string_equal(r.value, value);
    assert_int_equal(r.version, version);
    meta_record_done(&r);
}

static void a_record_is_kept_and_each_change_has_a_version(void **state)
{
    struct fixture *f = *state;
    struct meta_record r;

    assert_int_equal(meta_record_get(f->m, STR("things"), STR("a"), &r, &f->e), ERR_NOT_FOUND);
    assert_ok(put_record(f->m, "a", "one", META_ABSENT));
    assert_record(f, "a", "one", 1);
    assert_ok(put_record(f->m, "a", "two", META_ANY));
    assert_record(f, "a", "two", 2);
    assert_int_equal(meta_record_get(f->m, STR("others"), STR("a"), &r, &f->e), ERR_NOT_FOUND);
}

static void a_record_changes_only_from_the_version_expected(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put_record(f->m, "a", "one", 1), ERR_CONFLICT);
    assert_ok(put_record(f->m, "a", "one", META_ABSENT));
    assert_int_equal(put_record(f->m, "a", "two", META_ABSENT), ERR_CONFLICT);
    assert_int_equal(put_record(f->m, "a", "two", 2), ERR_CONFLICT);
    assert_record(f, "a", "one", 1);
    assert_int_equal(delete_record(f, "a", 2), ERR_CONFLICT);
    assert_ok(delete_record(f, "a", 1));
    assert_int_equal(delete_record(f, "a", 1), ERR_CONFLICT);
    assert_ok(delete_record(f, "a", META_ANY));
}

static void records_are_listed_by_key_with_pages(void **state)
{
    static const char *const keys[] = {"B", "a", "a0", "b", "c"};
    struct fixture *f = *state;
    struct meta_record_list l;
    char after[8] = "";
    size_t n = 0;
    bool more = true;

    for (size_t i = 5; i > 0; i--)
        assert_ok(put_record(f->m, keys[i - 1], "v", META_ABSENT));
    while (more) {
        assert_ok(meta_records(f->m, STR("things"), str_of(after), 2, &l, &f->e));
        for (size_t i = 0; i < l.n; i++)
            assert_string_equal(l.rows[i].key, keys[n++]);
        more = l.more;
        snprintf(after, sizeof(after), "%s", l.rows[l.n - 1].key);
        meta_record_list_done(&l);
    }
    assert_int_equal(n, 5);
}

static void a_note_gives_way_to_a_change(void **state)
{
    struct fixture *f = *state;
    char key[] = "a", value[] = "noted";
    struct meta_record r;

    assert_ok(put_record(f->m, "a", "one", META_ABSENT));
    meta_record_note(f->m, STR("things"), &(struct meta_record){key, value, 1});
    assert_record(f, "a", "noted", 2);
    meta_record_note(f->m, STR("things"), &(struct meta_record){key, value, 1});
    assert_record(f, "a", "noted", 2);
    assert_ok(delete_record(f, "a", META_ANY));
    meta_record_note(f->m, STR("things"), &(struct meta_record){key, value, 2});
    assert_int_equal(meta_record_get(f->m, STR("things"), STR("a"), &r, &f->e), ERR_NOT_FOUND);
}

static void a_check_of_a_record_that_is_there_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const struct meta_op ops[] = {
        meta_op_record_check(STR("things"), STR("a")),
        meta_op_record_put(STR("things"), STR("b"), STR("v"), META_ABSENT),
        meta_op_record_check(STR("things"), STR("b")), /* of the same transaction */
    };

    assert_ok(put_record(f->m, "a", "one", META_ABSENT));
    assert_ok(commit(f, ops, 3));
    assert_record(f, "a", "one", 1);
    assert_record(f, "b", "v", 1);
}

static void a_commit_whose_record_is_not_there_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const struct meta_op put = meta_op_record_put(STR("things"), STR("b"), STR("v"), META_ABSENT);
    const struct meta_op check = meta_op_record_check(STR("things"), STR("a"));
    struct meta_record r;

    assert_ok(put_record(f->m, "A", "another", META_ABSENT));
    assert_int_equal(commit(f, (const struct meta_op[]){check, put}, 2), ERR_NOT_FOUND);
    assert_int_equal(commit(f, (const struct meta_op[]){put, check}, 2), ERR_NOT_FOUND);
    assert_int_equal(meta_record_get(f->m, STR("things"), STR("b"), &r, &f->e), ERR_NOT_FOUND);
}

struct walk {
    struct fixture *f;
    unsigned n;
    unsigned fail_at;
};

static enum err_code check_and_delete(void *ctx, const struct meta_record *r, struct err *e)
{
    struct walk *w = ctx;
    char key[8];

    if (w->n == w->fail_at)
        return err_set(e, ERR_DENIED, "stop here");
    snprintf(key, sizeof(key), "%04u", w->n++);
    assert_string_equal(r->key, key);
    return delete_record(w->f, r->key, META_ANY);
}

static void each_record_is_given_once_and_may_be_removed(void **state)
{
    struct walk w = {.f = *state, .fail_at = UINT_MAX};
    char key[8];

    for (unsigned i = 0; i < 300; i++) { /* more than a page */
        snprintf(key, sizeof(key), "%04u", i);
        assert_ok(put_record(w.f->m, key, "v", META_ABSENT));
    }
    assert_ok(meta_records_each(w.f->m, STR("things"), check_and_delete, &w, &w.f->e));
    assert_int_equal(w.n, 300);
    assert_ok(meta_records_each(w.f->m, STR("things"), check_and_delete, &w, &w.f->e));
    assert_int_equal(w.n, 300);
}

static void the_first_error_ends_a_walk_over_records(void **state)
{
    struct walk w = {.f = *state, .fail_at = 1};

    assert_ok(put_record(w.f->m, "0000", "v", META_ABSENT));
    assert_ok(put_record(w.f->m, "0001", "v", META_ABSENT));
    assert_ok(put_record(w.f->m, "0002", "v", META_ABSENT));
    assert_int_equal(meta_records_each(w.f->m, STR("things"), check_and_delete, &w, &w.f->e),
                     ERR_DENIED);
    assert_int_equal(w.n, 1);
    assert_record(w.f, "0001", "v", 1);
}

/* Links a blob of ten bytes to "space/app", unless the space would hold more than 30. */
static enum err_code link_within_quota(struct meta *m, int i)
{
    struct repo_name r;
    struct digest d;
    char *space = mem_strdup("space");
    struct meta_op ops[] = {
        meta_op_blob_link(&r, &d, 10),
        meta_op_quota_check(str_of(space), 30, UINT64_MAX),
    };
    enum err_code code = repo_name_parse(STR("space/app"), &r, ERR_IGNORED);

    digest_of(DIGEST_SHA256, &i, sizeof(i), &d);
    if (code == ERR_OK)
        code = meta_commit(m, ops, 2, 0, NULL, ERR_IGNORED);
    memset(space, 'x', strlen(space));
    free(space);
    return code;
}

static void assert_bytes(struct fixture *f, const char *space, uint64_t bytes)
{
    struct meta_usage u;

    assert_ok(meta_usage(f->m, str_of(space), &u, &f->e));
    assert_int_equal(u.bytes, bytes);
}

static void a_commit_past_a_quota_changes_nothing(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        assert_ok(link_within_quota(f->m, i));
    assert_int_equal(link_within_quota(f->m, 3), ERR_QUOTA);
    assert_ok(link_within_quota(f->m, 0)); /* it is there already */
    assert_bytes(f, "space", 30);
    assert_bytes(f, "space/app", 30);
    assert_bytes(f, "spac", 0);
    assert_bytes(f, "", 30);
}

static void a_quota_of_tags_holds(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("space/app");
    struct digest d = digest_for("m");

    assert_ok(put(f, "space/app", "m"));
    for (int i = 0; i < 3; i++) {
        struct tag_name t = tag_of((const char *[]){"a", "b", "c"}[i]);
        struct meta_op ops[] = {
            meta_op_tag_set(&r, &t, &d, -1),
            meta_op_quota_check(STR("space"), 1 << 20, 2),
        };

        assert_int_equal(commit(f, ops, 2), i < 2 ? ERR_OK : ERR_QUOTA);
    }
    assert_int_equal(version_of(f, "space/app", "c"), META_ABSENT);
}

struct pusher {
    pthread_t thread;
    struct meta *m;
    int index;
    enum err_code code;
};

static void *push_main(void *ctx)
{
    struct pusher *p = ctx;

    p->code = link_within_quota(p->m, p->index);
    return NULL;
}

static void commits_at_once_do_not_pass_a_quota_together(void **state)
{
    struct fixture *f = *state;
    struct pusher pushers[THREADS];
    int ok = 0, refused = 0;

    for (int i = 0; i < THREADS; i++) {
        pushers[i] = (struct pusher){.m = f->m, .index = i};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_main, &pushers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(pushers[i].thread, NULL);
        ok += pushers[i].code == ERR_OK;
        refused += pushers[i].code == ERR_QUOTA;
    }
    assert_int_equal(ok, 3);
    assert_int_equal(refused, THREADS - 3);
    assert_bytes(f, "space", 30);
}

/* ---- appended */

static struct meta_op append(const char *key, const char *value)
{
    return meta_op_record_append(STR("line"), str_of(key), str_of(value));
}

static void what_is_appended_is_new_and_sorts_behind_what_was(void **state)
{
    struct fixture *f = *state;
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(commit_one(f, append("z", "one")));
    assert_ok(commit(f, (const struct meta_op[]){append("y", "two"), append("y", "three")}, 2));
    assert_ok(commit_one(f, append("a", "four")));
    assert_ok(meta_records(f->m, STR("line"), STR(""), 10, &l, &f->e));
    assert_int_equal(l.n, 4);
    for (size_t i = 0; i < 4; i++) {
        static const char *const values[] = {"one", "two", "three", "four"}, *const ends = "zyya";

        assert_string_equal(l.rows[i].value, values[i]);
        assert_int_equal(strlen(l.rows[i].key), META_STAMP + 1);
        assert_int_equal(strspn(l.rows[i].key, "0123456789"), META_STAMP);
        assert_int_equal(l.rows[i].key[META_STAMP], ends[i]);
        assert_int_equal(l.rows[i].version, 1);
    }
}

static void what_is_appended_goes_with_its_transaction(void **state)
{
    struct fixture *f = *state;
    const struct meta_op ops[] = {append("a", "lost"),
                                  meta_op_record_check(STR("things"), STR("none"))};
    AUTO(records) struct meta_record_list l = {0};

    assert_int_equal(commit(f, ops, 2), ERR_NOT_FOUND);
    assert_ok(meta_records(f->m, STR("line"), STR(""), 10, &l, &f->e));
    assert_int_equal(l.n, 0);
}

#define MOVES 12

/* Moves the tag to its own manifest, and says so. */
static void *move_main(void *arg)
{
    struct pusher *p = arg;
    struct repo_name r = repo_of("a");
    struct tag_name tag = tag_of("t");
    struct digest d = digest_for(p->index % 2 ? "odd" : "even");
    struct meta_op ops[2];

    for (int i = 0; i < MOVES && p->code == ERR_OK; i++) {
        AUTO(meta_manifest) struct meta_manifest *seen = NULL;
        int64_t version;
        char value[32];

        do {
            meta_manifest_unref(seen);
            seen = NULL;
            p->code = meta_manifest_by_tag(p->m, &r, &tag, &seen, &version, ERR_IGNORED);
            if (p->code != ERR_OK)
                break;
            snprintf(value, sizeof(value), "%lld", (long long)version);
            ops[0] = meta_op_tag_set(&r, &tag, &d, version);
            ops[1] = append("k", value);
            p->code = meta_commit(p->m, ops, 2, 0, NULL, ERR_IGNORED);
        } while (p->code == ERR_CONFLICT);
    }
    return NULL;
}

/* Each value is the version that the transaction found: so they must grow. */
static void what_transactions_about_a_tag_append_is_in_their_order(void **state)
{
    struct fixture *f = *state;
    AUTO(records) struct meta_record_list l = {0};
    struct pusher pushers[4];
    long long last = 0;

    assert_ok(put(f, "a", "odd"));
    assert_ok(put(f, "a", "even"));
    assert_ok(set_tag(f, "a", "t", "odd", META_ANY));
    for (int i = 0; i < 4; i++) {
        pushers[i] = (struct pusher){.m = f->m, .index = i, .code = ERR_OK};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, move_main, &pushers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(pushers[i].thread, NULL);
        assert_ok(pushers[i].code);
    }
    assert_ok(meta_records(f->m, STR("line"), STR(""), 100, &l, &f->e));
    assert_int_equal(l.n, 4 * MOVES);
    for (size_t i = 0; i < l.n; i++) {
        assert_true(strtoll(l.rows[i].value, NULL, 10) > last);
        last = strtoll(l.rows[i].value, NULL, 10);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_kept_and_each_change_has_a_version),
        TEST(a_record_changes_only_from_the_version_expected),
        TEST(records_are_listed_by_key_with_pages),
        TEST(a_note_gives_way_to_a_change),
        TEST(a_check_of_a_record_that_is_there_changes_nothing),
        TEST(a_commit_whose_record_is_not_there_changes_nothing),
        TEST(each_record_is_given_once_and_may_be_removed),
        TEST(the_first_error_ends_a_walk_over_records),
        TEST(a_commit_past_a_quota_changes_nothing),
        TEST(a_quota_of_tags_holds),
        TEST(commits_at_once_do_not_pass_a_quota_together),
        TEST(what_is_appended_is_new_and_sorts_behind_what_was),
        TEST(what_is_appended_goes_with_its_transaction),
        TEST(what_transactions_about_a_tag_append_is_in_their_order),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
