/*
 * An exchange without a connection: what http.h promises of one, made of texts. The handlers are
 * linked with this in the place of the server, so that a test sees exactly what they answer.
 */
#pragma once

#include "api/req.h"
#include "unit/core/support.h"

/* A registry and its API. */
struct server {
    struct world w;
    struct api_guard guard; /* nobody is asked who they are */
    struct api api;
};

void server_init(struct server *s);
void server_done(struct server *s);

struct request {
    const char *line;    /* "GET /v2/" */
    const char *headers; /* each with \r\n; may be NULL */
    struct str body;
    size_t piece_bytes;     /* the body comes in pieces of this size; 0: at once */
    bool chunked;           /* the body has no Content-Length */
    enum err_code cut_with; /* the body ends with this error after half of it */
    const char *peer;       /* NULL: "127.0.0.1" */
    bool tls;
    enum http_certificate certificate;
};

struct answer {
    int status;
    struct buf headers; /* lines "Name: value\r\n" */
    struct buf body;
    bool quick; /* answered on the I/O thread */
};

/* Every piece of a body must be waited for, from now on. */
extern bool slow_clients;

/* Requests come to http.debug.listen, from now on. */
extern bool second_door;

/* What happens while a request is on its way to a worker, or waits for more of its body; or NULL */
extern void (*meanwhile)(struct server *s, bool waits_for_body);

/* First the quick way, as on an I/O thread, then the other. */
struct answer serve(struct server *s, const struct request *r);
struct answer get(struct server *s, const char *line);
void answer_done(struct answer *a);

/* One request as a handler has it, on a worker: for what handlers call. Nothing is settled. */
struct call {
    struct req q;
    struct answer a;
    struct http_exchange *x;
    struct buf text;
};

void call_init(struct call *c, struct server *s, const struct request *r); /* r outlives it */
void call_done(struct call *c);

/* The value of the first header of that name, "" when there is none; valid until the next call. */
const char *header_of(const struct answer *a, const char *name);
unsigned headers_of(const struct answer *a, const char *name); /* how many */

/* For rows of a table: the story says which one fails. */
void tell_status(const char *story, const struct answer *a, int status);
void tell_header(const char *story, const struct answer *a, const char *name, const char *value);

/* The body is the JSON of dist-spec "Error Codes" with this code. */
void assert_error(const struct answer *a, int status, const char *code);
