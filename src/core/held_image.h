/*
 * An archive whose images wait for a verdict (`upload.scan: block`). Its contents and manifests are
 * in a repository of the registry's own, HELD_REPO KEY, where KEY is that of its session
 * (core/archive_session.h); so is a blob that says which repositories and tags they are to have.
 * Nothing names that repository but the session: when that has ended, or never came to be, all of
 * it goes.
 */
#pragma once

#include "core/image_publish.h"
#include "core/original.h"

struct held_image {
    struct registry *r;
    struct repo_name repo;          /* where it is */
    struct archive_verdict verdict; /* of manifests that are stored nowhere, without their bytes */
    struct image_plan plan;
    struct original_held original; /* its record is NULL: none is kept */
    /* what their texts are of: */
    json_t *json;
    struct meta_manifest **manifests; /* NULL: it is stored nowhere */
};

/* Puts it there, or what is missing of it. Its original has been held, if there is one (NULL).
 * *ret_plan is the digest of the blob. Errors: those of image_publish(); UNAVAILABLE. */
ERR_CHECKED enum err_code
held_image_put(struct registry *r, const char *key, const struct archive_verdict *v,
               const struct image_plan *plan, const struct original_held *original,
               const struct image_source *source, struct digest *ret_plan, struct err *e);

/* Errors: BLOB_UNKNOWN, MANIFEST_UNKNOWN: not all of it is there; CORRUPT. */
ERR_CHECKED enum err_code held_image_get(struct registry *r, const char *key,
                                         const struct digest *plan, struct held_image *ret,
                                         struct err *e);
void held_image_done(struct held_image *h);

/* Mounts them from there; h is its ctx. before_tags is NULL. */
struct image_source held_image_source(struct held_image *h);

/* All of it goes. Errors: those of deleting; what is left is found by the sweep. */
ERR_CHECKED enum err_code held_image_remove(struct registry *r, const char *key, struct err *e);

/* The original that is kept of it goes, unless it was published; what fails stays. Before its
 * session ends. */
void held_image_drop_original(struct registry *r, const char *key, const struct digest *plan);

/* Removes all whose keys are_held() says no of. */
typedef enum err_code (*held_image_fn)(void *ctx, struct str key, bool *ret_is, struct err *e);
ERR_CHECKED enum err_code held_images_sweep(struct registry *r, held_image_fn is_held, void *ctx,
                                            struct err *e);

static inline void auto_held_image_(struct held_image *h)
{
    held_image_done(h);
}
