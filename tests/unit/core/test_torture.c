/*
 * A story of pushes, pulls, mounts and deletes in which the n-th call of the store, or of meta,
 * fails, for every n. Whatever fails: no tag ever resolves to an incomplete image, and nothing that
 * was acknowledged is missing afterwards.
 */
#include "base/mem.h"
#include "core/manifest.h"
#include "core/mount.h"
#include "core/project.h"
#include "core/pull.h"
#include "core/remove.h"
#include "core/upload.h"
#include "core/upload_session.h"
#include "support.h"

#include <jansson.h>

#define REPO  "library/busybox"
#define OTHER "library/alpine"
#define TAGS  3
#define BLOBS 3

/* What a client was told of a thing; a request that failed leaves it open. */
enum told { OPEN, THERE, GONE };

struct story {
    struct world w;
    enum told blobs[BLOBS], mounted, tags[TAGS];
    struct digest tagged[TAGS];
    unsigned acknowledged;
};

static const char *const texts[BLOBS] = {"the layer of all", "one", "two"};
static const char *const tags[TAGS] = {"v1", "v2", "latest"};

static void tell(struct story *s, enum told *what, enum told now, enum err_code code)
{
    *what = code == ERR_OK ? now : OPEN;
    s->acknowledged += code == ERR_OK;
}

static void push_blob(struct story *s, int i)
{
    struct digest d;

    tell(s, &s->blobs[i], THERE, blob_push(&s->w, REPO, str_of(texts[i]), &d, ERR_IGNORED));
}

static void push_image(struct story *s, int config, int tag)
{
    AUTO(mem) char *json = image_json(texts[config], texts[0], "");
    struct digest d;

    tell(s, &s->tags[tag], THERE, manifest_push(&s->w, REPO, json, tags[tag], &d, ERR_IGNORED));
    s->tagged[tag] = d;
}

static void mount_layer(struct story *s)
{
    struct repo_name from = repo_of(REPO), to = repo_of(OTHER);
    struct digest d = sha256_of(str_of(texts[0]));

    tell(s, &s->mounted, THERE, mount_blob(s->w.r, &to, &from, &d, ERR_IGNORED));
}

static void delete_tag(struct story *s, int tag)
{
    struct repo_name repo = repo_of(REPO);
    struct reference ref = tag_ref(tags[tag]);

    tell(s, &s->tags[tag], GONE, remove_manifest(s->w.r, &repo, &ref, ERR_IGNORED));
}

static void delete_image(struct story *s, int config)
{
    AUTO(mem) char *json = image_json(texts[config], texts[0], "");
    struct repo_name repo = repo_of(REPO);
    struct digest d = sha256_of(str_of(json));
    struct reference ref = digest_ref(&d);
    enum err_code code = remove_manifest(s->w.r, &repo, &ref, ERR_IGNORED);

    for (int i = 0; i < TAGS; i++) {
        if (s->tags[i] != GONE && digest_eq(&s->tagged[i], &d))
            tell(s, &s->tags[i], GONE, code);
    }
}

static void delete_blob(struct story *s, int i)
{
    struct repo_name repo = repo_of(REPO);
    struct digest d = sha256_of(str_of(texts[i]));
    enum err_code code = remove_blob(s->w.r, &repo, &d, ERR_IGNORED);

    if (code != ERR_IN_USE) /* as it should be when a delete before it failed */
        tell(s, &s->blobs[i], GONE, code);
}

static void tell_story(struct story *s)
{
    for (int i = 0; i < BLOBS; i++)
        push_blob(s, i);
    push_image(s, 1, 0);
    push_image(s, 1, 1);
    mount_layer(s);
    push_image(s, 2, 2);
    push_image(s, 2, 1);
    push_blob(s, 0);
    delete_tag(s, 2);
    delete_image(s, 1);
    delete_blob(s, 1);
    push_blob(s, 1);
    push_image(s, 1, 0);
}

static bool digest_readable(struct story *s, const json_t *descriptor)
{
    struct str text = str_of(json_string_value(json_object_get(descriptor, "digest")));
    struct digest d;

    assert_ok(digest_parse(text, &d, ERR_IGNORED));
    return blob_readable(&s->w, REPO, &d);
}

/* The manifest, its config and its layers can be read, and the store has the manifest as well. */
static void assert_complete(struct story *s, const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(buf) struct buf stored = {0};
    struct repo_name repo = repo_of(REPO);
    struct reference ref = digest_ref(d);
    json_t *root;

    assert_ok(pull_manifest(s->w.r, &repo, &ref, &m, ERR_IGNORED));
    buf_init(&stored, 1 << 16);
    assert_ok(store_manifest_get(s->w.r->store, &repo, d, &stored, ERR_IGNORED));
    assert_true(str_eq(buf_str(&stored), m->bytes));
    root = json_loadb(m->bytes.p, m->bytes.n, 0, NULL);
    assert_true(digest_readable(s, json_object_get(root, "config")));
    assert_true(digest_readable(s, json_array_get(json_object_get(root, "layers"), 0)));
    json_decref(root);
}

