/*
 * The wrappers every caller goes through. They check arguments once, so that a driver sees only
 * sensible ones: names and digests that were parsed, and no call that has nothing to do.
 */
#include "store/store.h"

#include <assert.h>

static bool same_repo(const struct repo_name *a, const struct repo_name *b)
{
    return str_eq(repo_name_str(a), repo_name_str(b));
}

enum err_code store_blob_stat(struct store *s, const struct repo_name *repo, const struct digest *d,
                              uint64_t *ret_size_bytes, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    return s->driver->blob_stat(s, repo, d, ret_size_bytes, e);
}

enum err_code store_blob_open(struct store *s, const struct repo_name *repo, const struct digest *d,
                              struct reader **ret_reader, uint64_t *ret_size_bytes, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    return s->driver->blob_open(s, repo, d, ret_reader, ret_size_bytes, e);
}

enum err_code store_blob_link(struct store *s, const struct repo_name *from,
                              const struct repo_name *to, const struct digest *d, struct err *e)
{
    uint64_t size_bytes;

    assert(from->n > 0 && to->n > 0 && d->n > 0);
    if (same_repo(from, to))
        return s->driver->blob_stat(s, from, d, &size_bytes, e);
    return s->driver->blob_link(s, from, to, d, e);
}

enum err_code store_blob_delete(struct store *s, const struct repo_name *repo,
                                const struct digest *d, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    return s->driver->blob_delete(s, repo, d, e);
}

enum err_code store_manifest_put(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct str bytes, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    return s->driver->manifest_put(s, repo, d, bytes, e);
}

enum err_code store_manifest_get(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct buf *ret_bytes, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    return s->driver->manifest_get(s, repo, d, ret_bytes, e);
}

enum err_code store_manifest_delete(struct store *s, const struct repo_name *repo,
                                    const struct digest *d, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    return s->driver->manifest_delete(s, repo, d, e);
}

enum err_code store_tag_put(struct store *s, const struct repo_name *repo,
                            const struct tag_name *tag, const struct digest *d, struct err *e)
{
    assert(repo->n > 0 && tag->n > 0 && d->n > 0);
    return s->driver->tag_put(s, repo, tag, d, e);
}

enum err_code store_tag_get(struct store *s, const struct repo_name *repo,
                            const struct tag_name *tag, struct digest *ret_digest, struct err *e)
{
    assert(repo->n > 0 && tag->n > 0);
    return s->driver->tag_get(s, repo, tag, ret_digest, e);
}

enum err_code store_tag_delete(struct store *s, const struct repo_name *repo,
                               const struct tag_name *tag, struct err *e)
{
    assert(repo->n > 0 && tag->n > 0);
    return s->driver->tag_delete(s, repo, tag, e);
}

enum err_code store_tag_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    assert(repo->n > 0);
    return s->driver->tag_sync(s, repo, e);
}

enum err_code store_upload_create(struct store *s, const struct uuid *id, struct err *e)
{
    assert(id->text[0]);
    return s->driver->upload_create(s, id, e);
}

enum err_code store_upload_open(struct store *s, const struct uuid *id,
                                struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                struct err *e)
{
    assert(id->text[0]);
    return s->driver->upload_open(s, id, ret_upload, ret_size_bytes, e);
}

enum err_code store_upload_write(struct store *s, struct store_upload *u, const void *p, size_t n,
                                 uint64_t offset_bytes, struct err *e)
{
    if (n == 0)
        return ERR_OK;
    if (offset_bytes > (uint64_t)INT64_MAX - n)
        return err_set(e, ERR_INTERNAL, "write past the largest size a file can have");
    return s->driver->upload_write(s, u, p, n, offset_bytes, e);
}

enum err_code store_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                                uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    if (cap == 0 || offset_bytes > (uint64_t)INT64_MAX - cap) {
        *ret_n = 0;
        return ERR_OK;
    }
    return s->driver->upload_read(s, u, p, cap, offset_bytes, ret_n, e);
}

enum err_code store_upload_sync(struct store *s, struct store_upload *u, struct err *e)
{
    return s->driver->upload_sync(s, u, e);
}

enum err_code store_upload_truncate(struct store *s, struct store_upload *u, uint64_t size_bytes,
                                    struct err *e)
{
    return s->driver->upload_truncate(s, u, size_bytes, e);
}

enum err_code store_upload_commit(struct store *s, struct store_upload *u,
                                  const struct repo_name *repo, const struct digest *d,
                                  const struct repo_name *twin, struct err *e)
{
    assert(repo->n > 0 && d->n > 0);
    if (twin && same_repo(twin, repo))
        twin = NULL;
    return s->driver->upload_commit(s, u, repo, d, twin, e);
}

void store_upload_close(struct store *s, struct store_upload *u)
{
    if (u)
        s->driver->upload_close(s, u);
}

enum err_code store_upload_delete(struct store *s, const struct uuid *id, struct err *e)
{
    assert(id->text[0]);
    return s->driver->upload_delete(s, id, e);
}

enum err_code store_upload_each(struct store *s, store_upload_fn fn, void *ctx, struct err *e)
{
    return s->driver->upload_each(s, fn, ctx, e);
}

enum err_code store_health(struct store *s, struct store_health *ret_health, struct err *e)
{
    return s->driver->health(s, ret_health, e);
}

void store_free(struct store *s)
{
    if (s)
        s->driver->free(s);
}
