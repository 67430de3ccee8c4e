#include "auth/people/user_edit.h"

#include "auth/core/given.h"
#include "auth/people/user_record.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <stdio.h>

#define TRIES 8 /* of a change that meets another one */

struct search {
    const char *but;
    bool found;
};

static enum err_code find_admin(void *ctx, const void *row, struct err *e)
{
    struct search *s = ctx;
    const struct user *u = row;

    (void)e;
    s->found |= u->admin && !u->disabled && strcmp(u->name, s->but) != 0;
    return ERR_OK;
}

/* Is there an admin who is not disabled, besides this one? */
static enum err_code keep_an_admin(struct accounts *a, const char *name, struct err *e)
{
    struct search s = {.but = name};

    TRY(user_each(a, find_admin, &s, e));
    if (s.found)
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "'%s' is the last admin; make another one first", name);
}

static enum err_code edit_once(struct accounts *a, const struct user_edit *edit, struct err *e)
{
    AUTO(user) struct user u = {0};
    AUTO(mem) char *value = NULL;
    struct meta_op op;
    int64_t version;
    bool was;

    TRY(accounts_version(a, &version, e)); /* first, so that all that is read here holds */
    TRY(user_get(a, edit->name, &u, e));
    op = meta_op_record_delete(USER_COLLECTION, edit->name, u.version);
    was = u.admin && !u.disabled;
    if (edit->fn) {
        TRY(edit->fn(&u, edit->ctx, e));
        if (!edit->quiet)
            u.changed_ms = clock_wall_ms();
        value = user_to_text(&u);
        op = meta_op_record_put(USER_COLLECTION, edit->name, str_of(value), u.version);
    }
    if (was && !edit->force && (!edit->fn || !u.admin || u.disabled))
        TRY(keep_an_admin(a, u.name, e));
    return edit->quiet ? meta_commit(accounts_meta(a), &op, 1, 0, NULL, e)
                       : accounts_commit(a, &op, 1, version, e);
}

enum err_code user_edit(struct accounts *a, const struct user_edit *edit, struct err *e)
{
    enum err_code code = ERR_CONFLICT;

    for (int i = 0; i < TRIES && code == ERR_CONFLICT; i++)
        code = edit_once(a, edit, e);
    return code;
}

enum err_code user_end_sign_ins(struct accounts *a, struct str name, struct err *e)
{
    char subject[IDENTITY_SUBJECT_SIZE];

    snprintf(subject, sizeof(subject), "user:" STR_FMT, STR_ARG(name));
    return given_take_back(a, GIVEN_REFRESH_TOKENS, subject, NULL, e);
}
