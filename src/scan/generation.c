#include "scan/generation.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/uuid.h"
#include "scan/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define GENERATIONS "generations"
#define INCOMING    "incoming"
#define CURRENT     "current"
#define LINK        ".link" /* in incoming: what becomes CURRENT */
#define METADATA    "metadata.json"

#define METADATA_BYTES (64u << 10)
#define COPY_BYTES     (64u << 20) /* between two questions whether to go on */
#define TRIES          16          /* of what another process may come before */
#define NAME_SIZE      96

static const struct {
    const char *dir, *file;
    bool (*is_whole)(int fd, uint64_t bytes);
} parts[DATA_PARTS] = {
    [DATA_DB] = {"db", "trivy.db", data_file_is_bolt},
    [DATA_JAVA] = {"java-db", "trivy-java.db", data_file_is_sqlite},
};

const char *data_part_name(enum data_part part)
{
    return parts[part].dir;
}

/* ---- the directory */

enum err_code generations_open(const char *dir, struct generations *ret, struct err *e)
{
    AUTO(fd) int fd = -1;
    AUTO(mem) char *real = NULL;

    TRY(file_mkdirs_at(AT_FDCWD, dir, false, e));
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, "open '%s'", dir);
    TRY(file_mkdirs_at(fd, GENERATIONS, false, e));
    TRY(file_mkdirs_at(fd, INCOMING, false, e));
    real = realpath(dir, NULL);
    if (!real)
        return err_errno(e, "resolve '%s'", dir);
    if (!str_copy(str_of(real), ret->dir, sizeof(ret->dir)))
        return err_set(e, ERR_CONFIG, "'%.200s...' is too long", real);
    ret->fd = STEAL_FD(fd);
    return ERR_OK;
}

void generations_done(struct generations *g)
{
    if (g->fd >= 0)
        close(STEAL_FD(g->fd));
}

/* "generations/ID", or of another directory. */
static void name_of(const char *in, const char *id, char dst[static NAME_SIZE])
{
    snprintf(dst, NAME_SIZE, "%s/%s", in, id);
}

static bool is_id(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && s.p[i] != '-')
            return false;
    }
    return s.n > 0 && s.n < DATA_ID_SIZE;
}

/* Where the link points; false when there is none, or it is not ours. */
static bool current_id(const struct generations *g, char dst[static DATA_ID_SIZE])
{
    char target[NAME_SIZE];
    ssize_t n = readlinkat(g->fd, CURRENT, target, sizeof(target));
    struct str id, head = {target, n > 0 ? (size_t)n : 0};

    if (n <= 0 || (size_t)n >= sizeof(target) || !str_starts(head, STR(GENERATIONS "/")))
        return false;
    id = str_sub(head, sizeof(GENERATIONS), head.n - sizeof(GENERATIONS));
    return is_id(id) && str_copy(id, dst, DATA_ID_SIZE);
}

/* Is what fd is still what has that name? */
static bool has_name(const struct generations *g, int fd, const char *name)
{
    struct stat ours, theirs;

    return fstat(fd, &ours) == 0 && fstatat(g->fd, name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* ---- what is in a part */

static int64_t time_in(const json_t *metadata, const char *key)
{
    int64_t ms;
    const json_t *text = json_object_get(metadata, key);

    return json_is_string(text) && clock_parse(str_of(json_string_value(text)), &ms) && ms > 0 ? ms
                                                                                               : 0;
}

static enum err_code read_metadata(int fd, struct data_facts *ret, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *metadata = NULL;

    buf_init(&text, METADATA_BYTES);
    TRY(file_read_at(fd, METADATA, &text, e));
    if (json_shallow(buf_str(&text)))
        metadata = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);
    ret->updated_ms = time_in(metadata, "UpdatedAt");
    ret->downloaded_ms = time_in(metadata, "DownloadedAt");
    if (ret->updated_ms == 0)
        return err_set(e, ERR_CORRUPT, METADATA " has no UpdatedAt with a time");
    return ERR_OK;
}

/* Of the part in the directory dir. Not there is no error. */
static enum err_code read_part(int dir_fd, enum data_part part, const char *dir,
                               struct data_facts *ret, struct err *e)
{
    AUTO(fd) int fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd) int file = -1;
    struct stat st;

    *ret = (struct data_facts){0};
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : err_errno(e, "open '%s'", dir);
    file = openat(fd, parts[part].file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || fstat(file, &st) < 0)
        return err_set(e, ERR_CORRUPT, "there is no %s/%s", parts[part].dir, parts[part].file);
    if (!S_ISREG(st.st_mode) || !parts[part].is_whole(file, (uint64_t)st.st_size))
        return err_set(e, ERR_CORRUPT, "%s/%s is no such database, or not whole", parts[part].dir,
                       parts[part].file);
    if (read_metadata(fd, ret, e) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "%s/" METADATA " can't be read, or has no UpdatedAt",
                       parts[part].dir);
    ret->bytes = (uint64_t)st.st_size;
    ret->there = true;
    return ERR_OK;
}

