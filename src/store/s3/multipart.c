#include "store/s3/multipart.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "store/s3/object.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX (4u << 20)

#define PARTS_ALIKE 1000

uint64_t s3_part_bytes(uint64_t first_bytes, size_t n)
{
    uint64_t bytes = first_bytes;

    for (size_t i = n / PARTS_ALIKE; i > 0 && bytes < S3_PART_MAX_BYTES; i--)
        bytes *= 2;
    return bytes < S3_PART_MAX_BYTES ? bytes : S3_PART_MAX_BYTES;
}

static void take_id(void *ctx, struct str path, struct str text)
{
    if (str_eq(path, STR("InitiateMultipartUploadResult/UploadId")))
        str_copy(text, ctx, S3_UPLOAD_ID_MAX);
}

enum err_code s3_multipart_create(struct s3_client *c, const struct s3_name *name,
                                  char ret_id[static S3_UPLOAD_ID_MAX], struct err *e)
{
    struct s3_request r = {.method = "POST", .name = name, .body = STR("")};

    s3_query(&r, STR("uploads"), STR_NONE);
    s3_make_headers(c, &r);
    if (s3_is_original(c, name))
        s3_header(&r, STR("x-amz-checksum-algorithm"), STR("SHA256"));
    ret_id[0] = '\0';
    TRY(s3_ask(c, &r, BODY_MAX, take_id, ret_id, e));
    if (!ret_id[0])
        return err_set(e, ERR_UNAVAILABLE, "the server gave no id for an upload of '%s'",
                       name->text);
    return ERR_OK;
}

static void add_part_query(struct s3_request *r, const char *id, unsigned number,
                           char text[static 16])
{
    snprintf(text, 16, "%u", number);
    s3_query(r, STR("partNumber"), str_of(text));
    s3_query(r, STR("uploadId"), str_of(id));
}

enum err_code s3_part_put(struct s3_client *c, const struct s3_name *name, const char *id,
                          unsigned number, const struct client_file *body, struct s3_part *ret_part,
                          struct err *e)
{
    struct s3_request r = {
        .method = "PUT", .name = name, .file = body, .sums = s3_is_original(c, name)};
    struct s3_answer a = {0};
    char text[16];

    add_part_query(&r, id, number, text);
    TRY(s3_do(c, &r, &a, e));
    memcpy(ret_part->etag, a.etag, sizeof(a.etag));
    memcpy(ret_part->sha256, a.sha256, sizeof(a.sha256));
    ret_part->size_bytes = body->bytes;
    return ERR_OK;
}

static void take_part_etag(void *ctx, struct str path, struct str text)
{
    if (str_eq(path, STR("CopyPartResult/ETag")))
        str_copy(text, ctx, S3_ETAG_MAX);
}

enum err_code s3_part_copy(struct s3_client *c, const struct s3_name *name, const char *id,
                           unsigned number, const char *bucket, const struct s3_name *from,
                           uint64_t first, uint64_t n_bytes, struct s3_part *ret_part,
                           struct err *e)
{
    /* radosgw wants a Content-Length, of nothing, too. */
    struct s3_request r = {.method = "PUT", .name = name, .body = STR("")};
    AUTO(buf) struct buf source = {0}, range = {0};
    char text[16];

    buf_init(&source, 4 * S3_KEY_MAX);
    buf_init(&range, 64);
    s3_copy_source(c, bucket, from, &source);
    if (n_bytes > 0)
        buf_addf(&range, "bytes=%llu-%llu", (unsigned long long)first,
                 (unsigned long long)(first + n_bytes - 1));
    add_part_query(&r, id, number, text);
    s3_header(&r, STR("x-amz-copy-source"), buf_str(&source));
    s3_header(&r, STR("x-amz-copy-source-range"), buf_str(&range));
    ret_part->etag[0] = '\0';
    TRY(s3_ask(c, &r, BODY_MAX, take_part_etag, ret_part->etag, e));
    if (!ret_part->etag[0])
        return err_set(e, ERR_UNAVAILABLE, "the server did not copy a part of '%s'", from->text);
    ret_part->size_bytes = n_bytes;
    return ERR_OK;
}

/* ---- lists */

struct parts_page {
    struct s3_parts *parts;
    struct s3_part part;
    uint64_t number;
    char marker[16];
    bool more;
};

/* Numbers rise, from 1 on. */
static void add_part(struct s3_parts *parts, uint64_t number, const struct s3_part *part)
{
    if (number <= parts->n_seen)
        return;
    parts->items = mem_resize(parts->items, number * sizeof(parts->items[0]));
    for (size_t i = parts->n_seen; i < number - 1; i++)
        parts->items[i] = (struct s3_part){0};
    parts->items[number - 1] = *part;
    if (number == parts->n + 1)
        parts->n++;
    parts->n_seen = (size_t)number;
}

