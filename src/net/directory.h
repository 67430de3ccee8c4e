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

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

struct directory;
struct directory_conn;

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

#define DIRECTORY_ATTRIBUTES_MAX 8

struct directory_search {
    const char *base;                                     /* DN; all below it is searched */
    const char *filter;                                   /* RFC 4515 */
    const char *attributes[DIRECTORY_ATTRIBUTES_MAX + 1]; /* ends with NULL */
    size_t max;                                           /* entries */
};

struct directory_values { /* those that are texts */
    char **items;
    size_t n;
};

struct directory_entry {
    char *dn;
    struct directory_values values[DIRECTORY_ATTRIBUTES_MAX]; /* in the order they were asked for */
};

struct directory_entries {
    struct directory_entry *items;
    size_t n;
    bool more; /* there are others, which did not fit in max */
};

/* *ret is freed with directory_entries_done(). Error: UNAVAILABLE. */
ERR_CHECKED enum err_code directory_search(struct directory_conn *c,
                                           const struct directory_search *s,
                                           struct directory_entries *ret, struct err *e);
void directory_entries_done(struct directory_entries *l);

/* Is this the password of the entry? Never asks with an empty one (RFC 4513 section 5.1.2).
 * Errors: UNAUTHORIZED when the directory refuses it; UNAVAILABLE. */
ERR_CHECKED enum err_code directory_check(struct directory_conn *c, const char *dn,
                                          struct str password, struct err *e);

static inline void auto_directory_entries_(struct directory_entries *l)
{
    directory_entries_done(l);
}
