/*
 * Is a new password good enough? libpwquality's rules as the machine has them in
 * /etc/security/pwquality.conf, but never fewer than PASSWORD_MIN characters, and cracklib's
 * dictionary where it is installed.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define PASSWORD_MIN 10

/* Error: REQUEST_INVALID, told: what is wrong with it. Any thread; reads files. */
ERR_CHECKED enum err_code strength_check(struct str user, struct str password, struct err *e);

/* Common words can be told from others here. */
bool strength_has_dictionary(void);
