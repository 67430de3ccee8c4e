#include "meta/dynamodb/access.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define GET_MOST      100 /* "Quotas": BatchGetItem */
#define WRITE_MOST    25
#define WAIT_FIRST_MS 10
#define WAIT_MOST_MS  2000

json_t *dynamo_key_json(const char *pk, const char *sk)
{
    bool ok = true;
    json_t *p = item_text(str_of(pk), &ok), *s = item_text(str_of(sk), &ok);

    if (ok)
        return json_pack("{s:o, s:o}", "pk", p, "sk", s);
    json_decref(p);
    json_decref(s);
    return NULL;
}

json_t *dynamo_body(struct dynamo_link *l)
{
    return json_pack("{s:s}", "TableName", dynamo_link_table(l));
}

/* What a read or a plain write can't be answered with. */
static enum err_code ask(struct dynamo_link *l, const char *operation, const json_t *body,
                         int64_t end_ms, json_t **ret_answer, struct err *e)
{
    AUTO(json) json_t *answer = NULL;
    enum err_code code = dynamo_ask(l, operation, body, end_ms, &answer, e);

    if (code == ERR_NOT_FOUND || code == ERR_LATER)
        return e->code = ERR_UNAVAILABLE;
    if (code == ERR_PRECONDITION || code == ERR_CONFLICT)
        return e->code = ERR_INTERNAL;
    TRY(code);
    *ret_answer = STEAL(answer);
    return ERR_OK;
}

static enum err_code bad_key(struct err *e)
{
    return err_tell(e, ERR_REQUEST_INVALID, "a name is too long, or no UTF-8");
}

enum err_code dynamo_get(struct dynamo_link *l, const struct dynamo_key *key, int64_t end_ms,
                         json_t **ret_item, struct err *e)
{
    AUTO(json) json_t *body = dynamo_body(l);
    AUTO(json) json_t *answer = NULL;
    json_t *name = key->cut ? NULL : dynamo_key_json(key->pk, key->sk);

    if (!name)
        return bad_key(e);
    json_object_set_new(body, "Key", name);
    json_object_set_new(body, "ConsistentRead", json_true());
    TRY(ask(l, "GetItem", body, end_ms, &answer, e));
    *ret_item = json_incref(json_object_get(answer, "Item"));
    return ERR_OK;
}

/* ---- many */

/* {TABLE: {"Keys": [...], "ConsistentRead": true}} of those from `from` on. */
static json_t *get_batch(struct dynamo_link *l, const json_t *keys, size_t from)
{
    json_t *some = json_array();

    for (size_t i = from; i < json_array_size(keys) && i < from + GET_MOST; i++)
        json_array_append(some, json_array_get(keys, i));
    return json_pack("{s:{s:o, s:b}}", dynamo_link_table(l), "Keys", some, "ConsistentRead", 1);
}

/* What is not done yet of a batch goes again, until all is. */
static enum err_code run_batch(struct dynamo_link *l, const char *operation, const char *rest,
                               json_t *wanted, json_t *ret_items, int64_t end_ms, struct err *e)
{
    AUTO(json) json_t *items = wanted;

    for (unsigned n = 0; json_object_size(items) > 0; n++) {
        AUTO(json) json_t *body = json_pack("{s:O}", "RequestItems", items);
        AUTO(json) json_t *answer = NULL;

        TRY(ask(l, operation, body, end_ms, &answer, e));
        if (ret_items)
            json_array_extend(ret_items, json_object_get(json_object_get(answer, "Responses"),
                                                         dynamo_link_table(l)));
        json_decref(items);
        items = json_incref(json_object_get(answer, rest));
        if (json_object_size(items) > 0 && !dynamo_pause(l, n, WAIT_FIRST_MS, WAIT_MOST_MS, end_ms))
            return err_set(e, ERR_UNAVAILABLE, "%s of %s: throttled", operation,
                           dynamo_link_where(l));
    }
    return ERR_OK;
}

