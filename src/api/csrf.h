/*
 * Requests that a page of another site makes a browser send (cross-site request forgery). What
 * changes something must not come from another origin, whoever it speaks for; and when it speaks
 * for who signed in with this browser, it must carry the token of the session, which only pages of
 * ours can read: X-CSRF-Token, as GET /api/v1/session tells it.
 */
#pragma once

#include "api/req.h"

/* Before it is known who asks. Error: DENIED, told. Never blocks. */
ERR_CHECKED enum err_code csrf_check_origin(const struct req *q, struct err *e);

/* Once it is known whether a session speaks for q->who. Error: DENIED, told. Never blocks. */
ERR_CHECKED enum err_code csrf_check_token(const struct req *q, struct err *e);

/* Is origin ("https://host:port") that of the host, as the client sees us? Pure. */
bool csrf_same_origin(struct str origin, struct str host, bool tls);
