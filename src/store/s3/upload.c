/*
 * Uploads. What of one is on the server:
 *
 *     uploads/<id>          parts of a multipart upload, begun when there is more than one part's
 *                           worth; or <id>_ and more, of who did not make the upload, or made it
 *                           once before
 *     uploads/<id>_tail_... what comes behind the parts, with its note, from one sync to the next
 *
 * or, when the blob was known beforehand, parts of its own key. What comes is collected in a file
 * without a name; when that is as long as a part and more comes, or there is no room for more of
 * it, it goes to the senders.
 *
 * Another process may have the upload now, while one that had it before still writes. So each tail
 * has a key of its own, and each object that parts become; the only thing that can change is a part
 * that is not an object yet, and it is named by its entity tag: a tail has the hash of those before
 * it, and only parts with just these become an object.
 */
#include "store/s3/s3.h"
#include "store/s3/tail.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* Up to here a copy within the server is waited for; larger blobs are moved after the answer. */
#define COPY_AT_ONCE (16ull << 20)

#define TABLE_SLOTS 1024
#define SHIFT_BYTES 65536
#define LOOK_MS     500 /* whether the program ends */

/* One upload, whatever handles there are. */
struct state {
    struct state *next;
    struct uuid id;
    unsigned refs; /* the table's lock */
    bool listed;   /* in the table */

    pthread_mutex_t lock; /* of what follows, for senders; else one thread at a time */
    pthread_cond_t sent;
    struct s3 *s;
    struct s3_upload_key key;      /* of the parts, unless direct */
    struct s3_name name;           /* the same, or the blob's */
    char upload[S3_UPLOAD_ID_MAX]; /* "": not begun */
    struct s3_parts parts;
    uint64_t *left_bytes; /* what parts had that the server has, and that are to be written over */
    size_t n_left;        /* up to that number */
    unsigned in_flight;
    enum err_code failed; /* of a sender; it ends this state */
    struct err why;

    int fd;                 /* what is not a part yet; -1: nothing, or it is only in the tail */
    struct s3_room room;    /* of it */
    uint64_t expects_bytes; /* when that is known; else UINT64_MAX */
    uint64_t parts_bytes, fill_bytes;
    uint64_t tail_bytes;    /* of the object; behind the parts that were there then */
    uint64_t durable_bytes; /* with the note */
    struct store_note note;
    struct s3_upload_key tail;  /* "": none */
    uint32_t tail_number;       /* of the last one that was written, perhaps */
    struct s3_upload_key spent; /* an object that is parts again: to go with the next sync */
    struct reader *back;        /* of what is_object; NULL: none is open */
    bool direct, over;
    bool made;      /* here, and no parts begun yet */
    bool told;      /* other processes can know of the parts */
    bool sealed;    /* the last part is one that others can't follow */
    bool is_object; /* the parts, all that there is, are one at the upload's key: to be read */
    bool unsure;    /* nor is it known that it has just these bytes */
    bool lost;      /* what is here is not what the server has: only good for closing */
};

struct s3_uploads {
    pthread_mutex_t lock;
    struct state *slots[TABLE_SLOTS];
};

struct part_job {
    struct s3_job job;
    struct state *st;
    struct client_file file;
    struct s3_room room;
    unsigned number;
};

/* ---- the table */

static struct state **slot_of(struct s3_uploads *t, const struct uuid *id)
{
    size_t hash = 0;

    for (const char *p = id->text; *p; p++)
        hash = hash * 31 + (unsigned char)*p;
    return &t->slots[hash % TABLE_SLOTS];
}

struct s3_uploads *s3_uploads_new(void)
{
    struct s3_uploads *t = NEW(struct s3_uploads);

    pthread_mutex_init(&t->lock, NULL);
    return t;
}

static enum err_code wait_for_parts(struct state *st, unsigned most, struct err *e);

static struct state *state_new(struct s3 *s, const struct uuid *id)
{
    struct state *st = NEW(struct state);

    st->id = *id;
    st->s = s;
    st->refs = 1;
    st->fd = -1;
    st->expects_bytes = UINT64_MAX;
    pthread_mutex_init(&st->lock, NULL);
    pthread_cond_init(&st->sent, NULL);
    return st;
}

static void drop_file(struct state *st)
{
    (void)!wait_for_parts(st, 0, ERR_IGNORED);
    if (st->fd >= 0)
        close(st->fd);
    st->fd = -1;
    s3_temp_give(st->s->temp, &st->room);
}

static void state_free(struct state *st)
{
    drop_file(st);
    reader_free(st->back);
    free(st->parts.items);
    free(st->left_bytes);
    pthread_cond_destroy(&st->sent);
    pthread_mutex_destroy(&st->lock);
    free(st);
}

/* NULL: it is not known. Lock held. */
static struct state *look(struct s3_uploads *t, const struct uuid *id)
{
    struct state *st = *slot_of(t, id);

    while (st && strcmp(st->id.text, id->text) != 0)
        st = st->next;
    return st;
}

/* A reference, or NULL. */
static struct state *find(struct s3_uploads *t, const struct uuid *id)
{
    struct state *st;

    pthread_mutex_lock(&t->lock);
    st = look(t, id);
    if (st)
        st->refs++;
    pthread_mutex_unlock(&t->lock);
    return st;
}

