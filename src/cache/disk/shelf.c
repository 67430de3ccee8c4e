#include "cache/disk/shelf.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define TOUCH_MS 60000 /* the file's time of use is renewed no more often */

static const char *const dirs[] = {"once", "again"};

struct path {
    char text[DIGEST_TEXT_MAX + 16];
};

static struct path path_of(const struct digest *d, bool again)
{
    struct path p;

    snprintf(p.text, sizeof(p.text), "%s/%s", dirs[again], d->text);
    return p;
}

/* The lists. */

static void unlist(struct shelf *s, struct shelf_blob *b)
{
    struct shelf_list *l = &s->lists[b->again];

    *(b->newer ? &b->newer->older : &l->newest) = b->older;
    *(b->older ? &b->older->newer : &l->oldest) = b->newer;
    l->bytes -= b->size_bytes;
}

static void list(struct shelf *s, struct shelf_blob *b, bool again)
{
    struct shelf_list *l = &s->lists[again];

    b->again = again;
    b->newer = NULL;
    b->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = b;
    l->newest = b;
    l->bytes += b->size_bytes;
}

/* A rename that fails costs no more than its place after a restart; its file is looked for where it
 * was, so it stays in its list. */
static void move(struct shelf *s, struct shelf_blob *b, bool again)
{
    struct path from = path_of(&b->digest, b->again), to = path_of(&b->digest, again);

    if (b->again != again && renameat(s->dir_fd, from.text, s->dir_fd, to.text) < 0)
        again = b->again;
    unlist(s, b);
    list(s, b, again);
}

/* Names come from clients: which bucket they are in must not. */
static struct shelf_blob **bucket_of(struct shelf *s, const struct digest *d)
{
    uint64_t h = s->seed;

    for (size_t i = 0; i < d->n; i++)
        h = (h ^ (unsigned char)d->text[i]) * 0x100000001b3u;
    return &s->buckets[(h ^ h >> 32) % SHELF_BUCKETS];
}

struct shelf_blob *shelf_find(struct shelf *s, const struct digest *d)
{
    struct shelf_blob *b = *bucket_of(s, d);

    while (b && !digest_eq(&b->digest, d))
        b = b->chain;
    return b;
}

static struct shelf_blob *add(struct shelf *s, const struct digest *d, uint64_t size_bytes,
                              bool again)
{
    struct shelf_blob **bucket = bucket_of(s, d), *b = NEW(struct shelf_blob);

    b->digest = *d;
    b->size_bytes = size_bytes;
    b->used_ms = clock_wall_ms();
    b->chain = *bucket;
    *bucket = b;
    list(s, b, again);
    return b;
}

static void forget(struct shelf *s, struct shelf_blob *b)
{
    struct shelf_blob **at = bucket_of(s, &b->digest);

    while (*at != b)
        at = &(*at)->chain;
    *at = b->chain;
    unlist(s, b);
    free(b);
}

void shelf_drop(struct shelf *s, struct shelf_blob *b)
{
    struct path p = path_of(&b->digest, b->again);

    unlinkat(s->dir_fd, p.text, 0);
    forget(s, b);
}

/* Use. */

/* What was asked for again has four fifths; what is over goes back among the others. */
static void promote(struct shelf *s, struct shelf_blob *b)
{
    struct shelf_list *again = &s->lists[true];

    move(s, b, true);
    while (again->bytes > s->max_bytes / 5 * 4 && again->oldest != again->newest)
        move(s, again->oldest, false);
}

static void touch(struct shelf *s, struct shelf_blob *b, int fd)
{
    int64_t now_ms = clock_wall_ms();

    promote(s, b);
    if (now_ms - b->used_ms < TOUCH_MS && now_ms >= b->used_ms)
        return;
    b->used_ms = now_ms;
    futimens(fd, NULL);
}

int shelf_take(struct shelf *s, struct shelf_blob *b)
{
    struct path p = path_of(&b->digest, b->again);
    AUTO(fd) int fd = openat(s->dir_fd, p.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        return -1;
    if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != b->size_bytes) {
        shelf_drop(s, b);
        return -1;
    }
    touch(s, b, fd);
    return STEAL_FD(fd);
}

/* Room. */

static uint64_t all_bytes(const struct shelf *s)
{
    return s->lists[false].bytes + s->lists[true].bytes + s->reserved_bytes;
}

static bool make_room(struct shelf *s, uint64_t bytes)
{
    if (bytes > s->max_bytes || s->reserved_bytes > s->max_bytes - bytes)
        return false;
    while (all_bytes(s) > s->max_bytes - bytes) {
        struct shelf_blob *b = s->lists[false].oldest;

        shelf_drop(s, b ? b : s->lists[true].oldest);
    }
    return true;
}

