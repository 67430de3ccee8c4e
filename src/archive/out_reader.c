#include "archive/out_reader.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct out_reader {
    struct reader reader;
    struct out_layout layout;
    struct out_blobs *blobs;
    uint64_t at_bytes;
    uint64_t end_bytes;            /* what is behind is not wanted, so far as is known */
    struct reader *blob;           /* NULL: none is open */
    const struct out_piece *piece; /* of blob */
    uint64_t blob_at_bytes;
    int wait_fd; /* an epoll set: of what the open blob waits for; -1: none has waited */
};

static struct out_reader *out_of(struct reader *r)
{
    return (struct out_reader *)r;
}

static void close_blob(struct out_reader *o)
{
    reader_free(STEAL(o->blob)); /* which takes its descriptor out of the set */
    o->piece = NULL;
}

static void expect_of_blob(struct out_reader *o)
{
    uint64_t piece_end = o->piece->at_bytes + o->piece->n_bytes;
    uint64_t end_bytes = o->end_bytes < piece_end ? o->end_bytes : piece_end;

    if (end_bytes > o->at_bytes)
        reader_expect(o->blob, end_bytes - o->piece->at_bytes);
}

static enum err_code open_blob(struct out_reader *o, const struct out_piece *p, struct err *e)
{
    if (o->piece == p)
        return ERR_OK;
    close_blob(o);
    TRY(o->blobs->open(o->blobs, &p->digest, p->n_bytes, &o->blob, e));
    o->piece = p;
    o->blob_at_bytes = 0;
    expect_of_blob(o);
    return ERR_OK;
}

/* So that who waits for this reader waits for its blob. One that is in the set already is fine. */
static enum err_code watch_blob(struct out_reader *o, struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN};

    if (o->wait_fd < 0)
        o->wait_fd = epoll_create1(EPOLL_CLOEXEC);
    if (o->wait_fd < 0)
        return err_errno(e, "wait for a blob of an archive");
    epoll_ctl(o->wait_fd, EPOLL_CTL_ADD, reader_wait_fd(o->blob), &ev);
    return ERR_LATER;
}

static enum err_code read_blob(struct out_reader *o, const struct out_piece *p, void *buf,
                               size_t cap, size_t *ret_n, struct err *e)
{
    uint64_t at_bytes = o->at_bytes - p->at_bytes;
    enum err_code code;

    TRY(open_blob(o, p, e));
    if (o->blob_at_bytes != at_bytes)
        TRY(reader_seek(o->blob, at_bytes, e));
    o->blob_at_bytes = at_bytes;
    code = reader_read(o->blob, buf, cap, ret_n, e);
    if (code == ERR_LATER)
        return watch_blob(o, e);
    TRY(code);
    if (*ret_n == 0)
        return err_set(e, ERR_CORRUPT, "%s is shorter than its size", p->digest.text);
    o->blob_at_bytes += *ret_n;
    return ERR_OK;
}

static enum err_code read_piece(struct out_reader *o, void *buf, size_t cap, size_t *ret_n,
                                struct err *e)
{
    const struct out_piece *p = out_layout_find(&o->layout, o->at_bytes);
    uint64_t from_bytes = o->at_bytes - p->at_bytes;

    if (cap > p->n_bytes - from_bytes)
        cap = (size_t)(p->n_bytes - from_bytes);
    if (p->is_blob)
        return read_blob(o, p, buf, cap, ret_n, e);
    memcpy(buf, o->layout.text.p + p->text_at + from_bytes, cap);
    *ret_n = cap;
    return ERR_OK;
}

static enum err_code out_read(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *e)
{
    struct out_reader *o = out_of(r);

    *ret_n = 0;
    while (*ret_n < cap && o->at_bytes < o->layout.n_bytes) {
        size_t n = 0;
        enum err_code code = read_piece(o, (char *)buf + *ret_n, cap - *ret_n, &n, e);

        if (code == ERR_LATER && *ret_n > 0)
            return ERR_OK;
        TRY(code);
        *ret_n += n;
        o->at_bytes += n;
    }
    return ERR_OK;
}

static enum err_code out_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    struct out_reader *o = out_of(r);

    (void)e;
    o->at_bytes = offset_bytes < o->layout.n_bytes ? offset_bytes : o->layout.n_bytes;
    return ERR_OK;
}

static void out_expect(struct reader *r, uint64_t end_bytes)
{
    struct out_reader *o = out_of(r);

    o->end_bytes = end_bytes;
    if (o->blob)
        expect_of_blob(o);
}

/* Where the blob can't be opened, a read says so. */
static bool out_span(struct reader *r, uint64_t offset_bytes, struct reader_span *ret_span)
{
    struct out_reader *o = out_of(r);
    const struct out_piece *p;
    int fd;

    if (offset_bytes >= o->layout.n_bytes)
        return false;
    p = out_layout_find(&o->layout, offset_bytes);
    if (!p->is_blob || open_blob(o, p, ERR_IGNORED) != ERR_OK)
        return false;
    fd = reader_fd(o->blob);
    if (fd < 0)
        return false;
    *ret_span = (struct reader_span){
        .fd = fd,
        .at_bytes = offset_bytes - p->at_bytes,
        .n_bytes = p->at_bytes + p->n_bytes - offset_bytes,
    };
    return true;
}

static int out_wait_fd(struct reader *r)
{
    return out_of(r)->wait_fd;
}

static void out_free(struct reader *r)
{
    struct out_reader *o = out_of(r);

    close_blob(o);
    if (o->wait_fd >= 0)
        close(o->wait_fd);
    o->blobs->free(o->blobs);
    out_layout_done(&o->layout);
    free(o);
}

static const struct reader_ops out_ops = {
    .read = out_read,
    .seek = out_seek,
    .expect = out_expect,
    .span = out_span,
    .wait_fd = out_wait_fd,
    .free = out_free,
};

struct reader *out_reader_new(struct out_layout *l, struct out_blobs *blobs)
{
    struct out_reader *o = NEW(struct out_reader);

    o->reader.ops = &out_ops;
    o->layout = *l;
    o->blobs = blobs;
    o->end_bytes = l->n_bytes;
    o->wait_fd = -1;
    out_layout_init(l);
    return &o->reader;
}
