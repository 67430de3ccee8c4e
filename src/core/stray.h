/*
 * Strays: what is in the store and meta does not know, manifests and blobs. A kill between "stored"
 * and "committed" left them, or an earlier version that kept what it had refused; or meta was put
 * back from an older backup, and they are what came since. So nothing removes them unasked:
 * reindex_run() takes them back, stray_remove() and stray_condemn() take them away, and which it is
 * to be an operator says.
 */
#pragma once

#include "core/registry.h"

struct stray_walk {
    bool blobs; /* as well as manifests */
    bool tags;  /* those that point to a manifest that meta does not know, as well */
    int64_t
        age_ms; /* they, and such tags, are as old; 0: as upload.timeout says, tags of any age */
    const struct repo_name *repo; /* of this one alone; NULL: all, and what is of none */
    store_item_fn found;
    enum err_code (*looked)(void *ctx, struct err *e); /* after each item of the store; or NULL */
    void *ctx;
};

/* Calls found for each manifest that has been without a row, and each blob without a link that is
 * not about to be deleted either, for longer than upload.timeout, and than age_ms: until then a
 * push may be on its way. Ends with the first error of a function of w, and returns it. Those may
 * remove what found was told of. Asks meta once for each item of the store. */
ERR_CHECKED enum err_code stray_each(struct registry *r, const struct stray_walk *w, struct err *e);

/* A manifest is removed, unless meta knows it by now; a tag is made what meta says of it. In a
 * store that processes share, a manifest that another one pushes in that very moment may lose its
 * copy there, which check puts back; tags are for who has the store alone. */
ERR_CHECKED enum err_code stray_remove(struct registry *r, const struct store_item *item,
                                       struct err *e);

/* A blob is condemned, unless it is linked by now: what a push does meanwhile revives it
 * (removal.h). why is a constant; at_once: no gc.grace is waited. */
ERR_CHECKED enum err_code stray_condemn(struct registry *r, const struct store_item *item,
                                        const char *why, bool at_once, struct err *e);

#define STRAY_REPOS_NAMED 8

struct stray_count {
    uint64_t manifests, bytes;
    struct repo_name repos[STRAY_REPOS_NAMED]; /* that hold them */
    size_t n_repos;
    bool more_repos; /* than are named */
};

void stray_count_add(struct stray_count *c, const struct store_item *manifest);
