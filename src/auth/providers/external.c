#include "auth/providers/external.h"

#include "auth/core/claims.h"
#include "auth/tokens/issuer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define ALGORITHMS_MAX 16

struct trusted {
    const struct conf_external *conf;
    struct issuer *issuer;
};

struct external {
    struct provider provider;
    size_t n;
    struct trusted trusted[];
};

static enum err_code verify(const struct trusted *i, struct str token, json_t **ret_claims,
                            struct err *e)
{
    const char *algorithms[ALGORITHMS_MAX + 1] = {NULL};

    for (size_t k = 0; k < i->conf->algorithms.n && k < ALGORITHMS_MAX; k++)
        algorithms[k] = i->conf->algorithms.items[k];
    return issuer_verify(i->issuer, token, algorithms, ret_claims, e);
}

static enum err_code check_audience(const struct trusted *i, const json_t *claims, struct err *e)
{
    enum err_code code = ERR_UNAUTHORIZED;

    for (size_t k = 0; k < i->conf->audience.n && code != ERR_OK; k++)
        code = jwt_check_claims(claims, i->conf->issuer, i->conf->audience.items[k],
                                clock_wall_ms() / 1000, e);
    return code;
}

static enum err_code check_required(const struct trusted *i, const json_t *claims, struct err *e)
{
    for (size_t k = 0; k < i->conf->required_claims.n; k++) {
        const char *wanted = i->conf->required_claims.items[k];

        if (!claims_have(claims, str_of(wanted)))
            return err_set(e, ERR_UNAUTHORIZED, "the token lacks the claim %.100s", wanted);
    }
    return ERR_OK;
}

static struct identity *identity_of(const struct trusted *i, const json_t *claims)
{
    const char *user = json_string_value(json_object_get(claims, i->conf->username_claim));
    char name[2 * IDENTITY_NAME_MAX];
    struct identity *id;

    if (!user || !claims_name_valid(str_of(user)) ||
        (size_t)snprintf(name, sizeof(name), "%s%s", i->conf->username_prefix, user) >
            IDENTITY_NAME_MAX)
        return NULL;
    id = identity_new(IDENTITY_USER, str_of(name), "external");
    claims_add_groups(id, claims, i->conf->groups_claim, i->conf->groups_prefix);
    id->expires_ms = claims_expiry_ms(claims);
    return id;
}

static struct trusted *issuer_of(struct external *x, struct str token)
{
    AUTO(json) json_t *peek = jwt_peek(token);
    const char *issuer = json_string_value(json_object_get(peek, "iss"));

    for (size_t i = 0; issuer && i < x->n; i++) {
        if (strcmp(issuer, x->trusted[i].conf->issuer) == 0)
            return &x->trusted[i];
    }
    return NULL;
}

/* As a bearer token, or as the password of a client that knows Basic only. */
static enum verdict external_check(struct provider *p, const struct credential *c,
                                   struct identity **ret_identity, struct err *e)
{
    struct trusted *i = issuer_of((struct external *)p, c->secret);
    AUTO(json) json_t *claims = NULL;
    enum err_code code;

    if (!i)
        return VERDICT_PASS;
    code = verify(i, c->secret, &claims, e);
    if (code != ERR_OK)
        return code == ERR_UNAUTHORIZED ? VERDICT_NO : VERDICT_FAIL;
    if (check_audience(i, claims, e) != ERR_OK || check_required(i, claims, e) != ERR_OK)
        return VERDICT_PAST;
    *ret_identity = identity_of(i, claims);
    if (*ret_identity)
        return VERDICT_YES;
    err_set(e, ERR_UNAUTHORIZED, "claim '%.64s' of the token is no user name",
            i->conf->username_claim);
    return VERDICT_PAST;
}

static void external_free(struct provider *p)
{
    struct external *x = (struct external *)p;

    for (size_t i = 0; i < x->n; i++)
        issuer_free(x->trusted[i].issuer);
    free(x);
}

static const struct provider_driver external_driver = {
    .name = "external",
    .kinds = 1u << CREDENTIAL_BEARER | 1u << CREDENTIAL_BASIC,
    .check = external_check,
    .free = external_free,
};

struct provider *external_new(const struct conf_externals *issuers)
{
    struct external *x = mem_zero(sizeof(*x) + issuers->n * sizeof(x->trusted[0]));

    x->provider.driver = &external_driver;
    x->n = issuers->n;
    for (size_t i = 0; i < issuers->n; i++) {
        const struct conf_external *c = &issuers->items[i];
        struct issuer_options o = {c->issuer, c->jwks_uri, c->ca_file};

        x->trusted[i].conf = c;
        x->trusted[i].issuer = issuer_new(&o);
    }
    return &x->provider;
}
