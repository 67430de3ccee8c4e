/*
 * Sign-in of local users (user.h) by their password: for the protocol, where a user who has a
 * second factor shows a personal token instead, and for the UI, where the code is asked for.
 *
 * The provider of passwords and the one of access tokens (robot.h) both stand on one struct
 * accounts; local_provider() looks for changes by other processes on behalf of both.
 */
#pragma once

#include "auth/accounts.h"
#include "auth/failures.h"
#include "auth/provider.h"

#define LOCAL_PROVIDER "local" /* its name */

/* a must outlive it. */
struct provider *local_provider(struct accounts *a);

enum sign_in {
    SIGN_IN_OK,     /* *ret_identity is the caller's reference */
    SIGN_IN_CODE,   /* the password is right; a code is needed as well */
    SIGN_IN_WRONG,  /* e tells */
    SIGN_IN_LOCKED, /* too many wrong ones; *ret_retry_s */
    SIGN_IN_FAILED, /* the metadata can't be read */
};

struct sign_in_request {
    struct str user, password;
    struct str code; /* of the second factor, or a recovery code; "": not asked for yet */
    const char *address;
};

/* f counts wrong passwords and codes, by user and address. Blocks, the longer the more were wrong;
 * as long for a user that is not there. */
enum sign_in local_sign_in(struct accounts *a, struct failures *f, const struct sign_in_request *r,
                           struct identity **ret_identity, unsigned *ret_retry_s, struct err *e);
