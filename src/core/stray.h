/*
 * Strays: manifests in the store that meta does not know. A kill between "stored" and "committed"
 * left them, or an earlier version that kept what it had refused; or meta was put back from an
 * older backup, and they are what came since. So nothing removes them by itself: reindex_run()
 * takes them back, stray_remove() removes them, and which it is to be an operator says.
 */
#pragma once

#include "core/registry.h"

struct stray_walk {
    bool tags; /* those that point to a manifest that meta does not know, as well */
    store_item_fn found;
    enum err_code (*looked)(void *ctx, struct err *e); /* after each item of the store; or NULL */
    void *ctx;
};

/* Calls found for each manifest that has been without a row for longer than upload.timeout: until
 * then a push may be on its way. Ends with the first error of a function of w, and returns it.
 * Those may remove what found was told of. Asks meta once for each item of the store. */
ERR_CHECKED enum err_code stray_each(struct registry *r, const struct stray_walk *w, struct err *e);

/* A manifest is removed, unless meta knows it by now; a tag is made what meta says of it. Nobody
 * else may write to the store meanwhile but this process. */
ERR_CHECKED enum err_code stray_remove(struct registry *r, const struct store_item *item,
                                       struct err *e);

#define STRAY_REPOS_NAMED 8

struct stray_count {
    uint64_t manifests, bytes;
    struct repo_name repos[STRAY_REPOS_NAMED]; /* that hold them */
    size_t n_repos;
    bool more_repos; /* than are named */
};

void stray_count_add(struct stray_count *c, const struct store_item *manifest);
