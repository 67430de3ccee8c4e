/*
 * The S3 driver, inside. Only files of this folder include this.
 *
 *     client.c     requests: signed, tried again, refusals told apart
 *     count.c      how many of them, by kind
 *     object.c     objects: put, get, head, delete, copy, list
 *     multipart.c  uploads in many parts
 *     temp.c       room for what is on its way
 *     names.c      the keys of blobs, manifests, tags, uploads
 *     senders.c    the threads that send parts while more of an upload comes
 *     keeper.c     what may be done after the answer: moving blobs to their keys, deleting
 *     upload.c     uploads and how they become blobs
 *     tail.c       what another process finds of one
 *     direct.c     what clients send to the server themselves
 *     remains.c    deleting what is left of one
 *     original.c   files as they were uploaded
 *     find.c       where blobs are
 *     read.c       readers of blobs; range.c, what one asks for; ahead.c, when
 *     each.c       finding all that is there
 *     together.c   asking for many things that were found, at once
 *     bucket.c     making the bucket
 *     probe.c      which rights are missing
 *     s3.c         manifests, tags, the driver's table
 *     distribution.c  another driver: the bucket of a reference registry, to be read
 *
 * Keys never contain each other as paths (`a` and `a/b`), for there are servers that take both and
 * list one. A key is written once: there are servers that cut off its readers when it is written
 * again, even with the same bytes. Those of uploads get other bytes never, either (s3_upload_key).
 *
 * Nothing that is on its way to the server is kept in memory: a part is collected in a file without
 * a name, and sent from there.
 */
#pragma once

#include "base/cleanup.h"
#include "base/recent.h"
#include "store/s3/ahead.h"
#include "store/s3/multipart.h"
#include "store/s3/object.h"
#include "store/s3/temp.h"

#include <pthread.h>

struct s3_senders;
struct s3_keeper;
struct s3_uploads;

struct s3 {
    struct store store;
    struct s3_client *client;
    struct s3_temp *temp;
    struct s3_senders *senders;
    struct s3_keeper *keeper;
    struct s3_uploads *uploads;
    struct recent *known; /* blobs that were at their keys lately */
    struct s3_ahead_shape shape;
    struct s3_ahead_room kept;
    pthread_mutex_t health_lock;
    int64_t healthy_until_ms; /* monotonic */
};

static inline struct s3 *s3_of(struct store *s)
{
    return (struct s3 *)s;
}

#define S3_REQUESTS 16 /* small ones that are made at a time for one caller */

/*
 * What a key has behind "uploads/": the id of an upload, and maybe '_' and more. A key of these
 * gets its bytes once, and never others: who knows the key knows the bytes. So what is copied from
 * one is what was hashed, whatever another process, or a request that comes late, does meanwhile.
 */
#define S3_UPLOAD_KEY_MAX 83
struct s3_upload_key {
    char text[S3_UPLOAD_KEY_MAX + 1]; /* "": none */
};

/* False: it is none. */
bool s3_upload_key_parse(struct str below, struct s3_upload_key *ret_key, struct uuid *ret_id);

/* A new key for parts, and what they become. first: the one that is known by the id alone, for who
 * made the upload, once. */
void s3_parts_key(const struct uuid *id, bool first, struct s3_upload_key *ret_key);

/* A new key for a tail: of several the last one in the order of bytes counts. */
void s3_tail_key(const struct uuid *id, uint64_t turn, uint32_t number,
                 struct s3_upload_key *ret_key);
bool s3_is_tail(const struct s3_upload_key *key);
uint32_t s3_tail_number(const struct s3_upload_key *key); /* 0: it says none */

#define S3_MANIFESTS  "manifests/"
#define S3_TAGS       "tags/"
#define S3_TAGS_DIR   "/_tags/"
#define S3_UPLOADS    "uploads/"
#define S3_TAIL       "_tail"
#define S3_QUARANTINE "quarantine/"
#define S3_MOVES      "moves/"
#define S3_MARK       "registry.json"
#define S3_PROBES     "probes/" /* what a server can is tried there, and nothing of it stays */

