/*
 * store: content, as bytes. May include base/ only.
 *
 * A table of callbacks with several drivers (fs, mem, s3) and decorators that wrap
 * one (fault, trace). Only the store_*() wrappers call through the table, and they
 * check arguments once. Every call blocks and may come from any thread unless it says otherwise.
 *
 * Durability: when a call that writes returns ERR_OK, what it wrote survives a power loss (unless
 * the driver was told not to sync). Every object appears whole or not at all. "Exists already" is
 * success for content under its digest.
 *
 * The store knows nothing of who may do what, nor whether an object is referenced: callers do.
 *
 * Errors everywhere: STORAGE_FULL, STORAGE_READONLY, INTERNAL; others are named at the call.
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/name.h"
#include "base/reader.h"
#include "base/uuid.h"

struct store;
struct store_upload; /* an open handle on an upload in progress; one thread at a time */

struct store_health {
    uint64_t free_bytes; /* UINT64_MAX in both: the store has no end that it knows of */
    uint64_t total_bytes;
};

/* What a sync keeps with an upload's bytes: at most so much. */
#define STORE_NOTE_MAX 256

struct store_note {
    size_t n; /* 0: none */
    char bytes[STORE_NOTE_MAX];
    uint64_t turn; /* of a sync: after one of a later turn, one of an earlier turn counts no more */
};

/* What store_each() tells of. */
enum store_kind { STORE_BLOB = 1, STORE_MANIFEST = 2, STORE_TAG = 4, STORE_ODD = 8 };

/* What is odd of a STORE_ODD, which only a store of files has. */
enum store_odd {
    STORE_ODD_NAME, /* it bears no name that this registry gives */
    STORE_ODD_LINK, /* a symbolic link where none belongs, or that leads to no digest */
    STORE_ODD_MODE, /* its owner may not use it, or anybody may write to it */
    STORE_ODD_TEMP  /* a file that never got its name: a writer has it, or was killed */
};

struct store_item {
    enum store_kind kind;
    struct repo_name repo; /* n is 0: a blob of a store that keeps it once for all repositories */
    struct digest digest;  /* its own; of a tag, what it points to; n is 0: that can't be read */
    struct tag_name tag;
    uint64_t size_bytes; /* of a blob or a manifest */
    int64_t modified_ms; /* wall clock */
    uint64_t file;       /* the same number: the same bytes; 0: that is not known */
    enum store_odd odd;
    const char *path; /* of a STORE_ODD, below the store's root; good for the call */
};

/* One of many that are put together. */
struct store_manifest {
    const struct repo_name *repo;
    const struct digest *digest;
    struct str bytes;
};

/* Where the server that a store lies on has a blob. */
struct store_place {
    char bucket[256];
    char key[1025];
    uint64_t size_bytes;
};

/*
 * The name of an original, a file that was uploaded and is kept as it came: "USER/TIME/ID.tar.gz",
 * three components of [A-Za-z0-9._~%-] that do not begin with '.'.
 */
#define STORE_ORIGINAL_PART_MAX 200
#define STORE_ORIGINAL_NAME_MAX 300
#define STORE_ORIGINALS         "images/" /* below the store's root, or prefix */
struct store_original_name {
    size_t n;
    char text[STORE_ORIGINAL_NAME_MAX + 1];
};
bool store_original_name_parse(struct str text, struct store_original_name *ret_name);

struct store_original {
    struct store_original_name name;
    uint64_t size_bytes;
    int64_t modified_ms; /* wall clock */
};

typedef enum err_code (*store_original_fn)(void *ctx, const struct store_original *o,
                                           struct err *e);

typedef enum err_code (*store_item_fn)(void *ctx, const struct store_item *item, struct err *e);

/* What store_upload_each() tells of an upload found in the store. */
struct store_upload_info {
    struct uuid id;
    uint64_t size_bytes;
    int64_t modified_ms;   /* wall clock */
    struct digest digest;  /* n is 0, or it was to become that blob: store_upload_commit() */
    struct repo_name repo; /* of that repository; n is 0: that is not known */
    bool has_bytes;
};

/* "REPOSITORY@DIGEST": what a driver notes of an upload that becomes a blob, and what that says. */
#define STORE_BECOMES_MAX (REPO_NAME_MAX + 1 + DIGEST_TEXT_MAX)
void store_becomes(const struct repo_name *repo, const struct digest *d,
                   char ret_text[static STORE_BECOMES_MAX + 1]);
void store_becomes_parse(struct str text, struct store_upload_info *ret_info);

typedef enum err_code (*store_upload_fn)(void *ctx, const struct store_upload_info *u,
                                         struct err *e);

