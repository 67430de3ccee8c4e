/*
 * What is known of an image: a record of meta by the digest of its manifest, whatever repository it
 * is in, with the counts and what the scanner said beside findings. The findings are a blob
 * (findings_blob.h). An index has no result of its own: it is the sum of its images.
 */
#pragma once

#include "base/buf.h"
#include "core/registry.h"
#include "scan/scanner.h"

#define SCAN_RESULTS STR("scan.results") /* the collection */

enum scan_status {
    SCAN_NOT_SCANNED, /* no record has this one and the next two */
    SCAN_QUEUED,
    SCAN_RUNNING,
    SCAN_COMPLETED,
    SCAN_FAILED,         /* and it never went well; may be tried again */
    SCAN_UNSUPPORTED,    /* can't be scanned: no known distribution, encrypted, too large */
    SCAN_NOT_APPLICABLE, /* no image: a chart, a signature */
    SCAN_STATUSES
};

const char *scan_status_name(enum scan_status s); /* "not_scanned", "completed", ... */

#define SCAN_REASON_MAX 255
#define SCAN_REPOS_MAX  4
#define SCAN_TRIES_MAX  3 /* of an image that fails; then it is not tried by itself */

struct scan_result {
    enum scan_status status;
    char reason[SCAN_REASON_MAX + 1]; /* why it is no other than that; "" */
    uint64_t counts[SEVERITIES];
    uint64_t fixable[SEVERITIES]; /* of these */
    uint64_t distinct;            /* ids among them */
    int64_t oldest_ms;            /* since when the first of them is known; 0: not known */
    struct scan_facts facts;
    char driver[32]; /* the name of the driver, which is not what a scanner calls itself */
    int64_t scanned_ms, took_ms;
    bool stale;                        /* asked for anew, whatever it was scanned with */
    unsigned failures;                 /* since it last went well */
    int64_t failed_ms;                 /* when it failed last since then; 0: it did not */
    char failure[SCAN_REASON_MAX + 1]; /* and why */
    struct digest findings;            /* the blob; text[0] is 0: there are none */
    uint64_t findings_bytes;
    struct digest sboms[SBOM_FORMATS];      /* likewise: of when its layers were read */
    bool lists_due;                         /* these are still being made */
    struct digest config;                   /* of the image, by which whereabouts.h looks for it */
    struct repo_name repos[SCAN_REPOS_MAX]; /* some that have it */
    size_t n_repos;
};

uint64_t scan_result_total(const struct scan_result *s);

/* Completed, of all of the image: what was passed over was not scanned. */
bool scan_result_is_whole(const struct scan_result *s);

/* The worst severity with a count; SEVERITIES: none has. */
enum severity scan_result_worst(const struct scan_result *s);

void scan_result_print(const struct scan_result *s, struct buf *ret_json);
ERR_CHECKED enum err_code scan_result_parse(struct str json, struct scan_result *ret,
                                            struct err *e);

/* Errors: NOT_FOUND; CORRUPT. *ret_version may be NULL. */
ERR_CHECKED enum err_code scan_result_get(struct registry *r, const struct digest *d,
                                          struct scan_result *ret, int64_t *ret_version,
                                          struct err *e);

/* What is known stays, and does not count as new any more. */
ERR_CHECKED enum err_code scan_result_make_stale(struct registry *r, const struct digest *d,
                                                 struct err *e);

/* Each of them, by digest; an error of fn ends it. */
typedef enum err_code (*scan_result_fn)(void *ctx, const struct digest *d,
                                        const struct scan_result *s, struct err *e);
ERR_CHECKED enum err_code scan_results_each(struct registry *r, scan_result_fn fn, void *ctx,
                                            struct err *e);
