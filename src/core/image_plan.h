/*
 * Which images of an archive are stored, in which repositories, and under which tags: all in one
 * that is asked for, or each where the names lead that the archive has for it.
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
    uint64_t repositories;        /* most that the archive's own names lead to */
    uint64_t name_bytes;          /* the longest of these */
};

/* What is asked for. */
struct image_wish {
    const struct repo_name *repo; /* NULL: those of the archive's names */
    const char *image;            /* the name that the archive gives it, or its digest; "": all.
                                   * Without repo, of several names of an image this one */
    const struct tag_name *tag;   /* NULL: those of the archive's names */
    const struct out_platform *platform; /* of indexes, this image; NULL: they are kept whole */
};

struct image_plan_item {
    size_t manifest; /* of the verdict */
    struct tag_name *tags;
    size_t n_tags;
    const struct archive_manifest *partial; /* the index in whose place it is; NULL: none */
};

/* What of it one repository gets. */
struct image_place {
    struct repo_name repo;
    struct image_plan_item *items;
    size_t n;
    bool *manifests; /* of the verdict, which are stored */
    bool *blobs;     /* likewise */
};

struct image_plan {
    struct image_place *places;
    size_t n;
};

/* Manifests are parsed as those of a push. Errors, told: IMAGE_INVALID, with *f; MANIFEST_INVALID,
 * MANIFEST_TOO_LARGE. */
ERR_CHECKED enum err_code image_plan_make(const struct image_plan_rules *rules,
                                          const struct archive_verdict *v,
                                          const struct image_wish *wish, struct image_plan *ret,
                                          struct refusal *f, struct err *e);
void image_plan_done(struct image_plan *p);

/* Its images, as clients of /upload-image read them: members of an object of JSON. */
void image_plan_add_json(struct buf *b, const struct archive_verdict *v,
                         const struct image_plan *p);
