/* An event of the log, as those who tell it read it. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>
#include <stdint.h>

struct notice {
    json_t *json;           /* the whole of it; texts point into it */
    const char *id, *event; /* never NULL */
    const char *time;       /* RFC 3339 */
    const char *repository; /* "": it is about none */
    int64_t time_ms;
};

/* Error: CORRUPT. The caller releases with notice_done(). */
ERR_CHECKED enum err_code notice_read(struct str json, struct notice *ret_notice, struct err *e);
void notice_done(struct notice *n); /* accepts one that is all zero */

/* A member that is a text, "" when there is none; likewise a number. */
const char *notice_text(const struct notice *n, const char *key);
int64_t notice_number(const struct notice *n, const char *key);

/* The first of its tags; "". */
const char *notice_tag(const struct notice *n);

/* Who did it: "user:alice"; "". And without what says what they are: "alice". */
const char *notice_actor(const struct notice *n);
const char *notice_actor_name(const struct notice *n);

static inline void auto_notice_(struct notice *n)
{
    notice_done(n);
}
