#include "signing/signed_json.h"

json_t *signed_json_parse(struct str text)
{
    return json_shallow(text) ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

struct str signed_json_text(const json_t *of, const char *key)
{
    const json_t *text = json_object_get(of, key);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}
