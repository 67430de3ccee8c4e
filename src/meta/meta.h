/*
 * meta: what refers to what. May include net/ and base/.
 *
 * A table of callbacks with several drivers (sqlite, postgresql, dynamodb). Writes are
 * transactions: a list of operations that carry their own preconditions ("the tag is still at
 * version 7"), applied all or none, so that SQL and DynamoDB can both do them. Reads are single
 * look-ups, each consistent in itself. Every call blocks; any thread.
 *
 * Durability: when meta_commit() returns ERR_OK the transaction survives a power loss, unless it
 * was made META_LAZY (then it survives the death of the process only).
 *
 * Errors everywhere: STORAGE_FULL, STORAGE_READONLY, CORRUPT, UNAVAILABLE, INTERNAL.
 */
#pragma once

#include "base/digest.h"
#include "base/err.h"
#include "base/name.h"
#include "base/uuid.h"

#include <stdatomic.h>

struct meta;

/* A manifest as stored: immutable, shared by reference count, any thread. */
struct meta_manifest {
    atomic_uint refs;
    struct digest digest;
    struct str media_type; /* both point into the same allocation as the struct */
    struct str bytes;
};

struct meta_manifest *meta_manifest_new(const struct digest *d, struct str media_type,
                                        struct str bytes); /* copies both; refs is 1 */
struct meta_manifest *meta_manifest_ref(struct meta_manifest *m);
void meta_manifest_unref(struct meta_manifest *m); /* accepts NULL */

static inline void auto_meta_manifest_(struct meta_manifest **m)
{
    meta_manifest_unref(*m);
}

/* What a manifest names. */
enum meta_edge_kind {
    META_EDGE_BLOB,          /* must be a blob of the repository */
    META_EDGE_MANIFEST,      /* must be a manifest of the repository */
    META_EDGE_LOOSE_BLOB,    /* recorded, may be missing (non-distributable, sparse) */
    META_EDGE_LOOSE_MANIFEST /* recorded, may be missing (sparse index) */
};

struct meta_edge {
    enum meta_edge_kind kind;
    struct digest digest;
};

/* Something that a manifest names, to be looked for in its repository. */
struct meta_link {
    const struct digest *digest;
    bool may_be_blob, may_be_manifest;
    bool found;          /* out */
    bool is_manifest;    /* out, when it was found; what may be both and is a blob is one */
    uint64_t size_bytes; /* likewise */
};

/* A row of the referrers list (dist-spec "Listing Referrers"). */
struct meta_referrer {
    struct digest digest;
    uint64_t size_bytes;
    char *media_type;
    char *artifact_type;    /* "" when there is none */
    char *annotations_json; /* a JSON object, or "" */
};

struct meta_upload {
    struct uuid id;
    struct repo_name repo;
    char owner[256]; /* identity that opened it; "" is anonymous */
    enum digest_algorithm algorithm;
    int64_t started_ms;
    struct uuid holder; /* the process that had it last; text "": none has said so */
    int64_t turn;       /* grows each time a process takes it; 0: none has, as far as is known */
    bool over;          /* out: it became a blob, or nothing */
};

/* Of an upload that is over and no blob: what its row has as its digest. */
#define META_BECAME_NOTHING STR("-")

/* An upload that became a blob. */
struct meta_finished {
    struct repo_name repo;
    char owner[256];
    struct digest digest;
    int64_t finished_ms; /* wall clock */
};

/* A change of a tag that has not been carried to the store yet. */
struct meta_projection {
    struct repo_name repo;
    struct tag_name tag;
    int64_t version; /* of the change; a later change has a greater one */
    bool deleted;    /* else the tag points to digest */
    struct digest digest;
};

/* What happened to a tag. */
struct meta_move {
    int64_t version;        /* of the tag from then on; grows with every move */
    struct digest digest;   /* where it points since; n is 0: it was deleted */
    struct digest previous; /* where it pointed before; n is 0: it was not there */
    int64_t time_ms;        /* wall clock */
    char *actor;            /* "user:alice"; "": not known */
};

struct meta_move_list {
    struct meta_move *rows; /* newest first */
    size_t n;
    bool more;
};

void meta_move_list_done(struct meta_move_list *l);

static inline void auto_moves_(struct meta_move_list *l)
{
    meta_move_list_done(l);
}

/* What a repository holds, one kind at a time. */
struct meta_repo_tag {
    struct tag_name name;
    struct digest digest;
    int64_t version;
    int64_t pushed_ms; /* wall clock; 0: before that was recorded */
};

struct meta_repo_manifest {
    struct digest digest;
    struct digest subject; /* n is 0: it has none */
    uint64_t size_bytes;
    int64_t since_ms; /* when it was pushed, or a tag left it last; 0: before that was recorded */
    bool named;       /* by an index of the repository */
};

struct meta_repo_blob {
    struct digest digest;
    uint64_t size_bytes;
    bool named;  /* by a manifest of the repository, loosely or not */
    bool shared; /* another repository has it too */
};

struct meta_repo_tag_list {
    struct meta_repo_tag *rows; /* by name */
    size_t n;
    bool more; /* there are some behind the last one */
};

/* Pages in an order of the driver's own. Even an empty one may not be the last. */
struct meta_repo_manifest_list {
    struct meta_repo_manifest *rows;
    size_t n;
    char *next; /* where to go on; NULL: these were the last */
};

struct meta_repo_blob_list {
    struct meta_repo_blob *rows;
    size_t n;
    char *next; /* likewise */
};

void meta_repo_tag_list_done(struct meta_repo_tag_list *l);
void meta_repo_manifest_list_done(struct meta_repo_manifest_list *l);
void meta_repo_blob_list_done(struct meta_repo_blob_list *l);

static inline void auto_meta_repo_tags_(struct meta_repo_tag_list *l)
{
    meta_repo_tag_list_done(l);
}

static inline void auto_meta_repo_manifests_(struct meta_repo_manifest_list *l)
{
    meta_repo_manifest_list_done(l);
}

static inline void auto_meta_repo_blobs_(struct meta_repo_blob_list *l)
{
    meta_repo_blob_list_done(l);
}

/*
 * Lists for people: what is shown of an entry, of many entries at once.
 *
 * First names in an order, so that who asks can pass over what may not be seen; then all about
 * those that are left.
 */
enum meta_order {
    META_BY_NAME, /* upwards, bytewise */
    META_BY_PUSH, /* the latest first; of the same time downwards by name */
    META_BY_SIZE, /* of repositories: the largest first; likewise */
    META_ORDERS
};

struct meta_place {
    const char *name; /* the list starts behind it; "": at its beginning */
    int64_t key;      /* of META_BY_PUSH its time, of META_BY_SIZE its bytes; else no matter */
};

struct meta_ask {
    enum meta_order order;
    struct str search; /* names that have this in them, in small letters; empty: all */
    struct meta_place after;
};

struct meta_place_list {
    struct meta_place *rows;
    size_t n;
    bool more;
};

/* A manifest is shown with its bytes when it has no more than these. */
#define META_SHOWN_BYTES 65536

struct meta_shown {
    struct digest digest; /* n is 0: it is not there, and the rest says nothing */
    char *media_type;
    uint64_t size_bytes;
    struct str bytes; /* empty: they are too many. Not compared with the digest. Owned */
};

struct meta_tag_shown {
    struct meta_repo_tag tag; /* the length of its name is 0: it is not there */
    char *actor;              /* who moved it here; "": not known */
    struct meta_shown manifest;
};

struct meta_repo_shown {
    bool there;
    uint64_t manifests, bytes, tags;
    int64_t pushed_ms;            /* wall clock: when a tag was pushed last; 0: not known */
    struct meta_tag_shown latest; /* the tag that was pushed last; its actor is not looked for */
};

