#include "auth/user.h"

#include "auth/access_token.h"
#include "auth/jwt.h"
#include "auth/strength.h"
#include "auth/token.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define COLLECTION STR("users")
#define PAGE       256
#define TRIES      8 /* of a change that meets another one */
#define SEEN_MS    (3600 * 1000)

#define SUBJECT_MAX (IDENTITY_NAME_MAX + 8)

static void texts_free(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

void user_done(struct user *u)
{
    texts_free(u->groups, u->n_groups);
    texts_free(u->recovery, u->n_recovery);
    free(u->name);
    free(u->id);
    free(u->hash);
    free(u->totp);
    *u = (struct user){0};
}

void user_list_done(struct user_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        user_done(&l->rows[i]);
    free(l->rows);
    *l = (struct user_list){0};
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

/* The caller frees. */
static char *to_text(const struct user *u)
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
        json_object_set_new(
            j, "totp",
            json_pack("{s:s, s:I}", "secret", u->totp, "step", (json_int_t)u->totp_step));
    text = json_dumps(j, JSON_COMPACT);
    if (!text)
        abort(); /* names and groups are ASCII; fails only without memory */
    return text;
}

static int64_t int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static enum err_code from_record(const struct meta_record *r, struct user *ret, struct err *e)
{
    AUTO(json) json_t *j = json_loads(r->value, 0, NULL);
    const char *id = json_string_value(json_object_get(j, "id"));
    const char *hash = json_string_value(json_object_get(j, "hash"));
    const json_t *totp = json_object_get(j, "totp");
    const char *secret = json_string_value(json_object_get(totp, "secret"));

    if (!id || !hash || (totp && !secret))
        return err_set(e, ERR_CORRUPT, "the record of user '%s' is damaged", r->key);
    *ret = (struct user){
        .name = mem_strdup(r->key),
        .id = mem_strdup(id),
        .hash = mem_strdup(hash),
        .admin = json_is_true(json_object_get(j, "admin")),
        .disabled = json_is_true(json_object_get(j, "disabled")),
        .totp = secret ? mem_strdup(secret) : NULL,
        .totp_step = int_of(totp, "step"),
        .stamp = int_of(j, "stamp"),
        .created_ms = int_of(j, "created_ms"),
        .changed_ms = int_of(j, "changed_ms"),
        .last_ms = int_of(j, "last_ms"),
        .version = r->version,
    };
    texts_from_json(json_object_get(j, "groups"), &ret->groups, &ret->n_groups);
    texts_from_json(json_object_get(j, "recovery"), &ret->recovery, &ret->n_recovery);
    return ERR_OK;
}

static enum err_code unknown(struct str name, struct err *e)
{
    return err_tell(e, ERR_NOT_FOUND, "there is no user '" STR_FMT "'", STR_ARG(name));
}

enum err_code user_get(struct accounts *a, struct str name, struct user *ret_user, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code;

    if (!identity_name_valid(name))
        return unknown(name, e);
    code = meta_record_get(accounts_meta(a), COLLECTION, name, &r, e);
    if (code == ERR_NOT_FOUND)
        return unknown(name, e);
    TRY(code);
    return from_record(&r, ret_user, e);
}

enum err_code user_list(struct accounts *a, struct str after, size_t limit,
                        struct user_list *ret_list, struct err *e)
{
    AUTO(records) struct meta_record_list page = {0};
    AUTO(user_list) struct user_list l = {0};

    TRY(meta_records(accounts_meta(a), COLLECTION, after, limit, &page, e));
    l.rows = mem_zero((page.n + 1) * sizeof(*l.rows));
    for (; l.n < page.n; l.n++)
        TRY(from_record(&page.rows[l.n], &l.rows[l.n], e));
    l.more = page.more;
    *ret_list = l;
    l = (struct user_list){0};
    return ERR_OK;
}

/* Changing. */

static int64_t new_stamp(void)
{
    uint32_t bytes[2];

    random_bytes(bytes, sizeof(bytes));
    return (int64_t)(bytes[0] & 0xfffff) << 32 | bytes[1]; /* a JSON number holds 53 bits */
}

/* Is there an admin who is not disabled, besides this one? */
static enum err_code other_admin(struct accounts *a, const char *name, bool *ret_other,
                                 struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");
    bool more = true;

    *ret_other = false;
    while (more && !*ret_other) {
        AUTO(user_list) struct user_list page = {0};

        TRY(user_list(a, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            *ret_other |= page.rows[i].admin && !page.rows[i].disabled &&
                          strcmp(page.rows[i].name, name) != 0;
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = mem_strdup(page.rows[page.n - 1].name);
        }
    }
    return ERR_OK;
}

static enum err_code keep_an_admin(struct accounts *a, const char *name, struct err *e)
{
    bool other;

    TRY(other_admin(a, name, &other, e));
    if (other)
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "'%s' is the last admin; make another one first", name);
}

typedef enum err_code (*change_fn)(struct user *u, void *ctx, struct err *e);

struct change {
    struct str name;
    change_fn fn; /* NULL: the user goes */
    void *ctx;
    bool force; /* the last admin may go */
    bool quiet; /* it is use, no change that he would know of */
};

static enum err_code change_once(struct accounts *a, const struct change *c, struct err *e)
{
    AUTO(user) struct user u = {0};
    AUTO(mem) char *value = NULL;
    struct meta_op op = {.kind = META_RECORD_DELETE, .collection = COLLECTION, .key = c->name};
    int64_t version;
    bool was;

    TRY(accounts_version(a, &version, e)); /* first, so that all that is read here holds */
    TRY(user_get(a, c->name, &u, e));
    op.expected_version = u.version;
    was = u.admin && !u.disabled;
    if (c->fn) {
        TRY(c->fn(&u, c->ctx, e));
        if (!c->quiet)
            u.changed_ms = clock_wall_ms();
        value = to_text(&u);
        op.kind = META_RECORD_PUT;
        op.value = str_of(value);
    }
    if (was && !c->force && (!c->fn || !u.admin || u.disabled))
        TRY(keep_an_admin(a, u.name, e));
    return accounts_commit(a, &op, 1, version, e);
}

static enum err_code change(struct accounts *a, const struct change *c, struct err *e)
{
    enum err_code code = ERR_CONFLICT;

    for (int i = 0; i < TRIES && code == ERR_CONFLICT; i++)
        code = change_once(a, c, e);
    return code;
}

static enum err_code set_groups(struct user *u, const struct str *groups, size_t n, struct err *e)
{
    texts_free(STEAL(u->groups), u->n_groups);
    u->n_groups = 0;
    if (n > USER_GROUPS_MAX)
        return err_tell(e, ERR_REQUEST_INVALID, "more than %d groups", USER_GROUPS_MAX);
    u->groups = mem_alloc((n + 1) * sizeof(*u->groups));
    for (size_t i = 0; i < n; i++) {
        if (!identity_name_valid(groups[i]))
            return err_tell(e, ERR_REQUEST_INVALID,
                            "'" STR_FMT "' is no name for a group: 1 to %d of A-Z a-z 0-9 . _ @ + -"
                            ", not starting with '-' or '.'",
                            (int)(groups[i].n < 64 ? groups[i].n : 64), groups[i].p,
                            IDENTITY_NAME_MAX);
        u->groups[u->n_groups++] = str_dup(groups[i]);
    }
    return ERR_OK;
}

static enum err_code check_password(struct str name, struct str password, struct err *e)
{
    if (access_token_shaped(password))
        return err_tell(e, ERR_REQUEST_INVALID, "the password looks like a token");
    return strength_check(name, password, e);
}

static enum err_code hash_of(struct str name, struct str password, char **ret_hash, struct err *e)
{
    char hash[PASSWORD_HASH_MAX];

    TRY(check_password(name, password, e));
    TRY(password_hash(password, hash, e));
    *ret_hash = mem_strdup(hash);
    return ERR_OK;
}

static enum err_code put_new(struct accounts *a, const struct user *u, struct err *e)
{
    AUTO(mem) char *value = to_text(u);
    struct meta_op op = {
        .kind = META_RECORD_PUT,
        .collection = COLLECTION,
        .key = str_of(u->name),
        .value = str_of(value),
        .expected_version = META_ABSENT,
    };
    enum err_code code = accounts_commit(a, &op, 1, META_ANY, e);

    if (code == ERR_CONFLICT)
        return err_tell(e, ERR_CONFLICT, "there is a user '%s' already", u->name);
    return code;
}

enum err_code user_add(struct accounts *a, struct str name, struct str password,
                       const struct user_rights *rights, struct err *e)
{
    AUTO(user) struct user u = {0};
    struct uuid id;

    if (!identity_name_valid(name))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'" STR_FMT "' is no name for a user: 1 to %d of A-Z a-z 0-9 . _ @ + -, "
                        "not starting with '-' or '.'",
                        (int)(name.n < 64 ? name.n : 64), name.p, IDENTITY_NAME_MAX);
    TRY(set_groups(&u, rights->groups, rights->n_groups, e));
    u.admin = rights->admin;
    TRY(hash_of(name, password, &u.hash, e));
    uuid_make(&id);
    u.name = str_dup(name);
    u.id = mem_strdup(id.text);
    u.stamp = new_stamp();
    u.created_ms = u.changed_ms = clock_wall_ms();
    return put_new(a, &u, e);
}

