/* Signatures of cosign, beside an image that is not needed to judge them. */
#include "signing/signature.h"

#include "base/cleanup.h"
#include "signing/public_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of `cosign generate-key-pair`, and signatures with it by cosign 2.6.5 and 3.1.3. */
static const char key_pem[] =
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHL7GVPyW+SjHV+CIF8pu0oIBv"
    "5W6\nIziVomcpr3IedDVnfH5jgJ+vCxzeKoxx4c4Bizl7KUN6XeAv6fxfdlUxNA==\n-----END PUBLIC KEY----"
    "-\n";

#define SIMPLE_IMAGE "7d37412f0b8e530ed37dcdf7eb2df15eade8130d4f70185c47323748ea40d089"
static const char payload[] =
    "{\"critical\":{\"identity\":{\"docker-reference\":\"127.0.0.1:5055/"
    "app\"},\"image\":{\"docker-manif"
    "est-digest\":\"sha256:7d37412f0b8e530ed37dcdf7eb2df15eade8130d4f70185c47323748ea40d089\"},\""
    "type\":\"cosign container image signature\"},\"optional\":null}";
static const char payload_signature[] =
    "MEUCIHs5I9U0xLGUqm8neP9sidh3RUMOAU2v3NFp6jSlaiRfAiEAqpRPGUBfobO5qDTBFa0h5GRh6kCvJPeLveTd"
    "yv4VOYo=";

#define BUNDLE_IMAGE "bbb0c0332c23e008a9011e60f70cb404332c0cc22dfecd43b3cdfa21d1a153af"
static const char bundle[] =
    "{\"mediaType\":\"application/"
    "vnd.dev.sigstore.bundle.v0.3+json\",\"verificationMaterial\":{\"pu"
    "blicKey\":{\"hint\":\"bgVrhjbaVC5JvObsLDWrSH4MBGnVCuzvk64lP14JB0A=\"}},\"dsseEnvelope\":{"
    "\"paylo"
    "ad\":\"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3Q"
    "iOnsic2hhMjU2IjoiYmJiMGMwMzMyYzIzZTAwOGE5MDExZTYwZjcwY2I0MDQzMzJjMGNjMjJkZmVjZDQzYjNjZGZ"
    "hMjFkMWExNTNhZiJ9LCJhbm5vdGF0aW9ucyI6e319XSwicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmU"
    "uZGV2L2Nvc2lnbi9zaWduL3YxIiwicHJlZGljYXRlIjp7fX0=\",\"payloadType\":\"application/vnd.in-tot"
    "o+json\",\"signatures\":[{\"sig\":\"MEQCIHH4RoLh8E/mf3GeQ3EVqafmnU11hNES1BhL2r0GsGpOAiB96OvnmI"
    "bKXzNIN7x8ntlp2CxzKmxOirzlFfqi01Jhaw==\"}]}}";

#define SIMPLE_LAYER "application/vnd.dev.cosign.simplesigning.v1+json"
#define BUNDLE_TYPE  "application/vnd.dev.sigstore.bundle.v0.3+json"

/* ---- a registry of one image */

struct thing {
    char name[160]; /* a tag or a digest */
    char text[4096];
};

struct beside {
    struct thing things[8];
    size_t n;
    char referrers[4096];
    struct digest image;
    enum err_code fails; /* what a blob is answered with, but for OK */
    enum err_code list_fails;
    bool more; /* the list of referrers is not all */
};

static const struct thing *find(const struct beside *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->things[i].name, name) == 0)
            return &b->things[i];
    }
    return NULL;
}

static enum err_code manifest(void *ctx, const char *reference, struct buf *ret,
                              struct digest *ret_digest, struct err *e)
{
    const struct thing *t = find(ctx, reference);

    if (!t)
        return err_set(e, ERR_MANIFEST_UNKNOWN, "none");
    buf_add_text(ret, t->text);
    digest_of(DIGEST_SHA256, ret->p, ret->n, ret_digest);
    return ERR_OK;
}

static enum err_code referrers(void *ctx, const struct digest *subject, struct buf *ret,
                               bool *ret_more, struct err *e)
{
    const struct beside *b = ctx;

    assert_true(digest_eq(subject, &b->image));
    if (b->list_fails != ERR_OK)
        return err_set(e, b->list_fails, "the list has a headache");
    buf_add_text(ret, b->referrers);
    *ret_more = b->more;
    return ERR_OK;
}

static enum err_code blob(void *ctx, const struct digest *d, struct buf *ret, struct err *e)
{
    const struct beside *b = ctx;
    const struct thing *t = find(b, d->text);

