/*
 * http: the HTTP/1.1 server. May include base/ and conf/conf.h.
 *
 * Park the idle, answer the quick on the spot, hand the rest to a worker. A few I/O threads own an
 * epoll set each; a waiting connection costs a small struct and no buffer. A complete request head
 * is parsed in the I/O thread's own buffer and offered to app.quick(), which answers there when it
 * can do so without blocking; otherwise the exchange goes to a worker of a bounded pool, which runs
 * app.serve(): straight-line blocking code. Afterwards the connection goes back to its I/O thread.
 *
 * Source: RFC 9110, RFC 9112. Strict: a head that is not exactly to the grammar is answered 400 and
 * the connection closed before app sees it.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/reader.h"
#include "base/str.h"
#include "conf/conf.h"

#define HTTP_MAX_HEADERS 128 /* upper bound of http.max_headers */

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER, /* any other token; head.method_text has it */
};

struct http_field {
    struct str name, value; /* value without surrounding blanks */
};

/* A parsed head; every str points into the buffer it was parsed from. */
struct http_head {
    enum http_method method;
    struct str method_text;
    struct str target; /* as received, origin-form or absolute-form reduced to it; or "*" */
    struct str path;   /* target up to '?', still percent-encoded */
    struct str query;  /* after '?', still encoded; empty when there is none */
    struct str host;
    unsigned minor;          /* HTTP/1.minor */
    uint64_t content_length; /* when has_length */
    bool has_length, chunked, expect_continue, keep_alive;
    size_t n_fields;
    struct http_field fields[HTTP_MAX_HEADERS]; /* last: kept only as far as it is used */
};

/* parse.c: pure functions on bytes, no I/O. */

enum http_parse { HTTP_PARSE_DONE, HTTP_PARSE_MORE, HTTP_PARSE_BAD };

struct http_limits {
    size_t max_head_bytes, max_url_bytes, max_headers;
};

/* One head at the start of n bytes at p. DONE: *ret_used bytes belong to it. MORE: it is not
 * complete. BAD: answer *ret_status (400, 414, 417, 431, 501, 505) and close; *ret_why is a
 * constant text for the log. */
enum http_parse http_parse_head(const char *p, size_t n, const struct http_limits *limits,
                                struct http_head *ret_head, size_t *ret_used, int *ret_status,
                                const char **ret_why);

/* The value of the first field of that name (without case), or STR_NONE. */
struct str http_field_get(const struct http_head *h, struct str name);

/* etag.c: the entity-tags of If-Match or If-None-Match, one by one. All fields of that name are one
 * list (RFC 9110, 5.3). */
struct http_etags {
    const struct http_head *head;
    struct str name;
    struct str left; /* of the value of the field before `field` */
    size_t field;
};

enum http_etag {
    HTTP_ETAG_END,
    HTTP_ETAG_TAG, /* *ret_tag is it, with its quotes; *ret_weak: "W/" stood before them */
    HTTP_ETAG_ANY, /* "*" */
    HTTP_ETAG_MALFORMED,
};

enum http_etag http_etags_next(struct http_etags *l, struct str *ret_tag, bool *ret_weak);

/* Do they have this strong one, or "*"? With weak, "W/" before a tag is looked through (RFC 9110,
 * 8.8.3.2). What follows a malformed one is not looked at. */
bool http_etag_listed(const struct http_head *h, struct str name, struct str etag, bool weak);

/* Value of a query parameter, percent-decoded with '+' as a space, into dst with a closing NUL.
 * index counts occurrences from 0. Returns 1 found, 0 not there, -1 malformed or longer than cap.
 */
int http_query_get(struct str query, struct str name, unsigned index, char *dst, size_t cap);

/* One exchange: a request and its response. Lives while quick() or serve() runs; one thread. */
struct http_exchange;

enum http_verdict {
    HTTP_ANSWERED, /* quick() sent a complete response */
    HTTP_BLOCKS,   /* serve() must do it, on a worker; nothing was sent. Headers set so far, route,
                      identity and note stay, and what http_keep() was given */
};

/* What one request was, for the access log. */
struct http_record {
    const struct http_head *head; /* NULL when no head could be parsed */
    const char *client;           /* address text */
    const char *request_id;
    const char *route;    /* as set by http_set_route(), or "" */
    const char *identity; /* as set by http_set_identity(), or "" */
    const char *note;     /* why a request was refused or cut off, or "" */
    int status;
    uint64_t received_bytes, sent_bytes; /* of the bodies */
    int64_t duration_us;
    enum err_code error; /* why content broke off after serve() had returned, or ERR_OK; in words it
                            is the note */
};

