#include "core/remove.h"

#include "base/mem.h"
#include "core/manifest.h"
#include "core/mount.h"
#include "core/pull.h"
#include "core/push.h"
#include "support.h"

/* Deleting, mounting and pulling, and each while another does the contrary. */

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo, other;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    other = repo_of("library/alpine");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static enum err_code remove_tag(const char *tag)
{
    struct reference ref = tag_ref(tag);

    return remove_manifest(w.r, &repo, &ref, ERR_IGNORED);
}

static enum err_code remove_digest(const struct digest *d)
{
    struct reference ref = digest_ref(d);

    return remove_manifest(w.r, &repo, &ref, ERR_IGNORED);
}

static enum err_code pull(const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct reference ref = digest_ref(d);

    return pull_manifest(w.r, &repo, &ref, &m, ERR_IGNORED);
}

static enum err_code open_blob(const struct repo_name *name, const struct digest *d, struct err *e)
{
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;

    return pull_blob(w.r, name, d, &r, &size, e);
}

/* Manifests. */

static void a_deleted_tag_is_gone_and_its_manifest_stays(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest"), now;

    (void)state;
    assert_ok(remove_tag("latest"));
    now = tag_get(&w, REPO, "latest");
    assert_string_equal(now.text, "");
    now = projected_tag(&w, REPO, "latest");
    assert_string_equal(now.text, "");
    assert_ok(pull(&d));
}

static void a_deleted_manifest_takes_its_tags_along(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest"), now;

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_ok(remove_digest(&d));
    assert_code(ERR_MANIFEST_UNKNOWN, pull(&d));
    now = tag_get(&w, REPO, "latest");
    assert_string_equal(now.text, "");
    now = tag_get(&w, REPO, "v1");
    assert_string_equal(now.text, "");
}

static void what_is_not_there_cannot_be_deleted(void **state)
{
    struct digest d = sha256_of(STR("x"));

    (void)state;
    assert_code(ERR_MANIFEST_UNKNOWN, remove_tag("latest"));
    assert_code(ERR_MANIFEST_UNKNOWN, remove_digest(&d));
    assert_code(ERR_BLOB_UNKNOWN, remove_blob(w.r, &repo, &d, ERR_IGNORED));
    image_put(&w, REPO, "one", "latest");
    assert_code(ERR_MANIFEST_UNKNOWN, remove_tag("other"));
    assert_code(ERR_MANIFEST_UNKNOWN, remove_digest(&d));
    assert_code(ERR_BLOB_UNKNOWN, remove_blob(w.r, &repo, &d, ERR_IGNORED));
}

static void deleting_can_be_turned_off(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest");

    (void)state;
    w.conf->registry.delete_enabled = false;
    assert_code(ERR_UNSUPPORTED, remove_tag("latest"));
    assert_code(ERR_UNSUPPORTED, remove_digest(&d));
    assert_code(ERR_UNSUPPORTED, remove_blob(w.r, &repo, &d, ERR_IGNORED));
    assert_ok(pull(&d));
}

static void a_child_of_an_index_is_in_use(void **state)
{
    struct digest child = image_put(&w, REPO, "one", NULL), index;
    AUTO(mem) char *image = image_json("one", "the layer of all", ""), *json = NULL;

    (void)state;
    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
                         "\",\"digest\":\"%s\",\"size\":%zu}]}",
                         child.text, strlen(image)) > 0);
    assert_ok(manifest_push(&w, REPO, json, "latest", &index, ERR_IGNORED));
    assert_code(ERR_IN_USE, remove_digest(&child));
    assert_ok(remove_digest(&index));
    assert_ok(remove_digest(&child));
}

static void a_manifest_whose_file_was_taken_away_can_be_deleted(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest");

    (void)state;
    assert_ok(store_manifest_delete(w.r->store, &repo, &d, ERR_IGNORED));
    assert_ok(remove_digest(&d));
    assert_code(ERR_MANIFEST_UNKNOWN, pull(&d));
}

static void a_deleted_manifest_can_be_pushed_again(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest"), now;

    (void)state;
    assert_ok(remove_digest(&d));
    image_put(&w, REPO, "one", "latest");
    assert_ok(pull(&d));
    now = projected_tag(&w, REPO, "latest");
    assert_digest_equal(&now, &d);
}

/* Tags that may not go with their manifest, and others that come while these are asked for. */

static struct {
    struct digest manifest;
    size_t asked, commits;
    void (*meanwhile)(void); /* before a deletion is committed */
} untag;

/* What begins with "keep" stays. */
static enum err_code may_untag(void *ctx, const struct tag_name *tag, struct err *e)
{
    (void)ctx;
    untag.asked++;
    return strncmp(tag->text, "keep", 4) == 0 ? err_tell(e, ERR_DENIED, "'%s' stays", tag->text)
                                              : ERR_OK;
}