bool s3_uploads_known(struct s3_uploads *t, const struct uuid *id)
{
    bool known;

    pthread_mutex_lock(&t->lock);
    known = look(t, id) != NULL;
    pthread_mutex_unlock(&t->lock);
    return known;
}

/* What is collected of an upload that nobody is at, and the server has as well. */
static bool is_spare(const struct state *st)
{
    return st->refs == 1 && st->fd >= 0 && st->tail.text[0] && !st->lost && !st->over &&
           st->tail_bytes == st->fill_bytes &&
           st->durable_bytes == st->parts_bytes + st->fill_bytes;
}

bool s3_uploads_spare(struct s3_uploads *t)
{
    bool some = false;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        for (struct state *st = t->slots[i]; st; st = st->next) {
            if (!is_spare(st))
                continue;
            drop_file(st);
            some = true;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return some;
}

static void list(struct s3_uploads *t, struct state *st)
{
    struct state **slot = slot_of(t, &st->id);

    pthread_mutex_lock(&t->lock);
    st->next = *slot;
    *slot = st;
    st->listed = true;
    st->refs++;
    pthread_mutex_unlock(&t->lock);
}

static void unref_by(struct s3_uploads *t, struct state *st, unsigned n)
{
    bool last;

    pthread_mutex_lock(&t->lock);
    st->refs -= n;
    last = st->refs == 0;
    pthread_mutex_unlock(&t->lock);
    if (last)
        state_free(st);
}

static void unref(struct s3_uploads *t, struct state *st)
{
    unref_by(t, st, 1);
}

static bool is_listed(struct s3_uploads *t, const struct state *st)
{
    bool listed;

    pthread_mutex_lock(&t->lock);
    listed = st->listed;
    pthread_mutex_unlock(&t->lock);
    return listed;
}

/* True: it was in the table, and the table's reference is the caller's now. */
static bool take_off(struct s3_uploads *t, struct state *st)
{
    struct state **at = slot_of(t, &st->id);
    bool listed;

    pthread_mutex_lock(&t->lock);
    listed = st->listed;
    if (listed) {
        while (*at != st)
            at = &(*at)->next;
        *at = st->next;
        st->listed = false;
    }
    pthread_mutex_unlock(&t->lock);
    return listed;
}

void s3_uploads_free(struct s3_uploads *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        while (t->slots[i]) {
            struct state *st = t->slots[i];

            t->slots[i] = st->next;
            state_free(st);
        }
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- parts on their way */

static void run_part(struct s3_job *job)
{
    struct part_job *p = (struct part_job *)job;
    struct state *st = p->st;
    struct s3_part part = {0};
    struct err e = {0};
    enum err_code code =
        s3_part_put(st->s->client, &st->name, st->upload, p->number, &p->file, &part, &e);

    close(p->file.fd);
    s3_temp_give(st->s->temp, &p->room);
    pthread_mutex_lock(&st->lock);
    if (code == ERR_OK) {
        st->parts.items[p->number - 1] = part;
    } else if (st->failed == ERR_OK) {
        st->failed = code;
        st->why = e;
    }
    st->in_flight--;
    pthread_cond_signal(&st->sent);
    pthread_mutex_unlock(&st->lock);
    free(p);
}

/* Until no more than so many are on their way. */
static enum err_code wait_for_parts(struct state *st, unsigned most, struct err *e)
{
    enum err_code code;

    pthread_mutex_lock(&st->lock);
    while (st->in_flight > most)
        pthread_cond_wait(&st->sent, &st->lock);
    code = st->failed;
    if (code != ERR_OK) {
        *e = st->why;
        st->lost = true;
    }
    pthread_mutex_unlock(&st->lock);
    return code;
}

static enum err_code begin_parts(struct state *st, struct err *e)
{
    if (!st->direct) {
        s3_parts_key(&st->id, st->made, &st->key);
        s3_upload_name(st->s, &st->key, &st->name);
        st->made = false;
    }
    st->n_left = 0;
    return s3_multipart_create(st->s->client, &st->name, st->upload, e);
}

/* What was collected becomes the next part. */
static enum err_code send_part(struct state *st, struct err *e)
{
    struct s3 *s = st->s;
    struct part_job *job;

    if (st->parts.n == S3_PARTS_MAX)
        return err_set(e, ERR_BLOB_TOO_LARGE, "upload %s has as many parts as there can be",
                       st->id.text);
    if (!st->upload[0])
        TRY(begin_parts(st, e));
    TRY(wait_for_parts(st, s3_client_options(s->client)->concurrency - 1, e));
    job = NEW(struct part_job);
    job->job.run = run_part;
    job->st = st;
    job->file = (struct client_file){.fd = STEAL_FD(st->fd), .bytes = st->fill_bytes};
    job->room = st->room;
    st->room = (struct s3_room){0};
    pthread_mutex_lock(&st->lock);
    st->parts.items = mem_resize(st->parts.items, (st->parts.n + 1) * sizeof(st->parts.items[0]));
    job->number = (unsigned)++st->parts.n;
    st->in_flight++;
    pthread_mutex_unlock(&st->lock);
    st->parts_bytes += st->fill_bytes;
    st->fill_bytes = 0;
    s3_senders_add(s->senders, &job->job);
    return ERR_OK;
}

/* ---- what is collected */

#define ROOM_STEP (1ull << 20)

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

static uint64_t at_least(uint64_t n, uint64_t least)
{
    return n > least ? n : least;
}

/* A file, with room for the byte behind what it has. Room for the least that a part may have is
 * waited for, and only by who has none: what is collected then can always be sent, and give its
 * room back. More is not waited for: the part is sent as it is. */
static enum err_code need_room(struct state *st, uint64_t part_bytes, struct err *e)
{
    struct s3_temp *t = st->s->temp;
    uint64_t least = at_most(st->expects_bytes, S3_PART_MIN_BYTES), n = st->fill_bytes + 1;

    if (n > least &&
        !s3_temp_grow(t, &st->room, at_most(st->room.taken_bytes + ROOM_STEP, part_bytes))) {
        if (st->fill_bytes < S3_PART_MIN_BYTES)
            return s3_temp_wait(t, &st->room, n, e);
        TRY(send_part(st, e));
        n = 1;
    }
    if (n <= least && !s3_temp_grow(t, &st->room, least)) {
        TRY(wait_for_parts(st, 0, e)); /* their room comes back, however long that takes */
        TRY(s3_temp_wait(t, &st->room, least, e));
    }
    return st->fd >= 0 ? ERR_OK : s3_temp_open(t, &st->fd, e);
}

/* Somebody else goes on with the upload, and what this process has of it is not there any more. */
static enum err_code taken_away(struct state *st, struct err *e)
{
    st->lost = true;
    return err_set(e, ERR_CONFLICT, "another process goes on with upload %s", st->id.text);
}

static const struct digest an_upload = {.n = 9, .text = "an upload"}; /* for messages */

/* Waits for it. */
static enum err_code read_piece(struct state *st, struct reader *r, void *p, size_t cap,
                                size_t *ret_n, struct err *e)
{
    enum err_code code;

    while ((code = reader_read(r, p, cap, ret_n, e)) == ERR_LATER) {
        struct pollfd wait = {.fd = reader_wait_fd(r), .events = POLLIN};

        poll(&wait, 1, LOOK_MS);
        if (s3_client_ends(st->s->client))
            return err_set(e, ERR_UNAVAILABLE, "the program ends");
    }
    return code;
}

static enum err_code copy_to_file(struct state *st, struct reader *r, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(SHIFT_BYTES);
    size_t n = 1;

    for (uint64_t at = 0; n > 0; at += n) {
        TRY(read_piece(st, r, p, SHIFT_BYTES, &n, e));
        if (file_pwrite_all(st->fd, p, n, at) < 0)
            return err_errno(e, "write a temporary file");
    }
    return ERR_OK;
}

/* What an object of size_bytes has from from_bytes on is collected now, piece by piece. */
static enum err_code fetch(struct state *st, const struct s3_name *name, uint64_t size_bytes,
                           uint64_t from_bytes, struct err *e)
{
    uint64_t n_bytes = size_bytes - from_bytes;
    AUTO(reader) struct reader *r = NULL;
    enum err_code code;

    /* With what need_room() would wait for. */
    TRY(s3_temp_wait(st->s->temp, &st->room, at_least(n_bytes, S3_PART_MIN_BYTES), e));
    code = s3_temp_open(st->s->temp, &st->fd, e);
    if (code == ERR_OK)
        code = s3_reader_of(st->s->client, name, &an_upload, size_bytes, &r, e);
    if (code == ERR_OK)
        code = reader_seek(r, from_bytes, e);
    if (code == ERR_OK)
        code = copy_to_file(st, r, e);
    if (code == ERR_OK)
        s3_temp_fill(st->s->temp, &st->room, n_bytes);
    else
        drop_file(st);
    return code == ERR_BLOB_UNKNOWN ? taken_away(st, e) : code;
}

/* The tail of an upload that another process began, or an earlier life of this one. */
static enum err_code fetch_tail(struct state *st, struct err *e)
{
    struct s3_name name;

    if (st->fd >= 0 || st->fill_bytes == 0)
        return ERR_OK;
    s3_upload_name(st->s, &st->tail, &name);
    return fetch(st, &name, st->fill_bytes, 0, e);
}

static struct state *state_of(struct store_upload *u)
{
    return (struct state *)u;
}

static enum err_code check_lost(const struct state *st, struct err *e)
{
    if (st->lost)
        return err_set(e, ERR_INTERNAL, "upload %s failed before", st->id.text);
    return ERR_OK;
}

/* ---- reading back, for a digest of another algorithm, or a body that came twice */

static enum err_code send_last(struct state *st, struct err *e)
{
    TRY(fetch_tail(st, e));
    if (st->fill_bytes == 0)
        return ERR_OK;
    st->sealed = true;
    return send_part(st, e);
}

/* *ret_sure: it has just these parts. */
static enum err_code complete(struct state *st, bool *ret_sure, struct err *e)
{
    TRY(send_last(st, e));
    TRY(wait_for_parts(st, 0, e));
    *ret_sure = true;
    return s3_multipart_complete(st->s->client, &st->name, st->upload, &st->parts,
                                 st->told ? ret_sure : NULL, e);
}

/* Parts can't be read; what they are completed to can. A crash from here on loses the session,
 * unless a tail told of just so much. */
static enum err_code become_object(struct state *st, struct err *e)
{
    enum err_code code;
    bool sure;

    if (st->direct)
        return err_set(e, ERR_UNSUPPORTED, "upload %s can't be read back", st->id.text);
    code = complete(st, &sure, e);
    st->lost = code != ERR_OK;
    TRY(code);
    st->upload[0] = '\0';
    st->is_object = true;
    st->unsure = !sure;
    return ERR_OK;
}

static void delete_soon(struct state *st, struct s3_upload_key *key)
{
    struct s3_name name;

    if (!key->text[0])
        return;
    s3_upload_name(st->s, key, &name);
    s3_keeper_delete(st->s->keeper, &name);
    key->text[0] = '\0';
}

/* Too little for a part that others follow: as if it had come just now. */
static enum err_code become_file(struct state *st, uint64_t from_bytes, struct err *e)
{
    uint64_t n_bytes = st->parts_bytes - from_bytes;

    if (n_bytes > 0)
        TRY(fetch(st, &st->name, st->parts_bytes, from_bytes, e));
    st->parts_bytes = 0;
    st->fill_bytes = n_bytes;
    st->is_object = st->sealed = st->lost = false;
    return ERR_OK;
}

/* And parts again, of what begins at from_bytes. */
static enum err_code become_parts(struct state *st, uint64_t from_bytes, struct err *e)
{
    const struct s3_name from = st->name;
    enum err_code code;

    if (st->unsure) /* and what was hashed may be other bytes */
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s is an object by now", st->id.text);
    reader_free(STEAL(st->back));
    delete_soon(st, &st->spent);
    st->spent = st->key;
    st->parts.n = 0;
    st->lost = true;
    if (st->parts_bytes - from_bytes < S3_PART_MIN_BYTES)
        return become_file(st, from_bytes, e);
    TRY(begin_parts(st, e));
    code = s3_parts_copy(st->s->client, &st->name, st->upload, NULL, &from, from_bytes,
                         st->parts_bytes - from_bytes, &st->parts, e);
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? taken_away(st, e) : code;
    st->parts_bytes -= from_bytes;
    st->is_object = st->sealed = st->lost = false;
    return ERR_OK;
}

static enum err_code open_back(struct state *st, struct err *e)
{
    return st->back
               ? ERR_OK
               : s3_reader_of(st->s->client, &st->name, &an_upload, st->parts_bytes, &st->back, e);
}

static enum err_code read_object(struct state *st, void *p, size_t cap, uint64_t offset_bytes,
                                 size_t *ret_n, struct err *e)
{
    TRY(open_back(st, e));
    TRY(reader_seek(st->back, offset_bytes, e));
    return read_piece(st, st->back, p, cap, ret_n, e);
}

enum err_code s3_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                             uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    struct state *st = state_of(u);
    ssize_t n = 0;

    (void)s;
    TRY(check_lost(st, e));
    if (st->upload[0])
        TRY(become_object(st, e));
    if (st->is_object)
        return read_object(st, p, cap, offset_bytes, ret_n, e);
    TRY(fetch_tail(st, e));
    if (offset_bytes < st->fill_bytes)
        n = file_pread_all(st->fd, p, (size_t)at_most(cap, st->fill_bytes - offset_bytes),
                           offset_bytes);
    if (n < 0)
        return err_errno(e, "read a temporary file");
    *ret_n = (size_t)n;
    return ERR_OK;
}

/* Within the file. */
static enum err_code shift_file(struct state *st, uint64_t from_bytes, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(SHIFT_BYTES);
    uint64_t at = 0, n_bytes = st->fill_bytes - from_bytes;

    while (at < n_bytes) {
        ssize_t n =
            file_pread_all(st->fd, p, (size_t)at_most(SHIFT_BYTES, n_bytes - at), from_bytes + at);

        if (n <= 0 || file_pwrite_all(st->fd, p, (size_t)n, at) < 0)
            return err_errno(e, "move what a temporary file has");
        at += (uint64_t)n;
    }
    st->fill_bytes = n_bytes;
    return ERR_OK;
}

enum err_code s3_upload_keep_from(struct store *s, struct store_upload *u, uint64_t from_bytes,
                                  struct err *e)
{
    struct state *st = state_of(u);

    (void)s;
    TRY(check_lost(st, e));
    if (from_bytes > st->parts_bytes + st->fill_bytes)
        return err_set(e, ERR_INTERNAL, "upload %s does not reach so far", st->id.text);
    if (st->upload[0])
        TRY(become_object(st, e));
    if (st->is_object)
        return become_parts(st, from_bytes, e);
    TRY(fetch_tail(st, e));
    return st->fd >= 0 ? shift_file(st, from_bytes, e) : ERR_OK;
}

/* How long the next part may be. All parts that the server has are to be written over, for there is
 * one that takes no other list than that of all; so the next one has no more bytes than it had, or
 * had at least when it never came. */
static uint64_t next_part_bytes(const struct state *st)
{
    uint64_t most = s3_part_bytes(s3_client_options(st->s->client)->part_bytes, st->parts.n);
    size_t i = st->parts.n;

    if (i >= st->n_left || (st->left_bytes[i] > 0 && st->left_bytes[i] < S3_PART_MIN_BYTES))
        return most; /* nothing follows it there */
    return at_most(most, at_least(st->left_bytes[i], S3_PART_MIN_BYTES));
}

enum err_code s3_upload_write(struct store *store, struct store_upload *u, const void *p, size_t n,
                              uint64_t offset_bytes, struct err *e)
{
    struct state *st = state_of(u);

    (void)store;
    TRY(check_lost(st, e));
    if (offset_bytes != st->parts_bytes + st->fill_bytes)
        return err_set(e, ERR_INTERNAL, "upload %s is not written where it ended", st->id.text);
    if (st->is_object)
        TRY(become_parts(st, 0, e));
    TRY(fetch_tail(st, e));
    while (n > 0) {
        uint64_t part_bytes = next_part_bytes(st);
        size_t step;

        if (st->fill_bytes >= part_bytes) {
            TRY(send_part(st, e));
            part_bytes = next_part_bytes(st);
        }
        if (st->fill_bytes >= st->room.taken_bytes)
            TRY(need_room(st, part_bytes, e));
        step = (size_t)at_most(n, at_most(part_bytes, st->room.taken_bytes) - st->fill_bytes);
        if (file_pwrite_all(st->fd, p, step, st->fill_bytes) < 0)
            return err_errno(e, "write a temporary file");
        st->fill_bytes += step;
        s3_temp_fill(st->s->temp, &st->room, st->fill_bytes);
        p = (const char *)p + step;
        n -= step;
    }
    return ERR_OK;
}

/* ---- open, close */

enum err_code s3_upload_create(struct store *store, const struct uuid *id, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct state *st;

    if (s3_uploads_known(s->uploads, id))
        return err_set(e, ERR_INTERNAL, "upload %s exists", id->text);
    st = state_new(s, id);
    st->made = true;
    list(s->uploads, st);
    unref(s->uploads, st);
    return ERR_OK;
}

/* Parts that came behind the tail were never acknowledged: they are written over. */
static void leave_parts(struct state *st, size_t n)
{
    size_t all = st->parts.n_seen;

    st->parts.n = n;
    if (all == n)
        return;
    st->n_left = all;
    st->left_bytes = mem_alloc(st->n_left * sizeof(st->left_bytes[0]));
    for (size_t i = 0; i < st->n_left; i++)
        st->left_bytes[i] = st->parts.items[i].size_bytes;
}

/* They are no parts any more. Where all that was durable, and no more, became an object, only what
 * was to follow was not done, if it was completed with just these. */
static enum err_code load_object(struct state *st, struct err *e)
{
    struct s3_answer object = {0};
    enum err_code code = s3_head(st->s->client, &st->name, &object, e);

    if (code == ERR_NOT_FOUND || (code == ERR_OK && object.total_bytes != st->durable_bytes))
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "parts of upload %s are gone", st->id.text);
    TRY(code);
    st->is_object = st->unsure = true;
    st->upload[0] = '\0';
    st->parts_bytes = st->durable_bytes;
    st->fill_bytes = st->tail_bytes = 0;
    return ERR_OK;
}