/* Bytes that a client sends to the server that the store lies on, and not to this process. */
#define STORE_DIRECT_PARTS_MAX 1000
struct store_direct {
    struct uuid id;      /* random, and no upload's */
    uint64_t size_bytes; /* of all of it, as the client says */
    uint64_t part_bytes; /* of each part but the last */
    char upload[256];    /* what the server calls its parts; "": it is one, and sent as a whole */
};

/* What store_counts() tells: a name that is a constant, of small letters and '_'. */
typedef void (*store_count_fn)(void *ctx, const char *name, uint64_t n);

/* The number of the last deletion of that blob's content, 0: none that anybody could have missed.
 * Errors: LATER, it is being deleted just now; others, when that can't be known. */
typedef enum err_code (*store_deletion_fn)(void *ctx, const struct digest *d, int64_t *ret_number,
                                           struct err *e);

/* A call, as hooks see it. */
struct store_call {
    const char *name; /* of the callback */
    const char *repo; /* NULL: it is about none */
    const char *what; /* digest, tag or upload; or NULL */
    bool cannot_fail; /* an error of a hook is ignored */
    uint64_t bytes;   /* written, or, for `after`, read or told; 0 when that is nothing */
    int64_t start_us; /* monotonic; for the hooks' own use */
};

/* What a call is answered with. A decorator has only what it has something to do in: what is NULL
 * is asked of store.inner. */
struct store_driver {
    const char *name;
    bool cache;  /* what is read here may be a copy of what `inner` has */
    bool shared; /* a blob is kept once for all repositories: which one is named says nothing */

    /* Optional: see every call on its way, also those that go on to store.inner. An error of
     * `before` ends the call. */
    enum err_code (*before)(struct store *s, struct store_call *c, struct err *e);
    void (*after)(struct store *s, const struct store_call *c, enum err_code code);

    enum err_code (*blob_stat)(struct store *s, const struct repo_name *repo,
                               const struct digest *d, uint64_t *ret_size_bytes, struct err *e);
    enum err_code (*blob_open)(struct store *s, const struct repo_name *repo,
                               const struct digest *d, uint64_t known_bytes,
                               struct reader **ret_reader, uint64_t *ret_size_bytes, struct err *e);
    enum err_code (*blob_link)(struct store *s, const struct repo_name *from,
                               const struct repo_name *to, const struct digest *d, struct err *e);
    /* Optional. */
    enum err_code (*blob_take)(struct store *s, const struct repo_name *repo,
                               const struct digest *d, int fd, struct err *e);
    /* Optional, both, in stores that say their server. */
    enum err_code (*blob_place)(struct store *s, const struct repo_name *repo,
                                const struct digest *d, uint64_t known_bytes,
                                struct store_place *ret_place, struct err *e);
    enum err_code (*blob_fetch)(struct store *s, const struct digest *d,
                                const struct store_place *from, struct err *e);
    enum err_code (*blob_delete)(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, bool elsewhere, struct err *e);
    enum err_code (*blob_quarantine)(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, struct err *e);
    /* Optional: where deleting is certain when it returns. */
    enum err_code (*blob_purge)(struct store *s, const struct digest *d, bool (*still)(void *ctx),
                                void *ctx, struct err *e);
    void (*set_deletions)(struct store *s, store_deletion_fn fn, void *ctx); /* optional */
    /* Optional. */
    enum err_code (*blob_aside)(struct store *s, const struct digest *d, struct err *e);
    /* Optional. */
    enum err_code (*blob_url)(struct store *s, const struct digest *d, unsigned expires_s,
                              struct buf *ret_url, struct err *e);

    enum err_code (*manifest_put)(struct store *s, const struct repo_name *repo,
                                  const struct digest *d, struct str bytes, struct err *e);
    /* Optional. */
    enum err_code (*manifests_put)(struct store *s, const struct store_manifest *items, size_t n,
                                   struct err *e);
    enum err_code (*manifest_get)(struct store *s, const struct repo_name *repo,
                                  const struct digest *d, struct buf *ret_bytes, struct err *e);
    enum err_code (*manifest_delete)(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, struct err *e);

    /* Optional, both. */
    enum err_code (*drop)(struct store *s, enum store_kind kind, const struct repo_name *repo,
                          const struct digest *d, struct err *e);
    enum err_code (*dropped)(struct store *s, enum store_kind kind, const struct repo_name *repo,
                             struct err *e);

    enum err_code (*tag_put)(struct store *s, const struct repo_name *repo,
                             const struct tag_name *tag, const struct digest *d, struct err *e);
    enum err_code (*tag_get)(struct store *s, const struct repo_name *repo,
                             const struct tag_name *tag, struct digest *ret_digest, struct err *e);
    enum err_code (*tag_delete)(struct store *s, const struct repo_name *repo,
                                const struct tag_name *tag, struct err *e);
    enum err_code (*tag_sync)(struct store *s, const struct repo_name *repo, struct err *e);

