#include "auth/providers/certificate.h"

#include "auth/core/claims.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

struct certificate {
    struct provider provider;
    const struct conf_certificate *conf;
};

static void auto_X509_(X509 **x)
{
    X509_free(*x);
}

static struct str text_of(const ASN1_STRING *s)
{
    return (struct str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

/* The names of an organization are for people: any UTF-8 but control characters. */
static bool group_valid(struct str s)
{
    bool valid = s.n > 0 && s.n <= IDENTITY_NAME_MAX;

    while (valid && s.n > 0) {
        size_t n = str_utf8_step(s);
        unsigned char c = (unsigned char)s.p[0], next = n == 2 ? (unsigned char)s.p[1] : 0;

        valid = n > 0 && c >= ' ' && c != 0x7f && !(c == 0xc2 && next < 0xa0);
        s = str_sub(s, n, s.n - n);
    }
    return valid;
}

/* A value of the subject, of whatever kind of text, as UTF-8. False: it is none. Frees with
 * OPENSSL_free(). */
static bool utf8_of(const X509_NAME_ENTRY *entry, struct str *ret)
{
    unsigned char *p;
    int n = ASN1_STRING_to_UTF8(&p, X509_NAME_ENTRY_get_data(entry));

    *ret = (struct str){(const char *)p, (size_t)n};
    return n >= 0;
}

/* The only common name. */
static enum err_code subject_name(const X509 *x, char dst[static IDENTITY_NAME_MAX + 1],
                                  struct err *e)
{
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    struct str name;
    bool valid;

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return err_tell(e, ERR_UNAUTHORIZED,
                        "the client certificate must have one common name, and no more");
    if (!utf8_of(X509_NAME_get_entry(subject, at), &name))
        return err_tell(e, ERR_UNAUTHORIZED, "the client certificate's common name is no text");
    valid = identity_name_valid(name) && str_copy(name, dst, IDENTITY_NAME_MAX + 1);
    OPENSSL_free((void *)name.p);
    if (!valid)
        return err_tell(e, ERR_UNAUTHORIZED,
                        "the client certificate's common name is no user name");
    return ERR_OK;
}

/* The only subject alternative name of that kind. */
static enum err_code alternative_name(const X509 *x, int kind,
                                      char dst[static IDENTITY_NAME_MAX + 1], struct err *e)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    struct str name = STR_NONE;
    unsigned found = 0;
    bool valid;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

        if (type == kind && found++ == 0)
            name = text_of(value);
    }
    valid = (kind == GEN_URI ? claims_name_valid(name) : identity_name_valid(name)) &&
            str_copy(name, dst, IDENTITY_NAME_MAX + 1);
    GENERAL_NAMES_free(names);
    if (found != 1)
        return err_tell(e, ERR_UNAUTHORIZED,
                        "the client certificate must have one alternative name of the kind that "
                        "names users here, and no more");
    if (!valid)
        return err_tell(e, ERR_UNAUTHORIZED,
                        "the client certificate's alternative name is no user name");
    return ERR_OK;
}

static enum err_code user_name(const struct conf_certificate *conf, const X509 *x,
                               char dst[static IDENTITY_NAME_MAX + 1], struct err *e)
{
    static const int kinds[] = {
        [CONF_CERTIFICATE_SAN_EMAIL] = GEN_EMAIL,
        [CONF_CERTIFICATE_SAN_DNS] = GEN_DNS,
        [CONF_CERTIFICATE_SAN_URI] = GEN_URI,
    };

    if (conf->username == CONF_CERTIFICATE_SUBJECT_CN)
        return subject_name(x, dst, e);
    return alternative_name(x, kinds[conf->username], dst, e);
}

/* One that is no name makes the whole certificate worthless: it may be the one that a rule denies.
 */
static enum err_code add_groups(const struct conf_certificate *conf, const X509 *x,
                                struct identity *id, struct err *e)
{
    static const int kinds[] = {
        [CONF_CERTIFICATE_GROUPS_NONE] = NID_undef,
        [CONF_CERTIFICATE_GROUPS_SUBJECT_OU] = NID_organizationalUnitName,
        [CONF_CERTIFICATE_GROUPS_SUBJECT_O] = NID_organizationName,
    };
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = -1, kind = kinds[conf->groups_from];

    while (kind != NID_undef && (at = X509_NAME_get_index_by_NID(subject, kind, at)) >= 0) {
        struct str group;
        bool valid;

        if (!utf8_of(X509_NAME_get_entry(subject, at), &group))
            return err_tell(e, ERR_UNAUTHORIZED, "a group in the client certificate is no text");
        valid = group_valid(group) && id->n_groups < IDENTITY_GROUPS_MAX;
        if (valid)
            identity_add_group(id, group);
        OPENSSL_free((void *)group.p);
        if (!valid)
            return err_tell(e, ERR_UNAUTHORIZED,
                            "a group in the client certificate is no group name");
    }
    return ERR_OK;
}

static int64_t expires_ms(const X509 *x)
{
    struct tm tm;

    return ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) ? (int64_t)timegm(&tm) * 1000 + 999 : 0;
}

static enum verdict certificate_check(struct provider *p, const struct credential *c,
                                      struct identity **ret_identity, struct err *e)
{
    const struct conf_certificate *conf = ((struct certificate *)p)->conf;
    const unsigned char *der = (const unsigned char *)c->certificate.p;
    AUTO(X509) X509 *x = d2i_X509(NULL, &der, (long)c->certificate.n);
    AUTO(identity) struct identity *id = NULL;
    char name[IDENTITY_NAME_MAX + 1];

    ERR_clear_error();
    if (!x || user_name(conf, x, name, e) != ERR_OK)
        return VERDICT_NO;
    id = identity_new(IDENTITY_USER, str_of(name), p->driver->name);
    id->expires_ms = expires_ms(x);
    if (add_groups(conf, x, id, e) != ERR_OK)
        return VERDICT_NO;
    *ret_identity = STEAL(id);
    return VERDICT_YES;
}

static void certificate_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver certificate_driver = {
    .name = "certificate",
    .kinds = 1u << CREDENTIAL_CERTIFICATE,
    .check = certificate_check,
    .free = certificate_free,
};

struct provider *certificate_new(const struct conf_certificate *conf)
{
    struct certificate *c = NEW(struct certificate);

    c->provider.driver = &certificate_driver;
    c->conf = conf;
    return &c->provider;
}
