/*
 * An image that is uploaded as an archive (src/archive). Its contents are stored while they come,
 * as uploads that nobody else can see; when the archive is whole and true they become blobs of the
 * repository (or of several, where the archive's own names say so), then come the manifests, then
 * the original, where it is kept, then the tags. What of it fails takes back what went before, so
 * that nothing of a refused archive remains. A process that dies leaves at most what a push leaves
 * that was broken off: blobs and manifests without a tag.
 */
#pragma once

#include "core/image_publish.h"
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

struct image_stored {
    const struct archive_verdict *verdict;
    const struct image_plan *plan;
    size_t n_blobs, n_new_blobs; /* each once, in how many repositories it may be */
    uint64_t new_bytes;
    const struct original_kept *original; /* NULL: it is not kept */
    bool scan_asked;                      /* images are to be scanned, now that they are there */
    bool scanned;                         /* they were, and passed */
};

/* The archive has come: is it whole and true, and may all of it be stored, in the repository that
 * was set, or where its own names lead? wish->repo is not looked at. Errors: the same; DENIED,
 * QUOTA. */
ERR_CHECKED enum err_code image_upload_check(struct image_upload *u, const struct image_wish *wish,
                                             const struct image_rights *rights, struct err *e);

/* Does it have to wait for a verdict (`upload.scan: block`), as it was checked? */
bool image_upload_waits(const struct image_upload *u);

/* Then: it is put where it waits, under that key (core/held_image.h). Errors: those of
 * held_image_put(). */
ERR_CHECKED enum err_code image_upload_hold(struct image_upload *u, const char *key,
                                            struct digest *ret_plan, struct err *e);

/* Else: it is stored. *ret is good until u is closed. Errors: those of a push. */
ERR_CHECKED enum err_code image_upload_store(struct image_upload *u, const char *actor,
                                             const struct image_rights *rights,
                                             struct image_stored *ret, struct err *e);

/* What of it was put where it waits goes, with its original. */
void image_upload_unhold(struct image_upload *u, const char *key);

/* What came of it, for its record; also of one that has waited. */
void image_stored_tell(const struct image_stored *s, struct upload_record *record);

/* Why it was refused; its code is NONE when that was for another reason. */
const struct refusal *image_upload_refusal(const struct image_upload *u);
