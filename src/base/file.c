#include "base/file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_pwrite_all(int fd, const void *p, size_t n, uint64_t offset_bytes)
{
    const char *at = p;

    while (n > 0) {
        ssize_t put = pwrite(fd, at, n, (off_t)offset_bytes);

        if (put < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        at += put;
        n -= (size_t)put;
        offset_bytes += (uint64_t)put;
    }
    return 0;
}

ssize_t file_pread_all(int fd, void *p, size_t n, uint64_t offset_bytes)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(offset_bytes + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int file_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t put = write(fd, at, n);

        if (put < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

enum err_code file_read_at(int dir_fd, const char *path, struct buf *ret, struct err *e)
{
    AUTO(fd) int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return err_errno(e, "open '%s'", path);
    if (fstat(fd, &st) < 0)
        return err_errno(e, "stat '%s'", path);
    if (st.st_size > 0 && (uint64_t)st.st_size > ret->max - ret->n)
        return err_set(e, ERR_CORRUPT, "'%s' is larger than %zu bytes", path, ret->max);
    for (;;) {
        size_t room = ret->max - ret->n < 65536 ? ret->max - ret->n : 65536;
        char beyond; /* at the bound, one byte more tells the end from a file that is too large */
        char *at = room ? buf_reserve(ret, room) : &beyond;
        ssize_t got;

        if (!at)
            return err_set(e, ERR_CORRUPT, "'%s' is larger than %zu bytes", path, ret->max);
        got = read(fd, at, room ? room : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(e, "read '%s'", path);
        if (got == 0)
            return ERR_OK;
        if (!room)
            return err_set(e, ERR_CORRUPT, "'%s' is larger than %zu bytes", path, ret->max);
        ret->n += (size_t)got;
    }
}

int file_sync_dir(int fd)
{
    return fsync(fd) < 0 && errno != EINVAL ? -1 : 0;
}

enum err_code file_sync_parent_at(int dir_fd, const char *path, struct err *e)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 1;

    if (n >= sizeof(parent))
        return err_set(e, ERR_INTERNAL, "path is too long");
    memcpy(parent, slash ? path : ".", n);
    parent[n] = '\0';
    if (slash == path)
        parent[0] = '/', parent[1] = '\0';

    AUTO(fd) int fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || file_sync_dir(fd) < 0)
        return err_errno(e, "sync directory '%s'", parent);
    return ERR_OK;
}

/* Sets errno when it is not. */
static bool is_directory(int dir_fd, const char *path)
{
    struct stat st;

    if (fstatat(dir_fd, path, &st, 0) < 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode);
}

enum err_code file_mkdirs_at(int dir_fd, const char *path, bool sync, struct err *e)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof(part))
        return err_set(e, ERR_INTERNAL, "path is empty or too long");
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdirat(dir_fd, part, 0755) == 0) {
            if (sync)
                TRY(file_sync_parent_at(dir_fd, part, e));
        } else if (errno != EEXIST || (i == n && !is_directory(dir_fd, part))) {
            return err_errno(e, "make directory '%s'", part);
        }
        part[i] = path[i];
    }
    return ERR_OK;
}

int file_try_directory(const char *path)
{
    static const char page[4096];
    AUTO(fd) int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EOPNOTSUPP ? 0 : errno;
    return file_write_all(fd, page, sizeof(page)) < 0 ? errno : 0;
}

static enum err_code remove_tree(int dir_fd, const char *name, unsigned depth, struct err *e);

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* All that is in a directory. */
static enum err_code empty(int dir_fd, const char *name, unsigned depth, struct err *e)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct err_first all = {0};
    const struct dirent *entry;

    if (!dir) {
        enum err_code code = err_errno(e, "open directory '%s'", name);

        if (fd >= 0)
            close(fd);
        return code;
    }
    while ((entry = readdir(dir))) {
        if (!is_dots(entry->d_name))
            err_first_add(&all, remove_tree(fd, entry->d_name, depth + 1, &all.step));
    }
    return err_first_of(&all, e);
}

static enum err_code remove_tree(int dir_fd, const char *name, unsigned depth, struct err *e)
{
    if (depth > FILE_TREE_DEPTH)
        return err_set(e, ERR_INTERNAL, "'%s' is too deep in others to be removed", name);
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return ERR_OK;
    if (errno != EISDIR && errno != EPERM)
        return err_errno(e, "remove '%s'", name);
    TRY(empty(dir_fd, name, depth, e));
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_errno(e, "remove directory '%s'", name);
    return ERR_OK;
}

enum err_code file_remove_tree_at(int dir_fd, const char *name, struct err *e)
{
    return remove_tree(dir_fd, name, 0, e);
}
