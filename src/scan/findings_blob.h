/*
 * The findings of an image as a blob of SCANS_REPO: a line that says which image and when, so that
 * no two are alike; a line of JSON each, the worst first (finding_cmp()); then where each line
 * begins, 8 bytes little endian each: twice the offset, and 1 where there is a fix. How many there
 * are, of each severity, is in the result. So a page is a read of some numbers and of one stretch
 * of the file.
 *
 * A line is an item of `details` of the API as it stands.
 */
#pragma once

#include "base/json.h"
#include "core/registry.h"
#include "scan/result.h"

struct upload;

/* Appends the line, without its end. */
void finding_print(const struct finding *f, struct buf *ret_line);

/* Texts are borrowed from *ret_json, which the caller frees (json_decref); NULL after an error.
 * Error: CORRUPT. */
ERR_CHECKED enum err_code finding_parse(struct str line, struct finding *ret, json_t **ret_json,
                                        struct err *e);

/*
 * Ends the upload of a blob of SCANS_REPO, findings or not; takes u. Nothing names it before the
 * caller's transaction: until then a record of SCAN_LOOSE does, by which it is found when that
 * never comes; so that transaction deletes the record. Errors: those of uploads and of meta.
 */
#define SCAN_LOOSE STR("scan.loose") /* by digest of the blob: since when, wall clock, decimal */
ERR_CHECKED enum err_code scan_blob_finish(struct registry *r, struct upload *u,
                                           struct digest *ret_digest, struct err *e);

/* Writes and links it, as scan_blob_finish() does. The list is sorted. Errors: those of uploads. */
ERR_CHECKED enum err_code findings_write(struct registry *r, const struct digest *image,
                                         const struct finding_list *l, struct digest *ret_digest,
                                         uint64_t *ret_bytes, struct err *e);

/* Which findings. */
struct findings_query {
    unsigned severities; /* bit 1 << severity; 0: all */
    enum { FINDINGS_ANY, FINDINGS_FIXABLE, FINDINGS_UNFIXABLE } fix;
    uint64_t from; /* place of the first that may be among them; 0 at first */
    size_t limit;
};

/* A page ends sooner than at its limit behind so many bytes. */
#define FINDINGS_PAGE_BYTES (1u << 20)
#define FINDINGS_PAGE_MAX   1000

/* Each line that is asked for. *ret_next is the `from` of the next page; UINT64_MAX: that was all.
 * Errors: those of the store; CORRUPT. */
typedef enum err_code (*findings_fn)(void *ctx, struct str line, struct err *e);
ERR_CHECKED enum err_code findings_page(struct registry *r, const struct scan_result *s,
                                        const struct findings_query *q, findings_fn fn, void *ctx,
                                        uint64_t *ret_next, struct err *e);

/* All of at least that severity, added to the list, which the caller has initialised. */
ERR_CHECKED enum err_code findings_read(struct registry *r, const struct scan_result *s,
                                        enum severity least, struct finding_list *ret,
                                        struct err *e);