void meta_place_list_done(struct meta_place_list *l);
void meta_shown_free(struct meta_shown *rows, size_t n); /* accepts NULL, as those below */
void meta_tags_shown_free(struct meta_tag_shown *rows, size_t n);
void meta_repos_shown_free(struct meta_repo_shown *rows, size_t n);

static inline void auto_meta_places_(struct meta_place_list *l)
{
    meta_place_list_done(l);
}

#define META_STAMP 16 /* digits: meta_op_record_append() */

#define META_ANY    (-1) /* expected version: whatever it is */
#define META_ABSENT 0    /* expected version: there is no such tag */

/*
 * A record: a small document of its own collection (users, tokens, keys, ...), by key. Its version
 * starts at 1 and grows with every change.
 */
struct meta_record {
    char *key;
    char *value;
    int64_t version;
};

struct meta_record_list {
    struct meta_record *rows; /* sorted by key, bytewise */
    size_t n;
    bool more;
};

void meta_record_done(struct meta_record *r);
void meta_record_list_done(struct meta_record_list *l);

static inline void auto_record_(struct meta_record *r)
{
    meta_record_done(r);
}

static inline void auto_records_(struct meta_record_list *l)
{
    meta_record_list_done(l);
}

/* A line of the audit trail. Texts are never NULL, but for repository. */
struct meta_audit {
    int64_t id; /* out: grows with every entry */
    int64_t time_ms;
    const char *actor;      /* "user:alice", "anonymous" */
    const char *action;     /* "push", "delete", "sign-in", ... */
    const char *target;     /* repository with tag or digest, user, ... */
    const char *address;    /* of the client */
    const char *result;     /* "ok", "denied", "failed" */
    const char *detail;     /* JSON object, or "" */
    const char *repository; /* of the target; NULL or "": it is in none */
};

/* A place in the audit trail. */
struct meta_audit_place {
    int64_t time_ms, id;
};

struct meta_audit_list {
    struct meta_audit *rows; /* newest first; texts belong to the list */
    size_t n;
    bool more;
    struct meta_audit_place next; /* where to go on */
};

void meta_audit_list_done(struct meta_audit_list *l);

/* Which entries; empty texts and zero times match all. */
struct meta_audit_filter {
    struct str actor, action, repository, address, result;
    int64_t from_ms, until_ms;      /* from_ms and later, before until_ms */
    struct meta_audit_place before; /* for paging: only what is older; zero: the newest on */
    /* Which repositories, where one name does not say it; NULL: all. Must not call meta. */
    bool (*repository_matches)(const void *ctx, struct str repository);
    const void *ctx;
};

/*
 * A job: something to be done in the background, by one process at a time, known by its kind and
 * key. src/jobs/ says what its fields are for.
 */
enum meta_job_state {
    META_JOB_WAITING, /* for its time, and for somebody to take it */
    META_JOB_RUNNING, /* somebody has it, or had it when they went away */
    META_JOB_STOPPED  /* it failed too often; a person sees to it */
};

struct meta_job {
    char *kind, *key;
    enum meta_job_state state;
    int64_t priority;   /* lower goes first */
    int64_t due_ms;     /* wall clock: not before */
    int64_t attempts;   /* that were begun since it last succeeded */
    int64_t turn;       /* changes whenever it is taken or given back */
    bool again;         /* RUNNING: it was asked for since it was taken */
    bool cancelled;     /* RUNNING: it is to go away */
    char *holder;       /* RUNNING: who has it */
    char *note;         /* how far it is; else the last error, or "" */
    int64_t changed_ms; /* wall clock: when it came to this state */
};

struct meta_job_list {
    struct meta_job *rows;
    size_t n;
    bool more;
};

void meta_job_done(struct meta_job *j);
void meta_job_list_done(struct meta_job_list *l);

static inline void auto_meta_job_(struct meta_job *j)
{
    meta_job_done(j);
}

static inline void auto_meta_jobs_(struct meta_job_list *l)
{
    meta_job_list_done(l);
}

/* What META_JOB_ADD is given. */
struct meta_job_add {
    struct str kind, key; /* neither is empty */
    int64_t priority;
    int64_t due_ms;
    int64_t now_ms;
    bool if_absent; /* changes nothing of one that is there */
};

/* What META_JOB_END is given. */
enum meta_job_end_as {
    META_JOB_DONE,   /* it goes; with `repeat` it waits for due_ms */
    META_JOB_FAILED, /* it waits for due_ms */
    META_JOB_FAILED_FOR_GOOD,
    META_JOB_PUT_BACK /* as if it had not been taken: it waits for due_ms */
};

struct meta_job_end {
    struct str kind, key;
    int64_t turn; /* that it was taken with */
    enum meta_job_end_as as;
    bool repeat;
    int64_t due_ms;
    struct str note;
    int64_t now_ms;
};

/*
 * Collection (src/gc): a blob or manifest of a repository that may go has a row that says so, until
 * something revives it, or it goes.
 */
enum meta_item_kind { META_ITEM_BLOB, META_ITEM_MANIFEST };

enum meta_why {
    META_WHY_UNUSED,   /* a blob that no manifest names, but for condemned ones */
    META_WHY_UNTAGGED, /* a manifest without tags, for too long */
    META_WHY_CHILD,    /* of an index that went, or goes */
    META_WHY_REFERRER, /* of a manifest that went, or goes */
    META_WHY_UNKNOWN   /* content that meta does not know: of no row, for who tells of it */
};

#define META_RUN_MAX 31 /* length of the id of a run of the collector */

/* What META_CONDEMN is given. */
struct meta_verdict {
    const struct repo_name *repo;
    enum meta_item_kind kind;
    const struct digest *digest;
    enum meta_why why;
    struct str run;
    int64_t now_ms;
    /* Of a manifest: */
    const struct digest *subject; /* that it refers to, by a field or a tag; NULL: none */
    int64_t seen_version;         /* as of meta_op_manifest_delete() */
    int64_t before_ms;            /* it has been without a tag since before then; 0: no matter */
};

/* A blob or manifest, and who names it. */
struct meta_use {
    struct digest digest;
    int64_t id; /* of a manifest, for `users`; a blob has none */
    uint64_t size_bytes;
    struct digest subject; /* of a manifest; n is 0: none */
    int64_t since_ms;      /* of a manifest: since when it has been without a tag, if it is; wall
                              clock; 0: not known */
    bool condemned;
    enum meta_why why;     /* of what is condemned, this and the next two */
    int64_t condemned_ms;  /* wall clock: since when */
    bool by_run;           /* not by the deletion of what it belonged to */
    size_t users, n_users; /* of meta_use_list.users: manifests that name it */
};

struct meta_use_list {
    struct meta_use *rows; /* sorted by digest */
    size_t n;
    int64_t *users;
    size_t n_users;
    bool more;
};

void meta_use_list_done(struct meta_use_list *l);

static inline void auto_meta_uses_(struct meta_use_list *l)
{
    meta_use_list_done(l);
}

/* What meta_blob_look() sees beside the blob; false where a database does not say. */
struct meta_blob_sight {
    bool nowhere;   /* no repository has it, nor is content condemned that is kept once for all */
    bool condemned; /* it is this one's, and may go */
};

/* A tag, and the manifest that it points to. */
struct meta_tag {
    struct tag_name name;
    int64_t manifest_id; /* as meta_use.id */
};

struct meta_tag_list {
    struct meta_tag *rows; /* sorted by name */
    size_t n;
    bool more;
};

void meta_tag_list_done(struct meta_tag_list *l);

static inline void auto_meta_tags_(struct meta_tag_list *l)
{
    meta_tag_list_done(l);
}