static uint64_t bytes_of(const struct s3_parts *parts)
{
    uint64_t n_bytes = 0;

    for (size_t i = 0; i < parts->n; i++)
        n_bytes += parts->items[i].size_bytes;
    return n_bytes;
}

static enum err_code load_parts(struct state *st, const struct s3_answer *tail, struct err *e)
{
    struct s3_tail_parts told;
    struct digest found;
    enum err_code code;

    if (!s3_tail_hear(tail->meta_parts, &told))
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "the tail of upload %s is damaged", st->id.text);
    st->key = told.key;
    s3_upload_name(st->s, &st->key, &st->name);
    memcpy(st->upload, tail->meta_id, sizeof(tail->meta_id));
    code = s3_parts_list(st->s->client, &st->name, st->upload, &st->parts, e);
    if (code == ERR_BLOB_UPLOAD_UNKNOWN)
        return load_object(st, e);
    TRY(code);
    if (st->parts.n < told.n)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "parts of upload %s are missing", st->id.text);
    leave_parts(st, told.n);
    s3_tail_hash(&st->parts, &found);
    if (!digest_eq(&found, &told.tags) || bytes_of(&st->parts) != st->parts_bytes)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "parts of upload %s were sent again",
                       st->id.text);
    return ERR_OK;
}

