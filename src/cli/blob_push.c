#include "cli/blob_push.h"

#include <inttypes.h>

#define TRIES         8          /* in a row that brought nothing: a minute */
#define SESSIONS_MOST 6          /* that a server loses */
#define AT_ONCE_BYTES (1u << 20) /* with the request that ends the session */
#define DIGEST_PART   (DIGEST_TEXT_MAX + 32)

/* One upload session, and what of it is known. */
struct session {
    const struct blob_push *b;
    char location[REMOTE_URL_MAX];
    uint64_t at_bytes;       /* so many the server has */
    unsigned failures;       /* in a row, without a byte in between */
    uint64_t retry_after_ms; /* as the last of them said */
};

enum err_code blob_push_look(const struct blob_push *b, bool *ret_there, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};
    char url[REMOTE_URL_MAX];

    snprintf(url, sizeof(url), "%s/blobs/%s", b->repository_url, b->digest.text);
    TRY(remote_registry_run(b->registry,
                            &(struct remote_request){.method = "HEAD", .url = url, .tries = TRIES},
                            &a, e));
    /* 307: it is elsewhere, as servers say of blobs in a bucket. */
    *ret_there = a.status == 200 || a.status == 307;
    if (*ret_there || a.status == 404)
        return ERR_OK;
    return remote_registry_refused(b->registry, &a, e);
}

/* ---- beginning */

static void keep_location(struct session *s, const struct remote_answer *a)
{
    if (a->location[0])
        snprintf(s->location, sizeof(s->location), "%s", a->location);
}

static enum err_code post(struct session *s, const char *query, struct remote_answer *a,
                          struct err *e)
{
    char url[REMOTE_URL_MAX];

    snprintf(url, sizeof(url), "%s/blobs/uploads/%s", s->b->repository_url, query);
    return remote_registry_run(
        s->b->registry,
        &(struct remote_request){.method = "POST", .url = url, .body = STR(""), .tries = TRIES}, a,
        e);
}

/* dist-spec "Mounting a blob from another repository"; without "from" the server may look for it
 * itself. Who knows neither, or refuses it, gives a session. */
static enum err_code begin(struct session *s, bool *ret_mounted, struct err *e)
{
    const struct blob_push *b = s->b;
    AUTO(remote_answer) struct remote_answer a = {0};
    char query[DIGEST_PART + 3 * REPO_NAME_MAX];

    snprintf(query, sizeof(query), "?mount=%s%s%s", b->digest.text, b->from ? "&from=" : "",
             b->from ? b->from : "");
    TRY(post(s, query, &a, e));
    *ret_mounted = a.status == 201;
    if (*ret_mounted)
        return ERR_OK;
    if (a.status != 202)
        TRY(post(s, "", &a, e));
    if (a.status != 202)
        return remote_registry_refused(b->registry, &a, e);
    if (!a.location[0])
        return err_set(e, ERR_UNSUPPORTED, "the server does not say where to send a blob");
    s->at_bytes = 0;
    s->location[0] = '\0';
    keep_location(s, &a);
    return ERR_OK;
}

/* ---- sending */

static void told(void *ctx, uint64_t sent_bytes)
{
    const struct session *s = ctx;

    if (s->b->sent)
        s->b->sent(s->b->ctx, s->at_bytes + sent_bytes);
}

/* The rest of the blob as a body; *room has to last as long as the request. */
static void set_body(struct session *s, struct remote_request *q, struct client_file *room)
{
    const struct blob_push *b = s->b;

    if (b->bytes) {
        q->body = (struct str){b->bytes + s->at_bytes, (size_t)(b->size_bytes - s->at_bytes)};
        return;
    }
    *room = (struct client_file){.fd = b->fd,
                                 .bytes = b->size_bytes - s->at_bytes,
                                 .at_bytes = b->at_bytes + s->at_bytes,
                                 .sent = told,
                                 .ctx = s};
    q->file = room;
}

/* "0-99", or "bytes=0-99": what comes next is 100. Nothing yet is written as 0-0. */
static bool read_range(const char *text, uint64_t size_bytes, uint64_t *ret_at)
{
    struct str rest = str_of(text), first;
    uint64_t last;

    if (str_starts(rest, STR("bytes=")))
        rest = str_sub(rest, 6, rest.n - 6);
    if (!str_cut(&rest, '-', &first) || !str_eq(first, STR("0")) ||
        !str_to_u64(rest, INT64_MAX, &last) || last >= size_bytes)
        return false;
    *ret_at = last > 0 ? last + 1 : 0;
    return true;
}

/* One request with bytes. Error: UNAVAILABLE, also when the server is elsewhere in the blob. */
static enum err_code ask(struct session *s, const struct remote_request *q, struct remote_answer *a,
                         bool *ret_lost, struct err *e)
{
    enum err_code code = remote_registry_run(s->b->registry, q, a, e);

    s->retry_after_ms = a->retry_after_ms;
    TRY(code);
    *ret_lost = a->status == 404;
    /* Of a cut connection the server may be still reading; or it has more than it said. */
    if (a->status == 409 || a->status == 416)
        return err_set(e, ERR_UNAVAILABLE, "the server answers %d to a part of %s", a->status,
                       s->b->digest.text);
    return ERR_OK;
}

/* dist-spec "Pushing a blob in chunks", with what is left as the one chunk. *ret_lost: the session
 * is of no use any more. */
