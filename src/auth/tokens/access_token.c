#include "auth/tokens/access_token.h"

#include "auth/browser/oidc_person.h"
#include "auth/tokens/access_token_record.h"
#include "base/hex.h"
#include "base/mem.h"

bool access_token_shaped(struct str secret)
{
    return secret.n == ACCESS_TOKEN_TEXT && str_starts(secret, ACCESS_TOKEN_PREFIX) &&
           hex_valid(str_sub(secret, ACCESS_TOKEN_PREFIX.n, secret.n - ACCESS_TOKEN_PREFIX.n));
}

struct str access_token_id(struct str secret)
{
    return str_sub(secret, ACCESS_TOKEN_PREFIX.n, ACCESS_TOKEN_ID);
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

    if (id.n != ACCESS_TOKEN_ID || !hex_valid(id))
        return unknown(str_sub(id, 0, id.n < 64 ? id.n : 64), e);
    code = meta_record_get(accounts_meta(a), ACCESS_TOKEN_COLLECTION, id, &r, e);
    if (code == ERR_NOT_FOUND)
        return unknown(id, e);
    TRY(code);
    return access_token_from_record(&r, ret_token, e);
}

enum err_code access_token_list(struct accounts *a, struct str after, size_t limit,
                                struct access_token_list *ret_list, struct err *e)
{
    AUTO(records) struct meta_record_list page = {0};
    AUTO(access_token_list) struct access_token_list l = {0};

    TRY(meta_records(accounts_meta(a), ACCESS_TOKEN_COLLECTION, after, limit, &page, e));
    l.rows = mem_zero((page.n + 1) * sizeof(*l.rows));
    for (; l.n < page.n; l.n++)
        TRY(access_token_from_record(&page.rows[l.n], &l.rows[l.n], e));
    l.more = page.more;
    *ret_list = l;
    l = (struct access_token_list){0};
    return ERR_OK;
}

struct walk {
    access_token_fn fn;
    void *ctx;
};

static enum err_code walk_record(void *ctx, const struct meta_record *r, struct err *e)
{
    const struct walk *w = ctx;
    AUTO(access_token) struct access_token t = {0};

    TRY(access_token_from_record(r, &t, e));
    return w->fn(w->ctx, &t, e);
}

enum err_code access_token_each(struct accounts *a, access_token_fn fn, void *ctx, struct err *e)
{
    return meta_records_each(accounts_meta(a), ACCESS_TOKEN_COLLECTION, walk_record,
                             &(struct walk){fn, ctx}, e);
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

/* Removing. */

static enum err_code drop(struct accounts *a, struct str id, struct err *e)
{
    struct meta_op op = {.kind = META_RECORD_DELETE,
                         .collection = ACCESS_TOKEN_COLLECTION,
                         .key = id,
                         .expected_version = META_ANY};

    return accounts_commit(a, &op, 1, META_ANY, e);
}

enum err_code access_token_revoke(struct accounts *a, struct str id, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};

    TRY(access_token_get(a, id, &t, e));
    return drop(a, id, e);
}

struct removal {
    struct accounts *accounts;
    const char *owner;
    size_t n;
};

static enum err_code remove_if_owned(void *ctx, const struct access_token *t, struct err *e)
{
    struct removal *r = ctx;

    if (strcmp(t->owner, r->owner) != 0)
        return ERR_OK;
    r->n++;
    return drop(r->accounts, str_of(t->id), e);
}

enum err_code access_token_remove_of(struct accounts *a, const char *owner, size_t *ret_n,
                                     struct err *e)
{
    struct removal r = {.accounts = a, .owner = owner};

    TRY(access_token_each(a, remove_if_owned, &r, e));
    if (ret_n)
        *ret_n = r.n;
    return ERR_OK;
}

struct pruning {
    struct accounts *accounts;
    int64_t before_ms;
};

static enum err_code remove_if_expired(void *ctx, const struct access_token *t, struct err *e)
{
    const struct pruning *p = ctx;

    return t->expires_ms < p->before_ms ? drop(p->accounts, str_of(t->id), e) : ERR_OK;
}

enum err_code access_token_prune(struct accounts *a, int64_t before_ms, struct err *e)
{
    return access_token_each(a, remove_if_expired, &(struct pruning){a, before_ms}, e);
}
