/*
 * The audit trail: found by the index of what narrows most, newest first; the rest of a filter is
 * looked at in what comes. Indexes lag some milliseconds behind the table, which a trail may.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdio.h>

#define PAGE_MOST 1000

struct search {
    struct dynamo_merge merge;
    char partitions[DYNAMO_AUDIT_SHARDS][DYNAMO_PK_MAX + 1];
    char from[2 * DYNAMO_SORTED], to[2 * DYNAMO_SORTED];
};

static inline void auto_search_(struct search *s)
{
    dynamo_merge_done(&s->merge);
}

/* From first_ms on, before that place. A place is one text, so a page begins exactly there. */
static void set_bounds(struct search *s, int64_t first_ms, int64_t until_ms, int64_t id)
{
    char time[DYNAMO_SORTED], number[DYNAMO_SORTED];

    dynamo_sorted(first_ms, s->from);
    dynamo_sorted(until_ms, time);
    dynamo_sorted(id - 1, number);
    if (id > 0)
        snprintf(s->to, sizeof(s->to), "%s#%s", time, number);
    else
        snprintf(s->to, sizeof(s->to), "%s", time); /* all of that time sort behind it */
}

/* index NULL: the trail itself. */
static void set_ranges(struct search *s, const char *index, struct str value, bool backwards,
                       size_t page)
{
    s->merge.n = DYNAMO_AUDIT_SHARDS;
    s->merge.by = "at";
    for (unsigned i = 0; i < DYNAMO_AUDIT_SHARDS; i++) {
        if (index)
            snprintf(s->partitions[i], sizeof(s->partitions[i]), "%u#" STR_FMT, i, STR_ARG(value));
        else
            snprintf(s->partitions[i], sizeof(s->partitions[i]), "audit#%u", i);
        s->merge.cursors[i].range = (struct dynamo_range){.index = index,
                                                          .hash = index,
                                                          .sort = index ? "at" : NULL,
                                                          .partition = s->partitions[i],
                                                          .from = s->from,
                                                          .to = s->to,
                                                          .backwards = backwards,
                                                          .page = page};
    }
}

/* The index that finds the fewest; NULL: none. Values that are too long for it are found by the
 * trail. */
static const char *index_for(const struct meta_audit_filter *f, struct str *ret_value)
{
    const struct {
        struct str value;
        const char *index;
    } ways[] = {
        {f->repository, "g_repository"},
        {f->address, "g_address"},
        {f->actor, "g_actor"},
        {str_eq(f->result, STR("ok")) ? STR_NONE : f->result, "g_result"},
        {f->action, "g_action"},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        *ret_value = ways[i].value;
        if (ways[i].value.n > 0 && ways[i].value.n <= DYNAMO_AUDIT_INDEXED)
            return ways[i].index;
    }
    return NULL;
}

static bool matches(const json_t *item, const struct meta_audit_filter *f)
{
    const struct {
        struct str want;
        const char *name;
    } texts[] = {{f->actor, "actor"},
                 {f->action, "action"},
                 {f->address, "address"},
                 {f->result, "result"},
                 {f->repository, "repository"}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].want.n > 0 && !str_eq(texts[i].want, item_get_text(item, texts[i].name)))
            return false;
    }
    return !f->repository_matches ||
           f->repository_matches(f->ctx, item_get_text(item, "repository"));
}

static struct meta_audit entry_from(const json_t *item)
{
    char *texts[AUDIT_TEXTS];

    for (size_t i = 0; i < AUDIT_TEXTS; i++)
        texts[i] = str_dup(item_get_text(item, dynamo_audit_names[i]));
    return (struct meta_audit){.id = item_get_number(item, "id"),
                               .time_ms = item_get_number(item, "time"),
                               .actor = texts[0],
                               .action = texts[1],
                               .target = texts[2],
                               .address = texts[3],
                               .result = texts[4],
                               .detail = texts[5],
                               .repository = texts[6]};
}

static void auto_audit_(struct meta_audit_list *l)
{
    meta_audit_list_done(l);
}

static void begin(struct search *s, const struct meta_audit_filter *f, size_t limit)
{
    struct meta_audit_place before = f->before;
    bool filtered = f->repository_matches != NULL;
    struct str value;
    const char *index = index_for(f, &value);

    if (before.time_ms == 0)
        before = (struct meta_audit_place){INT64_MAX, 0};
    if (f->until_ms && f->until_ms <= before.time_ms)
        before = (struct meta_audit_place){f->until_ms, 0};
    set_bounds(s, f->from_ms, before.time_ms, before.id);
    set_ranges(s, index, value, true, filtered || limit >= PAGE_MOST ? 0 : limit + 1);
}

static enum err_code audit(struct meta *m, const struct meta_audit_filter *f, size_t limit,
                           struct meta_audit_list *ret_list, struct err *e)
{
    struct dynamo_link *link = dynamo_of(m)->link;
    const size_t look = dynamo_of(m)->audit_look;
    AUTO(mem) struct search *own = NEW(struct search);
    AUTO(audit) struct meta_audit_list l = {0};
    enum err_code code = ERR_OK;
    json_t *item;

    begin(own, f, limit);
    if (strcmp(own->from, own->to) > 0) { /* a range that is none is refused */
        *ret_list = l;
        return ERR_OK;
    }
    for (size_t looked = 0;; looked++) {
        bool match;

        code = dynamo_merge_next(link, &own->merge, dynamo_link_end(link), &item, e);
        if (code != ERR_OK || !item)
            break;
        match = matches(item, f);
        l.more = looked == look || (match && l.n == limit);
        if (l.more)
            break;
        l.next =
            (struct meta_audit_place){item_get_number(item, "time"), item_get_number(item, "id")};
        if (!match)
            continue;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        l.rows[l.n++] = entry_from(item);
    }
    dynamo_merge_done(&own->merge);
    TRY(code);
    *ret_list = l;
    l = (struct meta_audit_list){0};
    return ERR_OK;
}

enum err_code dynamo_audit_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms, struct err *e)
{
    AUTO(search) struct search s = {.from = ""};

    set_bounds(&s, INT64_MIN, before_ms, 0);
    set_ranges(&s, NULL, STR_NONE, false, 0);
    return dynamo_delete_all(d->link, &s.merge, end_ms, e);
}

void dynamo_trail_init(struct dynamo_trail *t, const char *above, size_t page)
{
    *t = (struct dynamo_trail){.merge = {.n = DYNAMO_AUDIT_SHARDS, .by = "at"}};
    for (unsigned i = 0; i < DYNAMO_AUDIT_SHARDS; i++) {
        snprintf(t->partitions[i], sizeof(t->partitions[i]), "audit#%u", i);
        t->merge.cursors[i].range =
            (struct dynamo_range){.partition = t->partitions[i], .above = above, .page = page};
    }
}

void dynamo_audit_fill(struct meta_driver *d)
{
    d->audit = audit;
}
