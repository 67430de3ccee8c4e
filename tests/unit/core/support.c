#include "support.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "core/life.h"
#include "core/pull.h"
#include "core/removal.h"
#include "core/upload.h"
#include "jobs/jobs.h"

#include <stdio.h>

static enum err_code source_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    struct source *s = (struct source *)r;
    size_t end = s->error != ERR_OK && s->fail_at < s->bytes.n ? s->fail_at : s->bytes.n;
    size_t n = end - s->at < cap ? end - s->at : cap;

    if (s->piece_bytes && n > s->piece_bytes)
        n = s->piece_bytes;
    if (n == 0 && cap > 0 && s->error != ERR_OK)
        return err_set(e, s->error, "the source was told to fail");
    if (n > 0) /* else its bytes may be none */
        memcpy(buf, s->bytes.p + s->at, n);
    s->at += n;
    *ret_n = n;
    return ERR_OK;
}

static enum err_code source_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    struct source *s = (struct source *)r;

    (void)e;
    s->at = offset_bytes < s->bytes.n ? (size_t)offset_bytes : s->bytes.n;
    return ERR_OK;
}

static void source_free(struct reader *r)
{
    ((struct source *)r)->freed = true;
}

static const struct reader_ops source_ops = {
    .read = source_read, .seek = source_seek, .free = source_free};

struct source source_of(struct str bytes)
{
    return (struct source){.reader = {&source_ops}, .bytes = bytes};
}

struct source failing_source(struct str bytes, size_t fail_at, enum err_code error)
{
    struct source s = source_of(bytes);

    s.fail_at = fail_at;
    s.error = error;
    return s;
}

char *noise(size_t n, unsigned seed)
{
    char *p = mem_alloc(n + 1);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        p[i] = (char)(x >> 56);
    }
    return p;
}

static const struct {
    struct store_driver *table;
    struct meta_driver *meta;
} copies = {&(struct store_driver){0}, &(struct meta_driver){0}};

static const struct store_driver *patched_store;
static const struct meta_driver *patched_meta;

static void world_open(struct world *w)
{
    char root[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    struct store_fs_options store = {.root = root, .fsync = false};
    struct meta_sqlite_options meta = {
        .path = path, .fsync = false, .read_connections = 2, .cache_bytes = 1 << 20};
    struct store *s;
    struct meta *m;
    struct err e = {0};

    snprintf(root, sizeof(root), "%s/root", w->dir);
    snprintf(path, sizeof(path), "%s/registry.db", w->dir);
    if (w->dir[0]) {
        assert_ok(store_fs_new(&store, &s, &e));
    } else {
        meta.path = ":memory:";
        s = w->remote ? store_mem_remote_new() : store_mem_new();
    }
    assert_ok(meta_sqlite_new(&meta, &m, &e));
    w->store = store_fault_new(s);
    w->meta = meta_fault_new(m);
    w->r = registry_new(w->store, w->meta, w->conf);
}

static void world_init(struct world *w)
{
    struct err e = {0};

    *w = (struct world){0};
    assert_ok(conf_load(NULL, NULL, &w->conf, &e));
}

void world_in_memory(struct world *w)
{
    world_init(w);
    world_open(w);
}

void world_remote(struct world *w)
{
    world_init(w);
    w->remote = true;
    world_open(w);
}

/* In memory all the same: nothing here is about the disk's own failures. */
void world_on_disk(struct world *w)
{
    world_init(w);
    temp_dir_make(w->dir, TEMP_DIR_MEMORY);
    world_open(w);
}

void world_restart(struct world *w)
{
    registry_free(w->r);
    world_open(w);
}

void world_lose_meta(struct world *w)
{
    struct meta_sqlite_options o = {
        .path = ":memory:", .read_connections = 2, .cache_bytes = 1 << 20};
    struct err e = {0};
    struct meta *fresh;

    meta_free(w->meta);
    assert_ok(meta_sqlite_new(&o, &fresh, &e));
    w->r->meta = w->meta = meta_fault_new(fresh);
}

void world_add_jobs(struct world *w)
{
    w->r->jobs = jobs_new(&(struct jobs_options){.meta = w->meta, .poll_ms = 20});
    w->own_jobs = true;
}

void world_done(struct world *w)
{
    if (w->own_jobs) {
        jobs_free(w->r->jobs);
        w->r->jobs = NULL;
    }
    registry_free(w->r);
    conf_free(w->conf);
    if (w->dir[0])
        temp_dir_remove(w->dir);
}

void world_fail_store(struct world *w, uint64_t n, enum err_code code)
{
    store_fault_arm(w->store, n, code);
}

void world_fail_meta(struct world *w, uint64_t n, enum err_code code)
{
    meta_fault_arm(w->meta, n, code);
}

void world_set_quota(struct world *w, const char *namespace, uint64_t bytes, uint64_t tags)
{
    struct conf_quotas *all = &w->conf->quotas;

    if (all->n == 0) /* conf_free() frees it */
        *all = (struct conf_quotas){.items = NEW(struct conf_quota), .n = 1};
    free(all->items[0].name);
    all->items[0] =
        (struct conf_quota){.name = str_dup(str_of(namespace)), .bytes = bytes, .tags = tags};
}

struct store_driver *world_patch_store(struct world *w)
{
    if (w->store->driver != copies.table)
        patched_store = w->store->driver;
    *copies.table = *patched_store;
    w->store->driver = copies.table;
    return copies.table;
}

struct meta_driver *world_patch_meta(struct world *w)
{
    if (w->meta->driver != copies.meta)
        patched_meta = w->meta->driver;
    *copies.meta = *patched_meta;
    w->meta->driver = copies.meta;
    return copies.meta;
}

void world_let_go(struct world *w)
{
    w->conf->gc.grace_ms = w->conf->gc.linger_ms = 0;
    assert_ok(removal_run(w->r, NULL, ERR_IGNORED));
}

struct reference tag_ref(const char *name)
{
    return (struct reference){.tag = tag_of(name)};
}

struct reference digest_ref(const struct digest *d)
{
    return (struct reference){.is_digest = true, .digest = *d};
}

static enum err_code push_blob(struct world *w, const struct repo_name *repo, struct str bytes,
                               const struct digest *d, struct err *e)
{
    struct source s = source_of(bytes);
    AUTO(upload) struct upload *u = NULL;
    struct uuid id;

    TRY(upload_begin(w->r, repo, "", DIGEST_SHA256, &id, e));
    TRY(upload_open(w->r, repo, "", &id, UPLOAD_MORE, &u, e));
    TRY(upload_append(u, &s.reader, BODY(bytes.n), e));
    return upload_finish(STEAL(u), d, NULL, e);
}

/* Its session does not time out meanwhile, whatever the test has set. */
enum err_code blob_push(struct world *w, const char *repo, struct str bytes,
                        struct digest *ret_digest, struct err *e)
{
    uint64_t timeout_ms = w->conf->registry.upload_timeout_ms;
    struct repo_name name = repo_of(repo);
    enum err_code code;

    *ret_digest = sha256_of(bytes);
    w->conf->registry.upload_timeout_ms = 3600 * 1000;
    code = push_blob(w, &name, bytes, ret_digest, e);
    w->conf->registry.upload_timeout_ms = timeout_ms;
    return code;
}

struct digest blob_put(struct world *w, const char *repo, struct str bytes)
{
    struct err e = {0};
    struct digest d;

    assert_ok(blob_push(w, repo, bytes, &d, &e));
    return d;
}

bool blob_readable(struct world *w, const char *repo, const struct digest *d)
{
    struct repo_name name = repo_of(repo);
    AUTO(hasher) struct hasher *h = hasher_new(d->algorithm);
    AUTO(reader) struct reader *r = NULL;
    struct digest actual;
    char buf[4096];
    uint64_t size;
    size_t n;

    if (pull_blob(w->r, &name, d, &r, &size, ERR_IGNORED) != ERR_OK)
        return false;
    do {
        if (reader_read(r, buf, sizeof(buf), &n, ERR_IGNORED) != ERR_OK)
            return false;
        hasher_update(h, buf, n);
    } while (n > 0);
    hasher_digest(h, &actual);
    return digest_eq(&actual, d);
}

char *image_json(const char *config, const char *layer, const char *more)
{
    struct digest c = sha256_of(str_of(config)), l = sha256_of(str_of(layer));
    char *json;

    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,"
                         "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
                         "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                         "\"digest\":\"%s\",\"size\":%zu},"
                         "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
                         "\"digest\":\"%s\",\"size\":%zu}]%s}",
                         c.text, strlen(config), l.text, strlen(layer), more) > 0);
    return json;
}

