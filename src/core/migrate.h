/*
 * Moving all metadata from one database to another, of whatever drivers: every row as it is
 * (meta_rows()), with its version, a page to a transaction. The transaction also writes how far it
 * came, so that the same once more goes on there, whatever ended it. At the end all rows of both
 * are read again and compared by number and digest; only then `to` may be served.
 *
 * Nobody else may write to either meanwhile. One call at a time; it blocks for long.
 */
#pragma once

#include "meta/meta.h"

struct migrate_count {
    uint64_t rows;
    struct digest digest; /* of all of them, in whatever order */
};

enum migrate_step { MIGRATE_COPY, MIGRATE_VERIFY_FROM, MIGRATE_VERIFY_TO };

struct migrate {
    struct meta *from, *to;

    /* May be NULL: so many rows of the kind were done by this call. */
    void (*progress)(void *ctx, enum migrate_step step, enum meta_row_kind kind, uint64_t done);
    void *ctx;
};

/* Gives a database its name, if it has none yet: what is done to `from` otherwise, and needed
 * before when that is a snapshot. */
ERR_CHECKED enum err_code migrate_name(struct meta *from, struct err *e);

/* The beginning alone, or nothing where one was made: `to` is found to be empty, and is a half from
 * then on. Errors as of migrate_run(). */
ERR_CHECKED enum err_code migrate_begin(const struct migrate *m, struct err *e);

/* On ERR_OK all is in `to`, verified and durable; ret_counts has META_ROW_KINDS elements. `from` is
 * changed by one record, which names it for whoever goes on. Errors: CONFIG: `to` is not empty, is
 * `from`, or has a half of another migration; CORRUPT: they differ at the end, which is told; and
 * those of meta. */
ERR_CHECKED enum err_code migrate_run(const struct migrate *m, bool *ret_resumed,
                                      struct migrate_count *ret_counts, struct err *e);

/* Error: CONFIG: a migration into this database was begun, and not finished. */
ERR_CHECKED enum err_code migrate_check_whole(struct meta *m, struct err *e);
