/* What the claims of a checked token say of its owner. */
#pragma once

#include "auth/core/identity.h"

#include <jansson.h>

/* "name=value": the claim must be exactly that text, or hold it in a list. */
bool claims_have(const json_t *claims, struct str wanted);

/* The groups of the claim, a text or a list; what can be no name of a group is left out. prefix
 * goes before each. Before the identity is shared. */
void claims_add_groups(struct identity *id, const json_t *claims, const char *claim,
                       const char *prefix);

/* Names of machines hold colons and slashes ("repo:a/b:ref:refs/heads/main"); blanks and control
 * bytes they do not. */
bool claims_name_valid(struct str name);

/* When the token ends (exp), wall clock; INT64_MAX when that is too far away to say. */
int64_t claims_expiry_ms(const json_t *claims);
