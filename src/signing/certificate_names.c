#include "signing/certificate_names.h"

#include "base/cleanup.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* sigstore/fulcio, "Extensions" */
#define FULCIO_ISSUER_OLD "1.3.6.1.4.1.57264.1.1" /* the bare text */
#define FULCIO_ISSUER     "1.3.6.1.4.1.57264.1.8" /* a UTF8String in DER */
#define FULCIO_USER       "1.3.6.1.4.1.57264.1.7" /* an "other name" */

static void auto_ASN1_OBJECT_(ASN1_OBJECT **o)
{
    ASN1_OBJECT_free(*o);
}

static void auto_GENERAL_NAMES_(GENERAL_NAMES **n)
{
    GENERAL_NAMES_free(*n);
}

void certificate_names_done(struct certificate_names *n)
{
    for (size_t i = 0; i < n->n; i++)
        free(n->identities[i]);
    free(n->issuer);
    *n = (struct certificate_names){.n = 0};
}

static struct str text_of(const ASN1_STRING *s)
{
    return (struct str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

/* One line of text, or NULL: a name with a NUL or a line break in it is made to deceive. */
static char *taken(struct str s)
{
    return s.n > 0 && s.n <= CERTIFICATE_NAME_TEXT_MAX && str_is_text(s) ? str_dup(s) : NULL;
}

/* ---- the issuer */

static const ASN1_OCTET_STRING *extension(X509 *c, const char *oid)
{
    AUTO(ASN1_OBJECT) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = object ? X509_get_ext_by_OBJ(c, object, -1) : -1;

    return at >= 0 ? X509_EXTENSION_get_data(X509_get_ext(c, at)) : NULL;
}

static char *issuer_of(X509 *c)
{
    const ASN1_OCTET_STRING *now = extension(c, FULCIO_ISSUER);
    const ASN1_OCTET_STRING *old = extension(c, FULCIO_ISSUER_OLD);
    const unsigned char *at = now ? ASN1_STRING_get0_data(now) : NULL;
    ASN1_UTF8STRING *text = now ? d2i_ASN1_UTF8STRING(NULL, &at, ASN1_STRING_length(now)) : NULL;
    char *issuer = NULL;

    if (text)
        issuer = taken(text_of(text));
    else if (!now && old)
        issuer = taken(text_of(old));
    ASN1_UTF8STRING_free(text);
    ERR_clear_error();
    /* One that names an issuer which nobody can read names one all the same. */
    return issuer || !(now || old) ? issuer : str_dup(STR(""));
}

/* ---- identities */

static char *user_of(const OTHERNAME *o)
{
    AUTO(ASN1_OBJECT) ASN1_OBJECT *user = OBJ_txt2obj(FULCIO_USER, 1);

    return user && OBJ_cmp(o->type_id, user) == 0 && o->value->type == V_ASN1_UTF8STRING
               ? taken(text_of(o->value->value.utf8string))
               : NULL;
}

static char *identity_of(const GENERAL_NAME *n)
{
    switch (n->type) {
    case GEN_EMAIL:
    case GEN_URI:
    case GEN_DNS:
        return taken(text_of(n->d.ia5));
    case GEN_OTHERNAME:
        return user_of(n->d.otherName);
    default:
        return NULL;
    }
}

void certificate_names_of(X509 *c, struct certificate_names *ret)
{
    AUTO(GENERAL_NAMES)
    GENERAL_NAMES *names = X509_get_ext_d2i(c, NID_subject_alt_name, NULL, NULL);

    *ret = (struct certificate_names){.issuer = issuer_of(c)};
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && ret->n < CERTIFICATE_NAMES_MAX; i++) {
        char *identity = identity_of(sk_GENERAL_NAME_value(names, i));

        if (identity)
            ret->identities[ret->n++] = identity;
    }
    ERR_clear_error();
}
