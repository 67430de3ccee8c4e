#include "conf/check_signatures.h"

#include "conf/check_key.h"
#include "conf/check_policy.h"
#include "conf/field.h"

#define LIST "signatures"

static enum err_code wrong_signer(const struct conf_source *s, size_t rule, size_t i,
                                  const char *key, const char *why, struct err *e)
{
    err_set(e, ERR_CONFIG, "%s", why);
    return conf_place(s, conf_inner_key_named(LIST, rule, "cosign", i, key), e);
}

/* A key that does not count where it stands would be believed to. */
static enum err_code check_key(const struct conf_source *s, size_t rule, size_t i, struct err *e)
{
    const struct conf_signer *g = &s->conf->signatures.items[rule].cosign.items[i];
    const struct {
        const char *name;
        bool given;
    } others[] = {{"issuer", g->issuer[0]},        {"issuer_regexp", g->issuer_regexp[0]},
                  {"roots", g->roots[0]},          {"transparency_log", g->log != CONF_LOG_USUAL},
                  {"log_keys", g->log_keys.n > 0}, {"timestamp_roots", g->timestamp_roots.n > 0}};

    for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
        if (others[k].given)
            return wrong_signer(s, rule, i, others[k].name,
                                "is of signers with a certificate; this one has a key", e);
    }
    return ERR_OK;
}

static enum err_code check_signer(const struct conf_source *s, size_t rule, size_t i, struct err *e)
{
    const struct conf_signer *g = &s->conf->signatures.items[rule].cosign.items[i];

    if (!!g->key[0] + !!g->identity[0] + !!g->identity_regexp[0] != 1)
        return wrong_signer(s, rule, i, "key",
                            "a signer has one of key, identity and identity_regexp", e);
    if (g->key[0])
        return check_key(s, rule, i, e);
    if (g->issuer[0] && g->issuer_regexp[0])
        return wrong_signer(s, rule, i, "issuer_regexp",
                            "a signer has one of issuer and issuer_regexp", e);
    if (!g->roots[0])
        return wrong_signer(s, rule, i, "roots",
                            "an identity is worth what the authorities of its certificate are; "
                            "name the file with them",
                            e);
    return ERR_OK;
}

static enum err_code check_rule(const struct conf_source *s, size_t i, struct err *e)
{
    const struct conf_signature_rule *r = &s->conf->signatures.items[i];

    TRY(conf_check_patterns(s, conf_item_key_named(LIST, i, "repositories"), &r->repositories, true,
                            e));
    if (r->cosign.n + r->notation.n == 0) {
        err_set(e, ERR_CONFIG, "nobody is named whose signatures count; set cosign or notation");
        return conf_place(s, conf_item_key_named(LIST, i, "cosign"), e);
    }
    if (r->cosign.n == 0 && r->attestations.n > 0) {
        err_set(e, ERR_CONFIG,
                "attestations are signed with cosign, and no signer with cosign is named; no image "
                "could have one that counts");
        return conf_place(s, conf_item_key_named(LIST, i, "attestations"), e);
    }
    for (size_t k = 0; k < r->cosign.n; k++)
        TRY(check_signer(s, i, k, e));
    return ERR_OK;
}

enum err_code conf_check_signatures(const struct conf_source *s, struct err *e)
{
    for (size_t i = 0; i < s->conf->signatures.n; i++)
        TRY(check_rule(s, i, e));
    return ERR_OK;
}

void conf_signature_rules_free(struct conf_signature_rules *rules)
{
    conf_field_free(conf_row_find(STR(LIST)), rules);
    *rules = (struct conf_signature_rules){NULL, 0};
}
