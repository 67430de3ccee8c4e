#include "api/body.h"

#include "base/json.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define STEP_BYTES 4096
#define TEXTS_MAX  1000

static enum err_code too_large(size_t max_bytes, struct err *e)
{
    return err_tell(e, ERR_BODY_TOO_LARGE, "the body is larger than %zu bytes", max_bytes);
}

enum err_code body_read(struct req *q, struct buf *ret, struct err *e)
{
    struct reader *body = http_body_whole(q->x, ret->max);
    size_t n;

    do {
        char *at = buf_reserve(ret, STEP_BYTES);

        if (!at)
            return too_large(ret->max - STEP_BYTES, e);
        TRY(reader_read(body, at, STEP_BYTES, &n, e));
        ret->n += n;
    } while (n > 0);
    return ERR_OK;
}

/* RFC 9110, 8.3.1: without case, and parameters may follow. A form of another site can't send this
 * type without asking first. */
static enum err_code check_type(struct req *q, struct err *e)
{
    struct str rest = http_field_get(q->head, STR("Content-Type")), type;

    str_cut(&rest, ';', &type);
    if (str_ieq(str_trim(type), STR("application/json")))
        return ERR_OK;
    return err_tell(e, ERR_MEDIA_TYPE, "send JSON, with Content-Type: application/json");
}

/* What the parser says may quote a password, and the log keeps what is told: the place is enough.
 */
static enum err_code parse(struct str text, json_t **ret_object, struct err *e)
{
    json_error_t where;
    json_t *json;

    if (!json_shallow(text))
        return err_tell(e, ERR_REQUEST_INVALID, "the body is nested deeper than %d levels",
                        JSON_DEPTH_MAX);
    json = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "the body is not JSON in UTF-8, or names a field twice: line %d, column %d",
                        where.line, where.column);
    if (!json_is_object(json)) {
        body_wipe(json);
        return err_tell(e, ERR_REQUEST_INVALID, "the body must be a JSON object");
    }
    *ret_object = json;
    return ERR_OK;
}

enum err_code body_json(struct req *q, size_t max_bytes, json_t **ret_json, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    enum err_code code;

    buf_init(&text, max_bytes + STEP_BYTES);
    TRY(check_type(q, e));
    if (q->head->has_length && q->head->content_length > max_bytes)
        return too_large(max_bytes, e);
    code = body_read(q, &text, e);
    if (code == ERR_OK)
        code = text.n > max_bytes ? too_large(max_bytes, e) : parse(buf_str(&text), ret_json, e);
    if (text.p)
        OPENSSL_cleanse(text.p, text.n);
    return code;
}

static void wipe_text(json_t *value)
{
    const char *text = json_string_value(value);

    if (text)
        OPENSSL_cleanse((void *)(uintptr_t)text, json_string_length(value));
}

void body_wipe(json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        wipe_text(value);
    }
    json_decref(object);
}

/* Fields. */

static enum err_code wrong(const struct body_field *f, struct err *e)
{
    static const char *const shapes[] = {
        [BODY_TEXT] = "a text", [BODY_BOOL] = "true or false", [BODY_TEXTS] = "a list of texts"};

    return err_tell(e, ERR_REQUEST_INVALID, "'%s' must be %s", f->name, shapes[f->kind]);
}

static enum err_code take_text(const struct body_field *f, const json_t *value, struct str *ret,
                               struct err *e)
{
    if (!json_is_string(value))
        return wrong(f, e);
    if (json_string_length(value) > BODY_TEXT_MAX)
        return err_tell(e, ERR_REQUEST_INVALID, "'%s': a text has at most %d bytes", f->name,
                        BODY_TEXT_MAX);
    *ret = (struct str){json_string_value(value), json_string_length(value)};
    return ERR_OK;
}

static enum err_code take_texts(const struct body_field *f, const json_t *value,
                                struct body_texts *ret, struct err *e)
{
    size_t n = json_array_size(value);

    if (!json_is_array(value))
        return wrong(f, e);
    if (n > TEXTS_MAX)
        return err_tell(e, ERR_REQUEST_INVALID, "'%s' has at most %d items", f->name, TEXTS_MAX);
    ret->items = mem_zero((n + 1) * sizeof(*ret->items));
    ret->given = true;
    for (; ret->n < n; ret->n++)
        TRY(take_text(f, json_array_get(value, ret->n), &ret->items[ret->n], e));
    return ERR_OK;
}

static enum err_code take(const struct body_field *f, const json_t *value, struct err *e)
{
    switch (f->kind) {
    case BODY_TEXT:
        return take_text(f, value, f->to, e);
    case BODY_TEXTS:
        return take_texts(f, value, f->to, e);
    case BODY_BOOL:
        break;
    }
    if (!json_is_boolean(value))
        return wrong(f, e);
    *(int *)f->to = json_is_true(value);
    return ERR_OK;
}

static enum err_code unknown(const char *name, const struct body_field *fields, size_t n,
                             struct err *e)
{
    AUTO(buf) struct buf allowed = {0};

    buf_init(&allowed, 256);
    for (size_t i = 0; i < n; i++)
        buf_addf(&allowed, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", fields[i].name);
    return err_tell(e, ERR_REQUEST_INVALID, "'%.64s' is no field here; there are %s", name,
                    buf_text(&allowed));
}

enum err_code body_take(const json_t *object, const struct body_field *fields, size_t n,
                        struct err *e)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;

        while (i < n && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == n)
            return unknown(key, fields, n, e);
        TRY(take(&fields[i], value, e));
    }
    for (size_t i = 0; i < n; i++) {
        if (fields[i].required && !json_object_get(object, fields[i].name))
            return err_tell(e, ERR_REQUEST_INVALID, "'%s' is missing", fields[i].name);
    }
    return ERR_OK;
}
