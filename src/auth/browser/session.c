#include "auth/browser/session.h"

#include "auth/core/identity_json.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define COLLECTION STR("sessions")
#define OWNERS     STR("session-owners") /* by subject; see struct owner */
#define ID_BYTES   32
#define TRIES      8 /* of a start that meets one on another replica */
#define SWEEP_MS   600000
#define USE_MS     60000 /* that a session is used is written at most so often */

#define SUBJECT_MAX 512

#define COOKIE "session"
#define CSRF   "csrf"

struct sessions {
    struct meta *meta;
    const struct seal *seal;
    struct session_options options;
    renew_fn renew;
    void *renew_ctx;
    pthread_mutex_t starting;
};

struct sessions *sessions_new(struct meta *m, const struct seal *s, const struct session_options *o)
{
    struct sessions *all = NEW(struct sessions);

    *all = (struct sessions){.meta = m, .seal = s, .options = *o};
    pthread_mutex_init(&all->starting, NULL);
    return all;
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->starting);
    free(s);
}

void sessions_renew_by(struct sessions *s, renew_fn renew, void *ctx)
{
    s->renew = renew;
    s->renew_ctx = ctx;
}

/* The key of the record. False: it is no cookie of ours. */
static bool key_of(const struct sessions *s, struct str cookie, struct digest *ret_key)
{
    unsigned char id[ID_BYTES];
    struct str text;

    if (!str_cut(&cookie, '.', &text) || !hex_decode(text, id, sizeof(id)) ||
        !seal_mac_matches(s->seal, COOKIE, text, cookie))
        return false;
    digest_of(DIGEST_SHA256, id, sizeof(id), ret_key);
    return true;
}

static struct meta_op delete_op(struct str key)
{
    return meta_op_record_delete(COLLECTION, key, META_ANY);
}

static enum err_code drop(struct sessions *s, struct str key, struct err *e)
{
    struct meta_op op = delete_op(key);

    return meta_commit(s->meta, &op, 1, 0, NULL, e);
}

enum err_code session_end(struct sessions *s, struct str cookie, struct err *e)
{
    struct digest key;

    return key_of(s, cookie, &key) ? drop(s, digest_str(&key), e) : ERR_OK;
}

void session_csrf(const struct sessions *s, struct str cookie,
                  char ret_token[static SEAL_MAC_TEXT + 1])
{
    seal_mac(s->seal, CSRF, cookie, ret_token);
}

bool session_csrf_matches(const struct sessions *s, struct str cookie, struct str token)
{
    return seal_mac_matches(s->seal, CSRF, cookie, token);
}

/* Records. */

static int64_t int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static bool ended(const struct sessions *s, const json_t *record, int64_t now_ms)
{
    return now_ms >= int_of(record, "until_ms") ||
           now_ms - int_of(record, "used_ms") >= (int64_t)s->options.idle_ms;
}

/* It was used. Never over another change: who signed out meanwhile stays so. */
static void touch(struct sessions *s, const struct meta_record *r, json_t *record, int64_t now_ms)
{
    int64_t step_ms = (int64_t)s->options.idle_ms / 8;
    AUTO(mem) char *value = NULL;

    if (now_ms - int_of(record, "used_ms") < (step_ms < USE_MS ? step_ms : USE_MS))
        return;
    json_object_set_new(record, "used_ms", json_integer(now_ms));
    value = json_dumps(record, JSON_COMPACT);
    if (value)
        meta_record_note(s->meta, COLLECTION, &(struct meta_record){r->key, value, r->version});
}

/* Starting one, and how many there are of one owner. */

/* Their record: the keys of their sessions, the oldest first. Only another start changes it, so
 * some may have ended. */
struct owner {
    char subject[SUBJECT_MAX];
    json_t *keys;
    int64_t version;
};

static void auto_owner_(struct owner *o)
{
    json_decref(o->keys);
}

