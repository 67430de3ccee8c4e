#include "conf/distribution/take.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* "auth: htpasswd" without anything below. */
enum err_code take_auth(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry, struct err *e)
{
    static const char *const known[] = {"none", "htpasswd", "token"};

    (void)row;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!entry->value || strcmp(entry->value, known[i]) == 0)
            return ERR_OK; /* what is below tells */
    }
    if (strcmp(entry->value, "silly") == 0)
        return take_refuse(t, entry, "'silly' lets everyone in who says anything", e);
    return take_refuse(t, entry, "is no way to sign in; allowed are 'htpasswd' and 'token'", e);
}

/* The reference registry starts without it. Here nobody could sign in, which is safe, and is told.
 * It asks for the password itself, as the challenge says to clients. */
enum err_code take_htpasswd(struct taking *t, const struct distribution_row *row,
                            const struct flat_entry *entry, struct err *e)
{
    struct stat st = {0};
    char warning[256];

    TRY(take_set(t, "auth.token.enabled", entry, "passwords are asked for directly", STR("false"),
                 e));
    if (t->source->elsewhere || (stat(entry->value, &st) == 0 && S_ISREG(st.st_mode)))
        return take_set(t, row->to, entry, row->note, str_of(entry->value), e);
    snprintf(warning, sizeof(warning),
             "%s, so nobody can sign in with a password; make the file with 'htpasswd -Bc FILE "
             "USER' and start again",
             S_ISDIR(st.st_mode) ? "is a directory" : strerror(errno));
    take_warn(t, entry, warning);
    return take_set(t, "auth.mode", entry, "nobody can sign in", STR("on"), e);
}

static bool redirects(const struct taking *t)
{
    return take_is_true(flat_value(t->flat, "auth.token.autoredirect"));
}

enum err_code take_realm(struct taking *t, const struct distribution_row *row,
                         const struct flat_entry *entry, struct err *e)
{
    return redirects(t) ? ERR_OK : take_text(t, row, entry, e);
}

/* A path is one at the address that the client used. */
enum err_code take_autoredirect(struct taking *t, const struct distribution_row *row,
                                const struct flat_entry *entry, struct err *e)
{
    const char *path = flat_value(t->flat, "auth.token.autoredirectpath");

    if (!redirects(t))
        return ERR_OK;
    return take_set(t, row->to, entry, "at the address that the client used",
                    *path ? str_of(path) : STR("/auth/token/"), e);
}

static bool is_choice(const struct conf_row *row, const char *value)
{
    for (const char *const *choice = row->choices; *choice; choice++) {
        if (strcmp(*choice, value) == 0)
            return true;
    }
    return false;
}

enum err_code take_algorithm(struct taking *t, const struct distribution_row *row,
                             const struct flat_entry *entry, struct err *e)
{
    if (is_choice(conf_row_find(str_of(row->to)), entry->value))
        return take_add(t, row->to, entry, NULL, str_of(entry->value), e);
    take_warn(t, entry, row->note);
    return ERR_OK;
}