/* Refresh tokens of who may not come back with them are of no more use. */
static enum err_code end_sign_ins(struct accounts *a, struct str name, struct err *e)
{
    char subject[SUBJECT_MAX];

    snprintf(subject, sizeof(subject), "user:" STR_FMT, STR_ARG(name));
    return tokens_revoke(accounts_meta(a), subject, e);
}

struct changing {
    const struct user_change *to;
    const char *hash; /* of the password; NULL: it stays */
};

static enum err_code apply_change(struct user *u, void *ctx, struct err *e)
{
    const struct changing *c = ctx;

    if (c->to->groups)
        TRY(set_groups(u, c->to->groups, c->to->n_groups, e));
    if (c->to->admin)
        u->admin = *c->to->admin;
    if (c->to->disabled)
        u->disabled = *c->to->disabled;
    if (c->hash) {
        free(u->hash);
        u->hash = mem_strdup(c->hash);
    }
    if (c->hash || (c->to->disabled && *c->to->disabled))
        u->stamp = new_stamp();
    return ERR_OK;
}

enum err_code user_change(struct accounts *a, struct str name, const struct user_change *c,
                          struct err *e)
{
    AUTO(mem) char *hash = NULL;
    struct changing changing = {.to = c};

    if (c->password.p)
        TRY(hash_of(name, c->password, &hash, e));
    changing.hash = hash;
    TRY(change(
        a, &(struct change){.name = name, .fn = apply_change, .ctx = &changing, .force = c->force},
        e));
    if (hash || (c->disabled && *c->disabled))
        return end_sign_ins(a, name, e);
    return ERR_OK;
}

