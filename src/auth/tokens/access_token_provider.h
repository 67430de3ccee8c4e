/*
 * The provider that takes access tokens: as the password of their owner's name, and as bearer
 * tokens. It stands before those that know passwords, so that none of them gets to see one.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/provider.h"

struct provider *access_token_provider(struct accounts *a); /* a must outlive it */
