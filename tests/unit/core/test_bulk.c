#include "core/bulk.h"

#include "base/mem.h"
#include "core/manifest.h"
#include "core/outbox.h"
#include "core/project.h"
#include "support.h"

#include <limits.h>
#include <stdio.h>

/* Deleting whole repositories, and tags by pattern. */

#define REPO  "dev/app"
#define OTHER "dev/other"

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_on_disk(&w);
    repo = repo_of(REPO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static struct bulk bulk_of(void)
{
    return (struct bulk){.registry = w.r, .repo = &repo, .actor = "user:a"};
}

static struct bulk_counts look(void)
{
    struct bulk_counts c;

    assert_ok(bulk_look(w.r->meta, &repo, &c, ERR_IGNORED));
    return c;
}

static struct digest index_put(const struct digest *child, size_t size, const char *tag)
{
    AUTO(mem) char *json = NULL;
    struct digest d;

    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
                         "\",\"digest\":\"%s\",\"size\":%zu}]}",
                         child->text, size) > 0);
    assert_ok(manifest_push(&w, REPO, json, tag, &d, ERR_IGNORED));
    return d;
}

/* An image, an index of it, a blob that nobody names, and one layer that another repository has. */
static struct digest fill(void)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest child = image_put(&w, REPO, "one", "v1");

    index_put(&child, strlen(json), "latest");
    image_put(&w, REPO, "two", NULL);
    blob_put(&w, REPO, STR("unused"));
    image_put(&w, OTHER, "other", "latest");
    return child;
}

static void what_a_repository_holds_is_counted(void **state)
{
    struct bulk_counts c;

    (void)state;
    fill();
    c = look();
    assert_int_equal(c.tags, 2);
    assert_int_equal(c.manifests, 3);
    assert_int_equal(c.blobs, 4);
    assert_int_equal(c.own_bytes, strlen("one") + strlen("two") + strlen("unused"));
    assert_int_equal(c.shared_bytes, strlen("the layer of all"));
    assert_int_equal(c.reclaimable_bytes, strlen("unused"));
}

