#include "base/reserve.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Room beyond the reserve itself before it is taken back: else the next write would give it up
 * again. */
#define MARGIN_BYTES (1 << 20)

struct reserve {
    uint64_t bytes;
    int fd;
    atomic_bool held;
    pthread_mutex_t mutex; /* one change at a time */
};

static bool has_room(const struct reserve *r)
{
    struct statvfs v;

    return fstatvfs(r->fd, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize >= r->bytes + MARGIN_BYTES;
}

/* Under the mutex, or before others know r. */
static void take(struct reserve *r)
{
    if (fallocate(r->fd, 0, 0, (off_t)r->bytes) == 0)
        atomic_store(&r->held, true);
    else
        (void)!ftruncate(r->fd, 0); /* part of it may have been taken */
}

enum err_code reserve_new(const char *path, uint64_t bytes, struct reserve **ret_reserve,
                          struct err *e)
{
    AUTO(fd) int fd = -1;
    struct reserve *r;
    struct stat status;

    *ret_reserve = NULL;
    if (bytes == 0) {
        if (unlink(path) < 0 && errno != ENOENT)
            return err_errno(e, "remove the reserve '%s'", path);
        return ERR_OK;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno != ENOSPC && errno != EDQUOT)
        return err_errno(e, "make the reserve '%s'", path);
    if (fd < 0)
        return ERR_OK; /* not even room for its name: until the next start */
    if (fstat(fd, &status) == 0 && (uint64_t)status.st_size > bytes && ftruncate(fd, 0) < 0)
        return err_errno(e, "shorten the reserve '%s'", path);
    r = NEW(struct reserve);
    r->bytes = bytes;
    r->fd = fd;
    take(r);
    if (!atomic_load(&r->held) && errno == EOPNOTSUPP) {
        free(r);
        return ERR_OK;
    }
    fd = -1;
    pthread_mutex_init(&r->mutex, NULL);
    *ret_reserve = r;
    return ERR_OK;
}

void reserve_free(struct reserve *r)
{
    if (!r)
        return;
    close(r->fd);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

bool reserve_give_up(struct reserve *r)
{
    bool given = false;

    if (!r)
        return false;
    pthread_mutex_lock(&r->mutex);
    if (atomic_load(&r->held)) {
        atomic_store(&r->held, false); /* first: nobody else shall take what comes free */
        given = ftruncate(r->fd, 0) == 0;
    }
    pthread_mutex_unlock(&r->mutex);
    return given;
}

bool reserve_was_held(const struct reserve *r)
{
    return !r || atomic_load(&r->held);
}

bool reserve_held(struct reserve *r)
{
    if (reserve_was_held(r))
        return true;
    pthread_mutex_lock(&r->mutex);
    if (!atomic_load(&r->held) && has_room(r))
        take(r);
    pthread_mutex_unlock(&r->mutex);
    return atomic_load(&r->held);
}
