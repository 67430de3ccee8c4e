#include "api/dispatch.h"

#include "api/access.h"
#include "api/audit_entry.h"
#include "api/cors.h"
#include "api/policy_in_force.h"
#include "api/proxy.h"
#include "api/redirect.h"
#include "api/reply.h"
#include "api/req.h"
#include "api/route.h"
#include "api/routes.h"
#include "api/ui.h"
#include "api/upload_image_form.h"
#include "api/v1_upload_session.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

static void req_init(struct req *q, struct api *a, struct http_exchange *x)
{
    *q = (struct req){.api = a, .registry = a->registry, .x = x, .head = http_head(x)};
}

/* http.headers */
static void add_headers(struct req *q)
{
    const struct conf_headers *list = &q->api->conf->http.headers;

    for (size_t i = 0; i < list->n; i++)
        http_header(q->x, list->items[i].name, str_of(list->items[i].value));
}

/* What was settled, for the worker: access_settle() says LATER without q->who. */
static enum http_verdict carry(const struct req *q)
{
    struct req *carried = NEW(struct req);

    *carried = *q;
    http_keep(q->x, carried);
    return HTTP_BLOCKS;
}

static enum http_verdict quick_answer(void *ctx, struct http_exchange *x)
{
    enum access_verdict access;
    struct err e = {0};
    struct req q;
    enum err_code code;

    req_init(&q, ctx, x);
    add_headers(&q);
    if (cors_begin(&q))
        return HTTP_ANSWERED;
    code = route_request(&q, &e);
    if (code != ERR_OK) {
        reply_error(&q, code, &e);
        return HTTP_ANSWERED;
    }
    access = access_settle(&q);
    if (access == ACCESS_LATER ||
        (access == ACCESS_GRANTED && !(q.route->quick && q.route->quick(&q))))
        return carry(&q);
    access_done(&q);
    return HTTP_ANSWERED;
}

static enum err_code check_read_only(const struct req *q, struct err *e)
{
    enum access access = q->route->access;

    if (q->route->method == HTTP_GET || (access != ACCESS_PUSH && access != ACCESS_DELETE) ||
        !conf_bool(&q->registry->options->read_only))
        return ERR_OK;
    return err_tell(e, ERR_UNSUPPORTED,
                    "this registry is read-only for now (maintenance.read_only); pulls go on");
}

/* The handler, and its trace in the audit trail. */
static enum err_code run(struct req *q, api_handler handler, struct err *e)
{
    enum err_code code;

    TRY(check_read_only(q, e));
    if (!q->route->audit)
        return handler(q, e);
    TRY(audit_deed_begin(q, e));
    code = handler(q, e);
    if (code == ERR_LATER || q->receiving.held)
        audit_deed_cancel(q); /* nothing is done yet, and the place may be long in coming */
    else
        audit_deed_end(q, code == ERR_OK ? "ok" : err_name(code));
    return code;
}

/* What the I/O thread has carried here, or an earlier worker. */
static struct req *take_up(struct http_exchange *x)
{
    struct req *q = http_kept(x);

    q->x = x;
    q->head = http_head(x);
    return q;
}

static enum access_verdict settle(struct req *q)
{
    if (http_was_waiting(q->x))
        return access_settle_again(q);
    return q->who ? ACCESS_GRANTED : access_settle(q);
}

static void drop(void *ctx, void *kept)
{
    struct req *q = kept;

    (void)ctx;
    access_done(q);
    free(q->refused);
    free(q);
}

static void let_go(struct req *q)
{
    http_keep(q->x, NULL);
    drop(q->api, q);
}

/* Before the answer: whoever reads it may come again for the same upload. */
static void stop_receiving(struct req *q)
{
    upload_close(STEAL(q->receiving.upload));
    image_upload_close(STEAL(q->receiving.image));
    image_form_free(STEAL(q->receiving.form));
    archive_receipt_free(STEAL(q->receiving.archive));
    upload_record_end(STEAL(q->receiving.record), ERR_DENIED, NULL, NULL); /* meanwhile */
}

static void handle(struct req *q, struct err *e)
{
    enum err_code code = run(q, q->receiving.go_on ? q->receiving.go_on : q->route->serve, e);

    if (code == ERR_LATER) {
        http_wait_for_body(q->x);
        return;
    }
    stop_receiving(q);
    if (code != ERR_OK)
        reply_error(q, code, e);
    let_go(q);
}