/*
 * Content of blobs that goes. What nothing links has a row: condemned by the transaction that took
 * its last link, until a link revives it, or its bytes go. core has the whole protocol.
 */
enum meta_removed_state {
    META_REMOVED_CONDEMNED, /* nothing links it; its bytes are there */
    META_REMOVED_GONE,      /* it is being deleted: nothing links it before that has ended */
    META_REMOVED_DELETED    /* its bytes were deleted; who stored them since links it */
};

/* Content is a repository's, in a store that keeps a blob in each that has it, else of all. */
struct meta_content {
    const struct repo_name *repo; /* NULL: it is kept once for all repositories */
    const struct digest *digest;
};

#define META_REASON_MAX 64

struct meta_removed {
    struct repo_name repo; /* n is 0: it was kept once for all */
    struct digest digest;
    enum meta_removed_state state;
    int64_t number;   /* of its last deletion; 0: none has begun */
    int64_t since_ms; /* wall clock: when it came to this state */
    bool again;       /* GONE: bytes may have come since; it is condemned when the deletion ends */
    uint64_t size_bytes;
    char reason[META_REASON_MAX + 1];
};

struct meta_removed_list {
    struct meta_removed *rows; /* oldest first */
    size_t n;
    bool more;
    char *next; /* where to go on: a text that the driver alone understands; NULL without rows */
};

void meta_removed_list_done(struct meta_removed_list *l);

static inline void auto_meta_removed_list_(struct meta_removed_list *l)
{
    meta_removed_list_done(l);
}

struct meta_usage {
    uint64_t bytes; /* of blobs, each counted once a repository */
    uint64_t tags;
    uint64_t repositories;
};

/*
 * Rows: all that a driver holds, as it holds it, to be carried into another driver. Repositories
 * and manifests are named in them, not numbered. A row has texts and numbers, in the order of its
 * kind; what a text is for is said with the kind, then the numbers behind a semicolon.
 */
enum meta_row_kind {
    META_ROW_REPO,       /* name; manifests, version, bytes, tags */
    META_ROW_BLOB,       /* repository, digest; size */
    META_ROW_MANIFEST,   /* repository, digest, media type, subject, bytes; since */
    META_ROW_EDGE,       /* repository, manifest, digest; position, enum meta_edge_kind */
    META_ROW_TAG,        /* repository, name, manifest; version, pushed */
    META_ROW_REFERRER,   /* repository, subject, digest, types of artifact and media, annotations;
                            size */
    META_ROW_PROJECTION, /* repository, tag, digest; version. By age */
    META_ROW_UPLOAD,     /* id, repository, owner, algorithm, digest; started, finished, turn */
    META_ROW_RECORD,     /* collection, key, value; version */
    META_ROW_AUDIT,      /* those of struct meta_audit in its order; time. By age */
    META_ROW_JOB,        /* kind, key, note; enum meta_job_state, priority, due, attempts */
    META_ROW_REMOVED,    /* repository (or ""), digest, reason; enum meta_removed_state + 2 * again,
                            since, size, number */
    META_ROW_MOVE,       /* repository, tag, digest, previous, actor; version, time */
    META_ROW_KINDS       /* how many there are */
};

#define META_ROW_TEXTS 7
#define META_ROW_INTS  4

struct meta_row {
    enum meta_row_kind kind;
    struct str texts[META_ROW_TEXTS]; /* those that its kind does not have are empty */
    int64_t ints[META_ROW_INTS];      /* likewise 0 */
};

struct meta_row_list {
    struct meta_row *rows; /* texts belong to the list */
    char **owned;          /* one for each row */
    size_t n;
    bool more;
    char *next; /* where to go on: a text that the driver alone understands; NULL without rows */
};

void meta_row_list_done(struct meta_row_list *l);

static inline void auto_row_list_(struct meta_row_list *l)
{
    meta_row_list_done(l);
}

/* "repositories", "tags", ...: one word, lower case. */
const char *meta_row_kind_name(enum meta_row_kind kind);

/*
 * Operations of a transaction. One is made by the function of its kind, which says what it does,
 * and points to what it was given. An operation of all zeros is none, and an error.
 */
enum meta_op_kind {
    META_BLOB_LINK = 1,
    META_BLOB_UNLINK,
    META_BLOB_LOSE,
    META_BLOB_CHECK,
    META_MANIFEST_PUT,
    META_MANIFEST_DELETE,
    META_TAG_SET,
    META_TAG_DELETE,
    META_UPLOAD_TAKE,
    META_UPLOAD_FINISH,
    META_FINISHED_PRUNE,
    META_PROJECTION_DONE,
    META_RECORD_PUT,
    META_RECORD_DELETE,
    META_RECORD_CHECK,
    META_AUDIT_ADD,
    META_AUDIT_PRUNE,
    META_MOVES_PRUNE,
    META_QUOTA_CHECK,
    META_ROW_ADD,
    META_JOB_ADD,
    META_JOB_TAKE,
    META_JOB_CHECK,
    META_JOB_NOTE,
    META_JOB_END,
    META_JOB_RETRY,
    META_JOB_CANCEL,
    META_CONDEMN,
    META_REVIVE,
    META_CONDEMNED_CHECK,
    META_CONTENT_CONDEMN,
    META_CONTENT_GONE,
    META_CONTENT_BACK,
    META_CONTENT_DELETED,
    META_CONTENT_PRUNE,
    META_REPO_RECOUNT,
    META_MANIFEST_MEND,
    META_REPO_DELETE,
};

/* Why content is condemned: when nothing links it, from then on. */
struct meta_removal {
    bool once; /* it is kept once for all repositories */
    uint64_t size_bytes;
    int64_t since_ms;  /* wall clock */
    struct str reason; /* at most META_REASON_MAX, for people */
};

/* What META_MANIFEST_PUT is given. */
struct meta_manifest_put {
    const struct repo_name *repo;
    const struct meta_manifest *manifest;
    const struct meta_edge *edges;
    size_t n_edges;
    const struct digest *subject; /* NULL: none */
    struct str artifact_type;     /* as a referrers list shows it; empty: none */
    struct str annotations_json;  /* object; empty: none */
};

/* What the row of a repository says that it holds. */
struct meta_repo_sums {
    int64_t manifests, bytes, tags;
};

