/* Blobs, to be looked at and read. */
#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BODY_MAX 65536 /* of an answer that is not the blob */

/* ---- where a blob is */

static enum err_code unknown(const struct digest *d, struct err *e)
{
    return err_set(e, ERR_BLOB_UNKNOWN, "no %s in the bucket", d->text);
}

/* Another process may be moving it. Error: NOT_FOUND. */
static enum err_code moved_from(struct s3 *s, const struct digest *d, struct uuid *ret_id,
                                struct err *e)
{
    struct s3_name pointer;

    s3_move_name(s, d, &pointer);
    return s3_move_read(s, &pointer, ret_id, e);
}

static enum err_code size_at(struct s3 *s, const struct s3_name *name, uint64_t *ret_size_bytes,
                             struct err *e)
{
    struct s3_answer a = {0};

    TRY(s3_head(s->client, name, &a, e));
    *ret_size_bytes = a.total_bytes;
    return ERR_OK;
}

enum err_code s3_blob_find(struct s3 *s, const struct digest *d, struct s3_name *ret_name,
                           uint64_t *ret_size_bytes, struct err *e)
{
    enum err_code code;
    struct uuid id;

    if (!s3_keeper_moving(s->keeper, d, &id)) {
        s3_blob_name(s, d, ret_name);
        code = size_at(s, ret_name, ret_size_bytes, e);
        if (code != ERR_NOT_FOUND)
            return code;
        code = moved_from(s, d, &id, e);
        if (code != ERR_OK)
            return code == ERR_NOT_FOUND ? unknown(d, e) : code;
    }
    s3_upload_name(s, &id, ret_name);
    code = size_at(s, ret_name, ret_size_bytes, e);
    if (code == ERR_NOT_FOUND) { /* moved just now */
        s3_blob_name(s, d, ret_name);
        code = size_at(s, ret_name, ret_size_bytes, e);
    }
    return code == ERR_NOT_FOUND ? unknown(d, e) : code;
}

/* A blob that came to its key between the looks at key and pointer is found by the second round. */
static enum err_code find_surely(struct s3 *s, const struct digest *d, uint64_t *ret_size_bytes,
                                 struct err *e)
{
    struct s3_name name;
    enum err_code code = s3_blob_find(s, d, &name, ret_size_bytes, e);

    return code == ERR_BLOB_UNKNOWN ? s3_blob_find(s, d, &name, ret_size_bytes, e) : code;
}

enum err_code s3_blob_stat(struct store *store, const struct repo_name *repo,
                           const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    (void)repo;
    return find_surely(s3_of(store), d, ret_size_bytes, e);
}

/*
 * ---- readers
 *
 * A read never waits: looking where the blob is, and waiting before another try, are steps like
 * reading it. A connection that broke goes on by range. That is not tied to an entity tag, for the
 * key names the bytes: when two finish the same blob at once, or it is moved, another tag is there
 * with the same content.
 */

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
    enum place place;             /* where the next request goes, or the open one went */
    struct uuid upload;           /* AT_UPLOAD: which */
    struct client_stream *stream; /* NULL: none is open */
    uint64_t begun_bytes;         /* where it began */
    struct s3_answer answer;      /* its head; and its body, where that is not the blob */
    int wait_fd, timer_fd;        /* an epoll set: of the timer, and of what the stream waits for */
    unsigned tries;               /* that failed since the last byte */
    int64_t failing_since_ms, not_before_ms;
    bool renewed; /* the signature, since then */
};

static void name_place(const struct blob_reader *b, struct s3_name *ret_name)
{
    if (b->place == AT_POINTER)
        s3_move_name(b->s, &b->digest, ret_name);
    else if (b->place == AT_UPLOAD)
        s3_upload_name(b->s, &b->upload, ret_name);
    else if (b->place == AT_NAME)
        *ret_name = b->name;
    else
        s3_blob_name(b->s, &b->digest, ret_name);
}

