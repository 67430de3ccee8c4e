/*
 * Images of an archive become images of repositories: blobs first, then manifests, then the tags of
 * all of them. What fails takes back what went before: what was new goes, unless somebody else
 * names it meanwhile, and tags are where they were.
 */
#pragma once

#include "core/image_plan.h"
#include "core/registry.h"

/* What only the edge knows. Errors: DENIED and others, told. */
struct image_rights {
    /* May images be pushed there? Asked once of each repository, before anything is stored. */
    enum err_code (*may_push)(void *ctx, const struct repo_name *repo, struct err *e);
    /* May the tag be moved (*ret_create_only: only made)? */
    enum err_code (*may_tag)(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e);
    void *ctx;
};

/* Where blobs are until then. */
struct image_source {
    /* Makes a blob of the verdict one of repo, which does not have it; once for each blob, for
     * other repositories get it from that one. */
    enum err_code (*bring)(void *ctx, const struct repo_name *repo, size_t blob, struct err *e);
    void (*spare)(void *ctx, size_t blob); /* the repository has it already; or NULL */
    /* All manifests are there; or NULL. Else what it did is taken back. */
    enum err_code (*before_tags)(void *ctx, struct err *e);
    void (*take_back)(void *ctx);
    void *ctx;
};

struct publishing {
    struct registry *r;
    const struct archive_verdict *verdict;
    const struct image_plan *plan;
    const char *actor;                 /* for the history of tags */
    const struct image_rights *rights; /* NULL: a repository of the registry's own */
    const struct image_source *source;
    bool scan; /* images are to be scanned, whatever scan.on_push says */
    /* what came of it: each blob once, in how many repositories it may be */
    size_t n_blobs, n_new_blobs;
    uint64_t new_bytes;
};

/* May all of it be stored: rights, tags, quotas? Errors, told: DENIED, QUOTA, those of rights. */
ERR_CHECKED enum err_code image_publish_check(const struct publishing *p, struct err *e);

/* Errors: those of a push; UNAVAILABLE, told: a part of it was deleted meanwhile. */
ERR_CHECKED enum err_code image_publish(struct publishing *p, struct err *e);

/* A part of it that was there is no more. Error: UNAVAILABLE, told. */
enum err_code image_publish_gone(const struct digest *d, struct err *e);
