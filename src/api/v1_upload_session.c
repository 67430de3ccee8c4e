/*
 * Archives that are uploaded piece by piece, as tus 1.0.0 says: core, creation, creation with
 * upload, deferred length, checksum, termination, expiration. What comes of an archive is asked for
 * by `complete`.
 */
#include "api/v1_upload_session.h"

#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/proxy.h"
#include "api/reply.h"
#include "api/tus.h"
#include "api/v1_upload_taken.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/archive_session.h"
#include "core/upload_record.h"

#include <stdio.h>
#include <stdlib.h>

struct archive_receipt {
    struct archive_session session;
    struct reader *checked;       /* NULL: the body has no checksum */
    struct upload_record *record; /* what others are told of it; or NULL */
    bool begun_here;              /* by this request: that is answered 201 */
};

void archive_receipt_free(struct archive_receipt *x)
{
    if (!x)
        return;
    reader_free(x->checked);
    if (x->record)
        upload_record_leave(x->record, UPLOAD_WAITING);
    archive_session_done(&x->session);
    free(x);
}

/* ---- headers */

static void tell_expiry(struct req *q, const struct archive_session *s)
{
    char text[CLOCK_HTTP_SIZE];

    clock_http(s->expires_ms, text);
    http_header(q->x, "Upload-Expires", str_of(text));
}

static void tell_offset(struct req *q, uint64_t offset_bytes)
{
    http_headerf(q->x, "Upload-Offset", "%llu", (unsigned long long)offset_bytes);
}

static uint64_t body_bytes(const struct req *q)
{
    if (q->head->has_length)
        return q->head->content_length;
    return q->head->chunked ? UINT64_MAX : 0;
}

static enum err_code check_type(const struct req *q, struct err *e)
{
    if (str_ieq(http_field_get(q->head, STR("Content-Type")), TUS_TYPE))
        return ERR_OK;
    return err_tell(e, ERR_MEDIA_TYPE, "Content-Type has to be " STR_FMT, STR_ARG(TUS_TYPE));
}

/* ---- the session */

/* That of the path, if it is the caller's and they may still push where it goes. */
static enum err_code find(struct req *q, struct archive_session *ret_session, struct err *e)
{
    TRY(archive_session_find(q->registry, q->identity, &q->upload, ret_session, e));
    q->name = ret_session->repo;
    q->ref.tag = ret_session->tag;
    return access_need_push(q, e);
}

/* What comes to an upload session means something else to who speaks of archives. */
static enum err_code translate(enum err_code code, struct err *e)
{
    switch (code) {
    case ERR_BLOB_UPLOAD_UNKNOWN:
        return err_tell(e, ERR_UPLOAD_UNKNOWN, "there is no such upload here; it may have expired");
    case ERR_BLOB_UPLOAD_BUSY:
        return err_tell(e, ERR_UPLOAD_BUSY, "another request writes to this upload");
    case ERR_RANGE_INVALID:
        return err_tell(e, ERR_UPLOAD_OFFSET,
                        "another request goes on with this upload; ask where it is");
    case ERR_BLOB_TOO_LARGE:
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the upload is longer than was said, or may be");
    default:
        return code;
    }
}

/* ---- bytes */

/* The job that comes next, maybe elsewhere, is to have it. */
static void leave_record(struct archive_receipt *x, uint64_t offset_bytes)
{
    upload_record_set_received(x->record, offset_bytes);
    if (x->record)
        upload_record_leave(STEAL(x->record), UPLOAD_WAITING);
}

static enum err_code stored(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    struct archive_session *s = &r->archive->session;
    uint64_t offset_bytes = upload_offset(r->upload);

    upload_close(STEAL(r->upload)); /* before the answer: the next chunk may come right after it */
    leave_record(r->archive, offset_bytes);
    TRY(archive_session_advance(q->registry, s, offset_bytes, e));
    tell_offset(q, offset_bytes);
    tell_expiry(q, s);
    if (r->archive->begun_here)
        reply_location(q, "/api/v1/uploads/%s", s->id.text);
    reply_empty(q, r->archive->begun_here ? 201 : 204);
    return ERR_OK;
}

static uint64_t longest(const struct req *q)
{
    uint64_t length = q->receiving.archive->session.length_bytes;

    return length != UINT64_MAX ? length : conf_u64(&q->registry->options->archives.bytes);
}

/* Its client was not told where it is. */
static void forget(struct req *q)
{
    upload_close(STEAL(q->receiving.upload));
    leave_record(q->receiving.archive, 0);
    (void)!archive_session_remove(q->registry, &q->receiving.archive->session, ERR_IGNORED);
}

