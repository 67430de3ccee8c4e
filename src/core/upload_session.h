/*
 * The sessions this process knows of, by their id: who owns one, whether a request holds it, the
 * last turn that this process had, and the hash of its bytes at the end of it. What is not in the
 * table meta and the store know.
 */
#pragma once

#include "base/digest.h"
#include "meta/meta.h"

struct session {
    struct session *next;
    struct meta_upload info;
    bool busy;                /* a request holds it */
    uint64_t offset_bytes;    /* durable; set by session_advance() */
    struct hasher *hasher;    /* NULL, or has seen exactly offset_bytes */
    int64_t used_ms;          /* monotonic */
    uint64_t last_from_bytes; /* where the last body began; the holder's */
    struct digest became;     /* n is 0, or its bytes are that blob, and its row is not written */
};

struct upload_table;

struct upload_table *upload_table_new(void);
void upload_table_free(struct upload_table *t); /* accepts NULL */

/* Adds a session; an existing one of the same id is kept and returned with *ret_added false.
 * NULL when the table holds max already. The session is returned busy when it was added. */
struct session *session_add(struct upload_table *t, const struct meta_upload *info, size_t max,
                            bool *ret_added);

/* The session when it is known, held by nobody and now held by the caller. */
enum session_take { SESSION_TAKEN, SESSION_BUSY, SESSION_UNKNOWN };
enum session_take session_take(struct upload_table *t, const struct uuid *id,
                               struct session **ret_session);
void session_release(struct upload_table *t, struct session *s);

/* Tells how much of a session that the caller holds is durable now. */
void session_advance(struct upload_table *t, struct session *s, uint64_t offset_bytes);

/* Likewise which repository it is for, which was not known. */
void session_set_repo(struct upload_table *t, struct session *s, const struct repo_name *repo);

/* Likewise whose turn it is: that one is of this process. */
void session_set_turn(struct upload_table *t, struct session *s, int64_t turn);

/* One that nobody used for so long, for the caller to drop. Looks at a few of the table only, at
 * others each time. */
bool session_take_idle(struct upload_table *t, int64_t idle_ms, struct session **ret_session);

/* Forgets and frees a session that the caller holds. */
void session_drop(struct upload_table *t, struct session *s);

/* A copy of what is known of a session, held or not; false when it is not known. */
bool session_peek(struct upload_table *t, const struct uuid *id, struct meta_upload *ret_info,
                  uint64_t *ret_offset_bytes, bool *ret_busy, int64_t *ret_used_ms);
size_t session_count(struct upload_table *t);