static enum err_code owner_read(struct sessions *s, const struct identity *who, struct owner *ret,
                                struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code;

    identity_subject(who, ret->subject, sizeof(ret->subject));
    code = meta_record_get(s->meta, OWNERS, str_of(ret->subject), &r, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    ret->version = code == ERR_OK ? r.version : META_ABSENT;
    ret->keys = code == ERR_OK ? json_loads(r.value, 0, NULL) : NULL;
    if (!json_is_array(ret->keys)) {
        json_decref(ret->keys);
        ret->keys = json_array();
    }
    return ERR_OK;
}

static struct str key_at(const json_t *keys, size_t i)
{
    const char *key = json_string_value(json_array_get(keys, i));

    return str_of(key ? key : "");
}

/* Takes those out of the list that have ended. */
static enum err_code leave_open(struct sessions *s, json_t *keys, struct err *e)
{
    for (size_t i = 0; i < json_array_size(keys);) {
        AUTO(record) struct meta_record r = {0};
        AUTO(json) json_t *record = NULL;
        enum err_code code = meta_record_get(s->meta, COLLECTION, key_at(keys, i), &r, e);

        if (code != ERR_OK && code != ERR_NOT_FOUND)
            return code;
        record = code == ERR_OK ? json_loads(r.value, 0, NULL) : NULL;
        if (ended(s, record, clock_wall_ms()))
            json_array_remove(keys, i);
        else
            i++;
    }
    return ERR_OK;
}

static struct meta_op put_op(struct str collection, struct str key, const char *value,
                             int64_t expected_version)
{
    return meta_op_record_put(collection, key, str_of(value), expected_version);
}

/* The new session, the end of the oldest ones that are too many, and the list: all at once. */
static enum err_code put_once(struct sessions *s, const struct identity *who, struct str key,
                              const char *value, size_t most, struct err *e)
{
    AUTO(owner) struct owner o = {0};
    AUTO(json) json_t *kept = json_array();
    AUTO(mem) struct meta_op *ops = NULL;
    AUTO(mem) char *list = NULL;
    size_t n, over, n_ops = 0;

    TRY(owner_read(s, who, &o, e));
    if (json_array_size(o.keys) >= most)
        TRY(leave_open(s, o.keys, e));
    n = json_array_size(o.keys);
    over = n >= most ? n - most + 1 : 0;
    ops = mem_alloc((over + 2) * sizeof(*ops));
    for (size_t i = 0; i < n; i++) {
        if (i < over)
            ops[n_ops++] = delete_op(key_at(o.keys, i));
        else
            json_array_append(kept, json_array_get(o.keys, i));
    }
    json_array_append_new(kept, json_stringn(key.p, key.n));
    list = json_dumps(kept, JSON_COMPACT);
    if (!list)
        return err_set(e, ERR_INTERNAL, "a list of sessions can't be written");
    ops[n_ops++] = put_op(COLLECTION, key, value, META_ABSENT);
    ops[n_ops++] = put_op(OWNERS, str_of(o.subject), list, o.version);
    return meta_commit(s->meta, ops, n_ops, 0, NULL, e);
}

/* Who signs in twice at once does so one after the other; another replica may still be between. */
static enum err_code put(struct sessions *s, const struct identity *who, struct str key,
                         const char *value, size_t most, struct err *e)
{
    enum err_code code = ERR_CONFLICT;

    pthread_mutex_lock(&s->starting);
    for (int i = 0; i < TRIES && code == ERR_CONFLICT; i++)
        code = put_once(s, who, key, value, most, e);
    pthread_mutex_unlock(&s->starting);
    return code == ERR_CONFLICT ? err_set(e, ERR_UNAVAILABLE, "too many sign in at once") : code;
}

enum err_code session_start(struct sessions *s, const struct identity *who, size_t most,
                            struct session_cookie *ret_cookie, struct err *e)
{
    unsigned char id[ID_BYTES];
    char text[2 * ID_BYTES + 1], mac[SEAL_MAC_TEXT + 1];
    int64_t now_ms = clock_wall_ms(), until_ms = now_ms + (int64_t)s->options.lifetime_ms;
    AUTO(json) json_t *record = NULL;
    AUTO(mem) char *value = NULL;
    struct digest key;

    if (who->expires_ms < until_ms) /* as a token does */
        until_ms = who->expires_ms;
    random_bytes(id, sizeof(id));
    digest_of(DIGEST_SHA256, id, sizeof(id), &key);
    record = json_pack("{s:I, s:I, s:o}", "until_ms", (json_int_t)until_ms, "used_ms",
                       (json_int_t)now_ms, "who", identity_to_json(who));
    value = json_dumps(record, JSON_COMPACT);
    if (!value)
        return err_set(e, ERR_INTERNAL, "a session can't be written");
    TRY(put(s, who, digest_str(&key), value, most, e));
    hex_encode(id, sizeof(id), text);
    seal_mac(s->seal, COOKIE, str_of(text), mac);
    snprintf(ret_cookie->text, sizeof(ret_cookie->text), "%s.%s", text, mac);
    ret_cookie->until_ms = until_ms;
    return ERR_OK;
}

/* Who shows one. */

static enum verdict over(struct err *e)
{
    err_tell(e, ERR_UNAUTHORIZED, "the session has ended; sign in again");
    return VERDICT_NO;
}

/* Who *id is now, who signed in some time ago. */
static enum verdict renew(struct sessions *s, struct identity **id, struct err *e)
{
    if ((*id)->expires_ms <= clock_wall_ms())
        return VERDICT_NO;
    return s->renew ? s->renew(s->renew_ctx, id, e) : VERDICT_YES;
}

static enum verdict check_record(struct sessions *s, const struct meta_record *r,
                                 struct identity **ret_identity, struct err *e)
{
    AUTO(json) json_t *record = json_loads(r->value, 0, NULL);
    AUTO(identity) struct identity *id = NULL;
    int64_t now_ms = clock_wall_ms();
    enum verdict v = VERDICT_NO;

    if (!ended(s, record, now_ms)) {
        id = identity_from_json(json_object_get(record, "who"));
        v = id ? renew(s, &id, e) : VERDICT_NO;
    }
    if (v == VERDICT_FAIL)
        return v;
    if (v != VERDICT_YES) {
        (void)!drop(s, str_of(r->key), e);
        return over(e);
    }
    touch(s, r, record, now_ms);
    if (int_of(record, "until_ms") < id->expires_ms)
        id->expires_ms = int_of(record, "until_ms");
    *ret_identity = STEAL(id);
    return VERDICT_YES;
}

/* The provider. */

struct session_provider {
    struct provider provider;
    struct sessions *sessions;
    int64_t sweep_ms; /* monotonic: the next one; of the thread that tends */
};

static enum verdict session_check(struct provider *p, const struct credential *c,
                                  struct identity **ret_identity, struct err *e)
{
    struct sessions *s = ((struct session_provider *)p)->sessions;
    AUTO(record) struct meta_record r = {0};
    struct digest key;
    enum err_code code;

    if (!key_of(s, c->secret, &key))
        return over(e);
    code = meta_record_get(s->meta, COLLECTION, digest_str(&key), &r, e);
    if (code == ERR_NOT_FOUND)
        return over(e);
    if (code != ERR_OK)
        return VERDICT_FAIL;
    return check_record(s, &r, ret_identity, e);
}

static enum err_code drop_ended(void *ctx, const struct meta_record *r, struct err *e)
{
    struct sessions *s = ctx;
    AUTO(json) json_t *record = json_loads(r->value, 0, NULL);

    return ended(s, record, clock_wall_ms()) ? drop(s, str_of(r->key), e) : ERR_OK;
}

/* Never over a start: who has none may just have got one. */
static enum err_code drop_owner(void *ctx, const struct meta_record *r, struct err *e)
{
    struct sessions *s = ctx;
    AUTO(json) json_t *keys = json_loads(r->value, 0, NULL);
    struct meta_op op = meta_op_record_delete(OWNERS, str_of(r->key), r->version);
    enum err_code code;

    TRY(leave_open(s, keys, e));
    if (json_array_size(keys) > 0)
        return ERR_OK;
    code = meta_commit(s->meta, &op, 1, 0, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code;
}

enum err_code sessions_sweep(struct sessions *s, struct err *e)
{
    TRY(meta_records_each(s->meta, COLLECTION, drop_ended, s, e));
    return meta_records_each(s->meta, OWNERS, drop_owner, s, e);
}

static enum err_code session_tend(struct provider *base, struct err *e)
{
    struct session_provider *p = (struct session_provider *)base;
    int64_t now_ms = clock_mono_ms();

    if (now_ms < p->sweep_ms)
        return ERR_OK;
    p->sweep_ms = now_ms + SWEEP_MS;
    return sessions_sweep(p->sessions, e);
}

static void session_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver session_driver = {
    .name = "session",
    .kinds = 1u << CREDENTIAL_SESSION,
    .check = session_check,
    .tend = session_tend,
    .free = session_free,
};

struct provider *sessions_provider(struct sessions *s)
{
    struct session_provider *p = NEW(struct session_provider);

    p->provider.driver = &session_driver;
    p->sessions = s;
    return &p->provider;
}
