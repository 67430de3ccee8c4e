#include "net/directory_conn.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>

#define PASSWORD_MAX 4096

struct timeval directory_conn_timeout(const struct conf_ldap *conf)
{
    return (struct timeval){.tv_sec = (time_t)(conf->timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(conf->timeout_ms % 1000 * 1000)};
}

enum err_code directory_conn_failed(struct directory_conn *c, int rc, const char *what,
                                    struct err *e)
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
    struct timeval timeout = directory_conn_timeout(c->conf);
    int version = LDAP_VERSION3; /* and, as any address would do, LDAP_OPT_ON, which is libldap's */

    return libldap()->ldap_set_option(c->handle, LDAP_OPT_PROTOCOL_VERSION, &version) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_NETWORK_TIMEOUT, &timeout) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_TIMEOUT, &timeout) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
           libldap()->ldap_set_option(c->handle, LDAP_OPT_RESTART, &version) == 0 &&
           set_int(c, LDAP_OPT_DEREF, LDAP_DEREF_NEVER) &&
           directory_deadline_watch(&c->deadline, c->handle);
}

/* Binds. */

int directory_conn_try(struct directory_conn *c, const char *dn, struct str password)
{
    struct berval secret = {.bv_val = (char *)password.p, .bv_len = password.n};

    c->bound = false;
    directory_deadline_set(&c->deadline, c->conf->timeout_ms);
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

enum err_code directory_conn_bind(struct directory_conn *c, struct err *e)
{
    AUTO(buf) struct buf password = {0};
    enum err_code code;
    int rc;

    buf_init(&password, PASSWORD_MAX);
    if (c->bound)
        return ERR_OK;
    if (c->conf->bind_dn[0])
        TRY(read_password(c->conf, &password, e));
    rc = directory_conn_try(c, c->conf->bind_dn, buf_str(&password));
    if (password.p)
        OPENSSL_cleanse(password.p, password.cap);
    c->bound = rc == LDAP_SUCCESS;
    if (c->bound)
        return ERR_OK;
    code = directory_conn_failed(
        c, rc, c->conf->bind_dn[0] ? "bind as auth.ldap.bind_dn" : "bind anonymously", e);
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
    directory_deadline_set(&c->deadline, c->conf->timeout_ms);
    if (!set_options(c))
        code = err_set(e, ERR_INTERNAL, "libldap refuses an option");
    else if ((conf->start_tls || str_starts(str_of(url), STR("ldaps:"))) && !set_tls(c))
        code = directory_conn_failed(c, LDAP_LOCAL_ERROR,
                                     "the authorities of auth.ldap.ca_file can't be used", e);
    else if (conf->start_tls &&
             (rc = libldap()->ldap_start_tls_s(c->handle, NULL, NULL)) != LDAP_SUCCESS)
        code = directory_conn_failed(c, rc, "StartTLS", e);
    if (code == ERR_OK)
        code = directory_conn_bind(c, e);
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
