#include "cache/disk/intake.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/disk/hit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    PIECE_BYTES = 256 * 1024,
    AHEAD_BYTES = 8 * 1024 * 1024, /* whoever wants to begin further behind what is there goes
                                      to the store */
    STACK_BYTES = 256 * 1024,
    TRIES = 4, /* without a byte in between */
    PAUSE_MS = 100,
};

/* FAILED: for all. BROKEN: only the file here; the store is as it was. */
enum fetch_state { FETCHING, FETCHED, FAILED, BROKEN };

struct fetch {
    struct disk *disk;
    struct fetch *next; /* in disk->fetches */
    struct fetcher *fetcher;
    struct repo_name repo;
    struct digest digest;
    uint64_t size_bytes, ready_bytes; /* ready: in the file, and good to be shown */
    enum fetch_state state;
    bool spoilt;   /* not to be kept */
    unsigned refs; /* the thread and the readers */
    struct disk_reader *readers;
    struct reader *source; /* the thread's */
    int fd;
    char part[32];
    struct err err;
};

struct disk_reader {
    struct reader reader;
    struct disk *disk;
    struct repo_name repo;
    struct digest digest;
    uint64_t size_bytes, at_bytes;
    uint64_t end_bytes;   /* reader_expect(); a fetch has all */
    struct reader *inner; /* a reader of the store; NULL once a fetch has it */
    bool settled;         /* by its first read: it reads inner, or fetch */
    struct fetch *fetch;
    struct disk_reader *next; /* in fetch->readers */
    bool waiting;             /* for event_fd */
    int event_fd;             /* -1: none */
    int wait_fd;              /* an epoll set with event_fd or what inner waits for */
};

static struct disk_reader *reader_of(struct reader *r)
{
    return (struct disk_reader *)r;
}

/* The thread. */

