/* Retention: which tags go by the policies of the configuration, and asking for it. */
#include "core/retention.h"

#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "core/order.h"

#define LIST_MAX_BYTES (16u << 20)
#define TOLD_MAX_BYTES (1u << 20)

struct listing {
    struct buf body, told;
    uint64_t before; /* so many decisions are of the pages before */
    size_t n;
    uint64_t seen;
};

static void auto_listing_(struct listing *l)
{
    buf_done(&l->body);
    buf_done(&l->told);
}

static void add_decision(void *ctx, const struct retention_decision *d)
{
    struct listing *l = ctx;

    if (l->seen++ < l->before || l->seen > l->before + l->n)
        return;
    buf_add_text(&l->body, l->seen > l->before + 1 ? ",{\"repository\":" : "{\"repository\":");
    buf_add_json(&l->body, repo_name_str(d->repo));
    buf_add_text(&l->body, ",\"tag\":");
    buf_add_json(&l->body, tag_name_str(&d->tag->name));
    buf_add_text(&l->body, ",\"digest\":");
    buf_add_json(&l->body, digest_str(&d->tag->digest));
    reply_add_time(&l->body, "pushed", d->tag->pushed_ms);
    buf_addf(&l->body, ",\"goes\":%s,\"why\":", d->goes ? "true" : "false");
    buf_add_json(&l->body, str_of(d->why));
    buf_add_char(&l->body, '}');
}

static void add_told(void *ctx, size_t policy, const char *why)
{
    struct listing *l = ctx;

    buf_addf(&l->told, "%s{\"policy\":%zu,\"why\":", l->told.n > 0 ? "," : "", policy);
    buf_add_json(&l->told, str_of(why));
    buf_add_char(&l->told, '}');
}

/* Which page: how many decisions are before it. */
static enum err_code parse_page(struct req *q, struct listing *l, struct err *e)
{
    char last[STR_DECIMAL_MAX];

    TRY(query_page(q, PAGE_UNASKED, &l->n, e));
    TRY(query_text(q, "last", last, sizeof(last), e));
    if (last[0] && !str_to_u64(str_of(last), INT64_MAX, &l->before))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "query parameter 'last' is not what the Link of a page said");
    return ERR_OK;
}

enum err_code api_retention_get(struct req *q, struct err *e)
{
    AUTO(listing) struct listing l = {.before = 0};
    struct retention x = retention_of(q->registry, req_actor(q));
    struct retention_counts counts;
    char last[STR_DECIMAL_MAX];

    TRY(parse_page(q, &l, e));
    buf_init(&l.body, LIST_MAX_BYTES);
    buf_init(&l.told, TOLD_MAX_BYTES);
    x.registry = NULL; /* it only looks */
    x.decided = add_decision;
    x.told = add_told;
    x.ctx = &l;
    buf_add_text(&l.body, "{\"decisions\":[");
    TRY(retention_run(&x, &counts, e));
    buf_addf(&l.body, "],\"go\":%llu,\"stay\":%llu,\"not_carried_out\":[%.*s]}\n",
             (unsigned long long)counts.gone, (unsigned long long)counts.kept,
             STR_ARG(buf_str(&l.told)));
    if (l.body.full || l.told.full)
        return err_set(e, ERR_INTERNAL, "a page of decisions is too large");
    if (l.n > 0 && l.seen > l.before + l.n)
        reply_next(q, l.n, str_decimal(l.before + l.n, last), STR_NONE);
    reply_json(q, 200, buf_str(&l.body));
    return ERR_OK;
}

enum err_code api_retention_post(struct req *q, struct err *e)
{
    struct order o = {.kind = ORDER_RETENTION};
    char key[ORDER_KEY_MAX + 1];

    if (q->registry->retention->n == 0)
        return err_tell(e, ERR_CONFLICT, "the configuration has no policy of `retention`");
    if (!str_copy(str_of(req_actor(q)), o.actor, sizeof(o.actor)))
        o.actor[0] = '\0'; /* who it was is in the audit trail */
    TRY(order_key(&o, key, e));
    TRY(jobs_add(q->registry->jobs, ORDER_KIND, str_of(key), e));
    jobs_wake(q->registry->jobs);
    reply_json(q, 202, STR("{\"state\":\"waiting\"}\n"));
    return ERR_OK;
}
