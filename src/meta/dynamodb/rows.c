/*
 * All that there is, kind by kind, for `registry migrate`. Kinds that go by age come from their
 * ranges; the others from all of the table, which is read once a kind: nothing else would find them
 * all, and it is done once in a life. A place is the key of the last item, as JSON.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdlib.h>

#define LOOK_FIRST 50 /* items that are looked at at once, and more when few are of the kind */
#define LOOK_MOST  5000
#define BYTES_MOST (4u << 20) /* then a page ends */
#define TEXT_MAX   (64u << 20)

static const struct {
    const char *letter; /* NULL: goes by age */
    struct {
        const char *name;
        bool is_long;
    } texts[META_ROW_TEXTS];
    const char *ints[META_ROW_INTS];
    const char *mark; /* an item without it is no such row yet */
} kinds[META_ROW_KINDS] = {
    [META_ROW_REPO] = {"R", {{"name"}}, {"manifests", "version", "bytes", "tags"}, "name"},
    [META_ROW_BLOB] = {"B", {{"repo"}, {"digest"}}, {"size"}, "size"},
    [META_ROW_MANIFEST] = {"M",
                           {{"repo"}, {"digest"}, {"media"}, {"subject"}, {"bytes", true}},
                           {"since"},
                           "media"},
    [META_ROW_EDGE] = {"M", {{NULL}}, {NULL}, "media"},
    [META_ROW_TAG] = {"T", {{"repo"}, {"sk"}, {"digest"}}, {"version", "pushed"}, "version"},
    [META_ROW_REFERRER] =
        {"F",
         {{"repo"}, {"subject"}, {"digest"}, {"type"}, {"media"}, {"annotations", true}},
         {"size"},
         "repo"},
    [META_ROW_PROJECTION] = {NULL, {{"repo"}, {"tag"}, {"digest"}}, {"version"}, "repo"},
    [META_ROW_UPLOAD] = {"U",
                         {{"id"}, {"repo"}, {"owner"}, {"algorithm"}, {"digest"}},
                         {"started", "finished", "turn"},
                         "id"},
    [META_ROW_RECORD] = {"C", {{"collection"}, {"sk"}, {"value", true}}, {"version"}, "version"},
    [META_ROW_AUDIT] =
        {NULL,
         {{"actor"}, {"action"}, {"target"}, {"address"}, {"result"}, {"detail"}, {"repository"}},
         {"time"},
         "actor"},
    [META_ROW_JOB] = {"J",
                      {{"kind"}, {"key"}, {"note"}},
                      {"state", "priority", "due", "attempts"},
                      "kind"},
    [META_ROW_REMOVED] = {"X",
                          {{"place"}, {"digest"}, {"reason"}},
                          {"state", "since", "size", "number"},
                          "state"},
    [META_ROW_MOVE] = {"H",
                       {{"repo"}, {"tag"}, {"digest"}, {"previous"}, {"actor"}},
                       {"version", "time"},
                       "version"},
};

struct page {
    struct dynamo_link *link;
    enum meta_row_kind kind;
    struct meta_row_list l;
    size_t limit, bytes;
};

static bool is_full(const struct page *p)
{
    return p->l.n == p->limit || p->bytes >= BYTES_MOST;
}

/* The texts lie behind each other in one piece. */
static void add_row(struct page *p, const struct str texts[META_ROW_TEXTS],
                    const int64_t ints[META_ROW_INTS])
{
    struct meta_row_list *l = &p->l;
    size_t n = 0;
    struct meta_row *row;
    char *at;

    for (size_t i = 0; i < META_ROW_TEXTS; i++)
        n += texts[i].n;
    l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
    l->owned = mem_resize(l->owned, (l->n + 1) * sizeof(*l->owned));
    row = &l->rows[l->n];
    *row = (struct meta_row){.kind = p->kind};
    at = l->owned[l->n++] = mem_alloc(n + 1);
    for (size_t i = 0; i < META_ROW_TEXTS; i++) {
        if (texts[i].n > 0)
            memcpy(at, texts[i].p, texts[i].n);
        row->texts[i] = (struct str){at, texts[i].n};
        at += texts[i].n;
    }
    for (size_t i = 0; i < META_ROW_INTS; i++)
        row->ints[i] = ints[i];
    p->bytes += n + sizeof(*row);
}

