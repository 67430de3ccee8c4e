#include "auth/robot.h"

#include "auth/jwt.h"
#include "auth/oidc_person.h"
#include "auth/policy.h"
#include "auth/user.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "conf/value.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define COLLECTION STR("tokens")
#define PAGE       256
#define USED_MS    (3600 * 1000)
#define PRUNE_MS   (3600 * 1000)
#define KEPT_MS    (7 * 86400 * (int64_t)1000)
#define TRIES      8 /* of a change that meets another one */

void access_token_done(struct access_token *t)
{
    for (size_t i = 0; i < t->n_scopes; i++)
        free(t->scopes[i].repository);
    free(t->scopes);
    free(t->id);
    free(t->owner);
    free(t->owner_id);
    free(t->hash);
    free(t->description);
    *t = (struct access_token){0};
}

void access_token_list_done(struct access_token_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        access_token_done(&l->rows[i]);
    free(l->rows);
    *l = (struct access_token_list){0};
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    }
    return true;
}

bool access_token_shaped(struct str secret)
{
    return secret.n == ACCESS_TOKEN_TEXT && str_starts(secret, ACCESS_TOKEN_PREFIX) &&
           is_hex(str_sub(secret, ACCESS_TOKEN_PREFIX.n, secret.n - ACCESS_TOKEN_PREFIX.n));
}

static struct str id_of(struct str secret)
{
    return str_sub(secret, ACCESS_TOKEN_PREFIX.n, ACCESS_TOKEN_ID);
}

/* Records. */

static json_t *scopes_to_json(const struct access_token *t)
{
    json_t *array = json_array();

    for (size_t i = 0; i < t->n_scopes; i++)
        json_array_append_new(array, json_pack("{s:s, s:i}", "repository", t->scopes[i].repository,
                                               "actions", (int)t->scopes[i].actions));
    return array;
}

/* The caller frees. */
static char *to_text(const struct access_token *t)
{
    AUTO(json)
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "owner", t->owner, "owner_id",
                          t->owner_id, "hash", t->hash, "description", t->description, "created_ms",
                          (json_int_t)t->created_ms, "used_ms", (json_int_t)t->used_ms);
    char *text;

    if (t->scoped)
        json_object_set_new(j, "scopes", scopes_to_json(t));
    if (t->expires_ms != INT64_MAX)
        json_object_set_new(j, "expires_ms", json_integer(t->expires_ms));
    text = json_dumps(j, JSON_COMPACT);
    if (!text)
        abort(); /* all of it is UTF-8; fails only without memory */
    return text;
}

static void add_scope(struct access_token *t, struct str repository, unsigned actions)
{
    t->scopes = mem_resize(t->scopes, (t->n_scopes + 1) * sizeof(*t->scopes));
    t->scopes[t->n_scopes++] = (struct scope){str_dup(repository), actions};
}

/* What is not understood allows nothing. */
static void scopes_from_json(const json_t *array, struct access_token *t)
{
    t->scoped = array != NULL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *one = json_array_get(array, i);
        const char *repository = json_string_value(json_object_get(one, "repository"));

        if (repository)
            add_scope(t, str_of(repository),
                      (unsigned)json_integer_value(json_object_get(one, "actions")) & ACTION_ALL);
    }
}

static enum err_code from_record(const struct meta_record *r, struct access_token *ret,
                                 struct err *e)
{
    AUTO(json) json_t *j = json_loads(r->value, 0, NULL);
    const char *owner = json_string_value(json_object_get(j, "owner"));
    const char *owner_id = json_string_value(json_object_get(j, "owner_id"));
    const char *hash = json_string_value(json_object_get(j, "hash"));
    const char *description = json_string_value(json_object_get(j, "description"));
    const json_t *expires = json_object_get(j, "expires_ms");

    if (!owner || !owner_id || !hash)
        return err_set(e, ERR_CORRUPT, "the record of token '%s' is damaged", r->key);
    *ret = (struct access_token){
        .id = mem_strdup(r->key),
        .owner = mem_strdup(owner),
        .owner_id = mem_strdup(owner_id),
        .hash = mem_strdup(hash),
        .expires_ms = expires ? json_integer_value(expires) : INT64_MAX,
        .description = mem_strdup(description ? description : ""),
        .created_ms = json_integer_value(json_object_get(j, "created_ms")),
        .used_ms = json_integer_value(json_object_get(j, "used_ms")),
        .version = r->version,
    };
    scopes_from_json(json_object_get(j, "scopes"), ret);
    return ERR_OK;
}

static enum err_code unknown(struct str id, struct err *e)
{
    return err_tell(e, ERR_NOT_FOUND, "there is no token '" STR_FMT "'", STR_ARG(id));
}

