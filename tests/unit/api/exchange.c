#include "exchange.h"

#include "api/dispatch.h"
#include "auth/core/auth.h"
#include "auth/core/rate.h"
#include "auth/policy/policy.h"
#include "base/log.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

bool slow_clients;
void (*meanwhile)(struct server *s, bool waits_for_body);

struct http_exchange {
    struct http_head head;
    const struct request *request;
    struct source body;
    struct answer *answer;
    bool on_worker;
    struct reader slow; /* of body: says LATER before each piece of slow_clients */
    bool came, waiting, waited;
    void *kept;
    size_t headers_kept;
};

const struct http_head *http_head(const struct http_exchange *x)
{
    return &x->head;
}

const char *http_request_id(const struct http_exchange *x)
{
    (void)x;
    return "test";
}

struct reader *http_body(struct http_exchange *x)
{
    assert_true(x->on_worker);
    return &x->body.reader;
}

static enum err_code slow_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct http_exchange *x =
        (struct http_exchange *)((char *)r - offsetof(struct http_exchange, slow));

    x->came = !x->came;
    if (slow_clients && x->came)
        return err_set(e, ERR_LATER, "still to come");
    return reader_read(&x->body.reader, buf, cap, ret_n, e);
}

static const struct reader_ops slow_ops = {.read = slow_read};

struct reader *http_body_later(struct http_exchange *x)
{
    assert_true(x->on_worker);
    return &x->slow;
}

/* LATER once, then all of it. */
struct reader *http_body_whole(struct http_exchange *x, size_t max_bytes)
{
    (void)max_bytes;
    assert_true(x->on_worker);
    return x->waited ? &x->body.reader : &x->slow;
}

void http_wait_for_body(struct http_exchange *x)
{
    assert_false(http_answered(x));
    x->answer->headers.n = x->headers_kept;
    x->waiting = x->waited = true;
}

enum err_code http_pause(struct http_exchange *x, struct err *e)
{
    http_wait_for_body(x);
    return err_set(e, ERR_LATER, "it pauses");
}

void http_headers_stay(struct http_exchange *x)
{
    x->headers_kept = x->answer->headers.n;
}

void http_keep(struct http_exchange *x, void *kept)
{
    x->kept = kept;
}

void *http_kept(const struct http_exchange *x)
{
    return x->kept;
}

bool http_was_waiting(const struct http_exchange *x)
{
    return x->waited;
}

const char *http_client(const struct http_exchange *x)
{
    return x->request->peer ? x->request->peer : "127.0.0.1";
}

bool http_is_tls(const struct http_exchange *x)
{
    return x->request->tls;
}

bool second_door;

bool http_on_debug(const struct http_exchange *x)
{
    (void)x;
    return second_door;
}

bool http_on_worker(const struct http_exchange *x)
{
    return x->on_worker;
}

void http_set_identity(struct http_exchange *x, const char *identity)
{
    (void)x;
    (void)identity;
}

void http_set_route(struct http_exchange *x, const char *route)
{
    (void)x, (void)route;
}

enum http_certificate http_client_certificate(struct http_exchange *x, struct str *ret_der)
{
    *ret_der = STR_NONE;
    return x->request->certificate;
}

void http_set_note(struct http_exchange *x, const char *note)
{
    (void)x, (void)note;
}

void http_close_after(struct http_exchange *x)
{
    (void)x;
}

bool http_answered(const struct http_exchange *x)
{
    return x->answer->status != 0;
}

void http_header(struct http_exchange *x, const char *name, struct str value)
{
    assert_false(http_answered(x));
    for (size_t i = 0; i < value.n; i++)
        assert_true((unsigned char)value.p[i] >= ' ' && value.p[i] != 0x7f);
    buf_addf(&x->answer->headers, "%s: " STR_FMT "\r\n", name, STR_ARG(value));
}

void http_headerf(struct http_exchange *x, const char *name, const char *fmt, ...)
{
    AUTO(buf) struct buf value = {0};
    va_list ap;

    buf_init(&value, 4096);
    va_start(ap, fmt);
    buf_vaddf(&value, fmt, ap);
    va_end(ap);
    http_header(x, name, buf_str(&value));
}