static enum err_code add_item(struct page *p, const json_t *item, struct err *e)
{
    struct str texts[META_ROW_TEXTS] = {{NULL, 0}};
    int64_t ints[META_ROW_INTS] = {0};
    AUTO(buf) struct buf text = {0}; /* at most one is long */

    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < META_ROW_TEXTS && kinds[p->kind].texts[i].name; i++) {
        const char *name = kinds[p->kind].texts[i].name;

        if (kinds[p->kind].texts[i].is_long) {
            TRY(dynamo_text_read(p->link, item, name, dynamo_link_end(p->link), &text, e));
            texts[i] = buf_str(&text);
        } else {
            texts[i] = item_get_text(item, name);
        }
    }
    for (size_t i = 0; i < META_ROW_INTS && kinds[p->kind].ints[i]; i++)
        ints[i] = item_get_number(item, kinds[p->kind].ints[i]);
    if (p->kind == META_ROW_REMOVED)
        ints[0] += 2 * item_get_number(item, "again");
    add_row(p, texts, ints);
    return ERR_OK;
}

/* Links of a manifest but for the first `skip`; *ret_given: all that were given of it. */
static enum err_code add_edges(struct page *p, const json_t *item, size_t skip, size_t *ret_given,
                               bool *ret_whole, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct str rest;
    struct meta_edge edge;
    uint64_t position;

    buf_init(&text, TEXT_MAX);
    TRY(dynamo_text_read(p->link, item, "edges", dynamo_link_end(p->link), &text, e));
    rest = buf_str(&text);
    for (*ret_given = 0; rest.n > 0 && !(is_full(p) && *ret_given >= skip); (*ret_given)++) {
        if (!dynamo_edge_next(&rest, &position, &edge))
            return err_set(e, ERR_CORRUPT, "what a manifest names is damaged");
        if (*ret_given < skip)
            continue;
        const struct str texts[META_ROW_TEXTS] = {
            item_get_text(item, "repo"), item_get_text(item, "digest"), digest_str(&edge.digest)};
        const int64_t ints[META_ROW_INTS] = {(int64_t)position, edge.kind};

        add_row(p, texts, ints);
    }
    *ret_whole = rest.n == 0;
    return ERR_OK;
}

/* ---- places */

struct place {
    json_t *key;  /* of the last item; NULL: the start */
    size_t given; /* of its links, so many; 0: it is done */
    char *at;     /* of kinds that go by age */
};

static void auto_place_(struct place *p)
{
    json_decref(p->key);
    free(p->at);
}

static enum err_code parse_place(struct str after, enum meta_row_kind kind, struct place *ret,
                                 struct err *e)
{
    AUTO(json) json_t *text = NULL;
    const json_t *at;

    if (after.n == 0)
        return ERR_OK;
    if (json_shallow(after))
        text = json_loadb(after.p, after.n, 0, NULL);
    at = json_object_get(text, "at");
    ret->key = json_incref(json_object_get(text, "key"));
    ret->given = (size_t)json_integer_value(json_object_get(text, "given"));
    ret->at = json_is_string(at) ? mem_strdup(json_string_value(at)) : NULL;
    if (kinds[kind].letter ? !json_is_object(ret->key) : !ret->at)
        return err_set(e, ERR_INTERNAL, "a place between rows that is none");
    return ERR_OK;
}

static void set_next(struct page *p, const json_t *item, size_t given)
{
    AUTO(json) json_t *text = json_object();
    json_t *key = dynamo_key_json(item_get_text(item, "pk").p, item_get_text(item, "sk").p);

    json_object_set_new(text, "key", key);
    json_object_set_new(text, "given", json_integer((json_int_t)given));
    if (item_has(item, "at"))
        json_object_set_new(text, "at", json_string(item_get_text(item, "at").p));
    free(p->l.next);
    p->l.next = json_dumps(text, JSON_COMPACT);
}

/* ---- pages */

/* One item of the kind; more of its links than fit are left to the next page. */
static enum err_code take(struct page *p, const json_t *item, size_t skip, struct err *e)
{
    size_t given;
    bool whole;