enum err_code dynamo_get_many(struct dynamo_link *l, const json_t *keys, int64_t end_ms,
                              json_t **ret_items, struct err *e)
{
    AUTO(json) json_t *items = json_array();

    for (size_t i = 0; i < json_array_size(keys); i += GET_MOST)
        TRY(run_batch(l, "BatchGetItem", "UnprocessedKeys", get_batch(l, keys, i), items, end_ms,
                      e));
    *ret_items = STEAL(items);
    return ERR_OK;
}

enum err_code dynamo_write_many(struct dynamo_link *l, const json_t *requests, int64_t end_ms,
                                struct err *e)
{
    for (size_t i = 0; i < json_array_size(requests); i += WRITE_MOST) {
        json_t *some = json_array();

        for (size_t k = i; k < json_array_size(requests) && k < i + WRITE_MOST; k++)
            json_array_append(some, json_array_get(requests, k));
        TRY(run_batch(l, "BatchWriteItem", "UnprocessedItems",
                      json_pack("{s:o}", dynamo_link_table(l), some), NULL, end_ms, e));
    }
    return ERR_OK;
}

json_t *dynamo_delete_request(const char *pk, const char *sk)
{
    return json_pack("{s:{s:o}}", "DeleteRequest", "Key", dynamo_key_json(pk, sk));
}

/* ---- ranges */

static void add_value(json_t *body, const char *name, const char *text, bool *ok)
{
    json_object_set_new(json_object_get(body, "ExpressionAttributeValues"), name,
                        item_text(str_of(text), ok));
}

static void add_name(json_t *body, const char *name, const char *attribute)
{
    json_object_set_new(json_object_get(body, "ExpressionAttributeNames"), name,
                        json_string(attribute));
}

static const char *condition_of(const struct dynamo_range *r)
{
    if (r->prefix)
        return "#h = :h AND begins_with(#s, :p)";
    if (r->from)
        return "#h = :h AND #s BETWEEN :f AND :t";
    return r->above ? "#h = :h AND #s > :a" : "#h = :h";
}

/* Where a range of a prefix begins: a key that need not be there, but must be of the range. */
static void add_start(json_t *body, const struct dynamo_range *r, bool *ok)
{
    json_t *start;

    if (!r->prefix || !r->above || !str_starts(str_of(r->above), str_of(r->prefix)))
        return;
    start = dynamo_key_json(r->partition, r->above);
    *ok = *ok && start;
    if (start)
        json_object_set_new(body, "ExclusiveStartKey", start);
}

static json_t *query_of(struct dynamo_link *l, const struct dynamo_cursor *c, bool *ok)
{
    const struct dynamo_range *r = &c->range;
    json_t *body = dynamo_body(l);

    json_object_set_new(body, "ExpressionAttributeNames", json_object());
    json_object_set_new(body, "ExpressionAttributeValues", json_object());
    json_object_set_new(body, "KeyConditionExpression", json_string(condition_of(r)));
    add_name(body, "#h", r->hash ? r->hash : "pk");
    add_value(body, ":h", r->partition, ok);
    if (r->prefix || r->from || r->above)
        add_name(body, "#s", r->sort ? r->sort : "sk");
    if (r->prefix) {
        add_value(body, ":p", r->prefix, ok);
    } else if (r->from) {
        add_value(body, ":f", r->from, ok);
        add_value(body, ":t", r->to, ok);
    } else if (r->above) {
        add_value(body, ":a", r->above, ok);
    }
    if (r->index)
        json_object_set_new(body, "IndexName", json_string(r->index));
    else
        json_object_set_new(body, "ConsistentRead", json_true());
    if (r->backwards)
        json_object_set_new(body, "ScanIndexForward", json_false());
    if (r->page > 0)
        json_object_set_new(body, "Limit", json_integer((json_int_t)r->page));
    if (c->last)
        json_object_set(body, "ExclusiveStartKey", c->last);
    else
        add_start(body, r, ok);
    return body;
}

static enum err_code next_page(struct dynamo_link *l, struct dynamo_cursor *c, int64_t end_ms,
                               struct err *e)
{
    bool ok = true;
    AUTO(json) json_t *body = query_of(l, c, &ok);
    AUTO(json) json_t *answer = NULL;