enum err_code manifest_push(struct world *w, const char *repo, const char *json, const char *tag,
                            struct digest *ret_digest, struct err *e)
{
    struct repo_name name = repo_of(repo);
    struct tag_name t = tag_of(tag ? tag : "none");
    struct push p = {.repo = &name, .bytes = str_of(json), .tags = &t, .n_tags = tag ? 1 : 0};
    struct pushed done;

    *ret_digest = sha256_of(p.bytes);
    return push_manifest(w->r, &p, &done, e);
}

struct digest image_put(struct world *w, const char *repo, const char *text, const char *tag)
{
    AUTO(mem) char *json = image_json(text, "the layer of all", "");
    struct err e = {0};
    struct digest d;

    blob_put(w, repo, str_of(text));
    blob_put(w, repo, STR("the layer of all"));
    assert_ok(manifest_push(w, repo, json, tag, &d, &e));
    return d;
}

struct digest tag_get(struct world *w, const char *repo, const char *tag)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct repo_name name = repo_of(repo);
    struct reference ref = tag_ref(tag);

    if (pull_manifest(w->r, &name, &ref, &m, ERR_IGNORED) != ERR_OK)
        return (struct digest){0};
    return m->digest;
}

struct digest projected_tag(struct world *w, const char *repo, const char *tag)
{
    struct repo_name name = repo_of(repo);
    struct tag_name t = tag_of(tag);
    struct digest d = {0};

    if (store_tag_get(w->r->store, &name, &t, &d, ERR_IGNORED) != ERR_OK)
        return (struct digest){0};
    return d;
}

size_t pending_projections(struct world *w)
{
    struct meta_projection *rows = mem_alloc(64 * sizeof(*rows));
    size_t n;

    assert_ok(meta_projections(w->r->meta, STR(""), rows, 64, &n, ERR_IGNORED));
    free(rows);
    return n;
}

static enum err_code count_stored(void *ctx, const struct store_upload_info *u, struct err *e)
{
    (void)u, (void)e;
    (*(size_t *)ctx)++;
    return ERR_OK;
}

size_t stored_uploads(struct world *w)
{
    size_t n = 0;

    assert_ok(store_upload_each(w->r->store, count_stored, &n, ERR_IGNORED));
    return n;
}

static enum err_code count_known(void *ctx, const struct meta_upload *u, struct err *e)
{
    (void)u, (void)e;
    (*(size_t *)ctx)++;
    return ERR_OK;
}

size_t known_uploads(struct world *w)
{
    size_t n = 0;

    assert_ok(meta_uploads_each(w->r->meta, INT64_MAX, count_known, &n, ERR_IGNORED));
    return n;
}
