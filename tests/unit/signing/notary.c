#include "notary.h"

#include "base/clock.h"

#include <cbor.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM (32u << 10)

/* ---- signing */

static const EVP_MD *hash_of(const char *algorithm)
{
    return strstr(algorithm, "256")   ? EVP_sha256()
           : strstr(algorithm, "384") ? EVP_sha384()
                                      : EVP_sha512();
}

/* As JOSE and COSE have it. */
static void add_raw(const unsigned char *der, size_t n, size_t half, struct buf *ret)
{
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)n);

    assert_non_null(s);
    BN_bn2binpad(ECDSA_SIG_get0_r(s), (unsigned char *)buf_reserve(ret, half), (int)half);
    ret->n += half;
    BN_bn2binpad(ECDSA_SIG_get0_s(s), (unsigned char *)buf_reserve(ret, half), (int)half);
    ret->n += half;
    ECDSA_SIG_free(s);
}

static void sign(const struct notary_ask *ask, struct str message, struct buf *ret)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of;
    EVP_PKEY *key = ask->signer->key;
    unsigned char made[1024];
    size_t n = sizeof(made);
    bool rsa = ask->algorithm[0] == 'P';

    buf_init(ret, ROOM);
    assert_int_equal(EVP_DigestSignInit(ctx, &of, hash_of(ask->algorithm), NULL, key), 1);
    if (rsa) {
        EVP_PKEY_CTX_set_rsa_padding(of, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(of, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, made, &n, (const unsigned char *)message.p, message.n), 1);
    if (rsa)
        buf_add(ret, made, n);
    else
        add_raw(made, n, ((size_t)EVP_PKEY_get_bits(key) + 7) / 8, ret);
    EVP_MD_CTX_free(ctx);
}

static void stamp(const struct notary_ask *ask, struct str signature, struct buf *ret)
{
    buf_init(ret, ROOM);
    if (ask->stamper)
        pki_timestamp(ask->stamper, ask->stamper_root, signature, ask->stamped_s, ret);
}

static bool by_authority(const struct notary_ask *ask)
{
    return ask->scheme && strstr(ask->scheme, "signingAuthority");
}

static const char *scheme_of(const struct notary_ask *ask)
{
    return ask->scheme ? ask->scheme : "notary.x509";
}

static const char *time_name(const struct notary_ask *ask)
{
    return by_authority(ask) ? NOTARY_PREFIX "authenticSigningTime" : NOTARY_PREFIX "signingTime";
}

/* What has to be critical; how many. */
static size_t critical_of(const struct notary_ask *ask, const char *names[static 4])
{
    size_t n = 0;

    if (ask->nothing_critical)
        return 0;
    names[n++] = NOTARY_PREFIX "signingScheme";
    if (by_authority(ask))
        names[n++] = time_name(ask);
    if (ask->expiry_s)
        names[n++] = NOTARY_PREFIX "expiry";
    if (ask->critical)
        names[n++] = ask->critical;
    return n;
}

/* ---- JWS */

static void add_base64(struct str bytes, bool url, struct buf *ret)
{
    size_t at = ret->n;
    int n = EVP_EncodeBlock((unsigned char *)buf_reserve(ret, bytes.n * 2 + 8),
                            (const unsigned char *)bytes.p, (int)bytes.n);

    ret->n += (size_t)n;
    while (url && ret->n > at && ret->p[ret->n - 1] == '=')
        ret->n--;
    for (size_t i = at; url && i < ret->n; i++) {
        if (ret->p[i] == '+')
            ret->p[i] = '-';
        if (ret->p[i] == '/')
            ret->p[i] = '_';
    }
}

static void add_time(const char *name, int64_t s, struct buf *ret)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_rfc3339((PKI_NOW_S + s) * 1000, text);
    buf_addf(ret, ",\"%s\":\"%s\"", name, text);
}

static void add_protected(const struct notary_ask *ask, struct buf *ret)
{
    const char *critical[4];
    size_t n = critical_of(ask, critical);

    buf_addf(ret,
             "{\"alg\":\"%s\",\"cty\":\"" NOTARY_TYPE "\",\"" NOTARY_PREFIX
             "signingScheme\":\"%s\"",
             ask->algorithm, scheme_of(ask));
    add_time(time_name(ask), ask->signed_s, ret);
    if (ask->expiry_s)
        add_time(NOTARY_PREFIX "expiry", ask->expiry_s, ret);
    if (ask->critical)
        buf_addf(ret, ",\"%s\":\"this\"", ask->critical);
    buf_add_text(ret, ",\"crit\":[");
    for (size_t i = 0; i < n; i++)
        buf_addf(ret, "%s\"%s\"", i > 0 ? "," : "", critical[i]);
    buf_add_text(ret, "]}");
}

static void add_x5c(const struct party *p, bool more, struct buf *ret)
{
    AUTO(buf) struct buf der = {0};

    buf_init(&der, ROOM);
    pki_der(p, &der);
    buf_add_text(ret, more ? ",\"" : "\"");
    add_base64(buf_str(&der), false, ret);
    buf_add_char(ret, '"');
}

