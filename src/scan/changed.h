/*
 * What is known of images changes, at this server or another one, and their verdicts have to be
 * made anew. Whoever changes it puts two records in the transaction that does: one that changes
 * with everything, which each server looks at once a second, and one of a 256th of all digests, or
 * of all repositories, of which the others need not be judged again. Random texts, put blindly:
 * nobody waits for anybody.
 */
#pragma once

#include "base/uuid.h"
#include "meta/meta.h"

#define SCAN_CHANGED     STR("scan.changed")
#define SCAN_CHANGED_ALL STR("all")

#define SCAN_SHARES 256 /* of digests, and as many of repositories */

struct scan_changed { /* what the operations point to */
    char share[4];    /* "3f"; of repositories "r3f" */
    struct uuid text;
};

unsigned scan_share(const struct digest *d);
unsigned scan_share_of_repo(const struct repo_name *repo); /* the same at each server */

/* Fills two operations. changed lives as long as they do. */
#define SCAN_CHANGED_OPS 2
void scan_changed_ops(const struct digest *d, struct scan_changed *changed,
                      struct meta_op ops[static SCAN_CHANGED_OPS]);

/* The same of all images of a repository. */
void scan_changed_repo_ops(const struct repo_name *repo, struct scan_changed *changed,
                           struct meta_op ops[static SCAN_CHANGED_OPS]);
