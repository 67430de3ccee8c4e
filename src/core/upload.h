/*
 * Upload sessions (dist-spec "Pushing blobs"; ARCHITECTURE.md "The life of a push").
 *
 * A session belongs to the identity and repository that opened it; to anyone else it does not
 * exist. Its offset is what is durable. One request of a process works on a session at a time: it
 * holds a struct upload from upload_open() to upload_close() (or finish or cancel). A request of
 * another process on the same database takes the session away: it goes on with what is durable, and
 * who had it hears that at the latest when it finishes.
 */
#pragma once

#include "core/registry.h"

struct upload; /* a session held by one request; one thread */

/* Gives the id of a new session. It costs nothing until its first bytes, which may come to any
 * process on the same database. Errors: TOO_MANY_REQUESTS (limits.uploads), those of meta. */
ERR_CHECKED enum err_code upload_begin(struct registry *r, const struct repo_name *repo,
                                       const char *owner, enum digest_algorithm algorithm,
                                       struct uuid *ret_id, struct err *e);

enum upload_use {
    UPLOAD_MORE, /* bytes come, or the session is to be cancelled */
    UPLOAD_END   /* upload_finish() comes next, with what is there */
};

/* Errors: BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_BUSY, TOO_MANY_REQUESTS. */
ERR_CHECKED enum err_code upload_open(struct registry *r, const struct repo_name *repo,
                                      const char *owner, const struct uuid *id, enum upload_use use,
                                      struct upload **ret_upload, struct err *e);

/* A session for one request alone, gone with it. Without a repository (NULL) it needs
 * upload_set_repo() before upload_finish(). Error: TOO_MANY_REQUESTS. */
ERR_CHECKED enum err_code upload_open_alone(struct registry *r, const struct repo_name *repo,
                                            const char *owner, enum digest_algorithm algorithm,
                                            struct upload **ret_upload, struct err *e);
void upload_set_repo(struct upload *u, const struct repo_name *repo);
uint64_t upload_offset(const struct upload *u);
uint64_t upload_came(const struct upload *u); /* with what is not durable yet */

/* How far a session is, without holding it. Error: BLOB_UPLOAD_UNKNOWN. */
ERR_CHECKED enum err_code upload_status(struct registry *r, const struct repo_name *repo,
                                        const char *owner, const struct uuid *id,
                                        uint64_t *ret_offset_bytes, struct err *e);

/* What is to be appended. */
struct upload_body {
    uint64_t expected_bytes;     /* as ingest_run() */
    uint64_t exact_bytes;        /* it must have just so many; UINT64_MAX: as many as there are */
    const struct digest *finish; /* upload_finish() with it comes next; NULL: it does not */
    uint64_t limit_bytes;        /* the session may be so long; 0: as long as a blob */
    bool whole;                  /* of one that breaks off nothing is kept */
};

/*
 * Appends all that the reader gives; durable when it returns, unless upload_finish() comes next and
 * sees to it. When the client goes away half-way, what came is kept and durable, as far as the
 * store can, so that it can resume; after any other error the session is as it was before. After
 * LATER, of a reader that does not wait, the same call goes on where it was; what came so far is
 * kept when u is closed instead. Errors: those of the reader, BLOB_TOO_LARGE, STORAGE_FULL;
 * SIZE_INVALID: not exact_bytes; RANGE_INVALID: another process has the session now.
 */
ERR_CHECKED enum err_code upload_append(struct upload *u, struct reader *from,
                                        const struct upload_body *body, struct err *e);

/* Up to cap bytes of what is durable, from offset_bytes; *ret_n is 0 at the end. What a store that
 * is a server has of it may take long to be read for the first time. Errors: those of the store;
 * RANGE_INVALID: another process has the session now. */
ERR_CHECKED enum err_code upload_read(struct upload *u, void *p, size_t cap, uint64_t offset_bytes,
                                      size_t *ret_n, struct err *e);

/* Appends bytes that are at hand to a session of upload_open_alone(); they are not made durable
 * before upload_finish(). Errors: BLOB_TOO_LARGE, STORAGE_FULL, those of the store: u is only good
 * for closing then. */
ERR_CHECKED enum err_code upload_write(struct upload *u, const void *p, size_t n, struct err *e);

/* No more comes by upload_write(): the digest of it all. */
void upload_written(struct upload *u, struct digest *ret_digest);

/*
 * Makes the session a blob of its repository, under the digest, which must be that of its bytes, or
 * of the last body alone: *ret_repeated (may be NULL) then says that the client sent it again as a
 * whole after it was cut. u is closed whatever comes. The session is gone after success and after
 * DIGEST_INVALID; after any other error it stays, for another try: also when the bytes were stored
 * and it is not known whether the transaction was done. Error: RANGE_INVALID, as of append.
 */
ERR_CHECKED enum err_code upload_finish(struct upload *u, const struct digest *d,
                                        bool *ret_repeated, struct err *e);

/*
 * OK when this session was finished with this digest by the same owner in the same repository, no
 * longer ago than upload.timeout, and the blob is still there: a client whose answer was lost asks
 * for the finish again, maybe of another process. Error: BLOB_UPLOAD_UNKNOWN.
 */
ERR_CHECKED enum err_code upload_was_finished(struct registry *r, const struct repo_name *repo,
                                              const char *owner, const struct uuid *id,
                                              const struct digest *d, struct err *e);

/* Removes the session and its bytes, and closes u. */
ERR_CHECKED enum err_code upload_cancel(struct upload *u, struct err *e);
void upload_close(struct upload *u); /* accepts NULL */

/* Makes the sessions of earlier lives of this process known, so that they count, unless others may
 * have gone on with them. At the start. */
ERR_CHECKED enum err_code upload_load_all(struct registry *r, struct err *e);

/* Removes the sessions that nobody touched for upload.timeout, and forgets those that were finished
 * so long ago. In the background. */
ERR_CHECKED enum err_code upload_sweep(struct registry *r, struct err *e);

static inline void auto_upload_(struct upload **u)
{
    upload_close(*u);
}
