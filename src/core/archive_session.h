/*
 * Uploads of archives that can be resumed. The bytes are an upload session (core/upload.h) of the
 * same owner and repository; beside it a record says what is to become of them. What others are
 * told of it is the record of core/upload_record.h, whose id is that of the session. When all have
 * come a job takes the archive (core/archive_take.h), and the record becomes that of what came of
 * it, kept for upload.timeout as an upload is that nobody continues.
 *
 * The bytes of a direct one are sent to the server that the store lies on (store_direct_begin()):
 * they are no upload session, and how many have come is known when its client says that all have.
 */
#pragma once

#include "core/archive_platform.h"
#include "core/registry.h"

#define ARCHIVE_SESSION_OWNER_MAX    160
#define ARCHIVE_SESSION_IMAGE_MAX    512
#define ARCHIVE_SESSION_METADATA_MAX 4096
#define ARCHIVE_SESSION_KEY_MAX      (16 + 1 + UUID_TEXT)
#define ARCHIVE_SESSION_TAKE         "archive" /* the kind of job that takes one: its key */

enum archive_state {
    ARCHIVE_RECEIVING,
    ARCHIVE_RECEIVED, /* a job takes it */
    ARCHIVE_HOLDING,  /* a request that brought it whole puts it where it is to wait */
    ARCHIVE_HELD, /* it waits for a verdict (core/held_image.h); the job is added when one comes */
    ARCHIVE_DECIDED, /* it may be stored: the job does */
    ARCHIVE_ENDED    /* status and answer say how */
};

struct archive_session {
    struct uuid id;
    struct uuid upload;                              /* of its bytes */
    char owner[ARCHIVE_SESSION_OWNER_MAX];           /* as of upload sessions: "" is anonymous */
    struct repo_name repo;                           /* n is 0: those of the archive's names */
    struct tag_name tag;                             /* n is 0: those of the archive */
    char platform[OUT_PLATFORM_MAX];                 /* "os/architecture[/variant]"; "": all */
    char image[ARCHIVE_SESSION_IMAGE_MAX];           /* as image_wish.image */
    char metadata[ARCHIVE_SESSION_METADATA_MAX + 1]; /* as the client gave it; "": none */
    char address[64];                                /* of the client */
    uint64_t length_bytes;                           /* UINT64_MAX: not known yet */
    struct digest digest;                            /* of all of it, as said; n is 0: any */
    bool is_direct;
    struct store_direct direct;
    bool is_plain;                  /* it came whole with a request: it has no upload session */
    struct digest plan;             /* of one that waits: held_image_put() */
    int64_t until_ms;               /* and for how long, wall clock */
    char *who;                      /* whose rights count; JSON, owned */
    int64_t started_ms, expires_ms; /* wall clock */
    enum archive_state state;
    int status;   /* of HTTP */
    char *answer; /* JSON, owned; NULL until it ended */
    char key[ARCHIVE_SESSION_KEY_MAX + 1];
    int64_t version; /* of its record */
};

void archive_session_done(struct archive_session *s);

/* Whose its bytes are while they come: of one whose repository is not known, the registry's own. */
const struct repo_name *archive_session_bytes_repo(const struct archive_session *s);

/* Begins one of what s says; fills ids, times, key, state and direct; request_id may
 * be NULL. Errors: TOO_MANY_REQUESTS
 * (upload.sessions), QUOTA, REQUEST_INVALID (direct, without such a server), told; those of
 * upload_begin() and of meta. */
ERR_CHECKED enum err_code archive_session_begin(struct registry *r, struct archive_session *s,
                                                const char *request_id, struct err *e);

/* One that came whole with a request, and is to wait: HOLDING, for upload.scan_timeout at most. Of
 * s the id is that of its record. Errors: TOO_MANY_REQUESTS, told; those of meta. */
ERR_CHECKED enum err_code archive_session_begin_held(struct registry *r, struct archive_session *s,
                                                     struct err *e);

/* It is HELD from now on, for upload.scan_timeout, and the job looks at it. mine, which may be
 * NULL, holds with the transaction. Error: UPLOAD_UNKNOWN, it was removed. */
ERR_CHECKED enum err_code archive_session_hold(struct registry *r, struct archive_session *s,
                                               const struct digest *plan,
                                               const struct meta_op *mine, struct err *e);

/* It is DECIDED. Errors: the same. */
ERR_CHECKED enum err_code archive_session_decide(struct registry *r, struct archive_session *s,
                                                 struct meta_op mine, struct err *e);

/* A scan in that repository has ended: who waits for it there looks at it. Of others it is nothing.
 */
ERR_CHECKED enum err_code archive_session_scanned(struct registry *r, const struct repo_name *repo,
                                                  struct err *e);

/* Somebody waits for it: when it has waited for too long, the job looks at it. */
ERR_CHECKED enum err_code archive_session_look(struct registry *r, const struct archive_session *s,
                                               struct err *e);

/* What others are told of it, for who goes on with it now. NULL: somebody holds that, or it is not
 * known any more. */
struct upload_record *archive_session_record(struct registry *r, const struct archive_session *s,
                                             const char *request_id);

/* To anybody but its owner there is none. Error: UPLOAD_UNKNOWN. */
ERR_CHECKED enum err_code archive_session_find(struct registry *r, const char *owner,
                                               const struct uuid *id,
                                               struct archive_session *ret_session, struct err *e);

/* Of a job. */
ERR_CHECKED enum err_code archive_session_find_key(struct registry *r, struct str key,
                                                   struct archive_session *ret_session,
                                                   struct err *e);

/* All of a direct one has come, says its client: how much that is; when it is all of it, it is one
 * to be read. Errors: CONFLICT, told; those of the store. */
ERR_CHECKED enum err_code archive_session_collect(struct registry *r,
                                                  const struct archive_session *s,
                                                  uint64_t *ret_come_bytes, struct err *e);

/* How much of it has come for good; of a direct one, 0 until it is collected. Error:
 * UPLOAD_UNKNOWN, its bytes are gone. */
ERR_CHECKED enum err_code archive_session_offset(struct registry *r,
                                                 const struct archive_session *s,
                                                 uint64_t *ret_offset_bytes, struct err *e);

/* So much has come: it expires later, length_bytes and who of s are written, and when that is all
 * of it, it is RECEIVED and the job is there. Errors: UPLOAD_UNKNOWN; those of meta. */
ERR_CHECKED enum err_code archive_session_advance(struct registry *r, struct archive_session *s,
                                                  uint64_t offset_bytes, struct err *e);

/* It is in use: it expires later, when that is not just so. What fails is nobody's. */
void archive_session_use(struct registry *r, struct archive_session *s);

/* That came of it. `mine` holds with the transaction. Error: UPLOAD_UNKNOWN, it was removed. */
ERR_CHECKED enum err_code archive_session_end(struct registry *r, const struct archive_session *s,
                                              int status, struct str answer, struct meta_op mine,
                                              struct err *e);

/* Removes it, with its bytes unless the job has them, which removes them then. Errors: UPLOAD_BUSY,
 * a request writes to it; those of meta and the store. */
ERR_CHECKED enum err_code archive_session_remove(struct registry *r,
                                                 const struct archive_session *s, struct err *e);

/* Removes those that have expired, and finds those of which all has come and a crash kept that from
 * being written down. In the background. */
ERR_CHECKED enum err_code archive_session_sweep(struct registry *r, struct err *e);

static inline void auto_archive_session_(struct archive_session *s)
{
    archive_session_done(s);
}
