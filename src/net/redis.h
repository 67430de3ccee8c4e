/*
 * Redis, for what may be lost and must not hold anybody up: a few connections that all threads
 * share, each used by one command at a time, for storage.cache.redis_timeout at most.
 *
 * One thread makes the connections, so no request waits for that. When a command has no answer in
 * time, or its connection ends, the server is down: all connections are closed, and whoever asks is
 * refused at once until that thread has reached it again, which it tries at growing intervals. A
 * connection that rests is tried once a second, so that most of the time nobody's command is the
 * one that finds out.
 */
#pragma once

#include "net/redis_dial.h"
#include "net/redis_line.h"

struct redis;

/* Told when it is up, and when it is down and why; by several threads, not at once. Neither may it
 * ask Redis anything. */
typedef void (*redis_told_fn)(void *ctx, bool up, const struct err *why);

/* Begins to connect, and does not wait for it. told may be NULL.
 * Errors: CONFIG; UNAVAILABLE, hiredis can't be loaded; INTERNAL. */
ERR_CHECKED enum err_code redis_new(const struct conf_cache *conf, redis_told_fn told, void *ctx,
                                    struct redis **ret_redis, struct err *e);
void redis_free(struct redis *r); /* accepts NULL; nobody asks any more */
AUTO_POINTER(redis, redis_free);

/* Is it up, and which server is it (redis_dial.h)? Does not wait; any thread. */
bool redis_up(struct redis *r, char ret_server[static REDIS_SERVER_SIZE]);

/* What is wrong with it; code 0 when it is up, or not known yet to be down. */
void redis_trouble(struct redis *r, struct err *ret_why);

/* One command of n words. server: only of that one, or NULL. Any thread; as redis_line_ask().
 * UNSENT too when it is down, or all connections are in use for as long as a command may take. */
enum redis_outcome redis_ask(struct redis *r, const char *server, const struct str *words, size_t n,
                             struct redis_reply *ret_reply, struct err *e);

/* A script of Lua: its text, and what redis_run() found out about it. Static. */
struct redis_script {
    const char *text;
    size_t keys; /* how many of the words given are keys; they come first */
};

/* Runs it; the server is sent the text only when it does not have it. */
enum redis_outcome redis_run(struct redis *r, const char *server, const struct redis_script *script,
                             const struct str *words, size_t n, struct redis_reply *ret_reply,
                             struct err *e);

/* A connection of the caller's own, for subscriptions; waits for it. As redis_dial_open(). */
ERR_CHECKED enum err_code redis_open_line(struct redis *r, struct redis_line **ret_line,
                                          char ret_server[static REDIS_SERVER_SIZE], struct err *e);

/* How long a command may take. */
int64_t redis_timeout_ms(const struct redis *r);
