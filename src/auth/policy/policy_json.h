/* Rules of a policy as JSON. */
#pragma once

#include "auth/policy/policy.h"

/* The i-th rule as an object, with where it comes from and its id or number. */
void policy_rule_json(const struct policy *p, size_t i, struct buf *ret_json);

/* What a rule says, as it stands between those braces: without where it comes from. */
void policy_rule_values_json(const struct policy_rule *r, struct buf *ret_json);
