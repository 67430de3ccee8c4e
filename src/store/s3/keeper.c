#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>

#define POINTER_MAX      4096
#define STACK_BYTES      (256u << 10)
#define DELETE_WAIT_MS   2000  /* others may come, for one request */
#define DELETION_WAIT_MS 200   /* for one that is on its way; twice as long each time */
#define DELETION_MOST_MS 5000  /* but no longer */
#define RETRY_MS         10000 /* after a failure; twice as long after each further one of a move */
#define RETRY_MOST_MS    600000  /* but no longer */
#define WARN_AGAIN_MS    3600000 /* of what goes on failing */
#define LOOK_AGAIN_MS    300000  /* for moves of processes that are gone */
#define NAMES_MOST       100000  /* to be deleted: what is more a sweep finds */

/* What failed before. All 0 at first. Only one thread has to do with it. */
struct trouble {
    int64_t pause_ms;
    int64_t quiet_until_ms; /* monotonic: it was said in the log */
};

struct move {
    struct move *next;
    struct digest digest;
    struct s3_move what;
    int64_t next_ms; /* monotonic: not before */
    int64_t wait_ms; /* since the last look at a deletion that was on its way */
    struct trouble trouble;
    bool copied;    /* the blob is at its key: readers go there, and need not any more */
    bool forgotten; /* the blob was deleted */
};

struct s3_keeper {
    struct s3 *s;
    pthread_t mover, deleter; /* a copy may take many minutes */
    pthread_mutex_t lock;     /* of what follows */
    pthread_cond_t changed;   /* for both */
    struct move *moves;
    struct move *current; /* the mover is at it */
    char **names;         /* keys to be deleted */
    size_t n_names;
    int64_t list_ms, delete_ms; /* monotonic: not before */
    struct trouble listing, deleting;
    bool stop, listed;              /* once, all of them */
    pthread_mutex_t deletions_lock; /* of what follows, also while it is called */
    store_deletion_fn deletion;
    void *deletion_ctx;
};

void s3_keeper_delete(struct s3_keeper *k, const struct s3_name *name)
{
    pthread_mutex_lock(&k->lock);
    if (k->n_names == 0)
        k->delete_ms = clock_mono_ms() + DELETE_WAIT_MS;
    if (k->n_names < NAMES_MOST) {
        k->names = mem_resize(k->names, (k->n_names + 1) * sizeof(k->names[0]));
        k->names[k->n_names++] = mem_strdup(name->text);
    }
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

bool s3_keeper_deletes(struct s3_keeper *k, const struct s3_name *name)
{
    bool found = false;

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->n_names && !found; i++)
        found = strcmp(k->names[i], name->text) == 0;
    pthread_mutex_unlock(&k->lock);
    return found;
}

/* The first from m on. Lock held. */
static struct move *next_of(struct move *m, const struct digest *d)
{
    while (m && !digest_eq(&m->digest, d))
        m = m->next;
    return m;
}

/* Lock held. */
static bool is_known(struct s3_keeper *k, const struct digest *d, const struct s3_move *what)
{
    struct move *m = next_of(k->moves, d);

    while (m && strcmp(m->what.from.text, what->from.text) != 0)
        m = next_of(m->next, d);
    return m != NULL;
}

void s3_keeper_move(struct s3_keeper *k, const struct digest *d, const struct s3_move *what)
{
    pthread_mutex_lock(&k->lock);
    if (!is_known(k, d, what)) {
        struct move *m = NEW(struct move);

        m->digest = *d;
        m->what = *what;
        m->next_ms = clock_mono_ms();
        m->next = k->moves;
        k->moves = m;
        pthread_cond_broadcast(&k->changed);
    }
    pthread_mutex_unlock(&k->lock);
}

