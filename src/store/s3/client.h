/*
 * Requests to an S3 server: signed, sent, tried again where that helps, and their answers told
 * apart. Any thread; every call blocks.
 *
 * Errors everywhere: UNAVAILABLE: the server can't be reached, or says "later", for as long as
 * options.timeout_ms, or there is no such bucket, or the clocks differ; NOT_FOUND: no such key;
 * STORAGE_FULL; STORAGE_READONLY: the key may not do this; INTERNAL: what the server refuses
 * otherwise. All with the server's own words. No error holds a secret.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "net/client.h"
#include "net/sigv4.h"
#include "net/xml.h"
#include "store/store.h"

#include <stdatomic.h>

#define S3_ETAG_MAX    128
#define S3_SUM_SIZE    45 /* base64 of a SHA-256 */
#define S3_QUERY_MAX   8
#define S3_HEADERS_MAX 16
#define S3_KEY_MAX     1024 /* "Creating object key names" */

struct s3_client;

ERR_CHECKED enum err_code s3_client_new(const struct store_s3_options *o,
                                        struct s3_client **ret_client, struct err *e);
void s3_client_free(struct s3_client *c); /* accepts NULL */

/* From now on errors say what the server meant: DENIED, UNSUPPORTED. Before the first request. */
void s3_client_be_frank(struct s3_client *c);

/* The program ends: requests have so long left, and are not tried again. */
void s3_client_hurry(struct s3_client *c, uint64_t ms);
bool s3_client_ends(struct s3_client *c); /* that time is over */
const struct store_s3_options *s3_client_options(const struct s3_client *c);

/* STORAGE_FULL or STORAGE_READONLY, when the last object that was written was refused with that. */
enum err_code s3_write_refused(const struct s3_client *c);

/* Requests that were sent since the start, by kind; and that a reader asks for what failed again.
 */
void s3_client_counts(const struct s3_client *c, store_count_fn fn, void *ctx);
void s3_client_note_again(struct s3_client *c);

/* The server without the bucket, as a URL: the same for all buckets of one that are named alike. */
const char *s3_client_server(const struct s3_client *c);

/* A key below the configured prefix. */
struct s3_name {
    size_t n;
    char text[S3_KEY_MAX + 1];
};

/* Appends "/" and the key as paths have it. */
void s3_add_key(struct buf *dst, const struct s3_name *name);

struct s3_request {
    const char *method;
    const struct s3_name *name; /* NULL: the bucket itself */
    struct sigv4_field query[S3_QUERY_MAX];
    size_t n_query;
    struct sigv4_field headers[S3_HEADERS_MAX]; /* x-amz-* and others; names small */
    size_t n_headers;
    struct str body;                /* .p is NULL: none */
    const struct client_file *file; /* as a body; NULL: none */
    bool is_final;                  /* not tried again, whatever comes */
    bool sums;                      /* the server is told the body's checksum, and keeps it */

    /* NULL, or asked before each try but the first: an error ends it with that. */
    enum err_code (*before_again)(void *ctx, struct err *e);
    void *ctx;
};

static inline void s3_query(struct s3_request *r, struct str name, struct str value)
{
    r->query[r->n_query++] = (struct sigv4_field){name, value};
}

static inline void s3_header(struct s3_request *r, struct str name, struct str value)
{
    if (value.n > 0)
        r->headers[r->n_headers++] = (struct sigv4_field){name, value};
}

/* After a refusal. */
enum s3_again {
    S3_NEVER,     /* the next try gets the same answer */
    S3_ONCE,      /* signed anew, one may do */
    S3_AS_LONG_AS /* ... there is time */
};