static void tell_progress(struct req *q)
{
    const struct receiving *r = &q->receiving;

    archive_session_use(q->registry, &r->archive->session);
    upload_record_set_received(r->archive->record, upload_came(r->upload));
}

static enum err_code go_on(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    struct archive_receipt *x = r->archive;
    const struct upload_body body = {
        .expected_bytes = body_bytes(q),
        .exact_bytes = UINT64_MAX,
        .limit_bytes = longest(q),
        .whole = x->checked != NULL,
    };
    enum err_code code = ERR_OK;

    if (body.expected_bytes > 0)
        code = upload_append(r->upload, x->checked ? x->checked : http_body_later(q->x), &body, e);
    if (code == ERR_LATER)
        tell_progress(q);
    else if (code != ERR_OK && x->begun_here)
        forget(q);
    TRY(translate(code, e));
    return stored(q, e);
}

static enum err_code check_room(const struct req *q, uint64_t offset_bytes, struct err *e)
{
    uint64_t most = longest(q), n = body_bytes(q);

    if (n == UINT64_MAX || (offset_bytes <= most && n <= most - offset_bytes))
        return ERR_OK;
    return err_tell(e, ERR_IMAGE_TOO_LARGE, "%llu bytes at %llu are more than the %llu of all",
                    (unsigned long long)n, (unsigned long long)offset_bytes,
                    (unsigned long long)most);
}

static enum err_code check_offset(struct req *q, uint64_t said, uint64_t offset_bytes,
                                  struct err *e)
{
    if (said == offset_bytes)
        return ERR_OK;
    tell_offset(q, offset_bytes);
    return err_tell(e, ERR_UPLOAD_OFFSET, "the next byte of this upload is %llu",
                    (unsigned long long)offset_bytes);
}

static enum err_code receive(struct req *q, uint64_t said, struct err *e)
{
    struct receiving *r = &q->receiving;
    const struct archive_session *s = &r->archive->session;

    TRY(tus_checksum(q, http_body_later(q->x), &r->archive->checked, e));
    TRY(translate(upload_open(q->registry, archive_session_bytes_repo(s), s->owner, &s->upload,
                              UPLOAD_MORE, &r->upload, e),
                  e));
    TRY(check_offset(q, said, upload_offset(r->upload), e));
    TRY(check_room(q, said, e));
    r->archive->record = archive_session_record(q->registry, s, http_request_id(q->x));
    r->go_on = go_on;
    return go_on(q, e);
}

/* ---- OPTIONS */

enum err_code api_upload_session_options(struct req *q, struct err *e)
{
    (void)e;
    http_header(q->x, "Tus-Version", STR(TUS_VERSION));
    http_header(q->x, "Tus-Extension", STR(TUS_EXTENSIONS));
    http_header(q->x, "Tus-Checksum-Algorithm", STR(TUS_CHECKSUMS));
    http_headerf(q->x, "Tus-Max-Size", "%llu",
                 (unsigned long long)conf_u64(&q->registry->options->archives.bytes));
    reply_empty(q, 204);
    return ERR_OK;
}

/* ---- direct uploads */

/* As long as the server takes a signature. */
#define URL_MOST_S (7 * 24 * 3600)
#define URL_MAX    8192

static enum err_code add_part(struct req *q, const struct store_direct *d, unsigned number,
                              unsigned expires_s, struct buf *body, struct err *e)
{
    uint64_t from_bytes = (number - 1) * d->part_bytes, left = d->size_bytes - from_bytes;
    AUTO(buf) struct buf url = {0};

    buf_init(&url, URL_MAX);
    TRY(store_direct_url(q->registry->store, d, number, expires_s, &url, e));
    buf_addf(body, "%s{\"offset\":%llu,\"size\":%llu,\"url\":", number > 1 ? "," : "",
             (unsigned long long)from_bytes,
             (unsigned long long)(left < d->part_bytes ? left : d->part_bytes));
    buf_add_json(body, buf_str(&url));
    buf_add_char(body, '}');
    return ERR_OK;
}

static enum err_code reply_direct(struct req *q, const struct archive_session *s, struct err *e)
{
    uint64_t expires_s = conf_u64(&q->registry->options->upload_timeout_ms) / 1000;
    unsigned n = store_direct_parts(&s->direct);
    AUTO(buf) struct buf body = {0};

    buf_init(&body, (size_t)n * (URL_MAX + 256) + 1024);
    buf_addf(&body, "{\"id\":\"%s\"", s->id.text);
    reply_add_time(&body, "expires", s->expires_ms);
    buf_add_text(&body, ",\"parts\":[");
    for (unsigned i = 1; i <= n; i++)
        TRY(add_part(q, &s->direct, i, expires_s < URL_MOST_S ? (unsigned)expires_s : URL_MOST_S,
                     &body, e));
    buf_add_text(&body, "]}\n");
    tell_expiry(q, s);
    reply_location(q, "/api/v1/uploads/%s", s->id.text);
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_json(q, 201, buf_str(&body));
    return ERR_OK;
}

