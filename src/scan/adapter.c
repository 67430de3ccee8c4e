#include "scan/adapter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/client.h"
#include "scan/adapter_report.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define API             "/api/v1"
#define URL_BYTES       4096
#define ID_BYTES        256
#define TOKEN_BYTES     8192
#define ANSWER_BYTES    (256u << 10) /* of all that is no report */
#define MESSAGE_BYTES   200
#define PIECE_BYTES     65536
#define DATA_TIMEOUT_MS 10000
#define WAIT_LEAST_MS   200 /* between two questions whether a report is there */
#define WAIT_USUAL_MS   2000
#define WAIT_MOST_MS    30000

#define REPORT_TYPE_NEW "application/vnd.security.vulnerability.report; version=1.1"
#define REPORT_TYPE_OLD "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
#define REQUEST_TYPE    "application/vnd.scanner.adapter.scan.request+json; version=1."
#define METADATA_TYPE   "application/vnd.scanner.adapter.metadata+json; version=1."
#define DATA_PROPERTY   "harbor.scanner-adapter/vulnerability-database-updated-at"

struct adapter {
    struct scanner base;
    struct meta *meta;
    const struct conf_scan *conf;
    struct client *client;
    char url[URL_BYTES];      /* without a slash at its end */
    char registry[URL_BYTES]; /* "": not known */
    adapter_token_fn token;   /* NULL: none is needed */
    void *token_ctx;
};

static struct adapter *adapter_of(struct scanner *s)
{
    return (struct adapter *)s;
}

/* ---- one question */

struct question {
    struct adapter *a;
    const char *method; /* a constant */
    const char *path;   /* behind API */
    const char *accept, *content_type;
    struct str body; /* .p NULL: none */
    int64_t deadline_ms;
    int stop_fd;
    /* What takes the answer where its status is 200; NULL: text does. */
    struct adapter_report *report;
};

struct answer {
    int status;
    int64_t refresh_ms; /* Refresh-After; less than 0: it says nothing */
    bool new_version;   /* of the type of the answer: "version=1.1" */
    struct buf text;
};

static void auto_answer_(struct answer *x)
{
    buf_done(&x->text);
}

static void on_header(void *ctx, struct str name, struct str value)
{
    struct answer *x = ctx;
    uint64_t s;

    if (str_ieq(name, STR("refresh-after")) && str_to_u64_up_to(value, INT_MAX, &s))
        x->refresh_ms = (int64_t)s * 1000;
    if (str_ieq(name, STR("content-type")))
        x->new_version = str_contains(value, STR("version=1.1"));
}

/* Until there is something to read, the deadline, or the end of it all. */
static enum err_code wait_for(const struct question *q, int fd, int64_t most_ms, struct err *e)
{
    struct pollfd fds[] = {{fd, POLLIN, 0}, {q->stop_fd, POLLIN, 0}};
    int64_t left_ms = q->deadline_ms - clock_mono_ms();

    if (left_ms <= 0)
        return err_set(e, ERR_TIMEOUT, "the scanner at %s took too long", q->a->url);
    if (most_ms < left_ms)
        left_ms = most_ms;
    if (poll(fds, 2, left_ms > INT_MAX ? INT_MAX : (int)left_ms) > 0 && fds[1].revents)
        return err_set(e, ERR_UNAVAILABLE, "the scan was stopped");
    return ERR_OK;
}

static enum err_code take(const struct question *q, int status, struct str piece,
                          struct answer *ret, uint64_t *n_bytes, struct err *e)
{
    *n_bytes += piece.n;
    if (status == 200 && q->report) {
        if (*n_bytes > conf_u64(&q->a->conf->max_report_bytes))
            return err_set(e, ERR_BODY_TOO_LARGE, "its report is larger than scan.max_report_size");
        return adapter_report_feed(q->report, piece, e);
    }
    buf_add_str(&ret->text, piece);
    return ret->text.full
               ? err_set(e, ERR_BODY_TOO_LARGE, "its answer has more than %u bytes", ANSWER_BYTES)
               : ERR_OK;
}