static enum err_code commit_after_meanwhile(struct meta *m, const struct meta_op *ops, size_t n,
                                            unsigned flags, size_t *ret_failed, struct err *e)
{
    if (ops[0].kind == META_MANIFEST_DELETE) {
        untag.commits++;
        if (untag.meanwhile)
            untag.meanwhile();
    }
    return meta_commit(m->inner, ops, n, flags, ret_failed, e);
}

static enum err_code remove_asking(void (*meanwhile)(void))
{
    struct reference ref = digest_ref(&untag.manifest);
    struct err e = {0};

    untag.asked = untag.commits = 0;
    untag.meanwhile = meanwhile;
    world_patch_meta(&w)->commit = commit_after_meanwhile;
    return remove_manifest_if(w.r, &repo, &ref, NULL, may_untag, NULL, &e);
}

/* As another replica does, that knows nothing of the locks of this one. */
static void set_tag(const char *name)
{
    struct tag_name t = tag_of(name);
    struct meta_op op = meta_op_tag_set(&repo, &t, &untag.manifest, META_ANY);

    assert_ok(meta_commit(w.meta->inner, &op, 1, 0, NULL, ERR_IGNORED));
}

static void set_a_tag_once(const char *name)
{
    if (untag.commits == 2) /* the first looks whether there are any */
        set_tag(name);
}

static void set_one_to_keep(void)
{
    set_a_tag_once("keep");
}

static void set_one_that_may_go(void)
{
    set_a_tag_once("later");
}

static void set_another(void)
{
    char name[32];

    snprintf(name, sizeof(name), "another-%zu", untag.commits);
    set_tag(name);
}

static void a_manifest_without_tags_is_deleted_without_a_question(void **state)
{
    (void)state;
    untag.manifest = image_put(&w, REPO, "one", NULL);
    assert_ok(remove_asking(NULL));
    assert_int_equal(untag.asked, 0);
    assert_int_equal(untag.commits, 1);
    assert_code(ERR_MANIFEST_UNKNOWN, pull(&untag.manifest));
}

static void a_manifest_goes_whose_tags_may_all_go(void **state)
{
    (void)state;
    untag.manifest = image_put(&w, REPO, "one", "latest");
    image_put(&w, REPO, "one", "v1");
    assert_ok(remove_asking(NULL));
    assert_int_equal(untag.asked, 2);
    assert_code(ERR_MANIFEST_UNKNOWN, pull(&untag.manifest));
}

static void a_manifest_stays_whose_tag_may_not_go(void **state)
{
    struct digest now;

    (void)state;
    untag.manifest = image_put(&w, REPO, "one", "latest");
    image_put(&w, REPO, "one", "keep");
    assert_code(ERR_DENIED, remove_asking(NULL));
    assert_ok(pull(&untag.manifest));
    now = tag_get(&w, REPO, "latest");
    assert_digest_equal(&now, &untag.manifest);
}

static void a_tag_to_keep_that_came_meanwhile_keeps_the_manifest(void **state)
{
    struct digest now;

    (void)state;
    untag.manifest = image_put(&w, REPO, "one", "latest");
    assert_code(ERR_DENIED, remove_asking(set_one_to_keep));
    assert_int_equal(untag.commits, 2);
    assert_ok(pull(&untag.manifest));
    now = tag_get(&w, REPO, "keep");
    assert_digest_equal(&now, &untag.manifest);
}

static void a_tag_that_came_meanwhile_is_asked_for_and_goes(void **state)
{
    struct digest now;

    (void)state;
    untag.manifest = image_put(&w, REPO, "one", "latest");
    assert_ok(remove_asking(set_one_that_may_go));
    assert_int_equal(untag.commits, 3);
    now = tag_get(&w, REPO, "later");
    assert_string_equal(now.text, "");
}

static void tags_that_come_again_and_again_end_the_deletion(void **state)
{
    (void)state;
    untag.manifest = image_put(&w, REPO, "one", "latest");
    assert_code(ERR_CONFLICT, remove_asking(set_another));
    assert_in_range(untag.commits, 2, 20);
    assert_ok(pull(&untag.manifest));
}

static void each_of_very_many_tags_is_asked_for(void **state)
{
    (void)state;
    untag.manifest = image_put(&w, REPO, "one", NULL);
    for (untag.commits = 0; untag.commits < 1000; untag.commits++)
        set_another();
    assert_ok(remove_asking(NULL));
    assert_int_equal(untag.asked, 1000);
    untag.manifest = image_put(&w, REPO, "one", NULL);
    for (untag.commits = 0; untag.commits < 1000; untag.commits++)
        set_another();
    set_tag("keep-the-last");
    assert_code(ERR_DENIED, remove_asking(NULL));
    assert_int_equal(untag.asked, 1001);
}

