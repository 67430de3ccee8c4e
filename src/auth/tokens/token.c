#include "auth/tokens/token.h"

#include "auth/core/given.h"
#include "auth/core/identity_json.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET_BYTES 32
#define TEND_MS      60000
#define PRUNE_MS     (3600 * 1000)

struct tokens {
    struct signer *signer;
    struct meta *meta;
    struct token_options options;
    renew_fn renew; /* NULL: who signed in once is believed as long as the token lives */
    void *renew_ctx;
};

struct tokens *tokens_new(struct signer *s, struct meta *m, const struct token_options *o)
{
    struct tokens *t = NEW(struct tokens);

    *t = (struct tokens){.signer = s, .meta = m, .options = *o};
    return t;
}

void tokens_renew_by(struct tokens *t, renew_fn renew, void *ctx)
{
    t->renew = renew;
    t->renew_ctx = ctx;
}

void tokens_free(struct tokens *t)
{
    free(t);
}

void token_answer_done(struct token_answer *a)
{
    free(a->token);
    free(a->refresh_token);
    *a = (struct token_answer){0};
}

/* Scopes. */

struct asked {
    struct str type, name, actions;
};

/* type:name:actions, where name may hold colons (a host and port). */
static bool parse_scope(struct str text, struct asked *ret)
{
    size_t i = text.n;

    if (!str_cut(&text, ':', &ret->type))
        return false;
    for (i = text.n; i > 0 && text.p[i - 1] != ':'; i--)
        ;
    if (i < 2)
        return false;
    ret->name = str_sub(text, 0, i - 1);
    ret->actions = str_sub(text, i, text.n - i);
    return true;
}

/* One of the actions, on some tag. */
static bool may(const struct token_request *r, unsigned actions, const struct repo_name *repo)
{
    for (unsigned one = 1; one < ACTION_ALL; one <<= 1) {
        if (actions & one && policy_allows(r->policy, r->who, (enum action)one, repo, NULL, NULL))
            return true;
    }
    return false;
}

/* "*" is every action there is. */
static bool asks_for(struct str actions, struct str action)
{
    bool all = str_eq(actions, STR("*")), found = false, more = true;
    struct str one;

    while (more && !found) {
        more = str_cut(&actions, ',', &one);
        found = str_eq(one, action);
    }
    return all || found;
}

/* Each is looked up once, however often it is asked for. */
static void grant_actions(const struct token_request *r, const struct asked *a,
                          const struct repo_name *repo, json_t *granted)
{
    static const struct {
        struct str name;
        unsigned actions;
    } known[] = {
        {STR("pull"), ACTION_PULL},
        {STR("push"), ACTION_PUSH | ACTION_OVERWRITE},
        {STR("delete"), ACTION_DELETE},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (asks_for(a->actions, known[i].name) && may(r, known[i].actions, repo))
            json_array_append_new(granted, json_stringn(known[i].name.p, known[i].name.n));
    }
}

static json_t *access_entry(const char *type, struct str name, json_t *actions)
{
    if (json_array_size(actions) == 0) {
        json_decref(actions);
        return NULL;
    }
    return json_pack("{s:s, s:s%, s:o}", "type", type, "name", name.p, name.n, "actions", actions);
}

/* "repository(plugin)" is a repository: the class says what a client means to find in it. */
static struct str without_class(struct str type)
{
    struct str kind = type;

    if (str_ends(type, STR(")")))
        str_cut(&type, '(', &kind);
    return kind;
}

static json_t *grant(const struct token_request *r, struct str text)
{
    struct repo_name repo;
    struct asked a;
    json_t *actions;

    if (!parse_scope(text, &a))
        return NULL;
    if (str_eq(a.type, STR("registry")) && str_eq(a.name, STR("catalog")))
        return access_entry("registry", a.name, json_pack("[s]", "*"));
    if (!str_eq(without_class(a.type), STR("repository")) ||
        repo_name_parse(a.name, &repo, ERR_IGNORED) != ERR_OK)
        return NULL;
    actions = json_array();
    grant_actions(r, &a, &repo, actions);
    return access_entry("repository", a.name, actions);
}

