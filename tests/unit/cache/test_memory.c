/*
 * The cache over a meta made for the purpose: one manifest, whatever its name, that changes when a
 * test says so, also in the midst of a look-up or a commit. What holds over a real one, and with
 * threads, is in tests/contract/meta.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "cache/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct stub {
    struct meta meta;
    const char *text; /* of the manifest; NULL: there is none */
    size_t body_bytes;
    int64_t version;
    size_t reads;
    enum err_code commit_answer;

    /* Run once: after a look-up has read and before it returns; before and after a commit. */
    void (*in_read)(struct stub *s);
    void (*before_commit)(struct stub *s);
    void (*after_commit)(struct stub *s);
    struct meta *cache;
};

static void once(void (**hook)(struct stub *s), struct stub *s)
{
    void (*run)(struct stub *) = *hook;

    *hook = NULL;
    if (run)
        run(s);
}

static enum err_code read_stub(struct stub *s, struct meta_manifest **ret_manifest, struct err *e)
{
    static char body[8192];
    struct digest d;
    struct meta_manifest *m;

    s->reads++;
    if (!s->text)
        return err_set(e, ERR_MANIFEST_UNKNOWN, "none");
    memset(body, ' ', sizeof(body));
    memcpy(body, s->text, strlen(s->text));
    digest_of(DIGEST_SHA256, s->text, strlen(s->text), &d);
    m = meta_manifest_new(&d, STR("type"),
                          (struct str){body, s->body_bytes ? s->body_bytes : strlen(s->text)});
    once(&s->in_read, s);
    *ret_manifest = m;
    return ERR_OK;
}

static enum err_code stub_by_tag(struct meta *m, const struct repo_name *repo,
                                 const struct tag_name *tag, struct meta_manifest **ret_manifest,
                                 int64_t *ret_version, struct err *e)
{
    struct stub *s = (struct stub *)m;
    int64_t version = s->version;

    (void)repo;
    (void)tag;
    TRY(read_stub(s, ret_manifest, e));
    *ret_version = version;
    return ERR_OK;
}

static enum err_code stub_by_digest(struct meta *m, const struct repo_name *repo,
                                    const struct digest *d, struct meta_manifest **ret_manifest,
                                    struct err *e)
{
    (void)repo;
    (void)d;
    return read_stub((struct stub *)m, ret_manifest, e);
}

static enum err_code stub_commit(struct meta *m, const struct meta_op *ops, size_t n_ops,
                                 unsigned flags, size_t *ret_failed, struct err *e)
{
    struct stub *s = (struct stub *)m;

    (void)ops;
    (void)flags;
    once(&s->before_commit, s);
    if (s->commit_answer != ERR_OK) {
        *ret_failed = n_ops;
        return err_set(e, s->commit_answer, "told so");
    }
    s->text = ops[0].kind == META_TAG_SET ? "new" : NULL;
    s->version++;
    once(&s->after_commit, s);
    return ERR_OK;
}

static void stub_free(struct meta *m)
{
    (void)m;
}

static const struct meta_driver stub_driver = {.name = "stub",
                                               .commit = stub_commit,
                                               .manifest_by_tag = stub_by_tag,
                                               .manifest_by_digest = stub_by_digest,
                                               .free = stub_free};

static struct repo_name repo;
static struct tag_name tag;

static int set_up_bytes(void **state, uint64_t max_bytes)
{
    struct stub *s = NEW(struct stub);

    assert_int_equal(repo_name_parse(STR("a/b"), &repo, ERR_IGNORED), ERR_OK);
    assert_int_equal(tag_name_parse(STR("latest"), &tag, ERR_IGNORED), ERR_OK);
    s->meta.driver = &stub_driver;
    s->text = "old";
    s->version = 1;
    s->cache = cache_memory_new(&s->meta, max_bytes);
    *state = s;
    return 0;
}

static int set_up(void **state)
{
    return set_up_bytes(state, 1 << 20);
}

static int set_up_small(void **state)
{
    return set_up_bytes(state, 20000);
}

static int set_up_none(void **state)
{
    return set_up_bytes(state, 0);
}

static int tear_down(void **state)
{
    struct stub *s = *state;

    meta_free(s->cache);
    free(s);
    return 0;
}

/* What the tag's manifest says, in a buffer that the next call overwrites. */
static const char *by_tag(struct stub *s, const struct tag_name *t)
{
    static char text[16];
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t version;

    assert_int_equal(meta_manifest_by_tag(s->cache, &repo, t, &m, &version, ERR_IGNORED), ERR_OK);
    snprintf(text, sizeof(text), "%.*s %lld", 3, m->bytes.p, (long long)version);
    return text;
}

