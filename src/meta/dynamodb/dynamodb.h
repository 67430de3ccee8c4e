/*
 * The DynamoDB driver, inside. Only files of this folder and its tests include this.
 *
 *     request.c  requests: signed, tried again
 *     item.c     attributes of items
 *     key.c      where everything lies in the one table; key.h is its layout
 *     access.c   reading items and ranges, plain writes
 *     table.c    making the table
 *     text.c     what is too large for an item
 *     cell.c     items as a transaction sees them
 *     commit.c   transactions: evaluated here, then written with what they relied on as conditions
 *     edges.c    what a manifest names
 *     held.c     what a repository has
 *     naming.c   who names what in one
 *     condemned.c  collection: what may go, what revives it
 *     op_*.c     what each operation looks at and changes
 *     job.c      jobs, all of them
 *     removed.c  content that goes, all of it
 *     stage.c    manifests that name more than fits in a transaction, or have more tags
 *     read.c, list.c, repo.c, audit.c, rows.c  the reads
 *
 * A commit reads what its operations look at, applies them in memory one after the other, and sends
 * all that changed in one TransactWriteItems, with what was looked at as conditions. When one of
 * them fails, what it should have been comes back, and the whole is done again with that. The
 * ClientRequestToken makes a transaction whose answer was lost safe to send again.
 */
#pragma once

#include "base/cleanup.h"
#include "meta/audit_texts.h"
#include "meta/dynamodb/text.h"
#include "meta/referrer_tag.h"

#include <pthread.h>

struct dynamo {
    struct meta meta;
    struct dynamo_link *link;
    size_t audit_look; /* entries that a page may look at: more are left to the next one */
    pthread_mutex_t naming_lock;
    struct dynamo_naming *naming; /* of the repository that was asked for last */
};

static inline struct dynamo *dynamo_of(struct meta *m)
{
    return (struct dynamo *)m;
}

/* A long text that was written for an operation, so that another try need not write it again. */
struct dynamo_written {
    struct digest digest;
    char place[DYNAMO_TEXT_PLACE];
};

struct dynamo_item_at {
    struct repo_name repo;
    struct digest digest;
    bool manifest; /* else a blob */
};

/* The checks that a list of operations ends with. They hold of each part of it, and of what is done
 * before one. */
struct dynamo_fence {
    const struct meta_op *ops;
    size_t n;
};

struct dynamo_tx {
    struct dynamo *d;
    struct dynamo_cells cells;
    struct dynamo_written *written;
    size_t n_written;
    char (*unused)[DYNAMO_TEXT_PLACE]; /* places of long texts that go with the transaction */
    size_t n_unused;
    unsigned chance;           /* any number */
    struct dynamo_fence fence; /* of the list that it is a part of */
    int64_t next_audit;        /* number of the next entry; 0: none were taken */

    struct dynamo_cell *moved; /* the repository of which a tag is moved; NULL: none is */

    /* An operation can't be done yet: more is to be done before it, about that manifest. */
    bool wants_untag, wants_stage, wants_leave, wants_revive;
    struct dynamo_item_at *revive; /* these are to be revived, with what they name */
    size_t n_revive;
    bool looked_beside; /* it rests on items that are no condition: another try reads all anew */
    /* Or after the transaction: what it names is to be counted down. */
    struct dynamo_manifest_at *unwind;
    size_t n_unwind;
};

struct dynamo_manifest_at {
    struct repo_name repo;
    struct digest digest;
};

static inline struct dynamo_cell *dynamo_cell_of(struct dynamo_tx *tx, struct dynamo_key key)
{
    return dynamo_cell_at(&tx->cells, &key);
}

/* ---- commit.c */

enum err_code dynamo_commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                            size_t *ret_failed, struct err *e);

/* Transactions of the driver's own: changes by fn, tried again as those of operations are. fn is
 * called until it is done, each time with what is known by then. */
typedef enum err_code (*dynamo_tx_fn)(struct dynamo_tx *tx, void *ctx, struct err *e);
ERR_CHECKED enum err_code dynamo_transact(struct dynamo *d, int64_t end_ms, dynamo_tx_fn fn,
                                          void *ctx, struct err *e);

/* In a transaction of what is done before a part. */
ERR_CHECKED enum err_code dynamo_fence(struct dynamo_tx *tx, const struct dynamo_fence *fence,
                                       struct err *e);

/* An attribute of any length. Blocks when it is long. */
ERR_CHECKED enum err_code dynamo_tx_set_long(struct dynamo_tx *tx, struct dynamo_cell *c,
                                             const char *name, struct str value, bool binary,
                                             struct err *e);

/* What that attribute of the cell had of long text is of no use when the transaction is done. */
void dynamo_tx_drop_long(struct dynamo_tx *tx, const struct dynamo_cell *c, const char *name);

