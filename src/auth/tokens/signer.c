#include "auth/tokens/signer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>

#define COLLECTION STR("token-keys")
#define KEYS_LIMIT 64
/* A key that another replica made may be unknown here for so long before it is looked for again. */
#define RELOAD_MS 5000

struct signer {
    struct meta *meta;
    struct signer_options options;
    pthread_mutex_t mutex; /* guards what follows */
    struct jwt_keys *keys;
    char newest[UUID_TEXT + 1]; /* kid of the key that signs */
    int64_t newest_ms;          /* when it was made, wall clock */
    int64_t loaded_ms;          /* monotonic */
};

/* What the records hold, before it is put in use. */
struct loaded {
    json_t *jwks;
    char newest[UUID_TEXT + 1];
    int64_t newest_ms;
};

static enum err_code add_record(struct signer *s, struct loaded *l, const struct meta_record *r,
                                struct err *e)
{
    AUTO(json) json_t *root = json_loads(r->value, 0, NULL);
    int64_t made_ms = json_integer_value(json_object_get(root, "made_ms"));
    int64_t useless_ms = made_ms + (int64_t)(s->options.rotate_ms + s->options.lifetime_ms) +
                         2 * JWT_LEEWAY_S * 1000;
    struct meta_op drop = meta_op_record_delete(COLLECTION, str_of(r->key), META_ANY);

    if (clock_wall_ms() > useless_ms)
        return meta_commit(s->meta, &drop, 1, 0, NULL, e);
    json_array_append(json_object_get(l->jwks, "keys"), json_object_get(root, "jwk"));
    if (made_ms > l->newest_ms && str_copy(str_of(r->key), l->newest, sizeof(l->newest)))
        l->newest_ms = made_ms;
    return ERR_OK;
}

static enum err_code put_in_use(struct signer *s, const struct loaded *l, struct err *e)
{
    char *text = json_dumps(l->jwks, JSON_COMPACT);
    struct jwt_keys *keys;

    if (!text)
        return err_set(e, ERR_INTERNAL, "signing keys can't be read");
    if (jwt_keys_parse(str_of(text), &keys, e) != ERR_OK) {
        free(text);
        return ERR_INTERNAL;
    }
    free(text);
    pthread_mutex_lock(&s->mutex);
    jwt_keys_free(s->keys);
    s->keys = keys;
    memcpy(s->newest, l->newest, sizeof(s->newest));
    s->newest_ms = l->newest_ms;
    s->loaded_ms = clock_mono_ms();
    pthread_mutex_unlock(&s->mutex);
    return ERR_OK;
}

static enum err_code load(struct signer *s, struct err *e)
{
    AUTO(records) struct meta_record_list list = {0};
    AUTO(json) json_t *jwks = json_pack("{s:[]}", "keys");
    struct loaded l = {.jwks = jwks};

    TRY(meta_records(s->meta, COLLECTION, STR(""), KEYS_LIMIT, &list, e));
    for (size_t i = 0; i < list.n; i++)
        TRY(add_record(s, &l, &list.rows[i], e));
    return put_in_use(s, &l, e);
}

static enum err_code make(struct signer *s, struct err *e)
{
    AUTO(mem) char *jwk = NULL;
    AUTO(mem) char *value = NULL;
    struct uuid kid;
    struct meta_op op;
    json_t *record;

    uuid_make(&kid);
    TRY(jwt_key_make(s->options.algorithm, kid.text, &jwk, e));
    record = json_pack("{s:o, s:I}", "jwk", json_loads(jwk, 0, NULL), "made_ms",
                       (json_int_t)clock_wall_ms());
    value = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    if (!value)
        return err_set(e, ERR_INTERNAL, "a signing key can't be written");
    op = meta_op_record_put(COLLECTION, str_of(kid.text), str_of(value), META_ABSENT);
    return meta_commit(s->meta, &op, 1, 0, NULL, e);
}

enum err_code signer_tend(struct signer *s, struct err *e)
{
    int64_t age_ms;

    TRY(load(s, e));
    pthread_mutex_lock(&s->mutex);
    age_ms = clock_wall_ms() - s->newest_ms;
    pthread_mutex_unlock(&s->mutex);
    if (age_ms < (int64_t)s->options.rotate_ms)
        return ERR_OK;
    TRY(make(s, e));
    return load(s, e);
}

enum err_code signer_new(struct meta *m, const struct signer_options *o, struct signer **ret_signer,
                         struct err *e)
{
    struct signer *s = NEW(struct signer);
    enum err_code code;

    s->meta = m;
    s->options = *o;
    pthread_mutex_init(&s->mutex, NULL);
    code = signer_tend(s, e);
    if (code != ERR_OK) {
        signer_free(s);
        return code;
    }
    *ret_signer = s;
    return ERR_OK;
}

void signer_free(struct signer *s)
{
    if (!s)
        return;
    jwt_keys_free(s->keys);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

enum err_code signer_sign(struct signer *s, const json_t *claims, char **ret_token, struct err *e)
{
    enum err_code code;

    pthread_mutex_lock(&s->mutex);
    code = jwt_sign(s->keys, s->newest, claims, ret_token, e);
    pthread_mutex_unlock(&s->mutex);
    return code;
}

static enum err_code verify_once(struct signer *s, struct str token, json_t **ret_claims,
                                 bool *ret_reload, struct err *e)
{
    static const char *const algorithms[] = {"ES256", "RS256", NULL};
    enum err_code code;

    pthread_mutex_lock(&s->mutex);
    code = jwt_verify(s->keys, token, algorithms, ret_claims, ret_reload, e);
    *ret_reload &= clock_mono_ms() - s->loaded_ms > RELOAD_MS;
    pthread_mutex_unlock(&s->mutex);
    return code;
}

enum err_code signer_verify(struct signer *s, struct str token, json_t **ret_claims, struct err *e)
{
    bool reload;
    enum err_code code = verify_once(s, token, ret_claims, &reload, e);

    if (code == ERR_OK || !reload)
        return code;
    TRY(load(s, e));
    return verify_once(s, token, ret_claims, &reload, e);
}

char *signer_jwks(struct signer *s)
{
    char *text;

    pthread_mutex_lock(&s->mutex);
    text = jwt_keys_public(s->keys);
    pthread_mutex_unlock(&s->mutex);
    return text;
}