static enum err_code post_direct(struct req *q, struct archive_session *s, struct err *e)
{
    if (body_bytes(q) > 0)
        return err_tell(e, ERR_REQUEST_INVALID, "a direct upload begins without a body");
    if (s->length_bytes == UINT64_MAX || s->length_bytes == 0)
        return err_tell(e, ERR_REQUEST_INVALID, "a direct upload needs its Upload-Length");
    s->is_direct = true;
    TRY(archive_session_begin(q->registry, s, http_request_id(q->x), e));
    return reply_direct(q, s, e);
}

/* What has come lies on another server. */
static enum err_code refuse_direct(const struct archive_session *s, struct err *e)
{
    if (!s->is_direct)
        return ERR_OK;
    return err_tell(e, ERR_CONFLICT, "the bytes of this upload are sent to the URLs of its parts");
}

/* ---- POST */

/* A parameter of the query, or of Upload-Metadata. */
static enum err_code text_of(struct req *q, const char *name, char *dst, size_t cap, struct err *e)
{
    if (query_has(q, name))
        return query_text(q, name, dst, cap, e);
    return tus_metadata(http_field_get(q->head, STR("Upload-Metadata")), name, dst, cap, e);
}

static enum err_code wanted(struct req *q, struct archive_session *s, struct err *e)
{
    struct str metadata = http_field_get(q->head, STR("Upload-Metadata"));
    char digest[DIGEST_TEXT_MAX + 2];

    s->repo = q->name;
    s->tag = q->ref.tag;
    snprintf(s->owner, sizeof(s->owner), "%s", q->identity);
    snprintf(s->address, sizeof(s->address), "%s", client_address(q));
    if (!str_copy(metadata.p ? metadata : STR(""), s->metadata, sizeof(s->metadata)))
        return err_tell(e, ERR_REQUEST_INVALID, "Upload-Metadata is longer than %d bytes",
                        ARCHIVE_SESSION_METADATA_MAX);
    TRY(text_of(q, "image", s->image, sizeof(s->image), e));
    TRY(text_of(q, "platform", s->platform, sizeof(s->platform), e));
    if (s->platform[0])
        TRY(out_platform_parse(str_of(s->platform), &(struct out_platform){0}, e));
    TRY(text_of(q, "digest", digest, sizeof(digest), e));
    if (digest[0])
        TRY(digest_parse(str_of(digest), &s->digest, e));
    s->who = upload_rights_of(q);
    return tus_length(q, &s->length_bytes, e);
}

enum err_code api_upload_session_post(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    struct archive_session *s;
    char direct[8];

    TRY(query_text(q, "direct", direct, sizeof(direct), e));
    r->archive = NEW(struct archive_receipt);
    r->archive->begun_here = true;
    s = &r->archive->session;
    if (strcmp(direct, "true") == 0) {
        TRY(wanted(q, s, e));
        return post_direct(q, s, e);
    }
    TRY(tus_check_version(q, e));
    if (body_bytes(q) > 0)
        TRY(check_type(q, e));
    TRY(wanted(q, s, e));
    TRY(check_room(q, 0, e));
    TRY(archive_session_begin(q->registry, s, http_request_id(q->x), e));
    if (body_bytes(q) > 0)
        return receive(q, 0, e);
    if (s->length_bytes == 0)
        TRY(archive_session_advance(q->registry, s, 0, e));
    tell_expiry(q, s);
    reply_location(q, "/api/v1/uploads/%s", s->id.text);
    reply_empty(q, 201);
    return ERR_OK;
}

/* ---- HEAD */

/* The request that brought the last bytes may have died before it could say so. */
static enum err_code offset_of(struct req *q, struct archive_session *s, uint64_t *ret_offset_bytes,
                               struct err *e)
{
    TRY(archive_session_offset(q->registry, s, ret_offset_bytes, e));
    if (s->state != ARCHIVE_RECEIVING || *ret_offset_bytes != s->length_bytes)
        return ERR_OK;
    return archive_session_advance(q->registry, s, *ret_offset_bytes, e);
}

enum err_code api_upload_session_head(struct req *q, struct err *e)
{
    AUTO(archive_session) struct archive_session s = {0};
    uint64_t offset_bytes;

