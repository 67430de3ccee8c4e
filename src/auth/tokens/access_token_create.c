/* What was asked for, read and checked, and the secret. */
#include "auth/tokens/access_token_create.h"

#include "auth/tokens/access_token_record.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/uuid.h"
#include "conf/value.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define SECRET_BYTES ((ACCESS_TOKEN_TEXT - 4) / 2)
#define TRIES        8 /* of a change that meets another one */

static enum err_code parse_actions(struct str text, unsigned *ret_actions, struct err *e)
{
    bool more = true;
    struct str one;

    *ret_actions = 0;
    while (more) {
        unsigned action;

        more = str_cut(&text, ',', &one);
        action = action_parse(one);
        if (!action || action == ACTION_BYPASS)
            return err_tell(e, ERR_REQUEST_INVALID,
                            "'" STR_FMT "' is no action of a scope: pull, push, overwrite, delete, "
                            "scan, admin or *",
                            (int)(one.n < 64 ? one.n : 64), one.p);
        *ret_actions |= action;
    }
    return ERR_OK;
}

/* REPOSITORIES:ACTIONS; no pattern has a colon. */
static enum err_code parse_scope(struct access_token *t, struct str text, struct err *e)
{
    struct str actions = text, repository;
    unsigned set;

    if (!str_cut(&actions, ':', &repository) || !pattern_valid(repository))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'" STR_FMT "' is no scope: REPOSITORIES:ACTIONS, as in 'dev/**:pull,push'",
                        (int)(text.n < 128 ? text.n : 128), text.p);
    TRY(parse_actions(actions, &set, e));
    if (t->n_scopes == ACCESS_TOKEN_SCOPES)
        return err_tell(e, ERR_REQUEST_INVALID, "more than %d scopes", ACCESS_TOKEN_SCOPES);
    access_token_add_scope(t, repository, set);
    return ERR_OK;
}

static enum err_code parse_scopes(struct access_token *t, struct str text, struct err *e)
{
    bool more = true;
    struct str one;

    while (more) {
        more = str_cut(&text, ' ', &one);
        if (one.n) {
            t->scoped = true;
            TRY(parse_scope(t, one, e));
        }
    }
    return ERR_OK;
}

enum err_code access_token_expiry(struct str lifetime, int64_t *ret_ms, struct err *e)
{
    static const struct conf_row row = {
        .name = "lifetime",
        .type = CONF_DURATION,
        .size = sizeof(uint64_t),
        .min = 60 * 1000,
        .max = 3650ull * 86400 * 1000,
    };
    char why[sizeof(e->detail)];
    uint64_t ms = 0;

    if (str_eq(lifetime, STR("never"))) {
        *ret_ms = INT64_MAX;
        return ERR_OK;
    }
    if (conf_value_set(&row, lifetime, &ms, e) != ERR_OK) {
        snprintf(why, sizeof(why), "%s", e->detail);
        return err_tell(e, ERR_REQUEST_INVALID, "%s, or 'never'", why);
    }
    *ret_ms = clock_wall_ms() + (int64_t)ms;
    return ERR_OK;
}

static enum err_code set_owner(struct accounts *a, struct access_token *t,
                               const struct access_token_request *r, struct err *e)
{
    AUTO(user) struct user u = {0};
    char subject[IDENTITY_SUBJECT_SIZE];

    if (!identity_name_valid(r->owner))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'" STR_FMT "' is no name: 1 to %d of A-Z a-z 0-9 . _ @ + -, not starting "
                        "with '-' or '.'",
                        (int)(r->owner.n < 64 ? r->owner.n : 64), r->owner.p, IDENTITY_NAME_MAX);
    if (r->kind == IDENTITY_USER)
        TRY(access_token_owner(a, r->owner, &u, e));
    snprintf(subject, sizeof(subject), "%s:" STR_FMT, r->kind == IDENTITY_USER ? "user" : "robot",
             STR_ARG(r->owner));
    t->owner = mem_strdup(subject);
    t->owner_id = mem_strdup(u.id ? u.id : "");
    return ERR_OK;
}

static void make_secret(struct access_token *t, char ret_secret[static ACCESS_TOKEN_TEXT + 1])
{
    unsigned char bytes[SECRET_BYTES];
    struct digest d;

    random_bytes(bytes, sizeof(bytes));
    memcpy(ret_secret, ACCESS_TOKEN_PREFIX.p, ACCESS_TOKEN_PREFIX.n);
    hex_encode(bytes, sizeof(bytes), ret_secret + ACCESS_TOKEN_PREFIX.n);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    access_token_hash(str_of(ret_secret), &d);
    t->id = str_dup(access_token_id(str_of(ret_secret)));
    t->hash = str_dup(digest_hex(&d));
}

struct count {
    const char *owner;
    int64_t now_ms;
    uint64_t n;
};

static enum err_code count_if_good(void *ctx, const void *row, struct err *e)
{
    struct count *c = ctx;
    const struct access_token *t = row;

    (void)e;
    c->n += t->expires_ms > c->now_ms && strcmp(t->owner, c->owner) == 0;
    return ERR_OK;
}

/* Fewer than max tokens of the owner are good for something. */
static enum err_code check_room(struct accounts *a, const char *owner, uint64_t max, struct err *e)
{
    struct count c = {.owner = owner, .now_ms = clock_wall_ms()};

    if (max == 0)
        return ERR_OK;
    TRY(access_token_each(a, count_if_good, &c, e));
    if (c.n < max)
        return ERR_OK;
    return err_tell(e, ERR_QUOTA, "%s has %llu tokens, and may have %llu (limits.tokens_per_owner)",
                    owner, (unsigned long long)c.n, (unsigned long long)max);
}

/* Nothing else may change between the counting and the writing. */
static enum err_code put_counted(struct accounts *a, const struct access_token *t, uint64_t max,
                                 struct err *e)
{
    AUTO(mem) char *value = access_token_to_text(t);
    struct meta_op op =
        meta_op_record_put(ACCESS_TOKEN_COLLECTION, str_of(t->id), str_of(value), META_ABSENT);
    enum err_code code = ERR_CONFLICT;

    for (int i = 0; i < TRIES && code == ERR_CONFLICT; i++) {
        int64_t version;

        TRY(accounts_version(a, &version, e));
        TRY(check_room(a, t->owner, max, e));
        code = accounts_commit(a, &op, 1, max ? version : META_ANY, e);
    }
    return code;
}

enum err_code access_token_create(struct accounts *a, const struct access_token_request *r,
                                  char ret_secret[static ACCESS_TOKEN_TEXT + 1], struct err *e)
{
    AUTO(access_token) struct access_token t = {0};

    TRY(set_owner(a, &t, r, e));
    TRY(parse_scopes(&t, r->scopes, e));
    if (r->description.n > ACCESS_TOKEN_NOTE || !str_is_text(r->description))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "a description is one line of at most %d bytes of UTF-8",
                        ACCESS_TOKEN_NOTE);
    t.created_ms = clock_wall_ms();
    t.expires_ms = r->expires_ms;
    t.description = str_dup(r->description);
    make_secret(&t, ret_secret);
    return put_counted(a, &t, r->max, e);
}
