#include "auth/providers/local.h"

#include "auth/people/password.h"
#include "auth/people/user.h"
#include "auth/people/user_totp.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

/* Whose password this is. PASS: there is no such user; that takes as long. */
static enum verdict check_password(struct accounts *a, struct str name, struct str password,
                                   struct user *ret_user, struct err *e)
{
    AUTO(user) struct user u = {0};
    enum err_code code = user_get(a, name, &u, e);
    char hash[PASSWORD_HASH_MAX];

    if (code == ERR_NOT_FOUND) {
        (void)!password_hash(password, hash, ERR_IGNORED); /* costs what a comparison does */
        return VERDICT_PASS;
    }
    if (code != ERR_OK)
        return VERDICT_FAIL;
    *e = (struct err){0};
    if (!password_matches(password, u.hash) || u.disabled)
        return VERDICT_NO;
    *ret_user = u;
    u = (struct user){0};
    return VERDICT_YES;
}

struct local {
    struct provider provider;
    struct accounts *accounts;
};

static struct accounts *accounts_of(struct provider *p)
{
    return ((struct local *)p)->accounts;
}

/* The second factor of a user whose password is right. */
static enum verdict check_code(struct accounts *a, const struct user *u, const struct credential *c,
                               struct err *e)
{
    enum err_code code;

    if (!c->person)
        code = err_tell(e, ERR_UNAUTHORIZED,
                        "%s has a second factor: make a personal token and use it as the password",
                        u->name);
    else if (c->code.n == 0)
        code = err_tell(e, ERR_TOTP_REQUIRED,
                        "send the code of the app, or a recovery code, as 'totp' as well");
    else
        code = user_take_code(a, u, c->code, clock_wall_ms(), e);
    if (code == ERR_OK)
        return VERDICT_YES;
    return code == ERR_UNAUTHORIZED || code == ERR_TOTP_REQUIRED || code == ERR_NOT_FOUND
               ? VERDICT_NO
               : VERDICT_FAIL;
}

static enum verdict local_check(struct provider *p, const struct credential *c,
                                struct identity **ret_identity, struct err *e)
{
    AUTO(user) struct user u = {0};
    enum verdict v = check_password(accounts_of(p), c->user, c->secret, &u, e);

    if (v == VERDICT_YES && u.totp)
        v = check_code(accounts_of(p), &u, c, e);
    if (v != VERDICT_YES)
        return v;
    if (!u.totp) /* else taking the code has noted it */
        user_seen(accounts_of(p), &u, clock_wall_ms());
    *ret_identity = user_identity(&u, p->driver->name);
    return VERDICT_YES;
}

static enum verdict local_renew(struct provider *p, struct identity **id, struct err *e)
{
    AUTO(user) struct user u = {0};
    enum err_code code = user_get(accounts_of(p), str_of((*id)->name), &u, e);
    struct identity *fresh;

    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? VERDICT_NO : VERDICT_FAIL;
    if (u.disabled || u.stamp != (*id)->stamp)
        return VERDICT_NO;
    fresh = user_identity(&u, p->driver->name);
    identity_narrow(fresh, *id);
    identity_unref(*id);
    *id = fresh;
    return VERDICT_YES;
}

static uint64_t local_generation(struct provider *p)
{
    return accounts_generation(accounts_of(p));
}

static enum err_code local_tend(struct provider *p, struct err *e)
{
    return accounts_poll(accounts_of(p), e);
}

static void local_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver local_driver = {
    .name = LOCAL_PROVIDER,
    .kinds = 1u << CREDENTIAL_BASIC,
    .check = local_check,
    .generation = local_generation,
    .renew = local_renew,
    .tend = local_tend,
    .free = local_free,
};

struct provider *local_provider(struct accounts *a)
{
    struct local *l = NEW(struct local);

    l->provider.driver = &local_driver;
    l->accounts = a;
    return &l->provider;
}
