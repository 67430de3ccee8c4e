#include "auth/tokens/access_token_provider.h"

#include "auth/tokens/access_token.h"
#include "auth/tokens/access_token_record.h"
#include "base/clock.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define USED_MS  (3600 * 1000)
#define PRUNE_MS (3600 * 1000)
#define KEPT_MS  (7 * 86400 * (int64_t)1000) /* expired: until nobody wonders where it is */

struct access_token_provider {
    struct provider provider;
    struct accounts *accounts;
    int64_t prune_ms; /* monotonic; of the thread that tends */
};

static struct accounts *accounts_of(struct provider *p)
{
    return ((struct access_token_provider *)p)->accounts;
}

static void used(struct accounts *a, const struct access_token *t, int64_t now_ms)
{
    struct access_token changed = *t;
    AUTO(mem) char *value = NULL;

    if (now_ms - t->used_ms < USED_MS)
        return;
    changed.used_ms = now_ms;
    value = access_token_to_text(&changed);
    meta_record_note(accounts_meta(a), ACCESS_TOKEN_COLLECTION,
                     &(struct meta_record){t->id, value, t->version});
}

static void apply_scopes(struct identity *id, const struct access_token *t)
{
    id->scoped = t->scoped;
    for (size_t i = 0; i < t->n_scopes; i++)
        identity_add_scope(id, str_of(t->scopes[i].repository), t->scopes[i].actions);
}

/* Who the token stands for now. PASS: for nobody any more. */
static enum verdict identity_of(struct provider *p, const struct access_token *t,
                                struct identity **ret_identity, struct err *e)
{
    AUTO(user) struct user u = {0};
    struct str name = str_of(t->owner), kind;
    struct identity *id;

    if (t->expires_ms <= clock_wall_ms() || !str_cut(&name, ':', &kind))
        return VERDICT_PASS;
    if (str_eq(kind, STR("robot"))) {
        id = identity_new(IDENTITY_ROBOT, name, p->driver->name);
    } else {
        enum err_code code = access_token_owner(accounts_of(p), name, &u, e);

        if (code != ERR_OK)
            return code == ERR_NOT_FOUND ? VERDICT_PASS : VERDICT_FAIL;
        if (u.disabled || strcmp(u.id, t->owner_id) != 0)
            return VERDICT_PASS;
        id = user_identity(&u, p->driver->name);
    }
    apply_scopes(id, t);
    id->expires_ms = t->expires_ms;
    id->stamp = 0; /* a new password leaves the tokens alone */
    id->token = mem_strdup(t->id);
    *ret_identity = id;
    return VERDICT_YES;
}

static bool secret_matches(const struct access_token *t, struct str secret)
{
    struct digest d;

    access_token_hash(secret, &d);
    return strlen(t->hash) == digest_hex(&d).n &&
           CRYPTO_memcmp(t->hash, digest_hex(&d).p, digest_hex(&d).n) == 0;
}

static bool owner_matches(const struct access_token *t, const struct credential *c)
{
    struct str name = str_of(t->owner), kind;

    return c->kind == CREDENTIAL_BEARER || (str_cut(&name, ':', &kind) && str_eq(name, c->user));
}

static enum verdict access_token_check(struct provider *p, const struct credential *c,
                                       struct identity **ret_identity, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};
    enum err_code code;
    enum verdict v;

    if (!credential_is_access_token(c->secret))
        return VERDICT_PASS;
    code = access_token_get(accounts_of(p), access_token_id(c->secret), &t, e);
    if (code == ERR_NOT_FOUND) {
        *e = (struct err){0}; /* which ids there are is not told */
        return VERDICT_NO;
    }
    if (code != ERR_OK)
        return VERDICT_FAIL;
    if (!secret_matches(&t, c->secret) || !owner_matches(&t, c))
        return VERDICT_NO;
    v = identity_of(p, &t, ret_identity, e);
    if (v == VERDICT_YES)
        used(accounts_of(p), &t, clock_wall_ms());
    if (v != VERDICT_PASS)
        return v;
    err_tell(e, ERR_UNAUTHORIZED, "the token has expired, or its owner may no longer sign in");
    return VERDICT_PAST;
}

static enum verdict access_token_renew(struct provider *p, struct identity **id, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};
    struct identity *fresh;
    enum err_code code;
    enum verdict v;

    if (!(*id)->token)
        return VERDICT_NO;
    code = access_token_get(accounts_of(p), str_of((*id)->token), &t, e);
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? VERDICT_NO : VERDICT_FAIL;
    v = identity_of(p, &t, &fresh, e);
    if (v != VERDICT_YES)
        return v == VERDICT_PASS ? VERDICT_NO : v;
    /* The scopes are those of the token itself, which never change. */
    if ((*id)->expires_ms < fresh->expires_ms)
        fresh->expires_ms = (*id)->expires_ms;
    identity_unref(*id);
    *id = fresh;
    return VERDICT_YES;
}

static uint64_t access_token_generation(struct provider *p)
{
    return accounts_generation(accounts_of(p));
}

static enum err_code access_token_tend(struct provider *base, struct err *e)
{
    struct access_token_provider *p = (struct access_token_provider *)base;

    if (clock_mono_ms() < p->prune_ms)
        return ERR_OK;
    TRY(access_token_prune(p->accounts, clock_wall_ms() - KEPT_MS, e));
    p->prune_ms = clock_mono_ms() + PRUNE_MS;
    return ERR_OK;
}

static void access_token_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver access_token_driver = {
    .name = "access-token",
    .kinds = 1u << CREDENTIAL_BASIC | 1u << CREDENTIAL_BEARER,
    .check = access_token_check,
    .generation = access_token_generation,
    .renew = access_token_renew,
    .tend = access_token_tend,
    .free = access_token_free,
};

struct provider *access_token_provider(struct accounts *a)
{
    struct access_token_provider *p = NEW(struct access_token_provider);

    p->provider.driver = &access_token_driver;
    p->accounts = a;
    return &p->provider;
}