enum err_code access_token_get(struct accounts *a, struct str id, struct access_token *ret_token,
                               struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code;

    if (id.n != ACCESS_TOKEN_ID || !is_hex(id))
        return unknown(str_sub(id, 0, id.n < 64 ? id.n : 64), e);
    code = meta_record_get(accounts_meta(a), COLLECTION, id, &r, e);
    if (code == ERR_NOT_FOUND)
        return unknown(id, e);
    TRY(code);
    return from_record(&r, ret_token, e);
}

enum err_code access_token_list(struct accounts *a, struct str after, size_t limit,
                                struct access_token_list *ret_list, struct err *e)
{
    AUTO(records) struct meta_record_list page = {0};
    AUTO(access_token_list) struct access_token_list l = {0};

    TRY(meta_records(accounts_meta(a), COLLECTION, after, limit, &page, e));
    l.rows = mem_zero((page.n + 1) * sizeof(*l.rows));
    for (; l.n < page.n; l.n++)
        TRY(from_record(&page.rows[l.n], &l.rows[l.n], e));
    l.more = page.more;
    *ret_list = l;
    l = (struct access_token_list){0};
    return ERR_OK;
}

/* Making. */

static enum err_code parse_actions(struct str text, unsigned *ret_actions, struct err *e)
{
    bool more = true;
    struct str one;

    *ret_actions = 0;
    while (more) {
        unsigned action;

        more = str_cut(&text, ',', &one);
        action = action_parse(one);
        if (!action)
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

    if (!str_cut(&actions, ':', &repository) || !policy_pattern_valid(repository))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'" STR_FMT "' is no scope: REPOSITORIES:ACTIONS, as in 'dev/**:pull,push'",
                        (int)(text.n < 128 ? text.n : 128), text.p);
    TRY(parse_actions(actions, &set, e));
    if (t->n_scopes == ACCESS_TOKEN_SCOPES)
        return err_tell(e, ERR_REQUEST_INVALID, "more than %d scopes", ACCESS_TOKEN_SCOPES);
    add_scope(t, repository, set);
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

static bool is_line(struct str s)
{
    while (s.n) {
        size_t step = str_utf8_step(s);

        if (step == 0 || (unsigned char)s.p[0] < 0x20 || s.p[0] == 0x7f)
            return false;
        s = str_sub(s, step, s.n - step);
    }
    return true;
}

enum err_code access_token_owner(struct accounts *a, struct str name, struct user *ret_user,
                                 struct err *e)
{
    struct err ignored;
    enum err_code code = user_get(a, name, ret_user, e);

