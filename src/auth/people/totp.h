/*
 * The second factor: codes that change with time (RFC 6238, of six digits every 30 seconds, as
 * authenticator apps make them), and recovery codes for whoever lost the app. liboath computes.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define TOTP_SECRET_BYTES  20 /* RFC 4226, 4: 160 bits */
#define TOTP_SECRET_TEXT   32 /* in base32 */
#define TOTP_RECOVERY_N    10
#define TOTP_RECOVERY_TEXT 19 /* "abcd-efgh-ijkl-mnop", of 80 bits */
#define TOTP_HASH_TEXT     64

/* What is shown once, when a second factor is made. */
struct totp_setup {
    char secret[TOTP_SECRET_TEXT + 1];
    char uri[512]; /* otpauth://totp/..., for a QR code */
    char recovery[TOTP_RECOVERY_N][TOTP_RECOVERY_TEXT + 1];
};

/* issuer and user are shown by the app. Error: INTERNAL. */
ERR_CHECKED enum err_code totp_make(const char *issuer, struct str user,
                                    struct totp_setup *ret_setup, struct err *e);

/*
 * Is it the code of this time, the one before or the one after? last_step: the time step of the
 * code that was taken last (0: none); it and earlier ones are refused, so that a code is good for
 * once (RFC 6238, 5.2). *ret_step, of a code that is right, is to be kept as the next last_step.
 */
bool totp_matches(const char *secret, struct str code, int64_t now_ms, int64_t last_step,
                  int64_t *ret_step);

/* SHA-256 in hexadecimal digits of a recovery code as people type it: dashes, blanks and case do
 * not matter. False when it can't be one. */
bool totp_recovery_hash(struct str code, char ret_hash[static TOTP_HASH_TEXT + 1]);
