/*
 * Pushing a manifest (dist-spec "Pushing Manifests"; design.md "A manifest push").
 */
#pragma once

#include "core/reference.h"
#include "core/registry.h"

struct push {
    const struct repo_name *repo;
    struct str bytes;
    struct str content_type;
    const struct digest *digest; /* what the client says it is, or NULL: sha256 is computed */
    const struct tag_name *tags; /* to be moved to it */
    const bool *create_only;     /* of each tag: it may be made but not moved; NULL: all may */
    size_t n_tags;
    bool if_absent;                /* If-None-Match: *: the tags must not exist */
    bool if_present;               /* If-Match: *: the tags must exist */
    const struct digest *if_match; /* If-Match: the tags must point here; NULL: wherever */
};

struct pushed {
    struct digest digest;
    bool has_subject;
    struct digest subject;
};

/* Errors: DENIED (a tag of create_only points elsewhere), MANIFEST_INVALID, DIGEST_INVALID,
 * MANIFEST_BLOB_UNKNOWN, PRECONDITION. */
ERR_CHECKED enum err_code push_manifest(struct registry *r, const struct push *p,
                                        struct pushed *ret_pushed, struct err *e);