static void take_part(void *ctx, struct str path, struct str text)
{
    struct parts_page *p = ctx;

    if (str_eq(path, STR("ListPartsResult/Part/PartNumber"))) {
        str_to_u64_up_to(text, S3_PARTS_MAX, &p->number);
    } else if (str_eq(path, STR("ListPartsResult/Part/ETag"))) {
        str_copy(text, p->part.etag, sizeof(p->part.etag));
    } else if (str_eq(path, STR("ListPartsResult/Part/Size"))) {
        str_to_u64_up_to(text, INT64_MAX, &p->part.size_bytes);
    } else if (str_eq(path, STR("ListPartsResult/Part"))) {
        add_part(p->parts, p->number, &p->part);
        p->number = 0;
        p->part = (struct s3_part){0};
    } else if (str_eq(path, STR("ListPartsResult/NextPartNumberMarker"))) {
        str_copy(text, p->marker, sizeof(p->marker));
    } else if (str_eq(path, STR("ListPartsResult/IsTruncated"))) {
        p->more = str_eq(text, STR("true"));
    }
}

/* radosgw 16.2 answers NoSuchKey to who asks for the parts of an upload that is gone. */
static enum err_code of_upload(enum err_code code, struct err *e)
{
    if (code == ERR_NOT_FOUND)
        e->code = code = ERR_BLOB_UPLOAD_UNKNOWN;
    return code;
}

enum err_code s3_parts_list(struct s3_client *c, const struct s3_name *name, const char *id,
                            struct s3_parts *ret_parts, struct err *e)
{
    struct parts_page p = {.parts = ret_parts, .more = true};

    while (p.more) {
        struct s3_request r = {.method = "GET", .name = name};
        char marker[16];

        memcpy(marker, p.marker, sizeof(marker));
        if (marker[0])
            s3_query(&r, STR("part-number-marker"), str_of(marker));
        s3_query(&r, STR("uploadId"), str_of(id));
        p.more = false;
        TRY(of_upload(s3_ask(c, &r, BODY_MAX, take_part, &p, e), e));
    }
    return ERR_OK;
}

struct uploads_page {
    struct s3_client *c;
    s3_upload_fn fn;
    void *ctx;
    struct str prefix;
    struct s3_name name;
    char id[S3_UPLOAD_ID_MAX];
    int64_t begun_ms;
    struct s3_name key_marker;
    char id_marker[S3_UPLOAD_ID_MAX];
    bool more;
    enum err_code code; /* of fn */
    struct err *e;
};

static void take_name(struct str text, struct s3_name *dst)
{
    dst->n = str_copy(text, dst->text, sizeof(dst->text)) ? text.n : 0;
}

static void take_upload(void *ctx, struct str path, struct str text)
{
    struct uploads_page *p = ctx;

    if (str_eq(path, STR("ListMultipartUploadsResult/Upload/Key"))) {
        take_name(text, &p->name);
    } else if (str_eq(path, STR("ListMultipartUploadsResult/Upload/UploadId"))) {
        str_copy(text, p->id, sizeof(p->id));
    } else if (str_eq(path, STR("ListMultipartUploadsResult/Upload/Initiated"))) {
        clock_parse(text, &p->begun_ms);
    } else if (str_eq(path, STR("ListMultipartUploadsResult/Upload"))) {
        if (p->code == ERR_OK && str_starts((struct str){p->name.text, p->name.n}, p->prefix))
            p->code = p->fn(p->ctx, &p->name, p->id, p->begun_ms, p->e);
    } else if (str_eq(path, STR("ListMultipartUploadsResult/NextKeyMarker"))) {
        take_name(text, &p->key_marker);
    } else if (str_eq(path, STR("ListMultipartUploadsResult/NextUploadIdMarker"))) {
        str_copy(text, p->id_marker, sizeof(p->id_marker));
    } else if (str_eq(path, STR("ListMultipartUploadsResult/IsTruncated"))) {
        p->more = str_eq(text, STR("true"));
    }
}

/* ask: what the server is asked to filter by. */
static enum err_code each(struct uploads_page *p, struct str asked, struct err *e)
{
    p->e = e;
    p->more = true;
    while (p->more && p->code == ERR_OK) {
        struct s3_request r = {.method = "GET"};
        struct s3_name key = p->key_marker;
        char id[S3_UPLOAD_ID_MAX];

        memcpy(id, p->id_marker, sizeof(id));
        if (key.n > 0)
            s3_query(&r, STR("key-marker"), (struct str){key.text, key.n});
        if (asked.n > 0)
            s3_query(&r, STR("prefix"), asked);
        if (id[0])
            s3_query(&r, STR("upload-id-marker"), str_of(id));
        s3_query(&r, STR("uploads"), STR_NONE);
        p->more = false;
        TRY(s3_ask(p->c, &r, BODY_MAX, take_upload, p, e));
    }
    return p->code;
}