enum err_code user_set_password(struct accounts *a, struct str name, struct str password,
                                struct err *e)
{
    if (!password.p)
        password = STR("");
    return user_change(a, name, &(struct user_change){.password = password}, e);
}

enum err_code user_set_disabled(struct accounts *a, struct str name, bool disabled, bool force,
                                struct err *e)
{
    return user_change(a, name, &(struct user_change){.disabled = &disabled, .force = force}, e);
}

enum err_code user_set_rights(struct accounts *a, struct str name, const struct user_rights *rights,
                              bool force, struct err *e)
{
    static const struct str none;
    struct user_change c = {
        .admin = &rights->admin,
        .groups = rights->groups ? rights->groups : &none,
        .n_groups = rights->n_groups,
        .force = force,
    };

    return user_change(a, name, &c, e);
}

enum err_code user_remove(struct accounts *a, struct str name, bool force, struct err *e)
{
    char subject[SUBJECT_MAX];

    TRY(change(a, &(struct change){.name = name, .force = force}, e));
    TRY(end_sign_ins(a, name, e));
    snprintf(subject, sizeof(subject), "user:" STR_FMT, STR_ARG(name));
    /* Without their user they are good for nothing already. */
    return access_token_remove_of(a, subject, NULL, e);
}

/* The second factor. */

static void clear_totp(struct user *u)
{
    texts_free(STEAL(u->recovery), u->n_recovery);
    u->n_recovery = 0;
    free(STEAL(u->totp));
    u->totp_step = 0;
}

