/*
 * tus 1.0.0, a protocol of uploads that can be resumed (tus.io, "Resumable upload protocol"): its
 * headers. The requests are those of v1_upload_session.c.
 */
#pragma once

#include "api/req.h"

#define TUS_VERSION   "1.0.0"
#define TUS_TYPE      STR("application/offset+octet-stream")
#define TUS_CHECKSUMS "sha1,md5,sha256,sha512"
#define TUS_EXTENSIONS                                                                             \
    "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration"

/* "X-HTTP-Method-Override": the method that counts, of a POST that has the header. */
enum http_method tus_method(const struct http_head *head);

/* The client speaks a version that this registry does. Error: PRECONDITION, with Tus-Version. */
ERR_CHECKED enum err_code tus_check_version(struct req *q, struct err *e);

/* A header that is a number of bytes. *ret_found is false, and *ret_bytes untouched, without it.
 * Error: REQUEST_INVALID. */
ERR_CHECKED enum err_code tus_bytes(const struct req *q, const char *header, uint64_t *ret_bytes,
                                    bool *ret_found, struct err *e);

/* Upload-Length or Upload-Defer-Length, one of which has to be there: UINT64_MAX when it is told
 * later. Errors: REQUEST_INVALID; IMAGE_TOO_LARGE, more than upload.max_bytes. */
ERR_CHECKED enum err_code tus_length(const struct req *q, uint64_t *ret_bytes, struct err *e);

/* Upload-Metadata: the value of a key, "" when it has none. Error: REQUEST_INVALID, also when
 * another pair is malformed. */
ERR_CHECKED enum err_code tus_metadata(struct str field, const char *key, char *dst, size_t cap,
                                       struct err *e);

/* Upload-Checksum: a reader of what `from` gives, which is borrowed, that fails at its end with
 * CHECKSUM unless it has that checksum. NULL: the request has none. Error: REQUEST_INVALID. */
ERR_CHECKED enum err_code tus_checksum(const struct req *q, struct reader *from,
                                       struct reader **ret_reader, struct err *e);
