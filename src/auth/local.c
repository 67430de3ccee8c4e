#include "auth/local.h"

#include "auth/password.h"
#include "auth/user.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <time.h>

/* Whose password this is. PASS: there is no such user; that takes as long. */
static enum verdict check_password(struct accounts *a, struct str name, struct str password,
                                   struct user *ret_user, struct err *e)
{
    AUTO(user) struct user u = {0};
    enum err_code code = user_get(a, name, &u, e);
    char hash[PASSWORD_HASH_MAX];

    if (code == ERR_NOT_FOUND) {
        (void)!password_hash(password, hash, NULL); /* costs what a comparison does */
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

static enum verdict local_check(struct provider *p, const struct credential *c,
                                struct identity **ret_identity, struct err *e)
{
    AUTO(user) struct user u = {0};
    enum verdict v = check_password(accounts_of(p), c->user, c->secret, &u, e);

    if (v != VERDICT_YES)
        return v;
    if (u.totp) {
        err_tell(e, ERR_UNAUTHORIZED,
                 "%s has a second factor: make a personal token and use it as the password",
                 u.name);
        return VERDICT_NO;
    }
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

/* Signing in to the UI. */

static void wait_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

static enum sign_in wrong(struct failures *f, const struct sign_in_request *r, const char *why,
                          struct err *e)
{
    wait_ms(failures_count(f, r->user, r->address));
    err_tell(e, ERR_UNAUTHORIZED, "%s", why);
    return SIGN_IN_WRONG;
}

static enum sign_in check_code(struct accounts *a, struct failures *f,
                               const struct sign_in_request *r, const struct user *u, struct err *e)
{
    enum err_code code;

    if (!u->totp)
        return SIGN_IN_OK;
    if (r->code.n == 0)
        return SIGN_IN_CODE;
    code = user_take_code(a, u, r->code, clock_wall_ms(), e);
    if (code == ERR_OK)
        return SIGN_IN_OK;
    if (code == ERR_UNAUTHORIZED || code == ERR_NOT_FOUND)
        return wrong(f, r, "the code is wrong, or was used before", e);
    return SIGN_IN_FAILED;
}

enum sign_in local_sign_in(struct accounts *a, struct failures *f, const struct sign_in_request *r,
                           struct identity **ret_identity, unsigned *ret_retry_s, struct err *e)
{
    AUTO(user) struct user u = {0};
    int64_t locked_ms = failures_locked_ms(f, r->user, r->address);
    enum sign_in result;
    enum verdict v;

    if (locked_ms > 0) {
        *ret_retry_s = (unsigned)(locked_ms / 1000 + 1);
        err_tell(e, ERR_TOO_MANY_REQUESTS, "too many wrong passwords or codes; try again in %u s",
                 *ret_retry_s);
        return SIGN_IN_LOCKED;
    }
    v = check_password(a, r->user, r->password, &u, e);
    if (v == VERDICT_FAIL)
        return SIGN_IN_FAILED;
    if (v != VERDICT_YES)
        return wrong(f, r, "the name or the password is wrong", e);
    result = check_code(a, f, r, &u, e);
    if (result != SIGN_IN_OK)
        return result;
    failures_clear(f, r->user, r->address);
    user_seen(a, &u, clock_wall_ms());
    *ret_identity = user_identity(&u, LOCAL_PROVIDER);
    return SIGN_IN_OK;
}
