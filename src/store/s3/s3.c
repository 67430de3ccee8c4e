#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parallel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SENDERS_MOST 16
#define HEALTHY_MS   5000 /* an answer of the server is good for */
#define TAG_MAX      256
#define KNOWN_MS     60000 /* so long what another process deletes may be thought to be there */
#define END_MS       2000  /* that what is on its way has left when the store is closed */

/* ---- blobs that are there: read.c */

/* Which repositories have it meta knows; that it is there is looked at. */
static enum err_code s3_blob_link(struct store *store, const struct repo_name *from,
                                  const struct repo_name *to, const struct digest *d, struct err *e)
{
    uint64_t size_bytes;

    (void)to;
    return s3_blob_stat(store, from, d, &size_bytes, e);
}

static enum err_code s3_blob_place(struct store *store, const struct repo_name *repo,
                                   const struct digest *d, uint64_t known_bytes,
                                   struct store_place *ret_place, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;
    uint64_t size_bytes;

    (void)repo;
    (void)known_bytes; /* it may be elsewhere than at its key */
    TRY(s3_blob_find(s, d, &name, &size_bytes, e));
    s3_place_at(s->client, &name, size_bytes, ret_place);
    return ERR_OK;
}

/* What the server refuses says no more than that the bytes must be sent. */
static enum err_code s3_blob_fetch(struct store *store, const struct digest *d,
                                   const struct store_place *from, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name source = {.n = strlen(from->key)}, name;
    enum err_code code;

    memcpy(source.text, from->key, source.n + 1);
    s3_blob_name(s, d, &name);
    code = s3_copy_sized(s->client, from->bucket, &source, &name, from->size_bytes, e);
    if (code == ERR_OK || code == ERR_UNAVAILABLE || code == ERR_STORAGE_FULL)
        return code;
    e->code = code == ERR_NOT_FOUND ? ERR_BLOB_UNKNOWN : ERR_UNSUPPORTED;
    return e->code;
}

static enum err_code s3_blob_delete(struct store *store, const struct repo_name *repo,
                                    const struct digest *d, bool elsewhere, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;

    (void)repo;
    if (elsewhere)
        return ERR_OK;
    TRY(s3_keeper_forget(s->keeper, d, e));
    s3_blob_name(s, d, &name);
    TRY(s3_delete(s->client, &name, e));
    recent_forget(s->known, d);
    return ERR_OK;
}

/* A copy within the server, then the delete: what fails in between leaves both. */
static enum err_code s3_blob_quarantine(struct store *store, const struct repo_name *repo,
                                        const struct digest *d, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name from, to;
    uint64_t size_bytes;
    enum err_code code;

    TRY(s3_blob_find(s, d, &from, &size_bytes, e));
    s3_quarantine_name(s, d, &to);
    code = s3_copy_sized(s->client, NULL, &from, &to, size_bytes, e);
    if (code == ERR_NOT_FOUND)
        return s3_blob_unknown(d, e);
    TRY(code);
    return s3_blob_delete(store, repo, d, false, e);
}

/* Somebody moves it: then it is neither here nor there. Who began that may be dead, so this process
 * does it as well. */
static enum err_code check_not_moving(struct s3 *s, const struct digest *d, struct err *e)
{
    struct s3_move move;
    enum err_code code = s3_move_find(s, d, &move.from, e);

    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code != ERR_OK)
        return e->code = ERR_LATER;
    if (s3_move_read(s, d, &move.from, &move, ERR_IGNORED) == ERR_OK)
        s3_keeper_move(s->keeper, d, &move);
    return err_set(e, ERR_LATER, "%s is being moved to its key", d->text);
}

static enum err_code s3_blob_purge(struct store *store, const struct digest *d,
                                   bool (*still)(void *ctx), void *ctx, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;
    enum err_code code;

    TRY(check_not_moving(s, d, e));
    s3_blob_name(s, d, &name);
    code = s3_delete_once(s->client, &name, STORE_PURGE_VALID_S, still, ctx, e);
    recent_forget(s->known, d);
    return code;
}

/* At a key that nothing else ever has, told by a pointer: so no DELETE of the blob's key, nor of a
 * pointer that was there before, takes it. Without the pointer it is swept. */
