/* Base64 (RFC 4648, 4) and base64url without padding (RFC 4648, 5; RFC 7515, 2), strictly: no white
 * space, padding where it belongs and nowhere else, no bits behind the last byte. */
#pragma once

#include "base/str.h"

/* Room for what base64 of text_bytes decodes to. */
#define BASE64_ROOM(text_bytes) ((size_t)(text_bytes) / 4 * 3 + 3)

/* dst has room for BASE64_ROOM(text.n). False, with bytes of no use in it: text is not base64. */
bool base64_decode(struct str text, unsigned char *dst, size_t *ret_n);
bool base64url_decode(struct str text, unsigned char *dst, size_t *ret_n);
