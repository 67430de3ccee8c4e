#include "cache/disk/disk.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/disk/hit.h"
#include "cache/disk/intake.h"

#include <sys/eventfd.h>

/* NULL: it is not on the shelf, or not as long as it should be. */
static struct reader *take_hit(struct disk *c, const struct repo_name *repo, const struct digest *d,
                               uint64_t known_bytes, uint64_t *ret_size_bytes)
{
    struct shelf_blob *b;
    int fd = -1;

    pthread_mutex_lock(&c->lock);
    b = shelf_find(&c->shelf, d);
    if (b && known_bytes != UINT64_MAX && known_bytes != b->size_bytes) {
        shelf_drop(&c->shelf, b);
    } else if (b) {
        *ret_size_bytes = b->size_bytes;
        fd = shelf_take(&c->shelf, b);
    }
    pthread_mutex_unlock(&c->lock);
    return fd < 0 ? NULL : hit_reader_new(c, repo, d, *ret_size_bytes, fd);
}

static enum err_code disk_blob_open(struct store *s, const struct repo_name *repo,
                                    const struct digest *d, uint64_t known_bytes,
                                    struct reader **ret_reader, uint64_t *ret_size_bytes,
                                    struct err *e)
{
    struct disk *c = (struct disk *)s;
    struct reader *r;
    uint64_t size_bytes;

    /* Whether it is this repository's blob, only such a store knows. */
    if (!store_shared(s))
        TRY(store_blob_stat(s->inner, repo, d, &known_bytes, e));
    r = take_hit(c, repo, d, known_bytes, &size_bytes);
    if (!r) {
        TRY(store_blob_open(s->inner, repo, d, known_bytes, &r, &size_bytes, e));
        r = intake_reader_new(c, repo, d, r, size_bytes);
    }
    *ret_reader = r;
    *ret_size_bytes = size_bytes;
    return ERR_OK;
}

/* Also what is on its way here. */
static void forget(struct disk *c, const struct digest *d)
{
    struct shelf_blob *b;

    pthread_mutex_lock(&c->lock);
    intake_spoil(c, d);
    b = shelf_find(&c->shelf, d);
    if (b)
        shelf_drop(&c->shelf, b);
    pthread_mutex_unlock(&c->lock);
}

static enum err_code disk_blob_delete(struct store *s, const struct repo_name *repo,
                                      const struct digest *d, bool elsewhere, struct err *e)
{
    struct disk *c = (struct disk *)s;
    enum err_code code = store_blob_delete(s->inner, repo, d, elsewhere, e);

    if (!elsewhere)
        forget(c, d);
    return code;
}

static enum err_code disk_drop(struct store *s, enum store_kind kind, const struct repo_name *repo,
                               const struct digest *d, struct err *e)
{
    enum err_code code = store_drop(s->inner, kind, repo, d, e);

    if (kind == STORE_BLOB)
        forget((struct disk *)s, d);
    return code;
}

static enum err_code disk_blob_purge(struct store *s, const struct digest *d,
                                     bool (*still)(void *ctx), void *ctx, struct err *e)
{
    enum err_code code = store_blob_purge(s->inner, d, still, ctx, e);

    if (code != ERR_LATER)
        forget((struct disk *)s, d);
    return code;
}

static enum err_code disk_blob_quarantine(struct store *s, const struct repo_name *repo,
                                          const struct digest *d, struct err *e)
{
    struct disk *c = (struct disk *)s;
    enum err_code code = store_blob_quarantine(s->inner, repo, d, e);

    forget(c, d);
    return code;
}

static void disk_free(struct store *s)
{
    struct disk *c = (struct disk *)s;

    intake_end(c);
    shelf_close(&c->shelf);
    close(c->quit_fd);
    pthread_cond_destroy(&c->fewer);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static const struct store_driver store_disk = {
    .name = "disk-cache",
    .cache = true,
    .blob_open = disk_blob_open,
    .blob_delete = disk_blob_delete,
    .blob_purge = disk_blob_purge,
    .drop = disk_drop,
    .blob_quarantine = disk_blob_quarantine,
    .free = disk_free,
};

enum err_code cache_disk_new(struct store *inner, const struct cache_disk_options *o,
                             struct store **ret_store, struct err *e)
{
    AUTO(fd) int quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    AUTO(mem) struct disk *c = NEW(struct disk);

    if (quit_fd < 0)
        return err_errno(e, "make an event for the cache");
    TRY(shelf_open(&c->shelf, o->path, o->max_bytes, e));
    c->store = (struct store){&store_disk, inner};
    c->from = o->from ? o->from : "the store";
    c->quit_fd = STEAL_FD(quit_fd);
    pthread_mutex_init(&c->lock, NULL);
    thread_cond_init(&c->fewer);
    *ret_store = &STEAL(c)->store;
    return ERR_OK;
}

uint64_t cache_disk_settle(struct store *cache)
{
    struct disk *c = (struct disk *)cache;
    uint64_t bytes;

    pthread_mutex_lock(&c->lock);
    while (c->n_fetches > 0)
        pthread_cond_wait(&c->fewer, &c->lock);
    bytes = c->shelf.lists[false].bytes + c->shelf.lists[true].bytes;
    pthread_mutex_unlock(&c->lock);
    return bytes;
}