    if (!ok)
        return bad_key(e);
    TRY(ask(l, "Query", body, end_ms, &answer, e));
    json_decref(c->items);
    json_decref(c->last);
    c->items = json_incref(json_object_get(answer, "Items"));
    c->last = json_incref(json_object_get(answer, "LastEvaluatedKey"));
    c->ended = !c->last;
    c->at = 0;
    return ERR_OK;
}

/* A page may be empty and not the last one. */
enum err_code dynamo_cursor_peek(struct dynamo_link *l, struct dynamo_cursor *c, int64_t end_ms,
                                 json_t **ret_item, struct err *e)
{
    while (c->at >= json_array_size(c->items) && !c->ended)
        TRY(next_page(l, c, end_ms, e));
    *ret_item = json_array_get(c->items, c->at);
    return ERR_OK;
}

void dynamo_cursor_step(struct dynamo_cursor *c)
{
    c->at++;
}

void dynamo_cursor_done(struct dynamo_cursor *c)
{
    json_decref(c->items);
    json_decref(c->last);
    c->items = c->last = NULL;
}

/* ---- several ranges */

static bool comes_first(const struct dynamo_merge *m, const json_t *a, const json_t *b)
{
    int order = str_cmp(item_get_text(a, m->by), item_get_text(b, m->by));

    return m->cursors[0].range.backwards ? order > 0 : order < 0;
}

enum err_code dynamo_merge_next(struct dynamo_link *l, struct dynamo_merge *m, int64_t end_ms,
                                json_t **ret_item, struct err *e)
{
    struct dynamo_cursor *first = NULL;
    json_t *found = NULL;

    for (size_t i = 0; i < m->n; i++) {
        json_t *item;

        TRY(dynamo_cursor_peek(l, &m->cursors[i], end_ms, &item, e));
        if (item && (!found || comes_first(m, item, found))) {
            found = item;
            first = &m->cursors[i];
        }
    }
    if (first)
        dynamo_cursor_step(first);
    *ret_item = found;
    return ERR_OK;
}

void dynamo_merge_done(struct dynamo_merge *m)
{
    for (size_t i = 0; i < m->n; i++)
        dynamo_cursor_done(&m->cursors[i]);
}

#define DELETE_MOST 500 /* that are held in memory */

enum err_code dynamo_delete_all(struct dynamo_link *l, struct dynamo_merge *m, int64_t end_ms,
                                struct err *e)
{
    AUTO(json) json_t *requests = json_array();
    json_t *item;

    do {
        TRY(dynamo_merge_next(l, m, end_ms, &item, e));
        if (item)
            json_array_append_new(requests, dynamo_delete_request(item_get_text(item, "pk").p,
                                                                  item_get_text(item, "sk").p));
        if (!item || json_array_size(requests) == DELETE_MOST) {
            TRY(dynamo_write_many(l, requests, end_ms, e));
            json_array_clear(requests);
        }
    } while (item);
    return ERR_OK;
}

/* ---- all */

enum err_code dynamo_scan(struct dynamo_link *l, const char *kind, size_t look, int64_t end_ms,
                          json_t **last, json_t **ret_items, struct err *e)
{
    AUTO(json) json_t *body = dynamo_body(l);
    AUTO(json) json_t *answer = NULL;

    json_object_set_new(body, "FilterExpression", json_string("#k = :k"));
    json_object_set_new(body, "ExpressionAttributeNames", json_pack("{s:s}", "#k", "k"));
    json_object_set_new(body, "ExpressionAttributeValues", json_pack("{s:{s:s}}", ":k", "S", kind));
    json_object_set_new(body, "ConsistentRead", json_true());
    json_object_set_new(body, "Limit", json_integer((json_int_t)look));
    if (*last)
        json_object_set(body, "ExclusiveStartKey", *last);
    TRY(ask(l, "Scan", body, end_ms, &answer, e));
    json_decref(*last);
    *last = json_incref(json_object_get(answer, "LastEvaluatedKey"));
    *ret_items = json_incref(json_object_get(answer, "Items"));
    return ERR_OK;
}