/* Numbers of tails that this process, or another one of the same turn, may have tried to write. */
#define TAILS_IN_DOUBT 1000

/* What the tail says of the upload. */
static enum err_code load(struct state *st, const struct s3_answer *tail, struct err *e)
{
    st->told = true;
    st->tail_number = s3_tail_number(&st->tail) + TAILS_IN_DOUBT;
    st->durable_bytes = tail->meta_bytes;
    st->note = tail->note;
    st->fill_bytes = st->tail_bytes = tail->total_bytes;
    if (st->durable_bytes < st->fill_bytes ||
        (!tail->meta_id[0] && st->durable_bytes > st->fill_bytes))
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "the tail of upload %s is damaged", st->id.text);
    st->parts_bytes = st->durable_bytes - st->fill_bytes;
    return tail->meta_id[0] ? load_parts(st, tail, e) : ERR_OK;
}

static enum err_code state_load(struct s3 *s, const struct uuid *id, struct state **ret_state,
                                struct err *e)
{
    struct state *st = state_new(s, id);
    struct s3_answer tail = {0};
    enum err_code code = s3_tail_find(s, id, &st->tail, &tail, e);

    if (code == ERR_OK)
        code = load(st, &tail, e);
    else if (code == ERR_NOT_FOUND)
        code = ERR_OK; /* nothing of it was durable */
    if (code != ERR_OK) {
        state_free(st);
        return code;
    }
    list(s->uploads, st);
    *ret_state = st;
    return ERR_OK;
}