static json_t *grants(const struct token_request *r)
{
    struct str left = r->scopes, one;
    json_t *access = json_array();
    bool more = true;

    for (size_t n = 0; more && n<TOKEN_SCOPES_MAX; n += one.n> 0) {
        json_t *entry;

        more = str_cut(&left, ' ', &one);
        entry = grant(r, one);
        if (entry)
            json_array_append_new(access, entry);
    }
    return access;
}

/* Issuing. */

static json_t *claims_of(const struct tokens *t, const struct token_request *r, int64_t now_ms)
{
    char subject[160];
    struct uuid id;
    json_int_t now_s = now_ms / 1000;

    uuid_make(&id);
    identity_subject(r->who, subject, sizeof(subject));
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:o}", "iss", t->options.issuer,
                     "sub", subject, "aud", t->options.service, "exp",
                     now_s + (json_int_t)(t->options.lifetime_ms / 1000), "nbf", now_s, "iat",
                     now_s, "jti", id.text, "access", grants(r), "who", identity_to_json(r->who));
}

static void key_of(struct str secret, struct digest *ret)
{
    digest_of(DIGEST_SHA256, secret.p, secret.n, ret);
}

static enum err_code make_refresh(struct tokens *t, struct identity *who, char **ret_secret,
                                  struct err *e)
{
    unsigned char bytes[SECRET_BYTES];
    char secret[2 * SECRET_BYTES + 1], subject[160];
    AUTO(json) json_t *record = NULL;
    AUTO(mem) char *value = NULL;
    struct digest key;
    struct meta_op op;

    random_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), secret);
    key_of(str_of(secret), &key);
    identity_subject(who, subject, sizeof(subject));
    record = json_pack("{s:s, s:I, s:o}", "subject", subject, "until_ms",
                       (json_int_t)(clock_wall_ms() + (int64_t)t->options.refresh_lifetime_ms),
                       "who", identity_to_json(who));
    value = json_dumps(record, JSON_COMPACT);
    if (!value)
        return err_set(e, ERR_INTERNAL, "a refresh token can't be written");
    op = meta_op_record_put(REFRESH_TOKEN_COLLECTION, digest_str(&key), str_of(value), META_ABSENT);
    TRY(meta_commit(t->meta, &op, 1, 0, NULL, e));
    *ret_secret = mem_strdup(secret);
    return ERR_OK;
}

enum err_code tokens_issue(struct tokens *t, const struct token_request *r,
                           struct token_answer *ret_answer, struct err *e)
{
    AUTO(token_answer)
    struct token_answer a = {.issued_ms = clock_wall_ms(),
                             .lifetime_s = t->options.lifetime_ms / 1000};
    AUTO(json) json_t *claims = claims_of(t, r, a.issued_ms);

    if (!claims)
        return err_set(e, ERR_INTERNAL, "a token can't be written");
    TRY(signer_sign(t->signer, claims, &a.token, e));
    if (r->refresh && r->who->kind != IDENTITY_ANONYMOUS)
        TRY(make_refresh(t, r->who, &a.refresh_token, e));
    *ret_answer = a;
    a = (struct token_answer){0};
    return ERR_OK;
}

#define SCANNER STR("scanner")

enum err_code tokens_issue_scan(struct tokens *t, const struct repo_name *repo,
                                uint64_t lifetime_ms, char **ret_token, struct err *e)
{
    AUTO(json) json_t *claims = NULL;
    json_int_t now_s = clock_wall_ms() / 1000;
    struct uuid id;

    uuid_make(&id);
    claims = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:[{s:s, s:s, s:[s]}]}", "iss",
                       t->options.issuer, "sub", "robot:scanner", "aud", t->options.service, "exp",
                       now_s + (json_int_t)(lifetime_ms / 1000), "nbf", now_s, "iat", now_s, "jti",
                       id.text, "scan", 1, "access", "type", "repository", "name", repo->text,
                       "actions", "pull");
    if (!claims)
        return err_set(e, ERR_INTERNAL, "a token can't be written");
    return signer_sign(t->signer, claims, ret_token, e);
}

