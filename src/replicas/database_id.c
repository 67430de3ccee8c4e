#include "replicas/database_id.h"

#include "base/cleanup.h"

#define COLLECTION STR("database")
#define KEY        STR("id")

enum err_code database_id_known(struct meta *m, struct uuid *ret_id, struct err *e)
{
    AUTO(record) struct meta_record r = {0};

    TRY(meta_record_get(m, COLLECTION, KEY, &r, e));
    if (!uuid_parse(str_of(r.value), ret_id))
        return err_set(e, ERR_CORRUPT, "the identifier of the database is none");
    return ERR_OK;
}

enum err_code database_id(struct meta *m, struct uuid *ret_id, struct err *e)
{
    enum err_code code = database_id_known(m, ret_id, e);
    struct uuid own;
    struct meta_op op;

    if (code != ERR_NOT_FOUND)
        return code;
    uuid_make(&own);
    op = meta_op_record_put(COLLECTION, KEY, str_of(own.text), META_ABSENT);
    code = meta_commit(m, &op, 1, 0, NULL, e);
    if (code != ERR_OK && code != ERR_CONFLICT)
        return code;
    return database_id_known(m, ret_id, e); /* another process may have been quicker */
}
