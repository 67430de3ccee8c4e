#include "auth/tokens/access_token.h"

#include "auth/people/oidc_person.h"
#include "auth/tokens/access_token_record.h"
#include "base/hex.h"
#include "base/mem.h"

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

static enum err_code read_row(const struct meta_record *r, void *ret_row, struct err *e)
{
    return access_token_from_record(r, ret_row, e);
}

static void row_done(void *row)
{
    access_token_done(row);
}

static const struct record_kind kind = {
    .collection = ACCESS_TOKEN_COLLECTION,
    .bytes = sizeof(struct access_token),
    .read = read_row,
    .done = row_done,
};

void access_token_list_done(struct access_token_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        access_token_done(&l->rows[i]);
    free(l->rows);
    *l = (struct access_token_list){0};
}

enum err_code access_token_list(struct accounts *a, struct str after, size_t limit,
                                struct access_token_list *ret_list, struct err *e)
{
    struct record_page page;

    TRY(record_page(accounts_meta(a), &kind, after, limit, &page, e));
    *ret_list = (struct access_token_list){page.rows, page.n, page.more};
    return ERR_OK;
}

enum err_code access_token_each(struct accounts *a, record_fn fn, void *ctx, struct err *e)
{
    return record_each(accounts_meta(a), &kind, fn, ctx, e);
}

enum err_code access_token_owner(struct accounts *a, struct str name, struct user *ret_user,
                                 struct err *e)
{
    struct err why;
    enum err_code code = user_get(a, name, ret_user, e);

    if (code != ERR_NOT_FOUND || !identity_name_valid(name))
        return code;
    code = oidc_person_get(a, name, ret_user, &why);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        *e = why;
    return code;
}

void access_token_scope(const struct scope *s, struct buf *ret_text)
{
    const char *before = "", *name;
    unsigned actions = s->actions;

    buf_addf(ret_text, "%s:", s->repository);
    for (; (name = action_next(&actions)); before = ",")
        buf_addf(ret_text, "%s%s", before, name);
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

enum err_code access_token_revoke(struct accounts *a, struct str id, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};

    TRY(access_token_get(a, id, &t, e));
    return accounts_remove(a, ACCESS_TOKEN_COLLECTION, id, e);
}

struct pruning {
    struct accounts *accounts;
    int64_t before_ms;
};

static enum err_code remove_if_expired(void *ctx, const void *row, struct err *e)
{
    const struct pruning *p = ctx;
    const struct access_token *t = row;

    if (t->expires_ms >= p->before_ms)
        return ERR_OK;
    return accounts_remove(p->accounts, ACCESS_TOKEN_COLLECTION, str_of(t->id), e);
}

enum err_code access_token_prune(struct accounts *a, int64_t before_ms, struct err *e)
{
    return access_token_each(a, remove_if_expired, &(struct pruning){a, before_ms}, e);
}
