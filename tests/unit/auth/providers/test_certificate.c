/* Names in certificates that no honest tool would write. */
#include "auth/providers/certificate.h"
#include "base/cleanup.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A127 A64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static EVP_PKEY *key;

static int setup(void **state)
{
    (void)state;
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    return key ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static X509 *begin(void)
{
    X509 *x = X509_new();

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    return x;
}

/* The table of lengths of RFC 5280 is not asked. */
static void add_subject(X509 *x, int nid, int type, const char *p, size_t n)
{
    ASN1_STRING *value = ASN1_STRING_type_new(type);
    X509_NAME_ENTRY *entry;

    ASN1_STRING_set(value, p, (int)n);
    entry = X509_NAME_ENTRY_create_by_NID(NULL, nid, type, ASN1_STRING_get0_data(value), (int)n);
    assert_int_equal(X509_NAME_add_entry(X509_get_subject_name(x), entry, -1, 0), 1);
    X509_NAME_ENTRY_free(entry);
    ASN1_STRING_free(value);
}

static void add_email(GENERAL_NAMES *names, const char *p, size_t n)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    ASN1_STRING_set(value, p, (int)n);
    GENERAL_NAME_set0_value(name, GEN_EMAIL, value);
    sk_GENERAL_NAME_push(names, name);
}

/* What the provider says of x, which is freed. */
static enum verdict check(X509 *x, const struct conf_certificate *conf, struct identity **ret)
{
    struct provider *p = certificate_new(conf);
    struct credential c = {.kind = CREDENTIAL_CERTIFICATE};
    unsigned char *der = NULL;
    struct err e = {0};
    enum verdict v;

    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    c.certificate.n = (size_t)i2d_X509(x, &der);
    c.certificate.p = (const char *)der;
    v = p->driver->check(p, &c, ret, &e);
    OPENSSL_free(der);
    X509_free(x);
    p->driver->free(p);
    return v;
}

static const struct conf_certificate by_cn = {.username = CONF_CERTIFICATE_SUBJECT_CN};
static const struct conf_certificate by_email = {.username = CONF_CERTIFICATE_SAN_EMAIL};
static const struct conf_certificate by_cn_ou = {.username = CONF_CERTIFICATE_SUBJECT_CN,
                                                 .groups_from = CONF_CERTIFICATE_GROUPS_SUBJECT_OU};

static void common_names(void **state)
{
    static const struct {
        int type;
        struct str bytes;
        const char *name; /* NULL: nobody */
    } rows[] = {
        {V_ASN1_UTF8STRING, STR("alice"), "alice"},
        {V_ASN1_PRINTABLESTRING, STR("alice"), "alice"},
        {V_ASN1_BMPSTRING, STR("\0b\0o\0b"), "bob"},
        {V_ASN1_BMPSTRING, STR("\0b\0\0\0b"), NULL},
        {V_ASN1_UTF8STRING, STR("alice\0"), NULL},
        {V_ASN1_UTF8STRING, STR("alice\0.evil.example"), NULL},
        {V_ASN1_UTF8STRING, STR("alice\n"), NULL},
        {V_ASN1_UTF8STRING, STR("\xff\xfe"), NULL},
        {V_ASN1_T61STRING, STR("\xe9lise"), NULL},
        {V_ASN1_UTF8STRING, STR(A127), A127},
        {V_ASN1_UTF8STRING, STR(A127 "b"), NULL},
        {V_ASN1_UTF8STRING, STR(""), NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(identity) struct identity *id = NULL;
        X509 *x = begin();

        add_subject(x, NID_commonName, rows[i].type, rows[i].bytes.p, rows[i].bytes.n);
        assert_int_equal(check(x, &by_cn, &id), rows[i].name ? VERDICT_YES : VERDICT_NO);
        if (rows[i].name)
            assert_string_equal(id->name, rows[i].name);
    }
}

static void an_alternative_name_ends_where_it_says(void **state)
{
    static const struct str rows[] = {STR("alice@example.org\0"), STR("alice@example.org\0.evil"),
                                      STR("alice@example.org "), STR("")};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        GENERAL_NAMES *names = GENERAL_NAMES_new();
        struct identity *id = NULL;
        X509 *x = begin();

        add_email(names, rows[i].p, rows[i].n);
        assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), 1);
        GENERAL_NAMES_free(names);
        assert_int_equal(check(x, &by_email, &id), VERDICT_NO);
        assert_null(id);
    }
}

static void a_group_that_is_no_name_spoils_the_certificate(void **state)
{
    static const struct {
        struct str bytes;
        bool good;
    } rows[] = {
        {STR("Platform Team"), true},
        {STR("\xc3\x89quipe"), true},
        {STR("dev\0"), false},
        {STR("dev\r\n"), false},
        {STR("\xc2\x85"), false},
        {STR("\x7f"), false},
        {STR(""), false},
        {STR(A127 "b"), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(identity) struct identity *id = NULL;
        X509 *x = begin();

        add_subject(x, NID_commonName, V_ASN1_UTF8STRING, "alice", 5);
        add_subject(x, NID_organizationalUnitName, V_ASN1_UTF8STRING, "first", 5);
        add_subject(x, NID_organizationalUnitName, V_ASN1_UTF8STRING, rows[i].bytes.p,
                    rows[i].bytes.n);
        assert_int_equal(check(x, &by_cn_ou, &id), rows[i].good ? VERDICT_YES : VERDICT_NO);
        assert_int_equal(id ? id->n_groups : 0, rows[i].good ? 2 : 0);
    }
}

static void an_identity_lives_no_longer_than_its_certificate(void **state)
{
    AUTO(identity) struct identity *id = NULL;
    X509 *x = begin();

    (void)state;
    ASN1_TIME_set_string(X509_getm_notAfter(x), "20380119031407Z");
    add_subject(x, NID_commonName, V_ASN1_UTF8STRING, "alice", 5);
    assert_int_equal(check(x, &by_cn, &id), VERDICT_YES);
    assert_int_equal(id->expires_ms, 0x7fffffffll * 1000 + 999);
}

static void bytes_that_are_no_certificate_are_nobody(void **state)
{
    struct provider *p = certificate_new(&by_cn);
    struct credential c = {.kind = CREDENTIAL_CERTIFICATE, .certificate = STR("0\x03\x02\x01")};
    struct identity *id = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(p->driver->check(p, &c, &id, &e), VERDICT_NO);
    c.certificate = STR_NONE;
    assert_int_equal(p->driver->check(p, &c, &id, &e), VERDICT_NO);
    p->driver->free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_names),
        cmocka_unit_test(an_alternative_name_ends_where_it_says),
        cmocka_unit_test(a_group_that_is_no_name_spoils_the_certificate),
        cmocka_unit_test(an_identity_lives_no_longer_than_its_certificate),
        cmocka_unit_test(bytes_that_are_no_certificate_are_nobody),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
