/*
 * Reading everything again: is each blob what its digest says? Blobs go by the rows of the
 * database, so that there is a place to go on from; bytes that are there under several names are
 * read once. What was found is a doubt, and so is what could not be read; where the store is
 * away altogether, reading ends with its error.
 */
#pragma once

#include "check/doubt.h"

struct deep {
    struct registry *r;
    const struct repo_name *repo; /* this one alone; NULL: all */
    struct str from;              /* a place that page() was told of; empty: from the beginning */
    doubt_fn doubt;
    /* After so many bytes more: false, it is to end. */
    bool (*goes_on)(void *ctx, uint64_t bytes);
    enum err_code (*page)(void *ctx, const char *place, struct err *e); /* all before was read */
    void *ctx;
};

/* Error: LATER, it was to end. */
ERR_CHECKED enum err_code deep_blobs(const struct deep *o, struct err *e);

/* The manifests of the store, against those of the database. */
ERR_CHECKED enum err_code deep_manifests(const struct deep *o, struct err *e);

/* How long to rest after so many bytes that took so long, for no more than that a second; 0: there
 * is no limit. */
int64_t deep_rest_ms(uint64_t rate_bytes, uint64_t bytes, int64_t took_ms);
