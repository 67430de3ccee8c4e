/* One connection to a directory server. For the files directory*.c. One thread at a time. */
#pragma once

#include "net/directory.h"
#include "net/libldap.h"

struct directory_conn {
    const struct conf_ldap *conf;
    const char *url; /* of the server; of conf */
    LDAP *handle;
    ldap_conncb watch;   /* see directory_deadline.h */
    int64_t deadline_ms; /* monotonic; of what is being asked */
    bool bound;          /* as bind_dn */
    bool broken;         /* nothing more can come of it */
    struct directory_conn *next;
    int64_t idle_ms; /* monotonic; since when nobody uses it */
};

/* Connects, asks for TLS and binds. Errors: UNAVAILABLE; UNAUTHORIZED when bind_dn is refused;
 * CONFIG for a password file that can't be read. */
ERR_CHECKED enum err_code directory_conn_open(const struct conf_ldap *conf, const char *url,
                                              struct directory_conn **ret_conn, struct err *e);
void directory_conn_close(struct directory_conn *c); /* accepts NULL */
