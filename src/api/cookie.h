/*
 * Cookies (RFC 6265bis). Over TLS, also TLS of a trusted proxy, a name has the prefix `__Host-`,
 * with which a browser takes it only from this very host and sends it only there, and only over
 * TLS; a plain connection, as on loopback, has the name alone.
 */
#pragma once

#include "api/req.h"

#define COOKIE_SESSION "registry-session"
#define COOKIE_SIGN_IN "registry-sign-in"

/* The value of the cookie in the fields of the head, or STR_NONE: also when it is there twice with
 * two values, because nobody knows who set which. Pure. */
struct str cookie_find(const struct http_head *head, struct str name);

/* The same for a name of ours, which is prefixed as the connection has it. */
struct str cookie_get(const struct req *q, const char *name);

/* The cookie of the session that speaks for q->who; STR_NONE when none does. */
struct str cookie_session(const struct req *q);

enum cookie_site {
    COOKIE_STRICT, /* sent with requests that pages of ours make */
    COOKIE_LAX,    /* also when another site leads a person here */
};

/* max_age_s 0: the cookie goes. HttpOnly, for the whole host. */
void cookie_set(struct req *q, const char *name, const char *value, enum cookie_site site,
                uint64_t max_age_s);
