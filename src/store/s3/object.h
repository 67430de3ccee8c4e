/* Objects of the bucket, one request each unless it says otherwise. Errors: client.h's. */
#pragma once

#include "store/s3/client.h"

struct s3_put {
    struct str body;
    const struct client_file *file; /* in its stead; NULL: none */
    bool as_blob;                   /* with the storage class of blobs, whatever its key is */
    bool if_none;                  /* PRECONDITION when there is one already, if the server looks */
    const struct store_note *note; /* of an upload's tail, like what follows; NULL: none of them */
    const char *upload;            /* id of the multipart upload, or "" */
    const char *parts;             /* which parts it has, or "" */
    uint64_t bytes;                /* that are durable with it */
};

ERR_CHECKED enum err_code s3_put(struct s3_client *c, const struct s3_name *name,
                                 const struct s3_put *p, struct err *e);

/* Size, entity tag, time and what a tail says of its upload. Error: NOT_FOUND. */
ERR_CHECKED enum err_code s3_head(struct s3_client *c, const struct s3_name *name,
                                  struct s3_answer *ret_answer, struct err *e);

/* Appends all of it to ret_answer->body, which the caller has made. Error: NOT_FOUND. */
ERR_CHECKED enum err_code s3_get(struct s3_client *c, const struct s3_name *name,
                                 struct s3_answer *ret_answer, struct err *e);

/* The same for a small one: appends to ret_bytes, whose max bounds it. Errors: NOT_FOUND; CORRUPT
 * for one that is larger. */
ERR_CHECKED enum err_code s3_get_into(struct s3_client *c, const struct s3_name *name,
                                      struct buf *ret_bytes, struct err *e);

/* Not there: success. */
ERR_CHECKED enum err_code s3_delete(struct s3_client *c, const struct s3_name *name, struct err *e);

/* At most S3_DELETE_MOST in one request; the first that could not be deleted is the error. */
#define S3_DELETE_MOST 1000
ERR_CHECKED enum err_code s3_delete_many(struct s3_client *c, const struct s3_name *names, size_t n,
                                         struct err *e);

/* Up to S3_COPY_MOST in one request. bucket is NULL, or another one of the server that `from` is
 * in. Error: NOT_FOUND. */
#define S3_COPY_MOST (5ull << 30)
ERR_CHECKED enum err_code s3_copy(struct s3_client *c, const char *bucket,
                                  const struct s3_name *from, const struct s3_name *to,
                                  struct err *e);

/* All keys below prefix (of the names), page by page. Stops at fn's first error. */
struct s3_listed {
    struct s3_name name;
    uint64_t size_bytes;
    int64_t modified_ms;
};

typedef enum err_code (*s3_listed_fn)(void *ctx, const struct s3_listed *object, struct err *e);

ERR_CHECKED enum err_code s3_list(struct s3_client *c, const char *prefix, s3_listed_fn fn,
                                  void *ctx, struct err *e);

/* The same for who can't wait: asks the bucket for the keys that begin with prefix, and finds the
 * first of them in the answer. */
void s3_list_query(struct s3_request *r, struct str prefix);
bool s3_list_first(struct str body, struct s3_name *ret_name);

/* Is it the key of one of those that people get, and the server is to keep checksums of? */
bool s3_is_original(const struct s3_client *c, const struct s3_name *name);

#define S3_BLOBS "blobs/" /* what the keys of blobs begin with, below the prefix */

/* What the server is asked to do with what a request makes: encryption, and for blobs at their keys
 * the storage class. */
void s3_make_headers(const struct s3_client *c, struct s3_request *r);

/* For documents that are sent: the value of Content-MD5 (RFC 1864), which the servers want with
 * them though the body's hash is signed. */
#define S3_MD5_SIZE 25
void s3_content_md5(struct str body, char dst[static S3_MD5_SIZE]);

/* The value of x-amz-copy-source for a key of the bucket; NULL: of this one. */
void s3_copy_source(const struct s3_client *c, const char *bucket, const struct s3_name *from,
                    struct buf *dst);