struct s3_answer {
    int status;
    enum s3_again again;
    char etag[S3_ETAG_MAX]; /* with its quotes; "" when there is none */
    char code[64];          /* the server's word for an error */
    char region[64];        /* that the server says the bucket is in; "": it does not */
    uint64_t total_bytes;   /* of the object: Content-Range's, else Content-Length */
    int64_t modified_ms;
    bool encrypted;           /* x-amz-server-side-encryption: in some way */
    char sha256[S3_SUM_SIZE]; /* x-amz-checksum-sha256; "": the server says none */
    struct store_note note;   /* x-amz-meta-note */
    char meta_id[256];        /* x-amz-meta-upload */
    char meta_parts[256];     /* x-amz-meta-parts */
    uint64_t meta_bytes;      /* x-amz-meta-bytes */
    uint64_t retry_ms;        /* Retry-After */
    struct buf body;          /* whoever asks sets its max before, and frees it */
};

/* Errors besides: PRECONDITION (412), RANGE_UNSATISFIABLE (416),
 * BLOB_UPLOAD_UNKNOWN (NoSuchUpload), CONFLICT (InvalidPart). */
ERR_CHECKED enum err_code s3_run(struct s3_client *c, const struct s3_request *r,
                                 struct s3_answer *ret_answer, struct err *e);

/* As that for an answer whose body is of no interest. */
ERR_CHECKED enum err_code s3_do(struct s3_client *c, const struct s3_request *r,
                                struct s3_answer *ret_answer, struct err *e);

/* As that for an answer that is XML, of so many bytes at most. */
ERR_CHECKED enum err_code s3_ask(struct s3_client *c, const struct s3_request *r, size_t max_bytes,
                                 xml_fn fn, void *ctx, struct err *e);

/* An answer that comes as a stream: one try, begun at the first read. */
ERR_CHECKED enum err_code s3_stream(struct s3_client *c, const struct s3_request *r,
                                    struct s3_answer *answer, struct client_stream **ret_stream,
                                    struct err *e);

/* What an answer that is no success means; takes its code out of its body. */
enum err_code s3_refused(struct s3_answer *a, const struct s3_request *r, struct err *e);

/* After a stream was refused for credentials that have expired: they are asked for anew. */
void s3_renew_key(struct s3_client *c);

/* As callers of this folder see the error: DENIED is a matter of the registry's own key, and to
 * them STORAGE_READONLY; UNSUPPORTED, of the server's, is INTERNAL. */
enum err_code s3_told(enum err_code code, struct err *e);

/* Whether another try may help; *renewed: the one that S3_ONCE allows was made, or is made now. */
bool s3_may_help(enum err_code code, const struct s3_answer *a, bool *renewed);

/* How long to wait before the n-th try (from 0). Pure. */
uint64_t s3_wait_ms(unsigned n, uint64_t retry_after_ms, uint64_t random);

/* DELETE of the key, sent once, with a signature that is good for valid_s. `still` is asked when it
 * is signed. ERR_OK: the server has done it, or had nothing there. Errors: LATER, it was not sent,
 * or the server refuses it; any other: it may be done, until the signature is too old. */
ERR_CHECKED enum err_code s3_delete_once(struct s3_client *c, const struct s3_name *name,
                                         unsigned valid_s, bool (*still)(void *ctx), void *ctx,
                                         struct err *e);

/* A URL for whoever has it: GET of the key, until then. */
void s3_presign(struct s3_client *c, const struct s3_name *name, const struct sigv4_key *key,
                int64_t time_ms, unsigned expires_s, struct buf *ret_url);
/* PUT of the key from now on, or of a part of what is uploaded to it (upload is not ""), with the
 * client's key. */
ERR_CHECKED enum err_code s3_presigned_put(struct s3_client *c, const struct s3_name *name,
                                           const char *upload, unsigned number, unsigned expires_s,
                                           struct buf *ret_url, struct err *e);
/* The same of a GET with the client's key, as of the last full half of that time: who asks again in
 * the same half gets the same one, and it holds for a half at least. */
ERR_CHECKED enum err_code s3_presigned(struct s3_client *c, const struct s3_name *name,
                                       int64_t now_ms, unsigned expires_s, struct buf *ret_url,
                                       struct err *e);
