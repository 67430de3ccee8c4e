/*
 * Images of an archive, pushed to a repository of a registry: their blobs, several at once, then
 * their manifests, then their tags.
 */
#pragma once

#include "cli/archive_file.h"
#include "cli/blob_push.h"
#include "cli/progress_bar.h"
#include "core/image_plan.h"

struct image_push {
    struct remote_registry *registry;
    const char *repository_url;       /* "https://host/v2/team/app" */
    const char *from;                 /* as in blob_push; NULL: whichever there is */
    const struct resume_notes *notes; /* likewise; NULL: none are kept */
    const struct archive_file *archive;
    const struct image_place *place; /* of the plan */
    unsigned jobs;
    bool one_of_several; /* then its manifests are there before any tag of another is set */
    FILE *bar;           /* where progress is shown; NULL: nowhere */

    /* What came of a blob; one call at a time, from any thread. */
    void (*tell)(void *ctx, const struct archive_blob *b, enum blob_result r);
    void *ctx;

    /* Filled by image_push_look(); *_done() releases. */
    struct image_push_blob *blobs;
    size_t n_blobs, n_missing;
    uint64_t missing_bytes;
    /* By image_push_blobs(). */
    size_t n_sent;
    uint64_t sent_bytes;
};

void image_push_done(struct image_push *p);

/* Which blobs are missing; those that are there are told. Errors: of blob_push_look(). */
ERR_CHECKED enum err_code image_push_look(struct image_push *p, struct err *e);

/* The missing ones, as image_push_look() found them. Errors: of blob_push_run(). */
ERR_CHECKED enum err_code image_push_blobs(struct image_push *p, struct err *e);

/* When all blobs are there. Errors: UNAVAILABLE, what the server says; CORRUPT, when it has another
 * digest for one. */
ERR_CHECKED enum err_code image_push_manifests(struct image_push *p, struct err *e);

/* At the end. Errors: the same; UNSUPPORTED, the server gives no tag to a digest of sha512. */
ERR_CHECKED enum err_code image_push_tags(struct image_push *p, struct err *e);

static inline void auto_image_push_(struct image_push *p)
{
    image_push_done(p);
}
