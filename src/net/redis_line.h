/*
 * One connection to a Redis, or to a Sentinel. Commands are asked one after the other, each with a
 * deadline, which is monotonic milliseconds. One thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "net/libhiredis.h"

#include <openssl/ssl.h>
#include <stdint.h>

#define REDIS_ARGUMENTS_MAX 64
#define REDIS_REPLY_BYTES   (16 << 20) /* a larger reply breaks the connection */

/* What is known of a command afterwards. */
enum redis_outcome {
    REDIS_ANSWERED, /* it ran */
    REDIS_REFUSED,  /* the server answered with an error: it did not run */
    REDIS_UNSENT,   /* it never reached a server */
    REDIS_DOUBTFUL, /* no answer came: it may have run, or run later */
};

/* A reply, freed at the scope's end by AUTO(redis_reply). */
struct redis_reply {
    redisReply *r;
};

void redis_reply_done(struct redis_reply *r);

static inline void auto_redis_reply_(struct redis_reply *r)
{
    redis_reply_done(r);
}

/* The text of a reply, or nothing when it is of another kind. r may be NULL. */
struct str redis_reply_str(const redisReply *r);

/* The i-th of a list, or NULL. */
const redisReply *redis_reply_at(const redisReply *r, size_t i);

struct redis_line;

/* tls NULL: in the clear. Names are looked up, for which there is no deadline. Errors: UNAVAILABLE.
 */
ERR_CHECKED enum err_code redis_line_open(const char *host, uint16_t port, SSL_CTX *tls,
                                          int64_t deadline_ms, struct redis_line **ret_line,
                                          struct err *e);
void redis_line_close(struct redis_line *l); /* accepts NULL */
AUTO_POINTER(redis_line, redis_line_close);

/* "HOST:PORT", as it was given. */
const char *redis_line_name(const struct redis_line *l);

/* Nothing has come that nobody asked for, as its end would be. */
bool redis_line_rests(struct redis_line *l);

/* Asks one command of n words, and waits for the reply. ret_reply is written when ANSWERED; else e
 * is. After UNSENT and DOUBTFUL the connection is of no use any more. */
enum redis_outcome redis_line_ask(struct redis_line *l, const struct str *words, size_t n,
                                  int64_t deadline_ms, struct redis_reply *ret_reply,
                                  struct err *e);

/* Sends a command whose reply is read by redis_line_next(). Errors: UNAVAILABLE. */
ERR_CHECKED enum err_code redis_line_send(struct redis_line *l, const struct str *words, size_t n,
                                          int64_t deadline_ms, struct err *e);

/* The next reply, or what comes by itself to who has subscribed. Errors: LATER, when nothing came
 * until then; UNAVAILABLE. */
ERR_CHECKED enum err_code redis_line_next(struct redis_line *l, int64_t deadline_ms,
                                          struct redis_reply *ret_reply, struct err *e);

/* Ends a wait of another thread for good. */
void redis_line_cut(struct redis_line *l);
