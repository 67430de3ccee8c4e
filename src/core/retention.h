/*
 * Retention: which tags go after a while, by the policies of the configuration (`retention`).
 *
 * A tag goes when a policy is about it and no policy that is about it keeps it. Kept whatever the
 * policies say are tags that the rights let nobody move or delete, and those by which a signature
 * refers to an image (meta/referrer_tag.h): they go with it. A policy that matches no repository,
 * or whose tags or keep_tags match no tag in any of its repositories, is most likely misspelt: it
 * is told, and not carried out; so is one of several patterns of repositories, for what it matches.
 * Manifests stay; of those without a tag the collector takes care.
 */
#pragma once

#include "core/registry.h"

struct retention_decision {
    const struct repo_name *repo;
    const struct meta_repo_tag *tag;
    bool goes;
    const char *why; /* the rule, for people */
};

struct retention {
    struct registry *registry; /* NULL in a look: nothing is deleted */
    struct meta *meta;
    const struct conf_retentions *policies;
    int64_t now_ms;
    /* May nobody move or delete the tag? NULL: each may be. */
    bool (*is_immutable)(void *ctx, const struct repo_name *repo, const struct tag_name *tag);
    void *immutable_ctx;
    const char *actor;
    /* For each tag that a policy is about; may be NULL. */
    void (*decided)(void *ctx, const struct retention_decision *d);
    /* Why a policy (from 1 on), or a part of it, is not carried out; may be NULL. */
    void (*told)(void *ctx, size_t policy, const char *why);
    bool (*go_on)(void *ctx, uint64_t deleted); /* asked now and then; NULL: to the end */
    void *ctx;                                  /* of these three */
};

/* By the policies and rights of a registry that serves, as of now; the rest is the caller's. */
struct retention retention_of(struct registry *r, const char *actor);

struct retention_counts {
    uint64_t kept, gone;
    uint64_t policies_told; /* so often */
};

/* Decides, and deletes where there is a registry. Errors: LATER; the first of a step. */
ERR_CHECKED enum err_code retention_run(const struct retention *x,
                                        struct retention_counts *ret_counts, struct err *e);
