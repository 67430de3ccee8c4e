/*
 * Pushes, deletions, a run of the collector, the removal of content and repair, in which the n-th
 * call of the store, of meta, or of the file system fails, for every n: it is not done, or it is
 * done and the answer is lost. Whatever fails, what was acknowledged is whole, repair leaves
 * nothing that a check would find, and the next run takes what the one that failed has left.
 */
#include "base/mem.h"
#include "check/checkup.h"
#include "check/mend.h"
#include "core/mount.h"
#include "core/project.h"
#include "core/removal.h"
#include "core/remove.h"
#include "core/stray.h"
#include "gc/collector.h"
#include "rounds.h"
#include "unit/core/support.h"
#include "unit/store/calls.h"

#include <errno.h>

#include <stdatomic.h>

#define REPO  "library/busybox"
#define OTHER "library/alpine"

#define IMAGE_TYPE "application/vnd.oci.image.manifest.v1+json"

static struct world w;

/* ---- what is there */

enum {
    KEPT,      /* it has a tag */
    CHILD,     /* of an index that has one */
    SIGNATURE, /* of KEPT */
    AGAIN,     /* deleted, and pushed again after the failure */
    STAYING
};

static struct digest staying[STAYING];

static char *descriptor(const char *key, const struct digest *d, const char *json)
{
    char *text;

    assert_true(
        asprintf(&text, ",\"%s\":{\"mediaType\":\"" IMAGE_TYPE "\",\"digest\":\"%s\",\"size\":%zu}",
                 key, d->text, strlen(json)) > 0);
    return text;
}

static struct digest put_manifest(const char *json, const char *tag)
{
    struct digest d;

    assert_ok(manifest_push(&w, REPO, json, tag, &d, ERR_IGNORED));
    return d;
}

static struct digest put_index(const struct digest *child, const char *child_json, const char *tag)
{
    AUTO(mem) char *json = NULL;

    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,"
                         "\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":["
                         "{\"mediaType\":\"" IMAGE_TYPE "\",\"digest\":\"%s\",\"size\":%zu}]}",
                         child->text, strlen(child_json)) > 0);
    return put_manifest(json, tag);
}

static struct digest put_referrer(const struct digest *subject, const char *subject_json,
                                  const char *text)
{
    AUTO(mem) char *about = descriptor("subject", subject, subject_json);
    AUTO(mem) char *json = image_json(text, "the layer of all", about);

    blob_put(&w, REPO, str_of(text));
    return put_manifest(json, NULL);
}

static void delete_digest(const struct digest *d)
{
    const struct repo_name repo = repo_of(REPO);
    const struct reference ref = digest_ref(d);

    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
}

static void mount_layer(void)
{
    const struct repo_name from = repo_of(REPO), to = repo_of(OTHER);
    const struct digest layer = sha256_of(STR("the layer of all"));

    assert_ok(mount_blob(w.r, &to, &from, &layer, ERR_IGNORED));
    image_put(&w, OTHER, "of the other", "v1");
}

/* What stays, and something of each kind that goes. */
static void fill(void)
{
    AUTO(mem) char *kept = image_json("kept", "the layer of all", "");
    AUTO(mem) char *child = image_json("child", "the layer of all", "");
    AUTO(mem) char *lost = image_json("lost child", "the layer of all", "");
    AUTO(mem) char *again = image_json("again", "the layer of all", "");
    struct digest index, subject;

    staying[KEPT] = image_put(&w, REPO, "kept", "v1");
    staying[CHILD] = image_put(&w, REPO, "child", NULL);
    put_index(&staying[CHILD], child, "index");
    staying[SIGNATURE] = put_referrer(&staying[KEPT], kept, "signature");
    mount_layer();
    staying[AGAIN] = image_put(&w, REPO, "again", "again");
    subject = image_put(&w, REPO, "lost child", NULL);
    index = put_index(&subject, lost, "lost");
    put_referrer(&staying[AGAIN], again, "signature of what goes");
    blob_put(&w, REPO, STR("nobody names it"));
    delete_digest(&index);
    delete_digest(&staying[AGAIN]);
}

/* ---- what may fail */

static unsigned lose_at;   /* of this many */
static atomic_uint writes; /* files are deleted side by side */

