/*
 * From the configuration to a connection that can be used: which server (of Sentinels, the one that
 * takes writes now), who we are, which database, and that it is a Redis as we need it.
 */
#pragma once

#include "conf/conf.h"
#include "conf/redis_url.h"
#include "net/redis_line.h"

/* Which life of which server: the same text as long as nothing that it held can have come back. It
 * changes when a server is started anew, and when another becomes the one that takes writes. */
#define REDIS_SERVER_SIZE 17

struct redis_dial {
    struct conf_redis_url url;
    char *password_file, *sentinel_password_file; /* "": none */
    int64_t connect_timeout_ms, timeout_ms;
    SSL_CTX *tls; /* NULL: in the clear */
};

/* Error: CONFIG. */
ERR_CHECKED enum err_code redis_dial_init(struct redis_dial *d, const struct conf_cache *conf,
                                          struct err *e);
void redis_dial_done(struct redis_dial *d);

/* Waits, for storage.cache.redis_connect_timeout and what looking up names takes. Any thread.
 * Errors: UNAVAILABLE, and CONFIG where trying again will not help. */
ERR_CHECKED enum err_code redis_dial_open(const struct redis_dial *d, struct redis_line **ret_line,
                                          char ret_server[static REDIS_SERVER_SIZE], struct err *e);

/* What it is now, of one that was opened. Waits for the time of a command. Errors: as above. */
ERR_CHECKED enum err_code redis_dial_check(const struct redis_dial *d, struct redis_line *l,
                                           char ret_server[static REDIS_SERVER_SIZE],
                                           struct err *e);
