/* Files that are kept as they were uploaded: images/USER/TIME/ID.tar.gz below the root. */
#include "store/fs.h"

#include "base/cleanup.h"
#include "store/file_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* As often may the directory go that a name is put into, for another original of it was deleted. */
#define TRIES 3

static void path_of(const struct store_original_name *name, struct fs_path *ret_path)
{
    ret_path->n =
        (size_t)snprintf(ret_path->text, sizeof(ret_path->text), STORE_ORIGINALS "%s", name->text);
}

static void cut_last(struct fs_path *path)
{
    while (path->text[path->n - 1] != '/')
        path->n--;
    path->text[--path->n] = '\0';
}

enum err_code fs_original_commit(struct store *s, struct store_upload *u,
                                 const struct store_original_name *name, struct err *e)
{
    struct fs_path path, dir;
    enum err_code code = ERR_OK;

    path_of(name, &path);
    dir = path;
    cut_last(&dir);
    for (int i = 0; i < TRIES; i++) {
        TRY(fs_dir_make(fs_of(s), &dir, e));
        code = fs_upload_name(fs_of(s), u, &path, e);
        if (code != ERR_BLOB_UPLOAD_UNKNOWN)
            break;
    }
    TRY(code);
    TRY(fs_dir_sync(fs_of(s), &dir, e));
    fs_upload_close(s, u);
    return ERR_OK;
}

enum err_code fs_original_open(struct store *s, const struct store_original_name *name,
                               uint64_t known_bytes, struct reader **ret_reader,
                               uint64_t *ret_size_bytes, struct err *e)
{
    static const struct digest an_original = {.n = 11, .text = "an original"}; /* for messages */
    AUTO(fd) int fd = -1;
    struct fs_path path;
    struct stat st;

    (void)known_bytes; /* the file says */
    path_of(name, &path);
    fd = openat(fs_of(s)->root_fd, path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return err_set(e, ERR_NOT_FOUND, "no '%s'", path.text);
    if (fd < 0)
        return err_errno(e, "open '%s'", path.text);
    if (fstat(fd, &st) < 0)
        return err_errno(e, "stat '%s'", path.text);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_NOT_FOUND, "'%s' is not a file", path.text);
    *ret_size_bytes = (uint64_t)st.st_size;
    *ret_reader = file_reader_new(STEAL_FD(fd), *ret_size_bytes, &an_original);
    return ERR_OK;
}

/* The directory of its second goes with the last that it has; that of the user stays. */
enum err_code fs_original_delete(struct store *s, const struct store_original_name *name,
                                 struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path path, dir;
    enum err_code code;

    path_of(name, &path);
    dir = path;
    cut_last(&dir);
    code = fs_remove(f, &path, &dir, ERR_NOT_FOUND, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    unlinkat(f->root_fd, dir.text, AT_REMOVEDIR); /* it may have others */
    return ERR_OK;
}

struct walk {
    struct fs *fs;
    store_original_fn fn;
    void *ctx;
    char name[STORE_ORIGINAL_NAME_MAX + 1];
};

static enum err_code tell(struct walk *w, DIR *dir, const char *file, struct err *e)
{
    struct store_original o;
    struct stat st;

    if (!store_original_name_parse(str_of(w->name), &o.name) ||
        fstatat(dirfd(dir), file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return ERR_OK;
    o.size_bytes = (uint64_t)st.st_size;
    o.modified_ms = fs_modified_ms(&st);
    return w->fn(w->ctx, &o, e);
}

/* levels: of directories below this one. What is no directory where one belongs is passed over. */
static enum err_code walk(struct walk *w, DIR *parent, const char *entry, unsigned levels,
                          struct err *e)
{
    AUTO(dir) DIR *dir = fs_open_dir(dirfd(parent), entry);
    size_t n = strlen(w->name);
    const struct dirent *at;

    while (dir && (errno = 0, (at = readdir(dir)) != NULL)) {
        if (at->d_name[0] == '.' || n + 2 + strlen(at->d_name) > sizeof(w->name))
            continue;
        snprintf(w->name + n, sizeof(w->name) - n, "%s%s", n > 0 ? "/" : "", at->d_name);
        TRY(levels > 0 ? walk(w, dir, at->d_name, levels - 1, e) : tell(w, dir, at->d_name, e));
        w->name[n] = '\0';
    }
    return dir && errno != 0 ? err_errno(e, "read '%s'", w->name) : ERR_OK;
}

enum err_code fs_original_each(struct store *s, store_original_fn fn, void *ctx, struct err *e)
{
    struct fs *f = fs_of(s);
    struct walk w = {.fs = f, .fn = fn, .ctx = ctx};
    AUTO(dir) DIR *root = fs_open_dir(f->root_fd, ".");

    if (!root)
        return err_errno(e, "open '%s'", f->root);
    return walk(&w, root, "images", 2, e);
}
