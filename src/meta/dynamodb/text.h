/*
 * Attributes that may be too large for an item, which has 400 KB: what is long is written in parts
 * of its own first, and the item names them ("bytes_at": "ID PARTS"). Parts are written once, under
 * a new ID, so nobody reads those of another life. What a crash leaves of them takes space, no
 * more.
 */
#pragma once

#include "meta/dynamodb/cell.h"

#define DYNAMO_INLINE_MAX (64 << 10)

/* Writes the parts; *ret_place is what names them. */
#define DYNAMO_TEXT_PLACE 64
ERR_CHECKED enum err_code dynamo_text_write(struct dynamo_link *l, struct str bytes, int64_t end_ms,
                                            char ret_place[static DYNAMO_TEXT_PLACE],
                                            struct err *e);

/* What names the parts of that attribute of an item; .p NULL: it has none. */
struct str dynamo_text_place(const json_t *item, const char *name);

/* Appends the attribute, wherever it is. Error: CORRUPT, parts are missing. */
ERR_CHECKED enum err_code dynamo_text_read(struct dynamo_link *l, const json_t *item,
                                           const char *name, int64_t end_ms, struct buf *dst,
                                           struct err *e);

/* Nobody names them any more. */
void dynamo_text_delete(struct dynamo_link *l, struct str place, int64_t end_ms);
