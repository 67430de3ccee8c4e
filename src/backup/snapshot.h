/* A snapshot of the metadata as a file, which goes away with it, and whether a store has what it
 * names. */
#pragma once

#include "meta/meta.h"
#include "store/store.h"

struct backup_counts {
    struct tag_name tag; /* of the snapshot */
    uint64_t repositories, blobs, manifests, tags;
    uint64_t new_blobs, new_manifests; /* that were copied */
    uint64_t missing;                  /* each told: the store had it no more than the backup has */
};

struct snapshot {
    char *path;
    struct meta *meta; /* of the file; NULL: it is closed */
};

/* A name in the directory; there is no file yet. */
void snapshot_init(struct snapshot *s, const char *work);
ERR_CHECKED enum err_code snapshot_open(struct snapshot *s, struct err *e);

/* The file is whole then, without a log beside it. */
void snapshot_close(struct snapshot *s);
void snapshot_done(struct snapshot *s);

static inline void auto_snapshot_(struct snapshot *s)
{
    snapshot_done(s);
}

/* struct copy.wanted, with the snapshot as ctx: what it names, and tags that lead there. */
bool snapshot_wants(struct snapshot *s, enum store_kind kind, const struct repo_name *repo,
                    const struct digest *d);

/* What a store lacks of what the snapshot names. */
struct snapshot_check {
    const struct snapshot *snapshot;
    struct store *store;
    /* Of each blob that is not there. An error ends it. */
    enum err_code (*lacks)(void *ctx, const struct repo_name *repo, const struct digest *d,
                           uint64_t size_bytes, struct err *e);
    void *ctx;
};

/* Counts rows, too. Manifests that are not there are put there, for the snapshot has their bytes.
 */
ERR_CHECKED enum err_code snapshot_compare(const struct snapshot_check *c,
                                           struct backup_counts *ret_counts, struct err *e);
