/* JSON that somebody may have signed, as all of this folder reads it. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

/* NULL: it is none, or too deep, or says a key twice, which readers take in different ways. */
json_t *signed_json_parse(struct str text);

/* "" where there is no text. As long as the object. */
struct str signed_json_text(const json_t *of, const char *key);

/* A text that is base64 of at least one byte, in either alphabet. False, with nothing in *ret: it
 * is none. The caller's in either case. */
bool signed_json_bytes(const json_t *of, const char *key, struct buf *ret);

/* A number of at least 0, which Protocol Buffers write as a text; false: it is none. */
bool signed_json_number(const json_t *of, const char *key, int64_t *ret);

/* Both alphabets of base64; likewise. */
bool signed_json_decode(struct str text, struct buf *ret);
