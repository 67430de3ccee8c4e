/* The second factor of a local user. Everything blocks; any thread. Errors: as of user_change.h. */
#pragma once

#include "auth/people/totp.h"
#include "auth/people/user.h"

#define USER_CODES_WRONG 50 /* of a million; NIST SP 800-63B, 5.2.2 asks for at most 100 */

/* A second factor, in place of an earlier one; and none any more. */
ERR_CHECKED enum err_code user_set_totp(struct accounts *a, struct str name, const char *issuer,
                                        struct totp_setup *ret_setup, struct err *e);
ERR_CHECKED enum err_code user_clear_totp(struct accounts *a, struct str name, struct err *e);

/* Takes a code of the second factor, or a recovery code, which is then used up: each is good for
 * once, also when two ask at the same time. After USER_CODES_WRONG wrong ones in a row, from
 * wherever they came, only recovery codes are taken for an hour: no one guesses those. Error:
 * UNAUTHORIZED. */
ERR_CHECKED enum err_code user_take_code(struct accounts *a, const struct user *u, struct str code,
                                         int64_t now_ms, struct err *e);
