/*
 * The file system driver, inside. Only fs*.c include this.
 *
 * Files (where they lie: ARCHITECTURE.md, "On disk"); every path is relative to the root's
 * descriptor:
 *
 *     fs.c           opening a root, its lock, health
 *     fs_dir.c       paths; directories that are durable before anything is put into them
 *     fs_blob.c      blobs
 *     fs_manifest.c  manifests and tags
 *     fs_upload.c    uploads and how they become blobs
 *     fs_each.c      finding all that is there
 *     fs_original.c  files as they were uploaded
 *     fs_mark.c      the mark of the whole store
 *     fs_mend.c      modes, and files that never got a name
 *
 * How a file appears: its bytes are written under temp/ and synced, it is renamed or linked to its
 * name, and the directory that holds the name is synced. So a name never shows part of a file, and
 * what is acknowledged is on the disk.
 *
 * No call holds a lock: the kernel's atomic calls are all the exclusion there is.
 */
#pragma once

#include "store/store.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define FS_REPOSITORIES "repositories"
#define FS_UPLOADS      "temp/uploads"
#define FS_NEW          "temp/new" /* files that do not have their name yet; emptied at start */
#define FS_QUARANTINE   "quarantine"
#define FS_LOCK         "registry.lock"
#define FS_MARK         "registry.json"

#define FS_FILE_MODE 0644

/* Longest: "repositories/", a name with a '%' before every component, "/manifests/", a digest. */
#define FS_PATH_MAX 512

#define FS_KNOWN_DIRS 32768

struct fs {
    struct store store;
    char *root; /* for messages */
    int root_fd;
    int lock_fd;
    bool fsync;
    bool beside;                 /* another process may have the root: nothing is written */
    atomic_uint_fast64_t serial; /* makes names in temp/new */

    /* Hashes of the paths of directories whose entry in their parent was synced since the start:
     * a cache where a collision of slots only costs a sync. Keyed, so that no choice of repository
     * names makes two paths have one hash. */
    uint64_t hash_key[2];
    atomic_uint_fast64_t *known_dirs;
};

struct fs_path {
    size_t n;
    char text[FS_PATH_MAX];
};

static inline struct fs *fs_of(struct store *s)
{
    return (struct fs *)s;
}

/* Wall clock. */
static inline int64_t fs_modified_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* fs_dir.c */
void fs_blobs_dir(const struct repo_name *repo, struct fs_path *ret_path);
void fs_blob_path(const struct repo_name *repo, const struct digest *d, struct fs_path *ret_path);
void fs_manifests_dir(const struct repo_name *repo, struct fs_path *ret_path);
void fs_manifest_path(const struct repo_name *repo, const struct digest *d,
                      struct fs_path *ret_path);
void fs_tag_path(const struct repo_name *repo, const struct tag_name *tag,
                 struct fs_path *ret_path);
void fs_upload_dir(const struct uuid *id, struct fs_path *ret_path);
void fs_upload_data(const struct uuid *id, struct fs_path *ret_path);
void fs_upload_note(const struct uuid *id, struct fs_path *ret_path);
void fs_quarantine_path(const struct digest *d, struct fs_path *ret_path);
void fs_new_path(struct fs *f, struct fs_path *ret_path); /* a fresh name in temp/new */

/* The directory exists, and its entry and those of all above it are durable. */
ERR_CHECKED enum err_code fs_dir_make(struct fs *f, const struct fs_path *dir, struct err *e);

/* What was put into or taken out of dir is durable. Not there: success. */
ERR_CHECKED enum err_code fs_dir_sync(struct fs *f, const struct fs_path *dir, struct err *e);

/* All that was written below the root is durable. */
ERR_CHECKED enum err_code fs_sync_all(struct fs *f, struct err *e);

/* Size of the regular file at p. -1 and errno otherwise; ENOENT also for what is no file. */
int fs_file_size(struct fs *f, const struct fs_path *p, uint64_t *ret_size_bytes);

/* A new file at `path` with these bytes; synced: durable, but for its name. */
ERR_CHECKED enum err_code fs_write_new(struct fs *f, const struct fs_path *path, struct str bytes,
                                       bool sync, struct err *e);

/* Puts the synced file at `from` to the name `to`, which must not be taken: -1 and EEXIST then. */
int fs_rename_new(struct fs *f, const struct fs_path *from, const struct fs_path *to);

/* Removes the file at p and syncs dir. Error: `missing` when it is not there. */
ERR_CHECKED enum err_code fs_remove(struct fs *f, const struct fs_path *p,
                                    const struct fs_path *dir, enum err_code missing,
                                    struct err *e);

/* fs_blob.c */
enum err_code fs_blob_stat(struct store *s, const struct repo_name *repo, const struct digest *d,
                           uint64_t *ret_size_bytes, struct err *e);