    enum err_code (*upload_create)(struct store *s, const struct uuid *id, struct err *e);
    enum err_code (*upload_open)(struct store *s, const struct uuid *id,
                                 struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                 struct err *e);
    /* Optional. */
    enum err_code (*upload_note)(struct store *s, struct store_upload *u,
                                 struct store_note *ret_note, struct err *e);
    /* Optional. */
    enum err_code (*upload_expect)(struct store *s, struct store_upload *u,
                                   const struct repo_name *repo, const struct digest *d,
                                   uint64_t size_bytes, struct err *e);
    enum err_code (*upload_write)(struct store *s, struct store_upload *u, const void *p, size_t n,
                                  uint64_t offset_bytes, struct err *e);
    enum err_code (*upload_read)(struct store *s, struct store_upload *u, void *p, size_t cap,
                                 uint64_t offset_bytes, size_t *ret_n, struct err *e);
    /* Optional. */
    enum err_code (*upload_keep_from)(struct store *s, struct store_upload *u, uint64_t from_bytes,
                                      struct err *e);
    enum err_code (*upload_sync)(struct store *s, struct store_upload *u,
                                 const struct store_note *note, uint64_t *ret_durable_bytes,
                                 struct err *e);
    enum err_code (*upload_truncate)(struct store *s, struct store_upload *u, uint64_t size_bytes,
                                     struct err *e);
    enum err_code (*upload_prepare)(struct store *s, struct store_upload *u,
                                    const struct repo_name *repo, const struct digest *d,
                                    const struct repo_name *twin, struct err *e);
    enum err_code (*upload_commit)(struct store *s, struct store_upload *u,
                                   const struct repo_name *repo, const struct digest *d,
                                   const struct repo_name *twin, struct err *e);
    void (*upload_close)(struct store *s, struct store_upload *u);
    enum err_code (*upload_delete)(struct store *s, const struct uuid *id, struct err *e);
    void (*upload_forget)(struct store *s, const struct uuid *id); /* NULL: nothing is remembered */
    enum err_code (*upload_each)(struct store *s, store_upload_fn fn, void *ctx, struct err *e);

    /* Optional, all or none. */
    enum err_code (*direct_begin)(struct store *s, const struct uuid *id, uint64_t size_bytes,
                                  struct store_direct *ret_direct, struct err *e);
    enum err_code (*direct_url)(struct store *s, const struct store_direct *d, unsigned number,
                                unsigned expires_s, struct buf *ret_url, struct err *e);
    enum err_code (*direct_end)(struct store *s, const struct store_direct *d,
                                uint64_t *ret_come_bytes, struct err *e);
    enum err_code (*direct_open)(struct store *s, const struct store_direct *d,
                                 struct reader **ret_reader, struct err *e);

    enum err_code (*original_expect)(struct store *s, struct store_upload *u,
                                     const struct store_original_name *name,
                                     struct err *e); /* optional */
    /* Optional, all. */
    enum err_code (*original_commit)(struct store *s, struct store_upload *u,
                                     const struct store_original_name *name, struct err *e);
    enum err_code (*original_open)(struct store *s, const struct store_original_name *name,
                                   uint64_t known_bytes, struct reader **ret_reader,
                                   uint64_t *ret_size_bytes, struct err *e);
    enum err_code (*original_delete)(struct store *s, const struct store_original_name *name,
                                     struct err *e);
    enum err_code (*original_each)(struct store *s, store_original_fn fn, void *ctx, struct err *e);

    enum err_code (*mark_get)(struct store *s, struct buf *ret_text, struct err *e);
    enum err_code (*mark_put)(struct store *s, struct str text, bool first, struct err *e);

    enum err_code (*each)(struct store *s, unsigned kinds, store_item_fn fn, void *ctx,
                          struct err *e);
    enum err_code (*sync)(struct store *s, struct err *e); /* optional */
    /* Optional. */
    enum err_code (*mend)(struct store *s, enum store_odd odd, const char *path, struct err *e);
    enum err_code (*health)(struct store *s, struct store_health *ret_health, struct err *e);
    void (*hurry)(struct store *s, uint64_t ms);                   /* optional */
    void (*counts)(struct store *s, store_count_fn fn, void *ctx); /* optional */
    void (*free)(struct store *s); /* s alone: what it wraps is freed after it */
};

/* First member of the driver's own struct. */
struct store {
    const struct store_driver *driver;
    struct store *inner; /* what a decorator wraps, and owns; else NULL */
    const char *server;  /* the one that it lies on, as a URL; the driver's; NULL: none */
};

/*
 * Blobs. A blob belongs to a repository; the same blob in several repositories is kept once. Some
 * stores know of each repository's blobs, some (store_shared()) of blobs alone: which repositories
 * have one is known to meta then, and which repository is named here makes no difference.
 */
