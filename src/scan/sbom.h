/*
 * Lists of the packages of an image (software bills of materials), as a scanner wrote them: blobs
 * of SCANS_REPO that its result names (result.h). Rescans read the one of CycloneDX instead of the
 * layers; clients get them. They name the image by its digest and say nothing of repositories, for
 * all that have it share them. Any thread.
 */
#pragma once

#include "base/reader.h"
#include "scan/scanner.h"

#define SBOM_BYTES_MAX (256u << 20) /* of one; a longer one is not kept */

const char *sbom_format_name(enum sbom_format f);       /* "cyclonedx" */
const char *sbom_format_media_type(enum sbom_format f); /* "application/vnd.cyclonedx+json" */
bool sbom_format_parse(struct str name, enum sbom_format *ret);

/* *ret_reader is the caller's; *ret_bytes may be NULL. Errors: BLOB_UNKNOWN, those of the store. */
ERR_CHECKED enum err_code sbom_open(struct registry *r, const struct digest *list,
                                    struct reader **ret_reader, uint64_t *ret_bytes, struct err *e);

/* Into a new file of that directory. Blocks for as long as the store does. */
ERR_CHECKED enum err_code sbom_fetch(struct registry *r, const struct digest *list, int dir_fd,
                                     const char *name, struct err *e);

/* Such a file, which a scanner may have written, becomes a blob that is loose until a result names
 * it (scan_blob_finish()). Errors: NOT_FOUND: there is none, or it is too long; those of uploads.
 */
ERR_CHECKED enum err_code sbom_take(struct registry *r, int dir_fd, const char *name,
                                    struct digest *ret_list, struct err *e);
