/* Answers; the one place where an error becomes one. */
#pragma once

#include "api/req.h"

/* The error as a response: status, JSON of dist-spec "Error Codes", a note for the access log. A
 * browser gets a page instead, but for the paths of programs, /v2/ and /api/. */
void reply_error(struct req *q, enum err_code code, const struct err *e);

/* The body of such a response. detail may be empty. */
void reply_error_body(struct buf *ret_json, enum err_code code, struct str detail);

/* The same of a request that named something, each of which may be empty. */
struct reply_subject {
    const struct refusal *refused; /* NULL: not an archive, or not for what it is */
    struct str images;             /* of these, a list of JSON, without its brackets, of those that
                                    * are blocked; or empty */
    struct str upload;             /* of what was refused */
    struct str name, reference, digest;
};
void reply_error_about(struct buf *ret_json, enum err_code code, struct str detail,
                       const struct reply_subject *s);
void reply_digest(struct req *q, const struct digest *d); /* Docker-Content-Digest */
void reply_json(struct req *q, int status, struct str body);
void reply_empty(struct req *q, int status);

/* http.prefix without its closing slash; empty: there is none. */
struct str reply_prefix(const struct req *q);

/* Location: that path, behind http.prefix; at most 2 KiB. */
void reply_location(struct req *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A header for people, of an answer that is one all the same; a note for the access log, too. RFC
 * 7234, 5.5, as dist-spec "Warnings" has it. At most 512 bytes. */
void reply_warning(struct req *q, struct str text);

/* Link: <path?n=N&last=LAST>; rel="next" (RFC 8288). extra is more of the query, or empty. */
void reply_next(struct req *q, size_t n, struct str last, struct str extra);

/* To that extra: &key=value, escaped; nothing for "". */
void reply_next_parameter(struct buf *extra, const char *key, const char *value);

/* ,"key":"2026-01-31T23:59:59.123Z"; null for 0 and INT64_MAX. */
void reply_add_time(struct buf *body, const char *key, int64_t wall_ms);
