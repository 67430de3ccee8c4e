#include "signing/notation_jws.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "signing/signed_json.h"

#define TIMESTAMP "io.cncf.notary.timestampSignature"

typedef bool decoder(struct str text, unsigned char *dst, size_t *ret_n);

/* Into an empty one. False: it is none, or nothing. */
static bool decode(struct str text, decoder *with, struct buf *ret)
{
    unsigned char *room;
    size_t n = 0;

    buf_init(ret, BASE64_ROOM(text.n));
    room = (unsigned char *)buf_reserve(ret, BASE64_ROOM(text.n));
    if (!room || !with(text, room, &n))
        return false;
    ret->n = n;
    return n > 0;
}

static bool is_algorithm(const json_t *value, const struct notation_algorithm *a)
{
    return json_is_string(value) &&
           strcmp(json_string_value(value), notation_algorithm_jws(a)) == 0;
}

static bool read_time(const json_t *value, int64_t *ret_wall_ms)
{
    return json_is_string(value) && clock_parse(str_of(json_string_value(value)), ret_wall_ms);
}

static const struct notation_form form = {.algorithm = "alg",
                                          .critical = "crit",
                                          .content_type = "cty",
                                          .is_algorithm = is_algorithm,
                                          .time = read_time};

static enum err_code refuse(struct err *e, const char *what)
{
    return err_set(e, ERR_UNSUPPORTED, "%s", what);
}

static enum err_code read_protected(struct str protected, struct notation_envelope *env,
                                    struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *headers = NULL;

    if (!decode(protected, base64url_decode, &text))
        return refuse(e, "its protected header is damaged");
    headers = signed_json_parse(buf_str(&text));
    return notation_headers_read(headers, &form, env, e);
}

static enum err_code read_chain(const json_t *list, struct notation_envelope *env, struct err *e)
{
    if (json_array_size(list) == 0)
        return refuse(e, "it has no chain of certificates");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        AUTO(buf) struct buf der = {0};

        if (!json_is_string(row) ||
            !decode((struct str){json_string_value(row), json_string_length(row)}, base64_decode,
                    &der))
            return refuse(e, "a certificate of its chain is damaged");
        TRY(notation_chain_add(env, buf_str(&der), e));
    }
    return ERR_OK;
}

static enum err_code read_unprotected(const json_t *header, struct notation_envelope *env,
                                      struct err *e)
{
    const json_t *token = json_object_get(header, TIMESTAMP);

    if (token && !decode(signed_json_text(header, TIMESTAMP), base64_decode, &env->timestamp))
        return refuse(e, "its timestamp is damaged");
    return read_chain(json_object_get(header, "x5c"), env, e);
}

enum err_code notation_jws_read(struct str text, struct notation_envelope *ret, struct err *e)
{
    AUTO(json) json_t *j = signed_json_parse(text);
    struct str protected = signed_json_text(j, "protected");
    struct str payload = signed_json_text(j, "payload");

    *ret = (struct notation_envelope){.algorithm = NULL};
    if (!json_is_object(j))
        return refuse(e, "it is no JSON");
    TRY(read_protected(protected, ret, e));
    if (!decode(payload, base64url_decode, &ret->payload) ||
        !decode(signed_json_text(j, "signature"), base64url_decode, &ret->signature))
        return refuse(e, "its payload or its signature is damaged");
    /* RFC 7515, 5.1: what is signed are the texts as they stand there. */
    buf_init(&ret->message, protected.n + payload.n + 1);
    buf_add_str(&ret->message, protected);
    buf_add_char(&ret->message, '.');
    buf_add_str(&ret->message, payload);
    return read_unprotected(json_object_get(j, "header"), ret, e);
}