struct meta_op {
    enum meta_op_kind kind;
    /* Of one that leaves pending projections: the process that is going to carry them; NULL, or "":
     * nobody. */
    const struct uuid *holder;
    /* Of one that moves tags, for their history: who did; NULL: not known. */
    const char *actor;
    int64_t time_ms; /* when it or a manifest came, wall clock; 0: now */
    union {          /* by kind, of the same name */
        struct {
            const struct repo_name *repo;
            const struct digest *digest;
            uint64_t size_bytes;
            bool once; /* its content is kept once for all repositories */
            int64_t seen_number;
            bool aside;
        } blob_link;
        struct {
            const struct repo_name *repo;
            const struct digest *digest;
            struct meta_removal removal;
        } blob_unlink; /* of LOSE, too */
        struct {
            const struct repo_name *repo;
            const struct digest *digest;
        } blob_check;
        struct meta_manifest_put manifest_put; /* of MEND, too */
        struct {
            const struct repo_name *repo;
            const struct digest *digest;
            int64_t seen_version;
        } manifest_delete;
        struct {
            const struct repo_name *repo;
            const struct tag_name *tag;
            const struct digest *digest;
            int64_t expected_version;
        } tag_set;
        struct {
            const struct repo_name *repo;
            const struct tag_name *tag;
            int64_t expected_version;
        } tag_delete;
        struct {
            const struct meta_upload *upload;
            int64_t *ret_turn;
        } upload_take;
        struct {
            const struct meta_upload *upload;
            const struct digest *digest;
            int64_t finished_ms;
        } upload_finish;
        struct {
            int64_t before_ms;
        } finished_prune;
        struct {
            const struct repo_name *repo;
            const struct tag_name *tag;
            int64_t version;
        } projection_done;
        struct {
            struct str collection, key, value;
            int64_t expected_version;
            bool stamped;
        } record_put;
        struct {
            struct str collection, key;
            int64_t expected_version;
        } record_delete;
        struct {
            struct str collection, key;
        } record_check;
        struct {
            const struct meta_audit *entry;
        } audit_add;
        struct {
            int64_t before_ms;
        } audit_prune;
        struct {
            int64_t before_ms;
        } moves_prune;
        struct {
            struct str space;
            uint64_t max_bytes, max_tags;
        } quota_check;
        struct {
            const struct meta_row *row;
        } row_add;
        struct meta_job_add job_add;
        struct { /* of TAKE, CHECK, NOTE, RETRY and CANCEL, what each needs */
            struct str kind, key;
            int64_t turn;
            struct str holder, note;
            int64_t now_ms;
        } job;
        struct meta_job_end job_end;
        struct {
            struct meta_verdict verdict;
            bool *ret_done;
        } condemn;
        struct { /* of REVIVE and CONDEMNED_CHECK, what each needs */
            const struct repo_name *repo;
            enum meta_item_kind kind;
            const struct digest *digest, *gone, *by;
            int64_t until_ms;
            bool *ret_done;
        } condemned;
        struct { /* of CONDEMN, GONE, BACK, DELETED and PRUNE, what each needs */
            struct meta_content what;
            struct meta_removal removal;
            int64_t number, since_ms, now_ms, before_ms;
            bool forget;
            bool *ret_gone;
        } content;
        struct {
            const struct repo_name *repo;
            struct meta_repo_sums seen, counted;
        } repo_recount;
        struct {
            const struct repo_name *repo;
            bool *ret_done;
        } repo_delete;
    };
};

/* op->time_ms, or now. */
int64_t meta_op_time(const struct meta_op *op);

/* The blob becomes repo's; repo is made if missing. What was condemned is not any more. Of a
 * content that is kept once for all, or whose last deletion was seen before its bytes were, the
 * caller sets blob_link.once and .seen_number. .aside: since it saw that number it has put the
 * bytes where that deletion does not come; so it may go on. Error: GONE, it is being deleted, or
 * was since seen_number. */
struct meta_op meta_op_blob_link(const struct repo_name *repo, const struct digest *d,
                                 uint64_t size_bytes);

/* Its content is condemned when nothing else links it; the size is that of the link. Errors:
 * BLOB_UNKNOWN, IN_USE (a manifest of repo names it, loosely or not). */
struct meta_op meta_op_blob_unlink(const struct repo_name *repo, const struct digest *d,
                                   struct meta_removal removal);

/* The bytes of the blob are lost: it is not repo's any more, though manifests of repo may name it,
 * until it is linked again. Error: BLOB_UNKNOWN. */
struct meta_op meta_op_blob_lose(const struct repo_name *repo, const struct digest *d);

/* Fails unless the blob is repo's, and stays so until the transaction has ended. Error:
 * BLOB_UNKNOWN. */
struct meta_op meta_op_blob_check(const struct repo_name *repo, const struct digest *d);

/* The manifest becomes repo's, which is made if missing. Its being there already is success and
 * changes nothing but bytes that are damaged. Error: MANIFEST_BLOB_UNKNOWN, the first missing
 * digest told in the detail. */
struct meta_op meta_op_manifest_put(struct meta_manifest_put put);

/* Its tags, edges and referrer row go too. seen_version is that of meta_manifest_tags(): no tags
 * but those seen may go; or META_ABSENT: none was seen, or META_ANY: all may go. Errors, in this
 * order: MANIFEST_UNKNOWN; IN_USE: an index of repo names it; CONFLICT: a tag that is later than
 * seen_version points to it. */
struct meta_op meta_op_manifest_delete(const struct repo_name *repo, const struct digest *d,
                                       int64_t seen_version);

/* Each move of a tag, by these two or with its manifest, is in its history: meta_moves(). Setting
 * it to where it points is none, but counts as a push. Errors: CONFLICT, MANIFEST_UNKNOWN. */
struct meta_op meta_op_tag_set(const struct repo_name *repo, const struct tag_name *tag,
                               const struct digest *d, int64_t expected_version);
struct meta_op meta_op_tag_delete(const struct repo_name *repo, const struct tag_name *tag,
                                  int64_t expected_version);

/* u->holder has the upload from here on; a row that is not there is made. *ret_turn, which counts
 * when the transaction does, is the turn that it has now: 1 when nobody had it before, 0 when it is
 * over, or of another repository or owner. An operation with such an answer is for a transaction of
 * its own. */
struct meta_op meta_op_upload_take(const struct meta_upload *u, int64_t *ret_turn);

/* The upload became that blob, or nothing (d is NULL), and is over: meta_upload_finished() knows of
 * it until it is pruned. u->turn is the last one, as the caller knows it; with 0 there need be no
 * row. Error: CONFLICT, somebody took it since, or it is over. */
struct meta_op meta_op_upload_finish(const struct meta_upload *u, const struct digest *d,
                                     int64_t finished_ms);
struct meta_op meta_op_finished_prune(int64_t before_ms); /* those of earlier are forgotten */

/* The pending projection is dropped unless a later change is pending. */
struct meta_op meta_op_projection_done(const struct repo_name *repo, const struct tag_name *tag,
                                       int64_t version);

/* Names as text, value as text or JSON. Error: CONFLICT. */
struct meta_op meta_op_record_put(struct str collection, struct str key, struct str value,
                                  int64_t expected_version);

/* A new record whose key is META_STAMP digits and the key that is given, which nothing else has: so
 * that records sort in the order in which transactions about one repository were done, whichever
 * processes did them. The digits are a time in microseconds, by a clock that all have in common
 * (SQLite: of the machine; PostgreSQL: of its server), taken when the operation is applied; so it
 * stands behind those that lock the repository. DynamoDB has no such clock: there it is that of the
 * process, and later than any before in the repository where a tag is moved. */
struct meta_op meta_op_record_append(struct str collection, struct str key, struct str value);

/* Not there: success with META_ANY, else CONFLICT. */
struct meta_op meta_op_record_delete(struct str collection, struct str key,
                                     int64_t expected_version);

/* The record is there, and stays until the transaction has ended: who deletes it waits for that,
 * who changes it does not. Error: NOT_FOUND; where it is asked for together with the end of the
 * transaction, *ret_failed is n_ops. */
struct meta_op meta_op_record_check(struct str collection, struct str key);

struct meta_op meta_op_audit_add(const struct meta_audit *entry);
struct meta_op meta_op_audit_prune(int64_t before_ms); /* wall clock: older entries go */
struct meta_op meta_op_moves_prune(int64_t before_ms); /* the same of what happened to tags */

/* The namespace (a repository name and all below it; "" is everything) holds no more than that
 * after the operations before this one; UINT64_MAX: no limit. Error: QUOTA, told. */
struct meta_op meta_op_quota_check(struct str space, uint64_t max_bytes, uint64_t max_tags);

/* A row as meta_rows() gave it, and nothing else: no counter moves, no projection becomes pending,
 * and no cache learns of it. So it is for a database that nobody uses yet, and in the order of the
 * kinds: a row whose repository or manifest is not there is not added. Error: INTERNAL, the row is
 * there already (but for the audit trail: each is one more). */
struct meta_op meta_op_row_add(const struct meta_row *row);

/* The job is to be done, not before its time. One that waits already keeps the earlier time and the
 * more urgent priority, unless it is being tried again after a failure; one that runs will run once
 * more; one that is stopped stays so. */