static void serve(void *ctx, struct http_exchange *x)
{
    struct req *q = take_up(x);
    struct err e = {0};

    (void)ctx;
    if (settle(q) == ACCESS_GRANTED) {
        http_headers_stay(x);
        handle(q, &e);
        return;
    }
    stop_receiving(q);
    let_go(q);
}

static struct str at_most(struct str s, size_t n)
{
    return str_sub(s, 0, s.n < n ? s.n : n);
}

/* A record is bounded: what the client chose is cut and comes last, so that it cannot push out
 * what the registry says of it. */
static void done(void *ctx, const struct http_record *r)
{
    const struct api *a = ctx;
    const struct http_head *h = r->head;

    if (r->error != ERR_OK && err_status(r->error) >= 500)
        log_event(LOG_ERROR, "content broke off", LOG_TEXT("error", err_name(r->error)),
                  LOG_TEXT("detail", r->note), LOG_STR("path", h ? h->path : STR_NONE),
                  LOG_TEXT("request_id", r->request_id));
    if (!conf_bool(&a->conf->log.access))
        return;
    log_event(LOG_INFO, "request", LOG_STR("method", at_most(h ? h->method_text : STR_NONE, 32)),
              LOG_TEXT("route", r->route), LOG_I64("status", r->status),
              LOG_U64("received_bytes", r->received_bytes), LOG_U64("sent_bytes", r->sent_bytes),
              LOG_I64("duration_us", r->duration_us), LOG_TEXT("identity", r->identity),
              LOG_TEXT("client", r->client), LOG_TEXT("request_id", r->request_id),
              LOG_TEXT("note", r->note), LOG_STR("path", at_most(h ? h->path : STR_NONE, 1024)),
              LOG_STR("user_agent", h ? http_field_get(h, STR("User-Agent")) : STR_NONE));
}

/* Answers of the server itself, before any route is known. */
static void refusal(void *ctx, int status, const char *why, struct buf *ret_body)
{
    static const struct {
        int status;
        enum err_code code;
        const char *detail; /* NULL: why */
    } refusals[] = {
        {408, ERR_TIMEOUT, "the request did not arrive in time"},
        {413, ERR_BLOB_TOO_LARGE, ""},
        {412, ERR_PRECONDITION, NULL},
        {414, ERR_REQUEST_INVALID, "the URL is longer than http.max_url_size"},
        {416, ERR_RANGE_UNSATISFIABLE, NULL},
        {429, ERR_TOO_MANY_REQUESTS, "too many connections from this address"},
        {431, ERR_REQUEST_INVALID,
         "the headers are larger than http.max_head_size or more than "
         "http.max_headers"},
        {500, ERR_INTERNAL, ""},
        {503, ERR_UNAVAILABLE, ""},
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (refusals[i].status == status) {
            reply_error_body(ret_body, refusals[i].code,
                             str_of(refusals[i].detail ? refusals[i].detail : why));
            return;
        }
    }
    reply_error_body(ret_body, ERR_REQUEST_INVALID, str_of(why));
}

static void refusal_headers(void *ctx, struct http_exchange *x)
{
    struct req q;

    req_init(&q, ctx, x);
    add_headers(&q);
    cors_refuse(&q);
}

static void trouble(void *ctx, const struct err *e)
{
    (void)ctx;
    log_err(LOG_ERROR, "file not reloaded; its earlier content stays in use", e);
}

void api_init(struct api *a, struct registry *r, const struct conf *c,
              const struct api_guard *guard, struct policy *policy)
{
    *a = (struct api){.registry = r, .ui = &ui_embedded, .conf = c, .guard = *guard};
    pthread_mutex_init(&a->mutex, NULL);
    api_set_policy(a, policy);
    a->app = (struct http_app){
        .ctx = a,
        .quick = quick_answer,
        .serve = serve,
        .done = done,
        .drop = drop,
        .refusal = refusal,
        .refusal_headers = refusal_headers,
        .trouble = trouble,
    };
    proxies_init(a);
    redirect_init(a);
}

void api_done(struct api *a)
{
    if (!a->app.ctx)
        return; /* was never begun */
    redirect_done(a);
    proxies_done(a);
    policy_unref(a->policy);
    pthread_mutex_destroy(&a->mutex);
}