static enum err_code set_totp(struct user *u, void *ctx, struct err *e)
{
    const struct totp_setup *setup = ctx;
    char hash[TOTP_HASH_TEXT + 1];

    (void)e;
    clear_totp(u);
    u->totp = mem_strdup(setup->secret);
    u->recovery = mem_alloc(TOTP_RECOVERY_N * sizeof(*u->recovery));
    for (size_t i = 0; i < TOTP_RECOVERY_N; i++) {
        if (!totp_recovery_hash(str_of(setup->recovery[i]), hash))
            abort(); /* we made it */
        u->recovery[u->n_recovery++] = mem_strdup(hash);
    }
    u->stamp = new_stamp(); /* who signed in with the password alone does so again */
    return ERR_OK;
}

enum err_code user_set_totp(struct accounts *a, struct str name, const char *issuer,
                            struct totp_setup *ret_setup, struct err *e)
{
    struct totp_setup setup;
    enum err_code code;

    TRY(totp_make(issuer, name, &setup, e));
    code = change(a, &(struct change){.name = name, .fn = set_totp, .ctx = &setup}, e);
    if (code == ERR_OK)
        *ret_setup = setup;
    OPENSSL_cleanse(&setup, sizeof(setup));
    return code == ERR_OK ? end_sign_ins(a, name, e) : code;
}

static enum err_code drop_totp(struct user *u, void *ctx, struct err *e)
{
    (void)ctx;
    (void)e;
    clear_totp(u);
    return ERR_OK;
}

enum err_code user_clear_totp(struct accounts *a, struct str name, struct err *e)
{
    return change(a, &(struct change){.name = name, .fn = drop_totp}, e);
}

struct take {
    const struct user *seen; /* as he was when his password was looked at */
    struct str code;
    int64_t now_ms;
};

static bool take_recovery(struct user *u, struct str code)
{
    char hash[TOTP_HASH_TEXT + 1];
    size_t found = u->n_recovery;

    if (!totp_recovery_hash(code, hash))
        return false;
    for (size_t i = 0; i < u->n_recovery; i++) {
        if (strlen(u->recovery[i]) == TOTP_HASH_TEXT &&
            CRYPTO_memcmp(u->recovery[i], hash, TOTP_HASH_TEXT) == 0)
            found = i;
    }
    if (found == u->n_recovery)
        return false;
    free(u->recovery[found]);
    u->recovery[found] = u->recovery[--u->n_recovery];
    return true;
}

static enum err_code take(struct user *u, void *ctx, struct err *e)
{
    const struct take *t = ctx;

    if (!u->totp || u->disabled || u->stamp != t->seen->stamp ||
        (!totp_matches(u->totp, t->code, t->now_ms, u->totp_step, &u->totp_step) &&
         !take_recovery(u, t->code)))
        return err_tell(e, ERR_UNAUTHORIZED, "the code is wrong, or was used before");
    u->last_ms = t->now_ms;
    return ERR_OK;
}

enum err_code user_take_code(struct accounts *a, const struct user *u, struct str code,
                             int64_t now_ms, struct err *e)
{
    struct take t = {u, code, now_ms};

    return change(
        a, &(struct change){.name = str_of(u->name), .fn = take, .ctx = &t, .quiet = true}, e);
}

/* Use. */

void user_seen(struct accounts *a, const struct user *u, int64_t now_ms)
{
    struct user seen = *u;
    AUTO(mem) char *value = NULL;
    struct meta_op op = {
        .kind = META_RECORD_PUT,
        .collection = COLLECTION,
        .key = str_of(u->name),
        .expected_version = u->version, /* never over a change of something that matters */
    };
    struct err ignored;

    if (now_ms - u->last_ms < SEEN_MS)
        return;
    seen.last_ms = now_ms;
    value = to_text(&seen);
    op.value = str_of(value);
    (void)!meta_commit(accounts_meta(a), &op, 1, META_LAZY, NULL, &ignored);
}

struct identity *user_identity(const struct user *u, const char *provider)
{
    struct identity *id = identity_new(IDENTITY_USER, str_of(u->name), provider);

    id->admin = u->admin;
    id->stamp = u->stamp;
    for (size_t i = 0; i < u->n_groups; i++)
        identity_add_group(id, str_of(u->groups[i]));
    return id;
}
