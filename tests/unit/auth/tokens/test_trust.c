/* Tokens that are made elsewhere: which keys are believed, and which tokens with them. */
#include "auth/tokens/trust.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <cjose/cjose.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR   3600
#define CLAIMS "{\"iss\":\"tokens\",\"sub\":\"alice\"}"
#define ALL                                                                                        \
    (const char *const[])                                                                          \
    {                                                                                              \
        "ES256", "RS256", "RS384", "RS512", "PS256", NULL                                          \
    }

/* RSA keys, made once: any of them can sign any header. */
static EVP_PKEY *ours, *other, *authority;
static char dir[] = "/tmp/trust-XXXXXX", bundle_path[64], jwks_path[64];

static int group_setup(void **state)
{
    (void)state;
    ours = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    other = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    authority = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    if (!ours || !other || !authority || !mkdtemp(dir))
        return -1;
    snprintf(bundle_path, sizeof(bundle_path), "%s/bundle.pem", dir);
    snprintf(jwks_path, sizeof(jwks_path), "%s/jwks.json", dir);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(ours);
    EVP_PKEY_free(other);
    EVP_PKEY_free(authority);
    unlink(bundle_path);
    unlink(jwks_path);
    return rmdir(dir);
}

static void auto_trust_(struct trust **t)
{
    trust_free(*t);
}

/* Keys. */

/* The caller frees. */
static char *coded(const void *p, size_t n)
{
    char *text;
    size_t text_n;

    assert_true(cjose_base64url_encode(p, n, &text, &text_n, NULL));
    return text;
}

static char *number(const EVP_PKEY *key, const char *name)
{
    unsigned char bytes[512];
    BIGNUM *bn = NULL;
    int n;

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &bn), 1);
    n = BN_bn2bin(bn, bytes);
    BN_free(bn);
    return coded(bytes, (size_t)n);
}

/* The public half; more is of members, each with a comma before it. The caller frees. */
static char *jwk(const EVP_PKEY *key, const char *more)
{
    AUTO(mem) char *n = number(key, OSSL_PKEY_PARAM_RSA_N);
    AUTO(mem) char *e = number(key, OSSL_PKEY_PARAM_RSA_E);
    char *text;

    assert_true(asprintf(&text, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"%s}", e, n, more) > 0);
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* A JWKS of ours, with more of members. */
static struct trust *trust_ours(const char *more)
{
    AUTO(mem) char *one = jwk(ours, more);
    AUTO(mem) char *set = NULL;
    struct trust *t = NULL;

    assert_true(asprintf(&set, "{\"keys\":[%s]}", one) > 0);
    write_file(jwks_path, set);
    assert_int_equal(trust_load("", jwks_path, &t, ERR_IGNORED), ERR_OK);
    return t;
}

/* Tokens. */

static char *signature(EVP_PKEY *key, const char *text)
{
    unsigned char bytes[1024];
    size_t n = sizeof(bytes);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, bytes, &n, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    return coded(bytes, n);
}

/* What is signed: the header and the claims. The caller frees. */
static char *unsigned_token(const char *header)
{
    AUTO(mem) char *h = coded(header, strlen(header));
    AUTO(mem) char *c = coded(CLAIMS, strlen(CLAIMS));
    char *text;

    assert_true(asprintf(&text, "%s.%s", h, c) > 0);
    return text;
}

static char *with_signature(const char *text, const char *sig)
{
    char *token;

    assert_true(asprintf(&token, "%s.%s", text, sig) > 0);
    return token;
}

/* RS256, whatever the header says. The caller frees. */
static char *make(EVP_PKEY *key, const char *header)
{
    AUTO(mem) char *text = unsigned_token(header);
    AUTO(mem) char *sig = signature(key, text);

    return with_signature(text, sig);
}

static bool believes(const struct trust *t, const char *token, const char *const *algorithms)
{
    AUTO(json) json_t *claims = NULL;
    struct err e = {0};
    enum err_code code = trust_verify(t, str_of(token), algorithms, &claims, &e);

    assert_true(code == ERR_OK || code == ERR_UNAUTHORIZED);
    assert_true((code == ERR_OK) == (claims != NULL));
    return code == ERR_OK;
}

static bool believes_header(const struct trust *t, EVP_PKEY *key, const char *header)
{
    AUTO(mem) char *token = make(key, header);

    return believes(t, token, ALL);
}

static void a_token_of_a_key_in_the_set_is_believed(void **state)
{
    AUTO(trust) struct trust *t = trust_ours(",\"kid\":\"a\"");
    AUTO(mem) char *token = make(ours, "{\"alg\":\"RS256\",\"kid\":\"a\"}");
    AUTO(json) json_t *claims = NULL;

    (void)state;
    assert_int_equal(trust_verify(t, str_of(token), ALL, &claims, ERR_IGNORED), ERR_OK);
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), "alice");
    assert_true(believes_header(t, ours, "{\"alg\":\"RS256\"}")); /* by any key that fits */
}

