#include "auth/people/user_record.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

void user_texts_free(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

void user_done(struct user *u)
{
    user_texts_free(u->groups, u->n_groups);
    user_texts_free(u->recovery, u->n_recovery);
    free(u->name);
    free(u->id);
    free(u->hash);
    free(u->totp);
    *u = (struct user){0};
}

/* Records. */

static json_t *texts_to_json(char *const *texts, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_string(texts[i]));
    return array;
}

static void texts_from_json(const json_t *array, char ***ret_texts, size_t *ret_n)
{
    size_t n = json_array_size(array);
    char **texts = n ? mem_alloc(n * sizeof(*texts)) : NULL;

    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (text)
            texts[(*ret_n)++] = mem_strdup(text);
    }
    *ret_texts = texts;
}

char *user_to_text(const struct user *u)
{
    AUTO(json)
    json_t *j = json_pack("{s:s, s:s, s:o, s:b, s:b, s:o, s:I, s:I, s:I, s:I}", "id", u->id, "hash",
                          u->hash, "groups", texts_to_json(u->groups, u->n_groups), "admin",
                          (int)u->admin, "disabled", (int)u->disabled, "recovery",
                          texts_to_json(u->recovery, u->n_recovery), "stamp", (json_int_t)u->stamp,
                          "created_ms", (json_int_t)u->created_ms, "changed_ms",
                          (json_int_t)u->changed_ms, "last_ms", (json_int_t)u->last_ms);
    char *text;

    if (u->totp)
        json_object_set_new(j, "totp",
                            json_pack("{s:s, s:I, s:I, s:I}", "secret", u->totp, "step",
                                      (json_int_t)u->totp_step, "wrong", (json_int_t)u->totp_wrong,
                                      "wrong_ms", (json_int_t)u->totp_wrong_ms));
    text = json_dumps(j, JSON_COMPACT);
    if (!text)
        abort(); /* names and groups are ASCII; fails only without memory */
    return text;
}

static int64_t int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

enum err_code user_from_record(const struct meta_record *r, struct user *ret_user, struct err *e)
{
    AUTO(json) json_t *j = json_loads(r->value, 0, NULL);
    const char *id = json_string_value(json_object_get(j, "id"));
    const char *hash = json_string_value(json_object_get(j, "hash"));
    const json_t *totp = json_object_get(j, "totp");
    const char *secret = json_string_value(json_object_get(totp, "secret"));

    if (!id || !hash || (totp && !secret))
        return err_set(e, ERR_CORRUPT, "the record of user '%s' is damaged", r->key);
    *ret_user = (struct user){
        .name = mem_strdup(r->key),
        .id = mem_strdup(id),
        .hash = mem_strdup(hash),
        .admin = json_is_true(json_object_get(j, "admin")),
        .disabled = json_is_true(json_object_get(j, "disabled")),
        .totp = secret ? mem_strdup(secret) : NULL,
        .totp_step = int_of(totp, "step"),
        .totp_wrong = int_of(totp, "wrong"),
        .totp_wrong_ms = int_of(totp, "wrong_ms"),
        .stamp = int_of(j, "stamp"),
        .created_ms = int_of(j, "created_ms"),
        .changed_ms = int_of(j, "changed_ms"),
        .last_ms = int_of(j, "last_ms"),
        .version = r->version,
    };
    texts_from_json(json_object_get(j, "groups"), &ret_user->groups, &ret_user->n_groups);
    texts_from_json(json_object_get(j, "recovery"), &ret_user->recovery, &ret_user->n_recovery);
    return ERR_OK;
}