struct meta_op meta_op_job_add(struct meta_job_add add);

/* The holder has it from now on, one attempt more and one turn later. turn is the one that was seen
 * of it. Error: CONFLICT: it is at another turn, stopped or gone. */
struct meta_op meta_op_job_take(struct str kind, struct str key, int64_t turn, struct str holder,
                                int64_t now_ms);

/* Fails with CONFLICT unless the job is still taken with that turn: what is in one transaction with
 * this is not done by somebody from whom the job was taken. */
struct meta_op meta_op_job_check(struct str kind, struct str key, int64_t turn);

/* How far it is. Error: CONFLICT: it was taken by somebody else, or is to go away. */
struct meta_op meta_op_job_note(struct str kind, struct str key, int64_t turn, struct str note);

/* It was run, by who took it with that turn. One that is to go away goes; one that was asked for
 * meanwhile waits again, to be run at once when it is DONE. Error: CONFLICT. */
struct meta_op meta_op_job_end(struct meta_job_end end);

/* One that waits or is stopped is due now, with no attempts made. Errors: NOT_FOUND; CONFLICT when
 * it runs. */
struct meta_op meta_op_job_retry(struct str kind, struct str key, int64_t now_ms);

/* It goes away, or when it runs as soon as that ends. Error: NOT_FOUND. */
struct meta_op meta_op_job_cancel(struct str kind, struct str key);

/* Condemns what is there, and is not in use: a blob that no manifest names but for condemned ones;
 * a manifest whose tags were all seen, and that has no index and no subject here but condemned
 * ones. *ret_done, which counts when the transaction does, tells; what is condemned already stays
 * as it is. Links, pushes and tags revive what they name, with all that it names in turn; deleting
 * an index condemns children that nothing else names, deleting a subject its referrers. */
struct meta_op meta_op_condemn(struct meta_verdict v, bool *ret_done);

/* It is condemned no more; success as well when it was not. */
struct meta_op meta_op_revive(const struct repo_name *repo, enum meta_item_kind kind,
                              const struct digest *d);

/* Likewise of a manifest that lives by another one (NULL: by itself), if that is a manifest of the
 * repository still: whoever deletes it condemns what lived by it. *ret_done, which counts when the
 * transaction does: it was condemned, and is not any more. */
struct meta_op meta_op_revive_by(const struct repo_name *repo, const struct digest *d,
                                 const struct digest *by, bool *ret_done);

/* It is still condemned, and was at until_ms; `gone` (NULL: none), its subject, is no manifest of
 * the repository. Error: CONFLICT. */
struct meta_op meta_op_condemned_check(const struct repo_name *repo, enum meta_item_kind kind,
                                       const struct digest *d, const struct digest *gone,
                                       int64_t until_ms);
/* Condemns content of which bytes may be there, unless something links it. What is condemned stays
 * so since when it was; of what is gone, `again` is set. removal.once is of no meaning here. */
struct meta_op meta_op_content_condemn(struct meta_content c, struct meta_removal removal);

/* What is condemned since since_ms, and still linked by nothing, is gone, with a number that no
 * deletion had before (greater than 0). *ret_gone, which counts when the transaction does, tells.
 */
struct meta_op meta_op_content_gone(struct meta_content c, int64_t since_ms, int64_t number,
                                    int64_t now_ms, bool *ret_gone);

/* What is gone by that number is condemned again: nothing was deleted. */
struct meta_op meta_op_content_back(struct meta_content c, int64_t number, int64_t now_ms);

/* What is gone by that number is deleted; or condemned, if bytes may have come since. forget: of a
 * deletion that nobody who looked at the bytes before can miss no row is kept. */
struct meta_op meta_op_content_deleted(struct meta_content c, int64_t number, int64_t now_ms,
                                       bool forget);

/* Deletions that ended before that time are forgotten. */
struct meta_op meta_op_content_prune(int64_t before_ms);

/* Repair: what a repository is said to hold is counted anew, under the lock that writers take.
 * DynamoDB, which has none, makes it what the caller has counted, unless it is not what they saw
 * any more: CONFLICT. Error: NAME_UNKNOWN. */
struct meta_op meta_op_repo_recount(const struct repo_name *repo, struct meta_repo_sums seen,
                                    struct meta_repo_sums counted);

/* The repository goes, if it has no blob, manifest or tag, none of its tags has a projection that
 * is pending, and their history is forgotten. The repository that was made last may stay until
 * another one is made. *ret_done, which counts when the transaction does, tells. One that is made
 * anew of that name begins with a version that none of its tags ever had, so that nobody takes what
 * was for what came later. */
struct meta_op meta_op_repo_delete(const struct repo_name *repo, bool *ret_done);

/* Repair: the manifest, which is there, has these bytes, and names what these edges say, whether
 * that is there or not. What it names is not condemned any more. Subject and referrers stay as they
 * are. Errors: MANIFEST_UNKNOWN; UNSUPPORTED, from DynamoDB: it names too many. */
struct meta_op meta_op_manifest_mend(struct meta_manifest_put put);

/* Flag of meta_commit(): do not wait for the disk. A later commit that waits makes it durable too.
 */
#define META_LAZY 1u

struct meta_name_list {
    char **names; /* sorted bytewise */
    size_t n;
    bool more; /* there are names after the last one */
};

void meta_name_list_done(struct meta_name_list *l);

static inline void auto_name_list_(struct meta_name_list *l)
{
    meta_name_list_done(l);
}

struct meta_referrer_list {
    struct meta_referrer *rows; /* sorted by digest */
    size_t n;
    bool more;
};

void meta_referrer_list_done(struct meta_referrer_list *l);

typedef enum err_code (*meta_record_fn)(void *ctx, const struct meta_record *r, struct err *e);
typedef enum err_code (*meta_upload_fn)(void *ctx, const struct meta_upload *u, struct err *e);

/* What a call is answered with. A decorator has only the callbacks that it has something to do in:
 * what is NULL is asked of meta.inner. */