struct http_app {
    void *ctx;
    /* I/O thread; must not block, must not read the body. */
    enum http_verdict (*quick)(void *ctx, struct http_exchange *x);
    /* Worker thread. Returning without a response sent answers 500, but for http_wait_for_body().
     */
    void (*serve)(void *ctx, struct http_exchange *x);
    /* After every response, on whichever thread; it must not block. */
    void (*done)(void *ctx, const struct http_record *r);
    /* Frees what was kept of a request for which serve() will not be called: there was no worker to
     * be had. I/O thread, must not block. NULL: quick() keeps nothing. */
    void (*drop)(void *ctx, void *kept);
    /* The body of an answer that the server itself makes (400, 408, 414, 431, 503 ...), JSON;
     * may be NULL. why says in words what the client did wrong. */
    void (*refusal)(void *ctx, int status, const char *why, struct buf *ret_body);
    /* The headers of an answer to a head that is not to the grammar or past a limit, which quick()
     * will not see. Only the fields of http_head() hold what was read, in front of the mistake; all
     * else in it is not to be looked at. I/O thread, must not block. May be NULL. */
    void (*refusal_headers)(void *ctx, struct http_exchange *x);
    /* A file has changed and is no good, so its earlier content stays in use; for the log. Any
     * thread, must not block. May be NULL. */
    void (*trouble)(void *ctx, const struct err *e);
};

/*
 * What quick() found out is carried to serve(), and what serve() is at to its next call (see
 * http_body_later()). It belongs to the exchange until serve() takes it back with http_keep(NULL),
 * before it returns with an answer. The request moves when a worker gets it, and may move while it
 * waits for its body: what is kept must hold no string of a head, nor the head or exchange of
 * quick().
 */
void http_keep(struct http_exchange *x, void *kept);
void *http_kept(const struct http_exchange *x); /* NULL: nothing */

/* Request. */

const struct http_head *http_head(const struct http_exchange *x);
const char *http_client(const struct http_exchange *x);     /* peer address, no port */
const char *http_request_id(const struct http_exchange *x); /* the client's X-Request-Id when it is
                                                               1-64 of [A-Za-z0-9._-], else made */
bool http_is_tls(const struct http_exchange *x);
bool http_on_worker(const struct http_exchange *x);
bool http_on_debug(const struct http_exchange *x); /* it came to http.debug.listen */

enum http_certificate {
    HTTP_CERTIFICATE_NONE, /* the client showed none, or none was asked for */
    HTTP_CERTIFICATE_GOOD, /* http.tls.client_ca vouches for it, now */
    HTTP_CERTIFICATE_BAD,  /* it did in the handshake, and has expired or was revoked since */
};

/* The client's certificate. *ret_der (DER) lives as long as the exchange. It is verified again when
 * time or a new list of revoked ones may have spoiled it; else this costs next to nothing. */
enum http_certificate http_client_certificate(struct http_exchange *x, struct str *ret_der);

/* The request body as a reader, from which Content-Length or chunked framing is gone; sends 100
 * Continue at the first read when asked for. Valid while the exchange lives; do not free.
 * Errors of its reads: CLIENT_GONE, TIMEOUT, REQUEST_INVALID (bad chunk). Worker only. */
struct reader *http_body(struct http_exchange *x);

/*
 * The same, for a handler that does not wait for a slow client: a read that finds nothing fails
 * with LATER. serve() then calls http_wait_for_body() and returns without an answer; it is called
 * again, on any worker, when more has come or nothing will any more. Headers that it has set since
 * http_headers_stay() are gone then.
 */
struct reader *http_body_later(struct http_exchange *x);
void http_wait_for_body(struct http_exchange *x);
void http_headers_stay(struct http_exchange *x);

/*
 * A body that is small, for a handler that reads it before it does anything else: gives bytes only
 * when all of them are there, or more than max_bytes. Until then a read fails with LATER, and the
 * handler is called anew after http_wait_for_body(). Error: UNAVAILABLE, when such bodies take up
 * http.body_memory.
 */
struct reader *http_body_whole(struct http_exchange *x, size_t max_bytes);

/*
 * For what is done elsewhere and takes long: serve() returns without an answer, and is called again
 * in about a second, as after http_wait_for_body(). Always an error: LATER, so it is; CLIENT_GONE,
 * nobody waits for the answer; UNAVAILABLE, the server stops; TIMEOUT.
 */
ERR_CHECKED enum err_code http_pause(struct http_exchange *x, struct err *e);

/* serve() was called before, and waited. */
bool http_was_waiting(const struct http_exchange *x);

