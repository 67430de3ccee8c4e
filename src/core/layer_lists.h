/*
 * What files each layer has (analysis/layer_files.h), found out once for all images that have the
 * layer, and kept: as a blob of a repository of our own, whose digest is in a record of meta by the
 * layer's. One of a layer that is gone is forgotten within a day.
 *
 * The record is written first, then the blob: so no blob is without one. One whose blob is not
 * there, or damaged, is as if there were none, and the layer is read again.
 */
#pragma once

#include "analysis/kept_list.h"
#include "analysis/layer_reader.h"
#include "core/registry.h"

struct layer_wanted {
    const struct repo_name *repo; /* that has it */
    const struct digest *digest;
    struct layer_limits limits;
    bool (*go_on)(void *ctx); /* asked now and then while the layer is read; may be NULL */
    void *ctx;
};

/* The kept list; or the layer is read, and its list kept. One that can't be kept (the disk is full)
 * is an answer all the same: *ret_kept is why, or OK. Of one layer a process reads its bytes once
 * at a time. Errors: those of layer_read(), pull_blob() and meta. */
ERR_CHECKED enum err_code layer_lists_get(struct registry *r, const struct layer_wanted *w,
                                          struct layer_files **ret_files, enum err_code *ret_kept,
                                          struct err *e);

/* The kept list, of which only some is wanted. Error: NOT_FOUND: there is none, or it is damaged.
 */
ERR_CHECKED enum err_code layer_lists_find(struct registry *r, const struct digest *layer,
                                           uint64_t max_bytes, kept_list_want want, void *ctx,
                                           struct layer_files **ret_files, struct err *e);

/* Is there one? */
bool layer_lists_has(struct registry *r, const struct digest *layer);

/* The kind of job that forgets; before jobs start. */
void layer_lists_jobs(struct registry *r);

/* What it does, for tests. */
ERR_CHECKED enum err_code layer_lists_forget(struct registry *r, struct err *e);
