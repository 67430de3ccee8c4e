#include "store/file_reader.h"

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <unistd.h>

/* From this size on the kernel is told to read ahead further. */
#define SEQUENTIAL_BYTES (1u << 20)

struct file_reader {
    struct reader reader;
    int fd;
    uint64_t offset;
    struct digest digest; /* for messages */
};

static enum err_code file_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct file_reader *fr = (struct file_reader *)r;
    ssize_t n = file_pread_all(fr->fd, buf, cap, fr->offset);

    if (n < 0)
        return err_errno(e, "read blob %s", fr->digest.text);
    fr->offset += (size_t)n;
    *ret_n = (size_t)n;
    return ERR_OK;
}

static enum err_code file_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    if (offset_bytes > INT64_MAX)
        return err_set(e, ERR_INTERNAL, "seek past the largest size a file can have");
    ((struct file_reader *)r)->offset = offset_bytes;
    return ERR_OK;
}

static int file_fd(struct reader *r)
{
    return ((struct file_reader *)r)->fd;
}

static void file_free(struct reader *r)
{
    close(((struct file_reader *)r)->fd);
    free(r);
}

static const struct reader_ops file_ops = {
    .read = file_read,
    .seek = file_seek,
    .fd = file_fd,
    .free = file_free,
};

struct reader *file_reader_new(int fd, uint64_t size_bytes, const struct digest *d)
{
    struct file_reader *fr = NEW(struct file_reader);

    if (size_bytes >= SEQUENTIAL_BYTES)
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    fr->reader.ops = &file_ops;
    fr->fd = fd;
    fr->digest = *d;
    return &fr->reader;
}
