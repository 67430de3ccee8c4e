#include "store/s3/temp.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "store/s3/multipart.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define WAIT_MS 10000 /* a client, and a worker, wait for room */
#define LOOK_MS 500   /* what others do with the disk nobody tells */

/* A part of the disk stays to others, the database first of all. */
#define KEPT_SHARE 10 /* a tenth */
#define KEPT_MOST  (1ull << 30)

struct s3_temp {
    int dir_fd;
    uint64_t max_bytes;
    bool (*free_some)(void *ctx);
    void *ctx;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t freed;
    uint64_t taken_bytes, filled_bytes; /* of all rooms */
    int64_t end_ms;                     /* monotonic: nobody waits for longer */
};

enum err_code s3_temp_new(const char *path, uint64_t max_bytes, bool (*free_some)(void *ctx),
                          void *ctx, struct s3_temp **ret_temp, struct err *e)
{
    struct s3_temp *t;
    int fd;

    TRY(file_mkdirs_at(AT_FDCWD, path, false, e));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, "open '%s'", path);
    t = NEW(struct s3_temp);
    t->dir_fd = fd;
    t->max_bytes = max_bytes ? max_bytes : UINT64_MAX;
    t->free_some = free_some;
    t->ctx = ctx;
    t->end_ms = INT64_MAX;
    pthread_mutex_init(&t->lock, NULL);
    thread_cond_init(&t->freed);
    *ret_temp = t;
    return ERR_OK;
}

void s3_temp_free(struct s3_temp *t)
{
    if (!t)
        return;
    close(t->dir_fd);
    pthread_cond_destroy(&t->freed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

enum err_code s3_temp_open(struct s3_temp *t, int *ret_fd, struct err *e)
{
    int fd = openat(t->dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(e, "make a temporary file");
    *ret_fd = fd;
    return ERR_OK;
}

/* What all rooms may be together; what is in the files already is theirs. Lock held. */
static uint64_t most_bytes(const struct s3_temp *t)
{
    struct statvfs v;
    uint64_t kept, there;

    if (fstatvfs(t->dir_fd, &v) < 0)
        return t->max_bytes;
    kept = (uint64_t)v.f_blocks * v.f_frsize / KEPT_SHARE;
    if (kept > KEPT_MOST)
        kept = KEPT_MOST;
    there = (uint64_t)v.f_bavail * v.f_frsize + t->filled_bytes;
    there = there > kept ? there - kept : 0;
    return there < t->max_bytes ? there : t->max_bytes;
}

/* Lock held. */
static bool take(struct s3_temp *t, struct s3_room *r, uint64_t bytes)
{
    uint64_t more = bytes - r->taken_bytes;

    if (t->taken_bytes + more > most_bytes(t))
        return false;
    t->taken_bytes += more;
    r->taken_bytes = bytes;
    return true;
}

bool s3_temp_grow(struct s3_temp *t, struct s3_room *r, uint64_t bytes)
{
    bool taken;

    if (bytes <= r->taken_bytes)
        return true;
    pthread_mutex_lock(&t->lock);
    taken = take(t, r, bytes);
    pthread_mutex_unlock(&t->lock);
    return taken;
}

/* Lock held, and given up meanwhile. False: it was too long. */
static bool wait_until(struct s3_temp *t, int64_t until_ms)
{
    int64_t now_ms = clock_mono_ms(), left_ms;
    struct timespec until;

    if (until_ms > t->end_ms)
        until_ms = t->end_ms;
    left_ms = until_ms - now_ms;
    if (left_ms <= 0)
        return false;
    until = clock_mono_in(left_ms < LOOK_MS ? left_ms : LOOK_MS);
    pthread_cond_timedwait(&t->freed, &t->lock, &until);
    return true;
}

/* Lock held, and given up meanwhile. */
static bool make_room(struct s3_temp *t)
{
    bool some;

    pthread_mutex_unlock(&t->lock);
    some = t->free_some(t->ctx);
    pthread_mutex_lock(&t->lock);
    return some;
}

enum err_code s3_temp_wait(struct s3_temp *t, struct s3_room *r, uint64_t bytes, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    enum err_code code = ERR_OK;

    if (bytes <= r->taken_bytes)
        return ERR_OK;
    pthread_mutex_lock(&t->lock);
    while (code == ERR_OK && !take(t, r, bytes)) {
        if (bytes > most_bytes(t))
            code = err_tell(e, ERR_STORAGE_FULL, "there is no room for uploads");
        else if (!make_room(t) && !wait_until(t, until_ms))
            code = err_tell(e, ERR_UNAVAILABLE,
                            "other uploads have all the room that there is; try again later");
    }
    pthread_mutex_unlock(&t->lock);
    return code;
}

void s3_temp_fill(struct s3_temp *t, struct s3_room *r, uint64_t bytes)
{
    pthread_mutex_lock(&t->lock);
    t->filled_bytes += bytes - r->filled_bytes;
    pthread_mutex_unlock(&t->lock);
    r->filled_bytes = bytes;
}

void s3_temp_give(struct s3_temp *t, struct s3_room *r)
{
    if (r->taken_bytes == 0)
        return;
    pthread_mutex_lock(&t->lock);
    t->taken_bytes -= r->taken_bytes;
    t->filled_bytes -= r->filled_bytes;
    pthread_cond_broadcast(&t->freed);
    pthread_mutex_unlock(&t->lock);
    *r = (struct s3_room){0};
}

enum err_code s3_temp_health(struct s3_temp *t, struct err *e)
{
    uint64_t most;

    pthread_mutex_lock(&t->lock);
    most = most_bytes(t);
    pthread_mutex_unlock(&t->lock);
    if (most < S3_PART_MIN_BYTES)
        return err_tell(e, ERR_STORAGE_FULL, "there is no room for uploads");
    return ERR_OK;
}

void s3_temp_hurry(struct s3_temp *t, uint64_t ms)
{
    pthread_mutex_lock(&t->lock);
    t->end_ms = clock_mono_ms() + (int64_t)ms;
    pthread_cond_broadcast(&t->freed);
    pthread_mutex_unlock(&t->lock);
}