    if (code != ERR_NOT_FOUND || !identity_name_valid(name))
        return code;
    code = oidc_person_get(a, name, ret_user, &ignored);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        *e = ignored;
    return code;
}

static enum err_code set_owner(struct accounts *a, struct access_token *t,
                               const struct access_token_request *r, struct err *e)
{
    AUTO(user) struct user u = {0};
    char subject[IDENTITY_NAME_MAX + 8];

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

static void hash_of(struct str secret, struct digest *ret)
{
    digest_of(DIGEST_SHA256, secret.p, secret.n, ret);
}

static void make_secret(struct access_token *t, char ret_secret[static ACCESS_TOKEN_TEXT + 1])
{
    unsigned char bytes[(ACCESS_TOKEN_TEXT - 4) / 2];
    size_t at = ACCESS_TOKEN_PREFIX.n;
    struct digest d;

    random_bytes(bytes, sizeof(bytes));
    memcpy(ret_secret, ACCESS_TOKEN_PREFIX.p, at);
    for (size_t i = 0; i < sizeof(bytes); i++)
        at += (size_t)snprintf(ret_secret + at, 3, "%02x", bytes[i]);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    hash_of(str_of(ret_secret), &d);
    t->id = str_dup(id_of(str_of(ret_secret)));
    t->hash = str_dup(digest_hex(&d));
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

void access_token_scope(const struct scope *s, struct buf *ret_text)
{
    const char *before = "";

    buf_addf(ret_text, "%s:", s->repository);
    if (s->actions == ACTION_ALL)
        buf_add_char(ret_text, '*');
    for (unsigned bit = 1; bit < ACTION_ALL && s->actions != ACTION_ALL; bit <<= 1) {
        if (!(s->actions & bit))
            continue;
        buf_addf(ret_text, "%s%s", before, action_name((enum action)bit));
        before = ",";
    }
}

void access_token_scopes(const struct access_token *t, struct buf *ret_text)
{
    for (size_t i = 0; i < t->n_scopes; i++) {
        if (i > 0)
            buf_add_char(ret_text, ' ');
        access_token_scope(&t->scopes[i], ret_text);
    }
}

/* Fewer than max tokens of the owner are good for something. */
static enum err_code check_room(struct accounts *a, const char *owner, uint64_t max, struct err *e)
{
    char after[ACCESS_TOKEN_ID + 1] = "";
    int64_t now_ms = clock_wall_ms();
    bool more = max > 0;
    uint64_t n = 0;

    while (more) {
        AUTO(access_token_list) struct access_token_list page = {0};

        TRY(access_token_list(a, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            n += page.rows[i].expires_ms > now_ms && strcmp(page.rows[i].owner, owner) == 0;
        more = page.more && page.n > 0;
        if (more)
            snprintf(after, sizeof(after), "%s", page.rows[page.n - 1].id);
    }
    if (max == 0 || n < max)
        return ERR_OK;
    return err_tell(e, ERR_QUOTA, "%s has %llu tokens, and may have %llu (limits.tokens_per_owner)",
                    owner, (unsigned long long)n, (unsigned long long)max);
}

/* Nothing else may change between the counting and the writing. */
static enum err_code put_counted(struct accounts *a, const struct access_token *t, uint64_t max,
                                 struct err *e)
{
    AUTO(mem) char *value = to_text(t);
    struct meta_op op = {
        .kind = META_RECORD_PUT,
        .collection = COLLECTION,
        .key = str_of(t->id),
        .value = str_of(value),
        .expected_version = META_ABSENT,
    };
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
    if (r->description.n > ACCESS_TOKEN_NOTE || !is_line(r->description))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "a description is one line of at most %d bytes of UTF-8",
                        ACCESS_TOKEN_NOTE);
    t.created_ms = clock_wall_ms();
    t.expires_ms = r->expires_ms;
    t.description = str_dup(r->description);
    make_secret(&t, ret_secret);
    return put_counted(a, &t, r->max, e);
}

static enum err_code drop(struct accounts *a, struct str id, int64_t version, struct err *e)
{
    struct meta_op op = {.kind = META_RECORD_DELETE,
                         .collection = COLLECTION,
                         .key = id,
                         .expected_version = version};

    return accounts_commit(a, &op, 1, META_ANY, e);
}

enum err_code access_token_revoke(struct accounts *a, struct str id, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};

    TRY(access_token_get(a, id, &t, e));
    return drop(a, id, META_ANY, e);
}

enum err_code access_token_remove_of(struct accounts *a, const char *owner, size_t *ret_n,
                                     struct err *e)
{
    char after[ACCESS_TOKEN_ID + 1] = "";
    size_t n = 0;
    bool more = true;

    while (more) {
        AUTO(access_token_list) struct access_token_list page = {0};

        TRY(access_token_list(a, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            if (strcmp(page.rows[i].owner, owner) != 0)
                continue;
            TRY(drop(a, str_of(page.rows[i].id), META_ANY, e));
            n++;
        }
        more = page.more && page.n > 0;
        if (more)
            snprintf(after, sizeof(after), "%s", page.rows[page.n - 1].id);
    }
    if (ret_n)
        *ret_n = n;
    return ERR_OK;
}

/* The provider. */

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
    struct meta_op op = {
        .kind = META_RECORD_PUT,
        .collection = COLLECTION,
        .key = str_of(t->id),
        .expected_version = t->version, /* never brings back one that was revoked meanwhile */
    };
    struct err ignored;

    if (now_ms - t->used_ms < USED_MS)
        return;
    changed.used_ms = now_ms;
    value = to_text(&changed);
    op.value = str_of(value);
    (void)!meta_commit(accounts_meta(a), &op, 1, META_LAZY, NULL, &ignored);
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

    hash_of(secret, &d);
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

    if (!access_token_shaped(c->secret))
        return VERDICT_PASS;
    code = access_token_get(accounts_of(p), id_of(c->secret), &t, e);
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

/* Those that expired long enough ago for nobody to wonder where they are. */
static enum err_code prune(struct accounts *a, struct err *e)
{
    int64_t oldest_ms = clock_wall_ms() - KEPT_MS;
    char after[ACCESS_TOKEN_ID + 1] = "";
    bool more = true;

    while (more) {
        AUTO(access_token_list) struct access_token_list page = {0};

        TRY(access_token_list(a, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            if (page.rows[i].expires_ms < oldest_ms)
                TRY(drop(a, str_of(page.rows[i].id), META_ANY, e));
        }
        more = page.more && page.n > 0;
        if (more)
            snprintf(after, sizeof(after), "%s", page.rows[page.n - 1].id);
    }
    return ERR_OK;
}

static enum err_code access_token_tend(struct provider *base, struct err *e)
{
    struct access_token_provider *p = (struct access_token_provider *)base;

    if (clock_mono_ms() < p->prune_ms)
        return ERR_OK;
    TRY(prune(p->accounts, e));
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
