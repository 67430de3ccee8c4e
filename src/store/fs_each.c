#include "store/fs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

/* Directories below directories: as many as a name of one-letter components has, and its own. */
#define DEPTH_MAX (REPO_NAME_MAX / 2 + 2)

struct walk {
    unsigned kinds;
    store_item_fn fn;
    void *ctx;
    char name[REPO_NAME_MAX + 2]; /* of the repository, or what may become one */
    size_t n;
    int depth;
    char path[PATH_MAX]; /* where it is below the root, for what is odd */
    size_t path_n;
};

/* Into what is in the directory at hand, until leave() is given what this returns. A path that is
 * too long is cut, for it is only told. */
static size_t enter(struct walk *w, const char *name)
{
    size_t before = w->path_n, n = strlen(name), slash = before > 0;

    if (n + slash >= sizeof(w->path) - before)
        n = sizeof(w->path) - before - slash - 1;
    if (slash)
        w->path[w->path_n++] = '/';
    memcpy(w->path + w->path_n, name, n);
    w->path_n += n;
    w->path[w->path_n] = '\0';
    return before;
}

static void leave(struct walk *w, size_t before)
{
    w->path_n = before;
    w->path[before] = '\0';
}

/* name is in the directory at hand; NULL: that directory itself. */
static enum err_code tell_odd(struct walk *w, const char *name, enum store_odd odd,
                              int64_t modified_ms, struct err *e)
{
    struct store_item item = {
        .kind = STORE_ODD, .odd = odd, .path = w->path, .modified_ms = modified_ms};
    size_t before = w->path_n;
    enum err_code code;

    if (!(w->kinds & STORE_ODD))
        return ERR_OK;
    if (name)
        enter(w, name);
    code = w->fn(w->ctx, &item, e);
    leave(w, before);
    return code;
}

/* The owner must be able to use it, and nobody else to write to it unless a group was given that.
 */
static bool is_mode_odd(mode_t mode)
{
    mode_t needed = S_ISDIR(mode) ? S_IRWXU : S_IRUSR;

    return !S_ISLNK(mode) && ((mode & needed) != needed || (mode & S_IWOTH));
}

static enum err_code look_at_dir(struct walk *w, int dir, struct err *e)
{
    struct stat st;

    if (!(w->kinds & STORE_ODD) || fstat(dir, &st) < 0 || !is_mode_odd(st.st_mode))
        return ERR_OK;
    return tell_odd(w, NULL, STORE_ODD_MODE, fs_modified_ms(&st), e);
}

/* Takes over fd. NULL, with fd closed: it is gone meanwhile, or no directory. */
static DIR *open_stream(int fd)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

DIR *fs_open_dir(int parent, const char *name)
{
    return open_stream(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

/* Where a tag's link leads; n stays 0 when that is no digest. */
static void read_tag(int dir, const char *name, struct digest *ret_digest)
{
    char text[DIGEST_TEXT_MAX + 1];
    ssize_t n = readlinkat(dir, name, text, sizeof(text));

    if (n <= 0 || (size_t)n >= sizeof(text) ||
        digest_parse((struct str){text, (size_t)n}, ret_digest, ERR_IGNORED) != ERR_OK)
        ret_digest->n = 0;
}

/* What the entry of a repository's directory is; false: nothing of ours. */
static bool item_of(int dir, const char *name, enum store_kind kind, const struct stat *st,
                    struct store_item *item)
{
    item->modified_ms = fs_modified_ms(st);
    item->file = (uint64_t)st->st_ino;
    if (kind == STORE_MANIFEST && S_ISLNK(st->st_mode)) {
        item->kind = STORE_TAG;
        item->size_bytes = 0;
        read_tag(dir, name, &item->digest);
        return tag_name_parse(str_of(name), &item->tag, ERR_IGNORED) == ERR_OK;
    }
    item->kind = kind;
    item->size_bytes = (uint64_t)st->st_size;
    item->tag.n = 0;
    return S_ISREG(st->st_mode) && digest_parse(str_of(name), &item->digest, ERR_IGNORED) == ERR_OK;
}

static enum err_code tell_item(struct walk *w, int dir, const char *name, enum store_kind kind,
                               struct store_item *item, struct err *e)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ERR_OK; /* gone meanwhile */
    if (!item_of(dir, name, kind, &st, item))
        return tell_odd(w, name, S_ISLNK(st.st_mode) ? STORE_ODD_LINK : STORE_ODD_NAME,
                        fs_modified_ms(&st), e);
    if (w->kinds & item->kind)
        TRY(w->fn(w->ctx, item, e));
    return is_mode_odd(st.st_mode) ? tell_odd(w, name, STORE_ODD_MODE, fs_modified_ms(&st), e)
                                   : ERR_OK;
}

static enum err_code each_entry(struct walk *w, DIR *dir, enum store_kind kind,
                                struct store_item *item, struct err *e)
{
    const struct dirent *entry;

    TRY(look_at_dir(w, dirfd(dir), e));
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            TRY(tell_item(w, dirfd(dir), entry->d_name, kind, item, e));
    }
    return errno == 0 ? ERR_OK : err_errno(e, "read '%s'", w->path);
}

