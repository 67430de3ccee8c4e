/*
 * A real Redis on a free port of loopback, with its state in a directory of its own; it ends with
 * the test program at the latest. What fails, fails the running test.
 */
#pragma once

#include "temp_dir.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REDIS_SERVER_ARGUMENTS 16
#define REDIS_SERVER_URL       64

struct redis_server {
    pid_t pid; /* 0: it does not run */
    uint16_t port;
    char url[REDIS_SERVER_URL]; /* "redis://127.0.0.1:1234" */
    char dir[TEMP_DIR_MAX];
    const char *more[REDIS_SERVER_ARGUMENTS];
    bool known; /* it was started, and keeps its port */
};

/* Not started yet, with a port that is likely to be free. more: arguments of redis-server
 * ("--requirepass", "x"), ending with NULL; they stay the caller's. */
void redis_server_make(struct redis_server *s, const char *const *more);

/* Returns when it answers. It has nothing of what it held before, and the same port; a first start
 * may choose another one than it was made with. */
void redis_server_start(struct redis_server *s);
void redis_server_kill(struct redis_server *s);
void redis_server_pause(struct redis_server *s);
void redis_server_resume(struct redis_server *s);

/* Ends it and removes its directory. */
void redis_server_remove(struct redis_server *s);

/* Sends a line to it; its answer's first line, or that of the text that is the answer. Without a
 * trailing end of line; till the next call. */
const char *redis_server_do(const struct redis_server *s, const char *command);