enum err_code fs_blob_open(struct store *s, const struct repo_name *repo, const struct digest *d,
                           uint64_t known_bytes, struct reader **ret_reader,
                           uint64_t *ret_size_bytes, struct err *e);
enum err_code fs_blob_link(struct store *s, const struct repo_name *from,
                           const struct repo_name *to, const struct digest *d, struct err *e);
enum err_code fs_blob_take(struct store *s, const struct repo_name *repo, const struct digest *d,
                           int fd, struct err *e);
enum err_code fs_blob_delete(struct store *s, const struct repo_name *repo, const struct digest *d,
                             bool elsewhere, struct err *e);

enum err_code fs_blob_quarantine(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct err *e);

/* fs_manifest.c */
enum err_code fs_manifest_put(struct store *s, const struct repo_name *repo, const struct digest *d,
                              struct str bytes, struct err *e);
enum err_code fs_manifests_put(struct store *s, const struct store_manifest *items, size_t n,
                               struct err *e);
enum err_code fs_manifest_get(struct store *s, const struct repo_name *repo, const struct digest *d,
                              struct buf *ret_bytes, struct err *e);
enum err_code fs_manifest_delete(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct err *e);
enum err_code fs_tag_put(struct store *s, const struct repo_name *repo, const struct tag_name *tag,
                         const struct digest *d, struct err *e);
enum err_code fs_tag_get(struct store *s, const struct repo_name *repo, const struct tag_name *tag,
                         struct digest *ret_digest, struct err *e);
enum err_code fs_tag_delete(struct store *s, const struct repo_name *repo,
                            const struct tag_name *tag, struct err *e);
enum err_code fs_tag_sync(struct store *s, const struct repo_name *repo, struct err *e);

/* fs_drop.c */
enum err_code fs_drop(struct store *s, enum store_kind kind, const struct repo_name *repo,
                      const struct digest *d, struct err *e);
enum err_code fs_dropped(struct store *s, enum store_kind kind, const struct repo_name *repo,
                         struct err *e);

/* fs_upload.c */
enum err_code fs_upload_create(struct store *s, const struct uuid *id, struct err *e);
enum err_code fs_upload_open(struct store *s, const struct uuid *id,
                             struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                             struct err *e);
enum err_code fs_upload_write(struct store *s, struct store_upload *u, const void *p, size_t n,
                              uint64_t offset_bytes, struct err *e);
enum err_code fs_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                             uint64_t offset_bytes, size_t *ret_n, struct err *e);
enum err_code fs_upload_sync(struct store *s, struct store_upload *u, const struct store_note *note,
                             uint64_t *ret_durable_bytes, struct err *e);
enum err_code fs_upload_truncate(struct store *s, struct store_upload *u, uint64_t size_bytes,
                                 struct err *e);
enum err_code fs_upload_prepare(struct store *s, struct store_upload *u,
                                const struct repo_name *repo, const struct digest *d,
                                const struct repo_name *twin, struct err *e);
enum err_code fs_upload_commit(struct store *s, struct store_upload *u,
                               const struct repo_name *repo, const struct digest *d,
                               const struct repo_name *twin, struct err *e);
/* Syncs the upload's file and puts it to the name `to`; on success u is only good for closing. */
ERR_CHECKED enum err_code fs_upload_name(struct fs *f, struct store_upload *u,
                                         const struct fs_path *to, struct err *e);
void fs_upload_close(struct store *s, struct store_upload *u);
enum err_code fs_upload_delete(struct store *s, const struct uuid *id, struct err *e);
enum err_code fs_upload_each(struct store *s, store_upload_fn fn, void *ctx, struct err *e);

/* fs_original.c */
enum err_code fs_original_commit(struct store *s, struct store_upload *u,
                                 const struct store_original_name *name, struct err *e);
enum err_code fs_original_open(struct store *s, const struct store_original_name *name,
                               uint64_t known_bytes, struct reader **ret_reader,
                               uint64_t *ret_size_bytes, struct err *e);
enum err_code fs_original_delete(struct store *s, const struct store_original_name *name,
                                 struct err *e);
enum err_code fs_original_each(struct store *s, store_original_fn fn, void *ctx, struct err *e);

/* fs_mark.c */
enum err_code fs_mark_get(struct store *s, struct buf *ret_text, struct err *e);
enum err_code fs_mark_put(struct store *s, struct str text, bool first, struct err *e);
/* fs_mend.c */
enum err_code fs_mend(struct store *s, enum store_odd odd, const char *path, struct err *e);

/* fs_each.c */
DIR *fs_open_dir(int parent, const char *name); /* NULL and errno: it is none */
enum err_code fs_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx, struct err *e);