static enum err_code read_answer(const struct question *q, struct client_stream *s,
                                 struct answer *ret, struct err *e)
{
    AUTO(mem) char *piece = mem_alloc(PIECE_BYTES);
    uint64_t n_bytes = 0;
    size_t n = 0;

    for (;;) {
        enum err_code code = client_stream_read(s, piece, PIECE_BYTES, &n, e);

        if (code == ERR_LATER) {
            TRY(wait_for(q, client_stream_fd(s), INT_MAX, e));
            continue;
        }
        TRY(code);
        ret->status = client_stream_status(s);
        if (n == 0)
            return ERR_OK;
        TRY(take(q, ret->status, (struct str){piece, n}, ret, &n_bytes, e));
        /* One that sends without end must not be read without end. */
        TRY(wait_for(q, -1, 0, e));
    }
}

/* "Authorization: Bearer TOKEN", of scan.adapter.token_file; "" when there is none. */
static enum err_code authorization(const struct adapter *a, struct buf *ret, struct err *e)
{
    AUTO(buf) struct buf token = {0};
    struct str text;

    buf_init(&token, TOKEN_BYTES);
    if (!a->conf->adapter.token_file[0])
        return ERR_OK;
    TRY(file_read_at(AT_FDCWD, a->conf->adapter.token_file, &token, e));
    text = buf_str(&token);
    while (text.n > 0 && strchr(" \r\n\t", text.p[text.n - 1]))
        text.n--;
    if (text.n == 0 || !str_is_text(text))
        return err_set(e, ERR_CONFIG, "scan.adapter.token_file: '%s' holds no token",
                       a->conf->adapter.token_file);
    buf_addf(ret, "Authorization: Bearer " STR_FMT, STR_ARG(text));
    OPENSSL_cleanse(token.p, token.n);
    return ERR_OK;
}

static enum err_code ask(const struct question *q, struct answer *ret, struct err *e)
{
    AUTO(buf) struct buf url = {0};
    AUTO(buf) struct buf accept = {0};
    AUTO(buf) struct buf who = {0};
    const char *headers[] = {NULL, NULL, NULL};
    struct client_request r = {
        .method = q->method, .headers = headers, .body = q->body, .content_type = q->content_type};
    struct client_stream *s = NULL;
    enum err_code code;

    buf_init(&url, URL_BYTES + ID_BYTES * 4);
    buf_init(&accept, 256);
    buf_init(&who, TOKEN_BYTES + 64);
    buf_init(&ret->text, ANSWER_BYTES);
    ret->refresh_ms = -1;
    TRY(authorization(q->a, &who, e));
    buf_addf(&url, "%s" API "%s", q->a->url, q->path);
    buf_addf(&accept, "Accept: %s", q->accept);
    r.url = buf_text(&url);
    headers[0] = buf_text(&accept);
    headers[1] = who.n > 0 ? buf_text(&who) : NULL;
    TRY(client_stream_new(q->a->client, &r, on_header, ret, &s, e));
    code = read_answer(q, s, ret, e);
    client_stream_free(s);
    return code;
}

/* What is in an answer that is none of those that go on: {"error":{"message":...}}. */
static enum err_code refused(const struct answer *x, const char *what, enum err_code code,
                             struct err *e)
{
    struct str text = buf_str(&x->text);
    AUTO(json)
    json_t *root = json_shallow(text) ? json_loadb(text.p ? text.p : "", text.n, 0, NULL) : NULL;
    const char *message =
        json_string_value(json_object_get(json_object_get(root, "error"), "message"));

    if (code == ERR_NOT_ANALYZABLE)
        return err_tell(e, code, "the scanner can't scan it (%d): %.*s", x->status, MESSAGE_BYTES,
                        message ? message : "");
    return err_set(e, code, "the scanner answers %s with %d: %.*s", what, x->status, MESSAGE_BYTES,
                   message ? message : "");
}

