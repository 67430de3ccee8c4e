/*
 * Errors: a code for the machine, a text for the log, no allocation. Whoever can fail is given a
 * place for the error, never NULL: who does not care for it says so with ERR_IGNORED. It is written
 * only when the call fails.
 *
 * ERR_TABLE is the one place that says what a client sees: the HTTP status, the code of
 * dist-spec "Error Codes", and the message. The detail is for the log only; a public_detail()
 * is the exception, for what the client itself got wrong.
 */
#pragma once

#include <stdbool.h>

/* X(name, HTTP status, dist-spec code, message) */
#define ERR_TABLE(X)                                                                               \
    X(INTERNAL, 500, "UNKNOWN", "internal error")                                                  \
    X(BLOB_UNKNOWN, 404, "BLOB_UNKNOWN", "blob unknown to registry")                               \
    X(BLOB_UPLOAD_INVALID, 400, "BLOB_UPLOAD_INVALID", "blob upload invalid")                      \
    X(BLOB_UPLOAD_UNKNOWN, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")          \
    X(BLOB_UPLOAD_BUSY, 409, "BLOB_UPLOAD_INVALID", "upload is in use by another request")         \
    X(UPLOAD_UNKNOWN, 404, "UPLOAD_UNKNOWN", "upload unknown to registry")                         \
    X(UPLOAD_BUSY, 423, "UPLOAD_BUSY", "upload is in use by another request")                      \
    X(UPLOAD_OFFSET, 409, "UPLOAD_OFFSET", "upload is at another offset")                          \
    X(CHECKSUM, 460, "CHECKSUM", "the bytes do not have the checksum that was given")              \
    X(BLOB_TOO_LARGE, 413, "SIZE_INVALID", "blob is larger than this registry accepts")            \
    X(DIGEST_INVALID, 400, "DIGEST_INVALID", "provided digest did not match uploaded content")     \
    X(DIGEST_MALFORMED, 400, "DIGEST_INVALID", "digest is malformed or its algorithm unsupported") \
    X(MANIFEST_BLOB_UNKNOWN, 404, "MANIFEST_BLOB_UNKNOWN",                                         \
      "manifest references a manifest or blob unknown to registry")                                \
    X(MANIFEST_INVALID, 400, "MANIFEST_INVALID", "manifest invalid")                               \
    X(MANIFEST_UNKNOWN, 404, "MANIFEST_UNKNOWN", "manifest unknown to registry")                   \
    X(MANIFEST_TOO_LARGE, 413, "MANIFEST_INVALID",                                                 \
      "manifest is larger than this registry accepts")                                             \
    X(NAME_INVALID, 400, "NAME_INVALID", "invalid repository name")                                \
    X(TAG_INVALID, 400, "MANIFEST_INVALID", "invalid tag")                                         \
    X(TOO_MANY_TAGS, 414, "MANIFEST_INVALID", "too many tags in one push")                         \
    X(NAME_UNKNOWN, 404, "NAME_UNKNOWN", "repository name not known to registry")                  \
    X(IMAGE_INVALID, 400, "IMAGE_INVALID", "the archive holds no image that can be taken")         \
    X(IMAGE_TOO_LARGE, 413, "SIZE_INVALID", "the archive is larger than this registry accepts")    \
    X(IMAGE_VULNERABLE, 422, "IMAGE_VULNERABLE", "the archive holds an image that is blocked")     \
    X(SIZE_INVALID, 400, "SIZE_INVALID", "provided length did not match content length")           \
    X(RANGE_INVALID, 416, "BLOB_UPLOAD_INVALID", "chunk is out of order")                          \
    X(RANGE_UNSATISFIABLE, 416, "RANGE_INVALID", "the range asked for is not there")               \
    X(UNAUTHORIZED, 401, "UNAUTHORIZED", "authentication required")                                \
    X(TOTP_REQUIRED, 401, "TOTP_REQUIRED", "a code of the second factor is needed as well")        \
    X(DENIED, 403, "DENIED", "requested access to the resource is denied")                         \
    X(IN_USE, 405, "DENIED", "content is referenced by a manifest of this repository")             \
    X(NOT_ANALYZABLE, 422, "UNSUPPORTED", "there is no analysis of this image")                    \
    X(UNSUPPORTED, 405, "UNSUPPORTED", "the operation is unsupported")                             \
    X(REQUEST_INVALID, 400, "UNSUPPORTED", "request is malformed")                                 \
    X(BODY_TOO_LARGE, 413, "SIZE_INVALID", "the body is too large")                                \
    X(MEDIA_TYPE, 415, "UNSUPPORTED", "the media type is not supported")                           \
    X(NOT_FOUND, 404, "UNSUPPORTED", "no such resource")                                           \
    X(PRECONDITION, 412, "UNSUPPORTED", "precondition failed")                                     \
    X(CONFLICT, 409, "UNSUPPORTED", "it is there already, or was changed at the same time")        \
    X(GONE, 503, "UNKNOWN", "content of that digest is being deleted; try again")                  \
    X(QUOTA, 403, "DENIED", "quota of the namespace is used up")                                   \
    X(TOO_MANY_REQUESTS, 429, "TOOMANYREQUESTS", "too many requests")                              \
    X(TIMEOUT, 408, "UNSUPPORTED", "request took too long")                                        \
    X(CLIENT_GONE, 400, "UNSUPPORTED", "client closed the connection")                             \
    X(STORAGE_FULL, 507, "UNKNOWN", "storage is full")                                             \
    X(STORAGE_READONLY, 503, "UNKNOWN", "storage is read-only or its permissions are wrong")       \
    X(CORRUPT, 500, "UNKNOWN", "stored content is damaged")                                        \
    X(CONFIG, 500, "UNKNOWN", "configuration is wrong")                                            \
    X(UNAVAILABLE, 503, "UNKNOWN", "service is unavailable; try again")                            \
    X(LATER, 503, "UNKNOWN", "more of the request is still to come") /* to no client: reader.h */

enum err_code {
    ERR_OK = 0,
#define ERR_ENUM(name, status, wire, message) ERR_##name,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

struct err {
    enum err_code code;
    bool
        public_detail; /* detail may be shown to the client: it speaks only of the client's input */
    char detail[400];
};

#define ERR_CHECKED __attribute__((warn_unused_result))

/* The place for an error that nobody will read. */
#define ERR_IGNORED (&(struct err){.code = ERR_OK})

/* The only macro that returns. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err_code try_code_ = (call);                                                          \
        if (try_code_ != ERR_OK)                                                                   \
            return try_code_;                                                                      \
    } while (0)

/* Sets *e and returns code. %m is errno. The detail stays in the log. */
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), nonnull(1)));

