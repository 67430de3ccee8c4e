/* A driver that logs each call of the driver it wraps, with its result and duration. */
#include "store/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

struct trace {
    struct store store;
    struct store *inner;
};

/* What a call was about; "" is left out of the record. */
struct call {
    const char *name;
    const char *repository;
    const char *what; /* digest, tag or upload */
    int64_t start_us;
};

static struct store *inner_of(struct store *s)
{
    return ((struct trace *)s)->inner;
}

static struct call begin(const char *name, const struct repo_name *repo, const char *what)
{
    return (struct call){name, repo ? repo->text : "", what, clock_mono_us()};
}

static enum err_code end(const struct call *c, enum err_code code, uint64_t bytes)
{
    log_event(LOG_DEBUG, "store call", LOG_TEXT("call", c->name),
              LOG_TEXT("repository", c->repository), LOG_TEXT("what", c->what),
              LOG_U64("bytes", code == ERR_OK ? bytes : 0), LOG_TEXT("result", err_name(code)),
              LOG_I64("duration_us", clock_mono_us() - c->start_us));
    return code;
}

static enum err_code trace_blob_stat(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, uint64_t *ret_size_bytes,
                                     struct err *e)
{
    struct call c = begin("blob_stat", repo, d->text);
    enum err_code code = store_blob_stat(inner_of(s), repo, d, ret_size_bytes, e);

    return end(&c, code, code == ERR_OK ? *ret_size_bytes : 0);
}

static enum err_code trace_blob_open(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, struct reader **ret_reader,
                                     uint64_t *ret_size_bytes, struct err *e)
{
    struct call c = begin("blob_open", repo, d->text);
    enum err_code code = store_blob_open(inner_of(s), repo, d, ret_reader, ret_size_bytes, e);

    return end(&c, code, code == ERR_OK ? *ret_size_bytes : 0);
}

static enum err_code trace_blob_link(struct store *s, const struct repo_name *from,
                                     const struct repo_name *to, const struct digest *d,
                                     struct err *e)
{
    struct call c = begin("blob_link", to, d->text);

    return end(&c, store_blob_link(inner_of(s), from, to, d, e), 0);
}

static enum err_code trace_blob_delete(struct store *s, const struct repo_name *repo,
                                       const struct digest *d, struct err *e)
{
    struct call c = begin("blob_delete", repo, d->text);

    return end(&c, store_blob_delete(inner_of(s), repo, d, e), 0);
}

static enum err_code trace_manifest_put(struct store *s, const struct repo_name *repo,
                                        const struct digest *d, struct str bytes, struct err *e)
{
    struct call c = begin("manifest_put", repo, d->text);

    return end(&c, store_manifest_put(inner_of(s), repo, d, bytes, e), bytes.n);
}

static enum err_code trace_manifest_get(struct store *s, const struct repo_name *repo,
                                        const struct digest *d, struct buf *ret_bytes,
                                        struct err *e)
{
    struct call c = begin("manifest_get", repo, d->text);
    size_t before = ret_bytes->n;
    enum err_code code = store_manifest_get(inner_of(s), repo, d, ret_bytes, e);

    return end(&c, code, ret_bytes->n - before);
}

static enum err_code trace_manifest_delete(struct store *s, const struct repo_name *repo,
                                           const struct digest *d, struct err *e)
{
    struct call c = begin("manifest_delete", repo, d->text);

    return end(&c, store_manifest_delete(inner_of(s), repo, d, e), 0);
}

static enum err_code trace_tag_put(struct store *s, const struct repo_name *repo,
                                   const struct tag_name *tag, const struct digest *d,
                                   struct err *e)
{
    struct call c = begin("tag_put", repo, tag->text);

    return end(&c, store_tag_put(inner_of(s), repo, tag, d, e), 0);
}

static enum err_code trace_tag_get(struct store *s, const struct repo_name *repo,
                                   const struct tag_name *tag, struct digest *ret_digest,
                                   struct err *e)
{
    struct call c = begin("tag_get", repo, tag->text);

    return end(&c, store_tag_get(inner_of(s), repo, tag, ret_digest, e), 0);
}

static enum err_code trace_tag_delete(struct store *s, const struct repo_name *repo,
                                      const struct tag_name *tag, struct err *e)
{
    struct call c = begin("tag_delete", repo, tag->text);

    return end(&c, store_tag_delete(inner_of(s), repo, tag, e), 0);
}

