/* What a directory is asked on one of its connections (directory_run()). Blocks; one thread at a
 * time. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct directory_conn;

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
