/* Meta rebuilt from the store: over one that knows whose a blob is, over one that keeps it once for
 * all, and over files. */
#include "core/reindex.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "core/manifest.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

static struct world w;
static struct reindex_counts counts;
static struct buf told; /* problems, a line each */

static int prepare(void (*open)(struct world *w))
{
    open(&w);
    buf_init(&told, 1 << 20);
    counts = (struct reindex_counts){0};
    return 0;
}

static int set_up_mem(void **state)
{
    (void)state;
    return prepare(world_in_memory);
}

static int set_up_remote(void **state)
{
    (void)state;
    return prepare(world_remote);
}

static int set_up_disk(void **state)
{
    (void)state;
    return prepare(world_on_disk);
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&told);
    world_done(&w);
    return 0;
}

static void keep_problem(void *ctx, const char *text)
{
    (void)ctx;
    buf_addf(&told, "%s\n", text);
}

static enum err_code reindexed(bool move_tags, struct err *e)
{
    struct reindex r = {
        .registry = w.r,
        .move_tags = move_tags,
        .actor = "shell:root",
        .action = "reindex",
        .problem = keep_problem,
    };

    buf_clear(&told);
    return reindex_run(&r, &counts, e);
}

static void reindex_again(void)
{
    struct err e = {0};

    assert_ok(reindexed(false, &e));
}

static void lose_and_reindex(void)
{
    world_lose_meta(&w);
    reindex_again();
}

static void assert_told(uint64_t problems, const char *text)
{
    assert_int_equal(counts.problems, problems);
    if (!strstr(buf_text(&told), text))
        fail_msg("'%s' is not in: %s", text, buf_text(&told));
}

static void assert_no_problem(void)
{
    assert_string_equal(buf_text(&told), "");
    assert_int_equal(counts.problems, 0);
}

static char *index_json(const struct digest *child, size_t size_bytes)
{
    char *json;

    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\","
                         "\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
                         "\"digest\":\"%s\",\"size\":%zu}]}",
                         child->text, size_bytes) > 0);
    return json;
}

static size_t manifest_bytes(const char *repo, const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct repo_name name = repo_of(repo);

    assert_ok(meta_manifest_by_digest(w.meta, &name, d, &m, ERR_IGNORED));
    return m->bytes.n;
}

/* An index of child, and one of that index, tagged. */
static struct digest nested_put(const char *repo, const struct digest *child, const char *tag)
{
    AUTO(mem) char *inner = index_json(child, manifest_bytes(repo, child));
    AUTO(mem) char *outer = NULL;
    struct digest d;

    assert_ok(manifest_push(&w, repo, inner, NULL, &d, ERR_IGNORED));
    outer = index_json(&d, strlen(inner));
    assert_ok(manifest_push(&w, repo, outer, tag, &d, ERR_IGNORED));
    return d;
}

/* Names subject, with annotations. */
static struct digest referrer_put(const char *repo, const struct digest *subject)
{
    AUTO(mem) char *more = NULL;
    AUTO(mem) char *json = NULL;
    struct digest d;

    assert_true(asprintf(&more,
                         ",\"artifactType\":\"a/signature\",\"annotations\":{\"k\":\"v\"},"
                         "\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST
                         "\",\"digest\":\"%s\",\"size\":1}",
                         subject->text) > 0);
    blob_put(&w, repo, STR("signed"));
    json = image_json("signed", "the layer of all", more);
    assert_ok(manifest_push(&w, repo, json, NULL, &d, ERR_IGNORED));
    return d;
}

/* Under a digest that need not be theirs. */
static void store_blob(const char *repo, const struct digest *d, struct str bytes)
{
    struct repo_name name = repo_of(repo);
    struct store_upload *u;
    uint64_t size_bytes;
    struct uuid id;

    uuid_make(&id);
    assert_ok(store_upload_create(w.store, &id, ERR_IGNORED));
    assert_ok(store_upload_open(w.store, &id, &u, &size_bytes, ERR_IGNORED));
    assert_ok(store_upload_write(w.store, u, bytes.p, bytes.n, 0, ERR_IGNORED));
    assert_ok(store_upload_commit(w.store, u, &name, d, NULL, ERR_IGNORED));
    assert_ok(store_upload_delete(w.store, &id, ERR_IGNORED));
}

static void store_manifest(const char *repo, const struct digest *d, const char *bytes)
{
    struct repo_name name = repo_of(repo);

    assert_ok(store_manifest_put(w.store, &name, d, str_of(bytes), ERR_IGNORED));
}

static void store_tag(const char *repo, const char *tag, const struct digest *d)
{
    struct repo_name name = repo_of(repo);
    struct tag_name t = tag_of(tag);

    assert_ok(store_tag_put(w.store, &name, &t, d, ERR_IGNORED));
}

