#include "trust/signature_gate.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct signature_gate {
    struct registry *registry;
    pthread_mutex_t lock; /* guards rules, the pointer */
    struct trust_rules *rules;
    atomic_bool asks[2]; /* by enum trust_at */
    struct tag_judge tags;
};

bool signature_gate_asks(struct signature_gate *g, enum trust_at at)
{
    return atomic_load_explicit(&g->asks[at], memory_order_relaxed);
}

struct trust_rules *signature_gate_rules(struct signature_gate *g)
{
    struct trust_rules *rules;

    pthread_mutex_lock(&g->lock);
    rules = trust_rules_ref(g->rules);
    pthread_mutex_unlock(&g->lock);
    return rules;
}

void signature_gate_set_rules(struct signature_gate *g, struct trust_rules *rules)
{
    struct trust_rules *old;

    pthread_mutex_lock(&g->lock);
    old = g->rules;
    g->rules = rules;
    pthread_mutex_unlock(&g->lock);
    atomic_store(&g->asks[TRUST_AT_PULL], trust_rules_ask(rules, TRUST_AT_PULL));
    atomic_store(&g->asks[TRUST_AT_PUSH], trust_rules_ask(rules, TRUST_AT_PUSH));
    trust_rules_unref(old);
}

enum err_code signature_gate_judge(struct signature_gate *g, enum trust_at at,
                                   const struct repo_name *repo, const struct digest *d,
                                   int64_t now_ms, struct image_trust *ret, bool *ret_enforced,
                                   struct err *e)
{
    AUTO(trust_rules) struct trust_rules *rules = signature_gate_rules(g);
    const struct trust_rule *rule = trust_rule_for(rules, repo, at);

    *ret = (struct image_trust){.state = TRUST_EXEMPT, .until_ms = INT64_MAX};
    *ret_enforced = rule && rule->conf->mode == CONF_PULL_ENFORCE;
    return rule ? image_trust_judge(g->registry, rule, repo, d, now_ms, ret, NULL, e) : ERR_OK;
}

/* ---- tags */

static enum err_code read_manifest(const struct meta_manifest *m, struct out_manifest *ret,
                                   struct err *e)
{
    TRY(manifest_parse(m->bytes, m->media_type, SIZE_MAX, &ret->parsed, e));
    ret->stored = meta_manifest_ref((struct meta_manifest *)m);
    ret->json = out_json_parse(m->bytes);
    return ret->json ? ERR_OK
                     : err_tell(e, ERR_UNSUPPORTED, "the manifest is too large to be looked at");
}

static enum err_code refuse(const struct image_trust *t, const struct tag_name *tag,
                            const struct meta_manifest *m, struct err *e)
{
    return err_tell(
        e, ERR_DENIED,
        "the image %s; push it by its digest, %.19s..., sign that, then give it the tag "
        "'%.20s'",
        t->why, m->digest.text, tag->text);
}

static enum err_code judge_tag(struct signature_gate *g, const struct trust_rule *rule,
                               const struct repo_name *repo, const struct tag_name *tag,
                               const struct meta_manifest *m, char *ret_warning, struct err *e)
{
    AUTO(out_manifest) struct out_manifest parsed = {0};
    struct image_trust t;

    TRY(read_manifest(m, &parsed, e));
    TRY(image_trust_judge_of(g->registry, rule, repo, &parsed, clock_wall_ms(), &t, e));
    if (t.state != TRUST_UNSIGNED)
        return ERR_OK;
    if (rule->conf->mode == CONF_PULL_ENFORCE)
        return refuse(&t, tag, m, e);
    snprintf(ret_warning, TAG_WARNING_MAX + 1, "image %s", t.why);
    return ERR_OK;
}

static enum err_code may_tag(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             const struct meta_manifest *m,
                             char ret_warning[static TAG_WARNING_MAX + 1], struct err *e)
{
    struct signature_gate *g = ctx;
    struct trust_rules *rules;
    const struct trust_rule *rule;
    enum err_code code = ERR_OK;

    ret_warning[0] = '\0';
    if (!signature_gate_asks(g, TRUST_AT_PUSH))
        return ERR_OK;
    rules = signature_gate_rules(g);
    rule = trust_rule_for(rules, repo, TRUST_AT_PUSH);
    if (rule)
        code = judge_tag(g, rule, repo, tag, m, ret_warning, e);
    trust_rules_unref(rules);
    return code;
}

const struct tag_judge *signature_gate_tags(struct signature_gate *g)
{
    return &g->tags;
}

/* ---- life */

struct signature_gate *signature_gate_new(struct registry *r)
{
    struct signature_gate *g = NEW(struct signature_gate);
    struct conf_signature_rules none = {NULL, 0};

    g->registry = r;
    pthread_mutex_init(&g->lock, NULL);
    (void)!trust_rules_read(&none, &g->rules, ERR_IGNORED); /* of nothing: does not fail */
    g->tags = (struct tag_judge){may_tag, g};
    return g;
}

void signature_gate_free(struct signature_gate *g)
{
    if (!g)
        return;
    trust_rules_unref(g->rules);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
