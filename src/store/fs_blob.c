#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* From this size on the kernel is told to read ahead further. */
#define SEQUENTIAL_BYTES (1u << 20)

#define COPY_STEP_BYTES (8u << 20)

struct fs_reader {
    struct reader reader;
    int fd;
    uint64_t offset;
    struct digest digest; /* for messages */
};

static enum err_code reader_fs_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                    struct err *e)
{
    struct fs_reader *fr = (struct fs_reader *)r;
    ssize_t n = file_pread_all(fr->fd, buf, cap, fr->offset);

    if (n < 0)
        return err_errno(e, "read blob %s", fr->digest.text);
    fr->offset += (size_t)n;
    *ret_n = (size_t)n;
    return ERR_OK;
}

static enum err_code reader_fs_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    if (offset_bytes > INT64_MAX)
        return err_set(e, ERR_INTERNAL, "seek past the largest size a file can have");
    ((struct fs_reader *)r)->offset = offset_bytes;
    return ERR_OK;
}

static int reader_fs_fd(struct reader *r)
{
    return ((struct fs_reader *)r)->fd;
}

static void reader_fs_free(struct reader *r)
{
    close(((struct fs_reader *)r)->fd);
    free(r);
}

static const struct reader_ops reader_fs = {
    .read = reader_fs_read,
    .seek = reader_fs_seek,
    .fd = reader_fs_fd,
    .free = reader_fs_free,
};

static bool is_missing(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

enum err_code fs_blob_stat(struct store *s, const struct repo_name *repo, const struct digest *d,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path;

    fs_blob_path(repo, d, &path);
    if (fs_file_size(f, &path, ret_size_bytes) == 0)
        return ERR_OK;
    if (is_missing(errno))
        return err_set(e, ERR_BLOB_UNKNOWN, "no '%s'", path.text);
    return err_errno(e, "stat '%s'", path.text);
}

/* The file at path, open for reading. Error: BLOB_UNKNOWN. */
static enum err_code open_blob(struct fs *f, const struct fs_path *path, int *ret_fd,
                               uint64_t *ret_size_bytes, struct err *e)
{
    AUTO(fd) int fd = openat(f->root_fd, path->text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 && is_missing(errno))
        return err_set(e, ERR_BLOB_UNKNOWN, "no '%s'", path->text);
    if (fd < 0)
        return err_errno(e, "open '%s'", path->text);
    if (fstat(fd, &st) < 0)
        return err_errno(e, "stat '%s'", path->text);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_BLOB_UNKNOWN, "'%s' is not a file", path->text);
    *ret_size_bytes = (uint64_t)st.st_size;
    *ret_fd = STEAL_FD(fd);
    return ERR_OK;
}

enum err_code fs_blob_open(struct store *s, const struct repo_name *repo, const struct digest *d,
                           uint64_t known_bytes, struct reader **ret_reader,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct fs_reader *fr;
    struct fs_path path;
    uint64_t size = 0;
    int fd = -1;

    (void)known_bytes; /* the file says */
    fs_blob_path(repo, d, &path);
    TRY(open_blob(fs_of(s), &path, &fd, &size, e));
    if (size >= SEQUENTIAL_BYTES)
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    fr = NEW(struct fs_reader);
    fr->reader.ops = &reader_fs;
    fr->fd = fd;
    fr->digest = *d;
    *ret_size_bytes = size;
    *ret_reader = &fr->reader;
    return ERR_OK;
}

/* Blocks shared where the file system can (btrfs, XFS), copied inside the kernel otherwise. */
static int copy_bytes(int from, int to)
{
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    for (;;) {
        ssize_t n = sendfile(to, from, NULL, COPY_STEP_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
    }
}

/* A file of its own with the bytes of the blob at `from`, synced, at the fresh name `copy`. */
static enum err_code copy_blob(struct fs *f, const struct fs_path *from, const struct fs_path *copy,
                               struct err *e)
{
    AUTO(fd) int in = -1;
    AUTO(fd) int out = -1;
    uint64_t size;

    TRY(open_blob(f, from, &in, &size, e));
    out = openat(f->root_fd, copy->text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                 FS_FILE_MODE);
    if (out < 0)
        return err_errno(e, "create '%s'", copy->text);
    if (copy_bytes(in, out) < 0 || (f->fsync && fdatasync(out) < 0))
        return err_errno(e, "copy '%s'", from->text);
    return ERR_OK;
}

/* When no link can be made: past the file system's limit (EMLINK), across mounts (EXDEV), where
 * there are none or they are forbidden (EPERM). */
static enum err_code link_by_copy(struct fs *f, const struct fs_path *from,
                                  const struct fs_path *to, struct err *e)
{
    struct fs_path copy;
    enum err_code code;

    fs_new_path(f, &copy);
    code = copy_blob(f, from, &copy, e);
    if (code == ERR_OK && fs_rename_new(f, &copy, to) == 0)
        return ERR_OK;
    if (code == ERR_OK && errno != EEXIST)
        code = err_errno(e, "name '%s'", to->text);
    unlinkat(f->root_fd, copy.text, 0);
    return code;
}

enum err_code fs_blob_link(struct store *s, const struct repo_name *from,
                           const struct repo_name *to, const struct digest *d, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path from_path, to_path, dir;
    uint64_t size;

    TRY(fs_blob_stat(s, from, d, &size, e)); /* before a directory is made for nothing */
    fs_blob_path(from, d, &from_path);
    fs_blob_path(to, d, &to_path);
    fs_blobs_dir(to, &dir);
    TRY(fs_dir_make(f, &dir, e));
    if (linkat(f->root_fd, from_path.text, f->root_fd, to_path.text, 0) < 0) {
        if (errno == ENOENT)
            return err_set(e, ERR_BLOB_UNKNOWN, "no '%s'", from_path.text);
        if (errno == EMLINK || errno == EXDEV || errno == EPERM)
            TRY(link_by_copy(f, &from_path, &to_path, e));
        else if (errno != EEXIST)
            return err_errno(e, "link '%s'", to_path.text);
    }
    return fs_dir_sync(f, &dir, e); /* also when it existed: whoever made it may not have yet */
}

enum err_code fs_blob_delete(struct store *s, const struct repo_name *repo, const struct digest *d,
                             bool elsewhere, struct err *e)
{
    struct fs_path path, dir;

    (void)elsewhere; /* theirs are names of their own */
    fs_blob_path(repo, d, &path);
    fs_blobs_dir(repo, &dir);
    return fs_remove(fs_of(s), &path, &dir, ERR_BLOB_UNKNOWN, e);
}