bool store_shared(const struct store *s);

/* Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code store_blob_stat(struct store *s, const struct repo_name *repo,
                                          const struct digest *d, uint64_t *ret_size_bytes,
                                          struct err *e);

/*
 * The reader can seek, has an fd where the driver has files, and is the caller's to free. A blob
 * deleted while it is read stays readable to its end, but for a store_shared() one: there the read
 * may fail. known_bytes is how long the caller knows it to be, or UINT64_MAX: who has to ask
 * another machine may then put that off to the first read, which has the errors of this call too.
 * Error: BLOB_UNKNOWN.
 */
ERR_CHECKED enum err_code store_blob_open(struct store *s, const struct repo_name *repo,
                                          const struct digest *d, uint64_t known_bytes,
                                          struct reader **ret_reader, uint64_t *ret_size_bytes,
                                          struct err *e);

/* Makes from's blob a blob of `to` as well, at no cost of space. Exists in `to` already: success.
 * Error: BLOB_UNKNOWN when from has no such blob. */
ERR_CHECKED enum err_code store_blob_link(struct store *s, const struct repo_name *from,
                                          const struct repo_name *to, const struct digest *d,
                                          struct err *e);

/* Does store_blob_take() work? */
bool store_takes_files(const struct store *s);

/*
 * Makes repo's blob d of a file that is open for reading: by one more link to it where the file
 * system can, else by a copy. The caller has verified the digest, and knows that nobody writes to
 * the file any more and that its bytes are durable. A blob that is there already is left as it is.
 * The name is durable after store_sync(). Error: UNSUPPORTED when the store has no files.
 */
ERR_CHECKED enum err_code store_blob_take(struct store *s, const struct repo_name *repo,
                                          const struct digest *d, int fd, struct err *e);

/* Do both lie on one server, so that store_blob_copy() may work? */
bool store_near(const struct store *a, const struct store *b);

/*
 * Makes the blob d of the one that `from` has in its repository, by their common server: the bytes
 * do not come here. `to` keeps blobs once for all repositories. The caller has verified the digest;
 * known_bytes as in store_blob_open(). Errors: BLOB_UNKNOWN; UNSUPPORTED when the server does not
 * do it, for one may not read what the other has.
 */
ERR_CHECKED enum err_code store_blob_copy(struct store *to, struct store *from,
                                          const struct repo_name *repo, const struct digest *d,
                                          uint64_t known_bytes, struct err *e);

/* The blob is damaged: its bytes are put where only people look (`quarantine/`), and it is not
 * there any more, in no cache either. One of the same digest that was put there before is replaced.
 * Another one may come in its place at once. Errors: BLOB_UNKNOWN; UNSUPPORTED. */
ERR_CHECKED enum err_code store_blob_quarantine(struct store *s, const struct repo_name *repo,
                                                const struct digest *d, struct err *e);

/* What is kept, without the copies that a cache may have of it. */
struct store *store_behind_cache(struct store *s);

/* elsewhere: other repositories have it. A store that keeps it once for all leaves it then.
 * Error: BLOB_UNKNOWN, if the store looks. */
ERR_CHECKED enum err_code store_blob_delete(struct store *s, const struct repo_name *repo,
                                            const struct digest *d, bool elsewhere, struct err *e);

/*
 * Deletes a blob that is kept once for all repositories (store_shared()), and that nobody links.
 * `still` is asked just before: does the caller still have the right to? From then on a server that
 * is slow may do it STORE_PURGE_VALID_S later, by its own clock, at the latest. ERR_OK: it is
 * deleted, or was not there; nothing more of this call comes. Errors: LATER, nothing was sent: it
 * is being moved to its place, or may not be deleted any more; any other: it may be deleted, now or
 * within that time.
 */
#define STORE_PURGE_VALID_S 60
ERR_CHECKED enum err_code store_blob_purge(struct store *s, const struct digest *d,
                                           bool (*still)(void *ctx), void *ctx, struct err *e);

/*
 * Puts a copy of a store_shared() blob where no store_blob_purge() that has begun comes, however
 * late the server does that, and moves it to its place when it is not being deleted any more, as
 * store_set_deletions() tells. Errors: BLOB_UNKNOWN; UNSUPPORTED: deletions of this store are never
 * late.
 */
ERR_CHECKED enum err_code store_blob_aside(struct store *s, const struct digest *d, struct err *e);

/* What a store that moves blobs to their places by itself asks: one that is being deleted is not
 * moved, and one that was deleted meanwhile is moved again. fn is called by threads of the store,
 * as long as it is set; NULL: deletions are none of its business, as at first. */
void store_set_deletions(struct store *s, store_deletion_fn fn, void *ctx);

/* Appends a URL at which anybody gets the blob's bytes from the store itself for so long. Error:
 * UNSUPPORTED when the store is not one to be asked by clients, or not for this blob now: it is not
 * where it stays yet, or not there. */