struct meta_driver {
    const char *name;
    bool shared; /* of a database that several processes may use at once */
    /* Optional: sees every call on its way, also those that go on to meta.inner, by the name of the
     * callback. An error ends the call. */
    enum err_code (*before)(struct meta *m, const char *call, struct err *e);
    enum err_code (*commit)(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                            size_t *ret_failed, struct err *e);
    enum err_code (*manifest_by_tag)(struct meta *m, const struct repo_name *repo,
                                     const struct tag_name *tag,
                                     struct meta_manifest **ret_manifest, int64_t *ret_version,
                                     struct err *e);
    enum err_code (*manifest_by_digest)(struct meta *m, const struct repo_name *repo,
                                        const struct digest *d, struct meta_manifest **ret_manifest,
                                        struct err *e);
    /* Optional, and not told to hooks: it can't fail. */
    struct meta_manifest *(*manifest_peek)(struct meta *m, const struct repo_name *repo,
                                           struct str reference);
    enum err_code (*blob_stat)(struct meta *m, const struct repo_name *repo, const struct digest *d,
                               uint64_t *ret_size_bytes, struct err *e);
    enum err_code (*uses)(struct meta *m, const struct repo_name *repo, enum meta_item_kind kind,
                          struct str after, size_t limit, struct meta_use_list *ret_list,
                          struct err *e);
    enum err_code (*tag_targets)(struct meta *m, const struct repo_name *repo, struct str after,
                                 size_t limit, struct meta_tag_list *ret_list, int64_t *ret_version,
                                 struct err *e);
    enum err_code (*blob_look)(struct meta *m, const struct repo_name *repo, const struct digest *d,
                               uint64_t *ret_size_bytes, struct meta_blob_sight *ret_sight,
                               struct err *e);
    enum err_code (*find_links)(struct meta *m, const struct repo_name *repo,
                                struct meta_link *links, size_t n, struct err *e);
    enum err_code (*blob_find)(struct meta *m, const struct digest *d, struct repo_name *ret_repo,
                               uint64_t *ret_size_bytes, struct err *e);
    enum err_code (*repo_exists)(struct meta *m, const struct repo_name *repo, bool *ret_exists,
                                 struct err *e);
    enum err_code (*repos)(struct meta *m, struct str after, size_t limit,
                           struct meta_name_list *ret_list, struct err *e);
    enum err_code (*tags)(struct meta *m, const struct repo_name *repo, struct str after,
                          size_t limit, struct meta_name_list *ret_list, struct err *e);
    enum err_code (*manifest_tags)(struct meta *m, const struct repo_name *repo,
                                   const struct digest *d, struct str after, size_t limit,
                                   struct meta_name_list *ret_list, int64_t *ret_version,
                                   struct err *e);
    enum err_code (*repo_tags)(struct meta *m, const struct repo_name *repo, struct str after,
                               size_t limit, struct meta_repo_tag_list *ret_list, struct err *e);
    enum err_code (*repo_manifests)(struct meta *m, const struct repo_name *repo, struct str after,
                                    size_t limit, struct meta_repo_manifest_list *ret_list,
                                    struct err *e);
    enum err_code (*repo_blobs)(struct meta *m, const struct repo_name *repo, struct str after,
                                size_t limit, struct meta_repo_blob_list *ret_list, struct err *e);
    enum err_code (*repo_places)(struct meta *m, const struct meta_ask *ask, size_t limit,
                                 struct meta_place_list *ret_list, struct err *e);
    enum err_code (*tag_places)(struct meta *m, const struct repo_name *repo,
                                const struct meta_ask *ask, size_t limit,
                                struct meta_place_list *ret_list, struct err *e);
    enum err_code (*repos_shown)(struct meta *m, const char *const *names, size_t n,
                                 struct meta_repo_shown *rows, struct err *e);
    enum err_code (*tags_shown)(struct meta *m, const struct repo_name *repo,
                                const char *const *names, size_t n, struct meta_tag_shown *rows,
                                struct err *e);
    enum err_code (*manifests_shown)(struct meta *m, const struct repo_name *repo,
                                     const char *const *digests, size_t n, struct meta_shown *rows,
                                     struct err *e);
    enum err_code (*signed_among)(struct meta *m, const struct repo_name *repo,
                                  const char *const *digests, size_t n, bool *rows, struct err *e);
    enum err_code (*records_among)(struct meta *m, struct str collection, const char *const *keys,
                                   size_t n, struct meta_record *rows, struct err *e);
    enum err_code (*moves)(struct meta *m, const struct repo_name *repo, const struct tag_name *tag,
                           int64_t before, size_t limit, struct meta_move_list *ret_list,
                           struct err *e);
    enum err_code (*referrers)(struct meta *m, const struct repo_name *repo,
                               const struct digest *subject, struct str artifact_type,
                               struct str after, size_t limit, struct meta_referrer_list *ret_list,
                               struct err *e);
    enum err_code (*upload_get)(struct meta *m, const struct uuid *id,
                                struct meta_upload *ret_upload, struct err *e);
    enum err_code (*upload_finished)(struct meta *m, const struct uuid *id,
                                     struct meta_finished *ret_finished, struct err *e);
    enum err_code (*uploads_each)(struct meta *m, int64_t started_before_ms, meta_upload_fn fn,
                                  void *ctx, struct err *e);
    enum err_code (*projections)(struct meta *m, struct str holder,
                                 struct meta_projection *ret_rows, size_t cap, size_t *ret_n,
                                 struct err *e);
    enum err_code (*projection_holders)(struct meta *m, size_t limit,
                                        struct meta_name_list *ret_list, struct err *e);
    enum err_code (*record_get)(struct meta *m, struct str collection, struct str key,
                                struct meta_record *ret_record, struct err *e);
    enum err_code (*records)(struct meta *m, struct str collection, struct str after, size_t limit,
                             struct meta_record_list *ret_list, struct err *e);
    enum err_code (*audit)(struct meta *m, const struct meta_audit_filter *filter, size_t limit,
                           struct meta_audit_list *ret_list, struct err *e);
    enum err_code (*usage)(struct meta *m, struct str space, struct meta_usage *ret_usage,
                           struct err *e);
    enum err_code (*rows)(struct meta *m, enum meta_row_kind kind, struct str after, size_t limit,
                          struct meta_row_list *ret_list, struct err *e);
    enum err_code (*jobs)(struct meta *m, struct str after_kind, struct str after_key, size_t limit,
                          struct meta_job_list *ret_list, struct err *e);
    enum err_code (*jobs_due)(struct meta *m, int64_t now_ms, size_t limit,
                              struct meta_job_list *ret_list, struct err *e);
    enum err_code (*job_get)(struct meta *m, struct str kind, struct str key,
                             struct meta_job *ret_job, struct err *e);
    enum err_code (*snapshot)(struct meta *m, struct meta **ret_snapshot, struct err *e);
    enum err_code (*removed_get)(struct meta *m, struct meta_content c,
                                 struct meta_removed *ret_row, struct err *e);
    enum err_code (*removed)(struct meta *m, enum meta_removed_state state, int64_t before_ms,
                             struct str after, size_t limit, struct meta_removed_list *ret_list,
                             struct err *e);
    enum err_code (*health)(struct meta *m, struct err *e);
    void (*free)(struct meta *m); /* m alone: what it wraps is freed after it */
};

/* First member of the driver's own struct. */
struct meta {
    const struct meta_driver *driver;
    struct meta *inner; /* what a decorator wraps, and owns; else NULL */
};

/* All of ops, or none. On an error *ret_failed (may be NULL) is the index of the operation that
 * failed, or n_ops when it was none of them (the disk was full at the end). After an error other
 * than of a precondition the transaction may still have happened, as when the power fails. Order
 * matters: a later op sees what an earlier one did. Every META_TAG_SET,
 * META_TAG_DELETE and tag that a META_MANIFEST_DELETE removed leaves a pending projection; one that
 * is pending already stays with its holder. */
ERR_CHECKED enum err_code meta_commit(struct meta *m, const struct meta_op *ops, size_t n_ops,
                                      unsigned flags, size_t *ret_failed, struct err *e);

/* One look-up. *ret_manifest is the caller's reference; *ret_version may be NULL.
 * Errors: MANIFEST_UNKNOWN (also when the repository is not there). */
ERR_CHECKED enum err_code meta_manifest_by_tag(struct meta *m, const struct repo_name *repo,
                                               const struct tag_name *tag,
                                               struct meta_manifest **ret_manifest,
                                               int64_t *ret_version, struct err *e);
ERR_CHECKED enum err_code meta_manifest_by_digest(struct meta *m, const struct repo_name *repo,
                                                  const struct digest *d,
                                                  struct meta_manifest **ret_manifest,
                                                  struct err *e);

/* The manifest of that tag or digest when it is at hand in memory: never blocks, never wrong. NULL
 * says nothing about its being there. For the I/O threads. The reference is the caller's. */
struct meta_manifest *meta_manifest_peek(struct meta *m, const struct repo_name *repo,
                                         struct str reference);

/* Is it a blob of the repository? Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code meta_blob_stat(struct meta *m, const struct repo_name *repo,
                                         const struct digest *d, uint64_t *ret_size_bytes,
                                         struct err *e);

/* Blobs, or manifests, of a repository with the manifests that name them, loosely or not: up to
 * limit of a digest greater than after. What changes meanwhile is seen or not. Error: NAME_UNKNOWN;
 * UNSUPPORTED, from a database without collection. */
