/*
 * A store belongs to one database. Another one over the same store would take what the first needs
 * for what nobody needs (uploads, strays, blobs that lose their last link), and remove it. So the
 * store has a mark (store_mark_get()) that names its database, as JSON:
 *
 *     {"database":"UUID","host":"NAME","since":"2026-01-31T23:59:59.000Z"}
 *
 * The name of a database is that of replicas/database_id.h: a copy has it as well, and so has one
 * that metadata was migrated to.
 */
#pragma once

#include "base/clock.h"
#include "meta/meta.h"
#include "store/store.h"

#define OWNER_HOST_MAX 64

struct owner {
    struct uuid database;
    char host[OWNER_HOST_MAX + 1]; /* on which the mark was made */
    char since[CLOCK_RFC3339_SIZE];
};

/* Error: CORRUPT. */
ERR_CHECKED enum err_code owner_parse(struct str mark, struct owner *ret_owner, struct err *e);

/* Is it this database that the store belongs to? m may be NULL: it is not made yet. Changes
 * nothing. Error: CONFIG, which says whose the store is, and the ways out. */
ERR_CHECKED enum err_code owner_check(const struct owner *o, struct meta *m, struct err *e);

/* The same of what the store says. One that says nothing is whoever's. */
ERR_CHECKED enum err_code owner_match(struct store *s, struct meta *m, struct err *e);

/*
 * The store is this database's: by its mark, or because it had none and has one now. Of several
 * processes that begin at once on one database all succeed; of several databases one does, where
 * the server looks. Where the store (or the database) is full or may not be written to, and has no
 * mark, that is *ret_unmarked, whose code is else ERR_OK: who goes on is not protected.
 *
 * Errors: CONFIG as above; CORRUPT; those of store and meta.
 */
ERR_CHECKED enum err_code owner_claim(struct store *s, struct meta *m, struct err *ret_unmarked,
                                      struct err *e);

/* Makes it this database's, whosever it was: *ret_before, with an empty name when it was nobody's,
 * or nobody can tell. ret_now: as it is marked now. Nobody else may use the store meanwhile. */
ERR_CHECKED enum err_code owner_take(struct store *s, struct meta *m, struct owner *ret_before,
                                     struct owner *ret_now, struct err *e);