static void lose_blob(const char *repo, const struct digest *d)
{
    struct repo_name name = repo_of(repo);

    assert_ok(store_blob_delete(w.store, &name, d, false, ERR_IGNORED));
}

static enum err_code manifest_removed(const char *repo, const struct digest *d)
{
    struct repo_name name = repo_of(repo);
    struct meta_op op = meta_op_manifest_delete(&name, d, META_ANY);

    return meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED);
}

static void tags_and_images_come_back(void **state)
{
    struct digest v1 = image_put(&w, "dev/app", "one", "v1");
    struct digest v2 = image_put(&w, "dev/app", "two", "v2");
    struct digest other = image_put(&w, "dev/app/manifests/x", "one", "latest");
    struct digest config = sha256_of(STR("two"));
    struct meta_usage before, after;

    (void)state;
    assert_ok(meta_usage(w.meta, STR(""), &before, ERR_IGNORED));
    lose_and_reindex();
    assert_no_problem();
    assert_string_equal(v1.text, tag_get(&w, "dev/app", "v1").text);
    assert_string_equal(v2.text, tag_get(&w, "dev/app", "v2").text);
    assert_string_equal(other.text, tag_get(&w, "dev/app/manifests/x", "latest").text);
    assert_true(blob_readable(&w, "dev/app", &config));
    assert_false(blob_readable(&w, "dev/app/manifests/x", &config));
    assert_ok(meta_usage(w.meta, STR(""), &after, ERR_IGNORED));
    assert_int_equal(before.bytes, after.bytes);
    assert_int_equal(before.tags, after.tags);
    assert_int_equal(before.repositories, after.repositories);
    assert_int_equal(counts.new_manifests, 3);
    assert_int_equal(counts.new_tags, 3);
    assert_int_equal(counts.new_blobs, 5);
    assert_int_equal(counts.done, counts.listed);
    assert_int_equal(pending_projections(&w), 0);
}