    if (!item_has(item, kinds[p->kind].mark))
        return ERR_OK;
    if (p->kind != META_ROW_EDGE) {
        TRY(add_item(p, item, e));
        set_next(p, item, 0);
        return ERR_OK;
    }
    TRY(add_edges(p, item, skip, &given, &whole, e));
    set_next(p, item, whole ? 0 : given);
    p->l.more = !whole;
    return ERR_OK;
}

/* The rest of the item that the page before ended in. */
static enum err_code take_rest(struct page *p, const struct place *at, struct err *e)
{
    AUTO(json) json_t *keys = NULL;
    AUTO(json) json_t *items = NULL;

    if (at->given == 0)
        return ERR_OK;
    keys = json_pack("[O]", at->key);
    TRY(dynamo_get_many(p->link, keys, dynamo_link_end(p->link), &items, e));
    if (json_array_size(items) == 0)
        return ERR_OK;
    return take(p, json_array_get(items, 0), at->given, e);
}

/* Whether another row follows is known when the next was found. */
static enum err_code scan(struct page *p, struct place *at, struct err *e)
{
    AUTO(json) json_t *last = json_incref(at->key);
    size_t look = LOOK_FIRST;

    TRY(take_rest(p, at, e));
    while (!p->l.more) {
        AUTO(json) json_t *items = NULL;

        TRY(dynamo_scan(p->link, kinds[p->kind].letter, look, dynamo_link_end(p->link), &last,
                        &items, e));
        for (size_t i = 0; i < json_array_size(items) && !p->l.more; i++) {
            const json_t *item = json_array_get(items, i);

            if (is_full(p) && item_has(item, kinds[p->kind].mark) &&
                (p->kind != META_ROW_EDGE || item_get_text(item, "edges").n > 0 ||
                 item_has(item, "edges_at")))
                p->l.more = true;
            else
                TRY(take(p, item, 0, e));
        }
        if (!last)
            return ERR_OK;
        look = look < LOOK_MOST ? 2 * look : look;
    }
    return ERR_OK;
}

static enum err_code read_merge(struct page *p, struct dynamo_merge *merge, struct err *e)
{
    json_t *item;

    for (;;) {
        TRY(dynamo_merge_next(p->link, merge, dynamo_link_end(p->link), &item, e));
        p->l.more = item && is_full(p);
        if (!item || p->l.more)
            return ERR_OK;
        TRY(take(p, item, 0, e));
    }
}

static enum err_code by_age(struct page *p, const struct place *at, struct err *e)
{
    struct dynamo_ages ages;
    struct dynamo_trail trail;
    enum err_code code;

    if (p->kind == META_ROW_AUDIT) {
        dynamo_trail_init(&trail, at->at, p->limit < LOOK_MOST ? p->limit + 1 : 0);
        code = read_merge(p, &trail.merge, e);
        dynamo_merge_done(&trail.merge);
        return code;
    }
    dynamo_ages_init(&ages, "projection", INT64_MAX, p->limit < LOOK_MOST ? p->limit + 1 : 0);
    for (size_t i = 0; at->at && i < ages.merge.n; i++) {
        ages.merge.cursors[i].range.from = NULL;
        ages.merge.cursors[i].range.above = at->at;
    }
    code = read_merge(p, &ages.merge, e);
    dynamo_merge_done(&ages.merge);
    return code;
}

static enum err_code rows(struct meta *m, enum meta_row_kind kind, struct str after, size_t limit,
                          struct meta_row_list *ret_list, struct err *e)
{
    struct page p = {.link = dynamo_of(m)->link, .kind = kind, .limit = limit};
    AUTO(place) struct place at = {.key = NULL};
    enum err_code code = parse_place(after, kind, &at, e);

    if (code == ERR_OK)
        code = kinds[kind].letter ? scan(&p, &at, e) : by_age(&p, &at, e);
    if (code != ERR_OK) {
        meta_row_list_done(&p.l);
        return code;
    }
    *ret_list = p.l;
    return ERR_OK;
}

void dynamo_rows_fill(struct meta_driver *d)
{
    d->rows = rows;
}