static void a_token_of_another_key_is_not(void **state)
{
    AUTO(trust) struct trust *t = trust_ours(",\"kid\":\"a\"");

    (void)state;
    assert_false(believes_header(t, other, "{\"alg\":\"RS256\",\"kid\":\"a\"}"));
    assert_false(believes_header(t, other, "{\"alg\":\"RS256\"}"));
}

static void a_key_that_is_named_must_be_known(void **state)
{
    AUTO(trust) struct trust *t = trust_ours(",\"kid\":\"a\"");

    (void)state;
    assert_false(believes_header(t, ours, "{\"alg\":\"RS256\",\"kid\":\"b\"}"));
    assert_false(believes_header(t, ours, "{\"alg\":\"RS256\",\"kid\":\"../a\"}"));
}

static void claims_that_were_changed_are_not_believed(void **state)
{
    AUTO(trust) struct trust *t = trust_ours("");
    AUTO(mem) char *token = make(ours, "{\"alg\":\"RS256\"}");
    char *claims = strchr(token, '.') + 1;

    (void)state;
    claims[4] = claims[4] == 'A' ? 'B' : 'A';
    assert_false(believes(t, token, ALL));
}

static void no_signature_is_no_proof(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"nOnE\"}", "{\"alg\":\"\"}", "{}",
        "{\"alg\":null}",     "{\"alg\":\"RS256\"}"};
    static const char *const willing[] = {"none", "None", "nOnE", "", "RS256", NULL};
    AUTO(trust) struct trust *t = trust_ours("");

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        AUTO(mem) char *text = unsigned_token(headers[i]);
        AUTO(mem) char *bare = with_signature(text, "");
        AUTO(mem) char *some = with_signature(text, "AAAA");

        if (believes(t, bare, willing) || believes(t, some, willing) || believes(t, text, willing))
            fail_msg("%s is believed", headers[i]);
    }
}

/* With the public key, which everybody has, as the secret of an HMAC. */
static void a_public_key_is_no_secret(void **state)
{
    static const char *const willing[] = {"HS256", "RS256", NULL};
    AUTO(trust) struct trust *t = trust_ours(",\"kid\":\"a\"");
    AUTO(mem) char *text = unsigned_token("{\"alg\":\"HS256\",\"kid\":\"a\"}");
    AUTO(mem) char *secret = jwk(ours, ",\"kid\":\"a\"");
    unsigned char mac[32];

    (void)state;
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, strlen(text), mac,
         NULL);
    {
        AUTO(mem) char *sig = coded(mac, sizeof(mac));
        AUTO(mem) char *token = with_signature(text, sig);

        assert_false(believes(t, token, willing));
    }
}

static void an_algorithm_must_be_allowed_and_fit_the_key(void **state)
{
    static const char *const elliptic[] = {"ES256", NULL};
    AUTO(trust) struct trust *t = trust_ours("");
    AUTO(trust) struct trust *pinned = trust_ours(",\"alg\":\"RS512\"");
    AUTO(mem) char *token = make(ours, "{\"alg\":\"RS256\"}");

    (void)state;
    assert_false(believes(t, token, elliptic));
    assert_false(believes_header(t, ours, "{\"alg\":\"ES256\"}"));
    assert_false(believes_header(t, ours, "{\"alg\":\"PS256\"}")); /* another padding */
    assert_false(believes(pinned, token, ALL));
}

static void a_token_does_not_bring_its_own_key(void **state)
{
    static const struct {
        const char *before, *after;
    } ways[] = {
        {"{\"alg\":\"RS256\",\"jwk\":", "}"},
        {"{\"alg\":\"RS256\",\"kid\":\"evil\",\"jwk\":", "}"},
        {"{\"alg\":\"RS256\",\"kid\":\"evil\",\"keys\":[", "]}"},
        {"{\"alg\":\"RS256\",\"jku\":\"https://evil.example/jwks\",\"x-of\":", "}"},
        {"{\"alg\":\"RS256\",\"x5u\":\"https://evil.example/x.pem\",\"x-of\":", "}"},
    };
    AUTO(trust) struct trust *t = trust_ours(",\"kid\":\"a\"");
    AUTO(mem) char *evil = jwk(other, ",\"kid\":\"evil\"");

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        AUTO(mem) char *header = NULL;

        assert_true(asprintf(&header, "%s%s%s", ways[i].before, evil, ways[i].after) > 0);
        assert_false(believes_header(t, other, header));
    }
}

