/*
 * The uploads of archives that go on in this process, and the thread that writes their records. For
 * upload_record.c, which tells what comes, and upload_records.c, which is asked.
 *
 * The thread is there while there are uploads.
 */
#pragma once

#include "core/outbox.h"
#include "core/registry.h"
#include "core/upload_state.h"

#define UPLOAD_RECORDS STR("archive.uploads")

struct upload_ledger;

struct upload_record {
    struct upload_ledger *ledger;
    struct upload_record *previous, *next;
    struct upload_state state; /* under ledger_lock(), as all that follows */
    struct outbox_event event; /* of its end */
    struct meta_op event_op;   /* puts it; until that is done: */
    bool tells_end;
    bool changed;     /* since it was written */
    bool writing;     /* somebody does */
    bool writes_end;  /* and the event with it */
    bool written;     /* once at least */
    bool let_go;      /* its end could not be written: the thread does, and frees it */
    int64_t due_ms;   /* when it is to be written, if it has changed */
    int64_t rated_ms; /* of the last rate, and what had been received then */
    uint64_t rated_bytes;
};

struct upload_ledger *ledger_new(struct registry *r);
void ledger_free(struct upload_ledger *l); /* accepts NULL; no upload may go on any more */

/* Takes part in it from now on. */
void ledger_add(struct upload_ledger *l, struct upload_record *u);

/* Not any more: it is freed, when what has changed is written. */
void ledger_remove(struct upload_record *u);

/* The same, but nobody writes it. Returns whether somebody has. */
bool ledger_drop(struct upload_record *u);

void ledger_lock(struct upload_ledger *l);
void ledger_unlock(struct upload_ledger *l);

/* It has changed; under the lock. */
void ledger_touch(struct upload_record *u);

/* It has ended, as its state says: the outbox is told with what is written next. Once; under the
 * lock. */
void ledger_tell_end(struct upload_record *u);

/* Writes it now, durably or, with META_LAZY, as good as. Errors: those of meta. */
ERR_CHECKED enum err_code ledger_write(struct upload_record *u, unsigned flags, struct err *e);

/* What is said of one that goes on here, as it would be written; NULL: none of that id does. The
 * caller frees. */
char *ledger_text(struct upload_ledger *l, const struct uuid *id);

struct registry *ledger_registry(const struct upload_ledger *l);

/* Who holds what this process receives. */
struct uuid ledger_holder(struct registry *r);

/* Does nobody receive it any more, as its record says that holder does? It is not in the ledger. */
bool ledger_is_lost(struct registry *r, const struct uuid *holder);
