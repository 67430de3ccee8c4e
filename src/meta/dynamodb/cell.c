#include "meta/dynamodb/cell.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void dynamo_cells_init(struct dynamo_cells *t, struct dynamo_link *l, int64_t end_ms)
{
    *t = (struct dynamo_cells){.link = l, .end_ms = end_ms};
    t->last = &t->first;
}

static void forget_changes(struct dynamo_cell *c)
{
    json_decref(c->put);
    json_decref(c->sets);
    json_decref(c->once);
    c->put = c->sets = c->once = NULL;
    c->how = DYNAMO_CELL_UPDATE;
    c->n_adds = c->n_seen = 0;
}

static void set_was(struct dynamo_cell *c, json_t *item)
{
    json_decref(c->was);
    c->was = item;
}

void dynamo_cells_done(struct dynamo_cells *t)
{
    struct dynamo_cell *next;

    for (struct dynamo_cell *c = t->first; c; c = next) {
        next = c->next;
        forget_changes(c);
        set_was(c, NULL);
        free(c->pk);
        free(c->sk);
        free(c);
    }
    *t = (struct dynamo_cells){0};
}

void dynamo_cells_rewind(struct dynamo_cells *t)
{
    t->guessed = t->bad_text = false;
    for (struct dynamo_cell *c = t->first; c; c = c->next) {
        forget_changes(c);
        if (c->guessed)
            set_was(c, NULL);
        c->guessed = false;
    }
}

void dynamo_cells_doubt(struct dynamo_cells *t)
{
    dynamo_cells_rewind(t);
    for (struct dynamo_cell *c = t->first; c; c = c->next) {
        set_was(c, NULL);
        c->known = false;
        c->wanted = true;
    }
}

void dynamo_cells_be_sure(struct dynamo_cells *t)
{
    dynamo_cells_rewind(t);
    t->sure = true;
    for (struct dynamo_cell *c = t->first; c; c = c->next)
        c->wanted |= c->ever_guessed;
}

static struct dynamo_cell *find(struct dynamo_cells *t, const char *pk, const char *sk,
                                unsigned *ret_bucket)
{
    unsigned h = dynamo_shard_of(str_of(pk), 0x7FFF) * 31 + dynamo_shard_of(str_of(sk), 0x7FFF);
    struct dynamo_cell *c = t->buckets[h % DYNAMO_CELL_BUCKETS];

    *ret_bucket = h % DYNAMO_CELL_BUCKETS;
    while (c && (strcmp(c->sk, sk) != 0 || strcmp(c->pk, pk) != 0))
        c = c->beside;
    return c;
}

struct dynamo_cell *dynamo_cell_at(struct dynamo_cells *t, const struct dynamo_key *key)
{
    unsigned bucket;
    struct dynamo_cell *c = find(t, key->pk, key->sk, &bucket);

    if (key->cut)
        t->bad_text = true;
    if (c)
        return c;
    c = NEW(struct dynamo_cell);
    c->pk = mem_strdup(key->pk);
    c->sk = mem_strdup(key->sk);
    c->beside = t->buckets[bucket];
    t->buckets[bucket] = c;
    *t->last = c;
    t->last = &c->next;
    return c;
}

/* ---- reading */

static void take(struct dynamo_cells *t, json_t *item)
{
    struct str pk = item_get_text(item, "pk"), sk = item_get_text(item, "sk");
    unsigned bucket;
    struct dynamo_cell *c = pk.p && sk.p ? find(t, pk.p, sk.p, &bucket) : NULL;

    if (c)
        set_was(c, json_incref(item));
}

enum err_code dynamo_cells_fetch(struct dynamo_cells *t, struct err *e)
{
    AUTO(json) json_t *keys = json_array();
    AUTO(json) json_t *items = NULL;
    json_t *item;
    size_t i;

    for (struct dynamo_cell *c = t->first; c; c = c->next) {
        json_t *key = c->wanted && !c->known ? dynamo_key_json(c->pk, c->sk) : NULL;

        if (key)
            json_array_append_new(keys, key);
        else if (c->wanted && !c->known)
            t->bad_text = true;
    }
    if (t->bad_text)
        return err_tell(e, ERR_REQUEST_INVALID, "a text is no UTF-8, or a name too long");
    if (json_array_size(keys) == 0)
        return ERR_OK;
    TRY(dynamo_get_many(t->link, keys, t->end_ms, &items, e));
    for (struct dynamo_cell *c = t->first; c; c = c->next) {
        if (!c->wanted || c->known)
            continue;
        set_was(c, NULL);
        c->known = true;
        c->guessed = false;
    }
    json_array_foreach(items, i, item) take(t, item);
    return ERR_OK;
}

