#include "cli/archive_file.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define PIECE     (256u << 10)
#define PATH_SIZE 4096

/* It is the caller's own file: what is left bounds memory, and finds bombs. */
static const struct archive_limits limits = {
    .max_bytes = INT64_MAX,
    .max_unpacked_bytes = INT64_MAX,
    .max_ratio = 500,
    .max_members = 1000000,
    .json_bytes = 64u << 20,
    .memory_bytes = 128u << 20,
    .decoder_bytes = 1u << 30,
};

struct content {
    struct hasher *hasher;
    bool spooled;
    uint64_t at_bytes; /* of the spool */
};

/* ---- the temporary file */

static enum err_code open_spool(struct archive_file *f, struct err *e)
{
    char path[PATH_SIZE];

    if (f->spool_fd >= 0)
        return ERR_OK;
    if (snprintf(path, sizeof(path), "%s/registry-upload-XXXXXX", f->spool_folder) >=
        (int)sizeof(path))
        return err_set(e, ERR_CONFIG, "TMPDIR is too long");
    f->spool_fd = mkostemp(path, O_CLOEXEC);
    if (f->spool_fd < 0)
        return err_errno(e, "make a temporary file in '%s' (TMPDIR)", f->spool_folder);
    unlink(path);
    return ERR_OK;
}

static enum err_code spool(struct archive_file *f, const void *p, size_t n, struct err *e)
{
    if (file_pwrite_all(f->spool_fd, p, n, f->spool_bytes) < 0)
        return err_errno(e, "write to a temporary file in '%s' (TMPDIR)", f->spool_folder);
    f->spool_bytes += n;
    return ERR_OK;
}

/* ---- the sink */

static enum err_code content_begin(void *ctx, enum digest_algorithm algorithm,
                                   const struct digest *said, uint64_t size_bytes,
                                   void **ret_content, struct err *e)
{
    struct archive_file *f = ctx;
    struct content *c;
    bool spooled = !f->seekable || archive_is_packed(f->archive);

    (void)said, (void)size_bytes;
    if (spooled)
        TRY(open_spool(f, e));
    c = NEW(struct content);
    c->hasher = hasher_new(algorithm);
    c->spooled = spooled;
    c->at_bytes = f->spool_bytes;
    *ret_content = c;
    return ERR_OK;
}

static enum err_code content_write(void *ctx, void *content, const void *p, size_t n, struct err *e)
{
    struct content *c = content;

    hasher_update(c->hasher, p, n);
    return c->spooled ? spool(ctx, p, n, e) : ERR_OK;
}

static enum err_code content_finish(void *ctx, void *content, struct digest *ret_digest,
                                    struct err *e)
{
    struct content *c = content;

    (void)ctx, (void)e;
    hasher_digest(c->hasher, ret_digest);
    return ERR_OK;
}

static void content_release(void *ctx, void *content)
{
    struct content *c = content;

    (void)ctx;
    hasher_free(c->hasher);
    free(c);
}

static const struct archive_sink sink = {content_begin, content_write, content_finish,
                                         content_release};

/* ---- reading */

static enum err_code open_folder(struct archive_file *f, struct err *e)
{
    f->is_folder = true;
    TRY(layout_folder_open(f->fd, &f->folder, e));
    f->seekable = true;
    f->n_bytes = f->folder.layout.n_bytes;
    return ERR_OK;
}

enum err_code archive_file_open(const char *path, const char *spool_folder,
                                struct archive_file *ret, struct err *e)
{
    bool is_input = strcmp(path, "-") == 0;
    struct stat st;

    *ret = (struct archive_file){.path = is_input ? "standard input" : path,
                                 .spool_folder = spool_folder,
                                 .fd = -1,
                                 .spool_fd = -1};
    ret->fd = is_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0 || fstat(ret->fd, &st) < 0)
        return err_errno(e, "open '%s'", ret->path);
    ret->archive = archive_new(&limits, &sink, ret);
    if (S_ISDIR(st.st_mode))
        return open_folder(ret, e);
    /* What stands in the middle of a file is read on from there. */
    ret->seekable = S_ISREG(st.st_mode) && lseek(ret->fd, 0, SEEK_CUR) == 0;
    ret->n_bytes = ret->seekable ? (uint64_t)st.st_size : 0;
    return ERR_OK;
}

void archive_file_done(struct archive_file *f)
{
    archive_free(f->archive);
    if (f->is_folder)
        layout_folder_done(&f->folder);
    if (f->fd >= 0)
        close(f->fd);
    if (f->spool_fd >= 0)
        close(f->spool_fd);
}

static enum err_code take(void *ctx, const void *p, size_t n, struct err *e)
{
    struct archive_file *f = ctx;

    TRY(archive_feed(f->archive, p, n, e));
    f->done_bytes += n;
    f->done(f->ctx, f->done_bytes);
    return ERR_OK;
}

static ssize_t read_some(int fd, void *p, size_t n)
{
    ssize_t got;

    do
        got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static enum err_code read_file(struct archive_file *f, struct err *e)
{
    AUTO(mem) char *piece = mem_alloc(PIECE);
    ssize_t n;

    while ((n = read_some(f->fd, piece, PIECE)) > 0)
        TRY(take(f, piece, (size_t)n, e));
    return n < 0 ? err_errno(e, "read '%s'", f->path) : ERR_OK;
}

enum err_code archive_file_read(struct archive_file *f,
                                void (*done)(void *ctx, uint64_t done_bytes), void *ctx,
                                struct err *e)
{
    f->done = done;
    f->ctx = ctx;
    if (f->is_folder)
        TRY(layout_folder_read(&f->folder, take, f, e));
    else
        TRY(read_file(f, e));
    return archive_end(f->archive, &f->verdict, e);
}

enum err_code archive_file_place(const struct archive_file *f, const struct archive_blob *b,
                                 int *ret_fd, uint64_t *ret_at_bytes, struct err *e)
{
    const struct content *c = b->content;

    *ret_at_bytes = 0;
    if (f->is_folder)
        return layout_folder_blob(&f->folder, b->at_bytes, ret_fd, e);
    *ret_at_bytes = c->spooled ? c->at_bytes : b->at_bytes;
    *ret_fd = fcntl(c->spooled ? f->spool_fd : f->fd, F_DUPFD_CLOEXEC, 3);
    return *ret_fd < 0 ? err_errno(e, "open '%s' once more", f->path) : ERR_OK;
}
