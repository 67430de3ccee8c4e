/*
 * Scans (src/scan) are jobs, one an image; with `scan.on_push` the job of an image is added by the
 * transaction of its push. Its key is "REPOSITORY@DIGEST". Which kind it is says who waits.
 *
 * Where the pull policy gives images a time to be scanned in (registry.scans_awaited), the same
 * transaction makes a record of that key: since when the image has been waiting.
 */
#pragma once

#include "core/manifest.h"
#include "core/registry.h"

#define SCAN_ASKED  "scan"        /* somebody waits for it */
#define SCAN_PUSHED "scan.pushed" /* it has just been pushed */
#define SCAN_AGAIN  "scan.again"  /* it has been scanned, or nobody is in a hurry */

#define SCAN_KEY_MAX (REPO_NAME_MAX + 1 + DIGEST_TEXT_MAX)

/* "REPOSITORY@DIGEST". */
void scan_key(const struct repo_name *repo, const struct digest *d,
              char ret_key[static SCAN_KEY_MAX + 1]);

/* What the operations point to; lives as long as they do. */
struct scan_wish {
    char key[SCAN_KEY_MAX + 1];
    char now[STR_DECIMAL_MAX];
};

#define SCAN_WISH_OPS 2 /* at most */

/* always: whatever scan.on_push says. Adds the operations to ops, and returns how many it added.
 * Blocks. */
size_t scan_wish(const struct registry *r, const struct repo_name *repo, const struct digest *d,
                 const struct manifest *m, bool always, struct scan_wish *w, struct meta_op *ops);

/* The transaction is done. Never blocks for long. */
void scan_wished(struct registry *r, bool always);

/* The records of images that wait: a wall clock in ms. */
#define SCAN_AWAITED STR("scan.awaited")

/* Since when the image waits in that repository, which is from now on if nobody has said so.
 * Errors: those of meta. */
ERR_CHECKED enum err_code scan_awaited_since(struct registry *r, const struct repo_name *repo,
                                             const struct digest *d, int64_t now_ms,
                                             int64_t *ret_ms, struct err *e);

/* It has been scanned, all of it. */
ERR_CHECKED enum err_code scan_awaited_over(struct registry *r, const struct repo_name *repo,
                                            const struct digest *d, struct err *e);
