/*
 * Personal tokens and those of robot accounts over HTTP: the same as `registry token`. A user has
 * to do with their own, an admin with all.
 *
 * What is made here is worth no more than its maker: a personal token has at most the rights of the
 * user it stands for (auth/tokens/access_token.h), a narrowed one reaches none of this
 * (ACCESS_ACCOUNT), and a token makes no others, or it could not be revoked; but for those of
 * admins, who may make all of it anew anyway.
 */
#include "api/access.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "auth/people/user.h"
#include "auth/tokens/access_token.h"
#include "auth/tokens/access_token_create.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define LIST_MAX_BYTES (64u << 20)
#define PAGE           256

static struct accounts *accounts_of(const struct req *q)
{
    return q->api->guard.accounts;
}

static bool is_admin(const struct req *q)
{
    return access_may(q, ACTION_ADMIN, NULL, NULL);
}

/*
 * The caller is that user of the database, or person of the OpenID provider, and not one of the
 * same name that another provider knows: they bear the stamp of the record, or has shown one of its
 * tokens.
 */
static bool is_local(const struct req *q, const struct user *u)
{
    return q->who->kind == IDENTITY_USER && (q->who->token || q->who->stamp == u->stamp);
}

static enum err_code own_account(const struct req *q, struct user *ret_user, struct err *e)
{
    enum err_code code = ERR_NOT_FOUND;

    if (q->who->kind == IDENTITY_USER)
        code = access_token_owner(accounts_of(q), str_of(q->who->name), ret_user, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (code == ERR_NOT_FOUND || !is_local(q, ret_user))
        return err_tell(e, ERR_DENIED,
                        "only users of the registry's own database, and those who signed in at the "
                        "OpenID provider, have tokens");
    return ERR_OK;
}

static void add_token(struct buf *body, const struct access_token *t, const char *secret)
{
    AUTO(buf) struct buf scope = {0};

    buf_init(&scope, 1024);
    buf_addf(body, "{\"id\":\"%s\",\"owner\":", t->id);
    buf_add_json(body, str_of(t->owner));
    buf_add_text(body, t->scoped ? ",\"scopes\":[" : ",\"scopes\":null");
    for (size_t i = 0; i < t->n_scopes; i++) {
        buf_clear(&scope);
        access_token_scope(&t->scopes[i], &scope);
        buf_add_text(body, i ? "," : "");
        buf_add_json(body, buf_str(&scope));
    }
    buf_add_text(body, t->scoped ? "],\"description\":" : ",\"description\":");
    buf_add_json(body, str_of(t->description));
    reply_add_time(body, "created", t->created_ms);
    reply_add_time(body, "expires", t->expires_ms);
    reply_add_time(body, "used", t->used_ms);
    if (secret)
        buf_addf(body, ",\"token\":\"%s\"", secret);
    buf_add_char(body, '}');
}

/* A list of the tokens of one owner, or of all. */
struct listing {
    struct buf *body;
    const char *owner, *owner_id; /* NULL: all */
    size_t n, room;
    char last[ACCESS_TOKEN_ID + 1]; /* in the list */
    bool more;
};

/* Those of the page; one that is too many tells that there is more. */
static void add_page(struct listing *l, const struct access_token_list *page)
{
    for (size_t i = 0; i < page->n && !l->more; i++) {
        const struct access_token *t = &page->rows[i];

        if ((l->owner && strcmp(t->owner, l->owner) != 0) ||
            (l->owner_id && strcmp(t->owner_id, l->owner_id) != 0))
            continue;
        l->more = l->n == l->room;
        if (l->more)
            break;
        if (l->n++ > 0)
            buf_add_char(l->body, ',');
        add_token(l->body, t, NULL);
        snprintf(l->last, sizeof(l->last), "%s", t->id);
    }
}

static enum err_code fill(struct req *q, struct listing *l, const char *from, struct err *e)
{
    char after[64];
    bool more = l->room > 0;

    snprintf(after, sizeof(after), "%s", from);
    while (more && !l->more) {
        AUTO(access_token_list) struct access_token_list page = {0};

        TRY(access_token_list(accounts_of(q), str_of(after), PAGE, &page, e));
        add_page(l, &page);
        more = page.more && page.n > 0;
        if (more)
            snprintf(after, sizeof(after), "%s", page.rows[page.n - 1].id);
    }
    return ERR_OK;
}

enum err_code api_access_token_list(struct req *q, struct err *e)
{
    AUTO(user) struct user u = {0};
    AUTO(buf) struct buf body = {0}, more = {0};
    char owner[sizeof(q->identity)], after[64];
    struct listing l = {.body = &body};