static enum err_code patch(struct session *s, bool *ret_lost, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};
    struct client_file room;
    char range[96];
    struct remote_request q = {.method = "PATCH", .url = s->location, .header = range};

    snprintf(range, sizeof(range), "Content-Range: %" PRIu64 "-%" PRIu64, s->at_bytes,
             s->b->size_bytes - 1);
    set_body(s, &q, &room);
    TRY(ask(s, &q, &a, ret_lost, e));
    if (*ret_lost)
        return ERR_OK;
    if (a.status != 202)
        return remote_registry_refused(s->b->registry, &a, e);
    keep_location(s, &a);
    s->at_bytes = s->b->size_bytes;
    return ERR_OK;
}

/* dist-spec "Pushing a blob monolithically", or the end of one in chunks. */
static enum err_code put(struct session *s, bool *ret_lost, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};
    char url[REMOTE_URL_MAX + DIGEST_PART];
    struct client_file room;
    struct remote_request q = {.method = "PUT", .url = url, .body = STR("")};

    snprintf(url, sizeof(url), "%s%cdigest=%s", s->location, strchr(s->location, '?') ? '&' : '?',
             s->b->digest.text);
    if (s->at_bytes < s->b->size_bytes)
        set_body(s, &q, &room);
    TRY(ask(s, &q, &a, ret_lost, e));
    if (*ret_lost || a.status == 201 || a.status == 204)
        return ERR_OK;
    return remote_registry_refused(s->b->registry, &a, e);
}

/* dist-spec end-13: how much of it is there. */
static enum err_code ask_where(struct session *s, bool *ret_lost, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};
    struct remote_request q = {.method = "GET", .url = s->location, .tries = TRIES};
    uint64_t before_bytes = s->at_bytes, at_bytes = 0;

    TRY(remote_registry_run(s->b->registry, &q, &a, e));
    *ret_lost = a.status != 204 || !read_range(a.range, s->b->size_bytes, &at_bytes);
    if (*ret_lost)
        return ERR_OK;
    keep_location(s, &a);
    s->at_bytes = at_bytes;
    if (at_bytes > before_bytes)
        s->failures = 0;
    told(s, 0);
    return ERR_OK;
}

/* All that is left, by as few requests as there may be. */
static enum err_code send_rest(struct session *s, bool *ret_lost, struct err *e)
{
    uint64_t left_bytes = s->b->size_bytes - s->at_bytes;

    *ret_lost = false;
    if (left_bytes > AT_ONCE_BYTES)
        TRY(patch(s, ret_lost, e));
    return *ret_lost ? ERR_OK : put(s, ret_lost, e);
}

/* Goes on after connections that break. *ret_lost: another session is needed. */
static enum err_code finish(struct session *s, bool *ret_lost, struct err *e)
{
    for (;;) {
        enum err_code code = send_rest(s, ret_lost, e);

        if (code != ERR_UNAVAILABLE)
            return code;
        if (++s->failures >= TRIES ||
            !remote_registry_pause(s->b->registry, s->failures, s->retry_after_ms))
            return code;
        TRY(ask_where(s, ret_lost, e));
        if (*ret_lost)
            return ERR_OK;
    }
}

/* ---- all of it */

static bool is_noted(const struct blob_push *b)
{
    return b->notes && b->size_bytes > AT_ONCE_BYTES;
}

/* Where another command ended. False: nowhere, or the server knows nothing of it any more. */
static bool go_on(struct session *s)
{
    const struct blob_push *b = s->b;
    bool lost;

    return is_noted(b) &&
           resume_notes_load(b->notes, b->repository_url, &b->digest, s->location,
                             sizeof(s->location)) &&
           ask_where(s, &lost, ERR_IGNORED) == ERR_OK && !lost;
}

static enum err_code begin_noted(struct session *s, bool *ret_mounted, struct err *e)
{
    const struct blob_push *b = s->b;

    TRY(begin(s, ret_mounted, e));
    if (is_noted(b) && !*ret_mounted)
        resume_notes_save(b->notes, b->repository_url, &b->digest, s->location);
    return ERR_OK;
}

static enum err_code finish_noted(struct session *s, bool *ret_lost, struct err *e)
{
    const struct blob_push *b = s->b;

    TRY(finish(s, ret_lost, e));
    if (is_noted(b))
        resume_notes_drop(b->notes, b->repository_url, &b->digest);
    return ERR_OK;
}

enum err_code blob_push_run(const struct blob_push *b, enum blob_result *ret_result, struct err *e)
{
    struct session s = {.b = b};
    bool begun = go_on(&s), lost, done = false;

    for (unsigned n = 0; n < SESSIONS_MOST; n++) {
        *ret_result = BLOB_MOUNTED;
        if (!begun)
            TRY(begin_noted(&s, &done, e));
        if (done)
            return ERR_OK;
        *ret_result = BLOB_SENT;
        TRY(finish_noted(&s, &lost, e));
        if (!lost)
            return ERR_OK;
        /* Also when the answer to the last request got lost. */
        TRY(blob_push_look(b, &done, e));
        if (done)
            return ERR_OK;
        begun = false;
    }
    return err_set(e, ERR_UNAVAILABLE, "the server lost the upload of %s %u times", b->digest.text,
                   SESSIONS_MOST);
}