void dynamo_cell_want(struct dynamo_cell *c)
{
    c->wanted = true;
}

enum err_code dynamo_cell_read(struct dynamo_cells *t, struct dynamo_cell *c, struct err *e)
{
    if (c->known)
        return ERR_OK;
    c->wanted = true;
    return dynamo_cells_fetch(t, e);
}

enum err_code dynamo_cell_guess(struct dynamo_cells *t, struct dynamo_cell *c, json_t *item,
                                struct err *e)
{
    AUTO(json) json_t *guess = item;

    if (c->known || c->guessed)
        return ERR_OK;
    if (t->sure)
        return dynamo_cell_read(t, c, e);
    set_was(c, STEAL(guess));
    c->guessed = c->ever_guessed = t->guessed = true;
    return ERR_OK;
}

/* ---- as it is now */

bool dynamo_cell_is(const struct dynamo_cell *c)
{
    if (c->how == DYNAMO_CELL_UPDATE)
        return c->was || c->sets || c->once || c->n_adds > 0;
    return c->how == DYNAMO_CELL_PUT;
}

/* NULL: it has none. */
static const json_t *now(const struct dynamo_cell *c, const char *name)
{
    const json_t *set = json_object_get(c->sets, name), *was = json_object_get(c->was, name);

    if (c->how == DYNAMO_CELL_PUT)
        return json_object_get(c->put, name);
    if (c->how == DYNAMO_CELL_DELETE)
        return NULL;
    if (set)
        return json_is_null(set) ? NULL : set;
    return was ? was : json_object_get(c->once, name);
}

static int64_t added(const struct dynamo_cell *c, const char *name)
{
    for (size_t i = 0; i < c->n_adds; i++) {
        if (strcmp(c->adds[i].name, name) == 0)
            return c->adds[i].more;
    }
    return 0;
}

bool dynamo_cell_has(const struct dynamo_cell *c, const char *name)
{
    return now(c, name) != NULL;
}

int64_t dynamo_cell_number(const struct dynamo_cell *c, const char *name)
{
    const char *digits = json_string_value(json_object_get(now(c, name), "N"));

    return (digits ? strtoll(digits, NULL, 10) : 0) + added(c, name);
}

struct str dynamo_cell_text(const struct dynamo_cell *c, const char *name)
{
    const json_t *text = json_object_get(now(c, name), "S");

    return (struct str){json_string_value(text), json_string_length(text)};
}

/* ---- changes */

void dynamo_cell_saw(struct dynamo_cell *c, const char *name, bool same)
{
    for (size_t i = 0; i < c->n_seen; i++) {
        if (strcmp(c->seen[i].name, name) == 0) {
            c->seen[i].same |= same;
            return;
        }
    }
    assert(c->n_seen < DYNAMO_CELL_SEEN);
    c->seen[c->n_seen].name = name;
    c->seen[c->n_seen++].same = same;
}

/* What was deleted and comes again is written anew. */
static void revive(struct dynamo_cell *c)
{
    if (c->how == DYNAMO_CELL_DELETE)
        dynamo_cell_put(c);
}

void dynamo_cell_set_json(struct dynamo_cell *c, const char *name, json_t *value)
{
    json_t **in;

    revive(c);
    in = c->how == DYNAMO_CELL_PUT ? &c->put : &c->sets;
    if (!*in)
        *in = json_object();
    json_object_set_new(*in, name, value);
}

void dynamo_cell_set(struct dynamo_cells *t, struct dynamo_cell *c, const char *name,
                     struct str value)
{
    bool ok = true;
    json_t *text = item_text(value, &ok);

    if (ok)
        dynamo_cell_set_json(c, name, text);
    else
        t->bad_text = true;
}

void dynamo_cell_set_number(struct dynamo_cell *c, const char *name, int64_t value)
{
    dynamo_cell_set_json(c, name, item_number(value));
}

