/*
 * The record of an upload of an archive: who sends what from where, how far it is, and what became
 * of it. Whoever takes an archive opens one, tells it what comes, and ends it;
 * core/upload_records.h has those of all, also of other processes.
 *
 * What is told costs a lock and no wait: a thread of the registry's writes what has changed, about
 * once a second, one transaction for all uploads of this process. The first time that is a moment
 * after the opening, so that a small upload is written once, when it ends. A record that can't be
 * written fails no upload.
 *
 * One request after the other may go on with a record (the sessions of uploads): between two it is
 * left, with nobody who holds it. Who holds one and is gone leaves it "lost".
 *
 * A record is of one thread at a time.
 */
#pragma once

#include "archive/refusal.h"
#include "core/registry.h"
#include "core/upload_phase.h"

struct upload_record;

/* Texts are copied, cut at what they may have, and may be NULL. */
struct upload_start {
    const char *user;             /* as req_actor() names it */
    const char *address;          /* of the client */
    const char *request_id;       /* that opened it */
    const char *way;              /* "body", "form", "session", "direct" */
    const struct repo_name *repo; /* NULL: not known yet */
    const struct tag_name *tag;   /* NULL: those of the archive's names */
    uint64_t expected_bytes;      /* or UPLOAD_SIZE_UNKNOWN */
};

/* Its phase is RECEIVING. Never fails, and does not wait. */
struct upload_record *upload_record_open(struct registry *r, const struct upload_start *s);

/* Goes on with one that was left; request_id is of the request that does, or NULL. Errors:
 * NOT_FOUND; CONFLICT, it has ended or somebody holds it. */
ERR_CHECKED enum err_code upload_record_resume(struct registry *r, const struct uuid *id,
                                               const char *request_id,
                                               struct upload_record **ret_record, struct err *e);

/* Writes it at once, so that others can read it when this returns. Errors: those of meta. */
ERR_CHECKED enum err_code upload_record_write(struct upload_record *u, struct err *e);

const struct uuid *upload_record_id(const struct upload_record *u);
uint64_t upload_record_received(const struct upload_record *u); /* bytes */

/* ---- what is told of it; each accepts NULL as u, for uploads without a record */

void upload_record_set_phase(struct upload_record *u, enum upload_phase phase);
void upload_record_set_target(struct upload_record *u, const struct repo_name *repo,
                              const struct tag_name *tag); /* NULL: not asked for */
void upload_record_set_expected(struct upload_record *u, uint64_t bytes);
void upload_record_add_received(struct upload_record *u, uint64_t bytes);
void upload_record_set_received(struct upload_record *u, uint64_t bytes);   /* all that has come */
void upload_record_set_format(struct upload_record *u, const char *format); /* "oci", "docker" */

/* Where the archive itself is kept. */
void upload_record_set_original(struct upload_record *u, const char *place);

/* A file of the archive that is stored, as it comes (they are listed as layers; of more than
 * UPLOAD_LAYERS_MAX the rest is counted only). Returns its number. d is NULL when it is not known
 * yet. */
size_t upload_record_add_layer(struct upload_record *u, const struct digest *d,
                               uint64_t size_bytes);
void upload_record_layer_received(struct upload_record *u, size_t layer, uint64_t bytes);
void upload_record_layer_is(struct upload_record *u, size_t layer, const struct digest *d);

/* An image that was stored, with its tags. */
void upload_record_add_image(struct upload_record *u, const struct repo_name *repo,
                             const struct digest *d, const struct tag_name *tags, size_t n_tags);

/* ---- its end; each frees u, and accepts NULL */

/* With that code: OK is DONE, CLIENT_GONE is CANCELLED, all else FAILED, for the reason *e as far
 * as clients may read it, and *refusal (NULL, or NONE: it was none). Written when it returns. */
void upload_record_end(struct upload_record *u, enum err_code code, const struct err *e,
                       const struct refusal *refusal);

/* The same, for who has to know that it was written. Errors: those of meta; it is tried again then,
 * as long as this process is there. */
ERR_CHECKED enum err_code upload_record_end_now(struct upload_record *u, enum err_code code,
                                                const struct err *why,
                                                const struct refusal *refusal, struct err *e);

/* CANCELLED: whoever it is of does not want it any more, or it has run out of time. */
void upload_record_cancel(struct upload_record *u, const char *why);

/* For whoever goes on with it: WAITING for the next request, or SCANNING. Written when it returns.
 */
void upload_record_leave(struct upload_record *u, enum upload_phase phase);

/* As if it had never been; what was written of it goes. */
void upload_record_drop(struct upload_record *u);
