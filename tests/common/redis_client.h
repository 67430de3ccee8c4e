/* Clients of a real Redis (redis_server.h), as one process has one. */
#pragma once

#include "net/redis.h"
#include "redis_server.h"

struct redis_client {
    struct conf_cache conf;
    struct redis *redis;
};

/* Of the server at that URL, which must outlive it; with this time limit of a command. Does not
 * wait. What fails, fails the running test. */
void redis_client_open(struct redis_client *c, char *url, uint64_t timeout_ms);
void redis_client_close(struct redis_client *c);

/* Until it is up, or down. Returns the server that it is. */
const char *redis_client_wait(struct redis_client *c, bool up);