    if (b->fails != ERR_OK)
        return err_set(e, b->fails, "the registry has a headache");
    if (!t)
        return err_set(e, ERR_BLOB_UNKNOWN, "none");
    buf_add_text(ret, t->text);
    return ERR_OK;
}

static struct digest put(struct beside *b, const char *text)
{
    struct thing *t = &b->things[b->n++];
    struct digest d;

    digest_of(DIGEST_SHA256, text, strlen(text), &d);
    snprintf(t->name, sizeof(t->name), "%s", d.text);
    snprintf(t->text, sizeof(t->text), "%s", text);
    return d;
}

static struct digest image_of(const char *hex)
{
    char text[80];
    struct digest d;

    snprintf(text, sizeof(text), "sha256:%s", hex);
    assert_int_equal(digest_parse(str_of(text), &d, ERR_IGNORED), ERR_OK);
    return d;
}

/* The tag sha256-HEX.sig. */
static void sign_simply(struct beside *b, const char *text, const char *signature)
{
    struct digest d = put(b, text);
    struct thing *t = &b->things[b->n++];

    snprintf(t->name, sizeof(t->name), "sha256-%s.sig", digest_hex(&b->image).p);
    snprintf(
        t->text, sizeof(t->text),
        "{\"schemaVersion\":2,\"layers\":[{\"mediaType\":\"" SIMPLE_LAYER
        "\",\"digest\":\"%s\",\"annotations\":{\"dev.cosignproject.cosign/signature\":\"%s\"}}]}",
        d.text, signature);
}

static void sign_by_bundle(struct beside *b, const char *text)
{
    char manifest_text[1024];
    struct digest d = put(b, text);

    snprintf(manifest_text, sizeof(manifest_text),
             "{\"schemaVersion\":2,\"artifactType\":\"" BUNDLE_TYPE
             "\",\"layers\":[{\"mediaType\":\"" BUNDLE_TYPE "\",\"digest\":\"%s\"}]}",
             d.text);
    d = put(b, manifest_text);
    snprintf(b->referrers, sizeof(b->referrers),
             "{\"manifests\":[{\"artifactType\":\"" BUNDLE_TYPE "\",\"digest\":\"%s\"}]}", d.text);
}

static struct public_key *key(void)
{
    struct public_key *k = NULL;

    assert_int_equal(public_key_parse(str_of(key_pem), &k, ERR_IGNORED), ERR_OK);
    return k;
}

static struct signature_list look(struct beside *b)
{
    const struct signature_source s = {manifest, referrers, blob, b, 0};
    AUTO(public_key) struct public_key *k = key();
    const struct trust trust = {.keys = &k, .n_keys = 1};
    struct signature_list l;
    struct err e;

    assert_int_equal(signatures_find(&s, &b->image, &trust, &l, &e), ERR_OK);
    return l;
}

static enum signature_verdict verdict(struct beside *b)
{
    struct signature_list l = look(b);

    assert_int_equal(l.n, 1);
    return l.rows[0].verdict;
}

/* ---- what is good */

static void a_payload_that_cosign_signed_is_good(void **state)
{
    struct beside b = {.image = image_of(SIMPLE_IMAGE)};

    (void)state;
    sign_simply(&b, payload, payload_signature);
    assert_int_equal(verdict(&b), SIGNATURE_GOOD);
}

static void a_bundle_that_cosign_signed_is_good(void **state)
{
    struct beside b = {.image = image_of(BUNDLE_IMAGE)};

    (void)state;
    sign_by_bundle(&b, bundle);
    assert_int_equal(verdict(&b), SIGNATURE_GOOD);
}

static void an_image_with_nothing_beside_it_is_not_signed(void **state)
{
    struct beside b = {.image = image_of(SIMPLE_IMAGE), .referrers = "{\"manifests\":[]}"};

    (void)state;
    assert_int_equal(look(&b).n, 0);
}

/* ---- what is not */

static void signatures_that_were_moved_to_another_image_do_not_count(void **state)
{
    struct beside simple = {.image = image_of(BUNDLE_IMAGE)};
    struct beside bundled = {.image = image_of(SIMPLE_IMAGE)};

    (void)state;
    sign_simply(&simple, payload, payload_signature);
    assert_int_equal(verdict(&simple), SIGNATURE_OTHER_IMAGE);
    sign_by_bundle(&bundled, bundle);
    assert_int_equal(verdict(&bundled), SIGNATURE_OTHER_IMAGE);
}

