/* The rules of the configuration, joined with those of the database where there are such. */
#pragma once

#include "api/api.h"
#include "auth/policy/policy.h"

/* A new reference to the policy in force. */
struct policy *api_policy(struct api *a);

/* Puts other rules of the configuration in force; takes the reference. Answers of requests under
 * way may still be those of the old one. */
void api_set_policy(struct api *a, struct policy *policy);