enum err_code s3_multipart_each(struct s3_client *c, s3_upload_fn fn, void *ctx, struct err *e)
{
    struct uploads_page p = {
        .c = c, .fn = fn, .ctx = ctx, .prefix = str_of(s3_client_options(c)->prefix)};

    return each(&p, STR_NONE, e);
}

struct aborting {
    struct s3_client *c;
    const struct s3_name *name;
};

static enum err_code abort_one(void *ctx, const struct s3_name *name, const char *id,
                               int64_t begun_ms, struct err *e)
{
    const struct aborting *a = ctx;

    (void)begun_ms;
    if (name->n < a->name->n || memcmp(name->text, a->name->text, a->name->n) != 0 ||
        (name->n > a->name->n && name->text[a->name->n] != '_'))
        return ERR_OK;
    return s3_multipart_abort(a->c, name, id, e);
}

enum err_code s3_multipart_abort_all(struct s3_client *c, const struct s3_name *name, struct err *e)
{
    struct aborting a = {c, name};
    struct str prefix = {name->text, name->n};
    struct uploads_page p = {.c = c, .fn = abort_one, .ctx = &a, .prefix = prefix};

    return each(&p, prefix, e);
}

/* ---- ends */

enum err_code s3_multipart_abort(struct s3_client *c, const struct s3_name *name, const char *id,
                                 struct err *e)
{
    struct s3_request r = {.method = "DELETE", .name = name};
    struct s3_answer a = {0};
    enum err_code code;

    s3_query(&r, STR("uploadId"), str_of(id));
    code = s3_do(c, &r, &a, e);
    return code == ERR_BLOB_UPLOAD_UNKNOWN || code == ERR_NOT_FOUND ? ERR_OK : code;
}