/* An entry of a directory of repositories that no stream could be had of. */
static enum err_code tell_closed(struct walk *w, DIR *parent, const char *name, struct err *e)
{
    struct stat st;

    if (!(w->kinds & STORE_ODD) || fstatat(dirfd(parent), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ERR_OK;
    return tell_odd(w, name,
                    S_ISDIR(st.st_mode)   ? STORE_ODD_MODE
                    : S_ISLNK(st.st_mode) ? STORE_ODD_LINK
                                          : STORE_ODD_NAME,
                    fs_modified_ms(&st), e);
}

/* A repository's "blobs" or "manifests"; tags are among the latter. */
static enum err_code each_item(struct walk *w, DIR *parent, const char *name, enum store_kind kind,
                               struct err *e)
{
    AUTO(dir) DIR *dir = fs_open_dir(dirfd(parent), name);
    struct store_item item = {0};
    size_t before;
    enum err_code code;

    if (!dir)
        return tell_closed(w, parent, name, e);
    if (repo_name_parse((struct str){w->name, w->n}, &item.repo, ERR_IGNORED) != ERR_OK)
        return tell_odd(w, name, STORE_ODD_NAME, 0, e);
    before = enter(w, name);
    code = each_entry(w, dir, kind, &item, e);
    leave(w, before);
    return code;
}

static enum err_code walk(struct walk *w, DIR *dir, struct err *e);

/* A component of a name. */
static enum err_code below(struct walk *w, DIR *parent, const char *entry, struct err *e)
{
    AUTO(dir) DIR *dir = fs_open_dir(dirfd(parent), entry);
    struct str part = str_of(entry[0] == '%' ? entry + 1 : entry);
    size_t before = w->n, slash = before > 0, path_before;
    enum err_code code;

    if (!dir)
        return tell_closed(w, parent, entry, e);
    if (w->depth == DEPTH_MAX || before + slash + part.n > REPO_NAME_MAX)
        return tell_odd(w, entry, STORE_ODD_NAME, 0, e);
    path_before = enter(w, entry);
    if (slash)
        w->name[w->n++] = '/';
    memcpy(w->name + w->n, part.p, part.n);
    w->n += part.n;
    w->depth++;
    code = walk(w, dir, e);
    w->depth--;
    w->n = before;
    leave(w, path_before);
    return code;
}

static enum err_code walk(struct walk *w, DIR *dir, struct err *e)
{
    const struct dirent *entry;

    TRY(look_at_dir(w, dirfd(dir), e));
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        struct str name = str_of(entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        if (str_eq(name, STR("blobs")))
            TRY(w->kinds & (STORE_BLOB | STORE_ODD) ? each_item(w, dir, "blobs", STORE_BLOB, e)
                                                    : ERR_OK);
        else if (str_eq(name, STR("manifests")))
            TRY(w->kinds & (STORE_MANIFEST | STORE_TAG | STORE_ODD)
                    ? each_item(w, dir, "manifests", STORE_MANIFEST, e)
                    : ERR_OK);
        else
            TRY(below(w, dir, entry->d_name, e));
    }
    if (errno != 0)
        return err_errno(e, "read the directories of '%.*s'", (int)w->n, w->name);
    return ERR_OK;
}

/* What is left where uploads and files without a name are; none of it grows old there. */
static enum err_code each_temp(struct fs *f, struct walk *w, const char *path, bool of_uploads,
                               struct err *e)
{
    AUTO(dir) DIR *dir = fs_open_dir(f->root_fd, path);
    size_t before = enter(w, path);
    const struct dirent *entry;
    struct uuid id;
    struct stat st;

    while (dir && (errno = 0, (entry = readdir(dir)) != NULL)) {
        if (entry->d_name[0] == '.' || (of_uploads && uuid_parse(str_of(entry->d_name), &id)) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        TRY(tell_odd(w, entry->d_name, STORE_ODD_TEMP, fs_modified_ms(&st), e));
    }
    leave(w, before);
    return ERR_OK;
}

enum err_code fs_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx, struct err *e)
{
    struct fs *f = fs_of(s);
    struct walk w = {.kinds = kinds, .fn = fn, .ctx = ctx};
    AUTO(dir) DIR *dir = fs_open_dir(f->root_fd, FS_REPOSITORIES);

    if (!dir)
        return err_errno(e, "open '%s'", FS_REPOSITORIES);
    enter(&w, FS_REPOSITORIES);
    TRY(walk(&w, dir, e));
    leave(&w, 0);
    if (!(kinds & STORE_ODD))
        return ERR_OK;
    TRY(each_temp(f, &w, FS_UPLOADS, true, e));
    return each_temp(f, &w, FS_NEW, false, e);
}
