/*
 * The registry's own secret, made at first start and kept in meta so that every replica has it, and
 * what is made with it for cookies: signatures (HMAC-SHA-256), and texts that only the registry can
 * read or make (AES-256-GCM). What was made for one purpose is nothing for another. Any thread;
 * nothing blocks but seal_new().
 */
#pragma once

#include "base/buf.h"
#include "meta/meta.h"

struct seal;

/* Makes the secret when there is none. m is needed no longer than this takes. Errors: CORRUPT, and
 * those of meta. */
ERR_CHECKED enum err_code seal_new(struct meta *m, struct seal **ret_seal, struct err *e);
void seal_free(struct seal *s); /* accepts NULL */

#define SEAL_MAC_TEXT 64

/* Hexadecimal digits and a NUL. */
void seal_mac(const struct seal *s, const char *purpose, struct str text,
              char ret_mac[static SEAL_MAC_TEXT + 1]);

/* Takes the same time wherever they differ. */
bool seal_mac_matches(const struct seal *s, const char *purpose, struct str text, struct str mac);

/* Adds the closed text: hexadecimal digits, twice as many as plain has, and 56. */
void seal_close(const struct seal *s, const char *purpose, struct str plain, struct buf *ret_text);

/* Adds the plain text. False: it was not closed here for that purpose, or was changed since. */
bool seal_open(const struct seal *s, const char *purpose, struct str text, struct buf *ret_plain);

static inline void auto_seal_(struct seal **s)
{
    seal_free(*s);
}
