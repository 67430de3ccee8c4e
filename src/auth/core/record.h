/* Records of meta as structs: a page of them, and each of them, whatever their kind. */
#pragma once

#include "meta/meta.h"

struct record_kind {
    struct str collection;
    size_t bytes; /* of the struct */
    /* Error: CORRUPT; then there is nothing to release. */
    enum err_code (*read)(const struct meta_record *r, void *ret_row, struct err *e);
    void (*done)(void *row);
};

struct record_page {
    void *rows; /* by key; each is released with done(), and then rows with free() */
    size_t n;
    bool more;
};

/* Errors: CORRUPT; those of meta. */
ERR_CHECKED enum err_code record_page(struct meta *m, const struct record_kind *kind,
                                      struct str after, size_t limit, struct record_page *ret_page,
                                      struct err *e);

/* fn for each, by key; it may remove that one. Ends with the first error. */
typedef enum err_code (*record_fn)(void *ctx, const void *row, struct err *e);
ERR_CHECKED enum err_code record_each(struct meta *m, const struct record_kind *kind, record_fn fn,
                                      void *ctx, struct err *e);