/* The first place where a text has from becomes to, which is as long. */
static void change(const char *text, const char *from, const char *to, char dst[static 4096])
{
    char *at;

    snprintf(dst, 4096, "%s", text);
    at = strstr(dst, from);
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static void what_was_tampered_with_is_by_no_key(void **state)
{
    struct beside simple = {.image = image_of(BUNDLE_IMAGE)};
    struct beside bundled = {.image = image_of(BUNDLE_IMAGE)};
    char text[4096];

    (void)state;
    change(payload, SIMPLE_IMAGE, BUNDLE_IMAGE, text); /* as if it had been signed */
    sign_simply(&simple, text, payload_signature);
    assert_int_equal(verdict(&simple), SIGNATURE_OTHER_KEY);
    change(bundle, "\"sig\":\"MEQCIHH4", "\"sig\":\"MEQCIHH5", text);
    sign_by_bundle(&bundled, text);
    assert_int_equal(verdict(&bundled), SIGNATURE_OTHER_KEY);
}

static void what_is_not_understood_does_not_count(void **state)
{
    static const char *const bundles[] = {
        "",
        "{}",
        "[]",
        "{\"dsseEnvelope\":{}}",
        "{\"dsseEnvelope\":{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":\"!\"}}",
        "{\"dsseEnvelope\":{\"payloadType\":\"application/"
        "vnd.in-toto+json\",\"payload\":\"W10=\"}}",
        "{\"messageSignature\":{}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++) {
        struct beside b = {.image = image_of(BUNDLE_IMAGE)};

        sign_by_bundle(&b, bundles[i]);
        assert_int_equal(verdict(&b), SIGNATURE_UNKNOWN);
    }
}

static void a_signature_that_is_no_base64_is_not_understood(void **state)
{
    struct beside b = {.image = image_of(SIMPLE_IMAGE)};

    (void)state;
    sign_simply(&b, payload, "not base64!");
    assert_int_equal(verdict(&b), SIGNATURE_UNKNOWN);
}

static void a_blob_that_is_lost_is_not_understood(void **state)
{
    struct beside b = {.image = image_of(SIMPLE_IMAGE)};

    (void)state;
    sign_simply(&b, payload, payload_signature);
    b.things[0].name[0] = 'x';
    assert_int_equal(verdict(&b), SIGNATURE_UNKNOWN);
}

/* Nobody knows then whether the image is signed. */
static void a_registry_that_fails_is_no_verdict(void **state)
{
    struct beside b = {.image = image_of(SIMPLE_IMAGE), .fails = ERR_UNAVAILABLE};
    const struct signature_source s = {manifest, referrers, blob, &b, 0};
    const struct trust none = {.keys = NULL};
    struct signature_list l;
    struct err e;

    (void)state;
    sign_simply(&b, payload, payload_signature);
    assert_int_equal(signatures_find(&s, &b.image, &none, &l, &e), ERR_UNAVAILABLE);
}

/* A statement of something else, though by the key: only that it was signed is a signature. */
static void an_attestation_is_no_signature(void **state)
{
    struct beside b = {.image = image_of(BUNDLE_IMAGE)};

    (void)state;
    sign_by_bundle(
        &b, "{\"dsseEnvelope\":{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":"
            "\"eyJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9zbHNhLmRldi9wcm92ZW5hbmNlL3YxIn0=\","
            "\"signatures\":[]}}");
    assert_int_equal(look(&b).n, 0);
}

static void more_than_can_be_looked_at_is_told(void **state)
{
    struct beside b = {.image = image_of(BUNDLE_IMAGE)};
    char text[4096];
    struct digest d;
    size_t n;

    (void)state;
    d = put(&b, bundle);
    n = (size_t)snprintf(text, sizeof(text), "{\"layers\":[");
    for (size_t i = 0; i < 20; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "%s{\"mediaType\":\"" BUNDLE_TYPE "\",\"digest\":\"%s\"}",
                              i > 0 ? "," : "", d.text);
    snprintf(text + n, sizeof(text) - n, "]}");
    d = put(&b, text);
    n = (size_t)snprintf(b.referrers, sizeof(b.referrers), "{\"manifests\":[");
    for (size_t i = 0; i < 4; i++)
        n += (size_t)snprintf(b.referrers + n, sizeof(b.referrers) - n,
                              "%s{\"artifactType\":\"" BUNDLE_TYPE "\",\"digest\":\"%s\"}",
                              i > 0 ? "," : "", d.text);
    snprintf(b.referrers + n, sizeof(b.referrers) - n, "]}");
    assert_int_equal(look(&b).n, SIGNATURES_MAX);
    assert_true(look(&b).more);
}

static void a_list_that_is_too_large_leaves_what_else_there_is(void **state)
{
    struct beside b = {.image = image_of(SIMPLE_IMAGE), .list_fails = ERR_CORRUPT};
    struct signature_list l;

    (void)state;
    sign_simply(&b, payload, payload_signature);
    l = look(&b);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.rows[0].verdict, SIGNATURE_GOOD);
    assert_true(l.more);
    signature_list_done(&l);
}

