/* Tags beyond /v2/: where one pointed, and the way back. */
#include "api/access.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/pull_gate.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "core/history.h"

#define LIST_MAX_BYTES (8u << 20)

/* Names of people are not for everyone who may pull. */
static bool may_know_who(const struct req *q)
{
    return access_may(q, ACTION_PUSH, &q->name, &q->ref.tag) ||
           access_may(q, ACTION_OVERWRITE, &q->name, &q->ref.tag) ||
           access_may(q, ACTION_DELETE, &q->name, &q->ref.tag);
}

static void add_digest(struct buf *body, const char *key, const struct digest *d)
{
    buf_addf(body, "\"%s\":", key);
    if (d->n > 0)
        buf_add_json(body, digest_str(d));
    else
        buf_add_text(body, "null");
}

static void add_move(struct buf *body, const struct meta_move *v, bool who)
{
    buf_add_char(body, '{');
    add_digest(body, "digest", &v->digest);
    buf_add_char(body, ',');
    add_digest(body, "previous", &v->previous);
    reply_add_time(body, "time", v->time_ms);
    if (who) {
        buf_add_text(body, ",\"actor\":");
        buf_add_json(body, str_of(v->actor));
    }
    buf_addf(body, ",\"version\":%lld}", (long long)v->version);
}

static void begin_body(struct buf *body, const struct req *q)
{
    buf_add_text(body, "{\"name\":");
    buf_add_json(body, repo_name_str(&q->name));
    buf_add_text(body, ",\"tag\":");
    buf_add_json(body, tag_name_str(&q->ref.tag));
}

/* The version that the page before ended with. */
static enum err_code parse_last(struct req *q, int64_t *ret_below, struct err *e)
{
    char text[32];
    uint64_t number = INT64_MAX;

    TRY(query_text(q, "last", text, sizeof(text), e));
    if (text[0] && !str_to_u64(str_of(text), INT64_MAX, &number))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "query parameter 'last' is not what the Link of a page said");
    *ret_below = (int64_t)number;
    return ERR_OK;
}

/* A tag without a history is one of before there was one, or none. */
static enum err_code check_known(struct req *q, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_tag(q->registry->meta, &q->name, &q->ref.tag, &m, NULL, e);
}

enum err_code api_tag_history_get(struct req *q, struct err *e)
{
    AUTO(moves) struct meta_move_list l = {0};
    AUTO(buf) struct buf body = {0};
    char last[STR_DECIMAL_MAX];
    bool who = may_know_who(q);
    int64_t below = 0;
    size_t n;

    TRY(query_page(q, PAGE_UNASKED, &n, e));
    TRY(parse_last(q, &below, e));
    if (n > 0)
        TRY(meta_moves(q->registry->meta, &q->name, &q->ref.tag, below, n, &l, e));
    if (l.n == 0)
        TRY(check_known(q, e));
    buf_init(&body, LIST_MAX_BYTES);
    begin_body(&body, q);
    buf_add_text(&body, ",\"moves\":[");
    for (size_t i = 0; i < l.n; i++) {
        buf_add_text(&body, i ? "," : "");
        add_move(&body, &l.rows[i], who);
    }
    buf_add_text(&body, "]}\n");
    if (l.more)
        reply_next(q, n, str_decimal((uint64_t)l.rows[l.n - 1].version, last), STR_NONE);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* {"to": "sha256:..."}, or nothing at all. */
static enum err_code take_to(struct req *q, struct digest *ret_to, bool *ret_given, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    struct str to = STR_NONE;
    const struct body_field fields[] = {{"to", BODY_TEXT, false, &to}};

    *ret_given = false;
    if (!q->head->chunked && (!q->head->has_length || q->head->content_length == 0))
        return ERR_OK;
    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, 1, e));
    *ret_given = to.n > 0;
    return *ret_given ? digest_parse(to, ret_to, e) : ERR_OK;
}

enum err_code api_tag_rollback_post(struct req *q, struct err *e)
{
    struct rollback b = {.repo = &q->name, .tag = &q->ref.tag, .actor = req_actor(q)};
    AUTO(buf) struct buf body = {0};
    struct rolled_back done;
    struct digest to;
    bool given;

    b.create_only = !access_may(q, ACTION_OVERWRITE, &q->name, &q->ref.tag);
    if (b.create_only && !access_may(q, ACTION_PUSH, &q->name, &q->ref.tag))
        return err_tell(e, ERR_DENIED, "%s may not push tag '%s'", req_actor(q), q->ref.tag.text);
    TRY(take_to(q, &to, &given, e));
    b.to = given ? &to : NULL;
    b.bypass = q->registry->tag_judge && pull_gate_may_bypass(q);
    TRY(history_rollback(q->registry, &b, &done, e));
    pull_gate_tag_moved(q, &q->ref.tag);
    if (done.bypassed)
        pull_gate_bypassed(q, &done.digest);
    buf_init(&body, LIST_MAX_BYTES);
    begin_body(&body, q);
    buf_add_char(&body, ',');
    add_digest(&body, "digest", &done.digest);
    buf_add_char(&body, ',');
    add_digest(&body, "previous", &done.previous);
    buf_add_text(&body, "}\n");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
