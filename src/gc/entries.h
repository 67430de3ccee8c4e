/* What a run did, or would do, read page by page out of its journal. */
#pragma once

#include "base/json.h"
#include "gc/journal.h"

#define GC_PLACE_SIZE (GC_KEY_SIZE + 24)

struct gc_entry_row {
    const char *repo;
    int64_t at_ms;      /* wall clock */
    const json_t *item; /* as the journal has it, with the bytes of a manifest */
};

typedef void (*gc_entry_fn)(void *ctx, const struct gc_entry_row *row);

/* Up to n, behind `after`, which is "" or the place of a page before. ret_next: the place to go on
 * at, or "" at the end. Error: REQUEST_INVALID, told: `after` is no such place. */
ERR_CHECKED enum err_code gc_entries(struct meta *m, struct str collection, const char *run,
                                     struct str after, size_t n, gc_entry_fn fn, void *ctx,
                                     char ret_next[static GC_PLACE_SIZE], struct err *e);
