/* A driver that fails one call on purpose: what tests use to see that every caller copes. */
#include "store/store.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

struct fault {
    struct store store;
    struct store *inner;
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t fail_at; /* 0: never */
    atomic_int code;
};

static struct fault *fault_of(struct store *s)
{
    return (struct fault *)s;
}

static struct store *inner_of(struct store *s)
{
    return fault_of(s)->inner;
}

/* Counts this call; its error when it is the one to fail. */
static enum err_code step(struct store *s, const char *call, struct err *e)
{
    struct fault *f = fault_of(s);
    uint64_t n = atomic_fetch_add(&f->calls, 1) + 1;

    if (n != atomic_load(&f->fail_at))
        return ERR_OK;
    return err_set(e, (enum err_code)atomic_load(&f->code), "call %ju, %s, was told to fail",
                   (uintmax_t)n, call);
}

static enum err_code fault_blob_stat(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, uint64_t *ret_size_bytes,
                                     struct err *e)
{
    TRY(step(s, "blob_stat", e));
    return store_blob_stat(inner_of(s), repo, d, ret_size_bytes, e);
}

static enum err_code fault_blob_open(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, struct reader **ret_reader,
                                     uint64_t *ret_size_bytes, struct err *e)
{
    TRY(step(s, "blob_open", e));
    return store_blob_open(inner_of(s), repo, d, ret_reader, ret_size_bytes, e);
}

static enum err_code fault_blob_link(struct store *s, const struct repo_name *from,
                                     const struct repo_name *to, const struct digest *d,
                                     struct err *e)
{
    TRY(step(s, "blob_link", e));
    return store_blob_link(inner_of(s), from, to, d, e);
}

static enum err_code fault_blob_delete(struct store *s, const struct repo_name *repo,
                                       const struct digest *d, struct err *e)
{
    TRY(step(s, "blob_delete", e));
    return store_blob_delete(inner_of(s), repo, d, e);
}

static enum err_code fault_manifest_put(struct store *s, const struct repo_name *repo,
                                        const struct digest *d, struct str bytes, struct err *e)
{
    TRY(step(s, "manifest_put", e));
    return store_manifest_put(inner_of(s), repo, d, bytes, e);
}

static enum err_code fault_manifest_get(struct store *s, const struct repo_name *repo,
                                        const struct digest *d, struct buf *ret_bytes,
                                        struct err *e)
{
    TRY(step(s, "manifest_get", e));
    return store_manifest_get(inner_of(s), repo, d, ret_bytes, e);
}

static enum err_code fault_manifest_delete(struct store *s, const struct repo_name *repo,
                                           const struct digest *d, struct err *e)
{
    TRY(step(s, "manifest_delete", e));
    return store_manifest_delete(inner_of(s), repo, d, e);
}

static enum err_code fault_tag_put(struct store *s, const struct repo_name *repo,
                                   const struct tag_name *tag, const struct digest *d,
                                   struct err *e)
{
    TRY(step(s, "tag_put", e));
    return store_tag_put(inner_of(s), repo, tag, d, e);
}

static enum err_code fault_tag_get(struct store *s, const struct repo_name *repo,
                                   const struct tag_name *tag, struct digest *ret_digest,
                                   struct err *e)
{
    TRY(step(s, "tag_get", e));
    return store_tag_get(inner_of(s), repo, tag, ret_digest, e);
}

static enum err_code fault_tag_delete(struct store *s, const struct repo_name *repo,
                                      const struct tag_name *tag, struct err *e)
{
    TRY(step(s, "tag_delete", e));
    return store_tag_delete(inner_of(s), repo, tag, e);
}

static enum err_code fault_tag_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    TRY(step(s, "tag_sync", e));
    return store_tag_sync(inner_of(s), repo, e);
}

static enum err_code fault_upload_create(struct store *s, const struct uuid *id, struct err *e)
{
    TRY(step(s, "upload_create", e));
    return store_upload_create(inner_of(s), id, e);
}

