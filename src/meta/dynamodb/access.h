/*
 * Reading and writing items of the table that need no transaction. Any thread; blocks. Errors:
 * those of request.h; INTERNAL besides where that has others.
 */
#pragma once

#include "meta/dynamodb/item.h"
#include "meta/dynamodb/key.h"
#include "meta/dynamodb/request.h"

/* {"pk": ..., "sk": ...}; NULL for a key that is no UTF-8. */
json_t *dynamo_key_json(const char *pk, const char *sk);

/* A body with the name of the table in it. */
json_t *dynamo_body(struct dynamo_link *l);

/* One item, read consistently; NULL in *ret_item: it is not there. */
ERR_CHECKED enum err_code dynamo_get(struct dynamo_link *l, const struct dynamo_key *key,
                                     int64_t end_ms, json_t **ret_item, struct err *e);

/* Those of the keys (objects, in any number) that are there, consistently, in any order. */
ERR_CHECKED enum err_code dynamo_get_many(struct dynamo_link *l, const json_t *keys, int64_t end_ms,
                                          json_t **ret_items, struct err *e);

/* Puts and deletes, {"PutRequest": {"Item": ...}} or {"DeleteRequest": {"Key": ...}}: all are done
 * when it returns ERR_OK, each for itself. No two of one item. */
ERR_CHECKED enum err_code dynamo_write_many(struct dynamo_link *l, const json_t *requests,
                                            int64_t end_ms, struct err *e);

/* One of the latter. */
json_t *dynamo_delete_request(const char *pk, const char *sk);

/* What a range of a partition has, item by item. */
struct dynamo_range {
    const char *index;     /* NULL: the table, read consistently; else eventually */
    const char *hash;      /* attribute; NULL: "pk" */
    const char *sort;      /* attribute; NULL: "sk" */
    const char *partition; /* value of the first */
    const char *above;     /* only what sorts behind; NULL: all */
    const char *from, *to; /* only those and what is between (both or none) */
    const char *prefix;    /* only what begins with it, behind `above`. One of the three lines */
    bool backwards;
    size_t page; /* items asked for at once; 0: 1 MB of them */
};

struct dynamo_cursor {
    struct dynamo_range range; /* its texts stay the caller's */
    json_t *items, *last;
    size_t at;
    bool ended;
};

/* The next item, which stays there until dynamo_cursor_step(); NULL at the end. */
ERR_CHECKED enum err_code dynamo_cursor_peek(struct dynamo_link *l, struct dynamo_cursor *c,
                                             int64_t end_ms, json_t **ret_item, struct err *e);
void dynamo_cursor_step(struct dynamo_cursor *c);
void dynamo_cursor_done(struct dynamo_cursor *c);

static inline void auto_dynamo_cursor_(struct dynamo_cursor *c)
{
    dynamo_cursor_done(c);
}

/* Several ranges as one, by the text of an attribute, upwards or as the ranges go. */
struct dynamo_merge {
    struct dynamo_cursor cursors[DYNAMO_SHARDS_MOST];
    size_t n;
    const char *by;
};

/* The next item, which is valid until the next call; NULL at the end. */
ERR_CHECKED enum err_code dynamo_merge_next(struct dynamo_link *l, struct dynamo_merge *m,
                                            int64_t end_ms, json_t **ret_item, struct err *e);
void dynamo_merge_done(struct dynamo_merge *m);

static inline void auto_dynamo_merge_(struct dynamo_merge *m)
{
    dynamo_merge_done(m);
}

/* Deletes the items of all that are left in m. */
ERR_CHECKED enum err_code dynamo_delete_all(struct dynamo_link *l, struct dynamo_merge *m,
                                            int64_t end_ms, struct err *e);

/* A page of the whole table: items of a kind ("k"), at most `look` of all looked at; from after
 * *last, which becomes the place to go on, NULL at the end. */
ERR_CHECKED enum err_code dynamo_scan(struct dynamo_link *l, const char *kind, size_t look,
                                      int64_t end_ms, json_t **last, json_t **ret_items,
                                      struct err *e);