bool s3_keeper_moving(struct s3_keeper *k, const struct digest *d, struct s3_upload_key *ret_from)
{
    struct move *m;
    bool moving;

    pthread_mutex_lock(&k->lock);
    m = next_of(k->moves, d);
    while (m && m->copied)
        m = next_of(m->next, d);
    moving = m != NULL;
    if (moving)
        *ret_from = m->what.from;
    pthread_mutex_unlock(&k->lock);
    return moving;
}

/* Takes the move out of the list. Lock held. */
static void drop(struct s3_keeper *k, struct move *m)
{
    struct move **at = &k->moves;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    free(m);
}

/* Takes one out of the list, but for the one that the thread is at: that takes all of it away. */
static bool take_move(struct s3_keeper *k, const struct digest *d, struct s3_upload_key *ret_from)
{
    struct move *m;

    pthread_mutex_lock(&k->lock);
    m = next_of(k->moves, d);
    if (m && m == k->current) {
        m->forgotten = true;
        m = next_of(m->next, d);
    }
    if (m) {
        *ret_from = m->what.from;
        drop(k, m);
    }
    pthread_mutex_unlock(&k->lock);
    return m != NULL;
}

enum err_code s3_keeper_forget(struct s3_keeper *k, const struct digest *d, struct err *e)
{
    struct s3_upload_key from;

    while (take_move(k, d, &from)) {
        struct s3_name upload, pointer;

        s3_upload_name(k->s, &from, &upload);
        s3_move_name(k->s, d, &from, &pointer);
        s3_keeper_delete(k, &upload);
        TRY(s3_delete(k->s->client, &pointer, e));
    }
    return ERR_OK;
}

/* ---- the thread: moves */

/* A key is written once: what is there already, of that length, is the blob. */
static enum err_code copy_to_key(struct s3 *s, const struct digest *d, const struct s3_name *from,
                                 struct err *e)
{
    struct s3_answer source = {0}, there = {0};
    struct s3_name to;

    s3_blob_name(s, d, &to);
    TRY(s3_head(s->client, from, &source, e));
    if (s3_head(s->client, &to, &there, ERR_IGNORED) == ERR_OK &&
        there.total_bytes == source.total_bytes)
        return ERR_OK;
    return s3_copy_sized(s->client, NULL, from, &to, source.total_bytes, e);
}

static void delete_tail(struct s3_keeper *k, const struct s3_move *what)
{
    struct s3_name tail;

    if (!what->tail.text[0])
        return;
    s3_upload_name(k->s, &what->tail, &tail);
    s3_keeper_delete(k, &tail);
}

void s3_keeper_set_deletions(struct s3_keeper *k, store_deletion_fn fn, void *ctx)
{
    pthread_mutex_lock(&k->deletions_lock);
    k->deletion = fn;
    k->deletion_ctx = ctx;
    pthread_mutex_unlock(&k->deletions_lock);
}

static enum err_code look_at_deletions(struct s3_keeper *k, const struct digest *d,
                                       int64_t *ret_number, struct err *e)
{
    enum err_code code = ERR_OK;

    *ret_number = 0;
    pthread_mutex_lock(&k->deletions_lock);
    if (k->deletion)
        code = k->deletion(k->deletion_ctx, d, ret_number, e);
    pthread_mutex_unlock(&k->deletions_lock);
    return code;
}

/* Copied, and not deleted since before that: a DELETE that was on its way may have come behind the
 * copy. NOT_FOUND: it was moved by another, or deleted. */
