/* The pull policy over HTTP: the rules in force, and what others would have done (scan/simulate.h).
 */
#include "api/body.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "scan/gate.h"
#include "scan/simulate.h"

#define ANSWER_MAX_BYTES (8u << 20)
#define RULES_MAX_BYTES  (1u << 20)
#define LISTED_MAX       1000 /* pulls; of more there are numbers only */
#define DAYS_USUAL       7
#define DAYS_MAX         3650
#define DAY_MS           ((int64_t)86400 * 1000)

static void add_rules(void *ctx, const struct conf_pull_rules *rules)
{
    conf_pull_rules_json(rules, ctx);
}

enum err_code api_pull_policy_get(struct req *q, struct err *e)
{
    AUTO(buf) struct buf body = {0};

    (void)e;
    buf_init(&body, ANSWER_MAX_BYTES);
    buf_add_text(&body, "{\"pull_policy\":");
    gate_with_rules(q->api->gate, add_rules, &body);
    buf_add_text(&body, "}\n");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* ---- simulation */

struct question {
    uint64_t days;
    struct conf_pull_rules rules;
    bool own_rules;
};

static inline void auto_question_(struct question *x)
{
    conf_pull_rules_free(&x->rules);
}

struct listing {
    struct buf body;
    size_t n;
};

static enum err_code take_days(const json_t *days, struct question *ret, struct err *e)
{
    ret->days = DAYS_USUAL;
    if (!days)
        return ERR_OK;
    if (!json_is_integer(days) || json_integer_value(days) < 1 ||
        json_integer_value(days) > DAYS_MAX)
        return err_tell(e, ERR_REQUEST_INVALID, "'days' must be a number from 1 to %d", DAYS_MAX);
    ret->days = (uint64_t)json_integer_value(days);
    return ERR_OK;
}

/* JSON is YAML, so rules are checked as those of a file are. */
static enum err_code take_rules(const json_t *rules, struct question *ret, struct err *e)
{
    AUTO(mem) char *text = NULL;

    if (!rules)
        return ERR_OK;
    if (!json_is_array(rules))
        return err_tell(e, ERR_REQUEST_INVALID, "'pull_policy' must be a list of rules");
    text = json_dumps(rules, JSON_COMPACT);
    if (!text)
        return err_set(e, ERR_INTERNAL, "rules can't be written");
    if (conf_pull_rules_parse(str_of(text), &ret->rules, e) != ERR_OK) {
        e->code = ERR_REQUEST_INVALID;
        e->public_detail = true;
        return e->code;
    }
    ret->own_rules = true;
    return ERR_OK;
}

static enum err_code take_question(json_t *body, struct question *ret, struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "days") != 0 && strcmp(key, "pull_policy") != 0)
            return err_tell(e, ERR_REQUEST_INVALID,
                            "'%.64s' is an unknown field; allowed are days and pull_policy", key);
    }
    TRY(take_days(json_object_get(body, "days"), ret, e));
    return take_rules(json_object_get(body, "pull_policy"), ret, e);
}

static enum err_code list_one(void *ctx, const struct simulated *s, struct err *e)
{
    struct listing *l = ctx;
    AUTO(buf) struct buf text = {0};

    (void)e;
    if (++l->n > LISTED_MAX)
        return ERR_OK;
    buf_init(&text, PULL_TEXT_MAX);
    pull_verdict_text(s->verdict, &text);
    buf_addf(&l->body, "%s{\"repository\":\"%s\",\"reference\":\"" STR_FMT "\",\"digest\":\"%s\"",
             l->n > 1 ? "," : "", s->repo->text, STR_ARG(reference_str(s->ref)), s->digest->text);
    reply_add_time(&l->body, "pulled_at", s->pulled_ms);
    buf_addf(&l->body, ",\"blocked\":%s,\"reason\":\"%s\",\"message\":",
             s->verdict->blocked ? "true" : "false", pull_why_name(s->verdict->why));
    buf_add_json(&l->body, buf_str(&text));
    buf_add_char(&l->body, '}');
    return ERR_OK;
}

struct running {
    struct simulation x;
    struct listing *l;
    struct simulated_counts counts;
    struct err *e;
    enum err_code code;
};

static void run(void *ctx, const struct conf_pull_rules *rules)
{
    struct running *r = ctx;

    if (!r->x.rules)
        r->x.rules = rules;
    r->code = simulate(&r->x, list_one, r->l, &r->counts, r->e);
}

static void end(struct listing *l, const struct simulated_counts *c, uint64_t days)
{
    buf_addf(&l->body,
             "],\"truncated\":%s,\"days\":%llu,\"pulls\":%llu,\"blocked\":%llu,\"warned\":%llu,"
             "\"gone\":%llu",
             l->n > LISTED_MAX ? "true" : "false", (unsigned long long)days,
             (unsigned long long)c->pulls, (unsigned long long)c->blocked,
             (unsigned long long)c->warned, (unsigned long long)c->gone);
    reply_add_time(&l->body, "recorded_since", c->since_ms);
    buf_add_text(&l->body, "}\n");
}

enum err_code api_pull_policy_simulate(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(question) struct question x = {.days = 0};
    AUTO(buf) struct buf text = {0};
    struct listing l = {.n = 0};
    struct running r = {.l = &l, .e = e};

    TRY(body_json(q, RULES_MAX_BYTES, &body, e));
    TRY(take_question(body, &x, e));
    buf_init(&l.body, ANSWER_MAX_BYTES);
    buf_add_text(&l.body, "{\"images\":[");
    r.x = (struct simulation){.gate = q->api->gate,
                              .registry = q->registry,
                              .rules = x.own_rules ? &x.rules : NULL,
                              .now_ms = clock_wall_ms()};
    r.x.since_ms = r.x.now_ms - (int64_t)x.days * DAY_MS;
    gate_with_rules(q->api->gate, run, &r);
    end(&l, &r.counts, x.days);
    text = l.body; /* is freed in any case */
    if (r.code == ERR_OK)
        reply_json(q, 200, buf_str(&text));
    return r.code;
}