/* Ends a reference to what is lost. What was durable stays: the server has it as the last sync
 * told, or a sync more, and who opens it next asks there. What was sent since is overwritten, or
 * goes with the upload. */
static enum err_code leave_lost(struct store *store, struct state *st, struct err *e)
{
    struct s3_uploads *t = s3_of(store)->uploads;
    enum err_code code = ERR_OK;
    unsigned refs = 1;

    if (st->durable_bytes > 0) {
        (void)!wait_for_parts(st, 0, ERR_IGNORED);
        refs += take_off(t, st);
    } else if (is_listed(t, st)) {
        code = s3_upload_delete(store, &st->id, e);
    }
    unref_by(t, st, refs);
    return code;
}

enum err_code s3_upload_open(struct store *store, const struct uuid *id,
                             struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                             struct err *e)
{
    struct s3 *s = s3_of(store);
    struct state *st = find(s->uploads, id);

    if (st && st->over) { /* it became a blob */
        unref(s->uploads, st);
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s is over", id->text);
    }
    if (st && st->lost) { /* and could not be deleted */
        TRY(leave_lost(store, st, e));
        st = NULL;
    }
    if (!st)
        TRY(state_load(s, id, &st, e));
    *ret_size_bytes = st->parts_bytes + st->fill_bytes;
    *ret_upload = (struct store_upload *)st;
    return ERR_OK;
}

