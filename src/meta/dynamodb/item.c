#include "meta/dynamodb/item.h"

#include "base/base64.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

json_t *item_text(struct str s, bool *ok)
{
    json_t *text = json_stringn(s.n > 0 ? s.p : "", s.n);

    if (!text) { /* not UTF-8 */
        *ok = false;
        return NULL;
    }
    return json_pack("{s:o}", "S", text);
}

json_t *item_number(int64_t v)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%lld", (long long)v);
    return json_pack("{s:s}", "N", digits);
}

json_t *item_bytes(struct str s)
{
    AUTO(mem) unsigned char *text = mem_alloc(s.n / 3 * 4 + 5);
    int n = EVP_EncodeBlock(text, (const unsigned char *)s.p, (int)s.n);

    return json_pack("{s:o}", "B", json_stringn((const char *)text, (size_t)n));
}

static struct str get(const json_t *item, const char *name, const char *type)
{
    const json_t *value = json_object_get(json_object_get(item, name), type);

    return (struct str){json_string_value(value), json_string_length(value)};
}

struct str item_get_text(const json_t *item, const char *name)
{
    return get(item, name, "S");
}

int64_t item_get_number(const json_t *item, const char *name)
{
    struct str digits = get(item, name, "N");

    return digits.p ? strtoll(digits.p, NULL, 10) : 0;
}

bool item_has(const json_t *item, const char *name)
{
    return json_object_get(item, name) != NULL;
}

bool item_get_bytes(const json_t *item, const char *name, struct buf *dst)
{
    struct str text = get(item, name, "B");
    AUTO(mem) unsigned char *bytes = NULL;
    size_t n;

    if (!text.p)
        return false;
    bytes = mem_alloc(BASE64_ROOM(text.n));
    if (!base64_decode(text, bytes, &n))
        return false;
    buf_add(dst, bytes, n);
    return true;
}
