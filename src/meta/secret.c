#include "meta/secret.h"

#include "base/cleanup.h"
#include "base/hex.h"

#include <string.h>

#define COLLECTION STR("secrets")

static enum err_code make(struct meta *m, struct str name, struct err *e)
{
    unsigned char key[META_SECRET_BYTES];
    char text[2 * META_SECRET_BYTES + 1];
    struct meta_op op;
    enum err_code code;

    random_bytes(key, sizeof(key));
    hex_encode(key, sizeof(key), text);
    op = meta_op_record_put(COLLECTION, name, str_of(text), META_ABSENT);
    code = meta_commit(m, &op, 1, 0, NULL, e);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(text, sizeof(text));
    return code == ERR_CONFLICT ? ERR_OK : code; /* another was quicker: its key counts */
}

static enum err_code load(struct meta *m, struct str name,
                          unsigned char ret_key[static META_SECRET_BYTES], struct err *e)
{
    AUTO(record) struct meta_record r = {0};

    TRY(meta_record_get(m, COLLECTION, name, &r, e));
    if (!hex_decode(str_of(r.value), ret_key, META_SECRET_BYTES))
        return err_set(e, ERR_CORRUPT, "the secret '" STR_FMT "' is damaged", STR_ARG(name));
    return ERR_OK;
}

enum err_code meta_secret(struct meta *m, struct str name,
                          unsigned char ret_key[static META_SECRET_BYTES], struct err *e)
{
    enum err_code code = load(m, name, ret_key, e);

    if (code != ERR_NOT_FOUND)
        return code;
    TRY(make(m, name, e));
    return load(m, name, ret_key, e);
}