static void assert_tags_true(struct story *s)
{
    for (int i = 0; i < TAGS; i++) {
        struct digest now = tag_get(&s->w, REPO, tags[i]);

        if (now.text[0])
            assert_complete(s, &now);
        if (s->tags[i] == THERE)
            assert_digest_equal(&now, &s->tagged[i]);
        if (s->tags[i] == GONE)
            assert_string_equal(now.text, "");
    }
}

static void assert_blobs_true(struct story *s)
{
    struct digest layer = sha256_of(str_of(texts[0]));

    for (int i = 0; i < BLOBS; i++) {
        struct digest d = sha256_of(str_of(texts[i]));

        if (s->blobs[i] == THERE)
            assert_true(blob_readable(&s->w, REPO, &d));
        if (s->blobs[i] == GONE)
            assert_false(blob_readable(&s->w, REPO, &d));
    }
    if (s->mounted == THERE)
        assert_true(blob_readable(&s->w, OTHER, &layer));
}

/* After the maintenance ran, the store says of every tag what meta says. */
static void assert_projections_true(struct story *s)
{
    bool more;

    assert_ok(project_pending(s->w.r, 10, &more, ERR_IGNORED));
    for (int i = 0; i < TAGS; i++) {
        struct digest now = tag_get(&s->w, REPO, tags[i]);
        struct digest there = projected_tag(&s->w, REPO, tags[i]);

        assert_digest_equal(&there, &now);
    }
}

/* After the sweep, no session is left of the uploads that failed. */
static void assert_sessions_end(struct story *s)
{
    s->w.conf->registry.upload_timeout_ms = (uint64_t)-1000;
    assert_ok(upload_sweep(s->w.r, ERR_IGNORED));
    assert_int_equal(session_count(s->w.r->uploads), 0);
    assert_int_equal(stored_uploads(&s->w), 0);
    assert_int_equal(known_uploads(&s->w), 0);
}

static void check(struct story *s)
{
    world_fail_store(&s->w, 0, ERR_OK);
    world_fail_meta(&s->w, 0, ERR_OK);
    assert_tags_true(s);
    assert_blobs_true(s);
    assert_projections_true(s);
    assert_sessions_end(s);
}

typedef void (*arm_fn)(struct world *w, uint64_t n, enum err_code code);

static bool calls_reached(const struct story *s, arm_fn arm, uint64_t n)
{
    return arm == world_fail_store ? store_fault_calls(s->w.store) >= n
                                   : meta_fault_calls(s->w.meta) >= n;
}

static void torture(void (*open_world)(struct world *), arm_fn arm, enum err_code code)
{
    bool reached = true;

    for (uint64_t n = 1; reached; n++) {
        struct story s = {0};

        open_world(&s.w);
        arm(&s.w, n, code);
        tell_story(&s);
        reached = calls_reached(&s, arm, n);
        check(&s);
        world_done(&s.w);
    }
}

/* The process ends right after the call that failed, and another takes over. */
static void torture_with_restart(arm_fn arm, enum err_code code)
{
    bool reached = true;

    for (uint64_t n = 1; reached; n++) {
        struct story s = {0};

        world_on_disk(&s.w);
        arm(&s.w, n, code);
        tell_story(&s);
        reached = calls_reached(&s, arm, n);
        world_restart(&s.w);
        check(&s);
        world_done(&s.w);
    }
}

static void a_story_without_faults_is_acknowledged_whole(void **state)
{
    struct story s = {0};

    (void)state;
    world_in_memory(&s.w);
    tell_story(&s);
    assert_int_equal(s.acknowledged, 14);
    check(&s);
    world_done(&s.w);
}

static void any_call_of_the_store_may_fail(void **state)
{
    (void)state;
    torture(world_in_memory, world_fail_store, ERR_STORAGE_FULL);
}

static void any_call_of_meta_may_fail(void **state)
{
    (void)state;
    torture(world_in_memory, world_fail_meta, ERR_UNAVAILABLE);
}

static void any_call_of_the_store_may_fail_on_disk_before_a_restart(void **state)
{
    (void)state;
    torture_with_restart(world_fail_store, ERR_INTERNAL);
}

static void any_call_of_meta_may_fail_on_disk_before_a_restart(void **state)
{
    (void)state;
    torture_with_restart(world_fail_meta, ERR_STORAGE_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_story_without_faults_is_acknowledged_whole),
        cmocka_unit_test(any_call_of_the_store_may_fail),
        cmocka_unit_test(any_call_of_meta_may_fail),
        cmocka_unit_test(any_call_of_the_store_may_fail_on_disk_before_a_restart),
        cmocka_unit_test(any_call_of_meta_may_fail_on_disk_before_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
