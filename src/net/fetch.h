/*
 * net: what goes out: HTTP(S) through libcurl (here), LDAP through libldap (directory.h), and how
 * AWS wants it signed (sigv4.h). May include base/ and conf/conf.h.
 *
 * Every request has a deadline and a largest answer, follows no redirect, speaks https (http to
 * loopback addresses only, and to link-local ones where the caller says so), checks certificates,
 * and never carries credentials that were meant for another server.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct fetch {
    const char *url;
    const char *const *headers; /* "Name: value" lines, ending with NULL; may be NULL */
    struct str post;            /* form or JSON to POST; .p NULL is a GET */
    bool put;                   /* a PUT without a body, instead */
    bool link_local;            /* http to an address that the caller has looked at: of a link, of
                                   which no proxy knows */
    const char *ca_file;        /* PEM; NULL or "": the system's authorities */
    uint64_t timeout_ms;        /* of all of it; 0: 10 s */
};

/* Blocks; any thread. The answer's body goes to *ret_body, whose max bounds it.
 * Errors: UNAVAILABLE when the server can't be reached or answers too much; CONFIG for a URL that
 * is not allowed. A status other than 2xx is no error. */
ERR_CHECKED enum err_code fetch_run(const struct fetch *f, int *ret_status, struct buf *ret_body,
                                    struct err *e);