static void critical_extensions_are_not_understood(void **state)
{
    AUTO(trust) struct trust *t = trust_ours("");

    (void)state;
    assert_false(believes_header(t, ours, "{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}"));
    assert_false(believes_header(t, ours, "{\"alg\":\"RS256\",\"crit\":[]}"));
    assert_false(believes_header(t, ours, "{\"alg\":\"none\",\"alg\":\"RS256\"}")); /* twice */
}

static void both_keys_count_while_one_takes_over_from_the_other(void **state)
{
    AUTO(mem) char *a = jwk(ours, ",\"kid\":\"a\"");
    AUTO(mem) char *b = jwk(other, ",\"kid\":\"b\"");
    AUTO(mem) char *both = NULL;
    AUTO(mem) char *new = NULL;
    AUTO(trust) struct trust *t = NULL;
    AUTO(trust) struct trust *later = NULL;

    (void)state;
    assert_true(asprintf(&both, "{\"keys\":[%s,%s]}", a, b) > 0);
    assert_true(asprintf(&new, "{\"keys\":[%s]}", b) > 0);
    write_file(jwks_path, both);
    assert_int_equal(trust_load("", jwks_path, &t, ERR_IGNORED), ERR_OK);
    assert_true(believes_header(t, ours, "{\"alg\":\"RS256\",\"kid\":\"a\"}"));
    assert_true(believes_header(t, other, "{\"alg\":\"RS256\",\"kid\":\"b\"}"));
    assert_false(believes_header(t, ours, "{\"alg\":\"RS256\",\"kid\":\"b\"}"));
    write_file(jwks_path, new);
    assert_int_equal(trust_load("", jwks_path, &later, ERR_IGNORED), ERR_OK);
    assert_false(believes_header(later, ours, "{\"alg\":\"RS256\",\"kid\":\"a\"}"));
    assert_true(believes_header(later, other, "{\"alg\":\"RS256\",\"kid\":\"b\"}"));
}

static void files_without_a_key_are_refused(void **state)
{
    AUTO(mem) char *enc = jwk(ours, ",\"use\":\"enc\"");
    AUTO(mem) char *encrypting = NULL;
    const char *texts[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[null,1,\"a\",[],{}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        NULL,
    };

    (void)state;
    assert_true(asprintf(&encrypting, "{\"keys\":[%s]}", enc) > 0);
    texts[sizeof(texts) / sizeof(texts[0]) - 1] = encrypting;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct trust *t = NULL;
        struct err e = {0};

        write_file(jwks_path, texts[i]);
        if (trust_load("", jwks_path, &t, &e) != ERR_CONFIG)
            fail_msg("'%s' is taken", texts[i]);
        assert_null(t);
    }
}

static void files_that_can_not_be_read_are_refused(void **state)
{
    struct trust *t = NULL;
    struct err e = {0};

    (void)state;
    write_file(jwks_path, "{\"keys\":[]}");
    assert_int_equal(trust_load("/nonexistent/b.pem", "", &t, &e), ERR_CONFIG);
    assert_int_equal(trust_load("", "/nonexistent/k.json", &t, &e), ERR_CONFIG);
    assert_int_equal(trust_load(jwks_path, "", &t, &e), ERR_CONFIG); /* not PEM */
    assert_null(t);
}

/* Certificates. */

struct certificate {
    EVP_PKEY *key;
    const char *name, *issuer;
    EVP_PKEY *signer;
    bool authority;
    long from_s, until_s; /* from now */
};

static X509 *certify(const struct certificate *c)
{
    X509 *x = X509_new();
    X509_EXTENSION *basic = X509V3_EXT_conf_nid(
        NULL, NULL, NID_basic_constraints, c->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), c->from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), c->until_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)c->name, -1, -1, 0);
    X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)c->issuer, -1, -1, 0);
    X509_set_pubkey(x, c->key);
    X509_add_ext(x, basic, -1);
    X509_EXTENSION_free(basic);
    assert_true(X509_sign(x, c->signer, EVP_sha256()) > 0);
    return x;
}

