/* How a request is answered that gets no further. For the files access*.c, which say so with a
 * verdict. */
#pragma once

#include "api/req.h"
#include "auth/core/rate.h"

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_LATER,  /* on an I/O thread: finding out who it is takes a worker */
    ACCESS_REFUSED /* it was answered */
};

/* Answers with the error; ACCESS_REFUSED. */
enum access_verdict access_refuse(struct req *q, enum err_code code, const struct err *e);

/* 401 with a challenge. error: of RFC 6750, 3.1; NULL: nothing was shown that could be wrong. */
enum access_verdict access_ask(struct req *q, const char *error, const char *why);

/* The challenge alone. */
void access_challenge(struct req *q, const char *error);

/* Someone with a name was denied, or gave wrong credentials: that is for the trail. */
void access_audit_refusal(struct req *q, const char *result);

/* The fields RateLimit-Limit, -Remaining and -Reset of any answer. */
void access_tell_rate(struct req *q, const struct rate_state *state);