/* names.c; all with the configured prefix in front. */
void s3_quarantine_name(const struct s3 *s, const struct digest *d, struct s3_name *ret_name);
void s3_blob_name(const struct s3 *s, const struct digest *d, struct s3_name *ret_name);
void s3_manifest_name(const struct s3 *s, const struct repo_name *repo, const struct digest *d,
                      struct s3_name *ret_name);
void s3_tag_name(const struct s3 *s, const struct repo_name *repo, const struct tag_name *tag,
                 struct s3_name *ret_name);
void s3_upload_name(const struct s3 *s, const struct s3_upload_key *key, struct s3_name *ret_name);
/* A pointer's name, "moves/<digest>_<key>", which no other pointer ever has: a DELETE that comes
 * late takes none but its own. from NULL: what those of a digest begin with. */
void s3_move_name(const struct s3 *s, const struct digest *d, const struct s3_upload_key *from,
                  struct s3_name *ret_name);
bool s3_move_name_parse(const struct s3 *s, const struct s3_name *name, struct digest *ret_digest,
                        struct s3_upload_key *ret_from);
/* The same for s3_list(). */
#define S3_MOVES_BELOW_MAX (sizeof(S3_MOVES) + DIGEST_TEXT_MAX + 2)
void s3_moves_below(const struct digest *d, char ret_below[static S3_MOVES_BELOW_MAX]);
void s3_probe_name(const struct s3_client *c, const struct uuid *id, const char *end,
                   struct s3_name *ret_name);
void s3_mark_name(const struct s3_client *c, struct s3_name *ret_name);
void s3_original_name(const struct s3 *s, const struct store_original_name *name,
                      struct s3_name *ret_name);

/* What a key is below the configured prefix and the given one; .p is NULL when it is not there. */
struct str s3_name_below(const struct s3 *s, const struct s3_name *name, struct str prefix);

/* The key as a place on the server. */
void s3_place_at(const struct s3_client *c, const struct s3_name *name, uint64_t size_bytes,
                 struct store_place *ret_place);

/* A key below `blobs/` or `moves/` as the digest that it is of. */
bool s3_name_digest(struct str below, struct digest *ret_digest);

/* senders.c: jobs of all uploads together, a few threads that are there while there is work. */
struct s3_job {
    struct s3_job *next;
    void (*run)(struct s3_job *job);
};

struct s3_senders *s3_senders_new(unsigned threads);
void s3_senders_add(struct s3_senders *s, struct s3_job *job);
void s3_senders_free(struct s3_senders *s); /* after all jobs have run; accepts NULL */

/*
 * keeper.c: threads that do later what no answer has to wait for: one moves, one deletes.
 *
 * A move: the blob is durable at a key below uploads/, and a pointer names it; it is copied to its
 * key, then both go. Until then it is read where it is. After a crash, and in other processes, the
 * pointer is what tells: all are looked at again and again, and one that is old is moved by whoever
 * finds it. A blob may have several.
 */
struct s3_move {
    struct s3_upload_key from;
    struct s3_upload_key tail; /* of the upload; to go with it. None: it has none */
};

ERR_CHECKED enum err_code s3_keeper_new(struct s3 *s, struct s3_keeper **ret_keeper, struct err *e);
void s3_keeper_free(struct s3_keeper *k); /* accepts NULL; deletes what is to be deleted */

/* The pointer is there. */
void s3_keeper_move(struct s3_keeper *k, const struct digest *d, const struct s3_move *move);

/* The pointer: the tail is what it says. Error: NOT_FOUND, it is gone or says nothing sensible. */
ERR_CHECKED enum err_code s3_move_write(struct s3 *s, const struct digest *d,
                                        const struct s3_move *move, struct err *e);
ERR_CHECKED enum err_code s3_move_read(struct s3 *s, const struct digest *d,
                                       const struct s3_upload_key *from, struct s3_move *ret_move,
                                       struct err *e);

/* True when the blob is being moved by this process: where its bytes are for certain. */
bool s3_keeper_moving(struct s3_keeper *k, const struct digest *d, struct s3_upload_key *ret_from);

