/*
 * Bodies of requests that are small enough to be held. Those of JSON (RFC 8259) are an object, with
 * the fields that a table names and no others, so that a misspelt one is told and not left out.
 */
#pragma once

#include "api/req.h"

#include <jansson.h>

#define BODY_MAX_BYTES 65536
#define BODY_TEXT_MAX  1024 /* bytes of one text, unless the field says less */

enum body_kind {
    BODY_TEXT,  /* to: struct str *, which points into the body */
    BODY_BOOL,  /* to: int *, 0 or 1 */
    BODY_TEXTS, /* to: struct body_texts * */
};

struct body_field {
    const char *name;
    enum body_kind kind;
    bool required;
    void *to; /* left alone when the field is not there */
};

struct body_texts {
    struct str *items;
    size_t n;
    bool given;
};

static inline void auto_body_texts_(struct body_texts *t)
{
    free(t->items);
}

/* All of it, up to 4 KiB less than ret->max. Error: BODY_TOO_LARGE, told. Worker only. */
ERR_CHECKED enum err_code body_read(struct req *q, struct buf *ret, struct err *e);

/* An object, sent as application/json; the caller's, for body_wipe().
 * Errors, told: MEDIA_TYPE, BODY_TOO_LARGE, REQUEST_INVALID. */
ERR_CHECKED enum err_code body_json(struct req *q, size_t max_bytes, json_t **ret_json,
                                    struct err *e);

/* Error: REQUEST_INVALID, told: the field and what is allowed. */
ERR_CHECKED enum err_code body_take(const json_t *object, const struct body_field *fields, size_t n,
                                    struct err *e);

/* Frees; there may have been passwords in it. Accepts NULL. */
void body_wipe(json_t *object);

static inline void auto_body_(json_t **object)
{
    body_wipe(*object);
}
