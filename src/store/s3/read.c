/* Blobs, to be looked at and read. */
#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES 5 /* connections that break one after the other, without a byte in between */

/* ---- where a blob is */

static enum err_code unknown(const struct digest *d, struct err *e)
{
    return err_set(e, ERR_BLOB_UNKNOWN, "no %s in the bucket", d->text);
}

/* Another process may be moving it. Error: NOT_FOUND. */
static enum err_code moved_from(struct s3 *s, const struct digest *d, struct uuid *ret_id,
                                struct err *e)
{
    struct s3_answer a = {0};
    struct s3_name pointer;
    enum err_code code;

    s3_move_name(s, d, &pointer);
    buf_init(&a.body, 4096);
    code = s3_get(s->client, &pointer, &a, e);
    if (code == ERR_OK && !uuid_parse(buf_str(&a.body), ret_id))
        code = ERR_NOT_FOUND;
    buf_done(&a.body);
    return code;
}

enum err_code s3_blob_find(struct s3 *s, const struct digest *d, struct s3_name *ret_name,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct s3_answer a = {0};
    struct uuid id;
    enum err_code code = ERR_NOT_FOUND;

    if (!s3_keeper_moving(s->keeper, d, &id)) {
        s3_blob_name(s, d, ret_name);
        code = s3_head(s->client, ret_name, &a, e);
        if (code == ERR_NOT_FOUND && moved_from(s, d, &id, ERR_IGNORED) != ERR_OK)
            return unknown(d, e);
    }
    if (code == ERR_NOT_FOUND) {
        s3_upload_name(s, &id, ret_name);
        code = s3_head(s->client, ret_name, &a, e);
    }
    if (code == ERR_NOT_FOUND) { /* moved just now */
        s3_blob_name(s, d, ret_name);
        code = s3_head(s->client, ret_name, &a, e);
    }
    if (code == ERR_NOT_FOUND)
        return unknown(d, e);
    *ret_size_bytes = a.total_bytes;
    return code;
}

enum err_code s3_blob_stat(struct store *store, const struct repo_name *repo,
                           const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    struct s3_name name;

    (void)repo;
    return s3_blob_find(s3_of(store), d, &name, ret_size_bytes, e);
}

/* ---- readers */

struct blob_reader {
    struct reader reader;
    struct s3 *s;
    struct digest digest;
    uint64_t size_bytes, at_bytes;
    bool found; /* name was looked for after a miss */
    struct s3_name name;
    struct client_stream *stream; /* NULL: none is open */
    struct s3_answer answer;
    bool checked; /* the head of the answer */
    unsigned tries;
    int64_t not_before_ms;
};

static void end_stream(struct blob_reader *b)
{
    client_stream_free(b->stream);
    b->stream = NULL;
    b->checked = false;
}

static enum err_code begin_stream(struct blob_reader *b, struct err *e)
{
    struct s3_request r = {.method = "GET", .name = &b->name};
    struct uuid id;
    char range[64];

    if (!b->found) {
        if (s3_keeper_moving(b->s->keeper, &b->digest, &id))
            s3_upload_name(b->s, &id, &b->name);
        else
            s3_blob_name(b->s, &b->digest, &b->name);
    }
    if (b->at_bytes > 0) {
        snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)b->at_bytes);
        s3_header(&r, STR("range"), str_of(range));
    }
    return s3_stream(b->s->client, &r, &b->answer, &b->stream, e);
}

/* The head of the answer: is it the blob, from where it was asked for? */
static enum err_code check_head(struct blob_reader *b, struct err *e)
{
    int status = client_stream_status(b->stream);
    struct s3_request r = {.method = "GET", .name = &b->name};
    uint64_t size_bytes;

    b->answer.status = status;
    if (status == (b->at_bytes > 0 ? 206 : 200)) {
        if (b->answer.total_bytes != b->size_bytes)
            return err_set(e, ERR_CORRUPT, "%s has %llu bytes in the bucket, not %llu",
                           b->digest.text, (unsigned long long)b->answer.total_bytes,
                           (unsigned long long)b->size_bytes);
        b->checked = true;
        return ERR_OK;
    }
    if (status != 404)
        return s3_refused(&b->answer, &r, e);
    if (b->found)
        return unknown(&b->digest, e);
    b->found = true;
    TRY(s3_blob_find(b->s, &b->digest, &b->name, &size_bytes, e));
    return err_set(e, ERR_UNAVAILABLE, "%s is elsewhere", b->digest.text); /* once more, there */
}

/* What the stream has now; *ret_n is 0 at its end. */
static enum err_code step(struct blob_reader *b, void *buf, size_t cap, size_t *ret_n,
                          struct err *e)
{
    enum err_code code;

    if (!b->stream)
        TRY(begin_stream(b, e));
    code = client_stream_read(b->stream, buf, cap, ret_n, e);
    if (code == ERR_LATER)
        return code;
    if (!b->checked && client_stream_status(b->stream) != 0)
        TRY(check_head(b, e));
    return code;
}

static bool is_last(const struct blob_reader *b, size_t n)
{
    return b->at_bytes + n >= b->size_bytes;
}

/* A connection that broke goes on by range; the blob is known by its digest, so it is the same. */
static enum err_code read_blob(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct blob_reader *b = (struct blob_reader *)r;
    size_t n = 0;

    if (cap > b->size_bytes - b->at_bytes)
        cap = (size_t)(b->size_bytes - b->at_bytes);
    while (n == 0 && cap > 0) {
        enum err_code code = step(b, buf, cap, &n, e);

        if (code == ERR_LATER)
            return code;
        if (code == ERR_OK && n > 0)
            break;
        end_stream(b);
        n = 0;
        if (code != ERR_OK && code != ERR_UNAVAILABLE)
            return code;
        if (++b->tries == TRIES)
            return err_set(e, ERR_UNAVAILABLE, "reading %s broke off %d times", b->digest.text,
                           TRIES);
    }
    b->tries = 0;
    b->at_bytes += n;
    if (is_last(b, 0))
        end_stream(b);
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

static int wait_fd(struct reader *r)
{
    struct blob_reader *b = (struct blob_reader *)r;

    return b->stream ? client_stream_fd(b->stream) : -1;
}

static void free_blob(struct reader *r)
{
    end_stream((struct blob_reader *)r);
    free(r);
}

static const struct reader_ops reader_s3 = {
    .read = read_blob,
    .seek = seek_blob,
    .wait_fd = wait_fd,
    .free = free_blob,
};

enum err_code s3_blob_open(struct store *store, const struct repo_name *repo,
                           const struct digest *d, uint64_t known_bytes, struct reader **ret_reader,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct blob_reader *b;
    struct s3_name name;
    uint64_t size_bytes = known_bytes;

    (void)repo;
    if (known_bytes == UINT64_MAX)
        TRY(s3_blob_find(s, d, &name, &size_bytes, e));
    b = NEW(struct blob_reader);
    b->reader.ops = &reader_s3;
    b->s = s;
    b->digest = *d;
    b->size_bytes = size_bytes;
    if (known_bytes == UINT64_MAX) {
        b->name = name;
        b->found = true;
    }
    *ret_size_bytes = size_bytes;
    *ret_reader = &b->reader;
    return ERR_OK;
}
