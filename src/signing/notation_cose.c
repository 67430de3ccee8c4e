#include "signing/notation_cose.h"

#include "base/cleanup.h"
#include "signing/cbor_value.h"

#include <cbor.h>
#include <stdio.h>

#define TAGGED        "\xd2\x84" /* RFC 9052, 4.2: tag 18 of a list of four */
#define CONTEXT       "Signature1"
#define X5CHAIN       33 /* RFC 9360, 2 */
#define TAG_TIME      1  /* RFC 8949, 3.4.2 */
#define TIME_MAX      (INT64_C(1) << 40)
#define NAME_MAX_     128
#define TIME_KEY      "seconds"
#define ENCODED_HEADS 64

static enum err_code refuse(struct err *e, const char *what)
{
    return err_set(e, ERR_UNSUPPORTED, "%s", what);
}

/* ---- what is protected, as JSON: numbers among names become "#1" */

static bool is_algorithm(const json_t *value, const struct notation_algorithm *a)
{
    return json_is_integer(value) && json_integer_value(value) == notation_algorithm_cose(a);
}

static bool read_time(const json_t *value, int64_t *ret_wall_ms)
{
    const json_t *s = json_object_get(value, TIME_KEY);

    if (!s)
        return false;
    *ret_wall_ms = json_integer_value(s) * 1000;
    return true;
}

static const struct notation_form form = {.algorithm = "#1",
                                          .critical = "#2",
                                          .content_type = "#3",
                                          .is_algorithm = is_algorithm,
                                          .time = read_time};

/* False: it is no name, or too long for one. */
static bool name_of(const struct cbor_value *v, char dst[static NAME_MAX_])
{
    if (v->kind == CBOR_TEXT)
        return v->bytes.n > 0 && v->bytes.p[0] != '#' && str_is_text(v->bytes) &&
               str_copy(v->bytes, dst, NAME_MAX_);
    snprintf(dst, NAME_MAX_, "#%lld", (long long)v->number);
    return v->kind == CBOR_NUMBER;
}

/* What crit has. NULL: it is damaged. */
static json_t *names_of(struct str *rest, int64_t n)
{
    AUTO(json) json_t *list = json_array();
    struct cbor_value v;
    char name[NAME_MAX_];

    for (int64_t i = 0; i < n; i++) {
        if (!cbor_next(rest, &v) || !name_of(&v, name))
            return NULL;
        json_array_append_new(list, json_string(name));
    }
    return STEAL(list);
}

static json_t *time_of(struct str *rest)
{
    struct cbor_value v;

    if (!cbor_next_of(rest, CBOR_NUMBER, &v) || v.number < 0 || v.number > TIME_MAX)
        return NULL;
    return json_pack("{s:I}", TIME_KEY, (json_int_t)v.number);
}

/* Of anything else there are no attributes that are understood: null. NULL: it is damaged. */
static json_t *value_of(struct str *rest)
{
    struct str whole = *rest;
    struct cbor_value v;

    if (!cbor_next(rest, &v))
        return NULL;
    if (v.kind == CBOR_TEXT)
        return json_stringn(v.bytes.p, v.bytes.n);
    if (v.kind == CBOR_NUMBER)
        return json_integer(v.number);
    if (v.kind == CBOR_TAG && v.number == TAG_TIME)
        return time_of(rest);
    *rest = whole;
    return cbor_skip(rest) ? json_null() : NULL;
}

static json_t *critical_of(struct str *rest)
{
    struct cbor_value v;

    return cbor_next_of(rest, CBOR_LIST, &v) ? names_of(rest, v.number) : NULL;
}

/* One of the map. False: it is damaged, or there already. */
static bool add_header(struct str *rest, json_t *headers)
{
    struct cbor_value key;
    char name[NAME_MAX_];
    json_t *value;

    if (!cbor_next(rest, &key) || !name_of(&key, name) || json_object_get(headers, name))
        return false;
    value = strcmp(name, form.critical) == 0 ? critical_of(rest) : value_of(rest);
    return value && json_object_set_new(headers, name, value) == 0;
}

/* NULL: it is damaged. */
static json_t *headers_of(struct str rest)
{
    AUTO(json) json_t *headers = json_object();
    struct cbor_value v;

    if (!cbor_next_of(&rest, CBOR_MAP, &v))
        return NULL;
    for (int64_t i = 0; i < v.number; i++) {
        if (!add_header(&rest, headers))
            return NULL;
    }
    return rest.n == 0 ? STEAL(headers) : NULL;
}

