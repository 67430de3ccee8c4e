/* Events that a target was not told of and never will be, unless somebody sends them again:
 * records, of a bounded number for each target. */
#pragma once

#include "core/registry.h"
#include "notify/target.h"

#define DEAD_LETTERS STR("notify.dead") /* the collection */

#define DEAD_LETTER_KEY (TARGET_KEY_MAX + 24)

struct dead_letter {
    uint64_t seq; /* of the event */
    int64_t at_ms;
    int64_t status;    /* of the answer; 0: none */
    const char *why;   /* never NULL */
    const char *event; /* its JSON */
};

/* The record, one for each target and event; text as of progress_put(). */
struct meta_op dead_letter_put(const char *target, const struct dead_letter *d,
                               char ret_key[static DEAD_LETTER_KEY], char **ret_text);

/* Those of the target after that number, at most limit. Values are JSON: {"seq": 7, "at_ms": ...,
 * "status": ..., "why": "...", "event": {...}}. */
ERR_CHECKED enum err_code dead_letter_list(struct meta *m, const char *target, uint64_t after,
                                           size_t limit, struct meta_record_list *ret_list,
                                           struct err *e);

/* Error: NOT_FOUND. */
ERR_CHECKED enum err_code dead_letter_get(struct meta *m, const char *target, uint64_t seq,
                                          struct meta_record *ret, struct err *e);
ERR_CHECKED enum err_code dead_letter_remove(struct meta *m, const char *target, uint64_t seq,
                                             struct err *e);

/* The oldest of more than keep go. */
ERR_CHECKED enum err_code dead_letter_trim(struct meta *m, const char *target, uint64_t keep,
                                           struct err *e);