static void end_stream(struct blob_reader *b)
{
    if (b->stream)
        epoll_ctl(b->wait_fd, EPOLL_CTL_DEL, client_stream_fd(b->stream), NULL);
    client_stream_free(b->stream);
    b->stream = NULL;
}

static enum err_code watch(struct blob_reader *b, int fd, struct err *e)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(b->wait_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return err_errno(e, "wait for a blob");
    return ERR_OK;
}

/* 0: never. */
static void set_timer(struct blob_reader *b, uint64_t ms)
{
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}};

    timerfd_settime(b->timer_fd, 0, &at, NULL);
}

static enum err_code begin_stream(struct blob_reader *b, struct err *e)
{
    struct s3_request r = {.method = "GET"};
    struct s3_name name;
    char range[64];

    set_timer(b, 0);
    if (b->place == AT_KEY && s3_keeper_moving(b->s->keeper, &b->digest, &b->upload))
        b->place = AT_UPLOAD;
    name_place(b, &name);
    r.name = &name;
    b->begun_bytes = b->place == AT_POINTER ? 0 : b->at_bytes;
    if (b->begun_bytes > 0) {
        snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)b->begun_bytes);
        s3_header(&r, STR("range"), str_of(range));
    }
    TRY(s3_stream(b->client, &r, &b->answer, &b->stream, e));
    return watch(b, client_stream_fd(b->stream), e);
}

/* Bytes of the blob, as long as it should be; none are its end, which is never read for. */
static enum err_code check_content(const struct blob_reader *b, size_t n, struct err *e)
{
    uint64_t found_bytes = b->answer.total_bytes;

    if (found_bytes != UINT64_MAX && found_bytes != b->size_bytes)
        return err_set(e, ERR_CORRUPT, "%s has %llu bytes in the bucket, not %llu", b->digest.text,
                       (unsigned long long)found_bytes, (unsigned long long)b->size_bytes);
    return n > 0 ? ERR_OK : err_set(e, ERR_UNAVAILABLE, "the answer ended too early");
}

/* A whole answer without content says where to go on. */
static enum err_code take_answer(struct blob_reader *b, struct err *e)
{
    struct s3_name name;
    struct s3_request r = {.method = "GET", .name = &name};
    enum err_code code;

    name_place(b, &name);
    end_stream(b);
    if (b->place == AT_POINTER && b->answer.status == 200) {
        b->place = uuid_parse(buf_str(&b->answer.body), &b->upload) ? AT_UPLOAD : AT_KEY_AGAIN;
        return ERR_OK;
    }
    code = s3_refused(&b->answer, &r, e);
    if (code == ERR_RANGE_UNSATISFIABLE)
        return err_set(e, ERR_CORRUPT, "%s is too short in the bucket", b->digest.text);
    if (code != ERR_NOT_FOUND)
        return code;
    if (b->place == AT_KEY_AGAIN || b->place == AT_NAME)
        return unknown(&b->digest, e);
    b->place = b->place == AT_KEY ? AT_POINTER : AT_KEY_AGAIN;
    return ERR_OK;
}

/* *ret_n is 0 when there is something else to do first. */
static enum err_code step(struct blob_reader *b, void *buf, size_t cap, size_t *ret_n,
                          struct err *e)
{
    size_t n;

    if (clock_mono_ms() < b->not_before_ms)
        return err_set(e, ERR_LATER, "the server is asked again later");
    if (!b->stream)
        TRY(begin_stream(b, e));
    TRY(client_stream_read(b->stream, buf, cap, &n, e));
    b->answer.status = client_stream_status(b->stream);
    if (b->place != AT_POINTER && b->answer.status == (b->begun_bytes > 0 ? 206 : 200)) {
        TRY(check_content(b, n, e));
        *ret_n = n;
        return ERR_OK;
    }
    if (n == 0)
        return take_answer(b, e);
    buf_add(&b->answer.body, buf, n);
    return ERR_OK;
}

