/*
 * Pushing a manifest (dist-spec "Pushing Manifests"; ARCHITECTURE.md "The life of a push").
 */
#pragma once

#include "core/event.h"
#include "core/tag_judge.h"

/* What the push may find, after RFC 9110, 13.1. Of a push by digest that sets no tag, it is about
 * the manifest. */
struct push_condition {
    bool given;
    bool any; /* "*": whatever is there */
    const struct digest *digests;
    size_t n;
};

struct push {
    const struct repo_name *repo;
    struct str bytes;
    struct str content_type;
    const struct digest *digest; /* what the client says it is, or NULL: sha256 is computed */
    const struct tag_name *tags; /* to be moved to it */
    const bool *create_only;     /* of each tag: it may be made but not moved; NULL: all may */
    size_t n_tags;
    const char *actor;             /* for the history of the tags: "user:alice"; NULL: not known */
    const struct event_origin *by; /* for its events; NULL: the actor is all that is known */
    struct push_condition match;   /* If-Match: each tag points to one of these */
    struct push_condition none_match; /* If-None-Match: no tag points to one of these */
    bool scan;   /* it is to be scanned when it is an image, whatever scan.on_push says */
    bool bypass; /* whatever the registry's tag_judge says */
    bool own;    /* by the registry itself, into a repository of its own */
    const struct meta_op *more; /* in the transaction of the push, behind all of it */
    size_t n_more;
};

struct pushed {
    struct digest digest;
    bool has_subject;
    struct digest subject;
    char warning[TAG_WARNING_MAX + 1]; /* of the tag_judge; "": none */
    bool bypassed;                     /* it would have said no */
};

/* Errors: DENIED (a tag of create_only points elsewhere, or the tag_judge says no),
 * MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN, PRECONDITION. */
ERR_CHECKED enum err_code push_manifest(struct registry *r, const struct push *p,
                                        struct pushed *ret_pushed, struct err *e);
