/* Entries of the audit trail, from requests. */
#pragma once

#include "api/req.h"

/* That the caller did action to what the path names, with that result. detail is a JSON object or
 * "". */
void audit_request(struct req *q, const char *action, const char *result, const char *detail);

/* That someone tried to sign in under that name. */
void audit_sign_in(struct req *q, struct str user, const char *result);
