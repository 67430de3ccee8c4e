#include "api/body.h"

#include <openssl/crypto.h>

#define STEP 4096

enum err_code body_read(struct req *q, struct buf *ret, struct err *e)
{
    struct reader *body = http_body(q->x);
    size_t n;

    do {
        char *at = buf_reserve(ret, STEP);

        if (!at)
            return err_tell(e, ERR_REQUEST_INVALID, "the body is larger than %zu bytes", ret->max);
        TRY(reader_read(body, at, STEP, &n, e));
        ret->n += n;
    } while (n > 0);
    return ERR_OK;
}

enum err_code body_json(struct req *q, size_t max_bytes, json_t **ret_json, struct err *e)
{
    struct str type = http_field_get(q->head, STR("Content-Type")), media;
    AUTO(buf) struct buf body;
    json_error_t where;
    json_t *json;

    str_cut(&type, ';', &media);
    if (!str_ieq(str_trim(media), STR("application/json")))
        return err_tell(e, ERR_REQUEST_INVALID, "send JSON, with Content-Type: application/json");
    buf_init(&body, max_bytes + STEP);
    TRY(body_read(q, &body, e));
    json = json_loadb(buf_str(&body).p, body.n, JSON_REJECT_DUPLICATES, &where);
    if (body.n)
        OPENSSL_cleanse(body.p, body.n);
    if (!json_is_object(json)) {
        json_decref(json);
        return err_tell(e, ERR_REQUEST_INVALID, "the body is no JSON object");
    }
    *ret_json = json;
    return ERR_OK;
}
