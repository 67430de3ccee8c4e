/* Local users over HTTP: the same as `registry user`, by the same functions (auth/people/user.h).
 * What of a user is a secret (hashes, the second factor) is never in an answer. */
#include "auth/people/user.h"

#include "api/access.h"
#include "api/access_identity.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "auth/people/user_change.h"
#include "auth/providers/local.h"

#include <stdio.h>

#define LIST_MAX_BYTES (64u << 20)

static struct accounts *accounts_of(const struct req *q)
{
    return q->api->guard.accounts;
}

static void add_user(struct buf *body, const struct user *u)
{
    buf_add_text(body, "{\"name\":");
    buf_add_json(body, str_of(u->name));
    buf_addf(body, ",\"admin\":%s,\"disabled\":%s,\"second_factor\":%s,\"groups\":[",
             u->admin ? "true" : "false", u->disabled ? "true" : "false",
             u->totp ? "true" : "false");
    for (size_t i = 0; i < u->n_groups; i++) {
        if (i > 0)
            buf_add_char(body, ',');
        buf_add_json(body, str_of(u->groups[i]));
    }
    buf_add_char(body, ']');
    reply_add_time(body, "created", u->created_ms);
    reply_add_time(body, "changed", u->changed_ms);
    reply_add_time(body, "signed_in", u->last_ms);
    buf_add_char(body, '}');
}

static enum err_code reply_user(struct req *q, int status, struct str name, struct err *e)
{
    AUTO(user) struct user u = {0};
    AUTO(buf) struct buf body = {0};

    buf_init(&body, BODY_MAX_BYTES);
    TRY(user_get(accounts_of(q), name, &u, e));
    add_user(&body, &u);
    buf_add_char(&body, '\n');
    reply_json(q, status, buf_str(&body));
    return ERR_OK;
}

enum err_code api_user_list(struct req *q, struct err *e)
{
    AUTO(user_list) struct user_list l = {0};
    AUTO(buf) struct buf body = {0};
    char after[IDENTITY_NAME_MAX + 1];
    size_t n;

    buf_init(&body, LIST_MAX_BYTES);
    TRY(query_page(q, PAGE_UNASKED, &n, e));
    TRY(query_text(q, "last", after, sizeof(after), e));
    if (n > 0)
        TRY(user_list(accounts_of(q), str_of(after), n, &l, e));
    buf_add_text(&body, "{\"users\":[");
    for (size_t i = 0; i < l.n; i++) {
        if (i > 0)
            buf_add_char(&body, ',');
        add_user(&body, &l.rows[i]);
    }
    buf_add_text(&body, "]}\n");
    if (l.more && l.n > 0)
        reply_next(q, n, str_of(l.rows[l.n - 1].name), STR_NONE);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

enum err_code api_user_post(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(body_texts) struct body_texts groups = {0};
    struct str name = STR_NONE, password = STR_NONE;
    int admin = 0;
    const struct body_field fields[] = {
        {"name", BODY_TEXT, true, &name},
        {"password", BODY_TEXT, true, &password},
        {"groups", BODY_TEXTS, false, &groups},
        {"admin", BODY_BOOL, false, &admin},
    };
    struct user_rights rights;

    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e));
    if (identity_name_valid(name))
        snprintf(q->target, sizeof(q->target), "user:" STR_FMT, STR_ARG(name));
    rights =
        (struct user_rights){.admin = admin == 1, .groups = groups.items, .n_groups = groups.n};
    TRY(user_add(accounts_of(q), name, password, &rights, e));
    reply_location(q, "/api/v1/users/" STR_FMT, STR_ARG(name));
    return reply_user(q, 201, name, e);
}

enum err_code api_user_get(struct req *q, struct err *e)
{
    return reply_user(q, 200, str_of(q->item), e);
}

enum err_code api_user_patch(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(body_texts) struct body_texts groups = {0};
    int admin = -1, disabled = -1;
    struct user_change c = {.force = false};
    const struct body_field fields[] = {
        {"password", BODY_TEXT, false, &c.password},
        {"groups", BODY_TEXTS, false, &groups},
        {"admin", BODY_BOOL, false, &admin},
        {"disabled", BODY_BOOL, false, &disabled},
    };
    bool is_admin, is_disabled;

    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e));
    is_admin = admin == 1;
    is_disabled = disabled == 1;
    c.admin = admin < 0 ? NULL : &is_admin;
    c.disabled = disabled < 0 ? NULL : &is_disabled;
    c.groups = groups.given ? groups.items : NULL;
    c.n_groups = groups.n;
    TRY(user_change(accounts_of(q), str_of(q->item), &c, e));
    return reply_user(q, 200, str_of(q->item), e);
}

enum err_code api_user_delete(struct req *q, struct err *e)
{
    TRY(user_remove(accounts_of(q), str_of(q->item), false, e));
    reply_empty(q, 204);
    return ERR_OK;
}

/* Who is signed in might have left their desk: the password is asked for again. */
static enum err_code check_old(struct req *q, struct str old, struct err *e)
{
    AUTO(identity) struct identity *id = NULL;
    enum err_code code = access_sign_in_person(q, str_of(q->item), old, STR_NONE, &id, e);

    /* A token is no password. */
    if (code == ERR_TOTP_REQUIRED || (code == ERR_OK && strcmp(id->provider, LOCAL_PROVIDER) == 0))
        return ERR_OK;
    if (code == ERR_OK || code == ERR_UNAUTHORIZED)
        return err_tell(e, ERR_DENIED, "the old password is wrong");
    return code;
}

/* Who signed in with a token gave no code, and would shut out the one who can. */
static enum err_code check_factor(struct req *q, const struct user *u, struct err *e)
{
    if (!u->totp || strcmp(q->who->provider, LOCAL_PROVIDER) == 0)
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "%s has a second factor: sign in with its code first", u->name);
}

enum err_code api_user_password_put(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(user) struct user u = {0};
    struct str old = STR_NONE, fresh = STR_NONE;
    const struct body_field fields[] = {
        {"old", BODY_TEXT, true, &old},
        {"new", BODY_TEXT, true, &fresh},
    };

    if (q->who->kind != IDENTITY_USER || strcmp(q->who->name, q->item) != 0)
        return err_tell(e, ERR_DENIED,
                        "this changes one's own password; an admin sets that of "
                        "others by PATCH of the user");
    TRY(user_get(accounts_of(q), str_of(q->item), &u, e));
    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e));
    TRY(check_factor(q, &u, e));
    TRY(check_old(q, old, e));
    TRY(user_set_password(accounts_of(q), str_of(q->item), fresh, e));
    reply_empty(q, 204);
    return ERR_OK;
}