static enum err_code copy_surely(struct s3_keeper *k, const struct digest *d,
                                 const struct s3_name *from, struct err *e)
{
    int64_t seen, now;
    enum err_code code;

    TRY(look_at_deletions(k, d, &seen, e));
    code = copy_to_key(k->s, d, from, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    TRY(look_at_deletions(k, d, &now, e));
    if (now != seen)
        return err_set(e, ERR_LATER, "%s was deleted while it was moved", d->text);
    return code == ERR_OK ? ERR_OK : err_set(e, ERR_NOT_FOUND, "nothing is to be moved");
}

/* The pointer goes first: an upload's key without one is swept. */
static enum err_code carry(struct s3_keeper *k, struct move *m, struct err *e)
{
    struct s3_name from, pointer, to;
    enum err_code code;
    bool forgotten;

    s3_upload_name(k->s, &m->what.from, &from);
    s3_move_name(k->s, &m->digest, &m->what.from, &pointer);
    s3_blob_name(k->s, &m->digest, &to);
    code = copy_surely(k, &m->digest, &from, e);
    pthread_mutex_lock(&k->lock);
    forgotten = m->forgotten;
    m->copied = code == ERR_OK;
    pthread_mutex_unlock(&k->lock);
    if (code != ERR_OK && code != ERR_NOT_FOUND) /* NOT_FOUND: moved by another, or deleted */
        return code;
    TRY(s3_delete(k->s->client, &pointer, e));
    s3_keeper_delete(k, &from);
    delete_tail(k, &m->what);
    if (forgotten)
        s3_keeper_delete(k, &to);
    return ERR_OK;
}

enum err_code s3_move_write(struct s3 *s, const struct digest *d, const struct s3_move *move,
                            struct err *e)
{
    const struct s3_put put = {.body = str_of(move->tail.text)};
    struct s3_name pointer;

    s3_move_name(s, d, &move->from, &pointer);
    return s3_put(s->client, &pointer, &put, e);
}

enum err_code s3_move_read(struct s3 *s, const struct digest *d, const struct s3_upload_key *from,
                           struct s3_move *ret_move, struct err *e)
{
    struct s3_move move = {.from = *from};
    AUTO(buf) struct buf tail = {0};
    struct s3_name pointer;
    struct uuid id;

    buf_init(&tail, POINTER_MAX);
    s3_move_name(s, d, from, &pointer);
    TRY(s3_get_into(s->client, &pointer, &tail, e));
    if (tail.n > 0 && !s3_upload_key_parse(buf_str(&tail), &move.tail, &id))
        return err_set(e, ERR_NOT_FOUND, "'%s' names no upload", pointer.text);
    *ret_move = move;
    return ERR_OK;
}

/* A look at all pointers. */
struct look {
    struct s3_keeper *k;
    int64_t before_ms; /* wall: younger ones are left to who wrote them */
};

static bool knows(struct s3_keeper *k, const struct digest *d, const struct s3_upload_key *from)
{
    const struct s3_move what = {.from = *from};
    bool known;

    pthread_mutex_lock(&k->lock);
    known = is_known(k, d, &what);
    pthread_mutex_unlock(&k->lock);
    return known;
}

static enum err_code found_move(void *ctx, const struct s3_listed *object, struct err *e)
{
    const struct look *look = ctx;
    struct s3_keeper *k = look->k;
    struct s3_upload_key from;
    struct digest d;
    struct s3_move move;
    enum err_code code;

    if (object->modified_ms > look->before_ms ||
        !s3_move_name_parse(k->s, &object->name, &d, &from) || knows(k, &d, &from))
        return ERR_OK;
    code = s3_move_read(k->s, &d, &from, &move, e);
    if (code == ERR_OK)
        s3_keeper_move(k, &d, &move);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* ---- the threads */

/* Names of one request, out of the list. Lock held. */
static struct s3_name *take_names(struct s3_keeper *k, size_t *ret_n)
{
    size_t n = k->n_names < S3_DELETE_MOST ? k->n_names : S3_DELETE_MOST;
    struct s3_name *names = mem_alloc(n * sizeof(names[0]));

    for (size_t i = 0; i < n; i++) {
        char *name = k->names[--k->n_names];

        names[i].n = strlen(name);
        memcpy(names[i].text, name, names[i].n + 1);
        free(name);
    }
    if (k->n_names == 0)
        free(STEAL(k->names));
    *ret_n = n;
    return names;
}

/* Lock held. */
static void drop_names(struct s3_keeper *k, size_t most)
{
    while (k->n_names > most)
        free(k->names[--k->n_names]);
}

/* It failed: says so, now and then. What it says is of the blob, if one is given. Returns when the
 * next try is. */
static int64_t back_off(struct trouble *t, const char *what, const struct digest *d,
                        const struct err *e)
{
    int64_t now_ms = clock_mono_ms();

    t->pause_ms = t->pause_ms == 0 ? RETRY_MS : 2 * t->pause_ms;
    if (t->pause_ms > RETRY_MOST_MS)
        t->pause_ms = RETRY_MOST_MS;
    if (now_ms >= t->quiet_until_ms) {
        t->quiet_until_ms = now_ms + WARN_AGAIN_MS;
        log_event(LOG_WARNING, what, LOG_TEXT("digest", d ? d->text : ""),
                  LOG_TEXT("code", err_name(e->code)), LOG_TEXT("reason", e->detail));
    }
    return now_ms + t->pause_ms;
}

/* The three things that there may be to do. Lock held, and given up meanwhile. */

static int64_t look_again_ms(const struct s3_keeper *k)
{
    uint64_t ms = s3_client_options(k->s->client)->look_ms;

    return ms > 0 ? (int64_t)ms : LOOK_AGAIN_MS;
}

/* Of several processes not all at one time. */
static int64_t next_look(const struct s3_keeper *k)
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    return clock_mono_ms() + look_again_ms(k) + (int64_t)(random % (uint64_t)look_again_ms(k));
}

/* At first all, which an earlier life may have left. */
static void list_moves(struct s3_keeper *k)
{
    struct look look = {k, k->listed ? clock_wall_ms() - look_again_ms(k) : INT64_MAX};
    int64_t next_ms = next_look(k);
    enum err_code code;
    struct err e = {0};

    pthread_mutex_unlock(&k->lock);
    code = s3_list(k->s->client, S3_MOVES, found_move, &look, &e);
    if (code == ERR_OK)
        k->listing.pause_ms = 0;
    else
        next_ms =
            back_off(&k->listing, "blobs to be moved to their keys can't be listed", NULL, &e);
    pthread_mutex_lock(&k->lock);
    k->listed |= code == ERR_OK;
    k->list_ms = next_ms;
}

static void forget_blobs(struct s3 *s, const struct s3_name *names, size_t n)
{
    struct digest d;

    for (size_t i = 0; i < n; i++) {
        if (s3_name_digest(s3_name_below(s, &names[i], STR(S3_BLOBS)), &d))
            recent_forget(s->known, &d);
    }
}

/* What could not be deleted a sweep finds. */
static void delete_names(struct s3_keeper *k)
{
    size_t n;
    struct s3_name *names = take_names(k, &n);
    int64_t next_ms = 0;
    struct err e = {0};

    pthread_mutex_unlock(&k->lock);
    if (s3_delete_many(k->s->client, names, n, &e) == ERR_OK)
        k->deleting.pause_ms = 0;
    else
        next_ms = back_off(&k->deleting, "objects that were used up can't be deleted", NULL, &e);
    forget_blobs(k->s, names, n);
    free(names);
    pthread_mutex_lock(&k->lock);
    if (next_ms > 0 || k->n_names >= S3_DELETE_MOST) /* else what came meanwhile waits for more */
        k->delete_ms = next_ms;
    if (next_ms > 0) /* it may go on for long */
        drop_names(k, S3_DELETE_MOST);
}

/* The one whose turn came first, or comes first. Lock held. */
static struct move *first_move(const struct s3_keeper *k)
{
    struct move *first = k->moves;

    for (struct move *m = k->moves; m; m = m->next) {
        if (m->next_ms <= first->next_ms) /* of the same time the older one, which is behind */
            first = m;
    }
    return first;
}

/* It may last for many minutes, of which nobody waits for the move. */
static int64_t after_deletion(struct move *m)
{
    m->wait_ms = m->wait_ms == 0 ? DELETION_WAIT_MS : 2 * m->wait_ms;
    if (m->wait_ms > DELETION_MOST_MS)
        m->wait_ms = DELETION_MOST_MS;
    return clock_mono_ms() + m->wait_ms;
}

static void move_one(struct s3_keeper *k)
{
    struct move *m = k->current = first_move(k);
    int64_t next_ms = 0;
    enum err_code code;
    struct err e = {0};

    pthread_mutex_unlock(&k->lock);
    code = carry(k, m, &e);
    if (code == ERR_LATER)
        next_ms = after_deletion(m);
    else if (code != ERR_OK)
        next_ms = back_off(&m->trouble, "a blob can't be moved to its key", &m->digest, &e);
    pthread_mutex_lock(&k->lock);
    k->current = NULL;
    m->next_ms = next_ms;
    if (code == ERR_OK)
        drop(k, m);
}

typedef void (*work_fn)(struct s3_keeper *k);

/* What a thread is to do first, and from when on; NULL: nothing. Lock held. */
typedef work_fn (*next_fn)(const struct s3_keeper *k, int64_t *ret_ms);

static work_fn next_move(const struct s3_keeper *k, int64_t *ret_ms)
{
    const struct move *m = first_move(k);
    bool look = !m || k->list_ms <= m->next_ms;

    *ret_ms = look ? k->list_ms : m->next_ms;
    return look ? list_moves : move_one;
}

static work_fn next_delete(const struct s3_keeper *k, int64_t *ret_ms)
{
    *ret_ms = k->delete_ms;
    return k->n_names > 0 ? delete_names : NULL;
}

static void *keep(struct s3_keeper *k, next_fn next)
{
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        int64_t at_ms = 0, wait_ms;
        work_fn work = next(k, &at_ms);

        wait_ms = at_ms - clock_mono_ms();
        if (!work) {
            pthread_cond_wait(&k->changed, &k->lock);
        } else if (wait_ms > 0) {
            struct timespec until = clock_mono_in(wait_ms);

            pthread_cond_timedwait(&k->changed, &k->lock, &until);
        } else {
            work(k);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void *move_main(void *ctx)
{
    return keep(ctx, next_move);
}

static void *delete_main(void *ctx)
{
    return keep(ctx, next_delete);
}

static void stop(struct s3_keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

static bool start(struct s3_keeper *k)
{
    if (thread_start(&k->mover, "s3 mover", STACK_BYTES, move_main, k) != 0)
        return false;
    if (thread_start(&k->deleter, "s3 deleter", STACK_BYTES, delete_main, k) == 0)
        return true;
    stop(k);
    pthread_join(k->mover, NULL);
    return false;
}

static void free_keeper(struct s3_keeper *k)
{
    while (k->moves)
        drop(k, k->moves);
    drop_names(k, 0);
    free(k->names);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    pthread_mutex_destroy(&k->deletions_lock);
    free(k);
}

enum err_code s3_keeper_new(struct s3 *s, struct s3_keeper **ret_keeper, struct err *e)
{
    struct s3_keeper *k = NEW(struct s3_keeper);

    k->s = s;
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->deletions_lock, NULL);
    thread_cond_init(&k->changed);
    if (!start(k)) {
        free_keeper(k);
        return err_set(e, ERR_INTERNAL, "no thread can be started");
    }
    *ret_keeper = k;
    return ERR_OK;
}

/* Moves go on at the next start, or elsewhere. */
void s3_keeper_free(struct s3_keeper *k)
{
    if (!k)
        return;
    stop(k);
    pthread_join(k->mover, NULL);
    pthread_join(k->deleter, NULL);
    pthread_mutex_lock(&k->lock);
    while (k->n_names > 0 && k->deleting.pause_ms == 0)
        delete_names(k);
    pthread_mutex_unlock(&k->lock);
    free_keeper(k);
}