/* As err_set(), for a detail that the client may read: what was wrong, where, what is allowed. */
enum err_code err_tell(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), nonnull(1)));

/* Puts context before the detail on the way up; returns e->code. */
enum err_code err_prefix(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), nonnull(1)));

/* What a failed storage call means, from its errno: STORAGE_FULL, STORAGE_READONLY, UNAVAILABLE (it
 * passes: no descriptors, no memory, a file system that went away), else INTERNAL. */
enum err_code err_of_errno(int error);

/* The same of errno itself, with a text. fmt says what was being done. */
enum err_code err_errno(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), nonnull(1)));

/*
 * The first error of many steps, for work that one failure does not stop. All zero at first; each
 * step gets its place of the accumulator:
 *
 *     struct err_first all = {0};
 *
 *     for (...)
 *         err_first_add(&all, carry(rows[i], &all.step));
 *     return err_first_of(&all, e);
 */
struct err_first {
    enum err_code code; /* ERR_OK: none has failed */
    struct err first;
    struct err step;
};

/* What a step returned, which it does as well. */
static inline enum err_code err_first_add(struct err_first *f, enum err_code code)
{
    if (f->code == ERR_OK && code != ERR_OK) {
        f->code = code;
        f->first = f->step;
    }
    return code;
}

/* Sets *e when there is one. */
static inline enum err_code err_first_of(const struct err_first *f, struct err *e)
{
    if (f->code != ERR_OK)
        *e = f->first;
    return f->code;
}

int err_status(enum err_code code);          /* HTTP status */
const char *err_wire(enum err_code code);    /* code of dist-spec "Error Codes" */
const char *err_message(enum err_code code); /* what the client reads */
const char *err_name(enum err_code code);    /* for logs and tests: "BLOB_UNKNOWN" */