/* A status that nothing was asked for: is it worth another try, soon? */
static enum err_code kind_of(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504 || status == 401 ||
                   status == 403
               ? ERR_UNAVAILABLE
               : ERR_INTERNAL;
}

/* ---- metadata */

struct metadata {
    char name[32], version[64];
    int64_t data_ms;         /* 0: it does not say */
    bool new_version;        /* of the API: requests are of version 1.1, else 1.0 */
    const char *report_type; /* of the two; NULL: it makes neither of what is asked about */
};

static bool has_text(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));

        if (one && strcasecmp(one, text) == 0)
            return true;
    }
    return false;
}

/* Of one capability; media_type NULL: of anything. One without a type is of vulnerabilities. */
static const char *report_type(const json_t *capability, const char *media_type)
{
    const char *type = json_string_value(json_object_get(capability, "type"));
    const json_t *makes = json_object_get(capability, "produces_mime_types");

    if ((type && strcmp(type, "vulnerability") != 0) ||
        (media_type && !has_text(json_object_get(capability, "consumes_mime_types"), media_type)))
        return NULL;
    if (has_text(makes, REPORT_TYPE_NEW))
        return REPORT_TYPE_NEW;
    return has_text(makes, REPORT_TYPE_OLD) ? REPORT_TYPE_OLD : NULL;
}

static void copy_member(const json_t *object, const char *key, char *dst, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(dst, cap, "%s", text ? text : "");
}

static enum err_code read_metadata(const struct answer *x, const char *media_type,
                                   struct metadata *ret, struct err *e)
{
    struct str text = buf_str(&x->text);
    AUTO(json)
    json_t *root = json_shallow(text) ? json_loadb(text.p ? text.p : "", text.n, 0, NULL) : NULL;
    const json_t *scanner = json_object_get(root, "scanner");
    const json_t *list = json_object_get(root, "capabilities");
    const char *updated =
        json_string_value(json_object_get(json_object_get(root, "properties"), DATA_PROPERTY));

    if (!json_is_object(scanner) || !json_is_array(list))
        return err_set(e, ERR_INTERNAL,
                       "the scanner's metadata has no 'scanner' and 'capabilities'");
    *ret = (struct metadata){.new_version = x->new_version};
    copy_member(scanner, "name", ret->name, sizeof(ret->name));
    copy_member(scanner, "version", ret->version, sizeof(ret->version));
    if (!updated || !clock_parse(str_of(updated), &ret->data_ms))
        ret->data_ms = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *type = report_type(json_array_get(list, i), media_type);

        if (type && (!ret->report_type || strcmp(type, REPORT_TYPE_NEW) == 0))
            ret->report_type = type;
    }
    return ERR_OK;
}

static enum err_code get_metadata(const struct question *of, const char *media_type,
                                  struct metadata *ret, struct err *e)
{
    AUTO(answer) struct answer x = {0};
    struct question q = *of;

    q.method = "GET";
    q.path = "/metadata";
    q.accept = METADATA_TYPE "1, " METADATA_TYPE "0, application/json";
    TRY(ask(&q, &x, e));
    if (x.status != 200)
        return refused(&x, "GET /metadata", kind_of(x.status), e);
    return read_metadata(&x, media_type, ret, e);
}

static enum err_code adapter_data(struct scanner *s, int64_t *ret_data_ms, struct err *e)
{
    const struct question q = {
        .a = adapter_of(s), .deadline_ms = clock_mono_ms() + DATA_TIMEOUT_MS, .stop_fd = -1};
    struct metadata m = {0};

    TRY(get_metadata(&q, NULL, &m, e));
    *ret_data_ms = m.data_ms;
    return ERR_OK;
}

/* ---- a scan */

static enum err_code request_json(const struct adapter *a, const struct scan_order *o,
                                  const char *media_type, const struct metadata *m, struct buf *ret,
                                  struct err *e)
{
    AUTO(json) json_t *root = NULL;
    AUTO(mem) char *token = NULL;
    AUTO(mem) char *text = NULL;
    int64_t left_ms = o->deadline_ms - clock_mono_ms();

