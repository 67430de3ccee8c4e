#include "auth/people/user_change.h"

#include "auth/core/credential.h"
#include "auth/core/given.h"
#include "auth/people/password.h"
#include "auth/people/strength.h"
#include "auth/people/user_edit.h"
#include "auth/people/user_record.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>

static enum err_code set_groups(struct user *u, const struct str *groups, size_t n, struct err *e)
{
    user_texts_free(STEAL(u->groups), u->n_groups);
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
    if (credential_is_access_token(password))
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
    AUTO(mem) char *value = user_to_text(u);
    struct meta_op op =
        meta_op_record_put(USER_COLLECTION, str_of(u->name), str_of(value), META_ABSENT);
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
    u.stamp = identity_stamp_new();
    u.created_ms = u.changed_ms = clock_wall_ms();
    return put_new(a, &u, e);
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
        u->stamp = identity_stamp_new();
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
    TRY(user_edit(
        a,
        &(struct user_edit){.name = name, .fn = apply_change, .ctx = &changing, .force = c->force},
        e));
    if (hash || (c->disabled && *c->disabled))
        return user_end_sign_ins(a, name, e);
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

enum err_code user_remove(struct accounts *a, struct str name, bool force, struct err *e)
{
    char subject[IDENTITY_SUBJECT_SIZE];

    TRY(user_edit(a, &(struct user_edit){.name = name, .force = force}, e));
    TRY(user_end_sign_ins(a, name, e));
    snprintf(subject, sizeof(subject), "user:" STR_FMT, STR_ARG(name));
    /* Without their user they are good for nothing already. */
    return given_take_back(a, GIVEN_ACCESS_TOKENS, subject, NULL, e);
}
