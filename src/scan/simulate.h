/*
 * What a pull policy would have done to the pulls of the last days, as images and findings are
 * known now. It goes by what was recorded of pulls (core/pulled.h): each tag and digest that was
 * asked for, at its last time.
 */
#pragma once

#include "core/reference.h"
#include "core/registry.h"
#include "scan/gate.h"

struct simulation {
    struct gate *gate; /* whose rules do not matter */
    struct registry *registry;
    const struct conf_pull_rules *rules;
    int64_t since_ms, now_ms;
};

struct simulated {
    const struct repo_name *repo;
    const struct reference *ref; /* as it was asked for */
    const struct digest *digest; /* what that is now */
    int64_t pulled_ms;
    const struct pull_verdict *verdict; /* that tells of something */
};

struct simulated_counts {
    uint64_t pulls; /* references */
    uint64_t blocked, warned;
    uint64_t gone;    /* nobody could pull them any more: they are not there, or are damaged */
    int64_t since_ms; /* since when pulls are recorded; 0: they are not */
};

typedef enum err_code (*simulated_fn)(void *ctx, const struct simulated *s, struct err *e);

/* Calls fn for each that would have been blocked, or warned of. Errors: of meta and store, but
 * those of one image alone; fn's. */
ERR_CHECKED enum err_code simulate(const struct simulation *x, simulated_fn fn, void *ctx,
                                   struct simulated_counts *ret_counts, struct err *e);
