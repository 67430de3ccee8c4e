/*
 * A session in the hands of one request: who may have it, whose turn it is, and its handle of the
 * store (ARCHITECTURE.md, "Uploads over several processes").
 *
 * The database says which process had a session last, and how many had it before: its turn. A
 * process takes it (the next turn is its own) before bytes come, and what it knows of the bytes is
 * true only as long as nobody else had a turn. Where no other process is, the first time is enough.
 */
#pragma once

#include "core/ingest.h"
#include "core/upload.h"
#include "core/upload_session.h"

struct upload {
    struct registry *r;
    struct session *session;
    struct store_upload *handle; /* NULL: its bytes are a blob's already, or it is to be closed */
    struct ingest in;            /* while appending */
    bool appending;              /* some of it came, and more is to come */
    bool whole;                  /* of what is appended nothing stays unless all does */
    size_t before_n;             /* the hash as it was then */
    char before[HASHER_STATE_MAX];
    bool alone; /* no other request or process can know of it: it ends with u, and has no row */
    bool sure;  /* its turn is this request's: it was taken, or nobody else can */
    bool lost;  /* another process has it now */
    int64_t looked_ms; /* monotonic: when its turn was looked at last */
};

/* The session is another process's now when it is; see upload_open(). Errors: BLOB_UPLOAD_UNKNOWN,
 * over meanwhile; INTERNAL and others: u is only good for closing. */
ERR_CHECKED enum err_code hold_make_sure(struct upload *u, struct err *e);

/* Looks now and then whether another process has taken it meanwhile. Error: RANGE_INVALID, told;
 * u->lost is set then. */
ERR_CHECKED enum err_code hold_look(struct upload *u, struct err *e);
ERR_CHECKED enum err_code hold_look_now(struct upload *u, struct err *e);

/* Who takes sessions here: this process, among those on the same database. */
struct uuid hold_holder(struct registry *r);

/* The session ends with u, and is forgotten. */
void hold_forget(struct upload *u);

/* Tells meta that the session is over and became nothing. Error: CONFLICT, somebody has it. */
ERR_CHECKED enum err_code hold_end(struct upload *u, struct err *e);

/* What was known of the hash is of other bytes. */
void hold_drop_hash(struct session *s);

/* What a client is told. */
enum err_code hold_unknown(struct err *e);
enum err_code hold_taken(struct err *e);
