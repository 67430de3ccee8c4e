/*
 * An image that is uploaded as an archive (src/archive). Its contents are stored while they come,
 * as uploads that nobody else can see; when the archive is whole and true they become blobs of the
 * repository (or of several, where the archive's own names say so), then come the manifests, then
 * the original, where it is kept, then the tags. What of it fails takes back what went before, so
 * that nothing of a refused archive remains. A process that dies leaves at most what a push leaves
 * that was broken off: blobs and manifests without a tag.
 */
#pragma once

#include "core/image_plan.h"
#include "core/original.h"
#include "core/registry.h"
#include "core/upload_record.h"

struct image_upload; /* one thread at a time */

/* repo is NULL when it will be known later, or the archive's own names are to say it. Errors:
 * TOO_MANY_REQUESTS (upload.concurrent), STORAGE_FULL, told. */
ERR_CHECKED enum err_code image_upload_open(struct registry *r, const struct repo_name *repo,
                                            const char *owner, struct image_upload **ret_upload,
                                            struct err *e);
void image_upload_close(struct image_upload *u); /* accepts NULL */

/* At any time before the end, once. What the repository has already is not stored again from then
 * on. */
void image_upload_set_repo(struct image_upload *u, const struct repo_name *repo);

/* What comes is told to the record, which outlives u; NULL: to none. */
void image_upload_tell(struct image_upload *u, struct upload_record *record);

/* The next bytes of the archive. Errors: IMAGE_INVALID and IMAGE_TOO_LARGE, see
 * image_upload_refusal(); those of upload_write() and original_feed(). */
ERR_CHECKED enum err_code image_upload_feed(struct image_upload *u, const void *p, size_t n,
                                            struct err *e);

/* What only the edge knows. Errors: DENIED and others, told. */
struct image_rights {
    /* May images be pushed there? Asked once of each repository, before anything is stored. */
    enum err_code (*may_push)(void *ctx, const struct repo_name *repo, struct err *e);
    /* May the tag be moved (*ret_create_only: only made)? */
    enum err_code (*may_tag)(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e);
    void *ctx;
};

struct image_stored {
    const struct archive_verdict *verdict;
    const struct image_plan *plan;
    size_t n_blobs, n_new_blobs; /* each once, in how many repositories it may be */
    uint64_t new_bytes;
    const struct original_kept *original; /* NULL: it is not kept */
};

/* The archive has come: it is stored, in the repository that was set, or where its own names lead.
 * wish->repo is not looked at. *ret is good until u is closed. Errors: the same, and those of a
 * push: DENIED, QUOTA, MANIFEST_INVALID ... */
ERR_CHECKED enum err_code image_upload_finish(struct image_upload *u, const struct image_wish *wish,
                                              const char *actor, const struct image_rights *rights,
                                              struct image_stored *ret, struct err *e);

/* Why it was refused; its code is NONE when that was for another reason. */
const struct refusal *image_upload_refusal(const struct image_upload *u);