static void unref(struct fetch *f)
{
    if (--f->refs > 0)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

static void wake_readers(struct fetch *f)
{
    uint64_t one = 1;

    for (struct disk_reader *r = f->readers; r; r = r->next) {
        if (r->waiting)
            (void)!write(r->event_fd, &one, sizeof(one));
        r->waiting = false;
    }
}

/* Shows what has come. False: nobody wants the rest. */
static bool show(struct fetch *f, uint64_t ready_bytes)
{
    bool wanted;

    pthread_mutex_lock(&f->disk->lock);
    f->ready_bytes = ready_bytes;
    wake_readers(f);
    wanted = !f->disk->quit && (f->readers || ready_bytes >= f->size_bytes / 2);
    pthread_mutex_unlock(&f->disk->lock);
    return wanted;
}

/* Waits so long, or for fd as well; false when all is to end. */
static bool wait_for(struct fetch *f, int fd, int ms)
{
    struct pollfd p[] = {{.fd = f->disk->quit_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    return poll(p, fd >= 0 ? 2 : 1, ms) < 1 || !p[0].revents;
}

/* One read of the source, waiting. */
static enum err_code read_source(struct fetch *f, char *buf, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    enum err_code code;

    while ((code = reader_read(f->source, buf, cap, ret_n, e)) == ERR_LATER) {
        if (!wait_for(f, reader_wait_fd(f->source), -1))
            return err_set(e, ERR_UNAVAILABLE, "the cache is being closed");
    }
    if (code == ERR_OK && *ret_n == 0)
        return err_set(e, ERR_CORRUPT, "%s is shorter than its %ju bytes", f->digest.text,
                       (uintmax_t)f->size_bytes);
    return code;
}

static enum err_code open_source(struct fetch *f, uint64_t at_bytes, struct err *e)
{
    struct reader *source;
    uint64_t size_bytes;

    TRY(store_blob_open(f->disk->store.inner, &f->repo, &f->digest, f->size_bytes, &source,
                        &size_bytes, e));
    reader_free(f->source);
    f->source = source;
    return reader_seek(f->source, at_bytes, e);
}

/* The same, but going on where it broke off. Before the first byte it fails at once: somebody waits
 * for the answer. */
static enum err_code read_patiently(struct fetch *f, uint64_t at_bytes, char *buf, size_t cap,
                                    size_t *ret_n, struct err *e)
{
    enum err_code code = read_source(f, buf, cap, ret_n, e);

    for (int i = 1; code != ERR_OK && at_bytes > 0 && i < TRIES; i++) {
        if (!wait_for(f, -1, PAUSE_MS << i))
            break;
        code = open_source(f, at_bytes, e);
        if (code == ERR_OK)
            code = read_source(f, buf, cap, ret_n, e);
    }
    return code;
}

static enum err_code check_digest(struct fetch *f, const struct hasher *h, struct err *e)
{
    struct digest actual;

    hasher_digest(h, &actual);
    if (digest_eq(&actual, &f->digest))
        return ERR_OK;
    return err_set(e, ERR_CORRUPT, "content of %s that was fetched has the digest %s",
                   f->digest.text, actual.text);
}

static void set_state(struct fetch *f, enum fetch_state state)
{
    pthread_mutex_lock(&f->disk->lock);
    f->state = state;
    f->spoilt |= state != FETCHED;
    wake_readers(f);
    pthread_mutex_unlock(&f->disk->lock);
}

static enum err_code copy(struct fetch *f, struct err *e)
{
    AUTO(hasher) struct hasher *h = hasher_new(f->digest.algorithm);
    AUTO(mem) char *buf = mem_alloc(PIECE_BYTES);
    uint64_t at = 0;
    size_t n = 0;

    while (at < f->size_bytes) {
        uint64_t left = f->size_bytes - at;

        TRY(read_patiently(f, at, buf, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &n, e));
        if (file_pwrite_all(f->fd, buf, n, at) < 0) {
            err_errno(e, "write to the cache");
            set_state(f, BROKEN);
            return e->code;
        }
        hasher_update(h, buf, n);
        at += n;
        if (at == f->size_bytes)
            TRY(check_digest(f, h, e));
        if (!show(f, at) && at < f->size_bytes)
            return err_set(e, ERR_CLIENT_GONE, "nobody waits for %s any more", f->digest.text);
    }
    return ERR_OK;
}

static void keep(struct fetch *f)
{
    struct disk *c = f->disk;
    char text[DIGEST_TEXT_MAX + 80];

    if (!shelf_put(&c->shelf, f->part, &f->digest, f->size_bytes))
        return;
    snprintf(text, sizeof(text), "Cache MISS for layer %s (fetched from %s, cached)",
             f->digest.text, c->from);
    log_event(LOG_INFO, text, LOG_U64("bytes", f->size_bytes));
}

/* With the lock. */
static void take_out(struct disk *c, struct fetch *f)
{
    struct fetch **at = &c->fetches;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    c->n_fetches--;
}

static void end(struct fetch *f)
{
    struct disk *c = f->disk;

    pthread_mutex_lock(&c->lock);
    take_out(c, f);
    if (f->spoilt) {
        shelf_release(&c->shelf, f->size_bytes);
        unlinkat(c->shelf.dir_fd, f->part, 0);
    } else {
        keep(f);
    }
    f->fetcher->ended = true;
    unref(f);
    pthread_cond_broadcast(&c->fewer);
    pthread_mutex_unlock(&c->lock);
}

static void give_up(struct fetch *f, const struct err *e)
{
    pthread_mutex_lock(&f->disk->lock);
    if (f->state == BROKEN || e->code == ERR_CORRUPT) /* else its readers tell it */
        log_err(LOG_WARNING, "a blob was not fetched into the cache", e);
    f->err = *e;
    if (f->state == FETCHING && e->code == ERR_CLIENT_GONE)
        f->state = BROKEN; /* somebody may have come just now */
    else if (f->state == FETCHING)
        f->state = FAILED;
    f->spoilt = true;
    wake_readers(f);
    pthread_mutex_unlock(&f->disk->lock);
}

static void *fetch_main(void *arg)
{
    struct fetch *f = arg;
    struct err e = {0};

    if (copy(f, &e) != ERR_OK)
        give_up(f, &e);
    else if (fdatasync(f->fd) == 0) /* by its name it is whole, also after a power loss */
        set_state(f, FETCHED);
    else
        set_state(f, BROKEN);
    reader_free(STEAL(f->source));
    end(f);
    return NULL;
}

/* Beginning, with the lock. */

static struct fetch *find(struct disk *c, const struct digest *d)
{
    struct fetch *f = c->fetches;

    while (f && (f->spoilt || !digest_eq(&f->digest, d)))
        f = f->next;
    return f;
}

static struct fetcher *free_fetcher(struct disk *c)
{
    for (size_t i = 0; i < FETCHES_MAX; i++) {
        struct fetcher *one = &c->fetchers[i];

        if (one->started && one->ended) {
            pthread_join(one->thread, NULL); /* it is about to return: it needs no lock any more */
            one->started = one->ended = false;
        }
        if (!one->started)
            return one;
    }
    return NULL;
}

static struct fetch *fetch_new(struct disk *c, const struct disk_reader *r)
{
    struct fetch *f = NEW(struct fetch);

    f->disk = c;
    f->repo = r->repo;
    f->digest = r->digest;
    f->size_bytes = r->size_bytes;
    snprintf(f->part, sizeof(f->part), "part/%ju", (uintmax_t)++c->n_parts);
    f->fd = openat(c->shelf.dir_fd, f->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    f->refs = 1;
    return f;
}

static struct fetch *begin(struct disk *c, struct disk_reader *r)
{
    struct fetcher *fetcher = c->quit ? NULL : free_fetcher(c);
    struct fetch *f;

    if (!fetcher || !shelf_reserve(&c->shelf, r->size_bytes))
        return NULL;
    f = fetch_new(c, r);
    f->fetcher = fetcher;
    f->source = r->inner;
    if (f->fd < 0 || thread_start(&fetcher->thread, "fetcher", STACK_BYTES, fetch_main, f) != 0) {
        if (f->fd >= 0)
            unlinkat(c->shelf.dir_fd, f->part, 0);
        shelf_release(&c->shelf, r->size_bytes);
        unref(f);
        return NULL;
    }
    fetcher->started = true;
    r->inner = NULL;
    f->next = c->fetches;
    c->fetches = f;
    c->n_fetches++;
    return f;
}

void intake_spoil(struct disk *c, const struct digest *d)
{
    struct fetch *f = find(c, d);

    if (f)
        f->spoilt = true;
}

void intake_end(struct disk *c)
{
    uint64_t one = 1;

    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_mutex_unlock(&c->lock);
    (void)!write(c->quit_fd, &one, sizeof(one));
    for (size_t i = 0; i < FETCHES_MAX; i++) {
        if (c->fetchers[i].started)
            pthread_join(c->fetchers[i].thread, NULL);
    }
}

/* A reader. */

static void leave(struct disk_reader *r)
{
    struct disk_reader **at;

    if (!r->fetch)
        return;
    pthread_mutex_lock(&r->disk->lock);
    at = &r->fetch->readers;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    unref(STEAL(r->fetch));
    pthread_mutex_unlock(&r->disk->lock);
    close(r->event_fd);
    r->event_fd = -1;
}

/* What it waits for is to others one descriptor, whatever it reads from. */
static bool watch(struct disk_reader *r, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN};

    return epoll_ctl(r->wait_fd, EPOLL_CTL_ADD, fd, &ev) == 0 || errno == EEXIST;
}

/* Reads on from the store itself. */
static enum err_code go_round(struct disk_reader *r, struct err *e)
{
    struct reader *inner;
    uint64_t size_bytes;

    leave(r);
    if (!r->inner) {
        TRY(store_blob_open(r->disk->store.inner, &r->repo, &r->digest, r->size_bytes, &inner,
                            &size_bytes, e));
        r->inner = inner;
    }
    reader_expect(r->inner, r->end_bytes);
    return r->at_bytes > 0 ? reader_seek(r->inner, r->at_bytes, e) : ERR_OK;
}

/* It came onto the shelf since it was opened. With the lock. */
static bool take_from_shelf(struct disk_reader *r)
{
    struct shelf *s = &r->disk->shelf;
    struct shelf_blob *b = shelf_find(s, &r->digest);
    int fd = b && b->size_bytes == r->size_bytes ? shelf_take(s, b) : -1;

    if (fd < 0)
        return false;
    reader_free(r->inner);
    r->inner = hit_reader_new(r->disk, &r->repo, &r->digest, r->size_bytes, fd);
    return true;
}

/* With the lock. NULL: r->inner is read. */
static struct fetch *choose(struct disk_reader *r)
{
    struct disk *c = r->disk;
    struct fetch *f = find(c, &r->digest);

    if (f && (f->size_bytes != r->size_bytes || r->at_bytes > f->ready_bytes + AHEAD_BYTES))
        return NULL;
    if (f)
        return f;
    return !take_from_shelf(r) && r->at_bytes == 0 ? begin(c, r) : NULL;
}

/* What the first read decides. */
static enum err_code settle(struct disk_reader *r, struct err *e)
{
    struct disk *c = r->disk;

    r->settled = true;
    r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->event_fd >= 0 && r->size_bytes > 0 && watch(r, r->event_fd)) {
        pthread_mutex_lock(&c->lock);
        r->fetch = choose(r);
        if (r->fetch) {
            r->fetch->refs++;
            r->next = r->fetch->readers;
            r->fetch->readers = r;
        }
        pthread_mutex_unlock(&c->lock);
    }
    return r->fetch ? ERR_OK : go_round(r, e);
}

/* What the fetch has for r: how many bytes, or, with none, why. */
static enum err_code look(struct disk_reader *r, uint64_t *ret_n, struct err *e)
{
    struct fetch *f = r->fetch;
    enum err_code code = ERR_OK;
    uint64_t n;

    pthread_mutex_lock(&r->disk->lock);
    *ret_n = f->ready_bytes > r->at_bytes ? f->ready_bytes - r->at_bytes : 0;
    if (*ret_n == 0 && f->state == FAILED) {
        code = err_set(e, f->err.code, "%s", f->err.detail);
    } else if (*ret_n == 0 && f->state != BROKEN && r->at_bytes < r->size_bytes) {
        (void)!read(r->event_fd, &n, sizeof(n));
        r->waiting = true;
        code = err_set(e, ERR_LATER, "more of %s is to come", r->digest.text);
    }
    pthread_mutex_unlock(&r->disk->lock);
    return code;
}

static enum err_code read_store(struct disk_reader *r, void *buf, size_t cap, size_t *ret_n,
                                struct err *e)
{
    enum err_code code;

    if (!r->inner) /* it could not be opened when it was last tried */
        TRY(go_round(r, e));
    code = reader_read(r->inner, buf, cap, ret_n, e);
    if (code == ERR_LATER && !watch(r, reader_wait_fd(r->inner)))
        return err_errno(e, "wait for a blob of the store");
    TRY(code);
    r->at_bytes += *ret_n;
    return ERR_OK;
}

static enum err_code disk_read(struct reader *base, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct disk_reader *r = reader_of(base);
    uint64_t there;
    ssize_t got;

    if (!r->settled)
        TRY(settle(r, e));
    if (!r->fetch)
        return read_store(r, buf, cap, ret_n, e);
    *ret_n = 0;
    if (cap == 0 || r->at_bytes >= r->size_bytes)
        return ERR_OK;
    TRY(look(r, &there, e));
    if (there > 0) {
        got = file_pread_all(r->fetch->fd, buf, cap < there ? cap : (size_t)there, r->at_bytes);
        if (got > 0) {
            r->at_bytes += (uint64_t)got;
            *ret_n = (size_t)got;
            return ERR_OK;
        }
    }
    TRY(go_round(r, e)); /* the fetch, or its file, is broken */
    return read_store(r, buf, cap, ret_n, e);
}

static enum err_code disk_seek(struct reader *base, uint64_t offset_bytes, struct err *e)
{
    struct disk_reader *r = reader_of(base);
    uint64_t ready_bytes;

    if (r->at_bytes == offset_bytes)
        return ERR_OK;
    r->at_bytes = offset_bytes;
    if (!r->settled || (!r->fetch && !r->inner))
        return ERR_OK;
    if (!r->fetch)
        return reader_seek(r->inner, offset_bytes, e);
    pthread_mutex_lock(&r->disk->lock);
    ready_bytes = r->fetch->ready_bytes;
    pthread_mutex_unlock(&r->disk->lock);
    return offset_bytes > ready_bytes + AHEAD_BYTES ? go_round(r, e) : ERR_OK;
}

static void disk_expect(struct reader *base, uint64_t end_bytes)
{
    struct disk_reader *r = reader_of(base);

    r->end_bytes = end_bytes;
    if (r->settled && !r->fetch && r->inner)
        reader_expect(r->inner, end_bytes);
}

static void disk_distrust(struct reader *base)
{
    if (reader_of(base)->inner)
        reader_distrust(reader_of(base)->inner);
}

static int disk_wait_fd(struct reader *base)
{
    return reader_of(base)->wait_fd;
}

static void disk_free(struct reader *base)
{
    struct disk_reader *r = reader_of(base);

    leave(r);
    reader_free(r->inner);
    if (r->event_fd >= 0)
        close(r->event_fd);
    close(r->wait_fd);
    free(r);
}

static const struct reader_ops disk_ops = {
    .read = disk_read,
    .seek = disk_seek,
    .expect = disk_expect,
    .distrust = disk_distrust,
    .wait_fd = disk_wait_fd,
    .free = disk_free,
};

struct reader *intake_reader_new(struct disk *c, const struct repo_name *repo,
                                 const struct digest *d, struct reader *inner, uint64_t size_bytes)
{
    int wait_fd = epoll_create1(EPOLL_CLOEXEC);
    struct disk_reader *r;

    if (wait_fd < 0) {
        inner->cache = READER_MISS;
        return inner;
    }
    r = NEW(struct disk_reader);
    r->wait_fd = wait_fd;
    r->reader.ops = &disk_ops;
    r->reader.cache = READER_MISS;
    r->disk = c;
    r->repo = *repo;
    r->digest = *d;
    r->inner = inner;
    r->size_bytes = r->end_bytes = size_bytes;
    r->event_fd = -1;
    return &r->reader;
}
