/*
 * What one segment finds for a plan, in an order that is the same for all segments: by what the
 * plan's table is sorted by, then by directory, then by layer. One thread at a time.
 */
#pragma once

#include "files/pattern_plan.h"
#include "files/segment.h"

#define FILES_ORDER_MAX FILES_KEY_MAX

/* A place in that order: up to and with this. */
struct files_place {
    char order[FILES_ORDER_MAX]; /* of the file; n_order is 0: before all */
    size_t n_order;
    struct files_layer layer;
};

struct files_stream {
    const struct files_segment *segment; /* borrowed, as the plan */
    const struct files_plan *plan;
    struct files_cursor *by;   /* of the plan's table, when that is not `names` */
    struct files_cursor *name; /* of `names` */
    struct buf key;            /* what names begin with that are looked at now */
    bool inside;               /* there may be more of these */
    bool taken;                /* the one that `name` is at was given */
    uint64_t block;            /* BY_HASH: the block that is looked at */
    uint64_t budget;           /* so many entries may still be looked at; the caller's to set */

    bool end;               /* there are no more */
    bool paused;            /* the budget is used up: what there is comes at place, or behind it */
    struct files_file file; /* else; good until the next call */
    struct files_place place;
};

void files_stream_init(struct files_stream *s, const struct files_segment *segment,
                       const struct files_plan *plan);
void files_stream_done(struct files_stream *s);

/* To the first file from that place on: it, or what is behind; as files_stream_next(). */
ERR_CHECKED enum err_code files_stream_seek(struct files_stream *s, const struct files_place *from,
                                            struct err *e);

/* To the next file, or the end, or a pause. Errors: CORRUPT, those of reading. */
ERR_CHECKED enum err_code files_stream_next(struct files_stream *s, struct err *e);

int files_place_cmp(const struct files_place *a, const struct files_place *b);
