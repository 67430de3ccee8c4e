/*
 * backup: content and metadata of one moment, in a store of their own, and back. May include core/
 * and all that core may.
 *
 *     backup_image.c  a snapshot of the metadata as an image of the backup's store
 *     snapshot.c      a snapshot as a file
 *     carry.c         what a snapshot names, from one store to another
 *     backup.c        a backup beside those who serve
 *     restore.c       a registry anew, as it was then
 *     prune.c         old backups go
 *
 * First the metadata is read as it is at one moment, then the content that it names is copied. What
 * a removal took between the two is in no live metadata any more: then both are done again. The tag
 * of the snapshot is the last to be written, so one that is there is whole, whatever ended an
 * attempt. Content that earlier backups have is not copied again.
 */
#pragma once

#include "backup/carry.h"

struct backup {
    struct meta *meta; /* what is saved; others may write to it and to its store meanwhile */
    struct store *store;
    struct store *to; /* of backups alone */
    const char *work; /* a directory with room for the metadata */

    struct backup_told told;
};

/* On ERR_OK it is there and durable, without what is missing. Errors: UNSUPPORTED: that database
 * has no snapshots; CONFIG: the registry has a repository of the name that backups use; and those
 * of stores and meta. */
ERR_CHECKED enum err_code backup_run(const struct backup *b, struct backup_counts *ret_counts,
                                     struct err *e);