void http_send(struct http_exchange *x, int status, struct str body)
{
    assert_false(http_answered(x));
    assert_true(x->on_worker || body.n <= HTTP_QUICK_MAX);
    x->answer->status = status;
    if (x->head.method != HTTP_HEAD && status != 204 && status != 304)
        buf_add_str(&x->answer->body, body);
}

bool http_content_waits(const struct http_exchange *x)
{
    (void)x;
    return false;
}

bool http_not_modified(const struct http_exchange *x, struct str etag)
{
    return http_etag_listed(&x->head, STR("If-None-Match"), etag, true);
}

bool http_if_match(const struct http_exchange *x, struct str etag)
{
    return !http_field_get(&x->head, STR("If-Match")).p ||
           http_etag_listed(&x->head, STR("If-Match"), etag, false);
}

enum err_code http_send_content(struct http_exchange *x, struct reader *r, uint64_t size_bytes,
                                struct str etag, struct err *e)
{
    AUTO(reader) struct reader *own = r;
    char text[4096];
    size_t n = 1;

    assert_true(x->on_worker);
    http_header(x, "ETag", etag);
    http_headerf(x, "Content-Length", "%llu", (unsigned long long)size_bytes);
    x->answer->status = 200;
    while (x->head.method != HTTP_HEAD && n > 0) {
        TRY(reader_read(own, text, sizeof(text), &n, e));
        buf_add(&x->answer->body, text, n);
    }
    return ERR_OK;
}

/* No test here follows one. */
enum err_code http_send_stream(struct http_exchange *x, struct reader *r, struct err *e)
{
    (void)x;
    reader_free(r);
    return err_set(e, ERR_UNSUPPORTED, "there are no streams here");
}

enum err_code http_pay_content(struct http_exchange *x, uint64_t bytes, struct err *e)
{
    (void)x;
    (void)bytes;
    (void)e;
    return ERR_OK;
}

void server_init(struct server *s)
{
    world_in_memory(&s->w);
    s->w.conf->log.access = false;
    s->guard.auth = auth_new(&(struct auth_options){.cache_entries = 1, .lock_after = 1}, NULL, 0);
    s->guard.rate = rate_new();
    api_init(&s->api, s->w.r, s->w.conf, &s->guard, policy_new(NULL, 0, true));
    log_set_level(LOG_ERROR);
}

void server_done(struct server *s)
{
    api_done(&s->api);
    auth_free(s->guard.auth);
    rate_free(s->guard.rate);
    world_done(&s->w);
}

static void parse_head(const struct request *r, struct buf *text, struct http_head *ret_head)
{
    const struct http_limits limits = {65536, 65536, 100};
    const char *why = "";
    size_t used;
    int status;

    buf_addf(text, "%s HTTP/1.1\r\nHost: localhost\r\n", r->line);
    if (r->chunked)
        buf_add_text(text, "Transfer-Encoding: chunked\r\n");
    else if (r->body.p)
        buf_addf(text, "Content-Length: %zu\r\n", r->body.n);
    buf_add_text(text, r->headers ? r->headers : "");
    buf_add_text(text, "\r\n");
    if (http_parse_head(text->p, text->n, &limits, ret_head, &used, &status, &why) !=
        HTTP_PARSE_DONE)
        fail_msg("'%s' is no request: %s", r->line, why);
}

static void exchange_init(struct http_exchange *x, const struct request *r, struct answer *a,
                          struct buf *text)
{
    *x = (struct http_exchange){
        .answer = a, .request = r, .body = source_of(r->body), .slow = {&slow_ops}};
    buf_init(text, 1 << 16);
    buf_init(&a->headers, 1 << 20);
    buf_init(&a->body, 1 << 28);
    x->body.piece_bytes = r->piece_bytes;
    x->body.error = r->cut_with;
    x->body.fail_at = r->body.n / 2;
    parse_head(r, text, &x->head);
}