static enum err_code s3_blob_aside(struct store *store, const struct digest *d, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_move move = {0};
    struct s3_name from, to;
    uint64_t size_bytes;
    enum err_code code;
    struct uuid id;

    uuid_make(&id);
    s3_parts_key(&id, false, &move.from);
    s3_upload_name(s, &move.from, &to);
    TRY(s3_blob_find(s, d, &from, &size_bytes, e));
    code = s3_copy_sized(s->client, NULL, &from, &to, size_bytes, e);
    if (code == ERR_NOT_FOUND)
        return s3_blob_unknown(d, e);
    TRY(code);
    TRY(s3_move_write(s, d, &move, e));
    s3_keeper_move(s->keeper, d, &move);
    recent_forget(s->known, d);
    return ERR_OK;
}

static void s3_set_deletions(struct store *store, store_deletion_fn fn, void *ctx)
{
    s3_keeper_set_deletions(s3_of(store)->keeper, fn, ctx);
}

/* Error: NOT_FOUND. */
static enum err_code look_at_key(struct s3 *s, const struct digest *d, const struct s3_name *name,
                                 struct err *e)
{
    uint64_t since = recent_since(s->known, d);
    struct s3_answer there = {0};
    struct s3_upload_key from;

    if (s3_keeper_moving(s->keeper, d, &from))
        return err_set(e, ERR_NOT_FOUND, "%s is being moved", d->text);
    if (recent_has(s->known, d, clock_mono_ms()))
        return ERR_OK;
    TRY(s3_head(s->client, name, &there, e)); /* another process may be moving it */
    recent_add(s->known, d, since, clock_mono_ms());
    return ERR_OK;
}

/* Where a blob is on its way to its key nothing stays for as long as an address holds. */
static enum err_code s3_blob_url(struct store *store, const struct digest *d, unsigned expires_s,
                                 struct buf *ret_url, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;
    enum err_code code;

    s3_blob_name(s, d, &name);
    code = look_at_key(s, d, &name, e);
    if (code == ERR_NOT_FOUND)
        return err_set(e, ERR_UNSUPPORTED, "%s is not at its key yet", d->text);
    TRY(code);
    return s3_presigned(s->client, &name, clock_wall_ms(), expires_s, ret_url, e);
}

/* ---- manifests and tags */

static enum err_code s3_manifest_put(struct store *store, const struct repo_name *repo,
                                     const struct digest *d, struct str bytes, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_put put = {.body = bytes};
    struct s3_name name;

    s3_manifest_name(s, repo, d, &name);
    return s3_put(s->client, &name, &put, e);
}

struct puts {
    struct store *s;
    const struct store_manifest *items;
    pthread_mutex_t lock; /* of what follows */
    enum err_code code;   /* the first that is no success */
    struct err why;
};

static void put_at(void *ctx, size_t i)
{
    struct puts *p = ctx;
    const struct store_manifest *m = &p->items[i];
    struct err e = {0};
    enum err_code code = s3_manifest_put(p->s, m->repo, m->digest, m->bytes, &e);

    pthread_mutex_lock(&p->lock);
    if (p->code == ERR_OK) {
        p->code = code;
        p->why = e;
    }
    pthread_mutex_unlock(&p->lock);
}

static enum err_code s3_manifests_put(struct store *store, const struct store_manifest *items,
                                      size_t n, struct err *e)
{
    struct puts p = {.s = store, .items = items};

    pthread_mutex_init(&p.lock, NULL);
    parallel_each(n, S3_REQUESTS, put_at, &p);
    pthread_mutex_destroy(&p.lock);
    if (p.code != ERR_OK)
        *e = p.why;
    return p.code;
}

static enum err_code s3_manifest_get(struct store *store, const struct repo_name *repo,
                                     const struct digest *d, struct buf *ret_bytes, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;
    enum err_code code;

    s3_manifest_name(s, repo, d, &name);
    code = s3_get_into(s->client, &name, ret_bytes, e);
    if (code == ERR_NOT_FOUND)
        return err_set(e, ERR_MANIFEST_UNKNOWN, "no %s of '%s' in the bucket", d->text, repo->text);
    return code;
}

static enum err_code s3_manifest_delete(struct store *store, const struct repo_name *repo,
                                        const struct digest *d, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;

    s3_manifest_name(s, repo, d, &name);
    return s3_delete(s->client, &name, e);
}

