/*
 * The records of all uploads of archives (core/upload_record.h): records of meta, in the collection
 * "archive.uploads", newest first. Those of this process are answered as they are now, those of
 * others as they were about a second ago.
 *
 * Any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "core/registry.h"

/* What it says now, of whom "lost" is said when its holder is gone. Times are milliseconds of the
 * wall clock; 0: it has not come to that. Error: NOT_FOUND. The caller frees. */
ERR_CHECKED enum err_code upload_records_get(struct registry *r, const struct uuid *id,
                                             json_t **ret_json, struct err *e);

/* Filters that all must match; NULL: any. */
struct upload_filter {
    const char *user, *repository;
    const char *result; /* a phase at which it ends, or "lost"; "running": it has not ended */
};

struct upload_page {
    json_t **rows;
    size_t n;
    bool more; /* behind `last`, there may be some */
    struct uuid last;
};

void upload_page_done(struct upload_page *p);

static inline void auto_upload_page_(struct upload_page *p)
{
    upload_page_done(p);
}

/* Up to limit records behind `after` (NULL: the newest on). A page may end before limit, with
 * `more` set, when it took a look at many to find few. */
ERR_CHECKED enum err_code upload_records_list(struct registry *r, const struct upload_filter *f,
                                              const struct uuid *after, size_t limit,
                                              struct upload_page *ret_page, struct err *e);

/* Has it ended, as such a row says? "lost" is an end. */
bool upload_row_ended(const json_t *row);

/* The row as it is shown: times as those of other answers, and when the rest will have come, as far
 * as that can be known. */
void upload_row_show(json_t *row, struct buf *dst);

/* Ends those whose holder is gone and that nobody can go on with: their records say from then on
 * that they are lost, and the outbox tells it. go_on as below. */
ERR_CHECKED enum err_code upload_records_end_lost(struct registry *r, bool (*go_on)(void *ctx),
                                                  void *ctx, struct err *e);

/* Forgets records that have not changed since that time, a batch after the other, as long as go_on
 * says so (NULL: it does). */
ERR_CHECKED enum err_code upload_records_prune(struct registry *r, int64_t before_ms,
                                               bool (*go_on)(void *ctx), void *ctx, struct err *e);
