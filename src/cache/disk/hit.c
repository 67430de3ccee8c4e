#include "cache/disk/hit.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

struct hit_reader {
    struct reader reader;
    struct disk *disk;
    struct repo_name repo;
    struct digest digest;
    uint64_t size_bytes, at_bytes;
    int fd;               /* -1: not read any more */
    struct reader *inner; /* then: of the store; NULL before its first read */
};

static struct hit_reader *hit_of(struct reader *r)
{
    return (struct hit_reader *)r;
}

static void leave_shelf(struct hit_reader *h)
{
    struct disk *c = h->disk;
    struct shelf_blob *b;

    pthread_mutex_lock(&c->lock);
    b = shelf_find(&c->shelf, &h->digest);
    if (b)
        shelf_drop(&c->shelf, b);
    pthread_mutex_unlock(&c->lock);
}

/* False: the file has not what it should have. */
static bool read_file(struct hit_reader *h, void *buf, size_t cap, size_t *ret_n)
{
    ssize_t n = file_pread_all(h->fd, buf, cap, h->at_bytes);
    struct err e = {.code = ERR_OK};

    if (n > 0 || (n == 0 && (cap == 0 || h->at_bytes >= h->size_bytes))) {
        *ret_n = (size_t)n;
        return true;
    }
    err_set(&e, ERR_CORRUPT, "%s: %s", h->digest.text, n < 0 ? strerror(errno) : "too short");
    log_err(LOG_WARNING, "a file of the cache can't be read: its blob comes from the store", &e);
    leave_shelf(h);
    close(h->fd);
    h->fd = -1;
    return false;
}

static enum err_code read_store(struct hit_reader *h, void *buf, size_t cap, size_t *ret_n,
                                struct err *e)
{
    AUTO(reader) struct reader *inner = NULL;
    uint64_t size_bytes;

    if (!h->inner) {
        TRY(store_blob_open(h->disk->store.inner, &h->repo, &h->digest, h->size_bytes, &inner,
                            &size_bytes, e));
        TRY(reader_seek(inner, h->at_bytes, e));
        h->inner = STEAL(inner);
    }
    return reader_read(h->inner, buf, cap, ret_n, e);
}

static enum err_code hit_read(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *e)
{
    struct hit_reader *h = hit_of(r);
    size_t n;

    if (h->fd < 0 || !read_file(h, buf, cap, &n))
        TRY(read_store(h, buf, cap, &n, e));
    h->at_bytes += n;
    *ret_n = n;
    return ERR_OK;
}

static enum err_code hit_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    struct hit_reader *h = hit_of(r);

    if (offset_bytes > INT64_MAX)
        return err_set(e, ERR_INTERNAL, "seek past the largest size a file can have");
    if (h->inner)
        TRY(reader_seek(h->inner, offset_bytes, e));
    h->at_bytes = offset_bytes;
    return ERR_OK;
}

static void hit_distrust(struct reader *r)
{
    struct hit_reader *h = hit_of(r);

    if (h->fd >= 0)
        leave_shelf(h);
}

static int hit_fd(struct reader *r)
{
    return hit_of(r)->fd;
}

static int hit_wait_fd(struct reader *r)
{
    return hit_of(r)->inner ? reader_wait_fd(hit_of(r)->inner) : -1;
}

static void hit_free(struct reader *r)
{
    struct hit_reader *h = hit_of(r);

    reader_free(h->inner);
    if (h->fd >= 0)
        close(h->fd);
    free(h);
}

static const struct reader_ops hit_ops = {
    .read = hit_read,
    .seek = hit_seek,
    .distrust = hit_distrust,
    .fd = hit_fd,
    .wait_fd = hit_wait_fd,
    .free = hit_free,
};

struct reader *hit_reader_new(struct disk *c, const struct repo_name *repo, const struct digest *d,
                              uint64_t size_bytes, int fd)
{
    struct hit_reader *h = NEW(struct hit_reader);

    h->reader = (struct reader){.ops = &hit_ops, .cache = READER_HIT};
    h->disk = c;
    h->repo = *repo;
    h->digest = *d;
    h->size_bytes = size_bytes;
    h->fd = fd;
    return &h->reader;
}
