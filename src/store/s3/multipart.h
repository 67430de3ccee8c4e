/* Multipart uploads ("Uploading and copying objects using multipart upload"). Errors: client.h's;
 * BLOB_UPLOAD_UNKNOWN: the server does not know the upload. */
#pragma once

#include "store/s3/client.h"

#define S3_UPLOAD_ID_MAX  256
#define S3_PARTS_MAX      10000
#define S3_PART_MIN_BYTES (5ull << 20) /* but for the last */

#define S3_PART_MAX_BYTES (5ull << 30)

/* How long a part may be behind n others, when the first have first_bytes: twice as long after each
 * thousand, so that as many as there can be make the largest object that there can be. Pure. */
uint64_t s3_part_bytes(uint64_t first_bytes, size_t n);

struct s3_part {
    char etag[S3_ETAG_MAX];
    char sha256[S3_SUM_SIZE]; /* as the server keeps it; "": it keeps none */
    uint64_t size_bytes;
};

/* An entity tag without its quotes, which not each server gives everywhere. */
struct str s3_etag_bare(const char *etag);

/* parts[i] is number i + 1. */
struct s3_parts {
    struct s3_part *items;
    size_t n;
    size_t n_seen; /* s3_parts_list(): up to there the server has some behind a gap; of those that
                      are missing size_bytes is 0 */
};

ERR_CHECKED enum err_code s3_multipart_create(struct s3_client *c, const struct s3_name *name,
                                              char ret_id[static S3_UPLOAD_ID_MAX], struct err *e);
ERR_CHECKED enum err_code s3_part_put(struct s3_client *c, const struct s3_name *name,
                                      const char *id, unsigned number,
                                      const struct client_file *body, struct s3_part *ret_part,
                                      struct err *e);

/* n_bytes from `first` on of another object, or all of it when n_bytes is 0; bucket: see s3_copy().
 */
ERR_CHECKED enum err_code s3_part_copy(struct s3_client *c, const struct s3_name *name,
                                       const char *id, unsigned number, const char *bucket,
                                       const struct s3_name *from, uint64_t first, uint64_t n_bytes,
                                       struct s3_part *ret_part, struct err *e);

/* n_bytes from `first` on of another object as the next parts; appended to ret_parts. Other parts
 * may follow when they have S3_PART_MIN_BYTES together. */
ERR_CHECKED enum err_code s3_parts_copy(struct s3_client *c, const struct s3_name *name,
                                        const char *id, const char *bucket,
                                        const struct s3_name *from, uint64_t first,
                                        uint64_t n_bytes, struct s3_parts *ret_parts,
                                        struct err *e);

/* s3_copy() of an object of any size; in parts when it is large, but where only that is refused. */
ERR_CHECKED enum err_code s3_copy_sized(struct s3_client *c, const char *bucket,
                                        const struct s3_name *from, const struct s3_name *to,
                                        uint64_t size_bytes, struct err *e);

/* What the server has of it, in order, up to the first number that is missing, and what is behind
 * that as n_seen says. ret_parts is empty. Parts may end in another order than they began in. */
ERR_CHECKED enum err_code s3_parts_list(struct s3_client *c, const struct s3_name *name,
                                        const char *id, struct s3_parts *ret_parts, struct err *e);

/*
 * Makes the object of just these parts. An answer that was lost is found out by a look at the
 * object. *ret_sure is false when it has their length, and its entity tag does not say that it has
 * these parts: then the server makes its tags otherwise, or somebody has completed it with others.
 * NULL: nobody else can have. Error besides: CONFLICT: a part is not what its tag says, for it was
 * sent again.
 */
ERR_CHECKED enum err_code s3_multipart_complete(struct s3_client *c, const struct s3_name *name,
                                                const char *id, const struct s3_parts *parts,
                                                bool *ret_sure, struct err *e);

/* Not there: success. */
ERR_CHECKED enum err_code s3_multipart_abort(struct s3_client *c, const struct s3_name *name,
                                             const char *id, struct err *e);

/* Aborts all uploads of this key, and of those that have '_' and more behind it: what is left of
 * some whose ids nobody knows. One server tells only those of the key itself. */
ERR_CHECKED enum err_code s3_multipart_abort_all(struct s3_client *c, const struct s3_name *name,
                                                 struct err *e);

/* Calls fn for every upload of the bucket below the configured prefix. One server tells them only
 * when it is asked for no prefix. */
typedef enum err_code (*s3_upload_fn)(void *ctx, const struct s3_name *name, const char *id,
                                      int64_t begun_ms, struct err *e);
ERR_CHECKED enum err_code s3_multipart_each(struct s3_client *c, s3_upload_fn fn, void *ctx,
                                            struct err *e);
