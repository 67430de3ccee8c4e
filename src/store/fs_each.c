#include "store/fs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
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
};

/* Takes over fd. NULL, with fd closed: it is gone meanwhile, or no directory. */
static DIR *open_stream(int fd)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

static DIR *open_dir(int parent, const char *name)
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
static bool item_of(int dir, const char *name, enum store_kind kind, struct store_item *item)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    item->modified_ms = fs_modified_ms(&st);
    if (kind == STORE_MANIFEST && S_ISLNK(st.st_mode)) {
        item->kind = STORE_TAG;
        item->size_bytes = 0;
        read_tag(dir, name, &item->digest);
        return tag_name_parse(str_of(name), &item->tag, ERR_IGNORED) == ERR_OK;
    }
    item->kind = kind;
    item->size_bytes = (uint64_t)st.st_size;
    item->tag.n = 0;
    return S_ISREG(st.st_mode) && digest_parse(str_of(name), &item->digest, ERR_IGNORED) == ERR_OK;
}

/* A repository's "blobs" or "manifests"; tags are among the latter. */
static enum err_code each_item(struct walk *w, int parent, const char *name, enum store_kind kind,
                               struct err *e)
{
    AUTO(dir) DIR *dir = open_dir(parent, name);
    const struct dirent *entry;
    struct store_item item = {0};

    if (!dir || repo_name_parse((struct str){w->name, w->n}, &item.repo, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && item_of(dirfd(dir), entry->d_name, kind, &item) &&
            (w->kinds & item.kind))
            TRY(w->fn(w->ctx, &item, e));
    }
    return errno == 0 ? ERR_OK : err_errno(e, "read the %s of '%s'", name, item.repo.text);
}

static enum err_code walk(struct walk *w, DIR *dir, struct err *e);

/* A component of a name. */
static enum err_code below(struct walk *w, DIR *parent, const char *entry, struct err *e)
{
    AUTO(dir) DIR *dir = open_dir(dirfd(parent), entry);
    struct str part = str_of(entry[0] == '%' ? entry + 1 : entry);
    size_t before = w->n, slash = before > 0;
    enum err_code code;

    if (!dir || w->depth == DEPTH_MAX || before + slash + part.n > REPO_NAME_MAX)
        return ERR_OK; /* no name that this registry gives */
    if (slash)
        w->name[w->n++] = '/';
    memcpy(w->name + w->n, part.p, part.n);
    w->n += part.n;
    w->depth++;
    code = walk(w, dir, e);
    w->depth--;
    w->n = before;
    return code;
}

static enum err_code walk(struct walk *w, DIR *dir, struct err *e)
{
    const struct dirent *entry;

    while (errno = 0, (entry = readdir(dir)) != NULL) {
        struct str name = str_of(entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        if (str_eq(name, STR("blobs")))
            TRY(w->kinds & STORE_BLOB ? each_item(w, dirfd(dir), "blobs", STORE_BLOB, e) : ERR_OK);
        else if (str_eq(name, STR("manifests")))
            TRY(w->kinds & (STORE_MANIFEST | STORE_TAG)
                    ? each_item(w, dirfd(dir), "manifests", STORE_MANIFEST, e)
                    : ERR_OK);
        else
            TRY(below(w, dir, entry->d_name, e));
    }
    if (errno != 0)
        return err_errno(e, "read the directories of '%.*s'", (int)w->n, w->name);
    return ERR_OK;
}

enum err_code fs_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx, struct err *e)
{
    struct fs *f = fs_of(s);
    struct walk w = {.kinds = kinds, .fn = fn, .ctx = ctx};
    AUTO(dir) DIR *dir = open_dir(f->root_fd, FS_REPOSITORIES);

    if (!dir)
        return err_errno(e, "open '%s'", FS_REPOSITORIES);
    return walk(&w, dir, e);
}