    if (a->token)
        TRY(a->token(a->token_ctx, o->repo, left_ms > 0 ? left_ms : 0, &token, e));
    root = json_pack("{s:{s:s, s:s*}, s:{s:s, s:s, s:s}}", "registry", "url", a->registry,
                     "authorization", token, "artifact", "repository", o->repo->text, "digest",
                     o->digest->text, "mime_type", media_type);
    if (root && m->new_version)
        json_object_set_new(root, "enabled_capabilities",
                            json_pack("[{s:s, s:[s]}]", "type", "vulnerability",
                                      "produces_mime_types", m->report_type));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (token)
        OPENSSL_cleanse(token, strlen(token));
    if (!text)
        return err_set(e, ERR_INTERNAL, "a scan request can't be written");
    buf_add_text(ret, text);
    OPENSSL_cleanse(text, strlen(text));
    return ERR_OK;
}

/* Its id, percent-encoded: it becomes a part of a path. */
static enum err_code read_id(const struct answer *x, struct buf *ret, struct err *e)
{
    struct str text = buf_str(&x->text);
    AUTO(json)
    json_t *root = json_shallow(text) ? json_loadb(text.p ? text.p : "", text.n, 0, NULL) : NULL;
    struct str id = str_of(json_string_value(json_object_get(root, "id")));

    if (id.n == 0 || id.n > ID_BYTES || !str_is_text(id) || str_eq(id, STR(".")) ||
        str_eq(id, STR("..")))
        return err_set(e, ERR_INTERNAL, "the scanner accepts a scan without an id");
    buf_add_percent(ret, id);
    return ERR_OK;
}

static enum err_code begin(const struct question *of, const struct scan_order *o,
                           const char *media_type, const struct metadata *m, struct buf *ret_id,
                           struct err *e)
{
    AUTO(answer) struct answer x = {0};
    AUTO(buf) struct buf body = {0};
    struct question q = *of;

    buf_init(&body, TOKEN_BYTES + URL_BYTES + 2048);
    TRY(request_json(q.a, o, media_type, m, &body, e));
    q.method = "POST";
    q.path = "/scan";
    q.accept = "application/vnd.scanner.adapter.scan.response+json; version=1.0, application/json";
    q.content_type = m->new_version ? REQUEST_TYPE "1" : REQUEST_TYPE "0";
    q.body = buf_str(&body);
    TRY(ask(&q, &x, e));
    if (x.status == 422 || x.status == 501)
        return refused(&x, "POST /scan", ERR_NOT_ANALYZABLE, e);
    if (x.status != 202 && x.status != 200 && x.status != 201)
        return refused(&x, "POST /scan", kind_of(x.status), e);
    return read_id(&x, ret_id, e);
}

static int64_t wait_ms(const struct answer *x)
{
    if (x->refresh_ms < 0)
        return WAIT_USUAL_MS;
    if (x->refresh_ms < WAIT_LEAST_MS)
        return WAIT_LEAST_MS;
    return x->refresh_ms > WAIT_MOST_MS ? WAIT_MOST_MS : x->refresh_ms;
}

/* One question for the report; *ret_wait_ms is 0 when it came. */
static enum err_code ask_for_report(struct question *q, int64_t *ret_wait_ms, struct err *e)
{
    AUTO(answer) struct answer x = {0};

    TRY(ask(q, &x, e));
    *ret_wait_ms = 0;
    if (x.status == 200)
        return adapter_report_end(q->report, e);
    if (x.status == 302) {
        *ret_wait_ms = wait_ms(&x);
        return ERR_OK;
    }
    return refused(&x, "GET /scan/ID/report",
                   x.status == 501 ? ERR_NOT_ANALYZABLE : kind_of(x.status), e);
}

