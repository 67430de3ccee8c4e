#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_manifest(struct fs *f, const struct fs_path *path)
{
    return openat(f->root_fd, path->text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Appends all of fd, n bytes by its stat, to *ret. */
static enum err_code read_manifest(int fd, const char *path, struct buf *ret, struct err *e)
{
    struct stat st;
    size_t size;
    ssize_t n;
    char *at;

    if (fstat(fd, &st) < 0)
        return err_errno(e, "stat '%s'", path);
    size = (size_t)st.st_size;
    at = buf_reserve(ret, size);
    if (ret->full)
        return err_set(e, ERR_CORRUPT, "'%s' is larger than any manifest may be", path);
    n = file_pread_all(fd, at, size, 0);
    if (n < 0)
        return err_errno(e, "read '%s'", path);
    if ((size_t)n < size)
        return err_set(e, ERR_CORRUPT, "'%s' ends early", path);
    ret->n += size;
    return ERR_OK;
}

/* Whether the file at path has exactly these bytes. */
static bool has_bytes(struct fs *f, const struct fs_path *path, struct str bytes)
{
    AUTO(buf) struct buf found = {0};
    AUTO(fd) int fd = open_manifest(f, path);
    struct stat st;

    buf_init(&found, bytes.n);
    return fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == bytes.n &&
           read_manifest(fd, path->text, &found, ERR_IGNORED) == ERR_OK &&
           str_eq(buf_str(&found), bytes);
}

/* A file already there with other bytes than its digest says is damaged, and is replaced. */
enum err_code fs_manifest_put(struct store *s, const struct repo_name *repo, const struct digest *d,
                              struct str bytes, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path, dir, new;
    enum err_code code;

    fs_manifest_path(repo, d, &path);
    fs_manifests_dir(repo, &dir);
    TRY(fs_dir_make(f, &dir, e));
    if (has_bytes(f, &path, bytes))
        return fs_dir_sync(f, &dir, e);
    fs_new_path(f, &new);
    code = fs_write_new(f, &new, bytes, f->fsync, e);
    if (code == ERR_OK && renameat(f->root_fd, new.text, f->root_fd, path.text) < 0)
        code = err_errno(e, "name '%s'", path.text);
    if (code != ERR_OK) {
        unlinkat(f->root_fd, new.text, 0);
        return code;
    }
    return fs_dir_sync(f, &dir, e);
}

static enum err_code write_all(struct fs *f, const struct store_manifest *items, size_t n,
                               struct fs_path *news, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        TRY(fs_write_new(f, &news[i], items[i].bytes, false, e));
    return fs_sync_all(f, e);
}

static enum err_code name_all(struct fs *f, const struct store_manifest *items, size_t n,
                              const struct fs_path *news, struct err *e)
{
    struct fs_path path, dir;

    for (size_t i = 0; i < n; i++) {
        fs_manifest_path(items[i].repo, items[i].digest, &path);
        fs_manifests_dir(items[i].repo, &dir);
        TRY(fs_dir_make(f, &dir, e));
        if (renameat(f->root_fd, news[i].text, f->root_fd, path.text) < 0)
            return err_errno(e, "name '%s'", path.text);
    }
    return fs_sync_all(f, e);
}

/* As one after the other, but all files are synced at once, and then all directories. */
enum err_code fs_manifests_put(struct store *s, const struct store_manifest *items, size_t n,
                               struct err *e)
{
    AUTO(mem) struct fs_path *news = mem_alloc(n * sizeof(*news));
    struct fs *f = fs_of(s);
    enum err_code code;

    for (size_t i = 0; i < n; i++)
        fs_new_path(f, &news[i]);
    code = write_all(f, items, n, news, e);
    if (code == ERR_OK)
        code = name_all(f, items, n, news, e);
    for (size_t i = 0; i < n && code != ERR_OK; i++)
        unlinkat(f->root_fd, news[i].text, 0);
    return code;
}

enum err_code fs_manifest_get(struct store *s, const struct repo_name *repo, const struct digest *d,
                              struct buf *ret_bytes, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path;

    fs_manifest_path(repo, d, &path);

    AUTO(fd) int fd = open_manifest(f, &path);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return err_set(e, ERR_MANIFEST_UNKNOWN, "no '%s'", path.text);
    if (fd < 0)
        return err_errno(e, "open '%s'", path.text);
    return read_manifest(fd, path.text, ret_bytes, e);
}

enum err_code fs_manifest_delete(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct err *e)
{
    struct fs_path path, dir;

    fs_manifest_path(repo, d, &path);
    fs_manifests_dir(repo, &dir);
    return fs_remove(fs_of(s), &path, &dir, ERR_MANIFEST_UNKNOWN, e);
}

/* A symbolic link is never changed in place: a second one is made and renamed over it. */
static enum err_code replace_tag(struct fs *f, const struct fs_path *path, const struct digest *d,
                                 struct err *e)
{
    struct fs_path new;
    enum err_code code;

    fs_new_path(f, &new);
    if (symlinkat(d->text, f->root_fd, new.text) < 0)
        return err_errno(e, "create '%s'", new.text);
    if (renameat(f->root_fd, new.text, f->root_fd, path->text) == 0)
        return ERR_OK;
    code = err_errno(e, "name '%s'", path->text);
    unlinkat(f->root_fd, new.text, 0);
    return code;
}

enum err_code fs_tag_put(struct store *s, const struct repo_name *repo, const struct tag_name *tag,
                         const struct digest *d, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path, dir;

    fs_tag_path(repo, tag, &path);
    fs_manifests_dir(repo, &dir);
    TRY(fs_dir_make(f, &dir, e));
    if (symlinkat(d->text, f->root_fd, path.text) == 0) /* a new tag: one call */
        return ERR_OK;
    if (errno != EEXIST)
        return err_errno(e, "create '%s'", path.text);
    return replace_tag(f, &path, d, e);
}

enum err_code fs_tag_get(struct store *s, const struct repo_name *repo, const struct tag_name *tag,
                         struct digest *ret_digest, struct err *e)
{
    char target[DIGEST_TEXT_MAX + 1];
    struct fs *f = fs_of(s);
    struct fs_path path;
    ssize_t n;

    fs_tag_path(repo, tag, &path);
    n = readlinkat(f->root_fd, path.text, target, sizeof(target));
    if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(e, ERR_MANIFEST_UNKNOWN, "no '%s'", path.text);
    if (n < 0 && errno != EINVAL)
        return err_errno(e, "read link '%s'", path.text);
    if (n < 0 || digest_parse((struct str){target, (size_t)n}, ret_digest, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "'%s' is not a link to a digest", path.text);
    return ERR_OK;
}

enum err_code fs_tag_delete(struct store *s, const struct repo_name *repo,
                            const struct tag_name *tag, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path;

    fs_tag_path(repo, tag, &path);
    if (unlinkat(f->root_fd, path.text, 0) < 0 && errno != ENOENT && errno != ENOTDIR)
        return err_errno(e, "remove '%s'", path.text);
    return ERR_OK;
}

enum err_code fs_tag_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    struct fs_path dir;

    fs_manifests_dir(repo, &dir);
    return fs_dir_sync(fs_of(s), &dir, e);
}
