#include "support.h"
#include "auth/people/user_change.h"
#include "auth/people/user_totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct meta *meta;
struct accounts *accounts;

int accounts_setup(void **state)
{
    struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct err e;

    (void)state;
    if (meta_sqlite_new(&o, &meta, &e) != ERR_OK)
        return -1;
    accounts = accounts_new(meta);
    return 0;
}

int accounts_teardown(void **state)
{
    (void)state;
    accounts_free(accounts);
    meta_free(meta);
    return 0;
}

void make_user(const char *name, bool admin, const char *group)
{
    struct str one = str_of(group);
    struct user_rights rights = {.admin = admin, .groups = &one, .n_groups = group ? 1 : 0};
    struct err e;

    assert_int_equal(user_add(accounts, str_of(name), STR(PASSWORD), &rights, &e), ERR_OK);
}

void make_user_with_factor(const char *name, struct totp_setup *ret)
{
    struct err e;

    make_user(name, false, NULL);
    assert_int_equal(user_set_totp(accounts, str_of(name), "X", ret, &e), ERR_OK);
}

enum err_code set_rights(const char *name, const struct user_rights *rights, bool force,
                         struct err *e)
{
    static const struct str none;
    struct user_change c = {
        .admin = &rights->admin,
        .groups = rights->groups ? rights->groups : &none,
        .n_groups = rights->n_groups,
        .force = force,
    };

    return user_change(accounts, str_of(name), &c, e);
}
