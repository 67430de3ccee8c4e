#include "net/directory_search.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "net/directory_conn.h"

#define VALUES_MAX 4096 /* of one attribute */
#define VALUE_MAX  1024 /* bytes */

/* RFC 4511 appendix A: what a server answers for a wrong password, or one that may not be used. */
static bool refused(int rc)
{
    static const int codes[] = {LDAP_INVALID_CREDENTIALS, LDAP_INAPPROPRIATE_AUTH,
                                LDAP_NO_SUCH_OBJECT,      LDAP_INSUFFICIENT_ACCESS,
                                LDAP_INVALID_DN_SYNTAX,   LDAP_UNWILLING_TO_PERFORM,
                                LDAP_CONSTRAINT_VIOLATION};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (rc == codes[i])
            return true;
    }
    return false;
}

enum err_code directory_check(struct directory_conn *c, const char *dn, struct str password,
                              struct err *e)
{
    int rc;

    if (!*dn || password.n == 0)
        return err_set(e, ERR_UNAUTHORIZED, "no name or no password");
    rc = directory_conn_try(c, dn, password);
    if (rc == LDAP_SUCCESS)
        return ERR_OK;
    if (refused(rc))
        return err_set(e, ERR_UNAUTHORIZED, "the directory refuses the password");
    return directory_conn_failed(c, rc, "bind as the user", e);
}

/* Searches. */

static void take_values(struct directory_conn *c, LDAPMessage *m, const char *attribute,
                        struct directory_values *ret)
{
    struct berval **values = libldap()->ldap_get_values_len(c->handle, m, attribute);
    char text[VALUE_MAX];

    for (size_t i = 0; values && values[i] && ret->n < VALUES_MAX; i++) {
        if (!str_copy((struct str){values[i]->bv_val, values[i]->bv_len}, text, sizeof(text)))
            continue;
        ret->items = mem_resize(ret->items, (ret->n + 1) * sizeof(char *));
        ret->items[ret->n++] = mem_strdup(text);
    }
    libldap()->ldap_value_free_len(values);
}

static void take_entry(struct directory_conn *c, LDAPMessage *m, const struct directory_search *s,
                       struct directory_entries *ret)
{
    char *dn = libldap()->ldap_get_dn(c->handle, m);
    struct directory_entry *entry;

    if (!dn)
        return;
    ret->items = mem_resize(ret->items, (ret->n + 1) * sizeof(*ret->items));
    entry = &ret->items[ret->n++];
    *entry = (struct directory_entry){.dn = mem_strdup(dn)};
    libldap()->ldap_memfree(dn);
    for (size_t i = 0; s->attributes[i]; i++)
        take_values(c, m, s->attributes[i], &entry->values[i]);
}

enum err_code directory_search(struct directory_conn *c, const struct directory_search *s,
                               struct directory_entries *ret, struct err *e)
{
    struct timeval timeout = directory_conn_timeout(c->conf);
    struct directory_entries found = {0};
    LDAPMessage *answer = NULL;
    int rc;

    if (directory_conn_bind(c, e) != ERR_OK) {
        c->broken = true; /* a new one is refused as well, and then nobody asks for a moment */
        return e->code = ERR_UNAVAILABLE;
    }
    directory_deadline_set(&c->deadline, c->conf->timeout_ms);
    rc = libldap()->ldap_search_ext_s(c->handle, s->base, LDAP_SCOPE_SUBTREE, s->filter,
                                      (char **)s->attributes, 0, NULL, NULL, &timeout,
                                      (int)s->max + 1, &answer);
    if (rc != LDAP_SUCCESS && rc != LDAP_SIZELIMIT_EXCEEDED) {
        libldap()->ldap_msgfree(answer);
        return directory_conn_failed(c, rc, "search", e);
    }
    for (LDAPMessage *m = libldap()->ldap_first_entry(c->handle, answer); m && found.n < s->max;
         m = libldap()->ldap_next_entry(c->handle, m)) {
        take_entry(c, m, s, &found);
        found.more = libldap()->ldap_next_entry(c->handle, m) != NULL;
    }
    found.more = found.more || rc == LDAP_SIZELIMIT_EXCEEDED;
    libldap()->ldap_msgfree(answer);
    *ret = found;
    return ERR_OK;
}

void directory_entries_done(struct directory_entries *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t a = 0; a < DIRECTORY_ATTRIBUTES_MAX; a++) {
            for (size_t v = 0; v < l->items[i].values[a].n; v++)
                free(l->items[i].values[a].items[v]);
            free(l->items[i].values[a].items);
        }
        free(l->items[i].dn);
    }
    free(STEAL(l->items));
    l->n = 0;
}
