#include "signing/signed_json.h"

#include "base/base64.h"

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

/* Signers write both alphabets (dsse, "Envelope"), with padding or without. */
bool signed_json_decode(struct str text, struct buf *ret)
{
    unsigned char *room;
    size_t n;
    bool good;

    buf_init(ret, BASE64_ROOM(text.n));
    room = (unsigned char *)buf_reserve(ret, BASE64_ROOM(text.n));
    good = room && (base64_decode(text, room, &n) || base64url_decode(text, room, &n));
    ret->n = good ? n : 0;
    return good && n > 0;
}

bool signed_json_bytes(const json_t *of, const char *key, struct buf *ret)
{
    return signed_json_decode(signed_json_text(of, key), ret);
}

bool signed_json_number(const json_t *of, const char *key, int64_t *ret)
{
    const json_t *value = json_object_get(of, key);
    uint64_t n;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = json_integer_value(value);
        return true;
    }
    if (!str_to_u64(signed_json_text(of, key), INT64_MAX, &n))
        return false;
    *ret = (int64_t)n;
    return true;
}
