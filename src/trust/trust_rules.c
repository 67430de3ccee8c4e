#include "trust/trust_rules.h"

#include "base/mem.h"
#include "base/pattern.h"
#include "signing/certificate_rule.h"
#include "signing/notation_trust.h"
#include "signing/public_key.h"
#include "signing/statement.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A rule with what it owns. */
struct read_rule {
    struct trust_rule rule;
    struct public_key **keys;
    struct certificate_rule **certificates;
    struct notation_trust *notation;
    size_t n_keys, n_certificates;
};

struct trust_rules {
    atomic_uint refs;
    struct conf_signature_rules conf;
    struct read_rule *rules;
    size_t n;
};

/* ---- reading */

static enum err_code at_key(enum err_code code, size_t rule, const char *list, size_t i,
                            const char *key, struct err *e)
{
    if (code == ERR_OK)
        return ERR_OK;
    err_prefix(e, "signatures[%zu].%s[%zu].%s", rule, list, i, key);
    return e->code = ERR_CONFIG;
}

static const char *or_none(const char *text)
{
    return text[0] ? text : NULL;
}

/* With a NULL behind them. */
static const char **paths_of(const struct conf_strings *list)
{
    const char **paths = mem_zero((list->n + 1) * sizeof(*paths));

    for (size_t i = 0; i < list->n; i++)
        paths[i] = list->items[i];
    return paths;
}

static enum err_code read_certificates(const struct conf_signer *s, struct certificate_rule **ret,
                                       struct err *e)
{
    AUTO(mem) const char **logs = paths_of(&s->log_keys);
    AUTO(mem) const char **stamps = paths_of(&s->timestamp_roots);
    const struct certificate_terms terms = {.identity = or_none(s->identity),
                                            .identity_pattern = or_none(s->identity_regexp),
                                            .issuer = or_none(s->issuer),
                                            .issuer_pattern = or_none(s->issuer_regexp),
                                            .roots = s->roots,
                                            .logs = logs,
                                            .stamps = stamps,
                                            .no_log = s->log == CONF_LOG_IGNORE};

    return certificate_rule_read(&terms, ret, e);
}

static enum err_code read_signers(struct read_rule *r, size_t rule, struct err *e)
{
    const struct conf_signers *list = &r->rule.conf->cosign;

    r->keys = mem_zero((list->n + 1) * sizeof(struct public_key *));
    r->certificates = mem_zero((list->n + 1) * sizeof(struct certificate_rule *));
    for (size_t i = 0; i < list->n; i++) {
        const struct conf_signer *s = &list->items[i];

        if (s->key[0])
            TRY(at_key(public_key_read(s->key, &r->keys[r->n_keys++], e), rule, "cosign", i, "key",
                       e));
        else
            TRY(at_key(read_certificates(s, &r->certificates[r->n_certificates++], e), rule,
                       "cosign", i, s->identity[0] ? "identity" : "identity_regexp", e));
    }
    return ERR_OK;
}

/* ---- signers of whom all are asked for */

/* The place in the list of the signer that is the nth of its kind. */
static size_t place_of(const struct conf_signers *list, bool key, size_t nth)
{
    size_t i = 0;

    while (i < list->n && (!!list->items[i].key[0] != key || nth-- > 0))
        i++;
    return i;
}

static bool same_files(const struct conf_strings *a, const struct conf_strings *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

/* Does first take whatever evidence is enough for then? As far as that is sure. */
static bool takes_as_much(const struct conf_signer *first, const struct conf_signer *then)
{
    return strcmp(first->roots, then->roots) == 0 &&
           (first->log == CONF_LOG_IGNORE || then->log != CONF_LOG_IGNORE) &&
           same_files(&first->log_keys, &then->log_keys) &&
           same_files(&first->timestamp_roots, &then->timestamp_roots);
}

static bool covers(const struct read_rule *r, bool keys, size_t first, size_t then)
{
    const struct conf_signers *list = &r->rule.conf->cosign;

    if (keys)
        return strcmp(public_key_fingerprint(r->keys[first]),
                      public_key_fingerprint(r->keys[then])) == 0;
    return certificate_rule_covers(r->certificates[first], r->certificates[then]) &&
           takes_as_much(&list->items[place_of(list, false, first)],
                         &list->items[place_of(list, false, then)]);
}

static enum err_code check_kind(const struct read_rule *r, bool keys, size_t rule, struct err *e)
{
    const struct conf_signers *list = &r->rule.conf->cosign;

    for (size_t then = 1; then < (keys ? r->n_keys : r->n_certificates); then++) {
        size_t i = place_of(list, keys, then);

        for (size_t first = 0; first < then; first++) {
            if (!covers(r, keys, first, then))
                continue;
            err_set(e, ERR_CONFIG,
                    "whoever signs so is cosign[%zu] already, and a signature counts for the first "
                    "that it fits; with require: all no image could be signed by both",
                    place_of(list, keys, first));
            return at_key(ERR_CONFIG, rule, "cosign", i,
                          keys                         ? "key"
                          : list->items[i].identity[0] ? "identity"
                                                       : "identity_regexp",
                          e);
        }
    }
    return ERR_OK;
}

static enum err_code check_all(const struct read_rule *r, size_t rule, struct err *e)
{
    if (r->rule.conf->require != CONF_REQUIRE_ALL)
        return ERR_OK;
    TRY(check_kind(r, true, rule, e));
    return check_kind(r, false, rule, e);
}

static enum err_code read_notation(struct read_rule *r, size_t rule, struct err *e)
{
    const struct conf_notation *c;
    struct notation_files files;

    if (r->rule.conf->notation.n == 0)
        return ERR_OK;
    c = &r->rule.conf->notation.items[0];
    files = (struct notation_files){.policy = c->trust_policy,
                                    .certificates = c->certificates,
                                    .crls = (const char *const *)c->crls.items,
                                    .n_crls = c->crls.n};
    return at_key(notation_trust_read(&files, &r->notation, e), rule, "notation", 0, "trust_policy",
                  e);
}

/* What nothing could be would refuse all. */
static enum err_code check_attestations(const struct conf_attestations *list, size_t rule,
                                        struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct statement_demand d = {list->items[i].predicate_type,
                                           or_none(list->items[i].builder)};

        TRY(at_key(statement_demand_check(&d, e), rule, "attestations", i, "predicate_type", e));
    }
    return ERR_OK;
}