/* Is this the answer that is lost? */
static enum err_code answer(enum err_code code, struct err *e)
{
    if (atomic_fetch_add(&writes, 1) + 1 == lose_at && code == ERR_OK)
        return err_set(e, ERR_UNAVAILABLE, "the answer was lost");
    return code;
}

static enum err_code commit(struct meta *m, const struct meta_op *ops, size_t n, unsigned flags,
                            size_t *ret_failed, struct err *e)
{
    return answer(meta_commit(m->inner, ops, n, flags, ret_failed, e), e);
}

static enum err_code blob_delete(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, bool elsewhere, struct err *e)
{
    return answer(store_blob_delete(s->inner, repo, d, elsewhere, e), e);
}

static enum err_code blob_purge(struct store *s, const struct digest *d, bool (*still)(void *ctx),
                                void *ctx, struct err *e)
{
    return answer(store_blob_purge(s->inner, d, still, ctx, e), e);
}

static enum err_code manifest_put(struct store *s, const struct repo_name *repo,
                                  const struct digest *d, struct str bytes, struct err *e)
{
    return answer(store_manifest_put(s->inner, repo, d, bytes, e), e);
}

static enum err_code manifest_delete(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, struct err *e)
{
    return answer(store_manifest_delete(s->inner, repo, d, e), e);
}

static enum err_code tag_put(struct store *s, const struct repo_name *repo,
                             const struct tag_name *tag, const struct digest *d, struct err *e)
{
    return answer(store_tag_put(s->inner, repo, tag, d, e), e);
}

static enum err_code tag_delete(struct store *s, const struct repo_name *repo,
                                const struct tag_name *tag, struct err *e)
{
    return answer(store_tag_delete(s->inner, repo, tag, e), e);
}

static void may_lose_answers(void)
{
    struct store_driver *s = world_patch_store(&w);

    lose_at = 0;
    atomic_store(&writes, 0);
    world_patch_meta(&w)->commit = commit;
    s->blob_delete = blob_delete;
    s->blob_purge = blob_purge;
    s->manifest_put = manifest_put;
    s->manifest_delete = manifest_delete;
    s->tag_put = tag_put;
    s->tag_delete = tag_delete;
}

enum where { IN_STORE, IN_META, IN_ANSWERS, IN_FILES };

/* code is an errno of IN_FILES. */
static void arm(enum where where, unsigned n, int code)
{
    world_fail_store(&w, where == IN_STORE ? n : 0, (enum err_code)code);
    world_fail_meta(&w, where == IN_META ? n : 0, (enum err_code)code);
    lose_at = where == IN_ANSWERS ? n : 0;
    atomic_store(&writes, 0);
    if (where == IN_FILES)
        calls_start(&(struct calls_options){.fail = "", .nth = n, .error = code});
}

/* Nothing fails any more. Did it? */
static bool disarm(enum where where, unsigned n)
{
    uint64_t calls = where == IN_STORE   ? store_fault_calls(w.store)
                     : where == IN_META  ? meta_fault_calls(w.meta)
                     : where == IN_FILES ? calls_count("")
                                         : atomic_load(&writes);

    calls_stop();
    arm(IN_STORE, 0, ERR_OK);
    return calls >= n;
}

/* ---- what is done, and may fail */

static enum err_code collect(void)
{
    const struct gc_options o = {
        .registry = w.r, .children = true, .referrers = true, .actor = "test"};
    struct gc_counts counts;
    bool more;

    TRY(gc_run(&o, &counts, ERR_IGNORED));
    TRY(removal_run(w.r, NULL, ERR_IGNORED));
    return project_pending(w.r, 10, &more, ERR_IGNORED);
}

static enum err_code push(void)
{
    AUTO(mem) char *json = image_json("pushed", "the layer of all", "");
    struct digest d;

    TRY(blob_push(&w, REPO, STR("pushed"), &d, ERR_IGNORED));
    TRY(blob_push(&w, REPO, STR("the layer of all"), &d, ERR_IGNORED));
    return manifest_push(&w, REPO, json, "pushed", &d, ERR_IGNORED);
}

static enum err_code push_and_delete(void)
{
    struct repo_name repo = repo_of(REPO);
    AUTO(mem) char *json = image_json("pushed", "the layer of all", "");
    struct digest d = sha256_of(str_of(json));
    struct reference ref = digest_ref(&d);

