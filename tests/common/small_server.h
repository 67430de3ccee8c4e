/*
 * An HTTP/1.1 server on loopback that answers what a test has written down: the n-th request, over
 * all connections, gets the n-th answer. What it was asked it keeps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SMALL_SERVER_REQUESTS 64
#define SMALL_SERVER_HEAD     8192
#define SMALL_SERVER_URL      64

struct small_server;

enum small_server_then { THEN_KEEP, THEN_CLOSE, THEN_HANG };

struct small_server_answer {
    const char *text; /* head and body, as they are sent; NULL: nothing */
    size_t n;         /* of it; 0: it ends with a NUL */
    const char *rest; /* sent after small_server_go(); NULL: nothing, and no waiting */
    enum small_server_then then;
};

struct small_server_request {
    char head[SMALL_SERVER_HEAD]; /* with its empty line */
    char body[SMALL_SERVER_HEAD]; /* its beginning */
    size_t body_n;                /* of all of it */
    unsigned connection;          /* from 1 */
};

/* The answers stay the caller's; what is asked beyond them is not answered: the connection is
 * closed. Fails the running test. */
struct small_server *small_server_start(const struct small_server_answer *answers, size_t n);
void small_server_stop(struct small_server *s);

const char *small_server_url(const struct small_server *s); /* "http://127.0.0.1:1234" */

/* One answer that waits goes on. */
void small_server_go(struct small_server *s);

/* How many requests came, and the i-th of them (from 0; NULL when there is none). */
size_t small_server_count(struct small_server *s);
const struct small_server_request *small_server_request(struct small_server *s, size_t i);

/* Waits until so many connections are closed by the client. False: not within seconds. */
bool small_server_closed(struct small_server *s, unsigned n);
