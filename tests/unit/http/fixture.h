/*
 * A real server on a loopback port, an application with one route per behaviour, and a client that
 * knows just enough HTTP to be rude.
 */
#pragma once

#include "support.h"

#include <stddef.h>

/*
 * /quick   200 "quick" from the I/O thread      /deny   401 from the I/O thread, body unread
 * /echo    the body, from a worker              /early  413 from a worker, body unread
 * /big     fixture.file by http_send_content    /copy   the same through a reader without an fd
 * /block   waits for fixture_open_gate()        /mute   serve() returns without an answer
 * /large   a body of 1 MiB from a worker        /count  reads the body, answers its size
 * /parts   the file, half of it by spans of another file; /cracked: which can't be read
 * /pause   pauses until the gate is open: without a worker
 * /piped   the pattern of the file's bytes, as far as fixture_release() lets them come
 */
struct fixture {
    struct conf_http conf;
    char *where;
    struct http_server *server;
    unsigned port;
    int file; /* a memfd */
    size_t file_bytes;
};

extern struct fixture fixture;

void fixture_defaults(void);     /* before a test changes fixture.conf */
void fixture_file(size_t bytes); /* fills fixture.file with a pattern */
char fixture_file_byte(size_t at);
unsigned fixture_spans(void); /* that /parts and /cracked have given since fixture_start() */
void fixture_start(void);
void fixture_stop(void);

void fixture_wait_blocked(unsigned n); /* until n requests are in /block, or were in /pause */
void fixture_open_gate(void);          /* lets them and all later ones go on */

/* The source of /piped: nothing of it is there at first. The readers give so many bytes, then fail
 * with LATER, or with what it breaks with. */
void fixture_release(size_t bytes);
void fixture_break(enum err_code code);
void fixture_wait_starved(unsigned n); /* until reads have failed with LATER so often */

/* What app.done() was told, in order. */
struct seen {
    bool had_head;
    int status;
    enum err_code error;
    uint64_t received_bytes, sent_bytes;
    char path[64], note[240], client[64], request_id[65];
};
struct seen fixture_seen(size_t n); /* waits for the n-th record, from 0 */

struct client {
    int fd;
    size_t n;
    char buf[64 * 1024];
};

struct answer {
    int status;
    char head[8192];
    char *body; /* owned; replaced at the next answer */
    size_t body_n;
};

void client_open(struct client *c);
void client_connect(struct client *c); /* with an fd that was made before */
void client_close(struct client *c);
void client_send(struct client *c, const char *text);
void client_send_n(struct client *c, const void *p, size_t n);

/* Reads one answer; `to_head` when it has no body. Fails the test when none comes in ten seconds.
 */
void client_answer(struct client *c, bool to_head, struct answer *a);
void client_expect(struct client *c, int status, const char *body); /* body NULL: any */
void client_expect_close(struct client *c);
bool answer_has(const struct answer *a, const char *line_part);