enum err_code s3_upload_note(struct store *s, struct store_upload *u, struct store_note *ret_note,
                             struct err *e)
{
    const struct state *st = state_of(u);

    (void)s, (void)e;
    if (st->durable_bytes == st->parts_bytes + st->fill_bytes)
        *ret_note = st->note;
    return ERR_OK;
}

void s3_upload_close(struct store *store, struct store_upload *u)
{
    struct state *st = state_of(u);

    if (st->lost || (st->sealed && !st->over))
        (void)!leave_lost(store, st, ERR_IGNORED); /* else the next open does it, or the sweep */
    else
        unref(s3_of(store)->uploads, st);
}

enum err_code s3_upload_expect(struct store *store, struct store_upload *u,
                               const struct repo_name *repo, const struct digest *d,
                               uint64_t size_bytes, struct err *e)
{
    struct state *st = state_of(u);

    (void)repo;
    TRY(check_lost(st, e));
    st->direct = true;
    st->expects_bytes = size_bytes;
    s3_blob_name(s3_of(store), d, &st->name);
    return ERR_OK;
}

enum err_code s3_original_expect(struct store *store, struct store_upload *u,
                                 const struct store_original_name *name, struct err *e)
{
    struct state *st = state_of(u);

    TRY(check_lost(st, e));
    st->direct = true;
    s3_original_name(s3_of(store), name, &st->name);
    return ERR_OK;
}

/* ---- away with it */

/* The upload is as if nothing had ever come. */
static enum err_code reset(struct state *st, struct err *e)
{
    struct s3_name tail;

    (void)!wait_for_parts(st, 0, ERR_IGNORED);
    if (st->upload[0])
        TRY(s3_multipart_abort(st->s->client, &st->name, st->upload, e));
    if (st->tail.text[0]) {
        s3_upload_name(st->s, &st->tail, &tail);
        TRY(s3_delete(st->s->client, &tail, e));
    }
    delete_soon(st, &st->spent);
    if (st->is_object)
        TRY(s3_delete(st->s->client, &st->name, e));
    reader_free(STEAL(st->back));
    drop_file(st);
    st->is_object = st->unsure = st->sealed = st->told = false;
    st->expects_bytes = UINT64_MAX;
    st->upload[0] = st->tail.text[0] = '\0';
    st->parts.n = 0;
    st->parts_bytes = st->fill_bytes = st->tail_bytes = st->durable_bytes = 0;
    st->note.n = 0;
    st->direct = false;
    return ERR_OK;
}

enum err_code s3_upload_delete(struct store *store, const struct uuid *id, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct state *st = find(s->uploads, id);
    enum err_code code = ERR_OK;
    unsigned refs = 1;

    if (!st)
        return s3_remains_delete(s, id, e);
    if (!st->over) {
        code = reset(st, e);
        st->over = code == ERR_OK;
        st->lost |= st->over; /* for handles that are open */
    }
    if (code == ERR_OK)
        refs += take_off(s->uploads, st);
    unref_by(s->uploads, st, refs);
    return code;
}

void s3_upload_forget(struct store *store, const struct uuid *id)
{
    struct s3_uploads *t = s3_of(store)->uploads;
    struct state *st = find(t, id);

    if (st)
        unref_by(t, st, 1u + take_off(t, st));
}