static void what_a_manifest_names_cannot_be_removed_again(void **state)
{
    struct digest child = image_put(&w, "app", "one", NULL);
    struct digest outer = nested_put("app", &child, "all");
    struct repo_name app = repo_of("app");
    struct digest config = sha256_of(STR("one"));
    struct meta_op op = meta_op_blob_unlink(&app, &config, (struct meta_removal){.once = false});

    (void)state;
    lose_and_reindex();
    assert_no_problem();
    assert_string_equal(outer.text, tag_get(&w, "app", "all").text);
    assert_code(ERR_IN_USE, meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_code(ERR_IN_USE, manifest_removed("app", &child));
    assert_ok(manifest_removed("app", &outer));
    assert_code(ERR_IN_USE, manifest_removed("app", &child)); /* the inner index names it */
}

static void referrers_come_back(void **state)
{
    struct digest subject = image_put(&w, "app", "one", "v1");
    struct digest referrer = referrer_put("app", &subject);
    struct repo_name app = repo_of("app");
    struct meta_referrer_list list;

    (void)state;
    lose_and_reindex();
    assert_no_problem();
    assert_ok(meta_referrers(w.meta, &app, &subject, STR(""), STR(""), 10, &list, ERR_IGNORED));
    assert_int_equal(list.n, 1);
    assert_digest_equal(&list.rows[0].digest, &referrer);
    assert_string_equal(list.rows[0].artifact_type, "a/signature");
    assert_string_equal(list.rows[0].annotations_json, "{\"k\":\"v\"}");
    meta_referrer_list_done(&list);
}

static void a_blob_that_no_manifest_names_comes_back(void **state)
{
    struct digest d = blob_put(&w, "app", STR("pushed, not used yet"));

    (void)state;
    lose_and_reindex();
    assert_no_problem();
    assert_true(blob_readable(&w, "app", &d));
}

static void a_second_run_finds_nothing_to_do(void **state)
{
    struct digest child = image_put(&w, "app", "one", "v1");

    (void)state;
    nested_put("app", &child, "all");
    lose_and_reindex();
    reindex_again();
    assert_no_problem();
    assert_int_equal(counts.new_manifests + counts.new_blobs + counts.new_tags, 0);
    assert_int_equal(counts.manifests, 3);
    assert_int_equal(counts.tags, 2);
}

static void what_is_there_already_is_kept_and_the_rest_added(void **state)
{
    struct digest old = image_put(&w, "app", "old", "v1"), fresh;

    (void)state;
    world_lose_meta(&w);
    fresh = image_put(&w, "app", "new", "v2");
    reindex_again();
    assert_no_problem();
    assert_int_equal(counts.new_manifests, 1);
    assert_string_equal(old.text, tag_get(&w, "app", "v1").text);
    assert_string_equal(fresh.text, tag_get(&w, "app", "v2").text);
}

static void a_damaged_manifest_is_told_and_left_out_with_its_tag(void **state)
{
    struct digest bad = image_put(&w, "app", "bad", "bad");
    struct digest good = image_put(&w, "app", "good", "good");

    (void)state;
    store_manifest("app", &bad, "{\"schemaVersion\":2}");
    lose_and_reindex();
    assert_told(2, "it is damaged");
    assert_told(2, "tag bad is left out");
    assert_string_equal(good.text, tag_get(&w, "app", "good").text);
    assert_string_equal("", tag_get(&w, "app", "bad").text);
}

static void what_is_no_manifest_is_told_and_left_out(void **state)
{
    struct digest d = sha256_of(STR("{}"));

    (void)state;
    store_manifest("app", &d, "{}");
    lose_and_reindex();
    assert_told(1, "schemaVersion");
    assert_int_equal(counts.new_manifests, 0);
}

static void a_tag_that_leads_nowhere_is_told_and_left_out(void **state)
{
    struct digest nowhere = sha256_of(STR("nowhere"));

    (void)state;
    image_put(&w, "app", "one", "v1");
    store_tag("app", "v0", &nowhere);
    lose_and_reindex();
    assert_told(1, "tag v0 is left out");
    assert_int_equal(counts.new_tags, 1);
}

static void an_image_without_one_of_its_blobs_is_told_and_taken(void **state)
{
    struct digest d = image_put(&w, "app", "one", "v1"), config = sha256_of(STR("one"));

    (void)state;
    lose_blob("app", &config);
    lose_and_reindex();
    assert_told(1, "names 1 that are missing");
    assert_string_equal(d.text, tag_get(&w, "app", "v1").text);
    assert_false(blob_readable(&w, "app", &config));
    blob_put(&w, "app", STR("one"));
    assert_true(blob_readable(&w, "app", &config));
}

static void an_index_without_one_of_its_children_is_told_and_taken(void **state)
{
    struct digest child = image_put(&w, "app", "one", NULL);
    struct digest outer = nested_put("app", &child, "all");

    (void)state;
    store_manifest("app", &child, "not what it was");
    lose_and_reindex();
    assert_told(2, "names 1 that are missing");
    assert_string_equal(outer.text, tag_get(&w, "app", "all").text);
}

static void what_may_be_missing_is_no_problem(void **state)
{
    struct digest config = sha256_of(STR("one"));

    (void)state;
    image_put(&w, "app", "one", "v1");
    lose_blob("app", &config);
    w.conf->registry.sparse_images = true;
    lose_and_reindex();
    assert_no_problem();
}

static void a_blob_of_a_wrong_length_is_left_out_until_it_is_pushed_again(void **state)
{
    struct digest config = sha256_of(STR("one"));

    (void)state;
    image_put(&w, "app", "one", "v1");
    lose_blob("app", &config);
    store_blob("app", &config, STR("onetwo"));
    lose_and_reindex();
    assert_told(2, "it has 6 bytes, a manifest says 3");
    assert_false(blob_readable(&w, "app", &config));
}

static void a_tag_that_differs_stays_where_the_database_has_it(void **state)
{
    struct digest v1 = image_put(&w, "app", "one", "v1");
    struct digest other = image_put(&w, "app", "two", "other");

    (void)state;
    lose_and_reindex();
    store_tag("app", "v1", &other);
    reindex_again();
    assert_no_problem();
    assert_int_equal(counts.kept_tags, 1);
    assert_string_equal(v1.text, tag_get(&w, "app", "v1").text);
}

static void a_tag_that_differs_is_moved_when_the_store_is_to_be_right(void **state)
{
    struct digest other;

    (void)state;
    image_put(&w, "app", "one", "v1");
    other = image_put(&w, "app", "two", "other");
    lose_and_reindex();
    store_tag("app", "v1", &other);
    assert_ok(reindexed(true, ERR_IGNORED));
    assert_int_equal(counts.moved_tags, 1);
    assert_string_equal(other.text, tag_get(&w, "app", "v1").text);
    assert_int_equal(pending_projections(&w), 0);
}

static void a_tag_whose_deletion_the_store_does_not_know_yet_stays_deleted(void **state)
{
    struct repo_name app = repo_of("app");
    struct tag_name v1 = tag_of("v1");
    struct meta_op op = meta_op_tag_delete(&app, &v1, META_ANY);

    (void)state;
    image_put(&w, "app", "one", "v1");
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_int_equal(projected_tag(&w, "app", "v1").n, sha256_of(STR("")).n);
    reindex_again();
    assert_string_equal("", tag_get(&w, "app", "v1").text);
    assert_int_equal(counts.kept_tags, 1);
}

static void a_projection_that_is_pending_does_not_change_what_the_store_says(void **state)
{
    struct digest other;

    (void)state;
    image_put(&w, "app", "one", "v1");
    other = image_put(&w, "app", "two", "other");
    assert_int_equal(pending_projections(&w), 2);
    store_tag("app", "v1", &other);
    reindex_again();
    assert_int_equal(counts.kept_tags, 1);
    assert_string_equal(other.text, projected_tag(&w, "app", "v1").text);
}

static void the_audit_trail_says_how_much_it_was(void **state)
{
    struct meta_audit_filter all = {0};
    struct meta_audit_list list;

    (void)state;
    image_put(&w, "app", "one", "v1");
    lose_and_reindex();
    assert_ok(meta_audit(w.meta, &all, 10, &list, ERR_IGNORED));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.rows[0].actor, "shell:root");
    assert_non_null(strstr(list.rows[0].detail, "\"manifests\":1,\"blobs\":2,\"tags\":1"));
    meta_audit_list_done(&list);
}

