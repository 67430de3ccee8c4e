/*
 * Readers of blobs.
 *
 * A read never waits: looking where the blob is, and waiting before another try, are steps like
 * reading it. A connection that broke goes on by range. That is not tied to an entity tag, for the
 * key names the bytes: when two finish the same blob at once, or it is moved, another tag is there
 * with the same content.
 *
 * A large blob comes in ranges, one after the other. While its reader waits for the server more
 * than the server for it, one connection does not fill the line: then the next ranges are fetched
 * beside the one that is read, and kept until it is their turn (ahead.h).
 */
#include "store/s3/ahead.h"
#include "store/s3/range.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum place {
    AT_KEY,
    AT_POINTER,
    AT_UPLOAD,
    AT_KEY_AGAIN,
    AT_NAME, /* a key that was named, and nowhere else */
};

struct blob_reader {
    struct reader reader;
    struct s3_client *client;
    struct s3 *s;        /* NULL: AT_NAME */
    struct s3_name name; /* AT_NAME */
    struct digest digest;
    uint64_t size_bytes, at_bytes;
    uint64_t end_bytes;      /* what is behind is not wanted, so far as is known */
    struct s3_range *ranges; /* the one that is read, and those ahead; NULL: none is asked for */
    struct s3_ahead ahead;
    char *rooms[S3_AHEAD_WIDTH_MAX + 1]; /* of `beside` bytes, where ranges ahead were kept */
    unsigned n_rooms;
    enum place place;            /* where the next request goes, or the open one went */
    struct s3_upload_key upload; /* AT_UPLOAD: which */

    int wait_fd, timer_fd; /* an epoll set: of the timer, and of what the streams wait for */
    unsigned tries;        /* that failed since the last byte */
    int64_t failing_since_ms, not_before_ms;
    bool renewed; /* the signature, since then */
};

/* ---- ranges */

static void name_place(const struct blob_reader *b, struct s3_name *ret_name)
{
    if (b->place == AT_POINTER)
        s3_move_name(b->s, &b->digest, NULL, ret_name);
    else if (b->place == AT_UPLOAD)
        s3_upload_name(b->s, &b->upload, ret_name);
    else if (b->place == AT_NAME)
        *ret_name = b->name;
    else
        s3_blob_name(b->s, &b->digest, ret_name);
}

/* Rooms are used again: the pages of a new one cost as much as what comes into it. */
static bool take_room(struct blob_reader *b, char **ret_room)
{
    size_t n_bytes = b->ahead.shape->beside;

    if (b->n_rooms == 0 && (!b->s || !s3_ahead_take(&b->s->kept, n_bytes)))
        return false;
    *ret_room = b->n_rooms > 0 ? b->rooms[--b->n_rooms] : mem_alloc(n_bytes);
    return true;
}

static void end_range(struct blob_reader *b)
{
    struct s3_range *r = b->ranges;

    b->ranges = r->next;
    if (r->kept)
        b->rooms[b->n_rooms++] = r->kept;
    s3_range_free(r);
}

static void end_ranges(struct blob_reader *b)
{
    while (b->ranges)
        end_range(b);
    while (b->n_rooms > 0) {
        free(b->rooms[--b->n_rooms]);
        s3_ahead_give(&b->s->kept, b->ahead.shape->beside);
    }
}

static struct s3_range *add_range(struct blob_reader *b, uint64_t from_bytes, char *room)
{
    uint64_t end_bytes = from_bytes < b->end_bytes ? b->end_bytes : b->size_bytes;
    uint64_t n_bytes = s3_ahead_length(&b->ahead, from_bytes, end_bytes, room != NULL);
    struct s3_range **at = &b->ranges;

    while (*at)
        at = &(*at)->next;
    *at = s3_range_new(from_bytes, from_bytes + n_bytes, b->size_bytes, b->wait_fd);
    (*at)->kept = room;
    return *at;
}

/* 0: never. */
static void set_timer(struct blob_reader *b, uint64_t ms)
{
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}};

    timerfd_settime(b->timer_fd, 0, &at, NULL);
}

static enum err_code open_range(struct blob_reader *b, struct err *e)
{
    struct s3_name name;

    set_timer(b, 0);
    if (b->place == AT_KEY && s3_keeper_moving(b->s->keeper, &b->digest, &b->upload))
        b->place = AT_UPLOAD;
    name_place(b, &name);
    return s3_range_open(b->ranges, b->client, &name, b->place == AT_POINTER, e);
}

/* ---- what is ahead */

/* One range more, when it is known where the blob is. What can't be had now is asked for when it is
 * its turn. */
