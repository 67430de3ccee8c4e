/* JSON that somebody may have signed, as all of this folder reads it. */
#pragma once

#include "base/json.h"

/* NULL: it is none, or too deep, or says a key twice, which readers take in different ways. */
json_t *signed_json_parse(struct str text);

/* "" where there is no text. As long as the object. */
struct str signed_json_text(const json_t *of, const char *key);