    TRY(push());
    TRY(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
    d = sha256_of(STR("pushed"));
    TRY(remove_blob(w.r, &repo, &d, ERR_IGNORED));
    return removal_run(w.r, NULL, ERR_IGNORED);
}

static size_t n_found;
static struct check_finding last_found;

static enum err_code found(void *ctx, const struct check_finding *f, bool mended, struct err *e)
{
    (void)ctx, (void)mended, (void)e;
    last_found = *f;
    n_found++;
    return ERR_OK;
}

static enum err_code mend(void *ctx, const struct check_finding *list, size_t n, bool *ret_mended,
                          struct err *e)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        TRY(mend_finding(w.r, &list[i], &ret_mended[i], e));
    return ERR_OK;
}

static enum err_code check_all(bool repair)
{
    const struct check_options o = {.registry = w.r, .mend = repair ? mend : NULL, .found = found};
    struct check_counts counts;

    n_found = 0;
    return check_run(&o, &counts, ERR_IGNORED);
}

static enum err_code repair(void)
{
    return check_all(true);
}

/* Of each kind that repair does something about. */
static void damage(void)
{
    const struct repo_name repo = repo_of(REPO);
    const struct digest d = sha256_of(STR("{}")), loose = blob_put(&w, REPO, STR("loose"));
    const struct tag_name unknown = tag_of("unknown"), tag = tag_of("v1");

    assert_ok(project_pending(w.r, 10, &(bool){false}, ERR_IGNORED));
    assert_ok(store_manifest_put(w.store, &repo, &d, STR("{}"), ERR_IGNORED));
    assert_ok(store_manifest_delete(w.store, &repo, &staying[CHILD], ERR_IGNORED));
    assert_ok(store_tag_put(w.store, &repo, &unknown, &staying[KEPT], ERR_IGNORED));
    assert_ok(store_tag_delete(w.store, &repo, &tag, ERR_IGNORED));
    assert_ok(store_blob_delete(w.store, &repo, &loose, false, ERR_IGNORED));
}

/* ---- what must be so afterwards */

static void assert_whole(const char *repo_text, const struct digest *d, const char *config)
{
    const struct repo_name repo = repo_of(repo_text);
    const struct digest blobs[] = {sha256_of(str_of(config)), sha256_of(STR("the layer of all"))};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(buf) struct buf stored = {0};

    assert_ok(meta_manifest_by_digest(w.meta, &repo, d, &m, ERR_IGNORED));
    buf_init(&stored, 1 << 16);
    assert_ok(store_manifest_get(w.store, &repo, d, &stored, ERR_IGNORED));
    assert_true(str_eq(buf_str(&stored), m->bytes));
    for (size_t i = 0; i < 2; i++)
        assert_true(blob_readable(&w, repo_text, &blobs[i]));
}

static void assert_kept(void)
{
    struct digest tagged = tag_get(&w, REPO, "v1");

    assert_digest_equal(&tagged, &staying[KEPT]);
    assert_whole(REPO, &staying[KEPT], "kept");
    assert_whole(REPO, &staying[CHILD], "child");
    assert_whole(REPO, &staying[SIGNATURE], "signature");
    tagged = tag_get(&w, OTHER, "v1");
    assert_whole(OTHER, &tagged, "of the other");
}

static void assert_clean(void)
{
    assert_ok(check_all(false));
    if (n_found > 0)
        fail_msg("%s of %s %s", check_kinds[last_found.code].name, last_found.digest.text,
                 last_found.tag.text);
}

static bool stored(const char *text)
{
    const struct repo_name repo = repo_of(REPO);
    const struct digest d = sha256_of(str_of(text));
    uint64_t size_bytes;

    return store_blob_stat(w.store, &repo, &d, &size_bytes, ERR_IGNORED) == ERR_OK;
}

/* A deletion from a bucket whose answer was lost is ended later: it may still come. */
static bool is_being_deleted(const char *text)
{
    const struct digest d = sha256_of(str_of(text));
    struct meta_removed row;

    return meta_removed_get(w.meta, (struct meta_content){NULL, &d}, &row, ERR_IGNORED) == ERR_OK &&
           row.state == META_REMOVED_GONE;
}

