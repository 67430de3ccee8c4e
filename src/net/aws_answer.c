/* Keys in the answers of those who give them. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/aws_source.h"

#include <math.h>

#define LEVELS_MAX 4 /* to "Credentials", in an answer of the token service */

/* The object of that name in the object, or in those that it holds. */
static const json_t *find(const json_t *in, const char *name, unsigned levels)
{
    const json_t *found = json_object_get(in, name), *value;
    const char *key;

    if (json_is_object(found) || levels == 0)
        return found;
    json_object_foreach((json_t *)in, key, value)
    {
        found = json_is_object(value) ? find(value, name, levels - 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static const char *text_of(const json_t *in, const char *name)
{
    const char *text = json_string_value(json_object_get(in, name));

    return text ? text : "";
}

/* A time of RFC 3339, or seconds since the epoch; 0: it says none. */
static bool expiry_of(const json_t *in, int64_t *ret_ms)
{
    const json_t *value = json_object_get(in, "Expiration");
    double seconds;

    *ret_ms = 0;
    if (!value || json_is_null(value))
        return true;
    if (json_is_string(value))
        return clock_parse(str_of(json_string_value(value)), ret_ms);
    seconds = json_number_value(value);
    if (!json_is_number(value) || !isfinite(seconds) || seconds < 0 || seconds > 1e11)
        return false;
    *ret_ms = (int64_t)(seconds * 1000);
    return true;
}

/* What a server says that has none: {"Code": "AssumeRoleUnauthorizedAccess", "Message": ...}. */
static bool is_refusal(const json_t *in)
{
    const char *code = text_of(in, "Code");

    return *code && strcmp(code, "Success") != 0;
}

enum err_code aws_answer_read(struct str text, struct aws_key *ret_key, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const json_t *in = find(root, "Credentials", LEVELS_MAX);
    const char *token;
    int64_t expires_ms;

    if (!json_is_object(root))
        return err_set(e, ERR_UNAVAILABLE, "the answer is not JSON");
    if (is_refusal(root))
        return err_set(e, ERR_UNAVAILABLE, "the answer is '%.60s'", text_of(root, "Code"));
    in = in ? in : root;
    token = text_of(in, "SessionToken");
    if (!*text_of(in, "AccessKeyId") || !expiry_of(in, &expires_ms))
        return err_set(e, ERR_UNAVAILABLE, "the answer holds no key");
    if (aws_key_make(text_of(in, "AccessKeyId"), text_of(in, "SecretAccessKey"),
                     *token ? token : text_of(in, "Token"), ret_key, e) != ERR_OK) {
        e->code = ERR_UNAVAILABLE;
        return err_prefix(e, "in the answer");
    }
    ret_key->expires_ms = expires_ms;
    return ERR_OK;
}
