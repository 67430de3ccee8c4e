/* The audit trail, to be read: newest first, by filters that all must match. There is nothing to
 * change or delete it with; audit.retention alone ends an entry. */
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "auth/core/audit.h"
#include "base/clock.h"

#include <stdio.h>

#define LIST_MAX_BYTES (64u << 20)
#define VALUE_MAX      520

enum { ACTOR, ACTION, REPOSITORY, RESULT, ADDRESS, FROM, TO, FILTERS };

/* Their values come again in the Link of the next page, so they are short. */
static const struct {
    const char *name;
    size_t cap;
} filters[FILTERS] = {
    [ACTOR] = {"actor", 160},
    [ACTION] = {"action", 64},
    [REPOSITORY] = {"repository", VALUE_MAX},
    [RESULT] = {"result", 32},
    [ADDRESS] = {"address", 64},
    [FROM] = {"from", 40},
    [TO] = {"to", 40},
};

struct question {
    struct meta_audit_filter filter;
    char values[FILTERS][VALUE_MAX];
    size_t n;
};

static void auto_list_(struct meta_audit_list *l)
{
    meta_audit_list_done(l);
}

static enum err_code parse_time(const char *name, const char *text, int64_t *ret_ms, struct err *e)
{
    if (!text[0] || clock_parse(str_of(text), ret_ms))
        return ERR_OK;
    return err_tell(e, ERR_REQUEST_INVALID,
                    "query parameter '%s' is no time such as 2026-01-31 or 2026-01-31T23:59:59Z",
                    name);
}

/* Where the page before ended: "MILLISECONDS.ID". */
static enum err_code parse_last(struct req *q, struct meta_audit_place *ret, struct err *e)
{
    char text[64];
    struct str id, time;
    uint64_t time_ms, number;

    TRY(query_text(q, "last", text, sizeof(text), e));
    id = str_of(text);
    if (id.n == 0)
        return ERR_OK;
    if (!str_cut(&id, '.', &time) || !str_to_u64(time, INT64_MAX, &time_ms) ||
        !str_to_u64(id, INT64_MAX, &number) || time_ms == 0)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "query parameter 'last' is not what the Link of a page said");
    *ret = (struct meta_audit_place){(int64_t)time_ms, (int64_t)number};
    return ERR_OK;
}

static enum err_code parse(struct req *q, struct question *ret, struct err *e)
{
    struct meta_audit_filter *f = &ret->filter;

    TRY(query_page(q, PAGE_UNASKED, &ret->n, e));
    TRY(parse_last(q, &f->before, e));
    for (size_t i = 0; i < FILTERS; i++)
        TRY(query_text(q, filters[i].name, ret->values[i], filters[i].cap, e));
    f->actor = str_of(ret->values[ACTOR]);
    f->action = str_of(ret->values[ACTION]);
    f->result = str_of(ret->values[RESULT]);
    f->address = str_of(ret->values[ADDRESS]);
    TRY(audit_filter_repository(f, ret->values[REPOSITORY], e));
    TRY(parse_time("from", ret->values[FROM], &f->from_ms, e));
    return parse_time("to", ret->values[TO], &f->until_ms, e);
}

/* The same question, from where this page ended. */
static void reply_link(struct req *q, const struct question *ask, const struct meta_audit_list *l)
{
    AUTO(buf) struct buf more = {0};
    char last[64];

    buf_init(&more, 3 * sizeof(ask->values));
    for (size_t i = 0; i < FILTERS; i++) {
        if (!ask->values[i][0])
            continue;
        buf_addf(&more, "&%s=", filters[i].name);
        buf_add_percent(&more, str_of(ask->values[i]));
    }
    snprintf(last, sizeof(last), "%lld.%lld", (long long)l->next.time_ms, (long long)l->next.id);
    reply_next(q, ask->n, str_of(last), buf_str(&more));
}

enum err_code api_audit_list(struct req *q, struct err *e)
{
    AUTO(list) struct meta_audit_list l = {0};
    AUTO(buf) struct buf body = {0};
    struct question ask = {.n = 0};

    buf_init(&body, LIST_MAX_BYTES);
    TRY(parse(q, &ask, e));
    if (ask.n > 0)
        TRY(meta_audit(q->registry->meta, &ask.filter, ask.n, &l, e));
    buf_add_text(&body, "{\"entries\":[");
    for (size_t i = 0; i < l.n; i++) {
        if (i > 0)
            buf_add_char(&body, ',');
        audit_json(&l.rows[i], &body);
    }
    buf_add_text(&body, "]}\n");
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of the audit trail is too large");
    if (l.more)
        reply_link(q, &ask, &l);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