static void assert_gone(const char *text)
{
    if (stored(text) && !is_being_deleted(text))
        fail_msg("'%s' is still there", text);
}

/* ---- the torture */

typedef enum err_code (*deed_fn)(void);

static void begin(void (*open_world)(struct world *))
{
    open_world(&w);
    w.conf->gc.grace_ms = w.conf->gc.linger_ms = 0;
    w.conf->registry.upload_timeout_ms = (uint64_t)-60000; /* all there is is old, to a check */
    fill();
    may_lose_answers();
}

static enum err_code remove_stray(void *ctx, const struct store_item *item, struct err *e)
{
    (void)ctx;
    return stray_remove(w.r, item, e);
}

/* It failed; then repair makes all right, and what `registry sweep --remove` does. */
static void assert_repair_helps(void)
{
    const struct stray_walk strays = {.found = remove_stray};
    bool more;

    assert_ok(project_pending(w.r, 10, &more, ERR_IGNORED));
    assert_ok(repair());
    assert_ok(stray_each(w.r, &strays, ERR_IGNORED));
    assert_clean();
    assert_kept();
}

/* It failed; what was deleted is pushed again, and the next run takes what the first has left. */
static void assert_next_run_helps(void)
{
    bool is_pushed = !is_being_deleted("again");

    if (is_pushed)
        staying[AGAIN] = image_put(&w, REPO, "again", "again");
    assert_ok(collect());
    assert_clean();
    assert_kept();
    if (is_pushed)
        assert_whole(REPO, &staying[AGAIN], "again");
    assert_gone("nobody names it");
    assert_gone("lost child");
    if (!is_pushed) /* else it belongs to something again, if it was there still */
        assert_gone("signature of what goes");
}

static void torture(void (*open_world)(struct world *), deed_fn deed, enum where where, int code,
                    void (*before)(void), void (*after)(void))
{
    static unsigned turn;
    bool more = true;

    for (unsigned n = 1 + turn++ % rounds_step(); more; n += rounds_step()) {
        begin(open_world);
        if (before)
            before();
        arm(where, n, code);
        (void)!deed();
        more = disarm(where, n);
        after();
        world_done(&w);
        assert_true(more || n > 3);
    }
}

static void torture_all(deed_fn deed, void (*before)(void), void (*after)(void))
{
    static void (*const worlds[])(struct world *) = {world_in_memory, world_remote};

    for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
        torture(worlds[i], deed, IN_STORE, ERR_INTERNAL, before, after);
        torture(worlds[i], deed, IN_STORE, ERR_STORAGE_FULL, before, after);
        torture(worlds[i], deed, IN_META, ERR_UNAVAILABLE, before, after);
        torture(worlds[i], deed, IN_ANSWERS, ERR_OK, before, after);
    }
    torture(world_on_disk, deed, IN_FILES, EIO, before, after);
    torture(world_on_disk, deed, IN_FILES, ENOSPC, before, after);
}

static void a_run_in_which_nothing_fails_takes_what_goes_and_nothing_else(void **state)
{
    (void)state;
    begin(world_in_memory);
    assert_ok(collect());
    assert_kept();
    assert_clean();
    assert_gone("again");
    assert_gone("signature of what goes");
    assert_next_run_helps();
    assert_clean();
    world_done(&w);
}

static void after_a_run_that_failed_repair_helps(void **state)
{
    (void)state;
    torture_all(collect, NULL, assert_repair_helps);
}

static void after_a_run_that_failed_the_next_one_helps(void **state)
{
    (void)state;
    torture_all(collect, NULL, assert_next_run_helps);
}

static void after_a_push_or_a_deletion_that_failed_repair_helps(void **state)
{
    (void)state;
    torture_all(push_and_delete, NULL, assert_repair_helps);
}

static void after_a_repair_that_failed_repair_helps(void **state)
{
    (void)state;
    torture_all(repair, damage, assert_repair_helps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_in_which_nothing_fails_takes_what_goes_and_nothing_else),
        cmocka_unit_test(after_a_run_that_failed_repair_helps),
        cmocka_unit_test(after_a_run_that_failed_the_next_one_helps),
        cmocka_unit_test(after_a_push_or_a_deletion_that_failed_repair_helps),
        cmocka_unit_test(after_a_repair_that_failed_repair_helps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