/* As store_set_deletions(). */
void s3_keeper_set_deletions(struct s3_keeper *k, store_deletion_fn fn, void *ctx);

/* The blob is deleted: a move of it ends. */
ERR_CHECKED enum err_code s3_keeper_forget(struct s3_keeper *k, const struct digest *d,
                                           struct err *e);

/* Soon, with others in one request; lost when the process is killed, and then found by a sweep. */
void s3_keeper_delete(struct s3_keeper *k, const struct s3_name *name);
bool s3_keeper_deletes(struct s3_keeper *k, const struct s3_name *name); /* by this process, soon */

/* upload.c */
struct s3_uploads *s3_uploads_new(void);
void s3_uploads_free(struct s3_uploads *t);
bool s3_uploads_spare(struct s3_uploads *t); /* for s3_temp_new() */
bool s3_uploads_known(struct s3_uploads *t, const struct uuid *id);
enum err_code s3_upload_create(struct store *s, const struct uuid *id, struct err *e);
enum err_code s3_upload_open(struct store *s, const struct uuid *id,
                             struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                             struct err *e);
enum err_code s3_upload_note(struct store *s, struct store_upload *u, struct store_note *ret_note,
                             struct err *e);
enum err_code s3_upload_expect(struct store *s, struct store_upload *u,
                               const struct repo_name *repo, const struct digest *d,
                               uint64_t size_bytes, struct err *e);
enum err_code s3_upload_write(struct store *s, struct store_upload *u, const void *p, size_t n,
                              uint64_t offset_bytes, struct err *e);
enum err_code s3_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                             uint64_t offset_bytes, size_t *ret_n, struct err *e);
enum err_code s3_upload_keep_from(struct store *s, struct store_upload *u, uint64_t from_bytes,
                                  struct err *e);
enum err_code s3_upload_sync(struct store *s, struct store_upload *u, const struct store_note *note,
                             uint64_t *ret_durable_bytes, struct err *e);
enum err_code s3_upload_truncate(struct store *s, struct store_upload *u, uint64_t size_bytes,
                                 struct err *e);
enum err_code s3_upload_prepare(struct store *s, struct store_upload *u,
                                const struct repo_name *repo, const struct digest *d,
                                const struct repo_name *twin, struct err *e);
enum err_code s3_upload_commit(struct store *s, struct store_upload *u,
                               const struct repo_name *repo, const struct digest *d,
                               const struct repo_name *twin, struct err *e);
enum err_code s3_original_expect(struct store *s, struct store_upload *u,
                                 const struct store_original_name *name, struct err *e);
enum err_code s3_original_commit(struct store *s, struct store_upload *u,
                                 const struct store_original_name *name, struct err *e);
void s3_upload_close(struct store *s, struct store_upload *u);
enum err_code s3_upload_delete(struct store *s, const struct uuid *id, struct err *e);
void s3_upload_forget(struct store *s, const struct uuid *id);

/* direct.c */
enum err_code s3_direct_begin(struct store *s, const struct uuid *id, uint64_t size_bytes,
                              struct store_direct *ret_direct, struct err *e);
enum err_code s3_direct_url(struct store *s, const struct store_direct *d, unsigned number,
                            unsigned expires_s, struct buf *ret_url, struct err *e);
enum err_code s3_direct_end(struct store *s, const struct store_direct *d, uint64_t *ret_come_bytes,
                            struct err *e);
enum err_code s3_direct_open(struct store *s, const struct store_direct *d,
                             struct reader **ret_reader, struct err *e);

/* remains.c: what another process, or an earlier life of this one, left: any parts, also those that
 * no tail tells of, and what they became, unless that is a blob on its way to its key. */
ERR_CHECKED enum err_code s3_remains_delete(struct s3 *s, const struct uuid *id, struct err *e);

/* original.c */
enum err_code s3_original_open(struct store *s, const struct store_original_name *name,
                               uint64_t known_bytes, struct reader **ret_reader,
                               uint64_t *ret_size_bytes, struct err *e);
