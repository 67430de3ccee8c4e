
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "core/mount.h"
#include "core/upload.h"

/* The Range header of an upload: dist-spec writes the last byte's position, and has no way to say
 * "none"; 0-0 then, as every registry does. */
static void reply_session(struct req *q, const struct uuid *id, uint64_t offset_bytes)
{
    reply_location(q, "/v2/%s/blobs/uploads/%s", q->name.text, id->text);
    http_headerf(q->x, "Range", "0-%llu",
                 (unsigned long long)(offset_bytes > 0 ? offset_bytes - 1 : 0));
    http_header(q->x, "Docker-Upload-UUID", str_of(id->text));
}

static void reply_blob(struct req *q, const struct digest *d)
{
    reply_location(q, "/v2/%s/blobs/%s", q->name.text, d->text);
    reply_digest(q, d);
    reply_empty(q, 201);
}

static enum err_code check_length(struct req *q, uint64_t offset_bytes, struct err *e)
{
    uint64_t most = conf_u64(&q->registry->limits->blob_bytes);

    if (q->head->has_length &&
        (offset_bytes > most || q->head->content_length > most - offset_bytes))
        return err_tell(e, ERR_BLOB_TOO_LARGE, "the largest blob accepted has %llu bytes",
                        (unsigned long long)most);
    return ERR_OK;
}

static uint64_t expected_bytes(const struct req *q)
{
    if (q->head->has_length)
        return q->head->content_length;
    return q->head->chunked ? UINT64_MAX : 0;
}

/* digest= of the query. *ret_found is false when there is none. */
static enum err_code digest_of_query(struct req *q, const char *name, struct digest *ret_digest,
                                     bool *ret_found, struct err *e)
{
    char text[DIGEST_TEXT_MAX + 2];

    *ret_found = query_has(q, name);
    if (!*ret_found)
        return ERR_OK;
    if (query_text(q, name, text, sizeof(text), e) != ERR_OK)
        text[0] = '\0'; /* too long to be one */
    return digest_parse(str_of(text), ret_digest, e);
}

/* The repository to mount from: the one the client names, or one that has the blob. Error:
 * BLOB_UNKNOWN, also when the caller may not pull from it: the two look the same to them; and when
 * it is no name, for there are clients that send a tag with it. */
static enum err_code mount_from(struct req *q, const struct digest *d, struct repo_name *ret_from,
                                struct err *e)
{
    char text[REPO_NAME_MAX + 1];

    if (query_has(q, "from")) {
        TRY(query_text(q, "from", text, sizeof(text), e));
        if (repo_name_parse(str_of(text), ret_from, ERR_IGNORED) != ERR_OK)
            return err_set(e, ERR_BLOB_UNKNOWN, "from= is no name of a repository");
    } else {
        TRY(mount_source(q->registry, d, ret_from, e));
    }
    if (!access_may(q, ACTION_PULL, ret_from, NULL))
        return err_set(e, ERR_BLOB_UNKNOWN, "no right to pull from '%s'", ret_from->text);
    return ERR_OK;
}

/* Mounts when the client asks for it and it can be done; *ret_mounted says whether. */
static enum err_code try_mount(struct req *q, bool *ret_mounted, struct err *e)
{
    struct repo_name from;
    struct digest d;
    enum err_code code;
    bool asked;

    *ret_mounted = false;
    TRY(digest_of_query(q, "mount", &d, &asked, e));
    if (!asked)
        return ERR_OK;
    code = mount_from(q, &d, &from, e);
    if (code == ERR_OK)
        code = mount_blob(q->registry, &q->name, &from, &d, e);
    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK; /* dist-spec: an upload session instead */
    TRY(code);
    *ret_mounted = true;
    reply_blob(q, &d);
    return ERR_OK;
}

/* end-4c, or the algorithm of the digest, or sha256. */
static enum err_code algorithm_of_query(struct req *q, enum digest_algorithm *ret_algorithm,
                                        struct err *e)
{
    char text[32];