static enum err_code trace_tag_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    struct call c = begin("tag_sync", repo, "");

    return end(&c, store_tag_sync(inner_of(s), repo, e), 0);
}

static enum err_code trace_upload_create(struct store *s, const struct uuid *id, struct err *e)
{
    struct call c = begin("upload_create", NULL, id->text);

    return end(&c, store_upload_create(inner_of(s), id, e), 0);
}

static enum err_code trace_upload_open(struct store *s, const struct uuid *id,
                                       struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                       struct err *e)
{
    struct call c = begin("upload_open", NULL, id->text);
    enum err_code code = store_upload_open(inner_of(s), id, ret_upload, ret_size_bytes, e);

    return end(&c, code, code == ERR_OK ? *ret_size_bytes : 0);
}

static enum err_code trace_upload_write(struct store *s, struct store_upload *u, const void *p,
                                        size_t n, uint64_t offset_bytes, struct err *e)
{
    struct call c = begin("upload_write", NULL, "");

    return end(&c, store_upload_write(inner_of(s), u, p, n, offset_bytes, e), n);
}

static enum err_code trace_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                                       uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    struct call c = begin("upload_read", NULL, "");
    enum err_code code = store_upload_read(inner_of(s), u, p, cap, offset_bytes, ret_n, e);

    return end(&c, code, code == ERR_OK ? *ret_n : 0);
}

static enum err_code trace_upload_sync(struct store *s, struct store_upload *u, struct err *e)
{
    struct call c = begin("upload_sync", NULL, "");

    return end(&c, store_upload_sync(inner_of(s), u, e), 0);
}

static enum err_code trace_upload_truncate(struct store *s, struct store_upload *u,
                                           uint64_t size_bytes, struct err *e)
{
    struct call c = begin("upload_truncate", NULL, "");

    return end(&c, store_upload_truncate(inner_of(s), u, size_bytes, e), size_bytes);
}

static enum err_code trace_upload_commit(struct store *s, struct store_upload *u,
                                         const struct repo_name *repo, const struct digest *d,
                                         const struct repo_name *twin, struct err *e)
{
    struct call c = begin("upload_commit", repo, d->text);

    return end(&c, store_upload_commit(inner_of(s), u, repo, d, twin, e), 0);
}

static void trace_upload_close(struct store *s, struct store_upload *u)
{
    struct call c = begin("upload_close", NULL, "");

    store_upload_close(inner_of(s), u);
    end(&c, ERR_OK, 0);
}

static enum err_code trace_upload_delete(struct store *s, const struct uuid *id, struct err *e)
{
    struct call c = begin("upload_delete", NULL, id->text);

    return end(&c, store_upload_delete(inner_of(s), id, e), 0);
}

static enum err_code trace_upload_each(struct store *s, store_upload_fn fn, void *ctx,
                                       struct err *e)
{
    struct call c = begin("upload_each", NULL, "");

    return end(&c, store_upload_each(inner_of(s), fn, ctx, e), 0);
}

static enum err_code trace_health(struct store *s, struct store_health *ret_health, struct err *e)
{
    struct call c = begin("health", NULL, "");

    return end(&c, store_health(inner_of(s), ret_health, e), 0);
}

static void trace_free(struct store *s)
{
    store_free(inner_of(s));
    free(s);
}

static const struct store_driver store_trace = {
    .name = "trace",
    .blob_stat = trace_blob_stat,
    .blob_open = trace_blob_open,
    .blob_link = trace_blob_link,
    .blob_delete = trace_blob_delete,
    .manifest_put = trace_manifest_put,
    .manifest_get = trace_manifest_get,
    .manifest_delete = trace_manifest_delete,
    .tag_put = trace_tag_put,
    .tag_get = trace_tag_get,
    .tag_delete = trace_tag_delete,
    .tag_sync = trace_tag_sync,
    .upload_create = trace_upload_create,
    .upload_open = trace_upload_open,
    .upload_write = trace_upload_write,
    .upload_read = trace_upload_read,
    .upload_sync = trace_upload_sync,
    .upload_truncate = trace_upload_truncate,
    .upload_commit = trace_upload_commit,
    .upload_close = trace_upload_close,
    .upload_delete = trace_upload_delete,
    .upload_each = trace_upload_each,
    .health = trace_health,
    .free = trace_free,
};

struct store *store_trace_new(struct store *inner)
{
    struct trace *t = NEW(struct trace);

    t->store.driver = &store_trace;
    t->inner = inner;
    return &t->store;
}
