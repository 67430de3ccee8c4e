/* One connection to a directory server. For the files directory*.c. One thread at a time. */
#pragma once

#include "conf/conf.h"
#include "net/directory_deadline.h"

#include <sys/time.h>

struct directory_conn {
    const struct conf_ldap *conf;
    const char *url; /* of the server; of conf */
    LDAP *handle;
    struct directory_deadline deadline;
    bool bound;  /* as bind_dn */
    bool broken; /* nothing more can come of it */
    struct directory_conn *next;
    int64_t idle_ms; /* monotonic; since when nobody uses it */
};

/* Connects, asks for TLS and binds. Errors: UNAVAILABLE; UNAUTHORIZED when bind_dn is refused;
 * CONFIG for a password file that can't be read. */
ERR_CHECKED enum err_code directory_conn_open(const struct conf_ldap *conf, const char *url,
                                              struct directory_conn **ret_conn, struct err *e);
void directory_conn_close(struct directory_conn *c); /* accepts NULL */

/* As bind_dn, unless it is bound so. Errors: as of directory_conn_open(). */
ERR_CHECKED enum err_code directory_conn_bind(struct directory_conn *c, struct err *e);

/* A simple bind as anybody, after which it is not bound as bind_dn. A code of libldap. */
int directory_conn_try(struct directory_conn *c, const char *dn, struct str password);

/* UNAVAILABLE, with what libldap says of rc. Negative codes are its own (the server is away,
 * silent, or not understood): then the connection is broken. */
enum err_code directory_conn_failed(struct directory_conn *c, int rc, const char *what,
                                    struct err *e);

struct timeval directory_conn_timeout(const struct conf_ldap *conf);
