/* A registry made anew from a backup. */
#pragma once

#include "backup/carry.h"

struct restore {
    struct store *from; /* of backups */
    const struct tag_name *tag;
    struct meta *meta; /* empty, or where the same was begun before; nobody else uses it */
    struct store *to;  /* nor this one */
    const char *work;
    bool take_over; /* also a store that belongs to a database that is not the backup's */
    struct backup_told told;
};

/* The content first, verified, then the metadata: a server that starts on a half refuses. What is
 * missing in the backup is told, and the rest is there. The store belongs to the database then.
 * Errors: MANIFEST_UNKNOWN: there is no such backup; CORRUPT; CONFIG: meta is not empty, or the
 * store belongs to another database than the backup is of (core/owner.h), and nothing was done. */
ERR_CHECKED enum err_code restore_run(const struct restore *r, struct backup_counts *ret_counts,
                                      struct err *e);