ERR_CHECKED enum err_code meta_uses(struct meta *m, const struct repo_name *repo,
                                    enum meta_item_kind kind, struct str after, size_t limit,
                                    struct meta_use_list *ret_list, struct err *e);

/* As meta_tags(), with what they point to. A tag that is set after the list was read has a later
 * version than *ret_version. */
ERR_CHECKED enum err_code meta_tag_targets(struct meta *m, const struct repo_name *repo,
                                           struct str after, size_t limit,
                                           struct meta_tag_list *ret_list, int64_t *ret_version,
                                           struct err *e);

/* The same, and what is to be had by the same look-up; *ret_sight is set on BLOB_UNKNOWN as well.
 */
ERR_CHECKED enum err_code meta_blob_look(struct meta *m, const struct repo_name *repo,
                                         const struct digest *d, uint64_t *ret_size_bytes,
                                         struct meta_blob_sight *ret_sight, struct err *e);

/* Looks for all of them at once. Those that are not found are no error. */
ERR_CHECKED enum err_code meta_find_links(struct meta *m, const struct repo_name *repo,
                                          struct meta_link *links, size_t n, struct err *e);

/* Any repository that has the blob. Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code meta_blob_find(struct meta *m, const struct digest *d,
                                         struct repo_name *ret_repo, uint64_t *ret_size_bytes,
                                         struct err *e);

/* A repository exists from its first blob or manifest on, also when it is empty again. */
ERR_CHECKED enum err_code meta_repo_exists(struct meta *m, const struct repo_name *repo,
                                           bool *ret_exists, struct err *e);

/* Up to limit names greater than after (bytewise; "" for the start), limit >= 1. repos lists the
 * repositories that hold at least one manifest. The caller frees with meta_name_list_done().
 * tags error: NAME_UNKNOWN. */
ERR_CHECKED enum err_code meta_repos(struct meta *m, struct str after, size_t limit,
                                     struct meta_name_list *ret_list, struct err *e);
ERR_CHECKED enum err_code meta_tags(struct meta *m, const struct repo_name *repo, struct str after,
                                    size_t limit, struct meta_name_list *ret_list, struct err *e);

/* The tags that point to the manifest, as meta_tags(). A tag that comes to point there after the
 * list was read has a later version than *ret_version, which may be NULL. None, too, when there is
 * no such manifest. */
ERR_CHECKED enum err_code meta_manifest_tags(struct meta *m, const struct repo_name *repo,
                                             const struct digest *d, struct str after, size_t limit,
                                             struct meta_name_list *ret_list, int64_t *ret_version,
                                             struct err *e);

/* What a repository holds: up to limit tags with a name greater than after; up to limit manifests,
 * or blobs, behind `after`, which is "" or the `next` of the page before. Of a repository that is
 * not there, none. On DynamoDB a list of manifests, or of blobs, reads the whole table. */
ERR_CHECKED enum err_code meta_repo_tags(struct meta *m, const struct repo_name *repo,
                                         struct str after, size_t limit,
                                         struct meta_repo_tag_list *ret_list, struct err *e);
ERR_CHECKED enum err_code meta_repo_manifests(struct meta *m, const struct repo_name *repo,
                                              struct str after, size_t limit,
                                              struct meta_repo_manifest_list *ret_list,
                                              struct err *e);
ERR_CHECKED enum err_code meta_repo_blobs(struct meta *m, const struct repo_name *repo,
                                          struct str after, size_t limit,
                                          struct meta_repo_blob_list *ret_list, struct err *e);

/* Names of repositories that hold a manifest, and of tags (none, too, of a repository that is not
 * there), up to limit behind ask->after. Error: UNSUPPORTED, told: DynamoDB knows no order but that
 * by name. There a search reads all names. */
ERR_CHECKED enum err_code meta_repo_places(struct meta *m, const struct meta_ask *ask, size_t limit,
                                           struct meta_place_list *ret_list, struct err *e);
ERR_CHECKED enum err_code meta_tag_places(struct meta *m, const struct repo_name *repo,
                                          const struct meta_ask *ask, size_t limit,
                                          struct meta_place_list *ret_list, struct err *e);

/* All about n names or digests at once: one question to a SQL database. *ret_rows has as many rows,
 * in their order; the caller's, to be freed with the function of its kind. */
ERR_CHECKED enum err_code meta_repos_shown(struct meta *m, const char *const *names, size_t n,
                                           struct meta_repo_shown **ret_rows, struct err *e);
ERR_CHECKED enum err_code meta_tags_shown(struct meta *m, const struct repo_name *repo,
                                          const char *const *names, size_t n,
                                          struct meta_tag_shown **ret_rows, struct err *e);
ERR_CHECKED enum err_code meta_manifests_shown(struct meta *m, const struct repo_name *repo,
                                               const char *const *digests, size_t n,
                                               struct meta_shown **ret_rows, struct err *e);

/* What makes a referrer a signature: its artifact type is one of the first two; or it begins so,
 * and its annotations have one of these. */
#define META_SIGNATURE_SIMPLE    STR("application/vnd.dev.cosign.artifact.sig.v1+json")
#define META_SIGNATURE_NOTATION  STR("application/vnd.cncf.notary.signature")
#define META_SIGNATURE_BUNDLE    STR("application/vnd.dev.sigstore.bundle")
#define META_SIGNATURE_PREDICATE STR("https://sigstore.dev/cosign/sign/v1")
#define META_SIGNATURE_CONTENT   STR("\"message-signature\"")

/* Which of the manifests has something beside it that is a signature by its type, or the tag of
 * cosign. ret_rows has room for n. On DynamoDB a question for each. */
ERR_CHECKED enum err_code meta_signed_among(struct meta *m, const struct repo_name *repo,
                                            const char *const *digests, size_t n, bool *ret_rows,
                                            struct err *e);

/* n records of a collection; the key of one that is not there is NULL. Freed with
 * meta_records_free(). */
ERR_CHECKED enum err_code meta_records_among(struct meta *m, struct str collection,
                                             const char *const *keys, size_t n,
                                             struct meta_record **ret_rows, struct err *e);
void meta_records_free(struct meta_record *rows, size_t n);

/* The history of a tag, newest first: up to limit moves of a version below `before` (INT64_MAX: the
 * newest on). None, too, when there never was such a tag, or all are pruned. */
ERR_CHECKED enum err_code meta_moves(struct meta *m, const struct repo_name *repo,
                                     const struct tag_name *tag, int64_t before, size_t limit,
                                     struct meta_move_list *ret_list, struct err *e);

/* Rows whose digest is greater than after; artifact_type empty: all types. A page may end before
 * limit, with `more` set, when its rows are large: go on after the last one. */
ERR_CHECKED enum err_code meta_referrers(struct meta *m, const struct repo_name *repo,
                                         const struct digest *subject, struct str artifact_type,
                                         struct str after, size_t limit,
                                         struct meta_referrer_list *ret_list, struct err *e);

/* Error: BLOB_UPLOAD_UNKNOWN, there is no row of it. */
ERR_CHECKED enum err_code meta_upload_get(struct meta *m, const struct uuid *id,
                                          struct meta_upload *ret_upload, struct err *e);

/* The blob that the upload became, as long as it is remembered. Error: BLOB_UPLOAD_UNKNOWN. */
ERR_CHECKED enum err_code meta_upload_finished(struct meta *m, const struct uuid *id,
                                               struct meta_finished *ret_finished, struct err *e);

/* Uploads started before the given time that are not over. fn may commit. Stops at fn's first
 * error. */
ERR_CHECKED enum err_code meta_uploads_each(struct meta *m, int64_t started_before_ms,
                                            meta_upload_fn fn, void *ctx, struct err *e);

