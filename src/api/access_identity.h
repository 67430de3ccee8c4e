/* Who asks. */
#pragma once

#include "api/access_refusal.h"

/* Fills q->who, unless it returns something else than ACCESS_GRANTED. For access.c. */
enum access_verdict access_identify(struct req *q);

/*
 * Who the given user and password (RFC 7617), or the request's own Authorization header when both
 * are empty, belong to. Worker only. Without any, anonymous. Errors: UNAUTHORIZED,
 * TOO_MANY_REQUESTS (Retry-After is set), UNAVAILABLE.
 */
ERR_CHECKED enum err_code access_sign_in(struct req *q, struct str user, struct str secret,
                                         struct identity **ret_identity, struct err *e);

/* The same for a person with a browser, who has their password looked at each time, and may have a
 * second factor; code "": not asked for yet. Error as well: TOTP_REQUIRED. */
ERR_CHECKED enum err_code access_sign_in_person(struct req *q, struct str user, struct str password,
                                                struct str code, struct identity **ret_identity,
                                                struct err *e);

/* limits.rate.failures, for sign-ins at an OpenID provider, which can be asked no end of wrong
 * codes otherwise: TOO_MANY_REQUESTS (Retry-After is set) when too many failed from there. */
ERR_CHECKED enum err_code access_may_fail(struct req *q, struct err *e);
void access_has_failed(struct req *q);