bool shelf_reserve(struct shelf *s, uint64_t bytes)
{
    if (bytes > s->max_bytes / 2 || !make_room(s, bytes))
        return false;
    s->reserved_bytes += bytes;
    return true;
}

void shelf_release(struct shelf *s, uint64_t bytes)
{
    s->reserved_bytes -= bytes;
}

bool shelf_put(struct shelf *s, const char *part, const struct digest *d, uint64_t size_bytes)
{
    struct path p = path_of(d, false);

    shelf_release(s, size_bytes);
    if (shelf_find(s, d) || renameat(s->dir_fd, part, s->dir_fd, p.text) < 0) {
        unlinkat(s->dir_fd, part, 0);
        return false;
    }
    add(s, d, size_bytes, false);
    return true;
}

/* Opening. */

static enum err_code open_dir(int dir_fd, const char *name, DIR **ret_dir, struct err *e)
{
    AUTO(fd) int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, "open '%s' of the cache", name);
    *ret_dir = fdopendir(fd);
    if (!*ret_dir)
        return err_errno(e, "open '%s' of the cache", name);
    STEAL_FD(fd);
    return ERR_OK;
}

static enum err_code empty_parts(struct shelf *s, struct err *e)
{
    AUTO(dir) DIR *dir = NULL;
    struct dirent *entry;

    TRY(open_dir(s->dir_fd, "part", &dir, e));
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
            return err_errno(e, "remove 'part/%s' of the cache", entry->d_name);
    }
    return ERR_OK;
}

static enum err_code read_list(struct shelf *s, bool again, struct err *e)
{
    AUTO(dir) DIR *dir = NULL;
    struct dirent *entry;

    TRY(open_dir(s->dir_fd, dirs[again], &dir, e));
    while ((entry = readdir(dir)) != NULL) {
        struct digest d;
        struct stat st;

        if (digest_parse(str_of(entry->d_name), &d, ERR_IGNORED) != ERR_OK ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        if (shelf_find(s, &d)) { /* it can't be in both but by somebody else's hand */
            unlinkat(dirfd(dir), entry->d_name, 0);
            continue;
        }
        add(s, &d, (uint64_t)st.st_size, again)->used_ms =
            st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    }
    return ERR_OK;
}

static int by_use(const void *a, const void *b)
{
    const struct shelf_blob *const *x = a, *const *y = b;

    return ((*x)->used_ms > (*y)->used_ms) - ((*x)->used_ms < (*y)->used_ms);
}

/* The one used last comes first. */
static void sort(struct shelf *s, bool again)
{
    size_t n = 0, i = 0;
    AUTO(mem) struct shelf_blob **all = NULL;

    for (struct shelf_blob *b = s->lists[again].newest; b; b = b->older)
        n++;
    all = mem_alloc((n + 1) * sizeof(struct shelf_blob *));
    for (struct shelf_blob *b = s->lists[again].newest; b; b = b->older)
        all[i++] = b;
    qsort(all, n, sizeof(struct shelf_blob *), by_use);
    s->lists[again] = (struct shelf_list){0};
    for (i = 0; i < n; i++)
        list(s, all[i], again);
}

static enum err_code open_all(struct shelf *s, const char *path, struct err *e)
{
    TRY(file_mkdirs_at(AT_FDCWD, path, false, e));
    s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return err_errno(e, "open '%s'", path);
    if (flock(s->dir_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(e, "lock '%s'", path);
        return err_set(e, ERR_UNAVAILABLE, "another process has the cache '%s'", path);
    }
    TRY(file_mkdirs_at(s->dir_fd, "part", false, e));
    TRY(empty_parts(s, e));
    for (int again = 0; again < 2; again++) {
        TRY(file_mkdirs_at(s->dir_fd, dirs[again], false, e));
        TRY(read_list(s, again, e));
        sort(s, again);
    }
    make_room(s, 0);
    return ERR_OK;
}

enum err_code shelf_open(struct shelf *s, const char *path, uint64_t max_bytes, struct err *e)
{
    enum err_code code;

    *s = (struct shelf){.dir_fd = -1, .max_bytes = max_bytes};
    random_bytes(&s->seed, sizeof(s->seed));
    code = open_all(s, path, e);
    if (code != ERR_OK)
        shelf_close(s);
    return code;
}

void shelf_close(struct shelf *s)
{
    for (int again = 0; again < 2; again++) {
        while (s->lists[again].oldest)
            forget(s, s->lists[again].oldest);
    }
    if (s->dir_fd >= 0)
        close(s->dir_fd);
}