static void fetch_ahead(struct blob_reader *b)
{
    struct s3_range *last = b->ranges;
    struct s3_name name;
    unsigned n = 0;
    char *room;

    if (!b->ahead.wide || b->at_bytes == b->ranges->from_bytes)
        return;
    for (; last->next; last = last->next)
        n++;
    if (n >= b->ahead.shape->width || last->until_bytes >= b->end_bytes || !take_room(b, &room))
        return;
    last = add_range(b, last->until_bytes, room);
    name_place(b, &name);
    if (s3_range_open(last, b->client, &name, false, ERR_IGNORED) != ERR_OK)
        s3_range_close(last);
}

static void keep_ahead(struct blob_reader *b)
{
    for (struct s3_range *r = b->ranges->next; r; r = r->next)
        s3_range_keep(r);
}

/* ---- steps */

/* Bytes of the blob, as long as it should be; none are its end, which is never read for. */
static enum err_code check_content(const struct blob_reader *b, size_t n, struct err *e)
{
    uint64_t found_bytes = b->ranges->answer.total_bytes;

    if (found_bytes != UINT64_MAX && found_bytes != b->size_bytes)
        return err_set(e, ERR_CORRUPT, "%s has %llu bytes in the bucket, not %llu", b->digest.text,
                       (unsigned long long)found_bytes, (unsigned long long)b->size_bytes);
    return n > 0 ? ERR_OK : err_set(e, ERR_UNAVAILABLE, "the answer ended too early");
}

/* From where a pointer says that it is moved. */
static void take_pointers(struct blob_reader *b, struct str list)
{
    struct s3_name pointer;
    struct digest d;

    b->place = s3_list_first(list, &pointer) && s3_move_name_parse(b->s, &pointer, &d, &b->upload)
                   ? AT_UPLOAD
                   : AT_KEY_AGAIN;
}

/* A whole answer without content says where to go on. */
static enum err_code take_answer(struct blob_reader *b, struct err *e)
{
    struct s3_answer *a = &b->ranges->answer;
    struct s3_name name;
    struct s3_request r = {.method = "GET", .name = &name};
    enum err_code code;

    name_place(b, &name);
    s3_range_close(b->ranges);
    if (b->place == AT_POINTER && a->status == 200) {
        take_pointers(b, buf_str(&a->body));
        return ERR_OK;
    }
    code = s3_refused(a, &r, e);
    if (code == ERR_RANGE_UNSATISFIABLE)
        return err_set(e, ERR_CORRUPT, "%s is too short in the bucket", b->digest.text);
    if (code != ERR_NOT_FOUND)
        return code;
    if (b->place == AT_KEY_AGAIN || b->place == AT_NAME)
        return s3_blob_unknown(&b->digest, e);
    b->place = b->place == AT_KEY ? AT_POINTER : AT_KEY_AGAIN;
    return ERR_OK;
}

/* Of the range that is read. *ret_n is 0 when there is something else to do first. */
static enum err_code step(struct blob_reader *b, void *buf, size_t cap, size_t *ret_n,
                          struct err *e)
{
    struct s3_range *r = b->ranges;
    size_t n;

    *ret_n = s3_range_take(r, buf, cap);
    if (*ret_n > 0)
        return ERR_OK;
    if (clock_mono_ms() < b->not_before_ms)
        return err_set(e, ERR_LATER, "the server is asked again later");
    if (!r->stream)
        TRY(open_range(b, e));
    TRY(s3_range_receive(r, buf, cap, &n, e));
    if (b->place != AT_POINTER && s3_range_has_blob(r)) {
        TRY(check_content(b, n, e));
        r->at_bytes += n;
        *ret_n = n;
        return ERR_OK;
    }
    if (n == 0)
        return take_answer(b, e);
    buf_add(&r->answer.body, buf, n);
    return ERR_OK;
}

/* LATER: another try may help. */
static enum err_code failed(struct blob_reader *b, enum err_code code, struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    uint64_t random, wait_ms;

    s3_range_close(b->ranges);
    if (!s3_may_help(code, &b->ranges->answer, &b->renewed))
        return s3_told(code, e);
    if (code == ERR_DENIED)
        s3_renew_key(b->client);
    if (b->tries == 0)
        b->failing_since_ms = now_ms;
    random_bytes(&random, sizeof(random));
    wait_ms = s3_wait_ms(b->tries++, b->ranges->answer.retry_ms, random) + 1;
    if (now_ms - b->failing_since_ms + (int64_t)wait_ms >=
        (int64_t)s3_client_options(b->client)->timeout_ms)
        return err_prefix(e, "read %s", b->digest.text);
    s3_client_note_again(b->client);
    b->not_before_ms = now_ms + (int64_t)wait_ms;
    set_timer(b, wait_ms);
    return err_set(e, ERR_LATER, "the server is asked again later");
}

