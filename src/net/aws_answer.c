/* Keys in the answers of those who give them. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/aws_source.h"
#include "net/xml.h"

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

static enum err_code make(const char *access, const char *secret, const char *token,
                          int64_t expires_ms, struct aws_key *ret_key, struct err *e)
{
    if (!*access)
        return err_set(e, ERR_UNAVAILABLE, "the answer holds no key");
    if (aws_key_make(access, secret, token, ret_key, e) != ERR_OK) {
        e->code = ERR_UNAVAILABLE;
        return err_prefix(e, "in the answer");
    }
    ret_key->expires_ms = expires_ms;
    return ERR_OK;
}

static enum err_code read_json(struct str text, struct aws_key *ret_key, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const json_t *in = find(root, "Credentials", LEVELS_MAX);
    const char *token;
    int64_t expires_ms;

    if (!json_is_object(root))
        return err_set(e, ERR_UNAVAILABLE, "the answer is neither JSON nor XML");
    if (is_refusal(root))
        return err_set(e, ERR_UNAVAILABLE, "the answer is '%.60s'", text_of(root, "Code"));
    in = in ? in : root;
    token = text_of(in, "SessionToken");
    if (!expiry_of(in, &expires_ms))
        return err_set(e, ERR_UNAVAILABLE, "the answer holds no key");
    return make(text_of(in, "AccessKeyId"), text_of(in, "SecretAccessKey"),
                *token ? token : text_of(in, "Token"), expires_ms, ret_key, e);
}

/* ---- XML */

static bool is_xml(struct str text)
{
    return str_starts(str_trim(text), STR("<"));
}

/* "AssumeRoleResponse/AssumeRoleResult/Credentials/AccessKeyId". */
struct xml_key {
    struct buf access, secret, token;
    int64_t expires_ms;
    bool is_wrong;
};

static void take_key(void *ctx, struct str path, struct str text)
{
    struct xml_key *k = ctx;

    if (str_ends(path, STR("/Credentials/AccessKeyId")))
        buf_add_str(&k->access, text);
    else if (str_ends(path, STR("/Credentials/SecretAccessKey")))
        buf_add_str(&k->secret, text);
    else if (str_ends(path, STR("/Credentials/SessionToken")))
        buf_add_str(&k->token, text);
    else if (str_ends(path, STR("/Credentials/Expiration")))
        k->is_wrong |= !clock_parse(text, &k->expires_ms);
}

static enum err_code read_xml(struct str text, struct aws_key *ret_key, struct err *e)
{
    struct xml_key k = {.expires_ms = 0};
    enum err_code code;

    buf_init(&k.access, 2 * AWS_KEY_MAX);
    buf_init(&k.secret, 2 * AWS_KEY_MAX);
    buf_init(&k.token, 2 * AWS_TOKEN_MAX);
    code = xml_each(text, take_key, &k, e);
    if (code == ERR_OK && k.is_wrong)
        code = err_set(e, ERR_UNAVAILABLE, "the answer holds no key");
    if (code == ERR_OK)
        code = make(buf_text(&k.access), buf_text(&k.secret), buf_text(&k.token), k.expires_ms,
                    ret_key, e);
    buf_done(&k.access);
    buf_done(&k.secret);
    buf_done(&k.token);
    return code;
}

enum err_code aws_answer_read(struct str text, struct aws_key *ret_key, struct err *e)
{
    return is_xml(text) ? read_xml(text, ret_key, e) : read_json(text, ret_key, e);
}

/* ---- refusals of the token service */

static void copy(struct str text, char *dst, size_t size)
{
    str_copy(str_sub(text, 0, text.n < size - 1 ? text.n : size - 1), dst, size);
}

/* AWS and MinIO have it in "ErrorResponse/Error", radosgw in "Error". */
static void take_refusal(void *ctx, struct str path, struct str text)
{
    struct aws_refusal *r = ctx;

    if (str_ends(path, STR("Error/Code")))
        copy(text, r->code, sizeof(r->code));
    else if (str_ends(path, STR("Error/Message")))
        copy(text, r->message, sizeof(r->message));
}

/* {"Error": {"Code": "AccessDenied", "Message": ...}} */
static void read_refusal(struct str text, struct aws_refusal *r)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const json_t *error = json_object_get(root, "Error");

    copy(str_of(text_of(error, "Code")), r->code, sizeof(r->code));
    copy(str_of(text_of(error, "Message")), r->message, sizeof(r->message));
}

void aws_answer_refusal(struct str text, struct aws_refusal *ret_refusal)
{
    *ret_refusal = (struct aws_refusal){.code = ""};
    if (is_xml(text))
        (void)!xml_each(text, take_refusal, ret_refusal, ERR_IGNORED);
    else
        read_refusal(text, ret_refusal);
}
