/* The second factor of a user. */
#include "auth/people/user_totp.h"

#include "auth/people/user_edit.h"
#include "auth/people/user_record.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define LOCK_MS (3600 * 1000)

static void clear_totp(struct user *u)
{
    user_texts_free(STEAL(u->recovery), u->n_recovery);
    u->n_recovery = 0;
    free(STEAL(u->totp));
    u->totp_step = u->totp_wrong = u->totp_wrong_ms = 0;
}

static enum err_code set_totp(struct user *u, void *ctx, struct err *e)
{
    const struct totp_setup *setup = ctx;
    char hash[TOTP_HASH_TEXT + 1];

    (void)e;
    clear_totp(u);
    u->totp = mem_strdup(setup->secret);
    u->recovery = mem_alloc(TOTP_RECOVERY_N * sizeof(*u->recovery));
    for (size_t i = 0; i < TOTP_RECOVERY_N; i++) {
        if (!totp_recovery_hash(str_of(setup->recovery[i]), hash))
            abort(); /* we made it */
        u->recovery[u->n_recovery++] = mem_strdup(hash);
    }
    u->stamp = identity_stamp_new(); /* who signed in with the password alone does so again */
    return ERR_OK;
}

enum err_code user_set_totp(struct accounts *a, struct str name, const char *issuer,
                            struct totp_setup *ret_setup, struct err *e)
{
    struct totp_setup setup;
    enum err_code code;

    TRY(totp_make(issuer, name, &setup, e));
    code = user_edit(a, &(struct user_edit){.name = name, .fn = set_totp, .ctx = &setup}, e);
    if (code == ERR_OK)
        *ret_setup = setup;
    OPENSSL_cleanse(&setup, sizeof(setup));
    return code == ERR_OK ? user_end_sign_ins(a, name, e) : code;
}

static enum err_code drop_totp(struct user *u, void *ctx, struct err *e)
{
    (void)ctx;
    (void)e;
    clear_totp(u);
    return ERR_OK;
}

enum err_code user_clear_totp(struct accounts *a, struct str name, struct err *e)
{
    return user_edit(a, &(struct user_edit){.name = name, .fn = drop_totp}, e);
}

struct take {
    const struct user *seen; /* as they were when their password was looked at */
    struct str code;
    int64_t now_ms;
    bool right;
};

static bool take_recovery(struct user *u, struct str code)
{
    char hash[TOTP_HASH_TEXT + 1];
    size_t found = u->n_recovery;

    if (!totp_recovery_hash(code, hash))
        return false;
    for (size_t i = 0; i < u->n_recovery; i++) {
        if (strlen(u->recovery[i]) == TOTP_HASH_TEXT &&
            CRYPTO_memcmp(u->recovery[i], hash, TOTP_HASH_TEXT) == 0)
            found = i;
    }
    if (found == u->n_recovery)
        return false;
    free(u->recovery[found]);
    u->recovery[found] = u->recovery[--u->n_recovery];
    return true;
}

static enum err_code wrong(struct err *e)
{
    return err_tell(e, ERR_UNAUTHORIZED, "the code is wrong, or was used before");
}

/* A wrong one is counted in the record, so that guesses sent at once are each counted too. */
static enum err_code take(struct user *u, void *ctx, struct err *e)
{
    struct take *t = ctx;
    bool locked = u->totp_wrong >= USER_CODES_WRONG && t->now_ms - u->totp_wrong_ms < LOCK_MS;

    if (!u->totp || u->disabled || u->stamp != t->seen->stamp)
        return wrong(e);
    t->right =
        (!locked && totp_matches(u->totp, t->code, t->now_ms, u->totp_step, &u->totp_step)) ||
        take_recovery(u, t->code);
    if (!t->right && locked)
        return err_tell(e, ERR_UNAUTHORIZED,
                        "too many wrong codes were given for %s: send a recovery code, or wait an "
                        "hour",
                        u->name);
    if (t->right)
        u->last_ms = t->now_ms;
    else
        u->totp_wrong_ms = t->now_ms;
    u->totp_wrong = t->right ? 0 : u->totp_wrong + 1;
    return ERR_OK;
}

enum err_code user_take_code(struct accounts *a, const struct user *u, struct str code,
                             int64_t now_ms, struct err *e)
{
    struct take t = {u, code, now_ms, false};

    TRY(user_edit(
        a, &(struct user_edit){.name = str_of(u->name), .fn = take, .ctx = &t, .quiet = true}, e));
    return t.right ? ERR_OK : wrong(e);
}