/* A bundle with the certificate of the authority, which signs itself. */
static struct trust *trust_authority(const struct certificate *c)
{
    X509 *x = certify(c);
    FILE *f = fopen(bundle_path, "we");
    struct trust *t = NULL;

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
    assert_int_equal(trust_load(bundle_path, "", &t, ERR_IGNORED), ERR_OK);
    return t;
}

#define ROOT                                                                                       \
    (struct certificate)                                                                           \
    {                                                                                              \
        .key = authority, .name = "root", .issuer = "root", .signer = authority,                   \
        .authority = true, .from_s = -HOUR, .until_s = HOUR                                        \
    }
#define LEAF                                                                                       \
    (struct certificate)                                                                           \
    {                                                                                              \
        .key = ours, .name = "leaf", .issuer = "root", .signer = authority, .from_s = -HOUR,       \
        .until_s = HOUR                                                                            \
    }

/* A token of ours, with those certificates (the second may be NULL) in its header. */
static bool believes_chain(const struct trust *t, const struct certificate *leaf,
                           const struct certificate *next)
{
    const struct certificate *all[] = {leaf, next};
    AUTO(json) json_t *header = json_pack("{s:s, s:s, s:[]}", "alg", "RS256", "kid", "k", "x5c");
    AUTO(mem) char *text = NULL;

    for (size_t i = 0; i < 2 && all[i]; i++) {
        X509 *x = certify(all[i]);
        unsigned char *der = NULL, base64[8192];
        int n = i2d_X509(x, &der);

        EVP_EncodeBlock(base64, der, n);
        json_array_append_new(json_object_get(header, "x5c"), json_string((const char *)base64));
        OPENSSL_free(der);
        X509_free(x);
    }
    text = json_dumps(header, JSON_COMPACT);
    return believes_header(t, ours, text);
}

static void refuses(const char *bundle, const char *jwks, const char *reason)
{
    struct trust *t = NULL;
    struct err e = {0};

    assert_int_equal(trust_load(bundle, jwks, &t, &e), ERR_CONFIG);
    assert_null(t);
    if (!strstr(e.detail, reason))
        fail_msg("'%s' is not in '%s'", reason, e.detail);
}

/* As it is found while somebody writes it: half of the keys would be forgotten. */
static void a_bundle_that_is_cut_off_is_refused(void **state)
{
    FILE *f;

    (void)state;
    trust_free(trust_authority(&ROOT));
    f = fopen(bundle_path, "ae");
    assert_non_null(f);
    assert_true(fputs("-----BEGIN CERTIFICATE-----\nMIIB", f) >= 0);
    assert_int_equal(fclose(f), 0);
    refuses(bundle_path, "", "cut off or damaged after 1 certificate");
}

static void each_file_must_have_a_key(void **state)
{
    (void)state;
    trust_free(trust_authority(&ROOT));
    write_file(jwks_path, "{\"keys\":[]}");
    refuses(bundle_path, jwks_path, jwks_path);
    trust_free(trust_ours(""));
    write_file(bundle_path, "");
    refuses(bundle_path, jwks_path, bundle_path);
}

static void more_keys_than_there_is_room_for_are_not_left_out_silently(void **state)
{
    AUTO(buf) struct buf set = {0};
    AUTO(mem) char *one = jwk(ours, "");

    (void)state;
    buf_init(&set, 1 << 20);
    buf_add_text(&set, "{\"keys\":[");
    for (int i = 0; i < JWT_KEYS_MAX; i++)
        buf_addf(&set, "%s,", one);
    buf_addf(&set, "%s]}", one);
    write_file(jwks_path, buf_text(&set));
    refuses("", jwks_path, "more than 64 keys");
}

static void a_certificate_that_the_bundle_vouches_for_signs(void **state)
{
    AUTO(trust) struct trust *t = trust_authority(&ROOT);
    AUTO(trust) struct trust *keys_only = trust_ours(",\"kid\":\"a\"");

    (void)state;
    assert_true(believes_chain(t, &LEAF, NULL));
    assert_false(believes_chain(keys_only, &LEAF, NULL)); /* there is no bundle to vouch */
}

static void any_other_certificate_does_not(void **state)
{
    AUTO(trust) struct trust *t = trust_authority(&ROOT);
    struct certificate self = LEAF, stranger = LEAF, late = LEAF, early = LEAF, theirs = LEAF;

    (void)state;
    self.issuer = self.name;
    self.signer = ours;
    stranger.signer = other; /* who calls themselves the root */
    late.until_s = -60;
    early.from_s = HOUR / 2;
    theirs.key = other; /* a good certificate, of a key that did not sign the token */
    assert_false(believes_chain(t, &self, NULL));
    assert_false(believes_chain(t, &stranger, NULL));
    assert_false(believes_chain(t, &late, NULL));
    assert_false(believes_chain(t, &early, NULL));
    assert_false(believes_chain(t, &theirs, NULL));
}