void http_set_route(struct http_exchange *x, const char *route);       /* static text */
void http_set_identity(struct http_exchange *x, const char *identity); /* copied, cut at 127 */
void http_set_note(struct http_exchange *x, const char *note);         /* copied, cut at 239 */

/* Response. Set headers, then send once. Names and values are checked: a value with a control byte
 * is a bug and ends the process in debug builds, and is dropped in release builds. */

void http_header(struct http_exchange *x, const char *name, struct str value);
void http_headerf(struct http_exchange *x, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Closes the connection after this response. */
void http_close_after(struct http_exchange *x);

/* A complete answer with its body in one write, Content-Length set. A HEAD request gets the head
 * only; 204 and 304 never have a body. On an I/O thread body.n must be at most HTTP_QUICK_MAX.
 * Date, X-Request-Id and X-Content-Type-Options are added. When the request body was not read to
 * its end the connection is closed after the answer, in a way that lets the client read it. */
#define HTTP_QUICK_MAX (64 * 1024)
void http_send(struct http_exchange *x, int status, struct str body);

/*
 * 200 with size_bytes from r, honouring HEAD, If-Match (412), If-None-Match (304), Range with
 * If-Range (206, one part or multipart/byteranges, 416), against the given strong etag (with its
 * quotes). Adds Accept-Ranges, ETag, Content-Length. The Content-Type was set by the caller. Uses
 * sendfile when r has an fd and the connection is not TLS. Worker only.
 *
 * Takes r in every case, and frees it when its bytes are sent. That can be after this returns: when
 * the client or r is slow, the transfer goes on without a worker, and what becomes of it is in the
 * record that done() gets. The exchange must not be answered or read from again. An error while
 * bytes flow closes the connection; it is put in the note, and returned when it came up before this
 * returned (CLIENT_GONE is common).
 *
 * From r without an fd the first bytes are read before the answer begins. Fails that, nothing is
 * answered yet, and headers that were set since http_headers_stay() are gone. So also with the
 * error LATER: r has nothing yet. serve() then calls http_wait_for_body() and returns; called
 * again, when r has something, it finds http_content_waits(), and goes on with r as NULL.
 */
ERR_CHECKED enum err_code http_send_content(struct http_exchange *x, struct reader *r,
                                            uint64_t size_bytes, struct str etag, struct err *e);

/*
 * 200 with what r has, as it comes, until it ends: in chunks, or, to a client of HTTP/1.0, until
 * the connection ends. The Content-Type was set by the caller. Worker only, which is free as soon
 * as r has nothing: r must not block (reader_wait_fd()). Takes r in every case, and frees it in the
 * end; errors are as those of http_send_content() while bytes flow.
 */
ERR_CHECKED enum err_code http_send_stream(struct http_exchange *x, struct reader *r,
                                           struct err *e);

/* Memory that content holds until it is sent, out of http.body_memory as that of long answers; at
 * most once, before http_send_content(). Error: UNAVAILABLE, told. */
ERR_CHECKED enum err_code http_pay_content(struct http_exchange *x, uint64_t bytes, struct err *e);

/* http_send_content() was called, and waits for its reader. */
bool http_content_waits(const struct http_exchange *x);

/* Does the request carry If-None-Match with this etag or "*"? Then the answer is 304. */
bool http_not_modified(const struct http_exchange *x, struct str etag);

/* Does If-Match, if the request carries one, list this etag or "*"? If not, the answer is 412. */
bool http_if_match(const struct http_exchange *x, struct str etag);

/* Was a response sent? */
bool http_answered(const struct http_exchange *x);

/* Server. */

struct http_server;

/* Binds and listens at once (so that errors come here), serves after http_server_run(). conf must
 * outlive the server; its fields that SIGHUP changes are read as they are at each use. Error:
 * CONFIG. The process must ignore SIGPIPE (sendfile raises it): main does signal(SIGPIPE, SIG_IGN).
 */
ERR_CHECKED enum err_code http_server_new(const struct conf_http *conf, const struct http_app *app,
                                          struct http_server **ret_server, struct err *e);

/* Starts the threads and returns. */
ERR_CHECKED enum err_code http_server_run(struct http_server *s, struct err *e);

/* Reads the certificate, key, client CA and CRL files anew; on an error the old ones stay in use.
 */
ERR_CHECKED enum err_code http_server_reload_tls(struct http_server *s, struct err *e);

/* No new connections; idle ones are closed; running requests end or are cut off after
 * http.drain_timeout. Then all threads are joined. Blocks. */
void http_server_stop(struct http_server *s);

/* The port of the n-th listener, for tests that asked for port 0; 0 when there is none. */
unsigned http_server_port(const struct http_server *s, size_t n);
void http_server_free(struct http_server *s); /* accepts NULL; stops it first */