enum err_code s3_original_delete(struct store *s, const struct store_original_name *name,
                                 struct err *e);
enum err_code s3_original_each(struct store *s, store_original_fn fn, void *ctx, struct err *e);

/* find.c */
enum err_code s3_blob_stat(struct store *s, const struct repo_name *repo, const struct digest *d,
                           uint64_t *ret_size_bytes, struct err *e);
/* Where the bytes of a blob are now. Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code s3_blob_find(struct s3 *s, const struct digest *d,
                                       struct s3_name *ret_name, uint64_t *ret_size_bytes,
                                       struct err *e);
enum err_code s3_blob_unknown(const struct digest *d, struct err *e);
/* From where the blob is being moved, by whomever; of several moves any. Error: NOT_FOUND. */
ERR_CHECKED enum err_code s3_move_find(struct s3 *s, const struct digest *d,
                                       struct s3_upload_key *ret_from, struct err *e);

/* read.c */
enum err_code s3_blob_open(struct store *s, const struct repo_name *repo, const struct digest *d,
                           uint64_t known_bytes, struct reader **ret_reader,
                           uint64_t *ret_size_bytes, struct err *e);

/* A reader of the blob d, of so many bytes, that is at that key and nowhere else. */
ERR_CHECKED enum err_code s3_reader_of(struct s3_client *c, const struct s3_name *name,
                                       const struct digest *d, uint64_t size_bytes,
                                       struct reader **ret_reader, struct err *e);

/* each.c */
enum err_code s3_upload_each(struct store *s, store_upload_fn fn, void *ctx, struct err *e);
/* Whether an object of the upload is a blob that is being moved to its key, by whomever. */
ERR_CHECKED enum err_code s3_upload_moves(struct s3 *s, const struct uuid *id, bool *ret_moves,
                                          struct err *e);
enum err_code s3_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx, struct err *e);

/*
 * together.c: what a list tells and a request has to be made for, a hundred requests at a time. ask
 * completes the item, in any thread; NOT_FOUND: it is passed over. fn is told of the others in
 * their order, by the thread that adds.
 */
typedef enum err_code (*s3_ask_fn)(void *ctx, struct store_item *item, struct err *e);
struct s3_together;
struct s3_together *s3_together_new(s3_ask_fn ask, void *ask_ctx, store_item_fn fn, void *ctx);
ERR_CHECKED enum err_code s3_together_add(struct s3_together *t, const struct store_item *item,
                                          struct err *e);
ERR_CHECKED enum err_code s3_together_end(struct s3_together *t,
                                          struct err *e); /* asks for the rest */
void s3_together_free(struct s3_together *t);             /* accepts NULL */

AUTO_POINTER(s3_together, s3_together_free);

/* bucket.c: there is one, and it may be used. */
ERR_CHECKED enum err_code s3_bucket_make(struct s3_client *c, struct err *e);
/* once: without trying again. Error: NOT_FOUND. */
ERR_CHECKED enum err_code s3_bucket_look(struct s3_client *c, bool once, struct err *e);

/* Whether it keeps old versions of what is written or deleted. */
ERR_CHECKED enum err_code s3_bucket_versions(struct s3_client *c, bool once, bool *ret_keeps,
                                             struct err *e);

/* What s3_bucket_make() does with the bucket, step by step. run()'s error besides: UNSUPPORTED,
 * the server has nothing of the kind. */
struct s3_step {
    const char *right; /* that it needs */
    const char *does;  /* in words, or the key that asks for it */
    bool on_new;       /* with a new bucket, and not by the configuration */
    bool may_lack;     /* what the server has nothing of is done without */
    bool of_next;      /* the next one does it as well, first */
    bool (*asked)(const struct store_s3_options *o); /* unless on_new: by the configuration */
    enum err_code (*run)(struct s3_client *c, struct err *e);
};

extern const struct s3_step s3_steps[];
extern const size_t s3_steps_n;

bool s3_step_applies(const struct s3_step *step, const struct s3_client *c, bool is_new);