/* Blobs. */

static void a_blob_that_a_manifest_names_is_in_use(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest"), config = sha256_of(STR("one"));

    (void)state;
    assert_code(ERR_IN_USE, remove_blob(w.r, &repo, &config, ERR_IGNORED));
    assert_true(blob_readable(&w, REPO, &config));
    assert_ok(remove_digest(&d));
    assert_ok(remove_blob(w.r, &repo, &config, ERR_IGNORED));
    assert_false(blob_readable(&w, REPO, &config));
}

static void a_blob_deleted_here_stays_elsewhere(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("hello"));

    (void)state;
    assert_ok(mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
    assert_ok(remove_blob(w.r, &repo, &d, ERR_IGNORED));
    assert_false(blob_readable(&w, REPO, &d));
    assert_true(blob_readable(&w, "library/alpine", &d));
}

static void a_blob_whose_file_was_taken_away_can_be_deleted(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("hello"));

    (void)state;
    assert_ok(store_blob_delete(w.r->store, &repo, &d, false, ERR_IGNORED));
    assert_ok(remove_blob(w.r, &repo, &d, ERR_IGNORED));
}

/* Mounting. */

static void a_mounted_blob_is_readable_in_both(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("hello"));

    (void)state;
    assert_ok(mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
    assert_true(blob_readable(&w, REPO, &d));
    assert_true(blob_readable(&w, "library/alpine", &d));
}