enum err_code s3_upload_truncate(struct store *s, struct store_upload *u, uint64_t size_bytes,
                                 struct err *e)
{
    struct state *st = state_of(u);

    (void)s;
    TRY(check_lost(st, e));
    if (size_bytes >= st->parts_bytes + st->fill_bytes)
        return ERR_OK;
    if (size_bytes == 0 && st->durable_bytes == 0)
        return reset(st, e);
    if (size_bytes < st->durable_bytes || size_bytes < st->parts_bytes) {
        st->lost = size_bytes >= st->durable_bytes;
        return err_set(e, ERR_UNSUPPORTED, "upload %s can't be cut to %llu bytes", st->id.text,
                       (unsigned long long)size_bytes);
    }
    st->fill_bytes = size_bytes - st->parts_bytes;
    if (st->fd >= 0) {
        if (ftruncate(st->fd, (off_t)st->fill_bytes) < 0)
            return err_errno(e, "truncate a temporary file");
        s3_temp_fill(st->s->temp, &st->room, st->fill_bytes);
    }
    return ERR_OK;
}

/* ---- sync */

static enum err_code put_tail(struct state *st, const struct store_note *note, struct err *e)
{
    struct client_file file = {.fd = st->fd, .bytes = st->fill_bytes};
    char parts[S3_TAIL_PARTS_MAX] = "";
    struct s3_put put = {.note = note,
                         .upload = st->upload,
                         .parts = parts,
                         .bytes = st->parts_bytes + st->fill_bytes,
                         .file = st->fd >= 0 ? &file : NULL};
    struct s3_upload_key key;
    struct s3_name name;

    if (st->upload[0])
        s3_tail_tell(&st->parts, &st->key, parts);
    s3_tail_key(&st->id, note->turn, ++st->tail_number, &key);
    s3_upload_name(st->s, &key, &name);
    st->told = true; /* perhaps also when it fails */
    if (!st->tail.text[0])
        st->tail = key;
    TRY(s3_put(st->s->client, &name, &put, e));
    if (strcmp(st->tail.text, key.text) != 0)
        delete_soon(st, &st->tail);
    st->tail = key;
    delete_soon(st, &st->spent);
    st->tail_bytes = st->fill_bytes;
    st->durable_bytes = put.bytes;
    st->note = *note;
    return ERR_OK;
}

static bool same_note(const struct store_note *a, const struct store_note *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

enum err_code s3_upload_sync(struct store *s, struct store_upload *u, const struct store_note *note,
                             uint64_t *ret_durable_bytes, struct err *e)
{
    struct state *st = state_of(u);
    uint64_t size_bytes = st->parts_bytes + st->fill_bytes;
    enum err_code code = ERR_OK;

    (void)s;
    TRY(check_lost(st, e));
    if (st->direct) {
        TRY(reset(st, e));
    } else if (size_bytes != st->durable_bytes || !same_note(note, &st->note)) {
        if (st->is_object)
            TRY(become_parts(st, 0, e));
        TRY(fetch_tail(st, e));
        if (st->upload[0] && st->fill_bytes >= S3_PART_MIN_BYTES)
            code = send_part(st, e);
        if (code == ERR_OK)
            code = wait_for_parts(st, 0, e);
        if (code == ERR_OK)
            code = put_tail(st, note, e);
        st->lost = code != ERR_OK;
    }
    *ret_durable_bytes = st->durable_bytes;
    return code;
}

/* ---- commit */

/* The blob is at its key already, or moving there. */
static bool is_there(struct s3 *s, const struct digest *d, uint64_t size_bytes)
{
    struct s3_name name;
    uint64_t found_bytes;

    return s3_blob_find(s, d, &name, &found_bytes, ERR_IGNORED) == ERR_OK &&
           found_bytes == size_bytes;
}

static void clear_away(struct state *st)
{
    delete_soon(st, &st->tail);
    delete_soon(st, &st->spent);
    st->over = true;
}

/* Unless it is there: another process may have the blob at the same time, or the answer to an
 * earlier try was lost. */
static enum err_code put_once(struct s3 *s, const struct digest *d, uint64_t size_bytes,
                              struct s3_put put, struct err *e)
{
    struct s3_answer there = {0};
    struct s3_name key;
    enum err_code code;

    s3_blob_name(s, d, &key);
    put.if_none = true;
    code = s3_put(s->client, &key, &put, e);
    if (code != ERR_PRECONDITION)
        return code;
    if (s3_head(s->client, &key, &there, ERR_IGNORED) == ERR_OK && there.total_bytes == size_bytes)
        return ERR_OK;
    put.if_none = false;
    return s3_put(s->client, &key, &put, e);
}

/* Of one part's worth, or less. */
static enum err_code commit_small(struct state *st, const struct digest *d, struct err *e)
{
    struct client_file file = {.fd = st->fd, .bytes = st->fill_bytes};
    struct s3_put put = {.file = st->fd >= 0 ? &file : NULL};
    struct s3_name key, tail;
    enum err_code code;

    s3_blob_name(st->s, d, &key);
    if (st->tail.text[0] && st->durable_bytes == st->fill_bytes) {
        s3_upload_name(st->s, &st->tail, &tail);
        code = s3_copy(st->s->client, NULL, &tail, &key, e);
        return code == ERR_NOT_FOUND ? taken_away(st, e) : code;
    }
    TRY(fetch_tail(st, e));
    file.fd = st->fd;
    put.file = st->fd >= 0 ? &file : NULL;
    return put_once(st->s, d, st->fill_bytes, put, e);
}

static enum err_code move_to_key(struct state *st, const struct digest *d, struct err *e)
{
    const struct s3_move move = {.from = st->key, .tail = st->tail};
    struct s3_name key;
    enum err_code code;

    if (st->parts_bytes <= COPY_AT_ONCE) {
        s3_blob_name(st->s, d, &key);
        code = s3_copy(st->s->client, NULL, &st->name, &key, e);
        if (code == ERR_NOT_FOUND)
            return taken_away(st, e);
        TRY(code);
        s3_keeper_delete(st->s->keeper, &st->name);
        return ERR_OK;
    }
    TRY(s3_move_write(st->s, d, &move, e));
    st->tail.text[0] = '\0'; /* it goes with the move, also after a crash */
    s3_keeper_move(st->s->keeper, d, &move);
    return ERR_OK;
}

static enum err_code made_by_others(struct state *st, struct err *e)
{
    st->lost = true;
    return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "another process made an object of upload %s",
                   st->id.text);
}

