/*
 * The journal of what the collector deleted: records, each written in the transaction that deletes.
 *
 *   gc.runs     one a run, by its id: who began it and when, how it ended, what it did
 *   gc.orders   likewise, of one that a server was asked for and that has not ended (server_run.h)
 *   gc.found    as gc.journal, of a run that only looked: what it would do
 *   gc.journal  RUN/NUMBER: what one transaction deleted of one repository, each with its digest,
 *               size and reason; of manifests the media type, the bytes and the tags as well
 *   gc.content  the same key, of manifests, until the content of these is deleted, too
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "core/registry.h"
#include "gc/count.h"

#define GC_RUNS        STR("gc.runs")
#define GC_ORDERS      STR("gc.orders")
#define GC_JOURNAL     STR("gc.journal")
#define GC_CONTENT     STR("gc.content")
#define GC_FOUND       STR("gc.found")
#define GC_WAITING     "waiting" /* the state of a run that was asked for and has not begun */
#define GC_RUN_SIZE    (META_RUN_MAX + 1)
#define GC_KEY_SIZE    (GC_RUN_SIZE + 32)
#define GC_JOURNAL_MAX (64u << 20)

/* The ids of runs sort by their beginnings. */
void gc_run_id(char dst[static GC_RUN_SIZE]);

/* Is content of a deletion before still there? Deletes it: after a stop, the next run does. */
ERR_CHECKED enum err_code gc_journal_finish(struct registry *r, struct err *e);

/* A record of the journal is being made. */
struct gc_entry {
    struct buf text;
    size_t n;
};

static inline void auto_gc_entry_(struct gc_entry *x)
{
    buf_done(&x->text);
}

/* repo->n is 0: content that was no repository's. */
void gc_entry_begin(struct gc_entry *x, const struct repo_name *repo);
void gc_entry_blob(struct gc_entry *x, const struct digest *d, uint64_t size_bytes,
                   enum meta_why why);

/* Of a manifest without its bytes: it can't be brought back. */
void gc_entry_lost(struct gc_entry *x, const struct digest *d, uint64_t size_bytes,
                   enum meta_why why);

/* False: its bytes are no text that JSON holds, and it was not added. */
bool gc_entry_manifest(struct gc_entry *x, const struct meta_manifest *m,
                       const struct meta_name_list *tags, enum meta_why why);

/* Of gc.found. action: "delete", "condemn", ... */
void gc_entry_found(struct gc_entry *x, enum meta_item_kind kind, const struct digest *d,
                    uint64_t size_bytes, enum meta_why why, const char *action);
struct str gc_entry_end(struct gc_entry *x);

/* Deletes the content of manifests that the record names, but for what is used again. */
ERR_CHECKED enum err_code gc_content_delete(struct registry *r, struct str record, struct err *e);

/* And of blobs, of all records, as long as it has waited long enough. In a bucket it lingers: then
 * it is for the job (core/removal.h). */
ERR_CHECKED enum err_code gc_blobs_delete(struct registry *r, struct err *e);

/* A text of a record, as long as that lives; "" when it is none. */
struct str gc_text_of(const json_t *o, const char *name);

/* What a run's record says of it from its beginning. */
struct gc_note {
    const char *id, *actor;
    const char *repo; /* NULL: all, or it has none */
    const char *undo; /* the run that it undoes; NULL: it collects */
    int64_t started_ms;
};

#define GC_END_OPS 4

/* What goes into the transaction that says of a run that it has ended. Returns how many. */
typedef size_t (*gc_end_fn)(void *ctx, struct meta_op ops[static GC_END_OPS]);

/* How one ended: "done", "stopped" or "failed". */
const char *gc_run_state(enum err_code code);

json_t *gc_sum_json(const struct gc_sum *s);

/* What a run did, into the caller's o (which may be NULL). */
void gc_counts_json(const struct gc_counts *n, json_t *o);

/* The record of a run; state: "waiting", "running", or that; error: why, "", or NULL for none;
 * more: what else it says, which is freed. The caller frees the record; NULL: it can't be written.
 */
char *gc_run_text(const struct gc_note *note, const char *state, const char *error, json_t *more);

/* Writes it. */
ERR_CHECKED enum err_code gc_run_write(struct meta *m, const char *id, const char *text,
                                       struct err *e);

/* Writes it of a run that ended with that code, together with what end() adds (NULL: nothing); one
 * that is to go on later has not ended. A failure is nobody's: an order then stays. */
void gc_run_end(struct meta *m, const char *id, const char *text, enum err_code code, gc_end_fn end,
                void *ctx);

/* Was a server asked for the run, and has it not ended? Its record says how far it is. */
ERR_CHECKED enum err_code gc_order_waits(struct meta *m, const char *id, bool *ret_waits,
                                         struct err *e);

/* The keys of what a collection has of a run, of the journal in the order of its deletions. The
 * caller frees with meta_name_list_done(). */
ERR_CHECKED enum err_code gc_journal_keys(struct meta *m, struct str collection, const char *run,
                                          struct meta_name_list *ret_keys, struct err *e);

/* The run that deleted that digest, with `repo` or anywhere (NULL). Error: NOT_FOUND. */
ERR_CHECKED enum err_code gc_journal_find(struct meta *m, const struct repo_name *repo,
                                          const struct digest *d, char ret_run[static GC_RUN_SIZE],
                                          struct err *e);
