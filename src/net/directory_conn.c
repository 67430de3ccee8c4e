#include "net/directory_conn.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/directory_deadline.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>

#define VALUES_MAX   4096 /* of one attribute */
#define VALUE_MAX    1024 /* bytes */
#define PASSWORD_MAX 4096

static struct timeval timeout_of(const struct conf_ldap *conf)
{
    return (struct timeval){.tv_sec = (time_t)(conf->timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(conf->timeout_ms % 1000 * 1000)};
}

/* Negative codes are libldap's own: the server is away, silent, or not understood. */
static enum err_code failed(struct directory_conn *c, int rc, const char *what, struct err *e)
{
    const struct libldap *lib = libldap();
    char *more = NULL;

    c->broken = c->broken || rc < 0 || rc == LDAP_UNAVAILABLE || rc == LDAP_BUSY;
    lib->ldap_get_option(c->handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    err_set(e, ERR_UNAVAILABLE, "directory '%.100s': %s: %s%s%.120s", c->url, what,
            lib->ldap_err2string(rc), more && *more ? ": " : "", more ? more : "");
    if (more)
        lib->ldap_memfree(more);
    return ERR_UNAVAILABLE;
}

/* Options. */

static bool set_int(struct directory_conn *c, int option, int value)
{
    return libldap()->ldap_set_option(c->handle, option, &value) == LDAP_OPT_SUCCESS;
}

/* The configuration of other LDAP programs of this machine (ldap.conf) must not decide: all that
 * matters is set here. */
static bool set_tls(struct directory_conn *c)
{
    const char *ca = c->conf->ca_file[0] ? c->conf->ca_file : X509_get_default_cert_file();

    return set_int(c, LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND) &&
           set_int(c, LDAP_OPT_X_TLS_REQUIRE_SAN, LDAP_OPT_X_TLS_TRY) &&
           set_int(c, LDAP_OPT_X_TLS_PROTOCOL_MIN, LDAP_OPT_X_TLS_PROTOCOL_TLS1_2) &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_X_TLS_CACERTFILE, ca) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_X_TLS_CACERTDIR, NULL) == 0 &&
           set_int(c, LDAP_OPT_X_TLS_NEWCTX, 0); /* applies what stands above */
}

static bool set_options(struct directory_conn *c)
{
    struct timeval timeout = timeout_of(c->conf);
    int version = LDAP_VERSION3; /* and, as any address would do, LDAP_OPT_ON, which is libldap's */

    return libldap()->ldap_set_option(c->handle, LDAP_OPT_PROTOCOL_VERSION, &version) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_NETWORK_TIMEOUT, &timeout) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_TIMEOUT, &timeout) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_RESTART, &version) == 0 &&
           set_int(c, LDAP_OPT_DEREF, LDAP_DEREF_NEVER) && directory_deadline_watch(c);
}

/* Binds. */

static int simple_bind(struct directory_conn *c, const char *dn, struct str password)
{
    struct berval secret = {.bv_val = (char *)password.p, .bv_len = password.n};

    c->bound = false;
    directory_deadline_set(c);
    return libldap()->ldap_sasl_bind_s(c->handle, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

/* The file's content without the end of its line. */
static enum err_code read_password(const struct conf_ldap *conf, struct buf *ret, struct err *e)
{
    if (!conf->bind_password_file[0]) {
        buf_add_text(ret, conf->bind_password);
        return ERR_OK;
    }
    if (file_read_at(AT_FDCWD, conf->bind_password_file, ret, e) != ERR_OK) {
        err_prefix(e, "auth.ldap.bind_password_file '%.200s'", conf->bind_password_file);
        return e->code = ERR_CONFIG;
    }
    while (ret->n > 0 && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
        ret->n--;
    if (ret->n == 0)
        return err_set(e, ERR_CONFIG, "auth.ldap.bind_password_file '%.200s' is empty",
                       conf->bind_password_file);
    return ERR_OK;
}

static enum err_code bind_service(struct directory_conn *c, struct err *e)
{
    AUTO(buf) struct buf password = {0};
    enum err_code code;
    int rc;

    buf_init(&password, PASSWORD_MAX);
    if (c->bound)
        return ERR_OK;
    if (c->conf->bind_dn[0])
        TRY(read_password(c->conf, &password, e));
    rc = simple_bind(c, c->conf->bind_dn, buf_str(&password));
    if (password.p)
        OPENSSL_cleanse(password.p, password.cap);
    c->bound = rc == LDAP_SUCCESS;
    if (c->bound)
        return ERR_OK;
    code = failed(c, rc, c->conf->bind_dn[0] ? "bind as auth.ldap.bind_dn" : "bind anonymously", e);
    return rc > 0 && !c->broken ? ERR_UNAUTHORIZED : code;
}

enum err_code directory_conn_open(const struct conf_ldap *conf, const char *url,
                                  struct directory_conn **ret_conn, struct err *e)
{
    struct directory_conn *c;
    enum err_code code = ERR_OK;
    LDAP *handle;
    int rc;

    if (!libldap())
        return err_set(e, ERR_UNAVAILABLE, "libldap can't be loaded; install libldap-2.5-0");
    rc = libldap()->ldap_initialize(&handle, url);
    if (rc != LDAP_SUCCESS)
        return err_set(e, ERR_UNAVAILABLE, "directory '%.100s': %s", url,
                       libldap()->ldap_err2string(rc));
    c = NEW(struct directory_conn);
    *c = (struct directory_conn){.conf = conf, .url = url, .handle = handle};
    directory_deadline_set(c);
    if (!set_options(c))
        code = err_set(e, ERR_INTERNAL, "libldap refuses an option");
    else if ((conf->start_tls || str_starts(str_of(url), STR("ldaps:"))) && !set_tls(c))
        code = failed(c, LDAP_LOCAL_ERROR, "the authorities of auth.ldap.ca_file can't be used", e);
    else if (conf->start_tls &&
             (rc = libldap()->ldap_start_tls_s(c->handle, NULL, NULL)) != LDAP_SUCCESS)
        code = failed(c, rc, "StartTLS", e);
    if (code == ERR_OK)
        code = bind_service(c, e);
    if (code != ERR_OK) {
        directory_conn_close(c);
        return code;
    }
    *ret_conn = c;
    return ERR_OK;
}

void directory_conn_close(struct directory_conn *c)
{
    if (!c)
        return;
    libldap()->ldap_unbind_ext_s(c->handle, NULL, NULL);
    free(c);
}

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
    rc = simple_bind(c, dn, password);
    if (rc == LDAP_SUCCESS)
        return ERR_OK;
    if (refused(rc))
        return err_set(e, ERR_UNAUTHORIZED, "the directory refuses the password");
    return failed(c, rc, "bind as the user", e);
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
    struct timeval timeout = timeout_of(c->conf);
    struct directory_entries found = {0};
    LDAPMessage *answer = NULL;
    int rc;

    if (bind_service(c, e) != ERR_OK) {
        c->broken = true; /* a new one is refused as well, and then nobody asks for a moment */
        return e->code = ERR_UNAVAILABLE;
    }
    directory_deadline_set(c);
    rc = libldap()->ldap_search_ext_s(c->handle, s->base, LDAP_SCOPE_SUBTREE, s->filter,
                                      (char **)s->attributes, 0, NULL, NULL, &timeout,
                                      (int)s->max + 1, &answer);
    if (rc != LDAP_SUCCESS && rc != LDAP_SIZELIMIT_EXCEEDED) {
        libldap()->ldap_msgfree(answer);
        return failed(c, rc, "search", e);
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