    buf_init(&body, LIST_MAX_BYTES);
    buf_init(&more, 1024);
    TRY(query_page(q, PAGE_UNASKED, &l.room, e));
    TRY(query_text(q, "last", after, sizeof(after), e));
    TRY(query_text(q, "owner", owner, sizeof(owner), e));
    if (!is_admin(q)) {
        TRY(own_account(q, &u, e));
        if (owner[0] && strcmp(owner, q->identity) != 0)
            return err_tell(e, ERR_DENIED, "only an admin sees the tokens of others");
        l.owner_id = u.id;
        snprintf(owner, sizeof(owner), "%s", q->identity);
    }
    l.owner = owner[0] ? owner : NULL;
    buf_add_text(&body, "{\"tokens\":[");
    TRY(fill(q, &l, after, e));
    buf_add_text(&body, "]}\n");
    if (query_has(q, "owner")) {
        buf_add_text(&more, "&owner=");
        buf_add_percent(&more, str_of(owner));
    }
    if (l.more)
        reply_next(q, l.room, str_of(l.last), buf_str(&more));
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* What is asked for, in the body. */
struct wish {
    struct str user, robot, lifetime, description;
    struct body_texts scopes;
};

static inline void auto_wish_(struct wish *w)
{
    auto_body_texts_(&w->scopes);
}

/* Whose it is to be; and may the caller? */
static enum err_code settle_owner(struct req *q, const struct wish *w,
                                  struct access_token_request *r, struct err *e)
{
    AUTO(user) struct user u = {0};
    struct str self = str_of(q->who->kind == IDENTITY_USER ? q->who->name : NULL);

    if (w->user.p && w->robot.p)
        return err_tell(e, ERR_REQUEST_INVALID, "'user' and 'robot' exclude each other");
    r->kind = w->robot.p ? IDENTITY_ROBOT : IDENTITY_USER;
    r->owner = w->robot.p ? w->robot : w->user.p ? w->user : self;
    if (is_admin(q) && (w->robot.p || w->user.p))
        return ERR_OK;
    if (w->robot.p || !str_eq(r->owner, self))
        return err_tell(e, ERR_DENIED, "only an admin makes tokens for others");
    if (q->who->token && !is_admin(q))
        return err_tell(e, ERR_DENIED, "a token makes no other tokens; sign in with the password");
    return own_account(q, &u, e);
}

static enum err_code settle_scopes(const struct wish *w, struct buf *text, struct err *e)
{
    if (w->scopes.given && w->scopes.n == 0)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'scopes' is empty, so the token would be good for nothing; leave it out "
                        "for all that the owner may");
    for (size_t i = 0; i < w->scopes.n; i++) {
        if (!w->scopes.items[i].n || memchr(w->scopes.items[i].p, ' ', w->scopes.items[i].n))
            return err_tell(e, ERR_REQUEST_INVALID,
                            "'scopes': each is REPOSITORIES:ACTIONS, as in 'dev/**:pull,push'");
        buf_add_char(text, ' ');
        buf_add_str(text, w->scopes.items[i]);
    }
    return text->full ? err_tell(e, ERR_REQUEST_INVALID, "'scopes' is too long") : ERR_OK;
}

static enum err_code take_wish(const json_t *body, struct wish *w, struct err *e)
{
    const struct body_field fields[] = {
        {"user", BODY_TEXT, false, &w->user},
        {"robot", BODY_TEXT, false, &w->robot},
        {"scopes", BODY_TEXTS, false, &w->scopes},
        {"lifetime", BODY_TEXT, false, &w->lifetime},
        {"description", BODY_TEXT, false, &w->description},
    };

    w->lifetime = STR(ACCESS_TOKEN_LIFETIME);
    return body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e);
}

static enum err_code make(struct req *q, const struct access_token_request *r, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};
    AUTO(buf) struct buf body = {0};
    char secret[ACCESS_TOKEN_TEXT + 1];

    buf_init(&body, LIST_MAX_BYTES);
    TRY(access_token_create(accounts_of(q), r, secret, e));
    TRY(access_token_get(accounts_of(q),
                         str_sub(str_of(secret), ACCESS_TOKEN_PREFIX.n, ACCESS_TOKEN_ID), &t, e));
    add_token(&body, &t, secret);
    buf_add_char(&body, '\n');
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_location(q, "/api/v1/tokens/%s", t.id);
    reply_json(q, 201, buf_str(&body));
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(body.p, body.n);
    return ERR_OK;
}

enum err_code api_access_token_post(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(buf) struct buf scopes = {0};
    AUTO(wish) struct wish w = {.user = STR_NONE};
    struct access_token_request r = {.max = conf_u64(&q->api->conf->limits.tokens_per_owner)};

    buf_init(&scopes, BODY_MAX_BYTES);
    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(take_wish(body, &w, e));
    TRY(settle_owner(q, &w, &r, e));
    if (identity_name_valid(r.owner))
        snprintf(q->target, sizeof(q->target), "%s:" STR_FMT,
                 r.kind == IDENTITY_ROBOT ? "robot" : "user", STR_ARG(r.owner));
    TRY(settle_scopes(&w, &scopes, e));
    r.scopes = buf_str(&scopes);
    r.description = w.description;
    TRY(access_token_expiry(w.lifetime, &r.expires_ms, e));
    return make(q, &r, e);
}

/* That of another is as good as none. */
static enum err_code check_owner(struct req *q, const struct access_token *t, struct err *e)
{
    AUTO(user) struct user u = {0};

    if (is_admin(q))
        return ERR_OK;
    TRY(own_account(q, &u, e));
    if (strcmp(t->owner, q->identity) == 0 && strcmp(t->owner_id, u.id) == 0)
        return ERR_OK;
    return err_tell(e, ERR_NOT_FOUND, "there is no token '%s'", q->item);
}

enum err_code api_access_token_delete(struct req *q, struct err *e)
{
    AUTO(access_token) struct access_token t = {0};

    TRY(access_token_get(accounts_of(q), str_of(q->item), &t, e));
    TRY(check_owner(q, &t, e));
    TRY(access_token_revoke(accounts_of(q), str_of(q->item), e));
    reply_empty(q, 204);
    return ERR_OK;
}
