#include "api/match.h"

#include "api/event_origin.h"
#include "api/html.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>

/* Errors that pass: the client is told when to come again. */
#define RETRY_AFTER_S STR("1")

#define MESSAGE_MAX_BYTES 4096

/* Clients show their users the message, so it says the reason, too: as all there is to say of who
 * may not, and behind what went wrong for everything else. */
static void add_message(struct buf *text, enum err_code code, struct str detail)
{
    int status = err_status(code);
    bool refused = status == 401 || status == 403 || status == 429;

    if (!refused || !detail.n)
        buf_add_text(text, err_message(code));
    if (!refused && detail.n)
        buf_add_text(text, ": ");
    buf_add_str(text, detail);
}

void reply_error_body(struct buf *ret_json, enum err_code code, struct str detail)
{
    AUTO(buf) struct buf message = {0};

    buf_init(&message, MESSAGE_MAX_BYTES);
    add_message(&message, code, detail);
    buf_add_text(ret_json, "{\"errors\":[{\"code\":");
    buf_add_json(ret_json, str_of(err_wire(code)));
    buf_add_text(ret_json, ",\"message\":");
    buf_add_json(ret_json, buf_str(&message));
    buf_add_text(ret_json, "}]}\n");
}

static void add_member(struct buf *json, const char *key, struct str value)
{
    if (!value.n)
        return;
    buf_addf(json, "%s\"%s\":", json->p[json->n - 1] == '{' ? "" : ",", key);
    buf_add_json(json, value);
}

/* What the request named, for a machine: Go clients print the detail behind the message, so it must
 * not say the same again. Only what was parsed is said. */
static void add_detail(const struct reply_subject *s, struct buf *json)
{
    if (!s->name.n && !s->refused && !s->images.n)
        return;
    buf_add_text(json, ",\"detail\":{");
    if (s->refused) {
        add_member(json, "code", str_of(refusal_name(s->refused->code)));
        add_member(json, "member", str_of(s->refused->member));
        add_member(json, "wrong", str_of(s->refused->wrong));
        add_member(json, "expected", str_of(refusal_expected(s->refused->code)));
    }
    if (s->refused || s->images.n)
        add_member(json, "upload", s->upload);
    add_member(json, "name", s->name);
    add_member(json, "reference", s->reference);
    add_member(json, "digest", s->digest);
    if (s->images.n)
        buf_addf(json, ",\"images\":[" STR_FMT "]", STR_ARG(s->images));
    buf_add_char(json, '}');
}

void reply_error_about(struct buf *ret_json, enum err_code code, struct str detail,
                       const struct reply_subject *s)
{
    static const struct str end = {"}]}\n", 4};

    reply_error_body(ret_json, code, detail);
    ret_json->n -= end.n;
    add_detail(s, ret_json);
    buf_add_str(ret_json, end);
}

static void error_body(struct req *q, enum err_code code, struct str detail, struct buf *ret_json)
{
    const struct reply_subject s = {.refused = q->refused,
                                    .upload = str_of(q->upload.text),
                                    .name = repo_name_str(&q->name),
                                    .reference = reference_str(&q->ref),
                                    .digest = digest_str(&q->digest)};

    reply_error_about(ret_json, code, detail, &s);
}

void reply_json(struct req *q, int status, struct str body)
{
    http_header(q->x, "Content-Type", STR("application/json"));
    http_send(q->x, status, body);
}

void reply_empty(struct req *q, int status)
{
    http_send(q->x, status, STR_NONE);
}

void reply_digest(struct req *q, const struct digest *d)
{
    http_header(q->x, "Docker-Content-Digest", digest_str(d));
}

struct str reply_prefix(const struct req *q)
{
    struct str prefix = str_of(q->api->conf->http.prefix);

    prefix.n -= prefix.n > 0; /* its closing slash */
    return prefix;
}

void reply_location(struct req *q, const char *fmt, ...)
{
    AUTO(buf) struct buf place = {0};
    va_list ap;

    buf_init(&place, 4096);
    buf_add_str(&place, reply_prefix(q));
    va_start(ap, fmt);
    buf_vaddf(&place, fmt, ap);
    va_end(ap);
    http_header(q->x, "Location", buf_str(&place));
}

static void log_failure(struct req *q, enum err_code code, const struct err *e)
{
    log_event(LOG_ERROR, "request failed", LOG_TEXT("error", err_name(code)),
              LOG_TEXT("detail", e->detail), LOG_STR("method", q->head->method_text),
              LOG_STR("path", q->head->path), LOG_TEXT("request_id", http_request_id(q->x)));
}

