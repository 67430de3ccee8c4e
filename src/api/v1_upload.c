/* Uploads of images as archives: what is known of them. Whoever asks sees their own; an admin sees
 * all. docs/upload.md. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/upload_records.h"
#include "core/upload_watch.h"

#define LIST_MAX_BYTES (16u << 20)
#define PAGE_MOST      200 /* a row may have hundreds of layers */
#define VALUE_MAX      (REPO_NAME_MAX + 1)

static bool is_own(const struct req *q, const json_t *row)
{
    const char *user = json_string_value(json_object_get(row, "user"));

    return user && strcmp(user, req_actor(q)) == 0;
}

static bool sees_all(const struct req *q)
{
    return access_may(q, ACTION_ADMIN, NULL, NULL);
}

static enum err_code unknown(struct err *e)
{
    return err_tell(e, ERR_NOT_FOUND, "there is no such upload");
}

static enum err_code find(struct req *q, json_t **ret_row, struct err *e)
{
    AUTO(json) json_t *row = NULL;
    struct uuid id;
    enum err_code code;

    if (!uuid_parse(str_of(q->item), &id))
        return unknown(e);
    code = upload_records_get(q->registry, &id, &row, e);
    if (code == ERR_NOT_FOUND || (code == ERR_OK && !sees_all(q) && !is_own(q, row)))
        return unknown(e);
    TRY(code);
    *ret_row = STEAL(row);
    return ERR_OK;
}

/* ---- handlers */

enum err_code api_upload_record_get(struct req *q, struct err *e)
{
    AUTO(json) json_t *row = NULL;
    AUTO(buf) struct buf body = {0};

    TRY(find(q, &row, e));
    buf_init(&body, LIST_MAX_BYTES);
    upload_row_show(row, &body);
    buf_add_char(&body, '\n');
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* Proxies are not to collect it. */
enum err_code api_upload_record_events(struct req *q, struct err *e)
{
    AUTO(json) json_t *row = NULL;
    struct reader *r;
    struct uuid id;

    TRY(find(q, &row, e));
    if (!uuid_parse(str_of(q->item), &id))
        return unknown(e);
    TRY(upload_watch_open(q->registry->watch, &id, row, &r, e));
    http_header(q->x, "Content-Type", STR("text/event-stream"));
    http_header(q->x, "Cache-Control", STR("no-store"));
    http_header(q->x, "X-Accel-Buffering", STR("no"));
    return http_send_stream(q->x, r, e);
}

struct question {
    size_t n;
    char last[UUID_TEXT + 2], user[IDENTITY_NAME_MAX + 8], repository[VALUE_MAX], result[16];
    struct upload_filter filter;
    struct uuid after;
    bool goes_on; /* behind `after` */
};

static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

static enum err_code parse(struct req *q, struct question *ask, struct err *e)
{
    TRY(query_page(q, PAGE_MOST, &ask->n, e));
    if (ask->n > PAGE_MOST)
        ask->n = PAGE_MOST;
    TRY(query_text(q, "last", ask->last, sizeof(ask->last), e));
    TRY(query_text(q, "user", ask->user, sizeof(ask->user), e));
    TRY(query_text(q, "repository", ask->repository, sizeof(ask->repository), e));
    TRY(query_text(q, "result", ask->result, sizeof(ask->result), e));
    ask->goes_on = ask->last[0] != '\0';
    if (ask->goes_on && !uuid_parse(str_of(ask->last), &ask->after))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "query parameter 'last' is not what the Link of a page said");
    ask->filter = (struct upload_filter){
        .user = given(ask->user),
        .repository = given(ask->repository),
        .result = given(ask->result),
    };
    return ERR_OK;
}

/* The same question, from where this page ended. */
static void reply_link(struct req *q, const struct question *ask, const struct uuid *last)
{
    const struct {
        const char *name, *value;
    } filters[] = {{"user", ask->user}, {"repository", ask->repository}, {"result", ask->result}};
    AUTO(buf) struct buf more = {0};

    buf_init(&more, 4 * sizeof(*ask));
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        if (!filters[i].value[0])
            continue;
        buf_addf(&more, "&%s=", filters[i].name);
        buf_add_percent(&more, str_of(filters[i].value));
    }
    reply_next(q, ask->n, str_of(last->text), buf_str(&more));
}

/* Somebody else's are nobody's business: who asks for them finds none. */
static bool may_ask(const struct req *q, struct question *ask)
{
    if (sees_all(q))
        return true;
    if (ask->filter.user && strcmp(ask->filter.user, req_actor(q)) != 0)
        return false;
    ask->filter.user = req_actor(q);
    return true;
}

enum err_code api_upload_record_list(struct req *q, struct err *e)
{
    AUTO(upload_page) struct upload_page page = {.n = 0};
    AUTO(buf) struct buf body = {0};
    struct question ask = {.n = 0};

    TRY(parse(q, &ask, e));
    if (ask.n > 0 && may_ask(q, &ask))
        TRY(upload_records_list(q->registry, &ask.filter, ask.goes_on ? &ask.after : NULL, ask.n,
                                &page, e));
    buf_init(&body, LIST_MAX_BYTES);
    buf_add_text(&body, "{\"uploads\":[");
    for (size_t i = 0; i < page.n; i++) {
        buf_add_text(&body, i > 0 ? "," : "");
        upload_row_show(page.rows[i], &body);
    }
    buf_add_text(&body, "]}\n");
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of uploads is too large");
    if (page.more)
        reply_link(q, &ask, &page.last);
    http_header(q->x, "Cache-Control", STR("no-store"));
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