static enum err_code s3_tag_put(struct store *store, const struct repo_name *repo,
                                const struct tag_name *tag, const struct digest *d, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_put put = {.body = digest_str(d)};
    struct s3_name name;

    s3_tag_name(s, repo, tag, &name);
    return s3_put(s->client, &name, &put, e);
}

static enum err_code s3_tag_get(struct store *store, const struct repo_name *repo,
                                const struct tag_name *tag, struct digest *ret_digest,
                                struct err *e)
{
    struct s3 *s = s3_of(store);
    AUTO(buf) struct buf text = {0};
    struct s3_name name;
    enum err_code code;

    s3_tag_name(s, repo, tag, &name);
    buf_init(&text, TAG_MAX);
    code = s3_get_into(s->client, &name, &text, e);
    if (code == ERR_OK)
        code = digest_parse(buf_str(&text), ret_digest, e);
    if (code == ERR_NOT_FOUND)
        return err_set(e, ERR_MANIFEST_UNKNOWN, "no tag '%s' of '%s' in the bucket", tag->text,
                       repo->text);
    return code;
}

static enum err_code s3_tag_delete(struct store *store, const struct repo_name *repo,
                                   const struct tag_name *tag, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;

    s3_tag_name(s, repo, tag, &name);
    return s3_delete(s->client, &name, e);
}

/* Every answer of the server is durable. */
static enum err_code s3_tag_sync(struct store *store, const struct repo_name *repo, struct err *e)
{
    (void)store, (void)repo, (void)e;
    return ERR_OK;
}

/* ---- the mark */

static enum err_code read_mark(struct s3_client *c, struct buf *ret_text, struct err *e)
{
    struct s3_name name;

    s3_mark_name(c, &name);
    return s3_get_into(c, &name, ret_text, e);
}

static enum err_code s3_mark_get(struct store *store, struct buf *ret_text, struct err *e)
{
    return read_mark(s3_of(store)->client, ret_text, e);
}

static enum err_code s3_mark_put(struct store *store, struct str text, bool first, struct err *e)
{
    struct s3 *s = s3_of(store);
    const struct s3_put put = {.body = text, .if_none = first};
    struct s3_name name;

    s3_mark_name(s->client, &name);
    return s3_put(s->client, &name, &put, e);
}

enum err_code store_s3_mark(const struct store_s3_options *o, struct buf *ret_text, struct err *e)
{
    struct s3_client *c;
    enum err_code code;

    TRY(s3_client_new(o, &c, e));
    code = read_mark(c, ret_text, e);
    s3_client_free(c);
    return code;
}

/* ---- life */

/* An object that means nothing. */
static enum err_code try_to_write(struct s3 *s, struct err *e)
{
    struct s3_put put = {.body = STR("ok")};
    struct s3_name name;
    struct uuid id;

    uuid_make(&id);
    s3_probe_name(s->client, &id, "", &name);
    TRY(s3_put(s->client, &name, &put, e));
    return s3_delete(s->client, &name, e);
}

/* That nothing can be written is known when something was; whether it is still so is tried, for
 * who is not ready may be asked for nothing else. */
static enum err_code look(struct s3 *s, struct err *e)
{
    TRY(s3_bucket_look(s->client, true, e));
    return s3_write_refused(s->client) == ERR_OK ? ERR_OK : try_to_write(s, e);
}

static enum err_code s3_health(struct store *store, struct store_health *ret_health, struct err *e)
{
    struct s3 *s = s3_of(store);
    enum err_code code = ERR_OK;

    TRY(s3_temp_health(s->temp, e));
    pthread_mutex_lock(&s->health_lock);
    if (s3_write_refused(s->client) != ERR_OK || clock_mono_ms() >= s->healthy_until_ms) {
        code = look(s, e);
        if (code == ERR_OK)
            s->healthy_until_ms = clock_mono_ms() + HEALTHY_MS;
    }
    pthread_mutex_unlock(&s->health_lock);
    if (code == ERR_OK)
        ret_health->free_bytes = ret_health->total_bytes = UINT64_MAX;
    return code;
}

