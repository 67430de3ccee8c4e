/* Who is told of events (notify/notify.h): how far each is, what it was not told, sending that
 * again. */
#include "api/api.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "conf/url.h"
#include "core/event_log.h"
#include "notify/dead_letter.h"
#include "notify/notify.h"
#include "notify/progress.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX_BYTES (64u << 20)

static enum err_code find(struct req *q, const struct target **ret, struct err *e)
{
    static const char *const kinds[] = {"", "webhook.", "mail."};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        AUTO(buf) struct buf key = {0};

        buf_init(&key, sizeof(q->item) + 16);
        buf_addf(&key, "%s%s", kinds[i], q->item);
        *ret = notify_find(q->api->notify, buf_str(&key));
        if (*ret)
            return ERR_OK;
    }
    return err_tell(e, ERR_NOT_FOUND, "there is no such webhook, nor a rule of mail");
}

/* ---- the list */

static void add_texts(struct buf *b, const char *key, const struct conf_strings *list)
{
    buf_addf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < list->n; i++) {
        buf_add_text(b, i ? "," : "");
        buf_add_json(b, str_of(list->items[i]));
    }
    buf_add_char(b, ']');
}

/* The path may be what makes its sender known there. */
static void add_server(struct buf *b, const char *url)
{
    struct conf_url u;
    size_t n = conf_url_parse(str_of(url), &u) ? strlen(url) - u.path.n : 0;

    buf_add_text(b, ",\"server\":");
    buf_add_json(b, (struct str){url, n});
}

static void add_progress(struct buf *b, const struct progress *p, uint64_t last)
{
    buf_addf(b, ",\"waiting\":%llu,\"delivered\":%llu,\"dead\":%llu,\"lost\":%llu",
             (unsigned long long)(last > p->cursor ? last - p->cursor : 0),
             (unsigned long long)p->delivered, (unsigned long long)p->dead,
             (unsigned long long)p->lost);
    reply_add_time(b, "delivered_at", p->delivered_ms);
    buf_addf(b, ",\"state\":\"%s\"", p->failures > 0 ? "failing" : "ok");
    if (p->failures == 0)
        return;
    buf_addf(b, ",\"failures\":%llu,\"status\":%lld,\"why\":", (unsigned long long)p->failures,
             (long long)p->status);
    buf_add_json(b, str_of(p->why));
    reply_add_time(b, "failing_since", p->failing_ms);
    reply_add_time(b, "next_try", p->next_ms);
}

static enum err_code add_target(struct req *q, struct buf *b, const struct target *t, uint64_t last,
                                struct err *e)
{
    struct progress p = {.cursor = 0};

    enum err_code code = progress_read(q->registry->meta, t->key, &p, e);

    if (code == ERR_CORRUPT) {
        p.failures = 1; /* the others are listed all the same */
        snprintf(p.why, sizeof(p.why), "%.*s", (int)sizeof(p.why) - 1, e->detail);
    } else {
        TRY(code);
    }
    buf_add_text(b, "{\"name\":");
    buf_add_json(b, str_of(target_name(t)));
    buf_addf(b, ",\"kind\":\"%s\"", t->webhook ? "webhook" : "mail");
    if (t->webhook)
        add_server(b, t->webhook->url);
    else
        add_texts(b, "to", &t->rule->to);
    add_texts(b, "events", &t->filter->events);
    add_texts(b, "repositories", &t->filter->repositories);
    add_progress(b, &p, last);
    buf_add_char(b, '}');
    return ERR_OK;
}

enum err_code api_webhook_list(struct req *q, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    uint64_t first, last;

    TRY(event_log_bounds(q->registry->meta, &first, &last, e));
    buf_init(&body, LIST_MAX_BYTES);
    buf_add_text(&body, "{\"webhooks\":[");
    for (size_t i = 0; i < notify_targets(q->api->notify); i++) {
        buf_add_text(&body, i ? "," : "");
        TRY(add_target(q, &body, notify_target(q->api->notify, i), last, e));
    }
    buf_add_text(&body, "]}\n");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* ---- dead letters */

static void add_letter(struct buf *b, const struct meta_record *record)
{
    AUTO(json) json_t *letter = json_loads(record->value, 0, NULL);
    int64_t at_ms = json_integer_value(json_object_get(letter, "at_ms"));
    AUTO(mem) char *text = NULL;

    json_object_del(letter, "at_ms");
    text = letter ? json_dumps(letter, JSON_COMPACT) : NULL;
    if (!text || text[0] != '{')
        return;
    buf_add(b, text, strlen(text) - 1);
    reply_add_time(b, "at", at_ms);
    buf_add_char(b, '}');
}

enum err_code api_webhook_delivery_list(struct req *q, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    AUTO(buf) struct buf body = {0};
    const struct target *t;
    char last[32];
    uint64_t after = 0;
    size_t n;

    TRY(find(q, &t, e));
    TRY(query_page(q, 100, &n, e));
    TRY(query_text(q, "last", last, sizeof(last), e));
    if (last[0] && !str_to_u64(str_of(last), UINT64_MAX, &after))
        return err_tell(e, ERR_REQUEST_INVALID, "'last' is the number of an event");
    if (n > 0)
        TRY(dead_letter_list(q->registry->meta, t->key, after, n, &l, e));
    buf_init(&body, LIST_MAX_BYTES);
    buf_add_text(&body, "{\"deliveries\":[");
    for (size_t i = 0; i < l.n; i++) {
        buf_add_text(&body, i ? "," : "");
        add_letter(&body, &l.rows[i]);
    }
    buf_add_text(&body, "]}\n");
    if (l.more && l.n > 0)
        reply_next(q, n, str_of(strrchr(l.rows[l.n - 1].key, '/') + 1), STR_NONE);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

static void reply_sent(struct req *q, const struct notify_sent *s)
{
    AUTO(buf) struct buf body = {0};

    buf_init(&body, LIST_MAX_BYTES);
    buf_addf(&body, "{\"delivered\":%s,\"status\":%d,\"took_ms\":%lld,\"why\":",
             s->delivered ? "true" : "false", s->status, (long long)s->took_ms);
    buf_add_json(&body, str_of(s->why));
    buf_add_text(&body, "}\n");
    reply_json(q, 200, buf_str(&body));
}

/* A secret that can't be read is told, for it is an admin who asks. */
static enum err_code tell(enum err_code code, struct err *e)
{
    if (code != ERR_CONFIG)
        return code;
    e->public_detail = true;
    return e->code = ERR_UNAVAILABLE;
}

enum err_code api_webhook_redeliver_post(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    const struct target *t;
    struct notify_sent sent;
    struct str event = {NULL, 0};
    const struct body_field fields[] = {{"event", BODY_TEXT, true, &event}};
    uint64_t seq;

    TRY(find(q, &t, e));
    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, 1, e));
    if (!str_to_u64(event, UINT64_MAX, &seq))
        return err_tell(e, ERR_REQUEST_INVALID, "'event' is the number of an event, as a text");
    TRY(tell(notify_redeliver(q->api->notify, t, seq, &sent, e), e));
    reply_sent(q, &sent);
    return ERR_OK;
}

enum err_code api_webhook_test_post(struct req *q, struct err *e)
{
    const struct target *t;
    struct notify_sent sent;

    TRY(find(q, &t, e));
    TRY(tell(notify_test(q->api->notify, t, &sent, e), e));
    reply_sent(q, &sent);
    return ERR_OK;
}