/* Whom a token of those speaks for: nobody who has an account. */
static struct identity *scanner_of(const json_t *claims)
{
    const json_t *entry = json_array_get(json_object_get(claims, "access"), 0);
    const char *name = json_string_value(json_object_get(entry, "name"));
    struct identity *id = identity_new(IDENTITY_ROBOT, SCANNER, "token");

    id->scoped = id->by_token = id->granted = id->scans = true;
    id->expires_ms = json_integer_value(json_object_get(claims, "exp")) * 1000;
    if (name)
        identity_add_scope(id, str_of(name), ACTION_PULL);
    return id;
}

static enum err_code drop_refresh(struct meta *m, struct str key, struct err *e)
{
    struct meta_op op = meta_op_record_delete(REFRESH_TOKEN_COLLECTION, key, META_ANY);

    return meta_commit(m, &op, 1, 0, NULL, e);
}

/* Who *id is now, for whom a token was made earlier. */
static enum err_code renew(struct tokens *t, struct identity **id, struct err *e)
{
    *e = (struct err){0};
    if ((*id)->expires_ms <= clock_wall_ms())
        return err_tell(e, ERR_UNAUTHORIZED, "what the token was given for has expired");
    if (!t->renew)
        return ERR_OK;
    switch (t->renew(t->renew_ctx, id, e)) {
    case VERDICT_YES:
        return ERR_OK;
    case VERDICT_FAIL:
        return e->code ? e->code : err_set(e, ERR_UNAVAILABLE, "the account can't be looked at");
    default:
        return err_tell(e, ERR_UNAUTHORIZED, "the account is gone, disabled or was changed since");
    }
}

enum err_code tokens_refresh(struct tokens *t, struct str refresh_token,
                             struct identity **ret_identity, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *value = NULL;
    struct identity *id;
    struct digest key;
    enum err_code code;

    key_of(refresh_token, &key);
    code = meta_record_get(t->meta, REFRESH_TOKEN_COLLECTION, digest_str(&key), &record, e);
    if (code == ERR_NOT_FOUND)
        return err_tell(e, ERR_UNAUTHORIZED, "the refresh token is not known or was revoked");
    TRY(code);
    value = json_loads(record.value, 0, NULL);
    if (json_integer_value(json_object_get(value, "until_ms")) < clock_wall_ms()) {
        (void)!drop_refresh(t->meta, digest_str(&key), ERR_IGNORED);
        return err_tell(e, ERR_UNAUTHORIZED, "the refresh token has expired");
    }
    id = identity_from_json(json_object_get(value, "who"));
    if (!id)
        return err_set(e, ERR_CORRUPT, "a refresh token's record is damaged");
    code = renew(t, &id, e);
    if (code != ERR_OK) {
        identity_unref(id);
        if (code == ERR_UNAUTHORIZED)
            (void)!drop_refresh(t->meta, digest_str(&key), ERR_IGNORED);
        return code;
    }
    *ret_identity = id;
    return ERR_OK;
}

/* The provider. */

struct token_provider {
    struct provider provider;
    struct tokens *tokens;
    int64_t tended_ms, prune_ms; /* monotonic; of the thread that tends */
};

static unsigned scope_actions(const json_t *actions)
{
    unsigned set = 0;

    for (size_t i = 0; i < json_array_size(actions); i++) {
        const char *text = json_string_value(json_array_get(actions, i));
        unsigned one = text ? action_parse(str_of(text)) : 0;

        set |= one == ACTION_PUSH ? ACTION_PUSH | ACTION_OVERWRITE : one;
    }
    return set;
}

/* The catalog shows what it would show its owner, and is nothing more. */
static void add_catalog(struct identity *id, const struct identity *own)
{
    if (!own->scoped)
        identity_add_scope(id, STR("**"), SCOPE_SHOWN(ACTION_ALL));
    for (size_t i = 0; i < own->n_scopes; i++)
        identity_add_scope(id, str_of(own->scopes[i].repository),
                           SCOPE_SHOWN(SCOPE_IS_SHOWN(own->scopes[i].actions)));
}

