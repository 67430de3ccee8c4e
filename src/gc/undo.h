/*
 * Bringing back what a run deleted, by its journal, as far as the content is still there: blobs
 * whose bytes wait for their deletion or are another repository's, manifests, whose bytes the
 * journal has, and their tags. An image comes back whole or not at all: of one that lacks something
 * nothing is brought back, and it is told. What has come back already, or was pushed since, is left
 * as it is, and a tag that points somewhere meanwhile stays there; so it may end anywhere and be
 * done again.
 *
 * An undo is a run of its own, with a record (gc.runs) that says which run it undid.
 */
#pragma once

#include "core/registry.h"
#include "gc/journal.h"

enum gc_undo_action {
    GC_BACK,
    GC_LOST,     /* it, or what it names, is not to be had any more */
    GC_TAG_BACK, /* the tag of a manifest */
    GC_TAG_ELSEWHERE
};

struct gc_undo_item {
    const struct repo_name *repo;
    enum meta_item_kind kind;
    const struct digest *digest;
    uint64_t size_bytes;
    enum gc_undo_action action;
    const char *tag; /* of the last two */
    const char *why; /* of GC_LOST, for people */
};

struct gc_undo_counts {
    struct gc_sum back;
    uint64_t tags, tags_elsewhere;
    uint64_t lost; /* images, and blobs of none */
};

struct gc_undo_options {
    struct registry *registry;
    const char *undo; /* the id of the run */
    bool dry_run;
    const char *actor;
    const char *id; /* of this run; NULL: a new one */

    /* All may be NULL. go_on: false: it ends with LATER. */
    void (*item)(void *ctx, const struct gc_undo_item *item);
    bool (*go_on)(void *ctx);
    gc_end_fn end;
    void *ctx;
};

/* *ret_counts is set on errors as well. Errors: NOT_FOUND, there is no such run; REQUEST_INVALID:
 * it is none that deletes; LATER; those of the first step that is not about one image. */
ERR_CHECKED enum err_code gc_undo(const struct gc_undo_options *o,
                                  struct gc_undo_counts *ret_counts, struct err *e);

/* Is the run of that record (gc.runs) one that can be undone? Error: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code gc_undo_possible(const struct meta_record *run, struct err *e);