static void a_repository_goes_with_all_it_holds_and_no_other(void **state)
{
    struct digest child = fill(), layer = sha256_of(STR("the layer of all"));
    struct bulk b = bulk_of();
    struct bulk_counts done, after;
    struct digest now;
    bool left;

    (void)state;
    assert_ok(bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    assert_false(left);
    assert_int_equal(done.tags, 2);
    assert_int_equal(done.manifests, 3);
    assert_int_equal(done.blobs, 4);
    after = look();
    assert_int_equal(after.tags + after.manifests + after.blobs, 0);
    now = tag_get(&w, OTHER, "latest");
    assert_true(now.n > 0);
    assert_true(blob_readable(&w, OTHER, &layer));
    assert_false(blob_readable(&w, REPO, &child));
    assert_ok(project_pending(w.r, UINT_MAX, &left, ERR_IGNORED));
    now = projected_tag(&w, REPO, "latest");
    assert_int_equal(now.n, 0);
}

static void many_manifests_and_tags_go(void **state)
{
    struct bulk b = bulk_of();
    struct bulk_counts done, after;
    char text[32];
    bool left;

    (void)state;
    for (int i = 0; i < 600; i++) {
        snprintf(text, sizeof(text), "m%d", i);
        image_put(&w, REPO, text, i % 2 ? text : NULL);
    }
    assert_ok(bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    assert_int_equal(done.manifests, 600);
    assert_int_equal(done.tags, 300);
    after = look();
    assert_int_equal(after.tags + after.manifests + after.blobs, 0);
}

static enum err_code not_v1(void *ctx, const struct tag_name *tag, struct err *e)
{
    (void)ctx;
    return strcmp(tag->text, "v1") == 0 ? err_tell(e, ERR_DENIED, "no") : ERR_OK;
}

static void a_tag_that_may_not_go_keeps_all(void **state)
{
    struct bulk b = bulk_of();
    struct bulk_counts done, before, after;
    bool left;

    (void)state;
    fill();
    before = look();
    b.may_untag = not_v1;
    assert_code(ERR_DENIED, bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    after = look();
    assert_memory_equal(&before, &after, sizeof(before));
}

static bool never(void *ctx, const struct bulk_counts *done)
{
    (void)ctx;
    (void)done;
    return false;
}

static void what_was_interrupted_is_gone_on_with(void **state)
{
    struct bulk b = bulk_of();
    struct bulk_counts done, after;
    bool left;

    (void)state;
    fill();
    b.go_on = never;
    assert_code(ERR_LATER, bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    assert_true(left);
    assert_true(done.manifests > 0);
    b.go_on = NULL;
    assert_ok(bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    assert_false(left);
    after = look();
    assert_int_equal(after.tags + after.manifests + after.blobs, 0);
}

static bool tells; /* whether a repository is gone */

static enum err_code commit_unless_it_tells(struct meta *m, const struct meta_op *ops, size_t n,
                                            unsigned flags, size_t *ret_failed, struct err *error)
{
    for (size_t i = 0; i < n && !tells; i++) {
        if (ops[i].kind == META_RECORD_PUT &&
            str_starts(ops[i].record_put.value, STR("{\"event\":\"repository.deleted\"")))
            return err_set(error, ERR_UNAVAILABLE, "not now");
    }
    return meta_commit(m->inner, ops, n, flags, ret_failed, error);
}

static size_t times_told(void)
{
    AUTO(records) struct meta_record_list l = {0};
    size_t n = 0;

    assert_ok(meta_records(w.meta, OUTBOX, STR(""), 100, &l, ERR_IGNORED));
    for (size_t i = 0; i < l.n; i++)
        n += strstr(l.rows[i].value, "\"repository.deleted\"") != NULL;
    return n;
}

static void it_is_not_deleted_before_that_is_told(void **state)
{
    struct bulk b = bulk_of();
    struct bulk_counts done;
    bool left;

    (void)state;
    fill();
    tells = false;
    world_patch_meta(&w)->commit = commit_unless_it_tells;
    assert_code(ERR_UNAVAILABLE, bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    assert_int_equal(times_told(), 0);
    tells = true;
    assert_ok(bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    assert_int_equal(times_told(), 1);
    world_patch_meta(&w);
}

static void a_repository_that_never_was_is_unknown(void **state)
{
    struct bulk b = bulk_of();
    struct bulk_counts done;
    bool left;

    (void)state;
    assert_code(ERR_NAME_UNKNOWN, bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
}

static void a_failure_of_the_database_is_told(void **state)
{
    struct bulk b = bulk_of();
    struct bulk_counts done, after;
    bool left;

    (void)state;
    fill();
    for (uint64_t n = 1; n < 40; n++) {
        world_fail_meta(&w, n, ERR_UNAVAILABLE);
        (void)!bulk_remove_repo(&b, &done, &left, ERR_IGNORED);
    }
    world_fail_meta(&w, 0, ERR_OK);
    assert_ok(bulk_remove_repo(&b, &done, &left, ERR_IGNORED));
    after = look();
    assert_int_equal(after.tags + after.manifests + after.blobs, 0);
}

/* Tags. */

static void set_tag_at(const char *tag, const struct digest *d, int64_t time_ms)
{
    struct tag_name t = tag_of(tag);
    struct meta_op op = meta_op_tag_set(&repo, &t, d, META_ANY);

    op.time_ms = time_ms;
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static bool there(const char *tag)
{
    return tag_get(&w, REPO, tag).n > 0;
}

static void tags_that_match_go_and_their_manifests_stay(void **state)
{
    const struct bulk_tags which = {.pattern = STR("pr-*")};
    struct bulk b = bulk_of();
    struct bulk_counts done;

    (void)state;
    image_put(&w, REPO, "one", "pr-1");
    image_put(&w, REPO, "two", "pr-2");
    image_put(&w, REPO, "two", "latest");
    assert_ok(bulk_remove_tags(&b, &which, &done, ERR_IGNORED));
    assert_int_equal(done.tags, 2);
    assert_false(there("pr-1"));
    assert_false(there("pr-2"));
    assert_true(there("latest"));
    assert_int_equal(look().manifests, 2);
}

static void tags_that_were_pushed_lately_stay(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "pr-new");
    const struct bulk_tags which = {.pattern = STR("*"), .before_ms = 2000};
    struct bulk b = bulk_of();
    struct bulk_counts done;

    (void)state;
    set_tag_at("pr-old", &d, 1000);
    set_tag_at("pr-edge", &d, 2000);
    assert_ok(bulk_remove_tags(&b, &which, &done, ERR_IGNORED));
    assert_int_equal(done.tags, 1);
    assert_false(there("pr-old"));
    assert_true(there("pr-edge"));
    assert_true(there("pr-new"));
}

static enum err_code may_untag_others(void *ctx, const struct tag_name *tag, struct err *e)
{
    return strcmp(tag->text, ctx) == 0 ? err_set(e, ERR_DENIED, "not this one") : ERR_OK;
}

struct seen {
    int go, stay;
};

static void count_tag(void *ctx, const struct meta_repo_tag *tag, bool goes)
{
    struct seen *seen = ctx;

    (void)tag;
    *(goes ? &seen->go : &seen->stay) += 1;
}

static void tags_that_may_not_go_stay(void **state)
{
    char kept[] = "pr-2";
    const struct bulk_tags which = {
        .pattern = STR("pr-*"), .may_untag = may_untag_others, .ctx = kept};
    struct bulk b = bulk_of();
    struct seen seen = {0};
    struct bulk_counts done;

    (void)state;
    for (const char *const *tag = (const char *const[]){"pr-1", "pr-2", "pr-3", NULL}; *tag; tag++)
        image_put(&w, REPO, "one", *tag);
    assert_ok(bulk_tags_each(w.meta, &repo, &which, count_tag, &seen, ERR_IGNORED));
    assert_int_equal(seen.go, 2);
    assert_int_equal(seen.stay, 1);
    assert_ok(bulk_remove_tags(&b, &which, &done, ERR_IGNORED));
    assert_int_equal(done.tags, 2);
    assert_true(there("pr-2"));
    assert_false(there("pr-1"));
}

static void many_tags_go(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest");
    const struct bulk_tags which = {.pattern = STR("pr-*")};
    struct bulk b = bulk_of();
    struct bulk_counts done;
    char tag[32];

    (void)state;
    for (int i = 0; i < 600; i++) {
        snprintf(tag, sizeof(tag), "pr-%d", i);
        set_tag_at(tag, &d, 1000);
    }
    assert_ok(bulk_remove_tags(&b, &which, &done, ERR_IGNORED));
    assert_int_equal(done.tags, 600);
    assert_int_equal(look().tags, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_a_repository_holds_is_counted),
        TEST(a_repository_goes_with_all_it_holds_and_no_other),
        TEST(many_manifests_and_tags_go),
        TEST(a_tag_that_may_not_go_keeps_all),
        TEST(what_was_interrupted_is_gone_on_with),
        TEST(it_is_not_deleted_before_that_is_told),
        TEST(a_repository_that_never_was_is_unknown),
        TEST(a_failure_of_the_database_is_told),
        TEST(tags_that_match_go_and_their_manifests_stay),
        TEST(tags_that_were_pushed_lately_stay),
        TEST(tags_that_may_not_go_stay),
        TEST(many_tags_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
