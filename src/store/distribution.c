/*
 * The data directory of the reference registry, read. Below docker/registry/v2 it has
 *
 *     blobs/<algorithm>/<two digits>/<hex>/data            every blob and manifest, once
 *     repositories/<name>/_layers/<algorithm>/<hex>/link   a blob of the repository
 *     repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
 *     repositories/<name>/_manifests/tags/<tag>/current/link
 *
 * A link is a file that holds a digest. That of a blob may be another one of the same bytes: they
 * are kept under sha256 then. What is deleted there keeps its directory without the link, and a
 * garbage collection leaves links whose data is gone.
 *
 * The tree may be anybody's: each step on the way to a file is opened by itself and is no symbolic
 * link, and what is no plain file is not read.
 */
#include "store/store.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/file_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE "docker/registry/v2"

/* Longest: "repositories/", a name, "/_manifests/tags/", a tag, "/current/link". */
#define PATH_SIZE 512

/* Directories below directories: as many as a name of one-letter components has, and its own. */
#define DEPTH_MAX (REPO_NAME_MAX / 2 + 2)

struct distribution {
    struct store store;
    char *root; /* for messages */
    int base_fd;
};

static struct distribution *distribution_of(struct store *s)
{
    return (struct distribution *)s;
}

static bool is_missing(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* -1 and errno; ELOOP or ENOTDIR when a step is a symbolic link. Never waits for the other end of a
 * pipe. */
static int open_below(int base_fd, const char *path, int flags)
{
    AUTO(fd) int dir = -1;
    char step[PATH_SIZE];
    size_t n;
    int fd;

    for (;; path += n + 1) {
        n = strcspn(path, "/");
        snprintf(step, sizeof(step), "%.*s", (int)n, path);
        if (!path[n])
            break;
        fd = openat(dir < 0 ? base_fd : dir, step, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -1;
        if (dir >= 0)
            close(dir);
        dir = fd;
    }
    return openat(dir < 0 ? base_fd : dir, step, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static DIR *open_dir(int base_fd, const char *path)
{
    int fd = open_below(base_fd, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* A plain file, for reading. -1 and errno; ENOENT also for what is none. */
static int open_file(int base_fd, const char *path, uint64_t *ret_size_bytes)
{
    AUTO(fd) int fd = open_below(base_fd, path, O_RDONLY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = ENOENT;
        return -1;
    }
    *ret_size_bytes = (uint64_t)st.st_size;
    return STEAL_FD(fd);
}

/* The digest that the link at path holds; n is 0: something else. Error: `missing`. */
static enum err_code read_link(struct distribution *s, const char *path, enum err_code missing,
                               struct digest *ret_digest, struct err *e)
{
    char text[DIGEST_TEXT_MAX + 8];
    uint64_t size;
    AUTO(fd) int fd = open_file(s->base_fd, path, &size);
    ssize_t n;

    if (fd < 0 && is_missing(errno))
        return err_set(e, missing, "no '%s/%s/%s'", s->root, BASE, path);
    if (fd < 0)
        return err_errno(e, "open '%s/%s/%s'", s->root, BASE, path);
    n = file_pread_all(fd, text, sizeof(text), 0);
    if (n < 0)
        return err_errno(e, "read '%s/%s/%s'", s->root, BASE, path);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (digest_parse((struct str){text, (size_t)n}, ret_digest, ERR_IGNORED) != ERR_OK)
        ret_digest->n = 0;
    return ERR_OK;
}

/* The file of the bytes. Error: `missing`. */
static enum err_code open_data(struct distribution *s, const struct digest *d,
                               enum err_code missing, int *ret_fd, uint64_t *ret_size_bytes,
                               struct err *e)
{
    struct str hex = digest_hex(d);
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "blobs/%s/%.2s/" STR_FMT "/data",
             digest_algorithm_name(d->algorithm), hex.p, STR_ARG(hex));
    *ret_fd = open_file(s->base_fd, path, ret_size_bytes);
    if (*ret_fd >= 0)
        return ERR_OK;
    if (is_missing(errno))
        return err_set(e, missing, "no '%s/%s/%s'", s->root, BASE, path);
    return err_errno(e, "open '%s/%s/%s'", s->root, BASE, path);
}

static enum err_code open_blob(struct distribution *s, const struct repo_name *repo,
                               const struct digest *d, int *ret_fd, uint64_t *ret_size_bytes,
                               struct err *e)
{
    enum err_code code = open_data(s, d, ERR_BLOB_UNKNOWN, ret_fd, ret_size_bytes, e);
    struct str hex = digest_hex(d);
    struct digest kept;
    char path[PATH_SIZE];

    if (code != ERR_BLOB_UNKNOWN)
        return code;
    snprintf(path, sizeof(path), "repositories/%s/_layers/%s/" STR_FMT "/link", repo->text,
             digest_algorithm_name(d->algorithm), STR_ARG(hex));
    TRY(read_link(s, path, ERR_BLOB_UNKNOWN, &kept, e));
    if (kept.n == 0 || digest_eq(&kept, d))
        return ERR_BLOB_UNKNOWN;
    return open_data(s, &kept, ERR_BLOB_UNKNOWN, ret_fd, ret_size_bytes, e);
}

static enum err_code dist_blob_stat(struct store *base, const struct repo_name *repo,
                                    const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    AUTO(fd) int fd = -1;

    return open_blob(distribution_of(base), repo, d, &fd, ret_size_bytes, e);
}

static enum err_code dist_blob_open(struct store *base, const struct repo_name *repo,
                                    const struct digest *d, uint64_t known_bytes,
                                    struct reader **ret_reader, uint64_t *ret_size_bytes,
                                    struct err *e)
{
    int fd;

    (void)known_bytes;
    TRY(open_blob(distribution_of(base), repo, d, &fd, ret_size_bytes, e));
    *ret_reader = file_reader_new(fd, *ret_size_bytes, d);
    return ERR_OK;
}

static enum err_code dist_manifest_get(struct store *base, const struct repo_name *repo,
                                       const struct digest *d, struct buf *ret_bytes, struct err *e)
{
    AUTO(fd) int fd = -1;
    uint64_t size = 0;
    ssize_t n;
    char *at;

    (void)repo;
    TRY(open_data(distribution_of(base), d, ERR_MANIFEST_UNKNOWN, &fd, &size, e));
    at = buf_reserve(ret_bytes, size);
    if (!at)
        return err_set(e, ERR_CORRUPT, "manifest %s is larger than any may be", d->text);
    n = file_pread_all(fd, at, size, 0);
    if (n < 0)
        return err_errno(e, "read manifest %s", d->text);
    ret_bytes->n += (size_t)n;
    return ERR_OK;
}

static void tag_link(const struct repo_name *repo, const struct tag_name *tag,
                     char path[static PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "repositories/%s/_manifests/tags/%s/current/link", repo->text,
             tag->text);
}

static enum err_code dist_tag_get(struct store *base, const struct repo_name *repo,
                                  const struct tag_name *tag, struct digest *ret_digest,
                                  struct err *e)
{
    char path[PATH_SIZE];

    tag_link(repo, tag, path);
    TRY(read_link(distribution_of(base), path, ERR_MANIFEST_UNKNOWN, ret_digest, e));
    if (ret_digest->n == 0)
        return err_set(e, ERR_CORRUPT, "tag %s of %s does not name a digest", tag->text,
                       repo->text);
    return ERR_OK;
}

/* Finding all that is there. */

struct walk {
    struct distribution *s;
    unsigned kinds;
    store_item_fn fn;
    void *ctx;
    char name[REPO_NAME_MAX + 2]; /* of the repository, or what may become one */
    size_t n;
    int depth;
    struct store_item item; /* of the repository that is being told */
};

/* What is told of each entry of a directory. */
typedef enum err_code (*entry_fn)(struct walk *w, const char *dir, const char *entry,
                                  struct err *e);

/* A directory that is not there, or no directory, has no entries. */
static enum err_code each_entry(struct walk *w, const char *path, entry_fn fn, struct err *e)
{
    AUTO(dir) DIR *dir = open_dir(w->s->base_fd, path);
    const struct dirent *entry;

    if (!dir)
        return is_missing(errno) ? ERR_OK : err_errno(e, "open '%s/%s/%s'", w->s->root, BASE, path);
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            TRY(fn(w, path, entry->d_name, e));
    }
    return errno == 0 ? ERR_OK : err_errno(e, "read '%s/%s/%s'", w->s->root, BASE, path);
}

/* An entry that bears the digits of a digest of this algorithm and has a link. */
static bool is_linked(struct walk *w, const char *dir, const char *entry)
{
    const char *algorithm = strrchr(dir, '/') + 1;
    char text[DIGEST_TEXT_MAX + 1], path[2 * PATH_SIZE];
    int n = snprintf(text, sizeof(text), "%s:%s", algorithm, entry);
    AUTO(fd) int fd = -1;
    uint64_t size;

    if (n >= (int)sizeof(text) ||
        digest_parse((struct str){text, (size_t)n}, &w->item.digest, ERR_IGNORED) != ERR_OK)
        return false;
    snprintf(path, sizeof(path), "%s/%s/link", dir, entry);
    fd = open_file(w->s->base_fd, path, &size);
    return fd >= 0 || !is_missing(errno);
}

static enum err_code tell_layer(struct walk *w, const char *dir, const char *entry, struct err *e)
{
    struct store_item *item = &w->item;
    enum err_code code;

    if (!is_linked(w, dir, entry))
        return ERR_OK;
    item->kind = STORE_BLOB;
    code = dist_blob_stat(&w->s->store, &item->repo, &item->digest, &item->size_bytes, e);
    if (code != ERR_OK) /* collected, with its images */
        return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
    return w->fn(w->ctx, item, e);
}

/* One whose data is gone is told all the same: getting it says so. */
static enum err_code tell_revision(struct walk *w, const char *dir, const char *entry,
                                   struct err *e)
{
    struct store_item *item = &w->item;
    AUTO(fd) int fd = -1;
    enum err_code code;

    if (!is_linked(w, dir, entry))
        return ERR_OK;
    item->kind = STORE_MANIFEST;
    item->size_bytes = 0;
    code = open_data(w->s, &item->digest, ERR_MANIFEST_UNKNOWN, &fd, &item->size_bytes, e);
    if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN)
        return code;
    return w->fn(w->ctx, item, e);
}

static enum err_code tell_tag(struct walk *w, const char *dir, const char *entry, struct err *e)
{
    struct store_item *item = &w->item;
    char path[PATH_SIZE];
    enum err_code code;

    (void)dir;
    if (tag_name_parse(str_of(entry), &item->tag, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    item->kind = STORE_TAG;
    item->size_bytes = 0;
    tag_link(&item->repo, &item->tag, path);
    code = read_link(w->s, path, ERR_MANIFEST_UNKNOWN, &item->digest, e);
    if (code != ERR_OK)
        return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
    code = w->fn(w->ctx, item, e);
    item->tag.n = 0;
    return code;
}

static enum err_code tell_repository(struct walk *w, struct err *e)
{
    static const struct {
        enum store_kind kind;
        const char *dir;
        entry_fn tell;
    } dirs[] = {
        {STORE_BLOB, "_layers/sha256", tell_layer},
        {STORE_BLOB, "_layers/sha512", tell_layer},
        {STORE_MANIFEST, "_manifests/revisions/sha256", tell_revision},
        {STORE_MANIFEST, "_manifests/revisions/sha512", tell_revision},
        {STORE_TAG, "_manifests/tags", tell_tag},
    };
    char path[PATH_SIZE];

    w->item = (struct store_item){0};
    if (repo_name_parse((struct str){w->name, w->n}, &w->item.repo, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        snprintf(path, sizeof(path), "repositories/%s/%s", w->item.repo.text, dirs[i].dir);
        if (w->kinds & dirs[i].kind)
            TRY(each_entry(w, path, dirs[i].tell, e));
    }
    return ERR_OK;
}

static enum err_code walk(struct walk *w, struct err *e);

/* A component of a name; what begins with '_' is the registry's own. */
static enum err_code below(struct walk *w, const char *dir, const char *entry, struct err *e)
{
    size_t before = w->n, n = strlen(entry), slash = before > 0;
    enum err_code code;

    (void)dir;
    if (entry[0] == '_' || w->depth == DEPTH_MAX || before + slash + n > REPO_NAME_MAX)
        return ERR_OK; /* no name that this registry gives */
    if (slash)
        w->name[w->n++] = '/';
    memcpy(w->name + w->n, entry, n);
    w->n += n;
    w->depth++;
    code = walk(w, e);
    w->depth--;
    w->n = before;
    return code;
}

static enum err_code walk(struct walk *w, struct err *e)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "repositories%s%.*s", w->n ? "/" : "", (int)w->n, w->name);
    if (w->n > 0)
        TRY(tell_repository(w, e));
    return each_entry(w, path, below, e);
}

static enum err_code dist_each(struct store *base, unsigned kinds, store_item_fn fn, void *ctx,
                               struct err *e)
{
    struct walk w = {.s = distribution_of(base), .kinds = kinds, .fn = fn, .ctx = ctx};

    return walk(&w, e);
}

/* What others wrote. */
static enum err_code dist_sync(struct store *base, struct err *e)
{
    struct distribution *s = distribution_of(base);

    return syncfs(s->base_fd) < 0 ? err_errno(e, "sync the file system of '%s'", s->root) : ERR_OK;
}

static void dist_free(struct store *base)
{
    struct distribution *s = distribution_of(base);

    close(s->base_fd);
    free(s->root);
    free(s);
}

static const struct store_driver store_distribution = {
    .name = "data of a reference registry",
    .blob_stat = dist_blob_stat,
    .blob_open = dist_blob_open,
    .manifest_get = dist_manifest_get,
    .tag_get = dist_tag_get,
    .each = dist_each,
    .sync = dist_sync,
    .free = dist_free,
};

enum err_code store_distribution_new(const char *root, struct store **ret_store, struct err *e)
{
    AUTO(fd) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd) int base_fd = -1;
    struct distribution *s;

    if (root_fd < 0)
        return err_set(e, ERR_NOT_FOUND, "open '%s': %m", root);
    base_fd = open_below(root_fd, BASE, O_RDONLY | O_DIRECTORY);
    if (base_fd < 0)
        return err_set(e, ERR_NOT_FOUND,
                       "'%s' is not the data directory of a reference registry: it has no "
                       "directory '" BASE "' (%m)",
                       root);
    s = NEW(struct distribution);
    s->store.driver = &store_distribution;
    s->root = mem_strdup(root);
    s->base_fd = STEAL_FD(base_fd);
    *ret_store = &s->store;
    return ERR_OK;
}