/* ---- edges.c */

#define DYNAMO_EDGES_MAX (64u << 20)

/* What a manifest names, each once. */
struct dynamo_child {
    struct digest digest;
    bool manifest; /* else a blob */
    bool strict;   /* it has to be there */
    size_t first;  /* position */
};

struct dynamo_children {
    struct dynamo_child *list; /* by position */
    size_t n;
};

static inline void auto_dynamo_children_(struct dynamo_children *c)
{
    free(c->list);
}

void dynamo_children_of(const struct meta_edge *edges, size_t n, struct dynamo_children *ret);

/* As attribute "edges": a line "POSITION KIND DIGEST" each. */
void dynamo_edges_write(const struct meta_edge *edges, size_t n, struct buf *dst);
void dynamo_edge_write(size_t position, enum meta_edge_kind kind, struct str digest,
                       struct buf *dst);

/* The next line, cut off *text; false at the end, or where a line is none. */
bool dynamo_edge_next(struct str *text, uint64_t *ret_position, struct meta_edge *ret_edge);
ERR_CHECKED enum err_code dynamo_children_read(struct dynamo_link *l, const json_t *manifest,
                                               int64_t end_ms, struct dynamo_children *ret,
                                               struct err *e);

/* The cell of what is named; guessed to be there. */
ERR_CHECKED enum err_code dynamo_child_cell(struct dynamo_tx *tx, const struct repo_name *repo,
                                            const struct dynamo_child *child,
                                            struct dynamo_cell **ret_cell, struct err *e);

/* One manifest more (1) or less (-1) names each of them. Error: MANIFEST_BLOB_UNKNOWN. */
ERR_CHECKED enum err_code dynamo_children_count(struct dynamo_tx *tx, const struct repo_name *repo,
                                                const struct dynamo_children *children, size_t from,
                                                size_t to, int64_t more, struct err *e);

/* ---- held.c */

/* The repository gets the blob or manifest, or no longer has it. */
void dynamo_held(struct dynamo_tx *tx, struct str repo, bool manifest, struct str digest);
void dynamo_not_held(struct dynamo_tx *tx, struct str repo, bool manifest, struct str digest);

/* Blobs, or manifests, of a repository: calls fn with the items of up to limit of a digest greater
 * than after, in their order, read consistently. What is on the page's list and not there is left
 * out, so it may be shorter and yet not the last. */
typedef enum err_code (*dynamo_held_fn)(void *ctx, const json_t *item, struct err *e);
struct dynamo_held_page {
    char last[DIGEST_TEXT_MAX + 1]; /* "": nothing is behind after */
    bool more;
};
ERR_CHECKED enum err_code dynamo_held_each(struct dynamo_link *l, struct str repo, bool manifest,
                                           struct str after, size_t limit, dynamo_held_fn fn,
                                           void *ctx, struct dynamo_held_page *ret_page,
                                           struct err *e);

/* ---- naming.c */

struct dynamo_naming;

/* What was read of the repository last, or, if fresh, what is there now. The caller's reference. */
ERR_CHECKED enum err_code dynamo_naming_get(struct dynamo *d, const struct repo_name *repo,
                                            bool fresh, struct dynamo_naming **ret, struct err *e);
void dynamo_naming_unref(struct dynamo *d, struct dynamo_naming *n); /* accepts NULL */

/* The manifests that name it are those from the first on until NULL. */
size_t dynamo_naming_first(const struct dynamo_naming *n, bool manifest,
                           const struct digest *child);
const struct digest *dynamo_naming_at(const struct dynamo_naming *n, size_t i, bool manifest,
                                      const struct digest *child);

/* Is it damaged what the manifest (NULL: any) names? */
bool dynamo_naming_damaged(const struct dynamo_naming *n, const struct digest *manifest);

/* ---- op_content.c: tags of a manifest, as the transaction has made them. */

struct dynamo_tag {
    char *name;
    int64_t version;
};

struct dynamo_tags {
    struct dynamo_tag *list;
    size_t n;
};

void dynamo_tags_done(struct dynamo_tags *t);

static inline void auto_dynamo_tags_(struct dynamo_tags *t)
{
    dynamo_tags_done(t);
}

/* The first tags, at least `most` if there are so many; 0: all. What comes later raises the
 * repository's version, which is read before. */
ERR_CHECKED enum err_code dynamo_see_tags(struct dynamo_tx *tx, struct str repo, struct str digest,
                                          size_t most, struct dynamo_tags *t, struct err *e);
int64_t dynamo_last_tag(const struct dynamo_tags *t); /* META_ABSENT: there is none */

/* ---- condemned.c */