void dynamo_cell_set_once(struct dynamo_cells *t, struct dynamo_cell *c, const char *name,
                          struct str value)
{
    bool ok = true;

    if (dynamo_cell_has(c, name))
        return;
    if (c->how != DYNAMO_CELL_UPDATE) {
        dynamo_cell_set(t, c, name, value);
        return;
    }
    if (!c->once)
        c->once = json_object();
    json_object_set_new(c->once, name, item_text(value, &ok));
}

void dynamo_cell_unset(struct dynamo_cell *c, const char *name)
{
    if (c->how == DYNAMO_CELL_UPDATE)
        dynamo_cell_set_json(c, name, json_null());
    else
        json_object_del(c->put, name);
}

void dynamo_cell_add(struct dynamo_cell *c, const char *name, int64_t more)
{
    revive(c);
    if (c->how == DYNAMO_CELL_PUT || json_object_get(c->sets, name)) {
        dynamo_cell_set_number(c, name, dynamo_cell_number(c, name) + more);
        return;
    }
    for (size_t i = 0; i < c->n_adds; i++) {
        if (strcmp(c->adds[i].name, name) == 0) {
            c->adds[i].more += more;
            return;
        }
    }
    assert(c->n_adds < DYNAMO_CELL_ADDS);
    c->adds[c->n_adds].name = name;
    c->adds[c->n_adds++].more = more;
}

static void drop_changes(struct dynamo_cell *c, enum dynamo_cell_how how)
{
    json_decref(c->put);
    json_decref(c->sets);
    json_decref(c->once);
    c->put = c->sets = c->once = NULL;
    c->n_adds = 0;
    c->how = how;
}

void dynamo_cell_put(struct dynamo_cell *c)
{
    drop_changes(c, DYNAMO_CELL_PUT);
    c->put = dynamo_key_json(c->pk, c->sk);
    if (!c->put) /* which is found before it is sent */
        c->put = json_object();
}

void dynamo_cell_delete(struct dynamo_cell *c)
{
    drop_changes(c, DYNAMO_CELL_DELETE);
}

/* ---- as an action */

/* An expression that is being written, with its names and values. */
struct expression {
    struct buf text;
    json_t *names, *values;
    unsigned n; /* of values, for their names */
};

#define EXPRESSION_MAX (64 << 10)

static void add_name(struct expression *x, const char *attribute)
{
    char name[64];

    snprintf(name, sizeof(name), "#%s", attribute);
    json_object_set_new(x->names, name, json_string(attribute));
    buf_add_text(&x->text, name);
}

static void add_value(struct expression *x, json_t *value)
{
    char name[16];

    snprintf(name, sizeof(name), ":v%u", x->n++);
    json_object_set(x->values, name, value);
    buf_add_text(&x->text, name);
}

static void add_conditions(const struct dynamo_cell *c, struct expression *x)
{
    for (size_t i = 0; i < c->n_seen; i++) {
        json_t *was = json_object_get(c->was, c->seen[i].name);

        buf_add_text(&x->text, i ? " AND " : "");
        if (was && c->seen[i].same) {
            add_name(x, c->seen[i].name);
            buf_add_text(&x->text, " = ");
            add_value(x, was);
        } else {
            buf_add_text(&x->text, was ? "attribute_exists(" : "attribute_not_exists(");
            add_name(x, c->seen[i].name);
            buf_add_char(&x->text, ')');
        }
    }
}

/* "WORD a, b" with a comma between all but the first, which has the word. */
static void add_word(struct expression *x, const char *word, bool *begun)
{
    if (*begun)
        buf_add_char(&x->text, ',');
    else
        buf_addf(&x->text, " %s", word);
    buf_add_char(&x->text, ' ');
    *begun = true;
}

static void add_sets(const struct dynamo_cell *c, struct expression *x)
{
    bool begun = false;
    const char *name;
    json_t *value;

    json_object_foreach(c->sets, name, value)
    {
        if (json_is_null(value))
            continue;
        add_word(x, "SET", &begun);
        add_name(x, name);
        buf_add_text(&x->text, " = ");
        add_value(x, value);
    }
    json_object_foreach(c->once, name, value)
    {
        add_word(x, "SET", &begun);
        add_name(x, name);
        buf_add_text(&x->text, " = if_not_exists(");
        add_name(x, name);
        buf_add_char(&x->text, ',');
        add_value(x, value);
        buf_add_char(&x->text, ')');
    }
}