#define MANY 600 /* of 512 to a window */

static void more_than_fits_in_a_window_comes_back(void **state)
{
    char text[32], tag[32];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "config %d", i);
        snprintf(tag, sizeof(tag), "v%d", i);
        image_put(&w, i % 3 ? "app" : "app/other", text, tag);
    }
    lose_and_reindex();
    assert_no_problem();
    assert_int_equal(counts.new_manifests, MANY);
    assert_int_equal(counts.new_tags, MANY);
    assert_int_not_equal(0, tag_get(&w, "app", "v599").n);
}

/* Whatever fails, the same once more does the rest. */
static void run_with_failures(void (*break_it)(struct world *w, uint64_t n, enum err_code code))
{
    struct digest child = image_put(&w, "app", "one", "v1");
    struct digest outer = nested_put("app", &child, "all");
    enum err_code code;
    uint64_t n = 0;

    do {
        world_lose_meta(&w);
        break_it(&w, ++n, ERR_UNAVAILABLE);
        code = reindexed(false, ERR_IGNORED);
        if (code != ERR_OK)
            assert_code(ERR_UNAVAILABLE, code);
        break_it(&w, 0, ERR_OK);
        reindex_again();
        assert_no_problem();
        assert_string_equal(outer.text, tag_get(&w, "app", "all").text);
    } while (code != ERR_OK);
    assert_true(n > 4);
}

static void a_failing_store_ends_it_and_another_run_does_the_rest(void **state)
{
    (void)state;
    run_with_failures(world_fail_store);
}

static void a_failing_database_ends_it_and_another_run_does_the_rest(void **state)
{
    (void)state;
    run_with_failures(world_fail_meta);
}

int main(void)
{
#define TEST(f, how)                                                                               \
    {                                                                                              \
#f " (" #how ")", f, set_up_##how, tear_down, NULL                                         \
    }
#define TESTS(f) TEST(f, mem), TEST(f, remote), TEST(f, disk)
    const struct CMUnitTest tests[] = {
        TESTS(tags_and_images_come_back),
        TESTS(what_a_manifest_names_cannot_be_removed_again),
        TESTS(referrers_come_back),
        TEST(a_blob_that_no_manifest_names_comes_back, mem),
        TEST(a_blob_that_no_manifest_names_comes_back, disk),
        TESTS(a_second_run_finds_nothing_to_do),
        TESTS(what_is_there_already_is_kept_and_the_rest_added),
        TEST(a_damaged_manifest_is_told_and_left_out_with_its_tag, mem),
        TEST(what_is_no_manifest_is_told_and_left_out, mem),
        TESTS(a_tag_that_leads_nowhere_is_told_and_left_out),
        TESTS(an_image_without_one_of_its_blobs_is_told_and_taken),
        TEST(an_index_without_one_of_its_children_is_told_and_taken, mem),
        TESTS(what_may_be_missing_is_no_problem),
        TESTS(a_blob_of_a_wrong_length_is_left_out_until_it_is_pushed_again),
        TESTS(a_tag_that_differs_stays_where_the_database_has_it),
        TESTS(a_tag_that_differs_is_moved_when_the_store_is_to_be_right),
        TEST(a_tag_whose_deletion_the_store_does_not_know_yet_stays_deleted, mem),
        TEST(a_projection_that_is_pending_does_not_change_what_the_store_says, mem),
        TEST(the_audit_trail_says_how_much_it_was, mem),
        TESTS(more_than_fits_in_a_window_comes_back),
        TESTS(a_failing_store_ends_it_and_another_run_does_the_rest),
        TEST(a_failing_database_ends_it_and_another_run_does_the_rest, mem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
