#include "core/order.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "core/history.h"

#include <stdlib.h>

static const char *const names[] = {[ORDER_ROLLBACK] = "rollback"};

#define KINDS (sizeof(names) / sizeof(names[0]))

static void set_text(json_t *o, const char *name, struct str value)
{
    if (value.n > 0)
        json_object_set_new(o, name, json_stringn(value.p, value.n));
}

enum err_code order_key(const struct order *o, char dst[static ORDER_KEY_MAX + 1], struct err *e)
{
    AUTO(json) json_t *json = json_object();
    AUTO(mem) char *text = NULL;

    set_text(json, "do", str_of(names[o->kind]));
    set_text(json, "repository", repo_name_str(&o->repo));
    set_text(json, "tag", tag_name_str(&o->tag));
    set_text(json, "to", digest_str(&o->to));
    set_text(json, "actor", str_of(o->actor));
    text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text || !str_copy(str_of(text), dst, ORDER_KEY_MAX + 1))
        return err_set(e, ERR_REQUEST_INVALID, "what is to be done can't be written down");
    return ERR_OK;
}

static struct str text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    return str_of(text ? text : "");
}

static enum err_code parse_kind(struct str name, enum order_kind *ret, struct err *e)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (str_eq(name, str_of(names[i]))) {
            *ret = (enum order_kind)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_REQUEST_INVALID, "this version of the registry knows no order '%.64s'",
                   name.p);
}

enum err_code order_parse(struct str key, struct order *ret_order, struct err *e)
{
    AUTO(json) json_t *json = json_shallow(key) ? json_loadb(key.p, key.n, 0, NULL) : NULL;
    struct order o = {.kind = ORDER_ROLLBACK};
    struct str tag = text_of(json, "tag"), to = text_of(json, "to");

    TRY(parse_kind(text_of(json, "do"), &o.kind, e));
    TRY(repo_name_parse(text_of(json, "repository"), &o.repo, e));
    if (tag.n > 0)
        TRY(tag_name_parse(tag, &o.tag, e));
    if (to.n > 0)
        TRY(digest_parse(to, &o.to, e));
    if (!str_copy(text_of(json, "actor"), o.actor, sizeof(o.actor)))
        return err_set(e, ERR_REQUEST_INVALID, "an order of somebody with too long a name");
    *ret_order = o;
    return ERR_OK;
}

static enum err_code roll_back(struct registry *r, const struct order *o, struct err *e)
{
    const struct rollback b = {
        .repo = &o->repo, .tag = &o->tag, .to = o->to.n > 0 ? &o->to : NULL, .actor = o->actor};
    struct rolled_back unused;

    return history_rollback(r, &b, &unused, e);
}

enum err_code order_run(struct registry *r, const struct order *o, struct err *e)
{
    switch (o->kind) {
    case ORDER_ROLLBACK:
        return roll_back(r, o, e);
    }
    return err_set(e, ERR_INTERNAL, "an order of no kind");
}

static enum err_code run_job(void *ctx, struct job *job, struct err *e)
{
    struct order o;

    TRY(order_parse(job_key(job), &o, e));
    return order_run(ctx, &o, e);
}

struct job_kind order_job_kind(struct registry *r)
{
    return (struct job_kind){.name = ORDER_KIND,
                             .run = run_job,
                             .ctx = r,
                             .attempts = 1,
                             .retry_ms = 1000,
                             .priority = -1};
}