static void who_has_a_certificate_makes_no_others(void **state)
{
    AUTO(trust) struct trust *t = trust_authority(&ROOT);
    struct certificate middle = LEAF, forged = LEAF;

    (void)state;
    middle.key = other;
    middle.name = "middle";
    forged.issuer = "middle";
    forged.signer = other;
    assert_false(believes_chain(t, &forged, &middle));
    middle.authority = true;
    assert_true(believes_chain(t, &forged, &middle));
    assert_false(believes_chain(t, &forged, NULL)); /* the chain has a gap */
}

static void a_bundle_of_a_leaf_is_no_authority(void **state)
{
    struct certificate leaf = ROOT;
    AUTO(trust) struct trust *t = NULL;

    (void)state;
    leaf.authority = false;
    t = trust_authority(&leaf);
    assert_false(believes_chain(t, &LEAF, NULL));
}

static void a_header_that_is_no_list_of_certificates_is_refused(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"RS256\",\"x5c\":null}",        "{\"alg\":\"RS256\",\"x5c\":[]}",
        "{\"alg\":\"RS256\",\"x5c\":\"AAAA\"}",    "{\"alg\":\"RS256\",\"x5c\":[null]}",
        "{\"alg\":\"RS256\",\"x5c\":[\"\"]}",      "{\"alg\":\"RS256\",\"x5c\":[\"AAAA\"]}",
        "{\"alg\":\"RS256\",\"x5c\":[\"!\"]}",     "{\"alg\":\"RS256\",\"x5c\":{\"0\":\"AAAA\"}}",
        "{\"alg\":\"RS256\",\"x5c\":[[\"AAAA\"]]}"};
    struct certificate root = ROOT;
    AUTO(trust) struct trust *t = NULL;

    (void)state;
    root.key = root.signer = ours; /* whose key the bundle has: without x5c it would be believed */
    t = trust_authority(&root);
    assert_true(believes_header(t, ours, "{\"alg\":\"RS256\"}"));
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (believes_header(t, ours, headers[i]))
            fail_msg("%s is believed", headers[i]);
    }
}

static void a_key_of_the_bundle_has_its_thumbprint_for_id(void **state)
{
    struct certificate root = ROOT;
    AUTO(trust) struct trust *t = NULL;
    AUTO(mem) char *text = jwk(ours, "");
    AUTO(mem) char *id = NULL;
    AUTO(mem) char *header = NULL;
    unsigned char hash[32];

    (void)state;
    root.key = root.signer = ours;
    t = trust_authority(&root);
    EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), hash, NULL); /* RFC 7638, 3 */
    id = coded(hash, sizeof(hash));
    assert_true(asprintf(&header, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", id) > 0);
    assert_true(believes_header(t, ours, header));
    assert_false(believes_header(t, other, header));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_of_a_key_in_the_set_is_believed),
        cmocka_unit_test(a_token_of_another_key_is_not),
        cmocka_unit_test(a_key_that_is_named_must_be_known),
        cmocka_unit_test(claims_that_were_changed_are_not_believed),
        cmocka_unit_test(no_signature_is_no_proof),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(an_algorithm_must_be_allowed_and_fit_the_key),
        cmocka_unit_test(a_token_does_not_bring_its_own_key),
        cmocka_unit_test(critical_extensions_are_not_understood),
        cmocka_unit_test(both_keys_count_while_one_takes_over_from_the_other),
        cmocka_unit_test(files_without_a_key_are_refused),
        cmocka_unit_test(files_that_can_not_be_read_are_refused),
        cmocka_unit_test(a_bundle_that_is_cut_off_is_refused),
        cmocka_unit_test(each_file_must_have_a_key),
        cmocka_unit_test(more_keys_than_there_is_room_for_are_not_left_out_silently),
        cmocka_unit_test(a_certificate_that_the_bundle_vouches_for_signs),
        cmocka_unit_test(any_other_certificate_does_not),
        cmocka_unit_test(who_has_a_certificate_makes_no_others),
        cmocka_unit_test(a_bundle_of_a_leaf_is_no_authority),
        cmocka_unit_test(a_header_that_is_no_list_of_certificates_is_refused),
        cmocka_unit_test(a_key_of_the_bundle_has_its_thumbprint_for_id),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
