#include "auth/people/oidc_person.h"

#include "auth/core/claims.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

#define COLLECTION STR("oidc-people")
#define TRIES      8 /* of a change that meets another one */

static struct identity *identity_of(const char *name, const json_t *record)
{
    struct identity *id = identity_new(IDENTITY_USER, str_of(name), OIDC_PROVIDER);

    id->stamp = json_integer_value(json_object_get(record, "stamp"));
    claims_add_groups(id, record, "groups", "");
    return id;
}

static json_t *groups_of(const struct conf_oidc *c, const json_t *claims)
{
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("-"), OIDC_PROVIDER);
    json_t *list = json_array();

    if (c->groups_claim[0])
        claims_add_groups(id, claims, c->groups_claim, "");
    for (size_t i = 0; i < id->n_groups; i++)
        json_array_append_new(list, json_string(id->groups[i]));
    return list;
}

/* A subject is unique within its issuer and never given to another person (Core, 2). */
static bool same_person(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "iss"), json_object_get(b, "iss")) &&
           json_equal(json_object_get(a, "sub"), json_object_get(b, "sub"));
}

static json_t *record_of(const struct conf_oidc *c, const json_t *claims, const json_t *before)
{
    int64_t stamp = same_person(claims, before)
                        ? json_integer_value(json_object_get(before, "stamp"))
                        : identity_stamp_new();

    return json_pack("{s:O, s:O, s:o, s:I, s:I}", "iss", json_object_get(claims, "iss"), "sub",
                     json_object_get(claims, "sub"), "groups", groups_of(c, claims), "stamp",
                     (json_int_t)stamp, "signed_in_ms", (json_int_t)clock_wall_ms());
}

static enum err_code put_once(struct accounts *a, const struct conf_oidc *c, const json_t *claims,
                              const char *name, struct identity **ret_identity, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    AUTO(json) json_t *before = NULL;
    AUTO(json) json_t *now = NULL;
    AUTO(mem) char *value = NULL;
    struct meta_op op;
    int64_t version = META_ABSENT;
    enum err_code code = meta_record_get(accounts_meta(a), COLLECTION, str_of(name), &r, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (code == ERR_OK) {
        before = json_loads(r.value, 0, NULL);
        version = r.version;
    }
    now = record_of(c, claims, before);
    value = json_dumps(now, JSON_COMPACT);
    if (!value)
        return err_set(e, ERR_INTERNAL, "what the provider says of a person can't be written");
    op = meta_op_record_put(COLLECTION, str_of(name), str_of(value), version);
    TRY(accounts_commit(a, &op, 1, META_ANY, e));
    *ret_identity = identity_of(name, now);
    return ERR_OK;
}

enum err_code oidc_person_put(struct accounts *a, const struct conf_oidc *c, const json_t *claims,
                              struct identity **ret_identity, struct err *e)
{
    const char *name = json_string_value(json_object_get(claims, c->username_claim));
    enum err_code code = ERR_CONFLICT;

    for (int i = 0; i < TRIES && code == ERR_CONFLICT; i++)
        code = put_once(a, c, claims, name, ret_identity, e);
    return code;
}

/* What another provider said, which was configured before, counts no more. */
static enum err_code get(struct accounts *a, struct str name, json_t **ret_record, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    AUTO(json) json_t *record = NULL;
    const char *issuer;

    TRY(meta_record_get(accounts_meta(a), COLLECTION, name, &r, e));
    record = json_loads(r.value, 0, NULL);
    issuer = json_string_value(json_object_get(record, "iss"));
    if (!issuer || strcmp(issuer, accounts_issuer(a)) != 0)
        return err_set(e, ERR_NOT_FOUND, "'" STR_FMT "' is of another provider", STR_ARG(name));
    *ret_record = STEAL(record);
    return ERR_OK;
}

enum err_code oidc_person_get(struct accounts *a, struct str name, struct user *ret_user,
                              struct err *e)
{
    AUTO(json) json_t *record = NULL;
    AUTO(identity) struct identity *id = NULL;
    struct user u = {0};

    TRY(get(a, name, &record, e));
    u.name = str_dup(name);
    id = identity_of(u.name, record);
    if (asprintf(&u.id, "oidc:%lld", (long long)id->stamp) < 0)
        abort();
    u.stamp = id->stamp;
    u.groups = STEAL(id->groups);
    u.n_groups = id->n_groups;
    id->n_groups = 0;
    *ret_user = u;
    return ERR_OK;
}

enum verdict oidc_person_renew(struct accounts *a, struct identity **id, struct err *e)
{
    AUTO(json) json_t *record = NULL;
    AUTO(user) struct user local = {0};
    struct identity *fresh;
    enum err_code code = user_get(a, str_of((*id)->name), &local, e);

    if (code == ERR_OK) /* whose name it is since */
        return VERDICT_NO;
    if (code == ERR_NOT_FOUND)
        code = get(a, str_of((*id)->name), &record, e);
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? VERDICT_NO : VERDICT_FAIL;
    if (json_integer_value(json_object_get(record, "stamp")) != (*id)->stamp)
        return VERDICT_NO;
    fresh = identity_of((*id)->name, record);
    identity_narrow(fresh, *id);
    identity_unref(*id);
    *id = fresh;
    return VERDICT_YES;
}