bool dynamo_is_condemned(const struct dynamo_cell *c);
void dynamo_not_condemned(struct dynamo_cell *c); /* of an item that goes, or comes */
void dynamo_revive_cell(struct dynamo_tx *tx, struct dynamo_cell *c, struct str repo);

/* It is condemned: dynamo_revive_named() comes before the transaction, if nothing else is against
 * that; so whoever calls it goes on. */
void dynamo_wants_revival(struct dynamo_tx *tx, const struct repo_name *repo, bool manifest,
                          const struct digest *d);

/* With all that it names in turn, the last first. */
ERR_CHECKED enum err_code dynamo_revive_named(struct dynamo *d, const struct dynamo_item_at *at,
                                              int64_t end_ms, struct err *e);

/* An index went, whose children are counted down: those that nothing else holds are condemned. */
ERR_CHECKED enum err_code dynamo_leave_children(struct dynamo_tx *tx, const struct repo_name *repo,
                                                const struct dynamo_children *children, size_t from,
                                                size_t to, struct err *e);

/* A subject goes: likewise its referrers. CONFLICT with wants_leave: dynamo_leave() comes first. */
ERR_CHECKED enum err_code dynamo_leave_referrers(struct dynamo_tx *tx, const struct repo_name *repo,
                                                 const struct digest *subject, struct err *e);
ERR_CHECKED enum err_code dynamo_leave(struct dynamo *d, const struct repo_name *repo,
                                       const struct digest *subject,
                                       const struct dynamo_fence *fence, int64_t end_ms,
                                       struct err *e);

/* It is condemned since then or before, and of what a manifest with those tags refers to nothing is
 * there. Error: CONFLICT. */
ERR_CHECKED enum err_code dynamo_condemned_blob(struct dynamo_cell *c, const struct digest *d,
                                                int64_t until_ms, struct err *e);
ERR_CHECKED enum err_code dynamo_condemned_manifest(struct dynamo_tx *tx, struct str repo,
                                                    struct dynamo_cell *c, const struct digest *d,
                                                    const struct dynamo_tags *tags,
                                                    int64_t until_ms, struct err *e);

/* ---- op_*.c: wants marks what an operation looks at; the others do it. */

