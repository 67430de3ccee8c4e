/*
 * Who asks, and may he: settled for every request before its handler runs. Without authentication
 * everyone may everything.
 *
 * A repository that the caller may not see answers exactly as one that does not exist: a pull that
 * is not allowed is answered with the route's own "unknown", a push or delete with DENIED in either
 * case. Who has not signed in is asked to, whatever he asked for.
 */
#pragma once

#include "api/req.h"

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_LATER,  /* on an I/O thread: finding out who it is takes a worker */
    ACCESS_REFUSED /* it was answered */
};

/* Fills q->who and q->identity. */
enum access_verdict access_settle(struct req *q);

/* May the caller do this as well? For rights that depend on more than the route. */
bool access_may(const struct req *q, enum action action, const struct repo_name *repo,
                const struct tag_name *tag);

/* May the caller see that this repository exists? */
bool access_sees(const struct req *q, const struct repo_name *repo);

void access_done(struct req *q); /* lets go of q->who */

/* access_identity.c */

/*
 * Who the given user and password (RFC 7617), or the request's own Authorization header when both
 * are empty, belong to. Worker only. Without any, anonymous. Errors: UNAUTHORIZED,
 * TOO_MANY_REQUESTS (Retry-After is set), UNAVAILABLE.
 */
ERR_CHECKED enum err_code access_sign_in(struct req *q, struct str user, struct str secret,
                                         struct identity **ret_identity, struct err *e);

/* The same for a person with a browser, who has his password looked at each time, and may have a
 * second factor; code "": not asked for yet. Error as well: TOTP_REQUIRED. */
ERR_CHECKED enum err_code access_sign_in_person(struct req *q, struct str user, struct str password,
                                                struct str code, struct identity **ret_identity,
                                                struct err *e);

/* limits.rate.failures, for sign-ins at an OpenID provider, which can be asked no end of wrong
 * codes otherwise: TOO_MANY_REQUESTS (Retry-After is set) when too many failed from there. */
ERR_CHECKED enum err_code access_may_fail(struct req *q, struct err *e);
void access_has_failed(struct req *q);
