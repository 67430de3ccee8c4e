/*
 * Archives of images, read as they come: docker-archive, OCI image layout, and both in one. May
 * include base/. No HTTP, no users, no store: contents go to a sink while they arrive.
 *
 * An archive is read once, in its own order, whatever that is: contents come before what names
 * them in nearly all. So each file is stored (or kept, when it is small) with its digest, and, when
 * it is packed by gzip or zstd, that of what it unpacks to; which of them are layers, and whether
 * the image is whole and true, is decided at the end. Nothing is ever unpacked to a path.
 *
 * Memory is bounded by archive_limits; one thread at a time has an archive; nothing blocks but the
 * sink. Sources: Docker Image Specification v1.2 "Combined Image JSON + Filesystem Changeset
 * Format"; OCI image-spec "Image Layout".
 */
#pragma once

#include "archive/pack.h"
#include "archive/refusal.h"
#include "archive/sink.h"
#include "archive/verdict.h"

struct archive;

/* The limits are copied; sink and ctx live as long as the archive. */
struct archive *archive_new(const struct archive_limits *limits, const struct archive_sink *sink,
                            void *ctx);
void archive_free(struct archive *a); /* accepts NULL */

/* Before the first bytes: plain tars among the members are packed on their way to the sink, unless
 * they are named by their digest, as in OCI layouts. What the verdict says of them is said of the
 * packed form. */
void archive_pack(struct archive *a, const struct packing_form *form);

/* The next bytes. Errors: IMAGE_INVALID, IMAGE_TOO_LARGE: see archive_refusal(); those of the
 * sink. After any, the archive is only good for freeing. */
ERR_CHECKED enum err_code archive_feed(struct archive *a, const void *p, size_t n, struct err *e);

/* Does gzip or its like stand around it? Known when the sink is called first. */
bool archive_is_packed(const struct archive *a);

/* All have come. *ret_verdict is the archive's, as long as it lives. Errors: the same. */
ERR_CHECKED enum err_code archive_end(struct archive *a, const struct archive_verdict **ret_verdict,
                                      struct err *e);

/* Why it was refused; its code is NONE when it was not. */
const struct refusal *archive_refusal(const struct archive *a);

static inline void auto_archive_(struct archive **a)
{
    archive_free(*a);
}