    TRY(query_text(q, "digest-algorithm", text, sizeof(text), e));
    *ret_algorithm = DIGEST_SHA256;
    if (text[0] && !digest_algorithm_parse(str_of(text), ret_algorithm))
        return err_tell(e, ERR_DIGEST_MALFORMED, "digest-algorithm is 'sha256' or 'sha512'");
    return ERR_OK;
}

/* Another registry goes on with the session: how far it is there (dist-spec "Pushing a blob in
 * chunks": what a 416 says). */
static void tell_where(struct req *q)
{
    uint64_t offset_bytes;

    if (upload_status(q->registry, &q->name, q->identity, &q->upload, &offset_bytes, ERR_IGNORED) ==
        ERR_OK)
        reply_session(q, &q->upload, offset_bytes);
}

/* Takes what has come of the body; when that is all, goes on with what was to be done then. */
static enum err_code go_on(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    struct upload_body body = {
        .expected_bytes = expected_bytes(q),
        .exact_bytes = r->n_bytes,
        .finish = r->digest.n > 0 ? &r->digest : NULL,
    };
    enum err_code code = ERR_OK;

    if (body.expected_bytes > 0 || body.exact_bytes != UINT64_MAX)
        code = upload_append(r->upload, http_body_later(q->x), &body, e);
    if (code == ERR_RANGE_INVALID)
        tell_where(q);
    TRY(code);
    return r->then(q, e);
}

static enum err_code finish(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;

    bool repeated;

    TRY(upload_finish(STEAL(r->upload), &r->digest, &repeated, e));
    if (repeated)
        http_set_note(q->x, "the body was cut and sent again as a whole: what came last was taken");
    reply_blob(q, &r->digest);
    return ERR_OK;
}

/* end-4b. The session is nobody's but this request's, and ends with it. */
static enum err_code post_whole(struct req *q, const struct digest *d, struct err *e)
{
    struct receiving *r = &q->receiving;

    TRY(check_length(q, 0, e));
    TRY(upload_open_alone(q->registry, &q->name, q->identity, d->algorithm, &r->upload, e));
    r->n_bytes = UINT64_MAX;
    r->digest = *d;
    r->go_on = go_on;
    r->then = finish;
    return go_on(q, e);
}

static enum err_code post_session(struct req *q, struct err *e)
{
    uint64_t min_chunk = conf_u64(&q->registry->options->upload_min_chunk_bytes);
    enum digest_algorithm algorithm;
    struct uuid id;

    TRY(algorithm_of_query(q, &algorithm, e));
    TRY(upload_begin(q->registry, &q->name, q->identity, algorithm, &id, e));
    if (min_chunk > 0)
        http_headerf(q->x, "OCI-Chunk-Min-Length", "%llu", (unsigned long long)min_chunk);
    reply_session(q, &id, 0);
    reply_empty(q, 202);
    return ERR_OK;
}

enum err_code api_upload_post(struct req *q, struct err *e)
{
    struct digest d, empty;
    bool whole, mounted;

    TRY(try_mount(q, &mounted, e));
    if (mounted)
        return ERR_OK;
    TRY(digest_of_query(q, "digest", &d, &whole, e));
    if (whole) {
        digest_of(d.algorithm, "", 0, &empty);
        /* Without a body it is a client that names the digest early and sends the bytes later. */
        if (expected_bytes(q) > 0 || digest_eq(&d, &empty))
            return post_whole(q, &d, e);
    }
    return post_session(q, e);
}

enum err_code api_upload_get(struct req *q, struct err *e)
{
    uint64_t offset_bytes;

    TRY(upload_status(q->registry, &q->name, q->identity, &q->upload, &offset_bytes, e));
    reply_session(q, &q->upload, offset_bytes);
    reply_empty(q, 204);
    return ERR_OK;
}

enum err_code api_upload_delete(struct req *q, struct err *e)
{
    AUTO(upload) struct upload *u = NULL;

    TRY(upload_open(q->registry, &q->name, q->identity, &q->upload, UPLOAD_MORE, &u, e));
    TRY(upload_cancel(STEAL(u), e));
    reply_empty(q, 204);
    return ERR_OK;
}