static void a_blob_is_found_wherever_it_is(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("hello"));
    struct repo_name found;

    (void)state;
    assert_ok(mount_source(w.r, &d, &found, ERR_IGNORED));
    assert_string_equal(found.text, REPO);
    assert_ok(mount_blob(w.r, &other, &found, &d, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/alpine", &d));
}

static void mounting_what_is_here_already_is_success(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("hello"));

    (void)state;
    assert_ok(mount_blob(w.r, &repo, &repo, &d, ERR_IGNORED));
    assert_ok(mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
    assert_ok(mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
}

static void what_is_nowhere_cannot_be_mounted(void **state)
{
    struct digest d = sha256_of(STR("nowhere"));
    struct repo_name found;

    (void)state;
    assert_code(ERR_BLOB_UNKNOWN, mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
    assert_code(ERR_BLOB_UNKNOWN, mount_source(w.r, &d, &found, ERR_IGNORED));
}

static void a_blob_is_not_mounted_from_where_it_is_not(void **state)
{
    struct digest d = blob_put(&w, "library/third", STR("hello"));

    (void)state;
    assert_code(ERR_BLOB_UNKNOWN, mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
    assert_false(blob_readable(&w, "library/alpine", &d));
}

/* One after the other looked, before it acted. */

static struct digest raced;

static bool deleted;

static enum err_code open_after_delete(struct store *s, const struct repo_name *name,
                                       const struct digest *d, uint64_t known_bytes,
                                       struct reader **ret_reader, uint64_t *ret_size,
                                       struct err *e)
{
    if (!deleted) {
        deleted = true;
        assert_ok(remove_blob(w.r, name, d, ERR_IGNORED));
        world_let_go(&w);
    }
    return store_blob_open(s->inner, name, d, known_bytes, ret_reader, ret_size, e);
}

static void a_blob_deleted_while_it_is_opened_is_unknown_not_damaged(void **state)
{
    (void)state;
    raced = blob_put(&w, REPO, STR("hello"));
    deleted = false;
    world_patch_store(&w)->blob_open = open_after_delete;
    assert_code(ERR_BLOB_UNKNOWN, open_blob(&repo, &raced, ERR_IGNORED));
}

static enum err_code open_after_delete_and_push(struct store *s, const struct repo_name *name,
                                                const struct digest *d, uint64_t known_bytes,
                                                struct reader **ret_reader, uint64_t *ret_size,
                                                struct err *e)
{
    if (!deleted) {
        enum err_code code;

        deleted = true;
        assert_ok(remove_blob(w.r, name, d, ERR_IGNORED));
        code = store_blob_open(s->inner, name, d, known_bytes, ret_reader, ret_size, e);
        blob_put(&w, REPO, STR("hello"));
        return code;
    }
    return store_blob_open(s->inner, name, d, known_bytes, ret_reader, ret_size, e);
}

static void a_blob_deleted_and_pushed_again_while_it_is_opened_is_served(void **state)
{
    (void)state;
    raced = blob_put(&w, REPO, STR("hello"));
    deleted = false;
    world_patch_store(&w)->blob_open = open_after_delete_and_push;
    assert_ok(open_blob(&repo, &raced, ERR_IGNORED));
}

static void a_blob_that_is_linked_but_not_stored_is_damage(void **state)
{
    struct err e = {0};

    (void)state;
    raced = blob_put(&w, REPO, STR("hello"));
    assert_ok(store_blob_delete(w.r->store, &repo, &raced, false, ERR_IGNORED));
    assert_code(ERR_CORRUPT, open_blob(&repo, &raced, &e));
    assert_non_null(strstr(e.detail, raced.text));
    assert_false(e.public_detail);
}

/* They touch the store and meta; between the two nobody else may do either. */

static size_t locked_during;

static size_t held_of(struct locks *set)
{
    size_t n = 0;

    for (size_t i = 0; i < LOCKS_STRIPES; i++) {
        pthread_mutex_t *m = &set->stripes[i];

        if (pthread_mutex_trylock(m) == 0)
            pthread_mutex_unlock(m);
        else
            n++;
    }
    return n;
}

static size_t locks_held(void)
{
    return held_of(&w.r->blob_locks) + held_of(&w.r->manifest_locks);
}

static enum err_code commit_watched(struct meta *m, const struct meta_op *ops, size_t n,
                                    unsigned flags, size_t *ret_failed, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind <= META_MANIFEST_DELETE)
            locked_during = locks_held();
    }
    return meta_commit(m->inner, ops, n, flags, ret_failed, e);
}

static void linking_and_deleting_manifests_happen_under_the_lock(void **state)
{
    struct digest d;
    struct reference ref;

    (void)state;
    world_patch_meta(&w)->commit = commit_watched;
    raced = blob_put(&w, REPO, STR("hello"));
    assert_int_equal(locked_during, 1);
    locked_during = 0;
    assert_ok(mount_blob(w.r, &other, &repo, &raced, ERR_IGNORED));
    assert_int_equal(locked_during, 1);
    d = image_put(&w, REPO, "one", "latest");
    assert_int_equal(locked_during, 1);
    locked_during = 0;
    ref = digest_ref(&d);
    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
    assert_int_equal(locked_during, 1);
    assert_int_equal(locks_held(), 0);
}

static void a_blob_being_read_stays_readable_when_it_is_deleted(void **state)
{
    AUTO(reader) struct reader *r = NULL;
    char text[16];
    uint64_t size;
    size_t n;

    (void)state;
    raced = blob_put(&w, REPO, STR("hello"));
    assert_ok(pull_blob(w.r, &repo, &raced, &r, &size, ERR_IGNORED));
    assert_ok(remove_blob(w.r, &repo, &raced, ERR_IGNORED));
    assert_ok(reader_read(r, text, sizeof(text), &n, ERR_IGNORED));
    assert_int_equal(n, 5);
    assert_memory_equal(text, "hello", 5);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_deleted_tag_is_gone_and_its_manifest_stays),
        TEST(a_deleted_manifest_takes_its_tags_along),
        TEST(what_is_not_there_cannot_be_deleted),
        TEST(deleting_can_be_turned_off),
        TEST(a_child_of_an_index_is_in_use),
        TEST(a_manifest_whose_file_was_taken_away_can_be_deleted),
        TEST(a_deleted_manifest_can_be_pushed_again),
        TEST(a_manifest_without_tags_is_deleted_without_a_question),
        TEST(a_manifest_goes_whose_tags_may_all_go),
        TEST(a_manifest_stays_whose_tag_may_not_go),
        TEST(a_tag_to_keep_that_came_meanwhile_keeps_the_manifest),
        TEST(a_tag_that_came_meanwhile_is_asked_for_and_goes),
        TEST(tags_that_come_again_and_again_end_the_deletion),
        TEST(each_of_very_many_tags_is_asked_for),
        TEST(a_blob_that_a_manifest_names_is_in_use),
        TEST(a_blob_deleted_here_stays_elsewhere),
        TEST(a_blob_whose_file_was_taken_away_can_be_deleted),
        TEST(a_mounted_blob_is_readable_in_both),
        TEST(a_blob_is_found_wherever_it_is),
        TEST(mounting_what_is_here_already_is_success),
        TEST(what_is_nowhere_cannot_be_mounted),
        TEST(a_blob_is_not_mounted_from_where_it_is_not),
        TEST(a_blob_deleted_while_it_is_opened_is_unknown_not_damaged),
        TEST(a_blob_deleted_and_pushed_again_while_it_is_opened_is_served),
        TEST(a_blob_that_is_linked_but_not_stored_is_damage),
        TEST(linking_and_deleting_manifests_happen_under_the_lock),
        TEST(a_blob_being_read_stays_readable_when_it_is_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