static void origin_name(enum data_part part, char dst[static NAME_SIZE])
{
    snprintf(dst, NAME_SIZE, "%s.origin", parts[part].dir);
}

/* Of a generation, or a draft. */
static enum err_code read_facts(int fd, enum data_part part, struct data_facts *ret, struct err *e)
{
    AUTO(buf) struct buf origin = {0};
    char name[NAME_SIZE];

    TRY(read_part(fd, part, parts[part].dir, ret, e));
    buf_init(&origin, DATA_ORIGIN_SIZE);
    origin_name(part, name);
    if (ret->there && file_read_at(fd, name, &origin, ERR_IGNORED) == ERR_OK)
        (void)str_copy(buf_str(&origin), ret->origin, sizeof(ret->origin));
    return ERR_OK;
}

/* ---- holding one */

static enum err_code try_hold(const struct generations *g, struct generation *ret, struct err *e)
{
    AUTO(fd) int fd = -1;
    char name[NAME_SIZE];

    if (!current_id(g, ret->id))
        return err_set(e, ERR_NOT_FOUND, "there is no vulnerability data in '%s'", g->dir);
    name_of(GENERATIONS, ret->id, name);
    fd = openat(g->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return err_errno(e, "open '%s/%s'", g->dir, name);
    if (fd < 0)
        return err_set(e, ERR_NOT_FOUND, "the vulnerability data '%s/%s' is gone", g->dir, name);
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 || !has_name(g, fd, name))
        return err_set(e, ERR_LATER, "it is being removed");
    for (enum data_part part = 0; part < DATA_PARTS; part++)
        TRY(read_facts(fd, part, &ret->parts[part], e));
    snprintf(ret->path, sizeof(ret->path), "%s/%s", g->dir, name);
    ret->fd = STEAL_FD(fd);
    return ERR_OK;
}

enum err_code generation_hold(const struct generations *g, struct generation *ret, struct err *e)
{
    enum err_code code = ERR_LATER;
    struct generation x = {.fd = -1};

    for (int i = 0; i < TRIES && (code == ERR_LATER || (code == ERR_NOT_FOUND && i < 2)); i++)
        code = try_hold(g, &x, e);
    if (code == ERR_OK)
        *ret = x;
    return code == ERR_LATER ? err_set(e, ERR_NOT_FOUND, "the vulnerability data is being removed")
                             : code;
}

void generation_release(struct generation *x)
{
    if (x->fd >= 0)
        close(STEAL_FD(x->fd));
}

/* ---- making one */

static enum err_code try_draft(const struct generations *g, struct data_draft *ret, struct err *e)
{
    AUTO(fd) int fd = -1;
    char name[NAME_SIZE];
    uint32_t random;

    random_bytes(&random, sizeof(random));
    snprintf(ret->id, sizeof(ret->id), "%013" PRId64 "-%08" PRIx32, clock_wall_ms(), random);
    name_of(INCOMING, ret->id, name);
    if (mkdirat(g->fd, name, 0755) < 0)
        return err_errno(e, "make '%s/%s'", g->dir, name);
    fd = openat(g->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || !has_name(g, fd, name))
        return err_set(e, ERR_LATER, "'%s/%s' was taken for a leftover", g->dir, name);
    snprintf(ret->path, sizeof(ret->path), "%s/%s", g->dir, name);
    ret->fd = STEAL_FD(fd);
    ret->of = g;
    return ERR_OK;
}

enum err_code data_draft_new(const struct generations *g, struct data_draft *ret, struct err *e)
{
    struct data_draft d = {.fd = -1};
    enum err_code code = ERR_LATER;

    for (int i = 0; i < TRIES && code == ERR_LATER; i++)
        code = try_draft(g, &d, e);
    if (code == ERR_OK)
        *ret = d;
    return code == ERR_LATER ? err_set(e, ERR_UNAVAILABLE, "'%s' is being swept", g->dir) : code;
}

void data_draft_done(struct data_draft *d)
{
    char name[NAME_SIZE];

    if (!d->of)
        return;
    name_of(INCOMING, d->id, name);
    (void)!file_remove_tree_at(d->of->fd, name, ERR_IGNORED);
    close(STEAL_FD(d->fd));
    d->of = NULL;
}

