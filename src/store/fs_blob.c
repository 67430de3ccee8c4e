#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "store/file_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define COPY_STEP_BYTES (8u << 20)

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
    struct fs_path path;
    uint64_t size = 0;
    int fd = -1;

    (void)known_bytes; /* the file says */
    fs_blob_path(repo, d, &path);
    TRY(open_blob(fs_of(s), &path, &fd, &size, e));
    *ret_size_bytes = size;
    *ret_reader = file_reader_new(fd, size, d);
    return ERR_OK;
}

/* Blocks shared where the file system can (btrfs, XFS), copied inside the kernel otherwise. */
static int copy_bytes(int from, int to)
{
    off_t at = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    for (;;) {
        ssize_t n = sendfile(to, from, &at, COPY_STEP_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
    }
}

/* A file of its own with the bytes of `in`, synced, at the fresh name `copy`. */
static enum err_code copy_file(struct fs *f, int in, const struct fs_path *copy, struct err *e)
{
    AUTO(fd)
    int out = openat(f->root_fd, copy->text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                     FS_FILE_MODE);

    if (out < 0)
        return err_errno(e, "create '%s'", copy->text);
    if (copy_bytes(in, out) < 0 || (f->fsync && fdatasync(out) < 0))
        return err_errno(e, "copy to '%s'", copy->text);
    return ERR_OK;
}

/* Instead of a link, where none can be made. */
static enum err_code name_copy(struct fs *f, int in, const struct fs_path *to, struct err *e)
{
    struct fs_path copy;
    enum err_code code;

    fs_new_path(f, &copy);
    code = copy_file(f, in, &copy, e);
    if (code == ERR_OK && fs_rename_new(f, &copy, to) == 0)
        return ERR_OK;
    if (code == ERR_OK && errno != EEXIST)
        code = err_errno(e, "name '%s'", to->text);
    unlinkat(f->root_fd, copy.text, 0);
    return code;
}

/* No link can be made past the file system's limit (EMLINK), across mounts (EXDEV), where there are
 * none or they are forbidden (EPERM). */
static bool needs_copy(int error)
{
    return error == EMLINK || error == EXDEV || error == EPERM;
}

static enum err_code link_by_copy(struct fs *f, const struct fs_path *from,
                                  const struct fs_path *to, struct err *e)
{
    AUTO(fd) int in = -1;
    uint64_t size;

    TRY(open_blob(f, from, &in, &size, e));
    return name_copy(f, in, to, e);
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
        if (needs_copy(errno))
            TRY(link_by_copy(f, &from_path, &to_path, e));
        else if (errno != EEXIST)
            return err_errno(e, "link '%s'", to_path.text);
    }
    return fs_dir_sync(f, &dir, e); /* also when it existed: whoever made it may not have yet */
}

/* ENOENT: there is no /proc, or the file has no name any more. */
enum err_code fs_blob_take(struct store *s, const struct repo_name *repo, const struct digest *d,
                           int fd, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path, dir;
    char name[32];

    fs_blob_path(repo, d, &path);
    fs_blobs_dir(repo, &dir);
    TRY(fs_dir_make(f, &dir, e));
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, name, f->root_fd, path.text, AT_SYMLINK_FOLLOW) < 0) {
        if (needs_copy(errno) || errno == ENOENT)
            TRY(name_copy(f, fd, &path, e));
        else if (errno != EEXIST)
            return err_errno(e, "link '%s'", path.text);
    }
    return ERR_OK;
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

/* The same file under another repository's name is there already: a rename would do nothing. */
static bool is_same_file(struct fs *f, const struct fs_path *a, const struct fs_path *b)
{
    struct stat sa, sb;

    return fstatat(f->root_fd, a->text, &sa, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(f->root_fd, b->text, &sb, AT_SYMLINK_NOFOLLOW) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static int move_over(struct fs *f, const struct fs_path *from, const struct fs_path *to)
{
    if (is_same_file(f, from, to))
        return unlinkat(f->root_fd, from->text, 0);
    return renameat(f->root_fd, from->text, f->root_fd, to->text);
}

enum err_code fs_blob_quarantine(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path from, to, dir, aside = {.n = sizeof(FS_QUARANTINE) - 1, .text = FS_QUARANTINE};

    fs_blob_path(repo, d, &from);
    fs_blobs_dir(repo, &dir);
    fs_quarantine_path(d, &to);
    TRY(fs_dir_make(f, &aside, e));
    if (move_over(f, &from, &to) < 0) {
        if (is_missing(errno))
            return err_set(e, ERR_BLOB_UNKNOWN, "no '%s'", from.text);
        return err_errno(e, "move '%s' to '%s'", from.text, FS_QUARANTINE);
    }
    TRY(fs_dir_sync(f, &aside, e));
    return fs_dir_sync(f, &dir, e);
}