/* What is not there, and what the caller may not see, are answered alike: without detail. */
static bool says_nothing(enum err_code code)
{
    return code == ERR_NAME_UNKNOWN || code == ERR_MANIFEST_UNKNOWN || code == ERR_BLOB_UNKNOWN;
}

/* RFC 9110, 15.5.6: a 405 names the methods that are allowed; this one is not, whatever the table
 * says. */
static void add_allow(struct req *q)
{
    AUTO(buf) struct buf methods = {0};

    buf_init(&methods, 256);
    match_allow(req_path(q), q->head->method, &methods);
    http_header(q->x, "Allow", buf_str(&methods));
}

/* Below these, programs ask, whatever they say they accept. */
static bool for_programs(struct str path)
{
    return str_starts(path, STR("/v2/")) || str_eq(path, STR("/v2")) ||
           str_starts(path, STR("/api/"));
}

/* The same as the JSON says, for somebody who looks with a browser. */
static void send_error_page(struct req *q, enum err_code code, struct str detail)
{
    AUTO(buf) struct buf message = {0}, html = {0};

    buf_init(&message, MESSAGE_MAX_BYTES);
    buf_init(&html, HTML_MAX_BYTES);
    buf_addf(&message, "%d: ", err_status(code));
    add_message(&message, code, detail);
    html_begin(&html, buf_str(&message));
    buf_add_text(&html, "<p>Request ");
    buf_add_markup(&html, str_of(http_request_id(q->x)));
    buf_add_text(&html, "</p>\n");
    html_end(&html);
    html_send(q, err_status(code), buf_str(&html));
}

static void send_error(struct req *q, enum err_code code, struct str detail)
{
    AUTO(buf) struct buf json = {0};

    if (!for_programs(req_path(q))) {
        html_vary(q);
        if (html_wanted(q)) {
            send_error_page(q, code, detail);
            return;
        }
    }
    buf_init(&json, 4096);
    error_body(q, code, detail, &json);
    reply_json(q, err_status(code), buf_str(&json));
}

void reply_error(struct req *q, enum err_code code, const struct err *e)
{
    int status = err_status(code);

    http_set_note(q->x, e->detail);
    if (status >= 500)
        log_failure(q, code, e);
    if (code == ERR_QUOTA && q->name.n > 0) {
        const struct event_origin by = req_origin(q);

        event_quota_refused(q->registry, &q->name, str_of(e->detail), &by);
    }
    if (http_answered(q->x))
        return; /* it failed half-way; the connection is closed */
    if ((status == 429 || status == 503) && !q->retry_told)
        http_header(q->x, "Retry-After", RETRY_AFTER_S);
    if (status == 405)
        add_allow(q);
    send_error(q, code, e->public_detail && !says_nothing(code) ? str_of(e->detail) : STR_NONE);
}

void reply_next_parameter(struct buf *extra, const char *key, const char *value)
{
    if (!value[0])
        return;
    buf_addf(extra, "&%s=", key);
    buf_add_percent(extra, str_of(value));
}

/* A target that is longer is one that no client may send. */
#define LINK_MAX (8u << 10)

void reply_next(struct req *q, size_t n, struct str last, struct str extra)
{
    AUTO(buf) struct buf link = {0};

    buf_init(&link, 4096 + 3 * last.n + extra.n);
    buf_add_char(&link, '<');
    buf_add_str(&link, q->head->path);
    buf_addf(&link, "?n=%zu&last=", n);
    buf_add_percent(&link, last);
    buf_add_str(&link, extra);
    buf_add_text(&link, ">; rel=\"next\"");
    if (link.n <= LINK_MAX)
        http_header(q->x, "Link", buf_str(&link));
}

void reply_add_time(struct buf *body, const char *key, int64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE];

    if (wall_ms == 0 || wall_ms == INT64_MAX) {
        buf_addf(body, ",\"%s\":null", key);
        return;
    }
    clock_rfc3339(wall_ms, text);
    buf_addf(body, ",\"%s\":\"%s\"", key, text);
}

void reply_warning(struct req *q, struct str text)
{
    AUTO(buf) struct buf header = {0}, note = {0};

    buf_init(&header, 1024);
    buf_init(&note, 1024);
    buf_add_text(&header, "299 - ");
    buf_add_json(&header, text);
    http_header(q->x, "Warning", buf_str(&header));
    buf_add_str(&note, text);
    http_set_note(q->x, buf_text(&note));
}
