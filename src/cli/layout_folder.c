#include "cli/layout_folder.h"

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PIECE          (256u << 10)
#define TEXT_MAX       (4u << 20)
#define NAME_MAX_BYTES (DIGEST_TEXT_MAX + 16)

static enum err_code add_text(struct layout_folder *f, const char *name, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, TEXT_MAX);
    if (faccessat(f->fd, name, F_OK, 0) < 0)
        return err_set(e, ERR_NOT_FOUND, "the directory is no OCI image layout: it has no %s",
                       name);
    TRY(file_read_at(f->fd, name, &text, e));
    out_layout_file(&f->layout, str_of(name), buf_str(&text));
    return ERR_OK;
}

/* blobs/<algorithm>/<hex> */
static void path_of(const struct digest *d, char path[static NAME_MAX_BYTES])
{
    snprintf(path, NAME_MAX_BYTES, "blobs/%s/" STR_FMT, digest_algorithm_name(d->algorithm),
             STR_ARG(digest_hex(d)));
}

/* What has another name than a digest is no blob. */
static void add_blob(struct layout_folder *f, const char *algorithm, const char *hex)
{
    char text[NAME_MAX_BYTES], path[NAME_MAX_BYTES];
    struct digest d;
    struct stat st;

    if (snprintf(text, sizeof(text), "%s:%s", algorithm, hex) >= (int)sizeof(text) ||
        digest_parse(str_of(text), &d, ERR_IGNORED) != ERR_OK)
        return;
    path_of(&d, path);
    if (fstatat(f->fd, path, &st, 0) == 0 && S_ISREG(st.st_mode))
        out_layout_blob(&f->layout, str_of(path), &d, (uint64_t)st.st_size);
}

static enum err_code add_blobs(struct layout_folder *f, const char *algorithm, struct err *e)
{
    AUTO(dir) DIR *dir = NULL;
    struct dirent *entry;
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "blobs/%s", algorithm);
    fd = openat(f->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_OK; /* what is named and not there is refused later */
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return err_errno(e, "list '%s'", path);
    }
    while ((entry = readdir(dir)))
        add_blob(f, algorithm, entry->d_name);
    return ERR_OK;
}

enum err_code layout_folder_open(int fd, struct layout_folder *ret, struct err *e)
{
    ret->fd = fd;
    out_layout_init(&ret->layout);
    TRY(add_text(ret, "oci-layout", e));
    TRY(add_text(ret, "index.json", e));
    TRY(add_blobs(ret, "sha256", e));
    TRY(add_blobs(ret, "sha512", e));
    return out_layout_end(&ret->layout, e);
}

void layout_folder_done(struct layout_folder *f)
{
    out_layout_done(&f->layout);
}

static enum err_code open_blob(const struct layout_folder *f, const struct digest *d, int *ret_fd,
                               struct err *e)
{
    char path[NAME_MAX_BYTES];

    path_of(d, path);
    *ret_fd = openat(f->fd, path, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? err_errno(e, "open '%s'", path) : ERR_OK;
}

static enum err_code read_blob(const struct layout_folder *f, const struct out_piece *piece,
                               enum err_code (*take)(void *ctx, const void *p, size_t n,
                                                     struct err *e),
                               void *ctx, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(PIECE);
    AUTO(fd) int fd = -1;
    uint64_t at_bytes = 0;

    TRY(open_blob(f, &piece->digest, &fd, e));
    while (at_bytes < piece->n_bytes) {
        uint64_t left_bytes = piece->n_bytes - at_bytes;
        size_t want = left_bytes < PIECE ? (size_t)left_bytes : PIECE;
        ssize_t n = file_pread_all(fd, p, want, at_bytes);

        if (n < 0)
            return err_errno(e, "read %s", piece->digest.text);
        if ((size_t)n < want)
            return err_set(e, ERR_CORRUPT, "%s became shorter while it was read",
                           piece->digest.text);
        TRY(take(ctx, p, want, e));
        at_bytes += want;
    }
    return ERR_OK;
}

enum err_code layout_folder_read(const struct layout_folder *f,
                                 enum err_code (*take)(void *ctx, const void *p, size_t n,
                                                       struct err *e),
                                 void *ctx, struct err *e)
{
    for (size_t i = 0; i < f->layout.n_pieces; i++) {
        const struct out_piece *piece = &f->layout.pieces[i];

        if (piece->is_blob)
            TRY(read_blob(f, piece, take, ctx, e));
        else
            TRY(take(ctx, f->layout.text.p + piece->text_at, (size_t)piece->n_bytes, e));
    }
    return ERR_OK;
}

enum err_code layout_folder_blob(const struct layout_folder *f, uint64_t at_bytes, int *ret_fd,
                                 struct err *e)
{
    return open_blob(f, &out_layout_find(&f->layout, at_bytes)->digest, ret_fd, e);
}