static bool at_hand(struct stub *s, const char *reference)
{
    AUTO(meta_manifest)
    struct meta_manifest *m = meta_manifest_peek(s->cache, &repo, str_of(reference));

    return m != NULL;
}

static struct digest old_digest(void)
{
    struct digest d;

    digest_of(DIGEST_SHA256, "old", 3, &d);
    return d;
}

static enum err_code commit_kind(struct stub *s, enum meta_op_kind kind)
{
    struct digest d = old_digest();
    struct meta_op ops[] = {
        [META_BLOB_LINK] = meta_op_blob_link(&repo, &d, 1),
        [META_MANIFEST_DELETE] = meta_op_manifest_delete(&repo, &d, META_ANY),
        [META_TAG_SET] = meta_op_tag_set(&repo, &tag, &d, META_ANY),
        [META_TAG_DELETE] = meta_op_tag_delete(&repo, &tag, META_ANY),
        [META_PROJECTION_DONE] = meta_op_projection_done(&repo, &tag, 1),
    };

    return meta_commit(s->cache, &ops[kind], 1, 0, NULL, ERR_IGNORED);
}

static void move_tag(struct stub *s)
{
    assert_int_equal(commit_kind(s, META_TAG_SET), ERR_OK);
}

static void delete_manifest(struct stub *s)
{
    assert_int_equal(commit_kind(s, META_MANIFEST_DELETE), ERR_OK);
}

static void look_up(struct stub *s)
{
    by_tag(s, &tag);
}

static void a_tag_is_read_once(void **state)
{
    struct stub *s = *state;

    assert_false(at_hand(s, "latest"));
    assert_string_equal(by_tag(s, &tag), "old 1");
    assert_true(at_hand(s, "latest"));
    assert_string_equal(by_tag(s, &tag), "old 1");
    assert_int_equal(s->reads, 1);
}

static void a_digest_is_read_once(void **state)
{
    struct stub *s = *state;
    struct digest d;

    digest_of(DIGEST_SHA256, "old", 3, &d);
    for (int i = 0; i < 2; i++) {
        AUTO(meta_manifest) struct meta_manifest *m = NULL;

        assert_int_equal(meta_manifest_by_digest(s->cache, &repo, &d, &m, ERR_IGNORED), ERR_OK);
    }
    assert_true(at_hand(s, d.text));
    assert_int_equal(s->reads, 1);
}

static void another_repository_is_another_key(void **state)
{
    struct stub *s = *state;
    struct repo_name other;

    by_tag(s, &tag);
    assert_int_equal(repo_name_parse(STR("a/blatest"), &other, ERR_IGNORED), ERR_OK);
    assert_null(meta_manifest_peek(s->cache, &other, STR("latest")));
    assert_int_equal(repo_name_parse(STR("a/bl"), &other, ERR_IGNORED), ERR_OK);
    assert_null(meta_manifest_peek(s->cache, &other, STR("atest")));
}

static void what_is_not_there_is_not_remembered(void **state)
{
    struct stub *s = *state;
    struct meta_manifest *m;
    struct err e;

    s->text = NULL;
    assert_int_equal(meta_manifest_by_tag(s->cache, &repo, &tag, &m, NULL, &e),
                     ERR_MANIFEST_UNKNOWN);
    s->text = "old";
    assert_string_equal(by_tag(s, &tag), "old 1");
}

static void moving_a_tag_drops_it(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    move_tag(s);
    assert_false(at_hand(s, "latest"));
    assert_string_equal(by_tag(s, &tag), "new 2");
}

static void deleting_a_tag_drops_it(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    assert_int_equal(commit_kind(s, META_TAG_DELETE), ERR_OK);
    assert_false(at_hand(s, "latest"));
}

static void deleting_a_manifest_drops_it_and_its_tags(void **state)
{
    struct stub *s = *state;
    struct tag_name other;
    struct repo_name elsewhere;
    struct digest d;
    struct meta_manifest *m;

    digest_of(DIGEST_SHA256, "old", 3, &d);
    assert_int_equal(tag_name_parse(STR("other"), &other, ERR_IGNORED), ERR_OK);
    assert_int_equal(repo_name_parse(STR("else/where"), &elsewhere, ERR_IGNORED), ERR_OK);
    by_tag(s, &tag);
    by_tag(s, &other);
    assert_int_equal(meta_manifest_by_digest(s->cache, &repo, &d, &m, ERR_IGNORED), ERR_OK);
    meta_manifest_unref(m);
    assert_int_equal(meta_manifest_by_digest(s->cache, &elsewhere, &d, &m, ERR_IGNORED), ERR_OK);
    meta_manifest_unref(m);
    delete_manifest(s);
    assert_false(at_hand(s, "latest"));
    assert_false(at_hand(s, "other"));
    assert_false(at_hand(s, d.text));
    m = meta_manifest_peek(s->cache, &elsewhere, digest_str(&d));
    assert_non_null(m);
    meta_manifest_unref(m);
}

