/*
 * Roles and users of AWS, by a presigned sts:GetCallerIdentity (aws_request.h): the password of any
 * user name, or the bearer. AWS is asked at each sign-in; its answer is kept as every provider's
 * is.
 */
#pragma once

#include "auth/core/provider.h"
#include "conf/conf.h"

/* c must outlive it. Nothing is asked yet. */
struct provider *aws_new(const struct conf_aws *c);