/* What the token allows, of what its owner could do when they showed a scoped secret for it. */
static void narrow_to(struct identity *id, const json_t *access)
{
    AUTO(identity) struct identity *own = identity_new(id->kind, STR(""), "");

    identity_narrow(own, id);
    identity_clear_scopes(id);
    id->scoped = id->by_token = true;
    for (size_t i = 0; i < json_array_size(access); i++) {
        const json_t *entry = json_array_get(access, i);
        const char *type = json_string_value(json_object_get(entry, "type"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        unsigned actions = scope_actions(json_object_get(entry, "actions"));

        if (!type || !name)
            continue;
        if (strcmp(type, "registry") == 0) {
            id->catalog = true;
            add_catalog(id, own);
        } else {
            identity_add_scope(id, str_of(name),
                               actions & identity_scope_actions(own, str_of(name)));
        }
    }
}

static enum verdict token_check(struct provider *p, const struct credential *c,
                                struct identity **ret_identity, struct err *e)
{
    struct tokens *t = ((struct token_provider *)p)->tokens;
    AUTO(json) json_t *peek = jwt_peek(c->secret);
    AUTO(json) json_t *claims = NULL;
    const char *issuer = json_string_value(json_object_get(peek, "iss"));
    struct identity *id;
    enum err_code code;
    int64_t until_ms;

    if (!issuer || strcmp(issuer, t->options.issuer) != 0)
        return VERDICT_PASS;
    code = signer_verify(t->signer, c->secret, &claims, e);
    if (code != ERR_OK)
        return code == ERR_UNAUTHORIZED ? VERDICT_NO : VERDICT_FAIL;
    if (jwt_check_claims(claims, t->options.issuer, t->options.service, clock_wall_ms() / 1000,
                         e) != ERR_OK)
        return VERDICT_PAST;
    if (json_is_true(json_object_get(claims, "scan"))) {
        *ret_identity = scanner_of(claims);
        return VERDICT_YES;
    }
    id = identity_from_json(json_object_get(claims, "who"));
    if (!id)
        return VERDICT_NO;
    code = renew(t, &id, e);
    if (code != ERR_OK) {
        identity_unref(id);
        return code == ERR_UNAUTHORIZED ? VERDICT_PAST : VERDICT_FAIL;
    }
    until_ms = json_integer_value(json_object_get(claims, "exp")) * 1000;
    if (until_ms < id->expires_ms)
        id->expires_ms = until_ms;
    narrow_to(id, json_object_get(claims, "access"));
    *ret_identity = id;
    return VERDICT_YES;
}

/* Of refresh tokens that nobody came back with in time. */
static enum err_code drop_expired(void *ctx, const struct meta_record *r, struct err *e)
{
    struct meta *m = ctx;
    AUTO(json) json_t *value = json_loads(r->value, 0, NULL);

    if (json_integer_value(json_object_get(value, "until_ms")) >= clock_wall_ms())
        return ERR_OK;
    return drop_refresh(m, str_of(r->key), e);
}

static enum err_code token_tend(struct provider *base, struct err *e)
{
    struct token_provider *p = (struct token_provider *)base;
    int64_t now_ms = clock_mono_ms();

    if (now_ms - p->tended_ms < TEND_MS)
        return ERR_OK;
    p->tended_ms = now_ms;
    TRY(signer_tend(p->tokens->signer, e));
    if (now_ms < p->prune_ms)
        return ERR_OK;
    TRY(meta_records_each(p->tokens->meta, REFRESH_TOKEN_COLLECTION, drop_expired, p->tokens->meta,
                          e));
    p->prune_ms = now_ms + PRUNE_MS;
    return ERR_OK;
}

static void token_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver token_driver = {
    .name = "token",
    .kinds = 1u << CREDENTIAL_BEARER,
    .check = token_check,
    .tend = token_tend,
    .free = token_free,
};

struct provider *tokens_provider(struct tokens *t)
{
    struct token_provider *p = NEW(struct token_provider);

    p->provider.driver = &token_driver;
    p->tokens = t;
    p->tended_ms = clock_mono_ms(); /* signer_new() has just looked */
    return &p->provider;
}