/* The last range ends with its last byte: another has its connection already while that is sent. */
static void advance(struct blob_reader *b, size_t n)
{
    b->at_bytes += n;
    b->tries = 0;
    b->renewed = false;
    if (b->place == AT_KEY_AGAIN)
        b->place = AT_KEY;
    if (s3_ahead_read(&b->ahead, n))
        keep_ahead(b);
    fetch_ahead(b);
    if (b->at_bytes == b->ranges->until_bytes)
        end_range(b);
}

static enum err_code try_read(struct blob_reader *b, void *buf, size_t cap, size_t *ret_n,
                              struct err *e)
{
    uint64_t left_bytes;
    enum err_code code = ERR_OK;

    if (!b->ranges)
        add_range(b, b->at_bytes, NULL);
    left_bytes = b->ranges->until_bytes - b->at_bytes;
    if (cap > left_bytes)
        cap = (size_t)left_bytes;
    while (code == ERR_OK && *ret_n == 0)
        code = step(b, buf, cap, ret_n, e);
    if (code == ERR_LATER) {
        s3_ahead_wait(&b->ahead, clock_mono_us());
        fetch_ahead(b);
        keep_ahead(b);
    }
    return code;
}

static enum err_code read_blob(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct blob_reader *b = (struct blob_reader *)r;
    enum err_code code;

    *ret_n = 0;
    if (cap == 0 || b->at_bytes == b->size_bytes)
        return ERR_OK;
    code = try_read(b, buf, cap, ret_n, e);
    if (code != ERR_OK && code != ERR_LATER)
        code = failed(b, code, e);
    if (code == ERR_OK)
        advance(b, *ret_n);
    return code;
}

static enum err_code seek_blob(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    struct blob_reader *b = (struct blob_reader *)r;

    (void)e;
    if (offset_bytes > b->size_bytes)
        offset_bytes = b->size_bytes;
    if (offset_bytes != b->at_bytes) {
        end_ranges(b);
        b->ahead = (struct s3_ahead){.shape = b->ahead.shape};
    }
    b->at_bytes = offset_bytes;
    return ERR_OK;
}

static void expect_blob(struct reader *r, uint64_t end_bytes)
{
    struct blob_reader *b = (struct blob_reader *)r;

    b->end_bytes = end_bytes < b->size_bytes ? end_bytes : b->size_bytes;
}

static int blob_wait_fd(struct reader *r)
{
    return ((struct blob_reader *)r)->wait_fd;
}

static void free_blob(struct reader *r)
{
    struct blob_reader *b = (struct blob_reader *)r;

    end_ranges(b);
    if (b->timer_fd >= 0)
        close(b->timer_fd);
    if (b->wait_fd >= 0)
        close(b->wait_fd);
    free(b);
}

static const struct reader_ops reader_s3 = {
    .read = read_blob,
    .seek = seek_blob,
    .expect = expect_blob,
    .wait_fd = blob_wait_fd,
    .free = free_blob,
};

/* NULL: *e says why. */
static struct blob_reader *make_reader(struct s3_client *c, enum place place,
                                       const struct digest *d, uint64_t size_bytes, struct err *e)
{
    AUTO(reader) struct reader *reader = NULL;
    struct blob_reader *b = NEW(struct blob_reader);
    struct epoll_event timer = {.events = EPOLLIN};

    reader = &b->reader;
    reader->ops = &reader_s3;
    b->client = c;
    b->place = place;
    b->digest = *d;
    b->size_bytes = b->end_bytes = size_bytes;
    b->ahead.shape = &s3_ahead_usual;
    b->wait_fd = epoll_create1(EPOLL_CLOEXEC);
    b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->wait_fd < 0 || b->timer_fd < 0 ||
        epoll_ctl(b->wait_fd, EPOLL_CTL_ADD, b->timer_fd, &timer) < 0)
        (void)err_errno(e, "open a blob");
    else
        reader = NULL;
    return reader ? NULL : b;
}

enum err_code s3_blob_open(struct store *store, const struct repo_name *repo,
                           const struct digest *d, uint64_t known_bytes, struct reader **ret_reader,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct blob_reader *b;

    if (known_bytes == UINT64_MAX)
        TRY(s3_blob_stat(store, repo, d, &known_bytes, e));
    b = make_reader(s->client, AT_KEY, d, known_bytes, e);
    if (!b)
        return e->code;
    b->s = s;
    b->ahead.shape = &s->shape;
    *ret_size_bytes = known_bytes;
    *ret_reader = &b->reader;
    return ERR_OK;
}

enum err_code s3_reader_of(struct s3_client *c, const struct s3_name *name, const struct digest *d,
                           uint64_t size_bytes, struct reader **ret_reader, struct err *e)
{
    struct blob_reader *b = make_reader(c, AT_NAME, d, size_bytes, e);

    if (!b)
        return e->code;
    b->name = *name;
    *ret_reader = &b->reader;
    return ERR_OK;
}
