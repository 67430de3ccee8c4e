/* From a request to its row of the table. */
#pragma once

#include "api/req.h"

/*
 * Finds the route and fills name, digest, reference and upload. Errors: NOT_FOUND; UNSUPPORTED;
 * those of parsing what the path names.
 */
ERR_CHECKED enum err_code route_request(struct req *q, struct err *e);

/* Fills name, or the tag of ref, with what stands elsewhere than in the path. Errors, told:
 * NAME_INVALID; TAG_INVALID. */
ERR_CHECKED enum err_code route_set_name(struct req *q, struct str name, struct err *e);
ERR_CHECKED enum err_code route_set_tag(struct req *q, struct str tag, struct err *e);

/* The body is a form, which has what the query does not say. */
bool route_has_form(const struct req *q);
