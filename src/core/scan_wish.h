/*
 * Scans (src/scan) are jobs, one an image; with `scan.on_push` the job of an image is added by the
 * transaction of its push. Its key is "REPOSITORY@DIGEST". Which kind it is says who waits.
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

/* Is the config that of an image which can be run? Others have no packages. */
bool scan_is_config(struct str media_type);

/* Adds the operation to ops, and returns how many it added. key lives as long as the operations. */
size_t scan_wish(const struct registry *r, const struct repo_name *repo, const struct digest *d,
                 const struct manifest *m, char ret_key[static SCAN_KEY_MAX + 1],
                 struct meta_op *ops);

/* The transaction is done. Never blocks for long. */
void scan_wished(struct registry *r);