/*
 * dist-spec "Pushing a blob in chunks": ^[0-9]+-[0-9]+$, both ends included. Older clients and
 * libraries write the field as RFC 9110 has it, "bytes 0-99/100": that is taken when it agrees with
 * itself. *ret_total is UINT64_MAX when none is told.
 */
static bool parse_range(struct str text, uint64_t *ret_first, uint64_t *ret_last,
                        uint64_t *ret_total)
{
    struct str first, last;

    *ret_total = UINT64_MAX;
    if (str_starts(text, STR("bytes ")))
        text = str_sub(text, 6, text.n - 6);
    if (!str_cut(&text, '-', &first))
        return false;
    if (str_cut(&text, '/', &last) && !str_eq(text, STR("*")) &&
        !str_to_u64_up_to(text, INT64_MAX, ret_total))
        return false;
    return str_to_u64_up_to(first, INT64_MAX, ret_first) &&
           str_to_u64_up_to(last, INT64_MAX, ret_last) && *ret_last >= *ret_first;
}

static enum err_code check_range(struct req *q, uint64_t offset_bytes, uint64_t *ret_length,
                                 struct err *e)
{
    struct str range = http_field_get(q->head, STR("Content-Range"));
    uint64_t first, last, total;

    *ret_length = UINT64_MAX;
    if (!range.p)
        return ERR_OK;
    if (!parse_range(range, &first, &last, &total))
        return err_tell(e, ERR_BLOB_UPLOAD_INVALID,
                        "Content-Range is not '<first>-<last>', positions of bytes");
    if (last >= total)
        return err_tell(e, ERR_SIZE_INVALID,
                        "Content-Range ends at byte %llu of a content of %llu bytes",
                        (unsigned long long)last, (unsigned long long)total);
    if (first != offset_bytes) {
        reply_session(q, &q->upload, offset_bytes);
        return err_tell(e, ERR_RANGE_INVALID, "the next byte of this upload is %llu",
                        (unsigned long long)offset_bytes);
    }
    *ret_length = last - first + 1;
    if (q->head->has_length && q->head->content_length != *ret_length)
        return err_tell(
            e, ERR_SIZE_INVALID, "Content-Range is of %llu bytes, Content-Length says %llu",
            (unsigned long long)*ret_length, (unsigned long long)q->head->content_length);
    return ERR_OK;
}

/* What the headers say of the body is checked before it is received. */
static enum err_code receive(struct req *q, api_handler then, struct err *e)
{
    struct receiving *r = &q->receiving;

    TRY(check_range(q, upload_offset(r->upload), &r->n_bytes, e));
    TRY(check_length(q, upload_offset(r->upload), e));
    r->go_on = go_on;
    r->then = then;
    return go_on(q, e);
}

static enum err_code patched(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;

    (void)e;
    reply_session(q, &q->upload, upload_offset(r->upload));
    upload_close(STEAL(r->upload)); /* before the answer: the next chunk may come right after it */
    reply_empty(q, 202);
    return ERR_OK;
}

enum err_code api_upload_patch(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;

    TRY(upload_open(q->registry, &q->name, q->identity, &q->upload, UPLOAD_MORE, &r->upload, e));
    return receive(q, patched, e);
}

static enum upload_use use_of(const struct req *q)
{
    return expected_bytes(q) > 0 || http_field_get(q->head, STR("Content-Range")).p ? UPLOAD_MORE
                                                                                    : UPLOAD_END;
}

enum err_code api_upload_put(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    enum err_code code;
    bool found;

    TRY(digest_of_query(q, "digest", &r->digest, &found, e));
    if (!found)
        return err_tell(e, ERR_DIGEST_MALFORMED, "the closing PUT needs the parameter 'digest'");
    code = upload_open(q->registry, &q->name, q->identity, &q->upload, use_of(q), &r->upload, e);
    if (code == ERR_BLOB_UPLOAD_UNKNOWN) {
        TRY(upload_was_finished(q->registry, &q->name, q->identity, &q->upload, &r->digest, e));
        reply_blob(q, &r->digest); /* again: the first answer may have been lost */
        return ERR_OK;
    }
    TRY(code);
    return receive(q, finish, e);
}
