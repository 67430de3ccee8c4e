/* How many requests of which kind a server was sent. Any thread. */
#pragma once

#include "net/sigv4.h"
#include "store/store.h"

#include <stdatomic.h>

enum s3_kind {
    S3_KIND_PUT,
    S3_KIND_COPY,
    S3_KIND_GET,
    S3_KIND_HEAD,
    S3_KIND_DELETE,
    S3_KIND_CREATE, /* a multipart upload; its parts: */
    S3_KIND_PART,
    S3_KIND_PART_COPY,
    S3_KIND_LIST_PARTS,
    S3_KIND_COMPLETE,
    S3_KIND_ABORT,
    S3_KIND_LIST,
    S3_KIND_LIST_UPLOADS,
    S3_KIND_BULK_DELETE,
    S3_KIND_BUCKET, /* a look at the bucket, and what is configured of it */
    S3_KINDS_N,
};

struct s3_counts {
    _Atomic uint64_t of[S3_KINDS_N]; /* all that were sent, those tried again too */
    _Atomic uint64_t again;          /* that followed one that failed */
};

/* Pure. of_object: else of the bucket; copies: from another object. */
enum s3_kind s3_kind_of(const char *method, bool of_object, bool copies,
                        const struct sigv4_field *query, size_t n_query);
void s3_counts_tell(const struct s3_counts *c, store_count_fn fn, void *ctx);