static enum err_code read_rule(struct read_rule *r, size_t i, struct err *e)
{
    const struct conf_signature_rule *c = r->rule.conf;

    for (size_t k = 0; k < c->at.n; k++)
        r->rule.at[strcmp(c->at.items[k], "push") == 0 ? TRUST_AT_PUSH : TRUST_AT_PULL] = true;
    if (c->mode == CONF_PULL_OFF)
        return ERR_OK;
    TRY(read_signers(r, i, e));
    TRY(check_all(r, i, e));
    TRY(read_notation(r, i, e));
    TRY(check_attestations(&c->attestations, i, e));
    r->rule.trust = (struct trust){.keys = r->keys,
                                   .n_keys = r->n_keys,
                                   .certificates = r->certificates,
                                   .n_certificates = r->n_certificates,
                                   .notation = r->notation};
    return ERR_OK;
}

enum err_code trust_rules_read(struct conf_signature_rules *list, struct trust_rules **ret_rules,
                               struct err *e)
{
    AUTO(trust_rules) struct trust_rules *r = NEW(struct trust_rules);

    atomic_init(&r->refs, 1);
    r->conf = *list;
    *list = (struct conf_signature_rules){NULL, 0};
    r->n = r->conf.n;
    r->rules = mem_zero((r->n + 1) * sizeof(*r->rules));
    for (size_t i = 0; i < r->n; i++) {
        r->rules[i].rule.conf = &r->conf.items[i];
        TRY(read_rule(&r->rules[i], i, e));
    }
    *ret_rules = STEAL(r);
    return ERR_OK;
}

static void free_rule(struct read_rule *r)
{
    for (size_t i = 0; i < r->n_keys; i++)
        public_key_free(r->keys[i]);
    for (size_t i = 0; i < r->n_certificates; i++)
        certificate_rule_free(r->certificates[i]);
    free(r->keys);
    free(r->certificates);
    notation_trust_free(r->notation);
}

enum err_code trust_rules_check(const struct conf *c, struct err *e)
{
    enum err_code code = ERR_OK;

    for (size_t i = 0; i < c->signatures.n && code == ERR_OK; i++) {
        struct read_rule r = {.rule = {.conf = &c->signatures.items[i]}};

        code = read_rule(&r, i, e);
        free_rule(&r);
    }
    return code;
}

struct trust_rules *trust_rules_ref(struct trust_rules *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void trust_rules_unref(struct trust_rules *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < r->n; i++)
        free_rule(&r->rules[i]);
    free(r->rules);
    conf_signature_rules_free(&r->conf);
    free(r);
}

/* ---- asking */

static bool is_about(const struct conf_signature_rule *c, const struct repo_name *repo)
{
    for (size_t i = 0; i < c->repositories.n; i++) {
        if (pattern_matches(str_of(c->repositories.items[i]), repo_name_str(repo)))
            return true;
    }
    return false;
}

const struct trust_rule *trust_rule_for(const struct trust_rules *r, const struct repo_name *repo,
                                        enum trust_at at)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct trust_rule *rule = &r->rules[i].rule;

        if (rule->at[at] && is_about(rule->conf, repo))
            return rule->conf->mode == CONF_PULL_OFF ? NULL : rule;
    }
    return NULL;
}

bool trust_rules_ask(const struct trust_rules *r, enum trust_at at)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->rules[i].rule.at[at] && r->rules[i].rule.conf->mode != CONF_PULL_OFF)
            return true;
    }
    return false;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The configured signer that is the nth of its kind. */
static const struct conf_signer *signer(const struct trust_rule *rule, bool key, size_t nth)
{
    const struct conf_signers *list = &rule->conf->cosign;

    for (size_t i = 0; i < list->n; i++) {
        if (!!list->items[i].key[0] == key && nth-- == 0)
            return &list->items[i];
    }
    return NULL;
}

void trust_signer_name(const struct trust_rule *rule, enum signer_kind kind, size_t nth,
                       char ret_name[static TRUST_SIGNER_MAX + 1])
{
    const struct conf_signer *s = kind == SIGNER_KEY || kind == SIGNER_CERTIFICATE
                                      ? signer(rule, kind == SIGNER_KEY, nth)
                                      : NULL;

    if (s && kind == SIGNER_KEY)
        snprintf(ret_name, TRUST_SIGNER_MAX + 1, "key %s", last_part(s->key));
    else if (s)
        snprintf(ret_name, TRUST_SIGNER_MAX + 1, "%s",
                 s->identity[0] ? s->identity : s->identity_regexp);
    else
        snprintf(ret_name, TRUST_SIGNER_MAX + 1, "%s", kind == SIGNER_NOTATION ? "notation" : "");
}
