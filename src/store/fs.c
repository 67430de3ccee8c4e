#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PROBE_BYTES 4096

/* Writes a page under temp/new and removes it: what no look at permission bits can tell. */
static enum err_code probe(struct fs *f, struct err *e)
{
    static const char page[PROBE_BYTES];
    enum err_code code = ERR_OK;
    struct fs_path path;

    fs_new_path(f, &path);

    AUTO(fd)
    int fd = openat(f->root_fd, path.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    FS_FILE_MODE);

    if (fd < 0)
        return err_errno(e, "create a file in '%s/%s'", f->root, FS_NEW);
    if (file_pwrite_all(fd, page, sizeof(page), 0) < 0)
        code = err_errno(e, "write a file in '%s/%s'", f->root, FS_NEW);
    unlinkat(f->root_fd, path.text, 0);
    return code;
}

/* Made when the store is opened. */
static enum err_code check_dirs(struct fs *f, struct err *e)
{
    struct stat st;

    if (fstatat(f->root_fd, FS_REPOSITORIES, &st, 0) < 0)
        return err_errno(e, "look at '%s/%s'", f->root, FS_REPOSITORIES);
    return S_ISDIR(st.st_mode)
               ? ERR_OK
               : err_set(e, ERR_INTERNAL, "'%s/%s' is no directory", f->root, FS_REPOSITORIES);
}

static enum err_code fs_health(struct store *s, struct store_health *ret_health, struct err *e)
{
    struct fs *f = fs_of(s);
    struct statvfs v;

    if (fstatvfs(f->root_fd, &v) < 0)
        return err_errno(e, "look at the file system of '%s'", f->root);
    TRY(check_dirs(f, e));
    if (!f->beside)
        TRY(probe(f, e));
    ret_health->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    ret_health->total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
    return ERR_OK;
}

static enum err_code fs_sync(struct store *s, struct err *e)
{
    return fs_sync_all(fs_of(s), e);
}

static void fs_free(struct store *s)
{
    struct fs *f = fs_of(s);

    if (f->lock_fd >= 0)
        close(f->lock_fd);
    if (f->root_fd >= 0)
        close(f->root_fd);
    free(f->known_dirs);
    free(f->root);
    free(f);
}

static const struct store_driver store_fs = {
    .name = "filesystem",
    .blob_stat = fs_blob_stat,
    .blob_open = fs_blob_open,
    .blob_link = fs_blob_link,
    .blob_take = fs_blob_take,
    .blob_delete = fs_blob_delete,
    .blob_quarantine = fs_blob_quarantine,
    .manifest_put = fs_manifest_put,
    .manifests_put = fs_manifests_put,
    .manifest_get = fs_manifest_get,
    .manifest_delete = fs_manifest_delete,
    .drop = fs_drop,
    .dropped = fs_dropped,
    .tag_put = fs_tag_put,
    .tag_get = fs_tag_get,
    .tag_delete = fs_tag_delete,
    .tag_sync = fs_tag_sync,
    .upload_create = fs_upload_create,
    .upload_open = fs_upload_open,
    .upload_write = fs_upload_write,
    .upload_read = fs_upload_read,
    .upload_sync = fs_upload_sync,
    .upload_truncate = fs_upload_truncate,
    .upload_prepare = fs_upload_prepare,
    .upload_commit = fs_upload_commit,
    .upload_close = fs_upload_close,
    .upload_delete = fs_upload_delete,
    .upload_each = fs_upload_each,
    .original_commit = fs_original_commit,
    .original_open = fs_original_open,
    .original_delete = fs_original_delete,
    .original_each = fs_original_each,
    .mark_get = fs_mark_get,
    .mark_put = fs_mark_put,
    .each = fs_each,
    .sync = fs_sync,
    .mend = fs_mend,
    .health = fs_health,
    .free = fs_free,
};

/* Tells what to do when the root or a directory in it can't be used by this process. */
static enum err_code explain(struct fs *f, enum err_code code, struct err *e)
{
    if (code != ERR_STORAGE_READONLY)
        return err_prefix(e, "storage.filesystem.root '%s'", f->root);
    return err_prefix(e,
                      "storage.filesystem.root '%s': let user %u write to it and all below it, "
                      "or name another",
                      f->root, (unsigned)geteuid());
}

static enum err_code open_root(struct fs *f, struct err *e)
{
    TRY(file_mkdirs_at(AT_FDCWD, f->root, f->fsync, e));
    /* The process that made the root may have been killed before it synced. A parent that may not
     * be read was not made by us. */
    if (f->fsync && file_sync_parent_at(AT_FDCWD, f->root, e) == ERR_INTERNAL)
        return ERR_INTERNAL;
    f->root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->root_fd < 0)
        return err_errno(e, "open '%s'", f->root);
    return ERR_OK;
}