/* Pending projections of that holder ("": of nobody), oldest first, at most cap. */
ERR_CHECKED enum err_code meta_projections(struct meta *m, struct str holder,
                                           struct meta_projection *ret_rows, size_t cap,
                                           size_t *ret_n, struct err *e);

/* Up to limit of those who hold pending projections, "" among them when there are some of nobody.
 * The caller frees with meta_name_list_done(). */
ERR_CHECKED enum err_code meta_projection_holders(struct meta *m, size_t limit,
                                                  struct meta_name_list *ret_list, struct err *e);

/* Error: NOT_FOUND. The caller frees with meta_record_done(). */
ERR_CHECKED enum err_code meta_record_get(struct meta *m, struct str collection, struct str key,
                                          struct meta_record *ret_record, struct err *e);

/* Up to limit records with a key greater than after. */
ERR_CHECKED enum err_code meta_records(struct meta *m, struct str collection, struct str after,
                                       size_t limit, struct meta_record_list *ret_list,
                                       struct err *e);

/* fn for each record of the collection, by key; it may change or remove that record. Reads a page
 * at a time: what others write meanwhile is seen or not. Ends with the first error of fn, or of a
 * page.
 */
ERR_CHECKED enum err_code meta_records_each(struct meta *m, struct str collection,
                                            meta_record_fn fn, void *ctx, struct err *e);

/* Writes of a record that which may be lost, such as when something was used last. r->version is
 * the one that was read: a change since then stays, and a record that is gone does not come back.
 * Does not wait for the disk; a failure is nobody's. */
void meta_record_note(struct meta *m, struct str collection, const struct meta_record *r);

/* Up to limit entries, newest first. A page may end before limit, with `more` set, when it took a
 * look at many to find few: go on at `next`. */
ERR_CHECKED enum err_code meta_audit(struct meta *m, const struct meta_audit_filter *filter,
                                     size_t limit, struct meta_audit_list *ret_list, struct err *e);

/* What a namespace holds: the repository of that name and all below it; "" is everything. */
ERR_CHECKED enum err_code meta_usage(struct meta *m, struct str space, struct meta_usage *ret_usage,
                                     struct err *e);

/* Up to limit rows of a kind, behind `after`, which is "" or the `next` of the page before. In an
 * order of the driver's own, unless the kind goes by age (oldest first). A page may end before
 * limit, with `more` set, when its rows are large. Error: INTERNAL, `after` is none of its own. */
ERR_CHECKED enum err_code meta_rows(struct meta *m, enum meta_row_kind kind, struct str after,
                                    size_t limit, struct meta_row_list *ret_list, struct err *e);

typedef enum err_code (*meta_row_fn)(void *ctx, const struct meta_row *row, struct err *e);

/* fn for each row of the kind, read a page at a time. Ends with the first error of fn, or of a
 * page. */
ERR_CHECKED enum err_code meta_rows_each(struct meta *m, enum meta_row_kind kind, meta_row_fn fn,
                                         void *ctx, struct err *e);

/* May several processes use the database at once? */
bool meta_is_shared(const struct meta *m);

/* Up to limit jobs behind that kind and key, by kind and key. */
ERR_CHECKED enum err_code meta_jobs(struct meta *m, struct str after_kind, struct str after_key,
                                    size_t limit, struct meta_job_list *ret_list, struct err *e);

/* What there may be to do: up to limit jobs that wait and whose time has come, the most urgent
 * first, and up to as many that run, whoever has them. */
ERR_CHECKED enum err_code meta_jobs_due(struct meta *m, int64_t now_ms, size_t limit,
                                        struct meta_job_list *ret_list, struct err *e);

/* Error: NOT_FOUND. The caller frees with meta_job_done(). */
ERR_CHECKED enum err_code meta_job_get(struct meta *m, struct str kind, struct str key,
                                       struct meta_job *ret_job, struct err *e);

/* The database as it is now, for reading, by one thread at a time, whatever is written meanwhile.
 * As long as it is kept the database keeps what has changed since: for minutes, not for days. It is
 * freed with meta_free(), before m. Error: UNSUPPORTED: that database has none. */
ERR_CHECKED enum err_code meta_snapshot(struct meta *m, struct meta **ret_snapshot, struct err *e);

/* Error: NOT_FOUND. */
ERR_CHECKED enum err_code meta_removed_get(struct meta *m, struct meta_content c,
                                           struct meta_removed *ret_row, struct err *e);

/* Up to limit of those in that state since before before_ms (INT64_MAX: all), behind `after`, which
 * is "" or the `next` of the page before. What changed just now may be missing. */
ERR_CHECKED enum err_code meta_removed(struct meta *m, enum meta_removed_state state,
                                       int64_t before_ms, struct str after, size_t limit,
                                       struct meta_removed_list *ret_list, struct err *e);

ERR_CHECKED enum err_code meta_health(struct meta *m, struct err *e);
void meta_free(struct meta *m); /* accepts NULL */

/* Drivers and decorators. */

struct meta_sqlite_options {
    const char *path;          /* ":memory:" for tests */
    bool fsync;                /* false: as store_fs_options.fsync */
    unsigned read_connections; /* at most that many reads at once */
    uint64_t cache_bytes;      /* page cache of each connection */
    struct reserve *reserve;   /* given up when the disk is full; may be NULL; outlives the meta */
};

/* Opens or makes the database and brings its schema up to date. A schema newer than this program
 * knows is an error that says so. Error: CONFIG, and those of everywhere. */
ERR_CHECKED enum err_code meta_sqlite_new(const struct meta_sqlite_options *o,
                                          struct meta **ret_meta, struct err *e);

struct aws_credentials; /* net/aws_credentials.h */

struct meta_postgres_options {
    const char *url;           /* of libpq; may hold a password, which no message repeats */
    const char *password_file; /* read at each connection; NULL or "": none */
    /* In the place of a password, for a database of RDS in that region: a token that is made for
     * each connection. The caller's, and outlive the meta. NULL: none */
    struct aws_credentials *iam;
    const char *iam_region;
    unsigned connections;        /* at most that many */
    uint64_t connect_timeout_ms; /* for each address of the server */
    uint64_t timeout_ms;         /* of a read, of a transaction, of waiting for a connection */
};

/* Connects and brings the schema up to date, also when several processes start at once. As
 * meta_sqlite_new(). A database that goes away means UNAVAILABLE until it is back. A transaction
 * that the database asks to try again is tried again, within its time-out. Errors: REQUEST_INVALID
 * (a text that is no UTF-8), and as meta_sqlite_new(). */
ERR_CHECKED enum err_code meta_postgres_new(const struct meta_postgres_options *o,
                                            struct meta **ret_meta, struct err *e);

struct meta_dynamodb_options {
    const char *table, *region;
    const char *endpoint;                /* URL; NULL or "": AWS's own of the region */
    const char *ca_file;                 /* PEM; NULL or "": the system's authorities */
    struct aws_credentials *credentials; /* the caller's; outlive the meta */
    uint64_t timeout_ms;                 /* of a read, of a transaction; 0: 15 s */
    size_t audit_look; /* entries of the trail that a page may look at; 0: 20,000 (tests: fewer) */
};

/* Makes the table when it is missing, also when several processes start at once. As
 * meta_postgres_new(), but that a transaction of more than 100 items, or 4 MB, is done in parts, in
 * the order of its operations: what can be known to fail fails before the first of them. */
ERR_CHECKED enum err_code meta_dynamodb_new(const struct meta_dynamodb_options *o,
                                            struct meta **ret_meta, struct err *e);

/* Fails the n-th call, as store_fault_new(). Takes ownership of inner. */
struct meta *meta_fault_new(struct meta *inner);
void meta_fault_arm(struct meta *fault, uint64_t n, enum err_code code);
uint64_t meta_fault_calls(const struct meta *fault);