ERR_CHECKED enum err_code store_blob_url(struct store *s, const struct digest *d,
                                         unsigned expires_s, struct buf *ret_url, struct err *e);

/* Manifests. get appends to *ret_bytes, whose max bounds it. Errors: MANIFEST_UNKNOWN (of delete:
 * if the store looks); CORRUPT for one that is larger. */
ERR_CHECKED enum err_code store_manifest_put(struct store *s, const struct repo_name *repo,
                                             const struct digest *d, struct str bytes,
                                             struct err *e);
/* All of them, durable together: faster than one after the other. After an error some may be there.
 */
ERR_CHECKED enum err_code store_manifests_put(struct store *s, const struct store_manifest *items,
                                              size_t n, struct err *e);
ERR_CHECKED enum err_code store_manifest_get(struct store *s, const struct repo_name *repo,
                                             const struct digest *d, struct buf *ret_bytes,
                                             struct err *e);
ERR_CHECKED enum err_code store_manifest_delete(struct store *s, const struct repo_name *repo,
                                                const struct digest *d, struct err *e);

/* Of many: deletes a blob (elsewhere: false) or a manifest, as the functions for one do, and need
 * not be durable when it returns: dropped makes all earlier ones of the repository so. */
ERR_CHECKED enum err_code store_drop(struct store *s, enum store_kind kind,
                                     const struct repo_name *repo, const struct digest *d,
                                     struct err *e);
ERR_CHECKED enum err_code store_dropped(struct store *s, enum store_kind kind,
                                        const struct repo_name *repo, struct err *e);

/*
 * Tags are a projection of what meta holds, so that meta can be rebuilt. put replaces atomically.
 * put and delete need not be durable when they return: tag_sync makes all earlier ones of the
 * repository so. Deleting a tag that is not there is success. tag_get error: MANIFEST_UNKNOWN.
 */
ERR_CHECKED enum err_code store_tag_put(struct store *s, const struct repo_name *repo,
                                        const struct tag_name *tag, const struct digest *d,
                                        struct err *e);
ERR_CHECKED enum err_code store_tag_get(struct store *s, const struct repo_name *repo,
                                        const struct tag_name *tag, struct digest *ret_digest,
                                        struct err *e);
ERR_CHECKED enum err_code store_tag_delete(struct store *s, const struct repo_name *repo,
                                           const struct tag_name *tag, struct err *e);
ERR_CHECKED enum err_code store_tag_sync(struct store *s, const struct repo_name *repo,
                                         struct err *e);

/*
 * Uploads. create makes an empty one (not durable: losing a fresh session is no loss). open gives a
 * handle, released by close or by commit. Several handles on one upload may exist; writing
 * through more than one at a time is the caller's error to prevent.
 */
ERR_CHECKED enum err_code store_upload_create(struct store *s, const struct uuid *id,
                                              struct err *e);

/* Error: BLOB_UPLOAD_UNKNOWN, where a new upload leaves something in the store; else an upload that
 * is not known opens as an empty one. *ret_size_bytes is what is durable of it, or more. */
ERR_CHECKED enum err_code store_upload_open(struct store *s, const struct uuid *id,
                                            struct store_upload **ret_upload,
                                            uint64_t *ret_size_bytes, struct err *e);

/* What the last sync was given to keep with just the bytes that are there; n is 0 when that is not
 * known, for a store whose bytes can be read back needs no note. */
ERR_CHECKED enum err_code store_upload_note(struct store *s, struct store_upload *u,
                                            struct store_note *ret_note, struct err *e);

/*
 * What is going to be written to an upload that is still empty is to become repo's blob d, of so
 * many bytes, and is committed without a sync before: it may go straight to where it belongs. A
 * sync that comes all the same may find nothing durable.
 */
ERR_CHECKED enum err_code store_upload_expect(struct store *s, struct store_upload *u,
                                              const struct repo_name *repo, const struct digest *d,
                                              uint64_t size_bytes, struct err *e);

/* Writes at offset_bytes, which is where earlier writes ended. Large writes are sent on their way
 * to the disk or server as they come, so that sync has little left to wait for. */
ERR_CHECKED enum err_code store_upload_write(struct store *s, struct store_upload *u, const void *p,
                                             size_t n, uint64_t offset_bytes, struct err *e);

/* Up to cap bytes from offset_bytes; *ret_n is 0 at the end. Error: UNSUPPORTED when the store
 * can't give back the bytes of an upload. */
ERR_CHECKED enum err_code store_upload_read(struct store *s, struct store_upload *u, void *p,
                                            size_t cap, uint64_t offset_bytes, size_t *ret_n,
                                            struct err *e);

