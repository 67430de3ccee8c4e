/*
 * Which images of an archive are stored in a repository, and under which tags.
 */
#pragma once

#include "archive/refusal.h"
#include "archive/verdict.h"
#include "base/buf.h"
#include "base/name.h"
#include "core/archive_platform.h"

/* What decides beside the archive. */
struct image_plan_rules {
    bool sparse_indexes;          /* an index may name manifests that are not there */
    uint64_t manifest_bytes;      /* the largest manifest */
    uint64_t manifest_references; /* most descriptors in one */
};

/* What is asked for. */
struct image_wish {
    const char *image;          /* the name that the archive gives it, or its digest; "": all */
    const struct tag_name *tag; /* NULL: those of the archive's names */
    const struct out_platform *platform; /* of indexes, this image; NULL: they are kept whole */
};

struct image_plan_item {
    size_t manifest; /* of the verdict */
    struct tag_name *tags;
    size_t n_tags;
    const struct archive_manifest *partial; /* the index in whose place it is; NULL: none */
};

struct image_plan {
    struct image_plan_item *items;
    size_t n;
    bool *manifests; /* of the verdict, which are stored */
    bool *blobs;     /* likewise */
};

/* Manifests are parsed as those of a push. Errors, told: IMAGE_INVALID, with *f; MANIFEST_INVALID,
 * MANIFEST_TOO_LARGE. */
ERR_CHECKED enum err_code image_plan_make(const struct image_plan_rules *rules,
                                          const struct archive_verdict *v,
                                          const struct image_wish *wish, struct image_plan *ret,
                                          struct refusal *f, struct err *e);
void image_plan_done(struct image_plan *p);

/* One of its images, as clients of /upload-image read it: an object of JSON. */
void image_plan_add_json(struct buf *b, const struct archive_verdict *v,
                         const struct image_plan_item *item);