static enum err_code collect(const struct question *of, const struct metadata *m,
                             const struct buf *id, struct adapter_report *report, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    struct question q = *of;
    int64_t rest_ms;

    buf_init(&path, ID_BYTES * 4);
    buf_addf(&path, "/scan/" STR_FMT "/report", STR_ARG(buf_str(id)));
    q.method = "GET";
    q.path = buf_text(&path);
    q.accept = m->report_type;
    q.report = report;
    for (;;) {
        int64_t until_ms;

        TRY(ask_for_report(&q, &rest_ms, e));
        if (rest_ms == 0)
            return ERR_OK;
        until_ms = clock_mono_ms() + rest_ms;
        for (int64_t now_ms; (now_ms = clock_mono_ms()) < until_ms;)
            TRY(wait_for(&q, -1, until_ms - now_ms, e));
    }
}

static enum err_code find_media_type(struct adapter *a, const struct scan_order *o, struct buf *ret,
                                     struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    TRY(meta_manifest_by_digest(a->meta, o->repo, o->digest, &m, e));
    buf_add_str(ret, m->media_type);
    return ERR_OK;
}

static enum err_code adapter_scan(struct scanner *s, const struct scan_order *o,
                                  struct finding_list *ret, struct scan_facts *ret_facts,
                                  struct err *e)
{
    struct adapter *a = adapter_of(s);
    const struct question q = {.a = a, .deadline_ms = o->deadline_ms, .stop_fd = o->stop_fd};
    AUTO(adapter_report) struct adapter_report *report = NULL;
    AUTO(buf) struct buf media_type = {0};
    AUTO(buf) struct buf id = {0};
    struct metadata m = {0};

    buf_init(&media_type, 256);
    buf_init(&id, ID_BYTES * 3 + 1);
    if (!a->registry[0])
        return err_set(e, ERR_CONFIG,
                       "scan.adapter.registry_url is empty, and http.listen says "
                       "nothing that others can reach");
    TRY(find_media_type(a, o, &media_type, e));
    TRY(get_metadata(&q, buf_text(&media_type), &m, e));
    if (!m.report_type)
        return err_tell(e, ERR_NOT_ANALYZABLE, "the scanner makes no report of %s",
                        buf_text(&media_type));
    snprintf(ret_facts->scanner, sizeof(ret_facts->scanner), "%s", m.name);
    snprintf(ret_facts->version, sizeof(ret_facts->version), "%s", m.version);
    ret_facts->data_ms = m.data_ms;
    report = adapter_report_new(o->digest, ret, ret_facts);
    TRY(begin(&q, o, buf_text(&media_type), &m, &id, e));
    return collect(&q, &m, &id, report, e);
}

/* ---- the driver */

static void adapter_free(struct scanner *s)
{
    struct adapter *a = adapter_of(s);

    client_free(a->client);
    free(a);
}

static const struct scanner_driver driver = {
    .name = "adapter", .scan = adapter_scan, .data = adapter_data, .free = adapter_free};

/* Without the slashes at its end. */
static bool copy_url(const char *text, char dst[static URL_BYTES])
{
    struct str s = str_of(text);

    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    return str_copy(s, dst, URL_BYTES);
}

enum err_code scanner_adapter_open(struct registry *r, const struct conf_scan *c,
                                   struct scanner **ret_scanner, struct err *e)
{
    const struct client_options options = {.ca_file = c->adapter.ca_file, .idle = 4};
    struct adapter *a = NEW(struct adapter);

    a->base = (struct scanner){&driver, (unsigned)c->adapter.workers};
    a->meta = r->meta;
    a->conf = c;
    if (!copy_url(c->adapter.url, a->url) || !copy_url(c->adapter.registry_url, a->registry)) {
        free(a);
        return err_set(e, ERR_CONFIG, "scan.adapter: a URL is too long");
    }
    if (client_new(&options, &a->client, e) != ERR_OK) {
        free(a);
        return e->code;
    }
    *ret_scanner = &a->base;
    return ERR_OK;
}

void scanner_adapter_serve(struct scanner *s, const char *registry_url, adapter_token_fn token,
                           void *ctx)
{
    struct adapter *a = adapter_of(s);

    if (s->driver != &driver)
        return;
    if (!a->registry[0])
        (void)copy_url(registry_url, a->registry);
    a->token = token;
    a->token_ctx = ctx;
}
