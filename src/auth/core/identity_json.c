#include "auth/core/identity_json.h"

#include "base/mem.h"

static json_t *scopes_to_json(const struct identity *id)
{
    json_t *scopes = json_array();

    for (size_t i = 0; i < id->n_scopes; i++)
        json_array_append_new(
            scopes, json_pack("[s, i]", id->scopes[i].repository, (int)id->scopes[i].actions));
    return scopes;
}

static void scopes_from_json(struct identity *id, const json_t *scopes)
{
    id->scoped = scopes != NULL;
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        const json_t *one = json_array_get(scopes, i);
        const char *repository = json_string_value(json_array_get(one, 0));

        if (repository)
            identity_add_scope(id, str_of(repository),
                               (unsigned)json_integer_value(json_array_get(one, 1)) & ACTION_ALL);
    }
}

static json_t *groups_to_json(const struct identity *id)
{
    json_t *groups = json_array();

    for (size_t i = 0; i < id->n_groups; i++)
        json_array_append_new(groups, json_string(id->groups[i]));
    return groups;
}

json_t *identity_to_json(const struct identity *id)
{
    json_t *who = json_pack("{s:i, s:s, s:s, s:b}", "kind", (int)id->kind, "name", id->name,
                            "provider", id->provider, "admin", (int)id->admin);

    if (!id->renewed && id->n_groups > 0)
        json_object_set_new(who, "groups", groups_to_json(id));
    if (id->stamp)
        json_object_set_new(who, "stamp", json_integer(id->stamp));
    if (id->token)
        json_object_set_new(who, "token", json_string(id->token));
    if (id->expires_ms != INT64_MAX)
        json_object_set_new(who, "until_ms", json_integer(id->expires_ms));
    if (id->scoped)
        json_object_set_new(who, "scopes", scopes_to_json(id));
    return who;
}

struct identity *identity_from_json(const json_t *j)
{
    const char *name = json_string_value(json_object_get(j, "name"));
    const char *provider = json_string_value(json_object_get(j, "provider"));
    const char *token = json_string_value(json_object_get(j, "token"));
    const json_t *until = json_object_get(j, "until_ms");
    json_int_t kind = json_integer_value(json_object_get(j, "kind"));
    const json_t *groups = json_object_get(j, "groups");
    struct identity *id;

    if (!name || !provider || kind < IDENTITY_ANONYMOUS || kind > IDENTITY_ROBOT)
        return NULL;
    id = identity_new((enum identity_kind)kind, str_of(name), provider);
    id->admin = json_is_true(json_object_get(j, "admin"));
    id->stamp = json_integer_value(json_object_get(j, "stamp"));
    id->token = token ? mem_strdup(token) : NULL;
    if (until)
        id->expires_ms = json_integer_value(until);
    scopes_from_json(id, json_object_get(j, "scopes"));
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *group = json_string_value(json_array_get(groups, i));

        if (group)
            identity_add_group(id, str_of(group));
    }
    return id;
}