static enum err_code write_text(int dir_fd, const char *name, const char *text, struct err *e)
{
    AUTO(fd) int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        return err_errno(e, "write '%s'", name);
    return ERR_OK;
}

/* The scanner may run under another user than this process. */
static enum err_code make_readable(const struct data_draft *d, enum data_part part, struct err *e)
{
    AUTO(fd) int fd = openat(d->fd, parts[part].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fchmod(fd, 0755) < 0 || fchmodat(fd, parts[part].file, 0644, 0) < 0 ||
        fchmodat(fd, METADATA, 0644, 0) < 0)
        return err_errno(e, "make '%s/%s' readable", d->path, parts[part].dir);
    return ERR_OK;
}

static enum err_code has_part(const struct data_draft *d, enum data_part part, const char *origin,
                              struct err *e)
{
    char name[NAME_SIZE];
    struct data_facts unused;

    TRY(read_part(d->fd, part, parts[part].dir, &unused, e));
    if (!unused.there)
        return err_set(e, ERR_CORRUPT, "there is no %s", parts[part].dir);
    origin_name(part, name);
    return write_text(d->fd, name, origin, e);
}

enum err_code data_draft_add(struct data_draft *d, enum data_part part, const char *from,
                             const char *origin, struct err *e)
{
    if (renameat(AT_FDCWD, from, d->fd, parts[part].dir) < 0)
        return errno == ENOENT ? err_set(e, ERR_CORRUPT, "there is no '%s'", from)
                               : err_errno(e, "move '%s'", from);
    TRY(has_part(d, part, origin, e));
    return make_readable(d, part, e);
}

struct copying {
    data_go_on_fn go_on;
    void *ctx;
};

static enum err_code copy_bytes(int from, int to, const struct copying *c, struct err *e)
{
    ssize_t n;

    do {
        if (c->go_on && !c->go_on(c->ctx))
            return err_set(e, ERR_LATER, "stopped while copying vulnerability data");
        n = copy_file_range(from, NULL, to, NULL, COPY_BYTES, 0);
    } while (n > 0);
    return n < 0 ? err_errno(e, "copy vulnerability data") : ERR_OK;
}

static enum err_code copy_file(int from_dir, int to_dir, const char *name, const struct copying *c,
                               struct err *e)
{
    AUTO(fd) int from = openat(from_dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    AUTO(fd) int to = -1;

    if (from < 0)
        return errno == ENOENT ? err_set(e, ERR_CORRUPT, "there is no '%s'", name)
                               : err_errno(e, "open '%s'", name);
    to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0)
        return err_errno(e, "make '%s'", name);
    return copy_bytes(from, to, c, e);
}

/* The part's directory of the draft, new. */
static enum err_code make_part(const struct data_draft *d, enum data_part part, int *ret_fd,
                               struct err *e)
{
    if (mkdirat(d->fd, parts[part].dir, 0755) < 0)
        return err_errno(e, "make '%s/%s'", d->path, parts[part].dir);
    *ret_fd = openat(d->fd, parts[part].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? err_errno(e, "open '%s/%s'", d->path, parts[part].dir) : ERR_OK;
}

enum err_code data_draft_copy(struct data_draft *d, enum data_part part, const char *from,
                              const char *origin, data_go_on_fn go_on, void *ctx, struct err *e)
{
    const struct copying c = {go_on, ctx};
    AUTO(fd) int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd) int to = -1;
    char before[DATA_ORIGIN_SIZE], after[DATA_ORIGIN_SIZE];

    if (source < 0)
        return err_errno(e, "open '%s'", from);
    data_stamp(from, part, before);
    TRY(make_part(d, part, &to, e));
    TRY(copy_file(source, to, parts[part].file, &c, e));
    TRY(copy_file(source, to, METADATA, &c, e));
    data_stamp(from, part, after);
    if (strcmp(before, after) != 0)
        return err_set(e, ERR_CONFLICT, "'%s' was changed while it was copied", from);
    return has_part(d, part, origin, e);
}

enum err_code data_draft_keep(struct data_draft *d, enum data_part part,
                              const struct generation *old, struct err *e)
{
    const char *const files[] = {parts[part].file, METADATA};
    AUTO(fd) int from = openat(old->fd, parts[part].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd) int to = -1;

    if (from < 0)
        return err_errno(e, "open '%s/%s'", old->path, parts[part].dir);
    TRY(file_remove_tree_at(d->fd, parts[part].dir, e)); /* one that failed */
    TRY(make_part(d, part, &to, e));
    for (size_t i = 0; i < 2; i++) {
        if (linkat(from, files[i], to, files[i], 0) < 0)
            return err_errno(e, "link '%s/%s/%s'", old->path, parts[part].dir, files[i]);
    }
    return has_part(d, part, old->parts[part].origin, e);
}

