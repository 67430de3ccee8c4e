/*
 * An LDAP directory (RFC 4511): connections that are kept, searches, and whether a password is
 * right. Any thread; everything blocks, each answer for at most auth.ldap.timeout.
 *
 * Connections are bound as auth.ldap.bind_dn before a search. There are at most
 * auth.ldap.connections; whoever finds none waits for one. One that has idled for a minute is
 * closed. When no server can be reached, or none accepts bind_dn, nobody tries again for a moment,
 * and all fail at once.
 */
#pragma once

#include "conf/conf.h"
#include "net/directory_search.h"

struct directory;

/* conf must outlive it. Nothing is asked yet. */
struct directory *directory_new(const struct conf_ldap *conf);
void directory_free(struct directory *d); /* accepts NULL */

/* To be called now and then: closes connections that nobody has used for a while. */
void directory_tend(struct directory *d);

/* What is done on one connection. It may be called twice: the first connection may have been one
 * that was kept, and be dead. */
typedef enum err_code (*directory_fn)(struct directory_conn *c, void *ctx, struct err *e);

/* Calls fn with a connection. Errors: UNAVAILABLE, and those of fn. */
ERR_CHECKED enum err_code directory_run(struct directory *d, directory_fn fn, void *ctx,
                                        struct err *e);
