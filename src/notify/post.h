/* What is posted to a webhook: a body and header lines. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

#define POST_BODY_MAX    (1u << 20)
#define POST_HEADERS     48
#define POST_HEADERS_MAX (64u << 10) /* their bytes */

struct post {
    struct buf body;
    struct buf text;    /* of the lines, each ended by NUL */
    size_t n;           /* lines */
    const char **lines; /* once it is closed: ends with NULL */
};

void post_init(struct post *p);
void post_done(struct post *p); /* accepts one that is all zero */

/* "name: value"; a control character in the value becomes a space. */
void post_header(struct post *p, const char *name, struct str value);

/* No header is added any more. False: it is too large. */
bool post_close(struct post *p);

static inline void auto_post_(struct post *p)
{
    post_done(p);
}
