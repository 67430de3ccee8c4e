/*
 * backup: content and metadata of one moment, in a store of their own, and back. May include core/
 * and all that core may.
 *
 *     backup_image.c  a snapshot of the metadata as an image of the backup's store
 *     snapshot.c      a snapshot as a file, and whether a store has what it names
 *     backup.c        a backup beside those who serve
 *     restore.c       a registry anew, as it was then
 *
 * First the metadata is read as it is at one moment, then the content that it names is copied. What
 * a removal took between the two is in no live metadata any more: then both are done again. The tag
 * of the snapshot is the last to be written, so one that is there is whole, whatever ended an
 * attempt. Content that earlier backups have is not copied again.
 */
#pragma once

#include "core/copy.h"
#include "meta/meta.h"

struct backup {
    struct meta *meta; /* what is saved; others may write to it and to its store meanwhile */
    struct store *store;
    struct store *to; /* of backups alone */
    const char *work; /* a directory with room for the metadata */

    /* As those of struct copy; what: "copying", ... */
    void (*problem)(void *ctx, const char *text);
    void (*progress)(void *ctx, const char *what, uint64_t done, uint64_t all);
    void *ctx;
};

struct backup_counts {
    struct tag_name tag; /* of the snapshot */
    uint64_t repositories, blobs, manifests, tags;
    uint64_t new_blobs, new_manifests; /* that were copied */
    uint64_t missing;                  /* each told: the store had it no more than the backup has */
};

/* On ERR_OK it is there and durable, without what is missing. Errors: UNSUPPORTED: that database
 * has no snapshots; CONFIG: the registry has a repository of the name that backups use; and those
 * of stores and meta. */
ERR_CHECKED enum err_code backup_run(const struct backup *b, struct backup_counts *ret_counts,
                                     struct err *e);

struct restore {
    struct store *from; /* of backups */
    const struct tag_name *tag;
    struct meta *meta; /* empty, or where the same was begun before; nobody else uses it */
    struct store *to;  /* nor this one */
    const char *work;
    void (*problem)(void *ctx, const char *text);
    void (*progress)(void *ctx, const char *what, uint64_t done, uint64_t all);
    void *ctx;
};

/* The content first, verified, then the metadata: a server that starts on a half refuses. What is
 * missing in the backup is told, and the rest is there. Errors: MANIFEST_UNKNOWN: there is no such
 * backup; CORRUPT; CONFIG: meta is not empty. */
ERR_CHECKED enum err_code restore_run(const struct restore *r, struct backup_counts *ret_counts,
                                      struct err *e);
