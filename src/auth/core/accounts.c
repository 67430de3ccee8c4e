#include "auth/core/accounts.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

#define COLLECTION STR("generations")
#define KEY        STR("auth")

struct accounts {
    struct meta *meta;
    const char *issuer;
    atomic_ullong generation;
    atomic_llong seen; /* version of the record when it was last looked at */
};

struct accounts *accounts_new(struct meta *m)
{
    struct accounts *a = NEW(struct accounts);

    a->meta = m;
    a->issuer = "";
    return a;
}

void accounts_set_issuer(struct accounts *a, const char *issuer)
{
    a->issuer = issuer;
}

const char *accounts_issuer(const struct accounts *a)
{
    return a->issuer;
}

void accounts_free(struct accounts *a)
{
    free(a);
}

struct meta *accounts_meta(const struct accounts *a)
{
    return a->meta;
}

uint64_t accounts_generation(const struct accounts *a)
{
    return atomic_load(&a->generation);
}

enum err_code accounts_version(struct accounts *a, int64_t *ret_version, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code = meta_record_get(a->meta, COLLECTION, KEY, &r, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    *ret_version = code == ERR_OK ? r.version : META_ABSENT;
    return ERR_OK;
}

enum err_code accounts_poll(struct accounts *a, struct err *e)
{
    int64_t version;

    TRY(accounts_version(a, &version, e));
    if (atomic_exchange(&a->seen, version) != version)
        atomic_fetch_add(&a->generation, 1);
    return ERR_OK;
}

enum err_code accounts_commit(struct accounts *a, const struct meta_op *ops, size_t n,
                              int64_t version, struct err *e)
{
    struct meta_op all[ACCOUNTS_OPS_MAX + 1];
    enum err_code code;

    if (n > ACCOUNTS_OPS_MAX)
        return err_set(e, ERR_INTERNAL, "%zu operations on accounts at once", n);
    memcpy(all, ops, n * sizeof(*ops));
    all[n] = meta_op_record_put(COLLECTION, KEY, STR_NONE, version);
    code = meta_commit(a->meta, all, n + 1, 0, NULL, e);
    atomic_fetch_add(&a->generation, 1); /* also after a failure that may not have been one */
    return code;
}

enum err_code accounts_remove(struct accounts *a, struct str collection, struct str key,
                              struct err *e)
{
    struct meta_op op = meta_op_record_delete(collection, key, META_ANY);

    return accounts_commit(a, &op, 1, META_ANY, e);
}
