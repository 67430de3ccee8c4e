/*
 * The address of a Redis: one server, or the Sentinels that know which one it is.
 *
 *     redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]
 *     redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]]../NAME[/DATABASE]
 *
 * With rediss all connections are of TLS. User and password are percent-encoded, and are those of
 * the server, not of the Sentinels.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define CONF_REDIS_HOSTS_MAX    16
#define CONF_REDIS_HOST_SIZE    254
#define CONF_REDIS_NAME_SIZE    128
#define CONF_REDIS_SECRET_SIZE  1024
#define CONF_REDIS_DATABASE_MAX 1000000

struct conf_redis_host {
    char name[CONF_REDIS_HOST_SIZE]; /* an IPv6 address without its brackets */
    uint16_t port;
};

struct conf_redis_url {
    bool tls;
    bool sentinel; /* the hosts are Sentinels, and `name` is what they call the server */
    bool in_clear; /* without TLS to what may be another machine */
    uint64_t database;
    size_t n_hosts; /* 1 unless they are Sentinels */
    struct conf_redis_host hosts[CONF_REDIS_HOSTS_MAX];
    char name[CONF_REDIS_NAME_SIZE];
    char user[CONF_REDIS_NAME_SIZE];
    char password[CONF_REDIS_SECRET_SIZE];
};

/* The error (CONFIG) says what is allowed, and nothing of the text, which may hold a password. */
ERR_CHECKED enum err_code conf_redis_url_parse(struct str text, struct conf_redis_url *ret_url,
                                               struct err *e);
