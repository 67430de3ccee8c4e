/* Who signed an image, by the rules of this server: docs/signatures.md. */
#include "api/handlers.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/pull.h"
#include "signing/signature_json.h"
#include "trust/signature_gate.h"

#define ANSWER_MAX (4u << 20)

static const char *state_name(enum trust_state s)
{
    static const char *const names[] = {
        [TRUST_SIGNED] = "signed", [TRUST_EXEMPT] = "exempt", [TRUST_UNSIGNED] = "unsigned"};

    return names[s];
}

static void add_list(struct buf *b, const char *key, const struct signature_list *l,
                     const struct trust *trust)
{
    buf_addf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < l->n; i++) {
        buf_add_text(b, i > 0 ? "," : "");
        signature_json(b, &l->rows[i], trust);
    }
    buf_add_char(b, ']');
}

static void add_rule(struct buf *b, const struct trust_rule *rule, const struct image_trust *t,
                     const struct image_trust_found *f)
{
    buf_addf(b, "{\"at\":[%s%s%s],\"mode\":\"%s\",\"require\":\"%s\",\"verified\":%s,",
             rule->at[TRUST_AT_PULL] ? "\"pull\"" : "",
             rule->at[TRUST_AT_PULL] && rule->at[TRUST_AT_PUSH] ? "," : "",
             rule->at[TRUST_AT_PUSH] ? "\"push\"" : "",
             rule->conf->mode == CONF_PULL_ENFORCE ? "enforce" : "warn",
             rule->conf->require == CONF_REQUIRE_ALL ? "all" : "any",
             t->state == TRUST_SIGNED ? "true" : "false");
    buf_addf(b, "\"state\":\"%s\",\"reason\":", state_name(t->state));
    if (t->why[0])
        buf_add_json(b, str_of(t->why));
    else
        buf_add_text(b, "null");
    if (t->by_index.n > 0)
        buf_addf(b, ",\"by_index\":\"%s\"", t->by_index.text);
    add_list(b, "signatures", &f->signatures, &rule->trust);
    if (rule->conf->attestations.n > 0)
        add_list(b, "attestations", &f->attestations, &rule->trust);
    buf_addf(b, ",\"more\":%s}", f->signatures.more || f->attestations.more ? "true" : "false");
}

static enum err_code add_judged(struct req *q, const struct trust_rule *rule,
                                const struct digest *d, struct buf *b, struct err *e)
{
    AUTO(mem) struct image_trust_found *found = NEW(struct image_trust_found);
    struct image_trust t;
    enum err_code code =
        image_trust_judge(q->registry, rule, &q->name, d, clock_wall_ms(), &t, found, e);

    if (code == ERR_OK)
        add_rule(b, rule, &t, found);
    image_trust_found_done(found);
    return code;
}

enum err_code api_image_signatures_get(struct req *q, struct err *e)
{
    AUTO(trust_rules) struct trust_rules *rules = signature_gate_rules(q->api->signatures);
    const struct trust_rule *pull = trust_rule_for(rules, &q->name, TRUST_AT_PULL);
    const struct trust_rule *push = trust_rule_for(rules, &q->name, TRUST_AT_PUSH);
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(buf) struct buf body = {0};

    TRY(pull_manifest(q->registry, &q->name, &q->ref, &m, e));
    buf_init(&body, ANSWER_MAX);
    buf_addf(&body, "{\"digest\":\"%s\",\"rules\":[", m->digest.text);
    if (pull)
        TRY(add_judged(q, pull, &m->digest, &body, e));
    if (pull && push && push != pull)
        buf_add_char(&body, ',');
    if (push && push != pull)
        TRY(add_judged(q, push, &m->digest, &body, e));
    buf_add_text(&body, "]}\n");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