static void add_removes(const struct dynamo_cell *c, struct expression *x)
{
    bool begun = false;
    const char *name;
    json_t *value;

    json_object_foreach(c->sets, name, value)
    {
        if (!json_is_null(value))
            continue;
        add_word(x, "REMOVE", &begun);
        add_name(x, name);
    }
}

static void add_adds(const struct dynamo_cell *c, struct expression *x)
{
    bool begun = false;

    for (size_t i = 0; i < c->n_adds; i++) {
        AUTO(json) json_t *more = item_number(c->adds[i].more);

        if (c->adds[i].more == 0)
            continue;
        add_word(x, "ADD", &begun);
        add_name(x, c->adds[i].name);
        buf_add_char(&x->text, ' ');
        add_value(x, more);
    }
}

static void set_expression(json_t *action, const char *name, struct expression *x)
{
    if (x->text.n > 0)
        json_object_set_new(action, name, json_string(buf_text(&x->text)));
    buf_clear(&x->text);
}

static const char *verb_of(const struct dynamo_cell *c, bool changes)
{
    if (c->how == DYNAMO_CELL_PUT)
        return "Put";
    if (c->how == DYNAMO_CELL_DELETE && (c->was || !c->known))
        return "Delete";
    return changes ? "Update" : "ConditionCheck";
}

static void close_action(json_t *action, struct expression *x)
{
    if (json_object_size(x->names) > 0)
        json_object_set(action, "ExpressionAttributeNames", x->names);
    if (json_object_size(x->values) > 0)
        json_object_set(action, "ExpressionAttributeValues", x->values);
    json_decref(x->names);
    json_decref(x->values);
    buf_done(&x->text);
}

json_t *dynamo_cell_action(const struct dynamo_cell *c, const char *table)
{
    struct expression x = {.names = json_object(), .values = json_object()};
    json_t *action = json_pack("{s:s, s:s}", "TableName", table,
                               "ReturnValuesOnConditionCheckFailure", "ALL_OLD");
    const char *verb;

    buf_init(&x.text, EXPRESSION_MAX);
    add_sets(c, &x);
    add_removes(c, &x);
    add_adds(c, &x);
    verb = verb_of(c, x.text.n > 0);
    if (c->how == DYNAMO_CELL_PUT)
        json_object_set(action, "Item", c->put);
    else
        json_object_set_new(action, "Key", dynamo_key_json(c->pk, c->sk));
    set_expression(action, "UpdateExpression", &x);
    add_conditions(c, &x);
    set_expression(action, "ConditionExpression", &x);
    close_action(action, &x);
    if (strcmp(verb, "ConditionCheck") == 0 && c->n_seen == 0) {
        json_decref(action);
        return NULL;
    }
    return json_pack("{s:o}", verb, action);
}

/* ---- afterwards */

void dynamo_cell_learn(struct dynamo_cell *c, const json_t *item)
{
    set_was(c, json_is_object(item) && json_object_size(item) > 0 ? json_deep_copy(item) : NULL);
    c->known = true;
    c->guessed = false;
}

static json_t *updated(const struct dynamo_cell *c)
{
    json_t *item = c->was ? json_copy(c->was) : dynamo_key_json(c->pk, c->sk);
    const char *name;
    json_t *value;

    json_object_foreach(c->sets, name, value)
    {
        if (json_is_null(value))
            json_object_del(item, name);
        else
            json_object_set(item, name, value);
    }
    json_object_foreach(c->once, name, value) if (!json_object_get(item, name))
        json_object_set(item, name, value);
    for (size_t i = 0; i < c->n_adds; i++)
        json_object_set_new(item, c->adds[i].name,
                            item_number(item_get_number(item, c->adds[i].name) + c->adds[i].more));
    return item;
}

void dynamo_cell_settle(struct dynamo_cell *c)
{
    bool changed = c->sets || c->once || c->n_adds > 0;

    if (c->how == DYNAMO_CELL_PUT)
        dynamo_cell_learn(c, c->put);
    else if (c->how == DYNAMO_CELL_DELETE)
        dynamo_cell_learn(c, NULL);
    else if (c->known && changed)
        set_was(c, updated(c));
}