void notary_jws(const struct notary_ask *ask, struct buf *ret)
{
    AUTO(buf) struct buf protected = {0}, message = {0}, signature = {0}, token = {0}, body = {0};
    struct str payload, head;

    buf_init(&protected, ROOM);
    buf_init(&message, ROOM);
    buf_init(&body, ROOM);
    add_protected(ask, &protected);
    add_base64(buf_str(&protected), true, &message);
    buf_add_char(&message, '.');
    add_base64(str_of(ask->payload), true, &message);
    sign(ask, buf_str(&message), &signature);
    stamp(ask, buf_str(&signature), &token);
    payload = buf_str(&message);
    str_cut(&payload, '.', &head);
    buf_addf(&body, "{\"protected\":\"" STR_FMT "\",\"payload\":\"" STR_FMT "\",\"signature\":\"",
             STR_ARG(head), STR_ARG(ask->damaged ? STR("e30") : payload));
    add_base64(buf_str(&signature), true, &body);
    buf_add_text(&body, "\",\"header\":{\"x5c\":[");
    add_x5c(ask->signer, false, &body);
    for (size_t i = 0; i < 8 && ask->chain[i]; i++)
        add_x5c(ask->chain[i], true, &body);
    buf_add_char(&body, ']');
    if (token.n > 0) {
        buf_add_text(&body, ",\"" NOTARY_PREFIX "timestampSignature\":\"");
        add_base64(buf_str(&token), false, &body);
        buf_add_char(&body, '"');
    }
    buf_add_text(&body, "}}");
    buf_add_str(ret, buf_str(&body));
}

/* ---- COSE */

static void add_head(size_t (*with)(size_t, unsigned char *, size_t), size_t n, struct buf *ret)
{
    unsigned char head[16];

    buf_add(ret, head, with(n, head, sizeof(head)));
}

static void add_text(const char *text, struct buf *ret)
{
    add_head(cbor_encode_string_start, strlen(text), ret);
    buf_add_text(ret, text);
}

static void add_bytes(struct str bytes, struct buf *ret)
{
    add_head(cbor_encode_bytestring_start, bytes.n, ret);
    buf_add_str(ret, bytes);
}

static void add_number(int64_t n, struct buf *ret)
{
    unsigned char head[16];

    buf_add(ret, head,
            n < 0 ? cbor_encode_negint((uint64_t)(-1 - n), head, sizeof(head))
                  : cbor_encode_uint((uint64_t)n, head, sizeof(head)));
}

static void add_stamp(const char *name, int64_t s, struct buf *ret)
{
    add_text(name, ret);
    buf_add_char(ret, (char)0xc1);
    add_number(PKI_NOW_S + s, ret);
}

static int64_t cose_algorithm(const char *name)
{
    static const struct {
        const char *name;
        int64_t number;
    } all[] = {{"ES256", -7}, {"ES384", -35}, {"ES512", -36}, {"PS256", -37}, {"PS384", -38}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].name, name) == 0)
            return all[i].number;
    }
    return 0;
}

static void add_cose_headers(const struct notary_ask *ask, struct buf *ret)
{
    const char *critical[4];
    size_t n = critical_of(ask, critical);

    add_head(cbor_encode_map_start, 5 + (ask->expiry_s != 0) + (ask->critical != NULL), ret);
    add_number(1, ret);
    add_number(cose_algorithm(ask->algorithm), ret);
    add_number(2, ret);
    add_head(cbor_encode_array_start, n, ret);
    for (size_t i = 0; i < n; i++)
        add_text(critical[i], ret);
    add_number(3, ret);
    add_text(NOTARY_TYPE, ret);
    add_text(NOTARY_PREFIX "signingScheme", ret);
    add_text(scheme_of(ask), ret);
    add_stamp(time_name(ask), ask->signed_s, ret);
    if (ask->expiry_s)
        add_stamp(NOTARY_PREFIX "expiry", ask->expiry_s, ret);
    if (ask->critical) {
        add_text(ask->critical, ret);
        add_text("this", ret);
    }
}

static void add_certificate(const struct party *p, struct buf *ret)
{
    AUTO(buf) struct buf der = {0};

    buf_init(&der, ROOM);
    pki_der(p, &der);
    add_bytes(buf_str(&der), ret);
}

static void add_unprotected(const struct notary_ask *ask, struct str token, struct buf *ret)
{
    size_t n = 0;

    while (n < 8 && ask->chain[n])
        n++;
    add_head(cbor_encode_map_start, token.n > 0 ? 3 : 2, ret);
    add_text(NOTARY_PREFIX "signingAgent", ret);
    add_text("a test", ret);
    if (token.n > 0) {
        add_text(NOTARY_PREFIX "timestampSignature", ret);
        add_bytes(token, ret);
    }
    add_number(33, ret);
    add_head(cbor_encode_array_start, n + 1, ret);
    add_certificate(ask->signer, ret);
    for (size_t i = 0; i < n; i++)
        add_certificate(ask->chain[i], ret);
}

void notary_cose(const struct notary_ask *ask, struct buf *ret)
{
    AUTO(buf) struct buf protected = {0}, message = {0}, signature = {0}, token = {0};

    buf_init(&protected, ROOM);
    buf_init(&message, ROOM);
    add_cose_headers(ask, &protected);
    add_head(cbor_encode_array_start, 4, &message);
    add_text("Signature1", &message);
    add_bytes(buf_str(&protected), &message);
    add_bytes(STR(""), &message);
    add_bytes(str_of(ask->payload), &message);
    sign(ask, buf_str(&message), &signature);
    stamp(ask, buf_str(&signature), &token);
    buf_add_text(ret, "\xd2\x84");
    add_bytes(buf_str(&protected), ret);
    add_unprotected(ask, buf_str(&token), ret);
    add_bytes(str_of(ask->damaged ? "{}" : ask->payload), ret);
    add_bytes(buf_str(&signature), ret);
}
