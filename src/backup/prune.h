/*
 * Old backups go: their snapshots, and content that none of those that stay names. Every snapshot
 * that stays is read before anything is removed; the tag of one that goes is removed first, so what
 * is there is whole whatever ends a removal, and the next one does the rest.
 */
#pragma once

#include "backup/carry.h"

struct prune {
    struct store *place; /* of backups alone, and of nobody else meanwhile */
    size_t keep;         /* so many of the latest stay; at least 1 */
    const char *work;    /* a directory with room for the metadata of one */
    struct backup_told told;
};

struct prune_counts {
    uint64_t backups, blobs, manifests; /* that are gone */
    uint64_t bytes; /* of blobs; links to the same file count in each repository */
};

/* Error: CORRUPT: a snapshot that stays can't be read, and nothing was removed. */
ERR_CHECKED enum err_code prune_run(const struct prune *p, struct prune_counts *ret_counts,
                                    struct err *e);
