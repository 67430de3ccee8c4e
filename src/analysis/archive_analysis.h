/*
 * Analysis of an image that comes as an archive (archive/archive.h): its layers are read while they
 * come, whatever their order, and nothing is stored. One thread at a time has one.
 */
#pragma once

#include "analysis/layer_reader.h"
#include "archive/sink.h"
#include "base/buf.h"

struct analysis_limits {
    struct layer_limits layer;
    uint64_t memory_bytes; /* of all lists, and the tree, each */
};

struct archive_analysis;

/* The limits are copied. */
struct archive_analysis *archive_analysis_new(const struct archive_limits *archive,
                                              const struct analysis_limits *limits);
void archive_analysis_free(struct archive_analysis *a); /* accepts NULL */

/* The next bytes. Errors, told: IMAGE_INVALID, IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code archive_analysis_feed(struct archive_analysis *a, const void *p, size_t n,
                                                struct err *e);

/* All have come: appends the report (report.h) of the image of that name, or platform
 * ("linux/arm64"); each may be empty where there is only one. Errors, told: the same;
 * REQUEST_INVALID, when there are several, with what there is. */
ERR_CHECKED enum err_code archive_analysis_end(struct archive_analysis *a, struct str name,
                                               struct str platform, struct buf *ret_json,
                                               struct err *e);

AUTO_POINTER(archive_analysis, archive_analysis_free);