    TRY(tus_check_version(q, e));
    TRY(find(q, &s, e));
    TRY(offset_of(q, &s, &offset_bytes, e));
    tell_offset(q, offset_bytes);
    if (s.length_bytes == UINT64_MAX)
        http_header(q->x, "Upload-Defer-Length", STR("1"));
    else
        http_headerf(q->x, "Upload-Length", "%llu", (unsigned long long)s.length_bytes);
    if (s.metadata[0])
        http_header(q->x, "Upload-Metadata", str_of(s.metadata));
    tell_expiry(q, &s);
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_empty(q, 200);
    return ERR_OK;
}

/* ---- PATCH */

/* tus, "Creation": once it is known the length does not change. */
static enum err_code take_length(const struct req *q, struct archive_session *s, struct err *e)
{
    uint64_t length, most = conf_u64(&q->registry->options->archives.bytes);
    bool found;

    TRY(tus_bytes(q, "Upload-Length", &length, &found, e));
    if (!found || length == s->length_bytes)
        return ERR_OK;
    if (s->length_bytes != UINT64_MAX)
        return err_tell(e, ERR_REQUEST_INVALID, "Upload-Length was %llu before",
                        (unsigned long long)s->length_bytes);
    if (length > most)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the largest archive accepted has %llu bytes",
                        (unsigned long long)most);
    s->length_bytes = length;
    return ERR_OK;
}

/* All of it has come: nothing more can. */
static enum err_code patch_whole(struct req *q, const struct archive_session *s, uint64_t said,
                                 struct err *e)
{
    TRY(check_offset(q, said, s->length_bytes, e));
    TRY(check_room(q, said, e));
    tell_offset(q, s->length_bytes);
    tell_expiry(q, s);
    reply_empty(q, 204);
    return ERR_OK;
}

enum err_code api_upload_session_patch(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    struct archive_session *s;
    uint64_t said;
    bool found;

    TRY(tus_check_version(q, e));
    TRY(check_type(q, e));
    TRY(tus_bytes(q, "Upload-Offset", &said, &found, e));
    if (!found)
        return err_tell(e, ERR_REQUEST_INVALID, "Upload-Offset is needed");
    r->archive = NEW(struct archive_receipt);
    s = &r->archive->session;
    TRY(find(q, s, e));
    TRY(refuse_direct(s, e));
    TRY(take_length(q, s, e));
    if (s->state != ARCHIVE_RECEIVING)
        return patch_whole(q, s, said, e);
    free(s->who);
    s->who = upload_rights_of(q);
    return receive(q, said, e);
}

/* ---- DELETE */

enum err_code api_upload_session_delete(struct req *q, struct err *e)
{
    AUTO(archive_session) struct archive_session s = {0};

    TRY(tus_check_version(q, e));
    TRY(find(q, &s, e));
    TRY(archive_session_remove(q->registry, &s, e));
    reply_empty(q, 204);
    return ERR_OK;
}

/* ---- complete */

/* No more comes: what has come is all of it. */
static enum err_code close_length(struct req *q, struct archive_session *s, struct err *e)
{
    uint64_t offset_bytes;

    if (s->is_direct)
        TRY(archive_session_collect(q->registry, s, &offset_bytes, e));
    else
        TRY(offset_of(q, s, &offset_bytes, e));
    if (s->length_bytes == UINT64_MAX || (s->is_direct && offset_bytes == s->length_bytes)) {
        s->length_bytes = offset_bytes;
        return archive_session_advance(q->registry, s, offset_bytes, e);
    }
    if (offset_bytes == s->length_bytes)
        return ERR_OK;
    tell_offset(q, offset_bytes);
    return err_tell(e, ERR_UPLOAD_OFFSET, "%llu of %llu bytes have come",
                    (unsigned long long)offset_bytes, (unsigned long long)s->length_bytes);
}

static void reply_working(struct req *q, const struct archive_session *s)
{
    AUTO(buf) struct buf body = {0};

    buf_init(&body, 256);
    buf_addf(&body, "{\"id\":\"%s\",\"state\":\"%s\"}\n", s->id.text,
             s->state == ARCHIVE_HELD ? "scanning" : "received");
    http_header(q->x, "Retry-After", STR("1"));
    reply_json(q, 202, buf_str(&body));
}

enum err_code api_upload_session_complete(struct req *q, struct err *e)
{
    AUTO(archive_session) struct archive_session s = {0};

    TRY(find(q, &s, e));
    if (s.state == ARCHIVE_RECEIVING)
        TRY(close_length(q, &s, e));
    TRY(archive_session_look(q->registry, &s, e));
    if (s.state == ARCHIVE_ENDED)
        upload_taken_reply(q, &s);
    else
        reply_working(q, &s);
    return ERR_OK;
}