/* Drops what is before from_bytes, so that what is there is the beginning; durable with the next
 * sync. Error: UNSUPPORTED, where the caller may as well write it there itself. */
ERR_CHECKED enum err_code store_upload_keep_from(struct store *s, struct store_upload *u,
                                                 uint64_t from_bytes, struct err *e);

/* What was written is durable up to *ret_durable_bytes, and with it the note; the rest is
 * forgotten. The session itself may still be lost to a power failure, whole. A sync that fails,
 * here or in a commit, ends the handle: every later call on it fails but close. On files that
 * removes the upload, for the kernel may have dropped bytes. A store that is a server has what it
 * told of: the next open finds that, or what the sync made durable before its answer was lost.
 * CONFLICT, also of write, read, keep_from, prepare and commit: another process goes on with the
 * upload, and what this one has of it is no more; that ends the handle, too. */
ERR_CHECKED enum err_code store_upload_sync(struct store *s, struct store_upload *u,
                                            const struct store_note *note,
                                            uint64_t *ret_durable_bytes, struct err *e);

/* Drops everything from size_bytes on (a chunk that failed half-way). Error: UNSUPPORTED, where
 * what is on its way can't be taken back: the upload is lost then, as after a failed sync. */
ERR_CHECKED enum err_code store_upload_truncate(struct store *s, struct store_upload *u,
                                                uint64_t size_bytes, struct err *e);

/*
 * What store_upload_commit() with the same arguments would spend its time on, done ahead: making
 * directories, syncing the bytes, comparing them with those of a blob that is there already.
 * Nothing of it can be seen, or need be undone. For a caller that commits under a lock; what has
 * come up since then the commit still does itself.
 */
ERR_CHECKED enum err_code store_upload_prepare(struct store *s, struct store_upload *u,
                                               const struct repo_name *repo, const struct digest *d,
                                               const struct repo_name *twin, struct err *e);

/*
 * Makes the upload repo's blob d: durable, then visible under its name. What is left of the upload
 * is a note of d without bytes, for store_upload_delete(): by it the caller finds after a crash a
 * blob that nothing refers to yet. The caller has verified the digest. twin, or NULL, is a
 * repository said to hold the same blob (repo itself, too): its copy is linked when it is there
 * with the same bytes, so that no disk is used twice; what is kept once for all is not written
 * again. A copy that is damaged, there or in repo, is not taken for the blob: repo's is replaced.
 * On success u is closed; on failure it stays open and the upload stays as it was (unless a sync
 * failed). BLOB_UPLOAD_UNKNOWN when the upload was removed meanwhile.
 */
ERR_CHECKED enum err_code store_upload_commit(struct store *s, struct store_upload *u,
                                              const struct repo_name *repo, const struct digest *d,
                                              const struct repo_name *twin, struct err *e);
void store_upload_close(struct store *s, struct store_upload *u); /* accepts NULL */

/* Removes the upload and its bytes, and any note; an open handle stays valid for close. Not there:
 * success. */
ERR_CHECKED enum err_code store_upload_delete(struct store *s, const struct uuid *id,
                                              struct err *e);

/* What this process remembers of the upload is not true any more, for another one goes on with it:
 * the next open asks the store. May wait for what is on its way there. */
void store_upload_forget(struct store *s, const struct uuid *id);

/* Calls fn for every upload in the store, also for remains that no open would accept. Stops at
 * fn's first error and returns it. fn may delete the upload it was given. */
ERR_CHECKED enum err_code store_upload_each(struct store *s, store_upload_fn fn, void *ctx,
                                            struct err *e);

/*
 * Direct uploads. They lie where uploads do, so store_upload_each() tells of them and
 * store_upload_delete() removes them, and whoever holds a URL can bring them back until it expires.
 * Nothing that they hold may be believed: what is read is what the client last put there.
 */

/* Error: UNSUPPORTED, the store lies on no server that clients can send to. */
ERR_CHECKED enum err_code store_direct_begin(struct store *s, const struct uuid *id,
                                             uint64_t size_bytes, struct store_direct *ret_direct,
                                             struct err *e);

/* How many parts it has: one at least. */
unsigned store_direct_parts(const struct store_direct *d);

/* Appends the URL that part `number` (from 1) is PUT to, for so long. */
ERR_CHECKED enum err_code store_direct_url(struct store *s, const struct store_direct *d,
                                           unsigned number, unsigned expires_s, struct buf *ret_url,
                                           struct err *e);

/* The parts become one, which can be read, when they have the size that was said: *ret_come_bytes
 * is that of what is there. May be done again. Error: CONFLICT, the client sends just now. */
ERR_CHECKED enum err_code store_direct_end(struct store *s, const struct store_direct *d,
                                           uint64_t *ret_come_bytes, struct err *e);

