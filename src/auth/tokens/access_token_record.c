#include "auth/tokens/access_token_record.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

void access_token_done(struct access_token *t)
{
    for (size_t i = 0; i < t->n_scopes; i++)
        free(t->scopes[i].repository);
    free(t->scopes);
    free(t->id);
    free(t->owner);
    free(t->owner_id);
    free(t->hash);
    free(t->description);
    *t = (struct access_token){0};
}

static json_t *scopes_to_json(const struct access_token *t)
{
    json_t *array = json_array();

    for (size_t i = 0; i < t->n_scopes; i++)
        json_array_append_new(array, json_pack("{s:s, s:i}", "repository", t->scopes[i].repository,
                                               "actions", (int)t->scopes[i].actions));
    return array;
}

char *access_token_to_text(const struct access_token *t)
{
    AUTO(json)
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "owner", t->owner, "owner_id",
                          t->owner_id, "hash", t->hash, "description", t->description, "created_ms",
                          (json_int_t)t->created_ms, "used_ms", (json_int_t)t->used_ms);
    char *text;

    if (t->scoped)
        json_object_set_new(j, "scopes", scopes_to_json(t));
    if (t->expires_ms != INT64_MAX)
        json_object_set_new(j, "expires_ms", json_integer(t->expires_ms));
    text = json_dumps(j, JSON_COMPACT);
    if (!text)
        abort(); /* all of it is UTF-8; fails only without memory */
    return text;
}

void access_token_add_scope(struct access_token *t, struct str repository, unsigned actions)
{
    t->scopes = mem_resize(t->scopes, (t->n_scopes + 1) * sizeof(*t->scopes));
    t->scopes[t->n_scopes++] = (struct scope){str_dup(repository), actions};
}

/* What is not understood allows nothing. */
static void scopes_from_json(const json_t *array, struct access_token *t)
{
    t->scoped = array != NULL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *one = json_array_get(array, i);
        const char *repository = json_string_value(json_object_get(one, "repository"));

        if (repository)
            access_token_add_scope(t, str_of(repository),
                                   (unsigned)json_integer_value(json_object_get(one, "actions")) &
                                       ACTION_ALL);
    }
}

enum err_code access_token_from_record(const struct meta_record *r, struct access_token *ret_token,
                                       struct err *e)
{
    AUTO(json) json_t *j = json_loads(r->value, 0, NULL);
    const char *owner = json_string_value(json_object_get(j, "owner"));
    const char *owner_id = json_string_value(json_object_get(j, "owner_id"));
    const char *hash = json_string_value(json_object_get(j, "hash"));
    const char *description = json_string_value(json_object_get(j, "description"));
    const json_t *expires = json_object_get(j, "expires_ms");

    if (!owner || !owner_id || !hash)
        return err_set(e, ERR_CORRUPT, "the record of token '%s' is damaged", r->key);
    *ret_token = (struct access_token){
        .id = mem_strdup(r->key),
        .owner = mem_strdup(owner),
        .owner_id = mem_strdup(owner_id),
        .hash = mem_strdup(hash),
        .expires_ms = expires ? json_integer_value(expires) : INT64_MAX,
        .description = mem_strdup(description ? description : ""),
        .created_ms = json_integer_value(json_object_get(j, "created_ms")),
        .used_ms = json_integer_value(json_object_get(j, "used_ms")),
        .version = r->version,
    };
    scopes_from_json(json_object_get(j, "scopes"), ret_token);
    return ERR_OK;
}

void access_token_hash(struct str secret, struct digest *ret_hash)
{
    digest_of(DIGEST_SHA256, secret.p, secret.n, ret_hash);
}