static enum err_code in_use(struct fs *f, struct err *e)
{
    char pid[24];
    ssize_t n = pread(f->lock_fd, pid, sizeof(pid) - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return err_set(e, ERR_UNAVAILABLE,
                   "another registry (pid %s) uses storage root '%s': stop it, or give this one "
                   "its own storage.filesystem.root",
                   pid[0] ? pid : "unknown", f->root);
}

/* For people and for in_use(). Not through lock_fd: a file open for writing would keep an operator
 * from making the file system read-only. */
static enum err_code write_pid(struct fs *f, struct err *e)
{
    AUTO(fd) int fd = openat(f->root_fd, FS_LOCK, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
    char pid[24];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    /* On a full disk it stays empty, which harms nothing. */
    if (fd < 0 || (file_pwrite_all(fd, pid, (size_t)n, 0) < 0 && errno != ENOSPC))
        return err_errno(e, "write '%s'", FS_LOCK);
    return ERR_OK;
}

/* Two processes on one root would empty each other's temp/new, and sweep each other's uploads. The
 * lock ends with the process, however that ends. */
static enum err_code lock_root(struct fs *f, struct err *e)
{
    f->lock_fd =
        openat(f->root_fd, FS_LOCK, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FS_FILE_MODE);
    if (f->lock_fd < 0)
        return err_errno(e, "open '%s'", FS_LOCK);
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return in_use(f, e);
        return err_errno(e, "lock '%s'", FS_LOCK);
    }
    return write_pid(f, e);
}

static enum err_code make_dirs(struct fs *f, struct err *e)
{
    static const char *const dirs[] = {FS_REPOSITORIES, FS_UPLOADS, FS_NEW};

    /* fs_dir_make() makes repositories/ durable with the first thing put below it; what is in
     * temp/ is no loss. */
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        TRY(file_mkdirs_at(f->root_fd, dirs[i], false, e));
        if (faccessat(f->root_fd, dirs[i], R_OK | W_OK | X_OK, AT_EACCESS) < 0)
            return err_errno(e, "use '%s'", dirs[i]);
    }
    return ERR_OK;
}

/* Removes what a killed process was about to name. */
static enum err_code empty_new(struct fs *f, struct err *e)
{
    AUTO(fd) int fd = openat(f->root_fd, FS_NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir)
        return err_errno(e, "open '%s'", FS_NEW);
    fd = -1; /* the stream's now */
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (str_eq(str_of(entry->d_name), STR(".")) || str_eq(str_of(entry->d_name), STR("..")))
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
            return err_errno(e, "remove '%s/%s'", FS_NEW, entry->d_name);
    }
    if (errno != 0)
        return err_errno(e, "read '%s'", FS_NEW);
    return ERR_OK;
}

static enum err_code open_beside(struct fs *f, struct err *e)
{
    f->root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->root_fd < 0 ? err_errno(e, "open '%s'", f->root) : ERR_OK;
}

static enum err_code open_all(struct fs *f, struct err *e)
{
    enum err_code code;

    if (f->beside)
        return open_beside(f, e);
    TRY(open_root(f, e));
    TRY(lock_root(f, e));
    TRY(make_dirs(f, e));
    TRY(empty_new(f, e));
    code = probe(f, e);
    return code == ERR_STORAGE_FULL ? ERR_OK : code; /* a full disk can still be read */
}

enum err_code store_fs_new(const struct store_fs_options *o, struct store **ret_store,
                           struct err *e)
{
    struct fs *f = NEW(struct fs);
    enum err_code code;

    f->store.driver = &store_fs;
    f->root = mem_strdup(o->root);
    f->root_fd = f->lock_fd = -1;
    f->fsync = o->fsync;
    f->beside = o->beside;
    random_bytes(f->hash_key, sizeof(f->hash_key));
    f->known_dirs = mem_zero(FS_KNOWN_DIRS * sizeof(*f->known_dirs));
    code = open_all(f, e);
    if (code != ERR_OK) {
        if (code != ERR_UNAVAILABLE)
            code = explain(f, code, e);
        fs_free(&f->store);
        return code;
    }
    *ret_store = &f->store;
    return ERR_OK;
}

/* The lock file is written at each start. */
bool store_fs_is_used(const char *root, int64_t *ret_start)
{
    AUTO(fd) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd) int fd = root_fd < 0 ? -1 : openat(root_fd, FS_LOCK, O_RDONLY | O_CLOEXEC);
    struct stat st;

    *ret_start = 0;
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0)
        *ret_start = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return flock(fd, LOCK_SH | LOCK_NB) < 0; /* given up at once: closing does */
}

bool store_fs_used(const char *root)
{
    AUTO(fd) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(dir) DIR *dir = NULL;
    const struct dirent *entry;
    int fd;

    if (root_fd < 0)
        return false;
    fd = openat(root_fd, FS_REPOSITORIES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return false;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') /* no name of a repository begins so */
            return true;
    }
    return false;
}
