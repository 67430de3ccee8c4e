#include "files/opened.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "core/index_wish.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PIECE_BYTES (64u << 10)

struct place {
    struct files_opened opened; /* what others see */
    atomic_uint refs;
    struct reader *reader;
    int fd; /* the reader's, or own */
    bool own;
    pthread_mutex_t mutex; /* guards the reader, and what is in the file of our own */
    unsigned char *there;  /* of each piece: it is in the file */
};

const struct repo_name *files_repo(void)
{
    static const struct repo_name repo = {sizeof(INDEX_REPO) - 1, INDEX_REPO};

    return &repo;
}

enum err_code files_temp(const char *dir, int *ret_fd, struct err *e)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(e, "make a file for the index of files in '%s'", dir);
    *ret_fd = fd;
    return ERR_OK;
}

static enum err_code fetch(struct place *p, void *dst, uint64_t at, size_t n, struct err *e)
{
    char *bytes = dst;
    size_t got;

    TRY(reader_seek(p->reader, at, e));
    for (size_t done = 0; done < n; done += got) {
        TRY(reader_read_waiting(p->reader, bytes + done, n - done, &got, e));
        if (got == 0)
            return err_set(e, ERR_CORRUPT, "a segment of the index of files is cut");
    }
    return ERR_OK;
}

static enum err_code fetch_piece(struct place *p, uint64_t piece, struct err *e)
{
    uint64_t at = piece * PIECE_BYTES, all = p->opened.segment.bytes.n_bytes;
    size_t n = all - at < PIECE_BYTES ? (size_t)(all - at) : PIECE_BYTES;
    AUTO(mem) char *bytes = mem_alloc(PIECE_BYTES);

    TRY(fetch(p, bytes, at, n, e));
    if (file_pwrite_all(p->fd, bytes, n, at) != 0)
        return err_errno(e, "keep a piece of the index of files");
    p->there[piece] = 1;
    return ERR_OK;
}

static enum err_code fetch_missing(struct place *p, uint64_t at, size_t n, struct err *e)
{
    enum err_code code = ERR_OK;

    pthread_mutex_lock(&p->mutex);
    for (uint64_t i = at / PIECE_BYTES; code == ERR_OK && i <= (at + n - 1) / PIECE_BYTES; i++) {
        if (!p->there[i])
            code = fetch_piece(p, i, e);
    }
    pthread_mutex_unlock(&p->mutex);
    return code;
}

static enum err_code read_at(void *ctx, uint64_t at_bytes, void *p, size_t n_bytes, struct err *e)
{
    struct place *place = ctx;
    uint64_t all = place->opened.segment.bytes.n_bytes;
    ssize_t n;

    if (n_bytes == 0)
        return ERR_OK;
    if (at_bytes > all || n_bytes > all - at_bytes)
        return err_set(e, ERR_CORRUPT, "a segment of the index of files is cut");
    if (place->own)
        TRY(fetch_missing(place, at_bytes, n_bytes, e));
    n = file_pread_all(place->fd, p, n_bytes, at_bytes);
    if (n < 0)
        return err_errno(e, "read the index of files");
    return (size_t)n == n_bytes ? ERR_OK
                                : err_set(e, ERR_CORRUPT, "a segment of the index of files is cut");
}

static enum err_code open_bytes(struct place *p, struct store *s, const char *dir, struct err *e)
{
    uint64_t size_bytes;

    TRY(store_blob_open(s, files_repo(), &p->opened.digest, UINT64_MAX, &p->reader, &size_bytes,
                        e));
    p->opened.segment.bytes = (struct files_bytes){read_at, p, size_bytes};
    p->fd = reader_fd(p->reader);
    p->own = p->fd < 0;
    if (!p->own)
        return ERR_OK;
    p->there = mem_zero((size_t)(size_bytes / PIECE_BYTES) + 1);
    return files_temp(dir, &p->fd, e);
}

enum err_code files_open(struct store *s, const char *dir, const struct digest *d, uint64_t n_files,
                         struct files_opened **ret_opened, struct err *e)
{
    struct place *p = NEW(struct place);
    enum err_code code;

    p->opened.digest = *d;
    p->opened.n_files = n_files;
    p->fd = -1;
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->mutex, NULL);
    code = open_bytes(p, s, dir, e);
    if (code == ERR_OK)
        code = files_segment_open(&p->opened.segment, p->opened.segment.bytes, e);
    if (code == ERR_OK)
        *ret_opened = &p->opened;
    else
        files_opened_unref(&p->opened);
    return code;
}

struct files_opened *files_opened_ref(struct files_opened *o)
{
    atomic_fetch_add(&((struct place *)o)->refs, 1);
    return o;
}

void files_opened_unref(struct files_opened *o)
{
    struct place *p = (struct place *)o;

    if (!p || atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    if (p->own && p->fd >= 0)
        close(p->fd);
    reader_free(p->reader);
    pthread_mutex_destroy(&p->mutex);
    free(p->there);
    free(p);
}
