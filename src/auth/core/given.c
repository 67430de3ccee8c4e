#include "auth/core/given.h"

#include "base/json.h"

#include <string.h>

static const struct {
    struct str collection;
    const char *subject; /* member of the record */
} table[] = {
    [GIVEN_ACCESS_TOKENS] = {ACCESS_TOKEN_COLLECTION, "owner"},
    [GIVEN_REFRESH_TOKENS] = {REFRESH_TOKEN_COLLECTION, "subject"},
};

struct taking {
    struct accounts *accounts;
    enum given given;
    const char *subject;
    size_t n;
};

static enum err_code take_if_of_subject(void *ctx, const struct meta_record *r, struct err *e)
{
    struct taking *t = ctx;
    AUTO(json) json_t *value = json_loads(r->value, 0, NULL);
    const char *whose = json_string_value(json_object_get(value, table[t->given].subject));

    if (!whose || strcmp(whose, t->subject) != 0)
        return ERR_OK;
    t->n++;
    return accounts_remove(t->accounts, table[t->given].collection, str_of(r->key), e);
}

enum err_code given_take_back(struct accounts *a, enum given g, const char *subject, size_t *ret_n,
                              struct err *e)
{
    struct taking t = {a, g, subject, 0};

    TRY(meta_records_each(accounts_meta(a), table[g].collection, take_if_of_subject, &t, e));
    if (ret_n)
        *ret_n = t.n;
    return ERR_OK;
}