/* Its bytes, after that. The first read has the errors of this call, too. Error: BLOB_UNKNOWN. */
ERR_CHECKED enum err_code store_direct_open(struct store *s, const struct store_direct *d,
                                            struct reader **ret_reader, struct err *e);

/*
 * Originals: for people, and no content: store_each() passes them over, no repository has them, and
 * whoever copies content leaves them. expect comes before the first write to an upload that is to
 * become one, with the name that commit gets. commit makes it durable, then visible under its name,
 * which is not taken; u is closed then, and its remains are for store_upload_delete(); on failure
 * it stays open. A server of objects is told checksums of what it gets, and to encrypt it as all
 * else. Errors: UNSUPPORTED, by a store that is only read; of commit BLOB_UPLOAD_UNKNOWN, the
 * upload was removed meanwhile; of open NOT_FOUND. known_bytes as in store_blob_open(). Deleting
 * what is not there is success.
 */
ERR_CHECKED enum err_code store_original_expect(struct store *s, struct store_upload *u,
                                                const struct store_original_name *name,
                                                struct err *e);
ERR_CHECKED enum err_code store_original_commit(struct store *s, struct store_upload *u,
                                                const struct store_original_name *name,
                                                struct err *e);
ERR_CHECKED enum err_code store_original_open(struct store *s,
                                              const struct store_original_name *name,
                                              uint64_t known_bytes, struct reader **ret_reader,
                                              uint64_t *ret_size_bytes, struct err *e);
ERR_CHECKED enum err_code
store_original_delete(struct store *s, const struct store_original_name *name, struct err *e);
/* All of them, in no order. What bears no such name is passed over. Stops at fn's first error. */
ERR_CHECKED enum err_code store_original_each(struct store *s, store_original_fn fn, void *ctx,
                                              struct err *e);

/*
 * The mark: a text of the store as a whole, by which it is known whose it is. It is no content:
 * store_each() passes it over, and so does whoever copies content. get appends to *ret_text, whose
 * max bounds it; error: NOT_FOUND. put replaces; as the first it fails with PRECONDITION when there
 * is one. But a server that is asked for that may not look, so whoever was the first reads it back.
 */
#define STORE_MARK_MAX 4096
ERR_CHECKED enum err_code store_mark_get(struct store *s, struct buf *ret_text, struct err *e);
ERR_CHECKED enum err_code store_mark_put(struct store *s, struct str text, bool first,
                                         struct err *e);

/* Calls fn for all content of those kinds (or'ed), in no order; content that comes or goes
 * meanwhile may be told or not. What bears no name that this registry gives is passed over, but as
 * STORE_ODD. Stops at fn's first error and returns it. */
ERR_CHECKED enum err_code store_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx,
                                     struct err *e);

/* Makes right what is odd at a path that store_each() told of, if it is STORE_ODD_MODE or, by
 * removing it, STORE_ODD_TEMP. Gone meanwhile: success. Error: UNSUPPORTED. */
ERR_CHECKED enum err_code store_mend(struct store *s, enum store_odd odd, const char *path,
                                     struct err *e);

/* All that was written before is durable: tags without a tag_sync, blobs that were taken. */
ERR_CHECKED enum err_code store_sync(struct store *s, struct err *e);

/* Can be written to, and how much room is left. */
ERR_CHECKED enum err_code store_health(struct store *s, struct store_health *ret_health,
                                       struct err *e);

/* The process ends: calls that wait for another machine, those that run and those that come, have
 * only so long left, and then fail with UNAVAILABLE. Never blocks. */
void store_hurry(struct store *s, uint64_t ms);

/* Counts, since its start, of what a store asked its server for, by kind; none, for others. */
void store_counts(struct store *s, store_count_fn fn, void *ctx);

void store_free(struct store *s); /* accepts NULL */

/* Drivers and decorators. */

/* Takes the root for this process alone; UNAVAILABLE when another has it. A full disk is no
 * obstacle. Takes no longer with more content. */
struct store_fs_options {
    const char *root; /* made if missing */
    bool fsync;       /* false: faster, and a power loss may lose what was acknowledged */
    bool beside;      /* to be read, also while another process has it; nothing is made */
};

ERR_CHECKED enum err_code store_fs_new(const struct store_fs_options *o, struct store **ret_store,
                                       struct err *e);

/* Does a process have the root now? *ret_start changes with each that takes it. For a moment it
 * looks to others as if we had. */
bool store_fs_is_used(const char *root, int64_t *ret_start);

/* Whether a repository has ever been kept below root, which need not be there. */
bool store_fs_used(const char *root);

/* store_mark_get() of a root that need not be there, and may be in use. */
ERR_CHECKED enum err_code store_fs_mark(const char *root, struct buf *ret_text, struct err *e);

/* The data directory of a reference registry (distribution), whose storage.filesystem.rootdirectory
 * is root: to be read, and not written. Symbolic links below root lead nowhere. Error: NOT_FOUND
 * when it is none. */
