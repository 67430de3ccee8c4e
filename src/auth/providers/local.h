/*
 * Sign-in of local users (user.h) by their password: in the protocol a user who has a second factor
 * shows a personal token instead; a person who begins a session is asked for the code.
 *
 * The provider of passwords and the one of access tokens (access_token.h) both stand on one struct
 * accounts; local_provider() looks for changes by other processes on behalf of both.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/provider.h"

#define LOCAL_PROVIDER "local" /* its name */

/* a must outlive it. */
struct provider *local_provider(struct accounts *a);