enum err_code data_draft_facts(const struct data_draft *d, enum data_part part,
                               struct data_facts *ret, struct err *e)
{
    return read_facts(d->fd, part, ret, e);
}

/* Of all files on that file system: what a part is made of was written by another program. */
static enum err_code sync_all(const struct data_draft *d, struct err *e)
{
    return syncfs(d->fd) < 0 ? err_errno(e, "sync '%s'", d->path) : ERR_OK;
}

enum err_code data_draft_switch(struct data_draft *d, struct err *e)
{
    char incoming[NAME_SIZE], name[NAME_SIZE], link[NAME_SIZE];
    int dir = d->of->fd;

    TRY(sync_all(d, e));
    name_of(INCOMING, d->id, incoming);
    name_of(GENERATIONS, d->id, name);
    snprintf(link, sizeof(link), INCOMING "/%s" LINK, d->id);
    /* Its lock goes with it: nobody takes it for a leftover before the link is there. */
    if (renameat(dir, incoming, dir, name) < 0)
        return err_errno(e, "rename '%s'", d->path);
    if (symlinkat(name, dir, link) < 0 || renameat(dir, link, dir, CURRENT) < 0)
        return err_errno(e, "switch '%s/" CURRENT "'", d->of->dir);
    return file_sync_dir(dir) < 0 ? err_errno(e, "sync '%s'", d->of->dir) : ERR_OK;
}

/* ---- what stands somewhere */

static size_t stamp_file(int dir_fd, const char *name, char *dst, size_t cap)
{
    struct stat st;
    int n;

    if (fstatat(dir_fd, name, &st, 0) < 0)
        return 0;
    n = snprintf(dst, cap, " %" PRIu64 "/%" PRIu64 "/%" PRIu64 ".%09ld", (uint64_t)st.st_ino,
                 (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

void data_stamp(const char *dir, enum data_part part, char dst[static DATA_ORIGIN_SIZE])
{
    AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t file = 0, metadata = 0;

    if (fd >= 0) {
        file = stamp_file(fd, parts[part].file, dst, DATA_ORIGIN_SIZE);
        metadata = file ? stamp_file(fd, METADATA, dst + file, DATA_ORIGIN_SIZE - file) : 0;
    }
    if (file == 0 || metadata == 0)
        dst[0] = '\0';
}

/* ---- leftovers */

static void remove_unused(const struct generations *g, const char *in, const char *id)
{
    AUTO(fd) int fd = -1;
    char name[NAME_SIZE], current[DATA_ID_SIZE];

    name_of(in, id, name);
    fd = openat(g->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !has_name(g, fd, name))
        return;
    if (current_id(g, current) && strcmp(current, id) == 0)
        return;
    (void)!file_remove_tree_at(g->fd, name, ERR_IGNORED); /* the next sweep tries again */
}

/* The link of a switch that was broken off. Who is about to switch holds its generation. */
static void remove_link(const struct generations *g, struct str id)
{
    AUTO(fd) int fd = -1;
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), GENERATIONS "/" STR_FMT, STR_ARG(id));
    fd = openat(g->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 ? flock(fd, LOCK_EX | LOCK_NB) < 0 : errno != ENOENT)
        return;
    snprintf(name, sizeof(name), INCOMING "/" STR_FMT LINK, STR_ARG(id));
    unlinkat(g->fd, name, 0);
}

/* "ID.link" */
static bool is_link(struct str name, struct str *ret_id)
{
    if (!str_ends(name, STR(LINK)))
        return false;
    *ret_id = str_sub(name, 0, name.n - sizeof(LINK) + 1);
    return is_id(*ret_id);
}

static void sweep_in(const struct generations *g, const char *in)
{
    AUTO(dir) DIR *dir = NULL;
    AUTO(fd) int fd = openat(g->fd, in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct dirent *entry;
    struct str id;

    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return;
    fd = -1; /* it is the stream's now */
    while ((entry = readdir(dir))) {
        if (is_id(str_of(entry->d_name)))
            remove_unused(g, in, entry->d_name);
        else if (is_link(str_of(entry->d_name), &id))
            remove_link(g, id);
    }
}

void generations_sweep(const struct generations *g)
{
    sweep_in(g, GENERATIONS);
    sweep_in(g, INCOMING);
}
