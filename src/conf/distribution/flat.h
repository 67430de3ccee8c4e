/*
 * A YAML text as a flat list of paths and values: what stands at "http.tls.clientcas.0". Anchors,
 * merge keys (<<), tags and keys that stand twice are read as the reference registry's library does
 * (the last one counts); other documents behind the first are not looked at.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define FLAT_PATH_MAX 256 /* of a path, with its NUL */

struct flat_entry {
    char *path;     /* names and, of items of a list, their indices from 0, with dots between; a dot
                       in a name has a backslash before it */
    char *value;    /* NULL: nothing stands there, or an empty map or list */
    bool quoted;    /* a text, whatever it looks like */
    unsigned line;  /* of the file; 0: from a variable */
    char *variable; /* its name; NULL: from the file */
};

struct flat { /* in the order of the file, then of the variables */
    struct flat_entry *items;
    size_t n;
};

/* What stands in the file of that name. Error: CONFIG, with name and line. */
ERR_CHECKED enum err_code flat_read(struct flat *f, struct str text, const char *name,
                                    struct err *e);

/* The variable's text, which is YAML as well, in the place of all that stands at path or below,
 * without case: variables are in capitals. Error: CONFIG, with the variable. */
ERR_CHECKED enum err_code flat_put(struct flat *f, const char *path, const char *variable,
                                   struct str text, struct err *e);
void flat_done(struct flat *f);

static inline void auto_flat_(struct flat *f)
{
    flat_done(f);
}

/* The entry at that path; NULL: there is none. */
const struct flat_entry *flat_find(const struct flat *f, const char *path);

/* Its value; "" when there is none. */
const char *flat_value(const struct flat *f, const char *path);

/* The first entry at that path or below it; NULL: there is none. And: is there one? */
const struct flat_entry *flat_first(const struct flat *f, struct str path);
bool flat_has(const struct flat *f, const char *path);

/* Is the text at path, or a path below it? */
bool flat_below(const char *text, struct str path);
