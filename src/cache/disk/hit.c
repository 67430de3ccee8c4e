#include "cache/disk/hit.h"

#include "base/file.h"
#include "base/mem.h"

struct hit_reader {
    struct reader reader;
    int fd;
    uint64_t at_bytes;
};

static enum err_code hit_read(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *e)
{
    struct hit_reader *h = (struct hit_reader *)r;
    ssize_t n = file_pread_all(h->fd, buf, cap, h->at_bytes);

    if (n < 0)
        return err_errno(e, "read a blob of the cache");
    h->at_bytes += (uint64_t)n;
    *ret_n = (size_t)n;
    return ERR_OK;
}

static enum err_code hit_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    if (offset_bytes > INT64_MAX)
        return err_set(e, ERR_INTERNAL, "seek past the largest size a file can have");
    ((struct hit_reader *)r)->at_bytes = offset_bytes;
    return ERR_OK;
}

static int hit_fd(struct reader *r)
{
    return ((struct hit_reader *)r)->fd;
}

static void hit_free(struct reader *r)
{
    close(((struct hit_reader *)r)->fd);
    free(r);
}

static const struct reader_ops hit_ops = {
    .read = hit_read,
    .seek = hit_seek,
    .fd = hit_fd,
    .free = hit_free,
};

struct reader *hit_reader_new(int fd)
{
    struct hit_reader *h = NEW(struct hit_reader);

    h->reader = (struct reader){.ops = &hit_ops, .cache = READER_HIT};
    h->fd = fd;
    return &h->reader;
}
