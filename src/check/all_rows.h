/* All rows of a kind, page by page. */
#pragma once

#include "meta/meta.h"

typedef enum err_code (*rows_fn)(void *ctx, const struct meta_row *row, struct err *e);

/* Ends with the first error of fn, or of a page. */
ERR_CHECKED enum err_code rows_each(struct meta *m, enum meta_row_kind kind, rows_fn fn, void *ctx,
                                    struct err *e);