enum err_code dynamo_blob_link(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_blob_unlink(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_blob_lose(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_blob_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_manifest_put(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_manifest_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_tag_set(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_tag_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_projection_done(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_upload_take(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_upload_finish(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_record_put(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_record_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_record_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_audit_add(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_quota_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_job_add(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_job_end(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_job(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_row_add(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_content(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);

enum err_code dynamo_condemned(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_repo_recount(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_repo_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);
enum err_code dynamo_manifest_mend(struct dynamo_tx *tx, const struct meta_op *op, struct err *e);

void dynamo_content_wants(struct dynamo_tx *tx, const struct meta_op *op);
void dynamo_record_wants(struct dynamo_tx *tx, const struct meta_op *op);
void dynamo_row_wants(struct dynamo_tx *tx, const struct meta_op *op);
void dynamo_condemned_wants(struct dynamo_tx *tx, const struct meta_op *op);
void dynamo_removed_wants(struct dynamo_tx *tx, const struct meta_op *op);

/* What a link does to content that goes, and the end of one. Error: GONE. */
ERR_CHECKED enum err_code dynamo_removed_link(struct dynamo_tx *tx, const struct meta_op *op,
                                              struct err *e);
ERR_CHECKED enum err_code dynamo_removed_condemn(struct dynamo_tx *tx, struct meta_content what,
                                                 const struct meta_removal *removal, struct err *e);

/* A row of the history of a tag; digests are empty where there is none. */
struct dynamo_move {
    struct str repo, tag, digest, previous, actor;
    int64_t version, time_ms;
};
void dynamo_move_put(struct dynamo_tx *tx, const struct dynamo_move *move);

/* What is forgotten by its age goes without a transaction: each for itself, and again if need be.
 */
enum err_code dynamo_finished_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                    struct err *e);
enum err_code dynamo_audit_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                 struct err *e);
enum err_code dynamo_content_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                   struct err *e);
enum err_code dynamo_moves_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                 struct err *e);

/* Takes n numbers for entries of the audit trail; *ret_first is the first of them. */
ERR_CHECKED enum err_code dynamo_audit_numbers(struct dynamo *d, size_t n, int64_t end_ms,
                                               int64_t *ret_first, struct err *e);

/* An entry of the trail; texts in the order of struct meta_audit. */
#define DYNAMO_AUDIT_INDEXED 512 /* what is longer is in no index */
void dynamo_audit_put(struct dynamo_tx *tx, int64_t time_ms,
                      const struct str texts[static AUDIT_TEXTS]);
extern const char *const dynamo_audit_names[AUDIT_TEXTS];

/* A job from a row, into its cell. */
void dynamo_job_row(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c);

/* Likewise content that goes. */
void dynamo_removed_row(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c);

/* A version more of the tags of the repository, whose cell is known. */
ERR_CHECKED enum err_code dynamo_next_version(struct dynamo_tx *tx, struct dynamo_cell *repo,
                                              int64_t *ret_version, struct err *e);
void dynamo_repo_is(struct dynamo_tx *tx, struct dynamo_cell *c, const struct repo_name *repo);

/* A change of a tag is pending; digest empty: it is gone. */
void dynamo_projection_set(struct dynamo_tx *tx, struct str repo, struct str tag, int64_t version,
                           struct str digest, struct str holder);

/* ---- stage.c */

/* More than that a transaction of a manifest does not count, or take away: each tag is four items.
 */
#define DYNAMO_CHILDREN_MOST 60
#define DYNAMO_UNTAG_MOST    8

/* With more children than CHILDREN_FEW fewer tags go along, so that all fit beside the referrers.
 */
#define DYNAMO_CHILDREN_FEW 40
#define DYNAMO_UNTAG_FEW    3

/* So many tags go at once that go before it. */
#define DYNAMO_UNTAG_STEP 20

/* Before a manifest that names many is put: they are counted, in several transactions. Error:
 * MANIFEST_BLOB_UNKNOWN. */
ERR_CHECKED enum err_code dynamo_stage(struct dynamo *d, const struct meta_manifest_put *put,
                                       int64_t end_ms, struct err *e);

/* After it was deleted, or was not put: they are counted down, and it is forgotten. */
ERR_CHECKED enum err_code dynamo_unwind(struct dynamo *d, const struct repo_name *repo,
                                        const struct digest *digest, int64_t end_ms, struct err *e);

/* Those that were left in the middle before that time. */
ERR_CHECKED enum err_code dynamo_unwind_old(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                            struct err *e);

/* Most tags of a manifest that is to be deleted go before it does, some at a time. */
ERR_CHECKED enum err_code dynamo_untag(struct dynamo *d, const struct meta_op *op,
                                       const struct dynamo_fence *fence, int64_t end_ms,
                                       struct err *e);

/* The manifest is not there any more (left: it was), or not yet, and what it names is counted. */
void dynamo_mark_staged(struct dynamo_tx *tx, struct dynamo_cell *head,
                        const struct repo_name *repo, const struct digest *digest, size_t counted,
                        bool left);

/* ---- the reads */

/* CORRUPT: what the table holds there is none of that. */
ERR_CHECKED enum err_code dynamo_damaged(struct meta *m, const char *what, struct err *e);

/* A tag and what it points to, of its item. Errors: CORRUPT. */
ERR_CHECKED enum err_code dynamo_repo_tag(struct meta *m, const json_t *item,
                                          struct meta_repo_tag *ret, struct err *e);

void dynamo_read_fill(struct meta_driver *d);
void dynamo_list_fill(struct meta_driver *d);
void dynamo_repo_fill(struct meta_driver *d);
void dynamo_shown_fill(struct meta_driver *d);
void dynamo_audit_fill(struct meta_driver *d);
void dynamo_rows_fill(struct meta_driver *d);
void dynamo_job_fill(struct meta_driver *d);
void dynamo_removed_fill(struct meta_driver *d);
void dynamo_condemned_fill(struct meta_driver *d);

enum err_code dynamo_usage(struct dynamo *d, struct str space, int64_t end_ms,
                           struct meta_usage *ret_usage, struct err *e);

/* A range of the index by age: kinds "open", "done", "projection", "staged", "move", and those of
 * job.c. */
void dynamo_age_partition(const char *kind, unsigned shard, char dst[static 32]);
#define DYNAMO_AT_SIZE 40 /* "TIME#HASH OF THE KEY" */
void dynamo_set_age(struct dynamo_tx *tx, struct dynamo_cell *c, const char *kind, int64_t time);

/* All that the index by age has of a kind, oldest first, before that time. */
struct dynamo_ages {
    struct dynamo_merge merge;
    char partitions[DYNAMO_AGE_SHARDS][32];
    char from[DYNAMO_AT_SIZE], to[DYNAMO_AT_SIZE];
};
void dynamo_ages_init(struct dynamo_ages *a, const char *kind, int64_t before, size_t page);

/* All of the trail, oldest first, behind that place (an "at"; NULL: from the start). */
struct dynamo_trail {
    struct dynamo_merge merge;
    char partitions[DYNAMO_AUDIT_SHARDS][32];
};
void dynamo_trail_init(struct dynamo_trail *t, const char *above, size_t page);

static inline void auto_dynamo_ages_(struct dynamo_ages *a)
{
    dynamo_merge_done(&a->merge);
}

/* The number of requests that m, made by meta_dynamodb_new(), has sent. */
uint64_t dynamo_requests(struct meta *m);
