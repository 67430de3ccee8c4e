#include "support.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

void support_conf(struct conf_http *ret_conf, char **where)
{
    *ret_conf = (struct conf_http){
        .listen = {where, 1},
        .tls = {.certificate = "", .key = "", .ciphers = "", .ciphersuites = ""},
        .workers = 256,
        .body_memory_bytes = 64 << 20,
        .queue = 4096,
        .max_connections = 20000,
        .max_head_bytes = 16 << 10,
        .max_url_bytes = 8 << 10,
        .max_headers = 100,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 120000,
        .io_timeout_ms = 30000,
        .min_rate_bytes = 1024,
        .drain_timeout_ms = 30000,
        .buffer_bytes = 256 << 10,
    };
}

struct file_reader {
    struct reader base;
    int fd;
    bool show_fd, close_it;
    off_t at_bytes;
};

static enum err_code file_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct file_reader *f = (struct file_reader *)r;
    ssize_t got = pread(f->fd, buf, cap, f->at_bytes);

    if (got < 0)
        return err_errno(e, "read");
    f->at_bytes += got;
    *ret_n = (size_t)got;
    return ERR_OK;
}

static enum err_code file_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    (void)e;
    ((struct file_reader *)r)->at_bytes = (off_t)offset_bytes;
    return ERR_OK;
}

static int file_fd(struct reader *r)
{
    struct file_reader *f = (struct file_reader *)r;

    return f->show_fd ? f->fd : -1;
}

static void file_free(struct reader *r)
{
    struct file_reader *f = (struct file_reader *)r;

    if (f->close_it)
        close(f->fd);
    free(f);
}

static const struct reader_ops file_ops = {
    .read = file_read,
    .seek = file_seek,
    .fd = file_fd,
    .free = file_free,
};

struct reader *support_reader(int fd, bool show_fd, bool close_it)
{
    struct file_reader *f = NEW(struct file_reader);

    f->base.ops = &file_ops;
    f->fd = fd;
    f->show_fd = show_fd;
    f->close_it = close_it;
    return &f->base;
}