static struct tag_name numbered(int i)
{
    struct tag_name t;
    char text[16];

    snprintf(text, sizeof(text), "tag-%d", i);
    assert_int_equal(tag_name_parse(str_of(text), &t, ERR_IGNORED), ERR_OK);
    return t;
}

static struct repo_name numbered_repo(int i)
{
    struct repo_name r;
    char text[32];

    snprintf(text, sizeof(text), "other/%d", i);
    assert_int_equal(repo_name_parse(str_of(text), &r, ERR_IGNORED), ERR_OK);
    return r;
}

static void look_up_in(struct stub *s, const struct repo_name *r, const struct tag_name *t)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    assert_int_equal(meta_manifest_by_tag(s->cache, r, t, &m, NULL, ERR_IGNORED), ERR_OK);
}

/* Of the same repository other manifests, and of other repositories the same manifest. */
static void fill_with_others(struct stub *s, int n)
{
    for (int i = 0; i < n; i++) {
        struct repo_name r = numbered_repo(i);
        struct tag_name t = numbered(i);
        char text[16];

        look_up_in(s, &r, &tag);
        snprintf(text, sizeof(text), "n-%d", i);
        s->text = text;
        look_up_in(s, &repo, &t);
        s->text = "old";
    }
}

static void deleting_a_manifest_looks_at_few_other_entries(void **state)
{
    struct stub *s = *state;
    struct tag_name other;

    assert_int_equal(tag_name_parse(STR("other"), &other, ERR_IGNORED), ERR_OK);
    by_tag(s, &tag);
    by_tag(s, &other);
    fill_with_others(s, 400);
    delete_manifest(s);
    assert_false(at_hand(s, "latest"));
    assert_false(at_hand(s, "other"));
    for (int i = 0; i < 400; i++)
        assert_true(at_hand(s, numbered(i).text));
    assert_in_range(cache_memory_looked_at(s->cache), 2, 40); /* some share a bucket with it */
}

static void deleting_a_manifest_finds_each_of_its_tags(void **state)
{
    struct stub *s = *state;

    for (int i = 0; i < 500; i++) {
        struct tag_name t = numbered(i);

        by_tag(s, &t);
    }
    assert_true(at_hand(s, "tag-0"));
    delete_manifest(s);
    for (int i = 0; i < 500; i++)
        assert_false(at_hand(s, numbered(i).text));
    assert_int_equal(cache_memory_looked_at(s->cache), 500);
}

static void a_look_up_during_a_deletion_elsewhere_is_kept(void **state)
{
    struct stub *s = *state;
    int kept = 0;

    for (int i = 0; i < 20; i++) {
        struct repo_name r = numbered_repo(i);
        struct meta_manifest *m;

        s->in_read = delete_manifest;
        look_up_in(s, &r, &tag);
        s->text = "old";
        m = meta_manifest_peek(s->cache, &r, STR("latest"));
        kept += m != NULL;
        meta_manifest_unref(m);
    }
    assert_in_range(kept, 15, 20); /* few share the guard of the other repository */
}

static void other_operations_drop_nothing(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    assert_int_equal(commit_kind(s, META_BLOB_LINK), ERR_OK);
    assert_int_equal(commit_kind(s, META_PROJECTION_DONE), ERR_OK);
    assert_true(at_hand(s, "latest"));
}

static void a_failed_commit_leaves_the_cache_usable(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    s->commit_answer = ERR_CONFLICT;
    assert_int_equal(commit_kind(s, META_TAG_SET), ERR_CONFLICT);
    assert_int_equal(commit_kind(s, META_MANIFEST_DELETE), ERR_CONFLICT);
    assert_string_equal(by_tag(s, &tag), "old 1");
    assert_true(at_hand(s, "latest"));
}

static void after_a_commit_that_may_still_happen(struct stub *s, enum meta_op_kind kind)
{
    by_tag(s, &tag);
    s->commit_answer = ERR_UNAVAILABLE;
    assert_int_equal(commit_kind(s, kind), ERR_UNAVAILABLE);
    assert_string_equal(by_tag(s, &tag), "old 1");
    s->text = "new";
    assert_string_equal(by_tag(s, &tag), "new 1");
}

static void a_tag_that_may_still_move_is_not_kept(void **state)
{
    after_a_commit_that_may_still_happen(*state, META_TAG_SET);
}

static void what_may_still_be_deleted_is_not_kept(void **state)
{
    after_a_commit_that_may_still_happen(*state, META_MANIFEST_DELETE);
}

