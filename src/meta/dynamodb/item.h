/*
 * Items of DynamoDB as its JSON has them: an object of attributes, each {"S": TEXT}, {"N": DIGITS}
 * or {"B": BASE64}.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* An attribute to be put into an item. Text must be UTF-8: *ok becomes false, and the attribute
 * NULL, when it is not. */
json_t *item_text(struct str s, bool *ok);
json_t *item_number(int64_t v);
json_t *item_bytes(struct str s);

/* An attribute of an item, which may be NULL: {NULL, 0} or 0 when there is none of the type. */
struct str item_get_text(const json_t *item, const char *name);
int64_t item_get_number(const json_t *item, const char *name);
bool item_has(const json_t *item, const char *name);

/* Appends the bytes; true when there is such an attribute. */
bool item_get_bytes(const json_t *item, const char *name, struct buf *dst);