/* What the object has is the blob: it is read once more. Error: BLOB_UPLOAD_UNKNOWN. */
static enum err_code check_object(struct state *st, const struct digest *d, struct err *e)
{
    AUTO(hasher) struct hasher *h = hasher_new(d->algorithm);
    AUTO(mem) char *p = mem_alloc(SHIFT_BYTES);
    struct digest found;
    size_t n = 1;

    for (uint64_t at = 0; n > 0; at += n) {
        enum err_code code = read_object(st, p, SHIFT_BYTES, at, &n, e);

        if (code == ERR_BLOB_UNKNOWN || code == ERR_CORRUPT)
            return made_by_others(st, e);
        TRY(code);
        hasher_update(h, p, n);
    }
    hasher_digest(h, &found);
    return digest_eq(&found, d) ? ERR_OK : made_by_others(st, e);
}

/* The parts are an object at the upload's key now. */
static enum err_code commit_object(struct state *st, const struct digest *d, struct err *e)
{
    if (st->unsure)
        TRY(check_object(st, d, e));
    return move_to_key(st, d, e);
}

static enum err_code commit_large(struct state *st, const struct digest *d, struct err *e)
{
    bool sure;

    TRY(complete(st, &sure, e));
    st->upload[0] = '\0'; /* it is no upload any more */
    st->unsure = !sure;
    return st->direct ? ERR_OK : commit_object(st, d, e);
}

enum err_code s3_upload_prepare(struct store *s, struct store_upload *u,
                                const struct repo_name *repo, const struct digest *d,
                                const struct repo_name *twin, struct err *e)
{
    struct state *st = state_of(u);

    (void)s, (void)repo, (void)d;
    TRY(check_lost(st, e));
    if (st->upload[0] && !twin) { /* else it is there already, most likely */
        enum err_code code = send_last(st, e);

        st->lost |= code != ERR_OK;
        TRY(code);
    }
    return wait_for_parts(st, 0, e);
}

/* A key is written once, also by two who have the same blob at once: they hold the blob's lock. */
enum err_code s3_upload_commit(struct store *store, struct store_upload *u,
                               const struct repo_name *repo, const struct digest *d,
                               const struct repo_name *twin, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct state *st = state_of(u);
    uint64_t size_bytes = st->parts_bytes + st->fill_bytes;
    enum err_code code = ERR_OK;

    (void)repo;
    if (st->over)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s was removed", st->id.text);
    TRY(check_lost(st, e));
    if (twin && is_there(s, d, size_bytes)) {
        (void)!wait_for_parts(st, 0, ERR_IGNORED);
        if (st->upload[0])
            TRY(s3_multipart_abort(s->client, &st->name, st->upload, e));
        if (st->is_object)
            s3_keeper_delete(s->keeper, &st->name);
    } else if (st->is_object) {
        code = commit_object(st, d, e);
    } else if (st->upload[0]) {
        code = commit_large(st, d, e);
        st->lost = code != ERR_OK;
    } else {
        code = commit_small(st, d, e);
    }
    TRY(code);
    clear_away(st);
    s3_upload_close(store, u);
    return ERR_OK;
}

/* It has been on its way to its key since it was expected there. */
enum err_code s3_original_commit(struct store *store, struct store_upload *u,
                                 const struct store_original_name *name, struct err *e)
{
    struct state *st = state_of(u);
    struct client_file file = {st->fd, st->fill_bytes};
    const struct s3_put put = {.file = st->fd >= 0 ? &file : NULL};
    enum err_code code;
    bool sure;

    (void)name;
    if (st->over)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s was removed", st->id.text);
    TRY(check_lost(st, e));
    code = st->upload[0] ? complete(st, &sure, e) : s3_put(st->s->client, &st->name, &put, e);
    st->lost = code != ERR_OK;
    TRY(code);
    st->upload[0] = '\0'; /* it is no upload any more */
    clear_away(st);
    s3_upload_close(store, u);
    return ERR_OK;
}
