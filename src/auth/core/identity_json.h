/* An identity as JSON, in claims and records: enough to be the same one again, with no more rights.
 * One that its provider renews goes without its groups: hundreds of them would make a token that no
 * head of a request has room for. */
#pragma once

#include "auth/core/identity.h"

#include <jansson.h>

json_t *identity_to_json(const struct identity *id); /* the caller's reference */

/* NULL: it is damaged. The caller's reference. */
struct identity *identity_from_json(const json_t *j);