static void a_list_that_is_not_all_is_told(void **state)
{
    struct beside b = {.image = image_of(BUNDLE_IMAGE)};

    (void)state;
    assert_false(look(&b).more);
    sign_by_bundle(&b, bundle);
    b.more = true;
    assert_true(look(&b).more);
    assert_int_equal(verdict(&b), SIGNATURE_GOOD);
}

/* ---- keys */

static void auto_EVP_PKEY_(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static struct public_key *public_half(EVP_PKEY *pair, enum err_code *ret_code, struct err *e)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct public_key *k = NULL;
    char *text;
    long n;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, pair), 1);
    n = BIO_get_mem_data(bio, &text);
    *ret_code = public_key_parse((struct str){text, (size_t)n}, &k, e);
    BIO_free(bio);
    return k;
}

static bool is_verified(EVP_PKEY *pair, const EVP_MD *hash)
{
    AUTO(public_key) struct public_key *k = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[1024];
    size_t n = sizeof(signature);
    enum err_code code;
    bool good;

    k = public_half(pair, &code, ERR_IGNORED);
    assert_int_equal(code, ERR_OK);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, hash, NULL, pair), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &n, (const unsigned char *)"text", 4), 1);
    EVP_MD_CTX_free(ctx);
    good = public_key_verifies(k, STR("text"), (struct str){(char *)signature, n});
    assert_false(public_key_verifies(k, STR("Text"), (struct str){(char *)signature, n}));
    return good;
}

static void keys_of_all_usual_kinds_verify(void **state)
{
    AUTO(EVP_PKEY)
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *p256 = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384"),
             *p521 = EVP_EC_gen("P-521"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    (void)state;
    assert_true(is_verified(rsa, EVP_sha256()));
    assert_true(is_verified(p256, EVP_sha256()));
    assert_true(is_verified(p384, EVP_sha256()));
    assert_true(is_verified(p384, EVP_sha384()));
    assert_true(is_verified(p521, EVP_sha512()));
    assert_true(is_verified(ed, NULL));
    assert_false(is_verified(rsa, EVP_sha1()));
}

static void keys_that_are_too_weak_or_strange_are_refused(void **state)
{
    AUTO(EVP_PKEY) EVP_PKEY *weak = EVP_RSA_gen(1024), *strange = EVP_EC_gen("secp256k1");
    struct err e;
    enum err_code code;

    (void)state;
    assert_null(public_half(weak, &code, &e));
    assert_int_equal(code, ERR_CONFIG);
    assert_string_equal(e.detail, "the RSA key has 1024 bits; allowed is 2048 or more");
    assert_null(public_half(strange, &code, &e));
    assert_int_equal(code, ERR_CONFIG);
}

static void what_is_no_key_is_refused(void **state)
{
    struct public_key *k;
    struct err e;

    (void)state;
    assert_int_equal(public_key_parse(STR("no key"), &k, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "BEGIN PUBLIC KEY"));
    assert_int_equal(public_key_parse(STR(""), &k, &e), ERR_CONFIG);
}

static void a_key_is_known_by_its_fingerprint(void **state)
{
    AUTO(public_key) struct public_key *k = key();

    (void)state;
    assert_string_equal(public_key_fingerprint(k),
                        "6e056b8636da542e49bce6ec2c35ab487e0c0469d50aecef93ae253f5e090740");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_that_cosign_signed_is_good),
        cmocka_unit_test(a_bundle_that_cosign_signed_is_good),
        cmocka_unit_test(an_image_with_nothing_beside_it_is_not_signed),
        cmocka_unit_test(signatures_that_were_moved_to_another_image_do_not_count),
        cmocka_unit_test(what_was_tampered_with_is_by_no_key),
        cmocka_unit_test(what_is_not_understood_does_not_count),
        cmocka_unit_test(a_signature_that_is_no_base64_is_not_understood),
        cmocka_unit_test(a_blob_that_is_lost_is_not_understood),
        cmocka_unit_test(a_registry_that_fails_is_no_verdict),
        cmocka_unit_test(an_attestation_is_no_signature),
        cmocka_unit_test(more_than_can_be_looked_at_is_told),
        cmocka_unit_test(a_list_that_is_too_large_leaves_what_else_there_is),
        cmocka_unit_test(a_list_that_is_not_all_is_told),
        cmocka_unit_test(keys_of_all_usual_kinds_verify),
        cmocka_unit_test(keys_that_are_too_weak_or_strange_are_refused),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(a_key_is_known_by_its_fingerprint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