/* LATER: another try may help. */
static enum err_code failed(struct blob_reader *b, enum err_code code, struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    uint64_t random, wait_ms;

    end_stream(b);
    if (!s3_may_help(code, &b->answer, &b->renewed))
        return s3_told(code, e);
    if (code == ERR_DENIED)
        s3_renew_key(b->client);
    if (b->tries == 0)
        b->failing_since_ms = now_ms;
    random_bytes(&random, sizeof(random));
    wait_ms = s3_wait_ms(b->tries++, b->answer.retry_ms, random) + 1;
    if (now_ms - b->failing_since_ms + (int64_t)wait_ms >=
        (int64_t)s3_client_options(b->client)->timeout_ms)
        return err_prefix(e, "read %s", b->digest.text);
    b->not_before_ms = now_ms + (int64_t)wait_ms;
    set_timer(b, wait_ms);
    return err_set(e, ERR_LATER, "the server is asked again later");
}

static void advance(struct blob_reader *b, size_t n)
{
    b->at_bytes += n;
    b->tries = 0;
    b->renewed = false;
    if (b->place == AT_KEY_AGAIN)
        b->place = AT_KEY;
    if (b->at_bytes == b->size_bytes)
        end_stream(b); /* another has its connection already while these bytes are sent */
}

static enum err_code read_blob(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct blob_reader *b = (struct blob_reader *)r;
    enum err_code code = ERR_OK;
    size_t n = 0;

    if (cap > b->size_bytes - b->at_bytes)
        cap = (size_t)(b->size_bytes - b->at_bytes);
    while (code == ERR_OK && n == 0 && cap > 0)
        code = step(b, buf, cap, &n, e);
    if (code != ERR_OK && code != ERR_LATER)
        code = failed(b, code, e);
    TRY(code);
    if (n > 0)
        advance(b, n);
    *ret_n = n;
    return ERR_OK;
}

static enum err_code seek_blob(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    struct blob_reader *b = (struct blob_reader *)r;

    (void)e;
    if (offset_bytes > b->size_bytes)
        offset_bytes = b->size_bytes;
    if (offset_bytes != b->at_bytes)
        end_stream(b);
    b->at_bytes = offset_bytes;
    return ERR_OK;
}

static int blob_wait_fd(struct reader *r)
{
    return ((struct blob_reader *)r)->wait_fd;
}

static void free_blob(struct reader *r)
{
    struct blob_reader *b = (struct blob_reader *)r;

    end_stream(b);
    buf_done(&b->answer.body);
    if (b->timer_fd >= 0)
        close(b->timer_fd);
    if (b->wait_fd >= 0)
        close(b->wait_fd);
    free(b);
}

static const struct reader_ops reader_s3 = {
    .read = read_blob,
    .seek = seek_blob,
    .wait_fd = blob_wait_fd,
    .free = free_blob,
};

/* NULL: *e says why. */
static struct blob_reader *make_reader(struct s3_client *c, enum place place,
                                       const struct digest *d, uint64_t size_bytes, struct err *e)
{
    AUTO(reader) struct reader *reader = NULL;
    struct blob_reader *b = NEW(struct blob_reader);

    reader = &b->reader;
    reader->ops = &reader_s3;
    b->client = c;
    b->place = place;
    b->digest = *d;
    b->size_bytes = size_bytes;
    buf_init(&b->answer.body, BODY_MAX);
    b->wait_fd = epoll_create1(EPOLL_CLOEXEC);
    b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->wait_fd < 0 || b->timer_fd < 0)
        (void)err_errno(e, "open a blob");
    else if (watch(b, b->timer_fd, e) == ERR_OK)
        reader = NULL;
    return reader ? NULL : b;
}

enum err_code s3_blob_open(struct store *store, const struct repo_name *repo,
                           const struct digest *d, uint64_t known_bytes, struct reader **ret_reader,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct blob_reader *b;

    (void)repo;
    if (known_bytes == UINT64_MAX)
        TRY(find_surely(s, d, &known_bytes, e));
    b = make_reader(s->client, AT_KEY, d, known_bytes, e);
    if (!b)
        return e->code;
    b->s = s;
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
