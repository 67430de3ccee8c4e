#include "store/fs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A path that was told of, and that others may have changed since: no link is followed, and nothing
 * above the root is reached. */
static int open_within(struct fs *f, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, f->root_fd, path, &how, sizeof(how));
}

static enum err_code mend_mode(struct fs *f, const char *path, struct err *e)
{
    AUTO(fd) int fd = open_within(f, path);
    char name[32];
    struct stat st;
    mode_t mode;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ERR_OK;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(e, "look at '%s'", path);
    if (S_ISLNK(st.st_mode))
        return ERR_OK;
    mode = (st.st_mode & 07777 & ~(mode_t)S_IWOTH) | (S_ISDIR(st.st_mode) ? S_IRWXU : S_IRUSR);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return chmod(name, mode) == 0 ? ERR_OK : err_errno(e, "change the mode of '%s'", path);
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static enum err_code remove_temp(struct fs *f, const char *path, struct err *e)
{
    if (!is_below(path, FS_NEW) && !is_below(path, FS_UPLOADS))
        return err_set(e, ERR_INTERNAL, "'%s' is no file on its way", path);
    if (unlinkat(f->root_fd, path, 0) == 0 || errno == ENOENT)
        return ERR_OK;
    if (errno == EISDIR && (unlinkat(f->root_fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT))
        return ERR_OK;
    return err_errno(e, "remove '%s'", path);
}

enum err_code fs_mend(struct store *s, enum store_odd odd, const char *path, struct err *e)
{
    if (odd == STORE_ODD_MODE)
        return mend_mode(fs_of(s), path, e);
    if (odd == STORE_ODD_TEMP)
        return remove_temp(fs_of(s), path, e);
    return err_set(e, ERR_UNSUPPORTED, "what '%s' is for, only its owner knows", path);
}