ERR_CHECKED enum err_code store_distribution_new(const char *root, struct store **ret_store,
                                                 struct err *e);

/* In memory; the second behaves as a store on another machine does, for tests. */
struct store *store_mem_new(void);
struct store *store_mem_remote_new(void);

/* Fails the n-th call (from 1) through it with the given error, once; n = 0 fails none. Takes
 * ownership of inner. */
struct store *store_fault_new(struct store *inner);
void store_fault_arm(struct store *fault, uint64_t n, enum err_code code);
uint64_t store_fault_calls(const struct store *fault); /* calls since it was armed */

/* Logs each call at level DEBUG with its duration. Takes ownership of inner. */
struct store *store_trace_new(struct store *inner);

/* Content in a bucket of an S3 server. What is not said has the value 0, NULL or "". */
struct store_s3_key {
    char access[256], secret[256];
    struct buf token; /* of temporary credentials; empty: none */
};

enum store_s3_sse { STORE_S3_SSE_NONE, STORE_S3_SSE_S3, STORE_S3_SSE_KMS };

struct store_s3_lifecycle { /* rules that the server keeps, in days; 0: no such rule */
    uint64_t expire_uploads_days, abort_multipart_days, expire_versions_days;
    uint64_t transition_days; /* of blobs, to transition_class */
    const char *transition_class;
    uint64_t expire_originals_days;
};

struct store_s3_options {
    const char *bucket;
    const char *region;
    const char *prefix;   /* of all keys; "" or ending in '/' */
    const char *endpoint; /* URL without a path; "": that of AWS for the region */
    bool path_style;
    const char *ca_file; /* PEM; "": the system's authorities */

    /* The key for the next request, and that a server refused one: any thread. */
    enum err_code (*key)(void *ctx, struct store_s3_key *ret_key, struct err *e);
    /* The same without waiting, for readers: UNAVAILABLE when there is none just now. NULL: key().
     */
    enum err_code (*key_now)(void *ctx, struct store_s3_key *ret_key, struct err *e);
    void (*key_refused)(void *ctx, const struct store_s3_key *key);
    void *ctx;

    enum store_s3_sse sse;
    const char *kms_key_id;
    const char *storage_class;
    bool versioning; /* turned on; false: left alone */
    struct store_s3_lifecycle lifecycle;
    uint64_t part_bytes;       /* of an upload in many parts, 5 MiB at least */
    unsigned concurrency;      /* parts of one upload on their way at once */
    uint64_t read_ahead_bytes; /* of blobs, that all readers may keep together */
    const char *temp_path; /* a directory for what is on its way to the server; made if missing */
    uint64_t temp_bytes;   /* that all uploads may have there; 0: what the disk has */
    uint64_t timeout_ms;   /* of one request with all its tries */
    uint64_t look_ms;      /* how often, and how old, what others left to be done; 0: the usual */
};

ERR_CHECKED enum err_code store_s3_new(const struct store_s3_options *o, struct store **ret_store,
                                       struct err *e);

/* store_mark_get() of a bucket, of which nothing is made; error: NOT_FOUND also when it is not
 * there. */
ERR_CHECKED enum err_code store_s3_mark(const struct store_s3_options *o, struct buf *ret_text,
                                        struct err *e);

/* The bucket of a reference registry, whose storage.s3.rootdirectory is the prefix: to be read, and
 * not written. Error: NOT_FOUND when there is nothing of one. */
ERR_CHECKED enum err_code store_s3_distribution_new(const struct store_s3_options *o,
                                                    struct store **ret_store, struct err *e);

/*
 * Whether a store may do what it needs, as `registry config check --online` tells. `why` and
 * `remedy` are "" where there is nothing to say; no text outlives the call.
 */
enum store_right_state {
    STORE_RIGHT_OK,
    STORE_RIGHT_REFUSED,
    STORE_RIGHT_UNSUPPORTED, /* the server has nothing of the kind */
    STORE_RIGHT_UNTRIED,     /* for lack of another one */
};

struct store_right {
    const char *name;  /* "s3:PutObject" */
    const char *tried; /* what was done with it */
    enum store_right_state state;
    bool is_missing; /* the store can't be used like that */
    const char *why, *remedy;
};

typedef void store_right_fn(void *ctx, const struct store_right *right);

/*
 * Tries each right that a store with these options needs, and tells what came of it. What its
 * opening would make of the bucket is made; nothing else stays in it, but for old versions in a
 * bucket that keeps them. Errors: whatever leaves nothing else to be tried: UNAVAILABLE, a key that
 * the server does not take.
 */
ERR_CHECKED enum err_code store_s3_prove(const struct store_s3_options *o, store_right_fn *fn,
                                         void *ctx, struct err *e);
