/*
 * The history of tags: where each one pointed, as long as gc.history says, and the way back.
 */
#pragma once

#include "core/registry.h"

struct rollback {
    const struct repo_name *repo;
    const struct tag_name *tag;
    const struct digest *to; /* where to; NULL: where it was before its last move */
    bool create_only;        /* it may be made again when it was deleted, but not moved */
    bool bypass;             /* whatever the registry's tag_judge says */
    const char *actor;       /* who does this: "user:alice" */
};

struct rolled_back {
    struct digest digest;   /* where the tag points now */
    struct digest previous; /* where it did; n is 0: it was not there */
    bool bypassed;          /* the tag_judge would have said no */
};

/*
 * Moves the tag back, unless somebody else moves it meanwhile; that is a move of its own, which the
 * next rollback takes back. Errors, all told: MANIFEST_UNKNOWN (the tag has no history, or has not
 * been there; the manifest is not kept any more), DENIED (create_only; the tag_judge), CONFLICT (it
 * was moved meanwhile; it is there already), QUOTA.
 */
ERR_CHECKED enum err_code history_rollback(struct registry *r, const struct rollback *b,
                                           struct rolled_back *ret_done, struct err *e);

/* Forgets what is older than gc.history. For a job. */
ERR_CHECKED enum err_code history_prune(struct registry *r, struct err *e);