static enum err_code fault_upload_open(struct store *s, const struct uuid *id,
                                       struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                       struct err *e)
{
    TRY(step(s, "upload_open", e));
    return store_upload_open(inner_of(s), id, ret_upload, ret_size_bytes, e);
}

static enum err_code fault_upload_write(struct store *s, struct store_upload *u, const void *p,
                                        size_t n, uint64_t offset_bytes, struct err *e)
{
    TRY(step(s, "upload_write", e));
    return store_upload_write(inner_of(s), u, p, n, offset_bytes, e);
}

static enum err_code fault_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                                       uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    TRY(step(s, "upload_read", e));
    return store_upload_read(inner_of(s), u, p, cap, offset_bytes, ret_n, e);
}

static enum err_code fault_upload_sync(struct store *s, struct store_upload *u, struct err *e)
{
    TRY(step(s, "upload_sync", e));
    return store_upload_sync(inner_of(s), u, e);
}

static enum err_code fault_upload_truncate(struct store *s, struct store_upload *u,
                                           uint64_t size_bytes, struct err *e)
{
    TRY(step(s, "upload_truncate", e));
    return store_upload_truncate(inner_of(s), u, size_bytes, e);
}

static enum err_code fault_upload_commit(struct store *s, struct store_upload *u,
                                         const struct repo_name *repo, const struct digest *d,
                                         const struct repo_name *twin, struct err *e)
{
    TRY(step(s, "upload_commit", e));
    return store_upload_commit(inner_of(s), u, repo, d, twin, e);
}

static void fault_upload_close(struct store *s, struct store_upload *u)
{
    store_upload_close(inner_of(s), u);
}

static enum err_code fault_upload_delete(struct store *s, const struct uuid *id, struct err *e)
{
    TRY(step(s, "upload_delete", e));
    return store_upload_delete(inner_of(s), id, e);
}

static enum err_code fault_upload_each(struct store *s, store_upload_fn fn, void *ctx,
                                       struct err *e)
{
    TRY(step(s, "upload_each", e));
    return store_upload_each(inner_of(s), fn, ctx, e);
}

static enum err_code fault_health(struct store *s, struct store_health *ret_health, struct err *e)
{
    TRY(step(s, "health", e));
    return store_health(inner_of(s), ret_health, e);
}

static void fault_free(struct store *s)
{
    store_free(inner_of(s));
    free(s);
}

static const struct store_driver store_fault = {
    .name = "fault",
    .blob_stat = fault_blob_stat,
    .blob_open = fault_blob_open,
    .blob_link = fault_blob_link,
    .blob_delete = fault_blob_delete,
    .manifest_put = fault_manifest_put,
    .manifest_get = fault_manifest_get,
    .manifest_delete = fault_manifest_delete,
    .tag_put = fault_tag_put,
    .tag_get = fault_tag_get,
    .tag_delete = fault_tag_delete,
    .tag_sync = fault_tag_sync,
    .upload_create = fault_upload_create,
    .upload_open = fault_upload_open,
    .upload_write = fault_upload_write,
    .upload_read = fault_upload_read,
    .upload_sync = fault_upload_sync,
    .upload_truncate = fault_upload_truncate,
    .upload_commit = fault_upload_commit,
    .upload_close = fault_upload_close,
    .upload_delete = fault_upload_delete,
    .upload_each = fault_upload_each,
    .health = fault_health,
    .free = fault_free,
};

struct store *store_fault_new(struct store *inner)
{
    struct fault *f = NEW(struct fault);

    f->store.driver = &store_fault;
    f->inner = inner;
    return &f->store;
}

void store_fault_arm(struct store *fault, uint64_t n, enum err_code code)
{
    struct fault *f = fault_of(fault);

    atomic_store(&f->code, (int)code);
    atomic_store(&f->fail_at, n);
    atomic_store(&f->calls, 0);
}

uint64_t store_fault_calls(const struct store *fault)
{
    return atomic_load(&((const struct fault *)fault)->calls);
}