static void a_look_up_that_a_commit_overtook_keeps_nothing(void **state)
{
    struct stub *s = *state;

    s->in_read = move_tag;
    assert_string_equal(by_tag(s, &tag), "old 1");
    assert_false(at_hand(s, "latest"));
    assert_string_equal(by_tag(s, &tag), "new 2");
    assert_true(at_hand(s, "latest"));
}

static void a_look_up_that_a_deletion_overtook_keeps_nothing(void **state)
{
    struct stub *s = *state;

    s->in_read = delete_manifest;
    assert_string_equal(by_tag(s, &tag), "old 1");
    assert_false(at_hand(s, "latest"));
}

static void a_look_up_during_a_commit_keeps_nothing(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    s->before_commit = look_up;
    move_tag(s);
    assert_false(at_hand(s, "latest"));
    s->after_commit = look_up;
    move_tag(s);
    assert_false(at_hand(s, "latest"));
    s->before_commit = look_up;
    delete_manifest(s);
    assert_false(at_hand(s, "latest"));
}

static void not_at_hand(struct stub *s)
{
    assert_false(at_hand(s, "latest"));
}

static void nobody_is_answered_from_memory_during_a_commit(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    s->before_commit = not_at_hand;
    s->after_commit = not_at_hand;
    move_tag(s);
    assert_null(s->before_commit);
    assert_null(s->after_commit);
}

static void memory_is_bounded(void **state)
{
    struct stub *s = *state;
    int kept = 0;

    s->body_bytes = 1000;
    for (int i = 0; i < 1000; i++) {
        struct tag_name t = numbered(i);

        by_tag(s, &t);
    }
    for (int i = 0; i < 1000; i++)
        kept += at_hand(s, numbered(i).text);
    assert_in_range(kept, 10, 19); /* of 20,000 bytes */
    assert_true(at_hand(s, "tag-999"));
}

static void what_is_used_stays(void **state)
{
    struct stub *s = *state;

    s->body_bytes = 1000;
    by_tag(s, &tag);
    for (int i = 0; i < 1000; i++) {
        struct tag_name t = numbered(i);

        by_tag(s, &t);
        assert_true(at_hand(s, "latest"));
    }
}

static void a_manifest_too_large_for_it_is_not_kept(void **state)
{
    struct stub *s = *state;
    struct tag_name t = numbered(1);

    by_tag(s, &t);
    s->cache->driver->free(s->cache);
    s->cache = cache_memory_new(&s->meta, 4096);
    by_tag(s, &t);
    s->body_bytes = 4000;
    by_tag(s, &tag);
    assert_false(at_hand(s, "latest"));
    assert_true(at_hand(s, "tag-1"));
}

static void of_no_bytes_nothing_is_kept(void **state)
{
    struct stub *s = *state;

    by_tag(s, &tag);
    assert_string_equal(by_tag(s, &tag), "old 1");
    assert_int_equal(s->reads, 2);
}

static void a_manifest_outlives_its_entry(void **state)
{
    struct stub *s = *state;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    by_tag(s, &tag);
    m = meta_manifest_peek(s->cache, &repo, STR("latest"));
    move_tag(s);
    assert_true(str_eq(m->bytes, STR("old")));
    assert_int_equal(atomic_load(&m->refs), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_tag_is_read_once),
        TEST(a_digest_is_read_once),
        TEST(another_repository_is_another_key),
        TEST(what_is_not_there_is_not_remembered),
        TEST(moving_a_tag_drops_it),
        TEST(deleting_a_tag_drops_it),
        TEST(deleting_a_manifest_drops_it_and_its_tags),
        TEST(deleting_a_manifest_looks_at_few_other_entries),
        TEST(deleting_a_manifest_finds_each_of_its_tags),
        TEST(a_look_up_during_a_deletion_elsewhere_is_kept),
        TEST(other_operations_drop_nothing),
        TEST(a_failed_commit_leaves_the_cache_usable),
        TEST(a_tag_that_may_still_move_is_not_kept),
        TEST(what_may_still_be_deleted_is_not_kept),
        TEST(a_look_up_that_a_commit_overtook_keeps_nothing),
        TEST(a_look_up_that_a_deletion_overtook_keeps_nothing),
        TEST(a_look_up_during_a_commit_keeps_nothing),
        TEST(nobody_is_answered_from_memory_during_a_commit),
        TEST(a_manifest_outlives_its_entry),
        TEST(a_manifest_too_large_for_it_is_not_kept),
        cmocka_unit_test_setup_teardown(memory_is_bounded, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(what_is_used_stays, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(of_no_bytes_nothing_is_kept, set_up_none, tear_down),
    };

    return cmocka_run_group_tests_name("cache/memory", tests, NULL, NULL);
}
