/* From the server to the handlers: what it is given to call, and what they stand on. */
#pragma once

#include "api/api.h"

/* r, c and what guard names must outlive the api; takes the reference to policy. */
void api_init(struct api *a, struct registry *r, const struct conf *c,
              const struct api_guard *guard, struct policy *policy);
void api_done(struct api *a);
