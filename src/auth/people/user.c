#include "auth/people/user.h"

#include "auth/people/user_record.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define SEEN_MS (3600 * 1000)

static enum err_code unknown(struct str name, struct err *e)
{
    return err_tell(e, ERR_NOT_FOUND, "there is no user '" STR_FMT "'", STR_ARG(name));
}

enum err_code user_get(struct accounts *a, struct str name, struct user *ret_user, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code;

    if (!identity_name_valid(name))
        return unknown(name, e);
    code = meta_record_get(accounts_meta(a), USER_COLLECTION, name, &r, e);
    if (code == ERR_NOT_FOUND)
        return unknown(name, e);
    TRY(code);
    return user_from_record(&r, ret_user, e);
}

static enum err_code read_row(const struct meta_record *r, void *ret_row, struct err *e)
{
    return user_from_record(r, ret_row, e);
}

static void row_done(void *row)
{
    user_done(row);
}

static const struct record_kind kind = {
    .collection = USER_COLLECTION,
    .bytes = sizeof(struct user),
    .read = read_row,
    .done = row_done,
};

void user_list_done(struct user_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        user_done(&l->rows[i]);
    free(l->rows);
    *l = (struct user_list){0};
}

enum err_code user_list(struct accounts *a, struct str after, size_t limit,
                        struct user_list *ret_list, struct err *e)
{
    struct record_page page;

    TRY(record_page(accounts_meta(a), &kind, after, limit, &page, e));
    *ret_list = (struct user_list){page.rows, page.n, page.more};
    return ERR_OK;
}

enum err_code user_each(struct accounts *a, record_fn fn, void *ctx, struct err *e)
{
    return record_each(accounts_meta(a), &kind, fn, ctx, e);
}

void user_seen(struct accounts *a, const struct user *u, int64_t now_ms)
{
    struct user seen = *u;
    AUTO(mem) char *value = NULL;

    if (now_ms - u->last_ms < SEEN_MS)
        return;
    seen.last_ms = now_ms;
    value = user_to_text(&seen);
    meta_record_note(accounts_meta(a), USER_COLLECTION,
                     &(struct meta_record){u->name, value, u->version});
}

struct identity *user_identity(const struct user *u, const char *provider)
{
    struct identity *id = identity_new(IDENTITY_USER, str_of(u->name), provider);

    id->admin = u->admin;
    id->stamp = u->stamp;
    for (size_t i = 0; i < u->n_groups; i++)
        identity_add_group(id, str_of(u->groups[i]));
    return id;
}