static void move(struct str *s, const struct buf *from, const struct buf *to)
{
    if (s->p >= from->p && s->p <= from->p + from->n)
        s->p = to->p + (s->p - from->p);
}

/* The way to a worker: nothing may be looked for any more where the head was. */
static void move_head(struct http_head *h, struct buf *from, struct buf *to)
{
    buf_init(to, from->n);
    buf_add_str(to, buf_str(from));
    move(&h->method_text, from, to);
    move(&h->target, from, to);
    move(&h->path, from, to);
    move(&h->query, from, to);
    move(&h->host, from, to);
    for (size_t i = 0; i < h->n_fields; i++) {
        move(&h->fields[i].name, from, to);
        move(&h->fields[i].value, from, to);
    }
    memset(from->p, '#', from->n);
}

struct answer serve(struct server *s, const struct request *r)
{
    struct answer a = {0};
    struct http_exchange x;
    AUTO(buf) struct buf text = {0}, moved = {0};

    exchange_init(&x, r, &a, &text);
    a.quick = s->api.app.quick(s->api.app.ctx, &x) == HTTP_ANSWERED;
    if (!a.quick) {
        assert_int_equal(a.status, 0);
        move_head(&x.head, &text, &moved);
        x.on_worker = true;
        do {
            if (meanwhile)
                meanwhile(s, x.waiting);
            x.waiting = false;
            s->api.app.serve(s->api.app.ctx, &x);
        } while (x.waiting);
        assert_null(x.kept);
    }
    assert_int_not_equal(a.status, 0);
    return a;
}

void call_init(struct call *c, struct server *s, const struct request *r)
{
    *c = (struct call){.x = NEW(struct http_exchange)};
    exchange_init(c->x, r, &c->a, &c->text);
    c->x->on_worker = true;
    c->x->waited = true;
    c->q = (struct req){
        .api = &s->api, .registry = s->api.registry, .x = c->x, .head = http_head(c->x)};
}

void call_done(struct call *c)
{
    answer_done(&c->a);
    buf_done(&c->text);
    free(c->x);
}

struct answer get(struct server *s, const char *line)
{
    return serve(s, &(struct request){.line = line});
}

void answer_done(struct answer *a)
{
    buf_done(&a->headers);
    buf_done(&a->body);
}

const char *header_of(const struct answer *a, const char *name)
{
    static char value[8192];
    struct str rest = buf_str(&a->headers), line, key;

    while (rest.n > 0) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, ':', &key);
        if (str_ieq(key, str_of(name))) {
            line = str_sub(line, 0, line.n - 1);
            assert_true(str_copy(str_trim(line), value, sizeof(value)));
            return value;
        }
    }
    return "";
}

unsigned headers_of(const struct answer *a, const char *name)
{
    struct str rest = buf_str(&a->headers), line, key;
    unsigned n = 0;

    while (rest.n > 0) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, ':', &key);
        n += str_ieq(key, str_of(name));
    }
    return n;
}

void tell_status(const char *story, const struct answer *a, int status)
{
    if (a->status != status)
        fail_msg("%s: answered %d, not %d: " STR_FMT, story, a->status, status,
                 STR_ARG(buf_str(&a->body)));
}

void tell_header(const char *story, const struct answer *a, const char *name, const char *value)
{
    if (headers_of(a, name) > 1)
        fail_msg("%s: %s comes %u times", story, name, headers_of(a, name));
    if (strcmp(header_of(a, name), value) != 0)
        fail_msg("%s: %s is '%s', not '%s'", story, name, header_of(a, name), value);
}

void assert_error(const struct answer *a, int status, const char *code)
{
    json_t *root = json_loadb(a->body.p, a->body.n, 0, NULL);
    const json_t *first = json_array_get(json_object_get(root, "errors"), 0);

    assert_int_equal(a->status, status);
    assert_string_equal(header_of(a, "Content-Type"), "application/json");
    assert_int_equal(headers_of(a, "Content-Type"), 1);
    assert_non_null(first);
    assert_string_equal(json_string_value(json_object_get(first, "code")), code);
    assert_true(json_string_length(json_object_get(first, "message")) > 0);
    json_decref(root);
}
