/* Entries of the audit trail, from requests. */
#pragma once

#include "api/req.h"

/*
 * Around what the route does, when the trail must tell of it (route->audit): keeps a place for the
 * entry first. Errors: STORAGE_FULL, STORAGE_READONLY; then nothing may be done.
 */
ERR_CHECKED enum err_code audit_deed_begin(struct req *q, struct err *e);
void audit_deed_end(struct req *q, const char *result);
void audit_deed_cancel(struct req *q);

/* That the caller did action to what the path names, with that result. detail is a JSON object or
 * "". */
void audit_request(struct req *q, const char *action, const char *result, const char *detail);

/* That someone tried to sign in under that name. */
void audit_sign_in(struct req *q, struct str user, const char *result);
