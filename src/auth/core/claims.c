#include "auth/core/claims.h"

#include <stdio.h>

bool claims_have(const json_t *claims, struct str wanted)
{
    struct str name, value = wanted;
    const json_t *claim;
    char key[256];

    if (!str_cut(&value, '=', &name) || !str_copy(name, key, sizeof(key)))
        return false;
    claim = json_object_get(claims, key);
    if (json_is_string(claim))
        return str_eq(value, str_of(json_string_value(claim)));
    for (size_t k = 0; k < json_array_size(claim); k++) {
        if (str_eq(value, str_of(json_string_value(json_array_get(claim, k)))))
            return true;
    }
    return false;
}

bool claims_name_valid(struct str name)
{
    for (size_t k = 0; k < name.n; k++) {
        if (name.p[k] <= ' ' || name.p[k] > '~')
            return false;
    }
    return name.n > 0 && name.n <= IDENTITY_NAME_MAX;
}

static void add_group(struct identity *id, const char *prefix, const char *group)
{
    char text[2 * IDENTITY_NAME_MAX];

    if (group && claims_name_valid(str_of(group)) &&
        (size_t)snprintf(text, sizeof(text), "%s%s", prefix, group) < sizeof(text))
        identity_add_group(id, str_of(text));
}

void claims_add_groups(struct identity *id, const json_t *claims, const char *claim,
                       const char *prefix)
{
    const json_t *groups = json_object_get(claims, claim);

    if (json_is_string(groups))
        add_group(id, prefix, json_string_value(groups));
    for (size_t k = 0; k < json_array_size(groups); k++)
        add_group(id, prefix, json_string_value(json_array_get(groups, k)));
}

int64_t claims_expiry_ms(const json_t *claims)
{
    double s = json_number_value(json_object_get(claims, "exp"));

    return s < 0 ? 0 : s < 1e15 ? (int64_t)s * 1000 : INT64_MAX;
}