/* ---- what is not */

static enum err_code read_chain(struct str *rest, struct notation_envelope *env, struct err *e)
{
    struct cbor_value v, der;

    if (env->chain || !cbor_next_of(rest, CBOR_LIST, &v) || v.number == 0)
        return refuse(e, "it has no chain of certificates");
    for (int64_t i = 0; i < v.number; i++) {
        if (!cbor_next_of(rest, CBOR_BYTES, &der))
            return refuse(e, "a certificate of its chain is damaged");
        TRY(notation_chain_add(env, der.bytes, e));
    }
    return ERR_OK;
}

static void keep(struct str bytes, struct buf *ret)
{
    buf_done(ret);
    buf_init(ret, bytes.n);
    buf_add_str(ret, bytes);
}

static bool is_timestamp(const struct cbor_value *key)
{
    return key->kind == CBOR_TEXT && str_eq(key->bytes, STR("io.cncf.notary.timestampSignature"));
}

static enum err_code read_unprotected(struct str *rest, struct notation_envelope *env,
                                      struct err *e)
{
    struct cbor_value map, key, token;

    if (!cbor_next_of(rest, CBOR_MAP, &map))
        return refuse(e, "its header is damaged");
    for (int64_t i = 0; i < map.number; i++) {
        if (!cbor_next(rest, &key) || (key.kind != CBOR_TEXT && key.kind != CBOR_NUMBER))
            return refuse(e, "its header is damaged");
        if (key.kind == CBOR_NUMBER && key.number == X5CHAIN) {
            TRY(read_chain(rest, env, e));
        } else if (is_timestamp(&key)) {
            if (!cbor_next_of(rest, CBOR_BYTES, &token))
                return refuse(e, "its timestamp is damaged");
            keep(token.bytes, &env->timestamp);
        } else if (!cbor_skip(rest)) {
            return refuse(e, "its header is damaged");
        }
    }
    return env->chain ? ERR_OK : refuse(e, "it has no chain of certificates");
}

/* ---- what was signed: RFC 9052, 4.4 */

typedef size_t encoder(size_t n, unsigned char *dst, size_t room);

static void add_head(encoder *with, size_t n, struct buf *ret)
{
    unsigned char head[16];

    buf_add(ret, head, with(n, head, sizeof(head)));
}

static void add_bytes(struct str bytes, struct buf *ret)
{
    add_head(cbor_encode_bytestring_start, bytes.n, ret);
    buf_add_str(ret, bytes);
}

static void set_message(struct str protected, struct str payload, struct buf *ret)
{
    buf_init(ret, protected.n + payload.n + ENCODED_HEADS);
    add_head(cbor_encode_array_start, 4, ret);
    add_head(cbor_encode_string_start, strlen(CONTEXT), ret);
    buf_add_text(ret, CONTEXT);
    add_bytes(protected, ret);
    add_bytes(STR(""), ret);
    add_bytes(payload, ret);
}

enum err_code notation_cose_read(struct str bytes, struct notation_envelope *ret, struct err *e)
{
    struct cbor_value protected, payload, signature;
    struct str rest = bytes;
    AUTO(json) json_t *headers = NULL;

    *ret = (struct notation_envelope){.algorithm = NULL};
    if (!str_starts(bytes, STR(TAGGED)))
        return refuse(e, "it is no COSE_Sign1");
    rest = str_sub(rest, strlen(TAGGED), rest.n - strlen(TAGGED));
    if (!cbor_next_of(&rest, CBOR_BYTES, &protected) || !(headers = headers_of(protected.bytes)))
        return refuse(e, "its protected header is damaged");
    TRY(notation_headers_read(headers, &form, ret, e));
    TRY(read_unprotected(&rest, ret, e));
    if (!cbor_next_of(&rest, CBOR_BYTES, &payload) ||
        !cbor_next_of(&rest, CBOR_BYTES, &signature) || rest.n > 0)
        return refuse(e, "its payload or its signature is damaged");
    keep(payload.bytes, &ret->payload);
    keep(signature.bytes, &ret->signature);
    set_message(protected.bytes, payload.bytes, &ret->message);
    return ERR_OK;
}