static void add_part_list(const struct s3_parts *parts, struct buf *dst)
{
    buf_add_text(dst, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < parts->n; i++) {
        const struct s3_part *p = &parts->items[i];

        buf_addf(dst, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag>", i + 1, p->etag);
        if (p->sha256[0])
            buf_addf(dst, "<ChecksumSHA256>%s</ChecksumSHA256>", p->sha256);
        buf_add_text(dst, "</Part>");
    }
    buf_add_text(dst, "</CompleteMultipartUpload>");
}

struct completed {
    bool done; /* it too may fail after its head said 200 */
    char etag[S3_ETAG_MAX];
};

static void take_completed(void *ctx, struct str path, struct str text)
{
    struct completed *c = ctx;

    if (str_eq(path, STR("CompleteMultipartUploadResult/ETag")))
        str_copy(text, c->etag, sizeof(c->etag));
    else if (str_eq(path, STR("CompleteMultipartUploadResult")))
        c->done = true;
}

struct str s3_etag_bare(const char *etag)
{
    struct str s = str_of(etag);

    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = str_sub(s, 1, s.n - 2);
    return s;
}

#define MD5_BYTES 16

/* What servers give as entity tag to an object of parts: the MD5 of theirs, and how many. */
static bool is_of_parts(const char *etag, const struct s3_parts *parts)
{
    unsigned char md5[EVP_MAX_MD_SIZE];
    AUTO(mem) char *all = mem_alloc(parts->n * MD5_BYTES + 1);
    char hex[2 * MD5_BYTES + 1], want[S3_ETAG_MAX];

    for (size_t i = 0; i < parts->n; i++) {
        struct str one = s3_etag_bare(parts->items[i].etag);

        if (one.n != 2 * MD5_BYTES || !hex_decode(one, all + i * MD5_BYTES, MD5_BYTES))
            return false;
    }
    if (EVP_Digest(all, parts->n * MD5_BYTES, md5, NULL, EVP_md5(), NULL) != 1)
        abort(); /* fails only without memory */
    hex_encode((const char *)md5, MD5_BYTES, hex);
    snprintf(want, sizeof(want), "%s-%zu", hex, parts->n);
    return str_eq(s3_etag_bare(etag), str_of(want));
}

static uint64_t total_bytes(const struct s3_parts *parts)
{
    uint64_t n = 0;

    for (size_t i = 0; i < parts->n; i++)
        n += parts->items[i].size_bytes;
    return n;
}

/* The object is there: it was completed, and only the answer lost, if it was completed so. */
static bool was_completed(struct s3_client *c, const struct s3_name *name,
                          const struct s3_parts *parts, bool *ret_sure)
{
    struct s3_answer a = {0};

    if (s3_head(c, name, &a, ERR_IGNORED) != ERR_OK || a.total_bytes != total_bytes(parts))
        return false;
    if (ret_sure)
        *ret_sure = is_of_parts(a.etag, parts);
    return true;
}

struct completing {
    struct s3_client *c;
    const struct s3_name *name;
    const char *id;
};

/* Completing what is gone, perhaps by the try before, gets a 500 from radosgw 16.2, again and
 * again; whether it is gone the list of its parts tells. */
static enum err_code stop_when_gone(void *ctx, struct err *e)
{
    const struct completing *at = ctx;
    struct s3_request r = {.method = "GET", .name = at->name, .is_final = true};
    struct s3_answer a = {0};

    s3_query(&r, STR("max-parts"), STR("1"));
    s3_query(&r, STR("uploadId"), str_of(at->id));
    return of_upload(s3_do(at->c, &r, &a, e), e) == ERR_BLOB_UPLOAD_UNKNOWN ? e->code : ERR_OK;
}

enum err_code s3_multipart_complete(struct s3_client *c, const struct s3_name *name, const char *id,
                                    const struct s3_parts *parts, bool *ret_sure, struct err *e)
{
    struct completing completing = {c, name, id};
    struct s3_request r = {
        .method = "POST", .name = name, .before_again = stop_when_gone, .ctx = &completing};
    AUTO(buf) struct buf body = {0};
    struct completed completed = {0};
    enum err_code code;

    buf_init(&body, BODY_MAX);
    add_part_list(parts, &body);
    r.body = buf_str(&body);
    s3_query(&r, STR("uploadId"), str_of(id));
    code = s3_ask(c, &r, BODY_MAX, take_completed, &completed, e);
    if (code == ERR_OK && completed.done) {
        /* radosgw 16.2 tells no tag here. What was completed before it compares itself. */
        if (ret_sure)
            *ret_sure = !completed.etag[0] || is_of_parts(completed.etag, parts);
        return ERR_OK;
    }
    if (code == ERR_OK)
        code = err_set(e, ERR_UNAVAILABLE, "the server did not complete '%s'", name->text);
    else if (code != ERR_BLOB_UPLOAD_UNKNOWN)
        return code;
    return was_completed(c, name, parts, ret_sure) ? ERR_OK : code;
}

/* ---- copies of large objects */

/* A server that says nothing while it copies may take half a minute for 5 GiB, which is as long as
 * a silent one is waited for. */
#define COPY_WHOLE (2ull << 30)
#define COPY_PART  (1ull << 30)

enum err_code s3_parts_copy(struct s3_client *c, const struct s3_name *name, const char *id,
                            const char *bucket, const struct s3_name *from, uint64_t first,
                            uint64_t n_bytes, struct s3_parts *ret_parts, struct err *e)
{
    struct s3_parts *parts = ret_parts;

    while (n_bytes > 0) {
        uint64_t n = n_bytes < COPY_PART + S3_PART_MIN_BYTES ? n_bytes : COPY_PART;

        parts->items = mem_resize(parts->items, (parts->n + 1) * sizeof(parts->items[0]));
        TRY(s3_part_copy(c, name, id, (unsigned)parts->n + 1, bucket, from, first, n,
                         &parts->items[parts->n], e));
        parts->n++;
        first += n;
        n_bytes -= n;
    }
    return ERR_OK;
}

static enum err_code copy_large(struct s3_client *c, const char *bucket, const struct s3_name *from,
                                const struct s3_name *to, uint64_t size_bytes, struct err *e)
{
    char id[S3_UPLOAD_ID_MAX];
    struct s3_parts parts = {0};
    enum err_code code;

    TRY(s3_multipart_create(c, to, id, e));
    code = s3_parts_copy(c, to, id, bucket, from, 0, size_bytes, &parts, e);
    if (code == ERR_OK)
        code = s3_multipart_complete(c, to, id, &parts, NULL, e);
    if (code != ERR_OK)
        (void)!s3_multipart_abort(c, to, id, ERR_IGNORED);
    free(parts.items);
    return code;
}

enum err_code s3_copy_sized(struct s3_client *c, const char *bucket, const struct s3_name *from,
                            const struct s3_name *to, uint64_t size_bytes, struct err *e)
{
    enum err_code code = ERR_STORAGE_READONLY;

    if (size_bytes > COPY_WHOLE)
        code = copy_large(c, bucket, from, to, size_bytes, e);
    if (code == ERR_STORAGE_READONLY && size_bytes <= S3_COPY_MOST) /* parts may be refused alone */
        code = s3_copy(c, bucket, from, to, e);
    return code;
}