static void s3_hurry(struct store *store, uint64_t ms)
{
    s3_client_hurry(s3_of(store)->client, ms);
    s3_temp_hurry(s3_of(store)->temp, ms);
}

static void s3_counts(struct store *store, store_count_fn fn, void *ctx)
{
    s3_client_counts(s3_of(store)->client, fn, ctx);
}

static void s3_free(struct store *store)
{
    struct s3 *s = s3_of(store);

    if (s->client)
        s3_client_hurry(s->client, END_MS);
    s3_senders_free(s->senders);
    s3_keeper_free(s->keeper);
    s3_uploads_free(s->uploads);
    recent_free(s->known);
    s3_client_free(s->client);
    s3_temp_free(s->temp);
    pthread_mutex_destroy(&s->health_lock);
    free(s);
}

static const struct store_driver store_s3 = {
    .name = "s3",
    .shared = true,
    .blob_stat = s3_blob_stat,
    .blob_open = s3_blob_open,
    .blob_link = s3_blob_link,
    .blob_place = s3_blob_place,
    .blob_fetch = s3_blob_fetch,
    .blob_delete = s3_blob_delete,
    .blob_quarantine = s3_blob_quarantine,
    .blob_purge = s3_blob_purge,
    .set_deletions = s3_set_deletions,
    .blob_aside = s3_blob_aside,
    .blob_url = s3_blob_url,
    .manifest_put = s3_manifest_put,
    .manifests_put = s3_manifests_put,
    .manifest_get = s3_manifest_get,
    .manifest_delete = s3_manifest_delete,
    .tag_put = s3_tag_put,
    .tag_get = s3_tag_get,
    .tag_delete = s3_tag_delete,
    .tag_sync = s3_tag_sync,
    .upload_create = s3_upload_create,
    .upload_open = s3_upload_open,
    .upload_note = s3_upload_note,
    .upload_expect = s3_upload_expect,
    .upload_write = s3_upload_write,
    .upload_read = s3_upload_read,
    .upload_keep_from = s3_upload_keep_from,
    .upload_sync = s3_upload_sync,
    .upload_truncate = s3_upload_truncate,
    .upload_prepare = s3_upload_prepare,
    .upload_commit = s3_upload_commit,
    .upload_close = s3_upload_close,
    .upload_delete = s3_upload_delete,
    .upload_forget = s3_upload_forget,
    .upload_each = s3_upload_each,
    .direct_begin = s3_direct_begin,
    .direct_url = s3_direct_url,
    .direct_end = s3_direct_end,
    .direct_open = s3_direct_open,
    .original_expect = s3_original_expect,
    .original_commit = s3_original_commit,
    .original_open = s3_original_open,
    .original_delete = s3_original_delete,
    .original_each = s3_original_each,
    .mark_get = s3_mark_get,
    .mark_put = s3_mark_put,
    .each = s3_each,
    .health = s3_health,
    .hurry = s3_hurry,
    .counts = s3_counts,
    .free = s3_free,
};

static bool free_some(void *ctx)
{
    return s3_uploads_spare(((struct s3 *)ctx)->uploads);
}

static enum err_code open_all(struct s3 *s, const struct store_s3_options *o, struct err *e)
{
    TRY(s3_client_new(o, &s->client, e));
    s->uploads = s3_uploads_new();
    TRY(s3_temp_new(o->temp_path, o->temp_bytes, free_some, s, &s->temp, e));
    TRY(s3_bucket_make(s->client, e));
    s->senders = s3_senders_new(SENDERS_MOST);
    s->known = recent_new(KNOWN_MS);
    return s3_keeper_new(s, &s->keeper, e);
}

enum err_code store_s3_new(const struct store_s3_options *o, struct store **ret_store,
                           struct err *e)
{
    struct s3 *s = NEW(struct s3);
    enum err_code code;

    s->store.driver = &store_s3;
    s->shape = s3_ahead_usual;
    s->kept.max_bytes = o->read_ahead_bytes;
    pthread_mutex_init(&s->health_lock, NULL);
    code = open_all(s, o, e);
    if (code != ERR_OK) {
        s3_free(&s->store);
        return err_prefix(e, "bucket '%s'", o->bucket);
    }
    s->store.server = s3_client_server(s->client);
    *ret_store = &s->store;
    return ERR_OK;
}
