/* Signing in with a browser, for whichever handler found out who it is. */
#pragma once

#include "api/req.h"
#include "auth/browser/session.h"

/* Begins a session of who and sets its cookie, in place of the one that the request brought. */
ERR_CHECKED enum err_code session_begin(struct req *q, const struct identity *who,
                                        struct session_cookie *ret_cookie, struct err *e);
