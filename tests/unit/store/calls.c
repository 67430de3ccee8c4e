#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST     4000
#define TEXT_MAX 1200

static struct calls_options options;
static bool on;
static size_t n_calls;
static char calls[MOST][TEXT_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of these, while they are made */

void calls_start(const struct calls_options *o)
{
    options = o ? *o : (struct calls_options){0};
    n_calls = 0;
    on = true;
}

void calls_stop(void)
{
    on = false;
}

static bool is_call(size_t i, const char *name)
{
    size_t n = strlen(name);

    return n == 0 || (strncmp(calls[i], name, n) == 0 && calls[i][n] == ' ');
}

size_t calls_count(const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < n_calls; i++)
        n += is_call(i, name);
    return n;
}

const char *calls_at(size_t i)
{
    return i < n_calls ? calls[i] : "";
}

int calls_find(int from, const char *text)
{
    for (size_t i = from < 0 ? n_calls : (size_t)from; i < n_calls; i++) {
        if (strstr(calls[i], text))
            return (int)i;
    }
    return -1;
}

/* Records the call. Under the mutex. */
static bool is_to_fail(const char *name, const char *a, const char *b)
{
    if (!on)
        return false;
    if (n_calls < MOST)
        snprintf(calls[n_calls++], TEXT_MAX, "%s %.500s %.500s", name, a, b);
    if (!options.fail || (options.fail[0] && strcmp(options.fail, name) != 0))
        return false;
    return options.nth == 0 || calls_count(options.fail) == options.nth;
}

/* With errno set. */
static bool fails(const char *name, const char *a, const char *b)
{
    bool failing;

    pthread_mutex_lock(&mutex);
    failing = is_to_fail(name, a, b);
    pthread_mutex_unlock(&mutex);
    if (failing)
        errno = options.error;
    return failing;
}

static bool fd_fails(const char *name, int fd)
{
    char link[64], path[PATH_MAX];
    int saved = errno;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    errno = saved;
    return fails(name, path, "");
}

#define WRAP(type, name, params, failing, args)                                                    \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return (failing) ? (type)-1 : __real_##name args;                                          \
    }

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);

/* Of the ways to open, only making a file changes anything. */
int __wrap_openat64(int dir, const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    va_start(ap, flags);
    if (flags & O_CREAT)
        mode = va_arg(ap, mode_t);
    va_end(ap);
    if (fails(flags & O_CREAT ? "create" : "open", path, ""))
        return -1;
    return __real_openat64(dir, path, flags, mode);
}

WRAP(int, mkdirat, (int dir, const char *path, mode_t mode), fails("mkdirat", path, ""),
     (dir, path, mode))
WRAP(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
     fails("linkat", from, to), (from_dir, from, to_dir, to, flags))
WRAP(int, symlinkat, (const char *target, int dir, const char *path),
     fails("symlinkat", target, path), (target, dir, path))
WRAP(int, renameat, (int from_dir, const char *from, int to_dir, const char *to),
     fails("renameat", from, to), (from_dir, from, to_dir, to))
WRAP(int, renameat2, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),
     fails("renameat2", from, to), (from_dir, from, to_dir, to, flags))
WRAP(int, unlinkat, (int dir, const char *path, int flags), fails("unlinkat", path, ""),
     (dir, path, flags))
/* What a test checks is that the call was made, not the disk: there are thousands. */
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_syncfs(int fd);

int __wrap_fsync(int fd)
{
    return fd_fails("fsync", fd) ? -1 : 0;
}

int __wrap_fdatasync(int fd)
{
    return fd_fails("fdatasync", fd) ? -1 : 0;
}

int __wrap_syncfs(int fd)
{
    return fd_fails("syncfs", fd) ? -1 : 0;
}

WRAP(int, sync_file_range, (int fd, off_t at, off_t n, unsigned flags),
     fd_fails("sync_file_range", fd), (fd, at, n, flags))
WRAP(int, fallocate64, (int fd, int mode, off_t at, off_t n), fd_fails("fallocate", fd),
     (fd, mode, at, n))
WRAP(int, ftruncate64, (int fd, off_t n), fd_fails("ftruncate", fd), (fd, n))
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t at), fd_fails("pwrite", fd),
     (fd, p, n, at))
