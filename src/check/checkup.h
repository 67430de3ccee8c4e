/*
 * check: does what the store has agree with what the database says, and with itself? May include
 * core/ and all that core may.
 *
 *     check_finding.c   the table of what may be found
 *     sums.c            what was seen, as numbers
 *     usage.c           what repositories are said to hold
 *     again.c           the second look at what may be a fault
 *     doubt.c           what may be a fault, until it was looked at again
 *     deep.c            reading everything again
 *     mend.c            repair; mend_manifest.c that of what the database has of a manifest
 *     scrub.c           reading everything in the background, over days
 *     checkup.c         one run: the rows of the database, then the store, then what was not met
 *
 * It runs beside those who serve, and takes no change in progress for a fault. What one pass over
 * rows and another over the store say of the same thing at different times is a doubt, no more. A
 * doubt becomes a finding when it was still so by look-ups of that very thing, of which the last
 * came settle_ms after the first: any push, delete or move of a tag that was under way has ended by
 * then. Where nobody else can have the store, nothing is waited for.
 *
 * Threads: that of the caller. Memory: 16 bytes, and as many to grow, for each blob, manifest and
 * tag, and up to DOUBTS_MOST doubts at a time.
 */
#pragma once

#include "check/check_finding.h"
#include "core/registry.h"

/* What was counted, and how it ended. */
struct check_counts {
    uint64_t blobs, manifests, tags; /* of the database, each once a repository */
    uint64_t objects;                /* of the store */
    uint64_t findings, mended;
    uint64_t bytes; /* of blobs of the database, each once a repository */
};

struct check_options {
    struct registry *registry;
    const struct repo_name *repo; /* this one alone; NULL: all of them */
    int64_t settle_ms;            /* 0: nobody else uses store or database */
    uint64_t min_free_bytes;

    bool deep;            /* reads all content; the following are for that, and not NULL then */
    struct str deep_from; /* a place of deep_page(); empty: from the beginning */
    bool (*deep_goes_on)(void *ctx, uint64_t bytes); /* as in deep.h */
    enum err_code (*deep_page)(void *ctx, const char *place, struct err *e);

    /* Repairs what it can of these, and says of each whether it did; NULL: nothing is repaired. */
    enum err_code (*mend)(void *ctx, const struct check_finding *list, size_t n, bool *ret_mended,
                          struct err *e);
    enum err_code (*found)(void *ctx, const struct check_finding *f, bool mended, struct err *e);
    void (*progress)(void *ctx, const char *what, uint64_t done); /* or NULL */
    void *ctx;
};

/* Reads only, but for what mend() does. Ends with the first error of these functions, of the store
 * or of the database: what could not be read was not checked. LATER: deep_goes_on() said no. */
ERR_CHECKED enum err_code check_run(const struct check_options *o, struct check_counts *ret_counts,
                                    struct err *e);
