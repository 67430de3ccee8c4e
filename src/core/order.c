#include "core/order.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/pattern.h"
#include "core/bulk.h"
#include "core/history.h"
#include "core/retention.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[] = {[ORDER_ROLLBACK] = "rollback",
                                    [ORDER_REPO_RM] = "repo rm",
                                    [ORDER_TAG_RM] = "tag rm",
                                    [ORDER_RETENTION] = "retention"};

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
    set_text(json, "pattern", str_of(o->pattern));
    if (o->before_ms > 0)
        json_object_set_new(json, "before", json_integer(o->before_ms));
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
    if (o.kind != ORDER_RETENTION)
        TRY(repo_name_parse(text_of(json, "repository"), &o.repo, e));
    if (tag.n > 0)
        TRY(tag_name_parse(tag, &o.tag, e));
    if (to.n > 0)
        TRY(digest_parse(to, &o.to, e));
    o.before_ms = json_integer_value(json_object_get(json, "before"));
    if (!str_copy(text_of(json, "actor"), o.actor, sizeof(o.actor)) ||
        !str_copy(text_of(json, "pattern"), o.pattern, sizeof(o.pattern)))
        return err_set(e, ERR_REQUEST_INVALID, "an order with too long a name in it");
    if (o.kind == ORDER_TAG_RM && !pattern_valid(str_of(o.pattern)))
        return err_set(e, ERR_REQUEST_INVALID, "an order without a pattern");
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

struct watch {
    order_go_on_fn go_on;
    void *ctx;
    struct order_rules rules;
};

enum err_code order_may_untag(void *rules, const struct tag_name *tag, struct err *e)
{
    const struct order_rules *x = rules;

    if (!x->is_immutable || !x->is_immutable(x->immutable_ctx, x->repo, tag))
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "a rule of the rights lets nobody move or delete tag '%s'",
                    tag->text);
}

static enum err_code may_untag(void *ctx, const struct tag_name *tag, struct err *e)
{
    struct watch *w = ctx;

    return order_may_untag(&w->rules, tag, e);
}

static bool goes_on(void *ctx, const struct bulk_counts *done)
{
    const struct watch *w = ctx;
    char line[128];

    snprintf(line, sizeof(line), "%llu tags, %llu manifests, %llu blobs deleted",
             (unsigned long long)done->tags, (unsigned long long)done->manifests,
             (unsigned long long)done->blobs);
    return !w->go_on || w->go_on(w->ctx, line);
}

static enum err_code remove_repo(const struct bulk *b, struct err *e)
{
    struct bulk_counts done;
    bool left = false;

    TRY(bulk_remove_repo(b, &done, &left, e));
    if (left)
        return err_set(e, ERR_CONFLICT, "something was pushed to %s meanwhile, and stayed",
                       b->repo->text);
    return ERR_OK;
}

static bool retention_goes_on(void *ctx, uint64_t deleted)
{
    const struct bulk_counts done = {.tags = deleted};

    return goes_on(ctx, &done);
}

static enum err_code retain(struct registry *r, const char *actor, struct watch *watch,
                            struct err *e)
{
    struct retention x = retention_of(r, actor);
    struct retention_counts unused;

    x.go_on = retention_goes_on;
    x.ctx = watch;
    return retention_run(&x, &unused, e);
}

enum err_code order_run(struct registry *r, const struct order *o, order_go_on_fn go_on, void *ctx,
                        struct err *e)
{
    struct watch watch = {go_on, ctx, {r->is_immutable, r->immutable_ctx, &o->repo}};
    const struct bulk b = {.registry = r,
                           .repo = &o->repo,
                           .actor = o->actor,
                           .may_untag = may_untag,
                           .go_on = goes_on,
                           .ctx = &watch};
    const struct bulk_tags which = {.pattern = str_of(o->pattern),
                                    .before_ms = o->before_ms,
                                    .may_untag = may_untag,
                                    .ctx = &watch};
    struct bulk_counts unused;

    switch (o->kind) {
    case ORDER_ROLLBACK:
        return roll_back(r, o, e);
    case ORDER_REPO_RM:
        return remove_repo(&b, e);
    case ORDER_TAG_RM:
        return bulk_remove_tags(&b, &which, &unused, e);
    case ORDER_RETENTION:
        return retain(r, o->actor, &watch, e);
    }
    return err_set(e, ERR_INTERNAL, "an order of no kind");
}

static bool job_goes_on(void *ctx, const char *how_far)
{
    struct job *job = ctx;

    job_note(job, "%s", how_far);
    return job_go_on(job_jobs(job), job);
}

static enum err_code run_job(void *ctx, struct job *job, struct err *e)
{
    struct order o;

    TRY(order_parse(job_key(job), &o, e));
    return order_run(ctx, &o, job_goes_on, job, e);
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
