/* Signatures of the Notary Project: each rule of its specification that a signature may break. */
#include "signing/notation_trust.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "notary.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM  (64u << 10)
#define HEX   "73c803930ea3ba1e54bc25c2bdc53edd0284c62ed651fe7b00369da519a3c333"
#define MEDIA "application/vnd.oci.image.manifest.v1+json"
#define PAYLOAD(digest, size)                                                                      \
    "{\"targetArtifact\":{\"mediaType\":\"" MEDIA "\",\"digest\":\"sha256:" digest                 \
    "\",\"size\":" size "}}"
#define RIGHT   PAYLOAD(HEX, "16724")
#define STRICT  "\"level\":\"strict\""
#define SUBJECT "/C=US/ST=WA/O=acme/CN=signer"

static char dir[] = "/tmp/notation-XXXXXX";
static struct party root, signer, stranger_root, stranger, stamp_root, stamper;

static int group_setup(void **state)
{
    const struct party_ask stamps = {.subject = "/CN=stamps",
                                     .issuer = &stamp_root,
                                     .usage = "critical,digitalSignature",
                                     .extended = "critical,timeStamping"};

    (void)state;
    party_make_root("/C=US/ST=WA/O=acme/CN=root", &root);
    party_make_signer(SUBJECT, &root, &signer);
    party_make_root("/C=US/ST=WA/O=other/CN=root", &stranger_root);
    party_make_signer(SUBJECT, &stranger_root, &stranger);
    party_make_root("/CN=time", &stamp_root);
    party_make(&stamps, &stamper);
    return mkdtemp(dir) ? 0 : -1;
}

static int group_teardown(void **state)
{
    struct party *all[] = {&root, &signer, &stranger_root, &stranger, &stamp_root, &stamper};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        party_done(all[i]);
    return file_remove_tree_at(AT_FDCWD, dir, ERR_IGNORED) == ERR_OK ? 0 : -1;
}

/* ---- what is trusted */

struct world {
    const char *verification;    /* NULL: STRICT */
    const char *identities;      /* NULL: all */
    const char *stores;          /* NULL: ca:acme */
    struct str list;             /* of revoked certificates, PEM */
    const struct party *trusted; /* NULL: root */
};

static void write_file(const char *name, struct str text, char *path)
{
    AUTO(fd) int fd = -1;

    snprintf(path, 128, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text.p, text.n), 0);
}

static void policy_of(const struct world *w, struct buf *ret)
{
    buf_addf(ret,
             "{\"version\":\"1.0\",\"trustPolicies\":[{\"name\":\"all\",\"registryScopes\":[\"*\"],"
             "\"signatureVerification\":{%s},\"trustStores\":[%s],\"trustedIdentities\":[%s]}]}",
             w->verification ? w->verification : STRICT, w->stores ? w->stores : "\"ca:acme\"",
             w->identities ? w->identities : "\"*\"");
}

static enum err_code read_trust(struct str policy, struct str certificates, struct str list,
                                struct notation_trust **ret, struct err *e)
{
    char policy_path[128], pem_path[128], list_path[128];
    const char *crls[] = {list_path};
    const struct notation_files files = {
        .policy = policy_path, .certificates = pem_path, .crls = crls, .n_crls = list.n > 0};

    write_file("trustpolicy.json", policy, policy_path);
    write_file("roots.pem", certificates, pem_path);
    write_file("list.pem", list, list_path);
    return notation_trust_read(&files, ret, e);
}

static void trust_of(const struct world *w, struct notation_trust **ret)
{
    AUTO(buf) struct buf policy = {0}, pem = {0};
    struct err e = {0};

    buf_init(&policy, ROOM);
    buf_init(&pem, ROOM);
    policy_of(w, &policy);
    pki_pem(w->trusted ? w->trusted : &root, &pem);
    pki_pem(&stamp_root, &pem);
    if (read_trust(buf_str(&policy), buf_str(&pem), w->list, ret, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

/* ---- what is judged */

static struct notary_ask right(void)
{
    return (struct notary_ask){.signer = &signer,
                               .chain = {&root},
                               .algorithm = "ES256",
                               .payload = RIGHT,
                               .signed_s = -PKI_DAY_S};
}

static void judge_bytes(const struct notation_trust *t, enum notation_form_of form,
                        struct str bytes, struct signature *ret)
{
    struct notation_signature s = {.form = form,
                                   .bytes = bytes,
                                   .repository = STR("registry.example/team/app"),
                                   .now_ms = (int64_t)PKI_NOW_S * 1000};

    assert_int_equal(digest_parse(STR("sha256:" HEX), &s.target.digest, ERR_IGNORED), ERR_OK);
    s.target.media_type = STR(MEDIA);
    s.target.size_bytes = 16724;
    *ret = (struct signature){.verdict = SIGNATURE_UNKNOWN};
    notation_judge(t, &s, ret);
}

static void judge_one(const struct world *w, const struct notary_ask *ask,
                      enum notation_form_of form, struct signature *ret)
{
    AUTO(notation_trust) struct notation_trust *t = NULL;
    AUTO(buf) struct buf made = {0};

    buf_init(&made, ROOM);
    (form == NOTATION_JWS ? notary_jws : notary_cose)(ask, &made);
    assert_false(made.full);
    trust_of(w, &t);
    judge_bytes(t, form, buf_str(&made), ret);
}

/* In both forms; why: what it says, or NULL. */
static void check(const struct world *w, const struct notary_ask *ask,
                  enum signature_verdict verdict, const char *why)
{
    for (int form = NOTATION_JWS; form <= NOTATION_COSE; form++) {
        struct signature s;

        judge_one(w, ask, (enum notation_form_of)form, &s);
        if (s.verdict != verdict)
            fail_msg("form %d: %s: %s", form, signature_verdict_name(s.verdict),
                     s.why ? s.why : "");
        if (!why)
            assert_null(s.why);
        else if (!s.why || !strstr(s.why, why))
            fail_msg("form %d: '%s' is not '%s'", form, s.why ? s.why : "", why);
        signature_done(&s);
    }
}

static void test_a_signature_by_somebody_who_is_trusted_is_good(void **state)
{
    const struct notary_ask ask = right();
    struct signature s;

    (void)state;
    check(&(struct world){0}, &ask, SIGNATURE_GOOD, NULL);
    judge_one(&(struct world){0}, &ask, NOTATION_COSE, &s);
    assert_string_equal(s.identity, "CN=signer,O=acme,ST=WA,C=US");
    assert_string_equal(s.issuer, "CN=root,O=acme,ST=WA,C=US");
    assert_int_equal(s.signer, SIGNER_NOTATION);
    assert_int_equal(s.until_ms, ((int64_t)PKI_NOW_S + 365 * PKI_DAY_S) * 1000 + 1);
    signature_done(&s);
}

static void test_every_algorithm_is_taken_with_its_own_key(void **state)
{
    static const struct {
        const char *algorithm, *curve;
    } all[] = {{"ES384", "P-384"}, {"ES512", "P-521"}, {"PS256", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        EVP_PKEY *rsa = all[i].curve ? NULL : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        const struct party_ask how = {.subject = SUBJECT,
                                      .issuer = &root,
                                      .usage = "critical,digitalSignature",
                                      .curve = all[i].curve,
                                      .key = rsa};
        struct party by;
        struct notary_ask ask = right();

        party_make(&how, &by);
        ask.signer = &by;
        ask.algorithm = all[i].algorithm;
        check(&(struct world){0}, &ask, SIGNATURE_GOOD, NULL);
        ask.algorithm = all[i].curve ? "ES256" : "PS384";
        check(&(struct world){0}, &ask, SIGNATURE_OTHER_KEY, "not one that signs with");
        party_done(&by);
        EVP_PKEY_free(rsa);
    }
}

static void test_what_was_changed_afterwards_does_not_count(void **state)
{
    struct notary_ask ask = right();

    (void)state;
    ask.damaged = true;
    check(&(struct world){0}, &ask, SIGNATURE_OTHER_KEY, "not made with the key");
}

static void test_the_certificate_of_somebody_else_does_not_help(void **state)
{
    const struct party thief = {signer.certificate, stranger.key};
    struct notary_ask ask = right();

    (void)state;
    ask.signer = &thief;
    check(&(struct world){0}, &ask, SIGNATURE_OTHER_KEY, "not made with the key");
}

static void test_another_root_is_not_trusted_unless_that_is_only_told(void **state)
{
    struct notary_ask ask = right();

    (void)state;
    ask.signer = &stranger;
    ask.chain[0] = &stranger_root;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "trust store (ca) of 'all'");
    check(&(struct world){.verification = "\"level\":\"permissive\""}, &ask,
          SIGNATURE_UNTRUSTED_CHAIN, "trust store");
    check(&(struct world){.verification = "\"level\":\"audit\""}, &ask, SIGNATURE_GOOD,
          "not enforced by the trust policy: no certificate");
}

static void test_only_identities_that_are_named_count(void **state)
{
    static const struct {
        const char *identities;
        bool good;
    } all[] = {
        {"\"x509.subject: C=US, ST=WA, O=acme, CN=signer\"", true},
        {"\"x509.subject:CN=signer,O=acme,S=WA,C=US\"", true},
        {"\"x509.subject: C=US, ST=WA, O=acme\"", true},
        {"\"x509.subject: C=US, ST=WA, O=acme, CN=other\", \"x509.subject: C=US, ST=WA, O=acme, "
         "CN=signer\"",
         true},
        {"\"x509.subject: C=US, ST=WA, O=acme, CN=other\"", false},
        {"\"x509.subject: C=US, ST=WA, O=acme, OU=any\"", false},
        {"\"x509.subject: C=US, ST=WA, O=acm\"", false},
        {"\"x509.subject: C=us, ST=WA, O=acme\"", false},
    };
    const struct notary_ask ask = right();

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        check(&(struct world){.identities = all[i].identities}, &ask,
              all[i].good ? SIGNATURE_GOOD : SIGNATURE_OTHER_IDENTITY,
              all[i].good ? NULL : "trusted identities of 'all'");
}

static void test_names_with_signs_of_the_notation_are_escaped(void **state)
{
    struct party by;
    struct notary_ask ask = right();

    (void)state;
    party_make_signer("/C=US/ST=WA/O=a, b=\xc3\xbc/CN=x", &root, &by);
    ask.signer = &by;
    check(
        &(struct world){.identities = "\"x509.subject: C=US, ST=WA, O=a\\\\, b\\\\=\\\\C3\\\\bc\""},
        &ask, SIGNATURE_GOOD, NULL);
    check(&(struct world){.identities = "\"x509.subject: C=US, ST=WA, O=a\""}, &ask,
          SIGNATURE_OTHER_IDENTITY, "");
    party_done(&by);
}

static void test_a_subject_that_says_a_thing_twice_is_of_nobody(void **state)
{
    struct party by;
    struct notary_ask ask = right();

    (void)state;
    party_make_signer("/C=US/ST=WA/O=acme/O=other/CN=x", &root, &by);
    ask.signer = &by;
    check(&(struct world){.identities = "\"x509.subject: C=US, ST=WA, O=acme\""}, &ask,
          SIGNATURE_OTHER_IDENTITY, "");
    party_done(&by);
}

static void test_a_good_signature_of_another_image_does_not_count(void **state)
{
    static const char *const payloads[] = {
        PAYLOAD("83c803930ea3ba1e54bc25c2bdc53edd0284c62ed651fe7b00369da519a3c333", "16724"),
        PAYLOAD(HEX, "16725"),
        PAYLOAD(HEX, "-1"),
        PAYLOAD(HEX, "\"16724\""),
        "{}",
        "[",
        "7",
        "{\"targetArtifact\":{\"mediaType\":\"text/plain\",\"digest\":\"sha256:" HEX
        "\",\"size\":16724}}"};
    struct notary_ask ask = right();

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        ask.payload = payloads[i];
        check(&(struct world){0}, &ask, SIGNATURE_OTHER_IMAGE, NULL);
    }
}

static void test_a_signature_expires(void **state)
{
    struct notary_ask ask = right();
    struct signature s;

    (void)state;
    ask.expiry_s = 60;
    judge_one(&(struct world){0}, &ask, NOTATION_JWS, &s);
    assert_int_equal(s.verdict, SIGNATURE_GOOD);
    assert_int_equal(s.until_ms, ((int64_t)PKI_NOW_S + 60) * 1000);
    signature_done(&s);
    ask.expiry_s = -60;
    check(&(struct world){0}, &ask, SIGNATURE_EXPIRED, "the signature has expired");
    check(&(struct world){.verification = STRICT ",\"override\":{\"expiry\":\"log\"}"}, &ask,
          SIGNATURE_GOOD, "not enforced by the trust policy: the signature has expired");
    ask.expiry_s = -2 * PKI_DAY_S;
    check(&(struct world){0}, &ask, SIGNATURE_UNKNOWN, "expires before it is made");
}

static void make_old(struct party *ret)
{
    const struct party_ask how = {.subject = SUBJECT,
                                  .issuer = &root,
                                  .usage = "critical,digitalSignature",
                                  .from_s = -10 * PKI_DAY_S,
                                  .to_s = -5 * PKI_DAY_S};

    party_make(&how, ret);
}

static void test_a_certificate_has_to_be_valid_now(void **state)
{
    struct party old;
    struct notary_ask ask = right();

    (void)state;
    make_old(&old);
    ask.signer = &old;
    ask.signed_s = -7 * PKI_DAY_S;
    check(&(struct world){0}, &ask, SIGNATURE_EXPIRED, "was not valid now");
    check(&(struct world){.verification = "\"level\":\"permissive\""}, &ask, SIGNATURE_GOOD,
          "was not valid now");
    party_done(&old);
}

static void test_a_timestamp_says_that_it_was_valid_then(void **state)
{
    const struct world w = {.stores = "\"ca:acme\",\"tsa:time\""};
    struct party old;
    struct notary_ask ask = right();

    (void)state;
    make_old(&old);
    ask.signer = &old;
    ask.signed_s = -7 * PKI_DAY_S;
    check(&w, &ask, SIGNATURE_NO_TIME, "the timestamp is none");
    ask.stamper = &stamper;
    ask.stamper_root = &stamp_root;
    ask.stamped_s = -7 * PKI_DAY_S;
    check(&w, &ask, SIGNATURE_GOOD, NULL);
    check(&(struct world){0}, &ask, SIGNATURE_EXPIRED, "was not valid now");
    ask.stamped_s = -4 * PKI_DAY_S;
    check(&w, &ask, SIGNATURE_EXPIRED, "at the time of its timestamp");
    party_done(&old);
}

static void test_a_timestamp_by_anybody_says_nothing(void **state)
{
    const struct world w = {.stores = "\"ca:acme\",\"tsa:time\""};
    const struct party_ask how = {.subject = "/CN=stamps",
                                  .issuer = &stranger_root,
                                  .usage = "critical,digitalSignature",
                                  .extended = "critical,timeStamping"};
    struct party anybody;
    struct notary_ask ask = right();

    (void)state;
    party_make(&how, &anybody);
    ask.stamper = &anybody;
    ask.stamper_root = &stranger_root;
    check(&w, &ask, SIGNATURE_NO_TIME, "an authority that is not trusted");
    party_done(&anybody);
}

static void test_a_timestamp_by_an_authority_that_was_revoked_says_nothing(void **state)
{
    AUTO(buf) struct buf list = {0};
    struct world w = {.stores = "\"ca:acme\",\"tsa:time\""};
    struct notary_ask ask = right();

    (void)state;
    buf_init(&list, ROOM);
    pki_list(&stamp_root, &stamper, 0, PKI_DAY_S, &list);
    ask.stamper = &stamper;
    ask.stamper_root = &stamp_root;
    check(&w, &ask, SIGNATURE_GOOD, NULL);
    w.list = buf_str(&list);
    check(&w, &ask, SIGNATURE_NO_TIME, "the timestamp's authority: certificate 'CN=stamps' is");
    w.verification = STRICT ",\"override\":{\"revocation\":\"skip\"}";
    check(&w, &ask, SIGNATURE_GOOD, NULL);
}

static void test_timestamps_can_be_left_for_when_certificates_expire(void **state)
{
    const struct world w = {.stores = "\"ca:acme\",\"tsa:time\"",
                            .verification = STRICT ",\"verifyTimestamp\":\"afterCertExpiry\""};
    const struct notary_ask ask = right();

    (void)state;
    check(&w, &ask, SIGNATURE_GOOD, NULL);
    check(&(struct world){.stores = w.stores}, &ask, SIGNATURE_NO_TIME, "the timestamp is none");
}

static void test_the_time_of_a_signing_authority_is_believed(void **state)
{
    const struct world w = {.stores = "\"signingAuthority:acme\""};
    struct party old;
    struct notary_ask ask = right();

    (void)state;
    make_old(&old);
    ask.signer = &old;
    ask.scheme = "notary.x509.signingAuthority";
    ask.signed_s = -7 * PKI_DAY_S;
    check(&w, &ask, SIGNATURE_GOOD, NULL);
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "trust store (signingAuthority)");
    ask.signed_s = -4 * PKI_DAY_S;
    check(&w, &ask, SIGNATURE_EXPIRED, "when it was signed");
    party_done(&old);
}

/* ---- revocation */

static void test_a_list_revokes_a_certificate(void **state)
{
    AUTO(buf) struct buf list = {0};
    const struct notary_ask ask = right();

    (void)state;
    buf_init(&list, ROOM);
    pki_list(&root, &signer, 0, PKI_DAY_S, &list);
    check(&(struct world){.list = buf_str(&list)}, &ask, SIGNATURE_REVOKED,
          "certificate 'CN=signer,O=acme,ST=WA,C=US' is revoked");
    check(&(struct world){.list = buf_str(&list), .verification = "\"level\":\"permissive\""}, &ask,
          SIGNATURE_GOOD, "is revoked");
    check(&(struct world){.list = buf_str(&list),
                          .verification = STRICT ",\"override\":{\"revocation\":\"skip\"}"},
          &ask, SIGNATURE_GOOD, NULL);
}

static void test_a_list_that_does_not_have_it_is_asked_again_when_it_is_due(void **state)
{
    AUTO(buf) struct buf list = {0};
    const struct notary_ask ask = right();
    struct signature s;

    (void)state;
    buf_init(&list, ROOM);
    pki_list(&root, &stranger, 0, PKI_DAY_S, &list);
    judge_one(&(struct world){.list = buf_str(&list)}, &ask, NOTATION_JWS, &s);
    assert_int_equal(s.verdict, SIGNATURE_GOOD);
    assert_int_equal(s.until_ms, ((int64_t)PKI_NOW_S + PKI_DAY_S) * 1000);
    signature_done(&s);
}

static void test_a_list_out_of_date_says_only_who_is_revoked(void **state)
{
    AUTO(buf) struct buf without = {0}, with = {0};
    const struct notary_ask ask = right();

    (void)state;
    buf_init(&without, ROOM);
    buf_init(&with, ROOM);
    pki_list(&root, NULL, 0, -PKI_DAY_S, &without);
    pki_list(&root, &signer, 0, -PKI_DAY_S, &with);
    check(&(struct world){.list = buf_str(&without)}, &ask, SIGNATURE_REVOCATION_UNKNOWN,
          "out of date");
    check(&(struct world){.list = buf_str(&with)}, &ask, SIGNATURE_REVOKED, "is revoked");
}

static void test_a_list_by_somebody_else_is_none(void **state)
{
    const struct party forger = {root.certificate, stranger_root.key};
    AUTO(buf) struct buf list = {0};
    const struct notary_ask ask = right();

    (void)state;
    buf_init(&list, ROOM);
    pki_list(&forger, NULL, 0, PKI_DAY_S, &list);
    check(&(struct world){.list = buf_str(&list)}, &ask, SIGNATURE_REVOCATION_UNKNOWN, "not by it");
}

static void test_a_certificate_that_names_lists_needs_one(void **state)
{
    const struct party_ask how = {.subject = SUBJECT,
                                  .issuer = &root,
                                  .usage = "critical,digitalSignature",
                                  .lists = "URI:http://crl.example/acme.crl"};
    AUTO(buf) struct buf list = {0};
    struct party by;
    struct notary_ask ask = right();

    (void)state;
    buf_init(&list, ROOM);
    pki_list(&root, NULL, 0, PKI_DAY_S, &list);
    party_make(&how, &by);
    ask.signer = &by;
    check(&(struct world){0}, &ask, SIGNATURE_REVOCATION_UNKNOWN, "no list of revoked");
    check(&(struct world){.list = buf_str(&list)}, &ask, SIGNATURE_GOOD, NULL);
    party_done(&by);
}

static void test_what_an_authority_had_signed_before_the_key_was_lost_is_good(void **state)
{
    AUTO(buf) struct buf list = {0};
    struct notary_ask ask = right();
    struct world w = {.stores = "\"signingAuthority:acme\""};

    (void)state;
    buf_init(&list, ROOM);
    pki_list(&root, &signer, -2 * PKI_DAY_S, PKI_DAY_S, &list);
    w.list = buf_str(&list);
    ask.scheme = "notary.x509.signingAuthority";
    check(&w, &ask, SIGNATURE_REVOKED, "is revoked");
    ask.signed_s = -3 * PKI_DAY_S;
    check(&w, &ask, SIGNATURE_GOOD, NULL);
    ask.scheme = NULL;
    w.stores = NULL;
    check(&w, &ask, SIGNATURE_REVOKED, "is revoked");
}

/* ---- envelopes */

static void test_what_is_critical_and_not_understood_is_refused(void **state)
{
    struct notary_ask ask = right();

    (void)state;
    ask.critical = "com.example.thing";
    check(&(struct world){0}, &ask, SIGNATURE_UNKNOWN, "'com.example.thing' is not understood");
    ask.critical = NOTARY_PREFIX "verificationPlugin";
    check(&(struct world){0}, &ask, SIGNATURE_UNKNOWN, "asks for the plugin 'this'");
    ask = right();
    ask.nothing_critical = true;
    check(&(struct world){0}, &ask, SIGNATURE_UNKNOWN, "has to be critical");
    ask = right();
    ask.scheme = "notary.x510";
    check(&(struct world){0}, &ask, SIGNATURE_UNKNOWN, "signing scheme");
    ask = right();
    ask.algorithm = "ES224";
    ask.algorithm = "HS256";
}

static void test_pieces_of_an_envelope_are_not_understood(void **state)
{
    AUTO(notation_trust) struct notation_trust *t = NULL;
    const struct notary_ask ask = right();

    (void)state;
    trust_of(&(struct world){0}, &t);
    for (int form = NOTATION_JWS; form <= NOTATION_COSE; form++) {
        AUTO(buf) struct buf made = {0};

        buf_init(&made, ROOM);
        (form == NOTATION_JWS ? notary_jws : notary_cose)(&ask, &made);
        for (size_t n = 0; n < made.n; n++) {
            char *piece = malloc(n + 1);
            struct signature s;

            memcpy(piece, made.p, n); /* of its own, so that reads past its end are noticed */
            judge_bytes(t, (enum notation_form_of)form, (struct str){piece, n}, &s);
            assert_int_equal(s.verdict, SIGNATURE_UNKNOWN);
            signature_done(&s);
            free(piece);
        }
    }
}

static void test_numbers_of_cbor_that_promise_more_than_there_is_are_refused(void **state)
{
    static const char *const all[] = {"\xd2\x84\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
                                      "\xd2\x84\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
                                      "\xd2\x84\x43\xbb\x01\x01",
                                      "\xd2\x84\x5f\x41\x61\xff",
                                      "\xd2\x84\x42\xbf\xff\xa0\x40\x40",
                                      "\xd2\x84\x41\xa0\xa0\x40\x40",
                                      "\xd2",
                                      "\x84\x41\xa0\xa0\x40\x40"};
    AUTO(notation_trust) struct notation_trust *t = NULL;

    (void)state;
    trust_of(&(struct world){0}, &t);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct signature s;

        judge_bytes(t, NOTATION_COSE, str_of(all[i]), &s);
        assert_int_equal(s.verdict, SIGNATURE_UNKNOWN);
        signature_done(&s);
    }
}

/* ---- chains */

static void check_signer(struct party_ask how, const char *why)
{
    struct party by;
    struct notary_ask ask = right();

    how.subject = SUBJECT;
    how.issuer = &root;
    party_make(&how, &by);
    ask.signer = &by;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, why);
    party_done(&by);
}

static void test_a_signers_certificate_is_for_code_and_nothing_else(void **state)
{
    (void)state;
    check_signer((struct party_ask){.usage = "critical,digitalSignature", .extended = "serverAuth"},
                 "extended key usage");
    check_signer((struct party_ask){.usage = "critical,digitalSignature",
                                    .extended = "codeSigning,timeStamping"},
                 "extended key usage");
    check_signer(
        (struct party_ask){.usage = "critical,digitalSignature", .extended = "anyExtendedKeyUsage"},
        "extended key usage");
    check_signer((struct party_ask){.usage = "digitalSignature"}, "(key usage)");
    check_signer((struct party_ask){.usage = NULL}, "(key usage)");
    check_signer((struct party_ask){.usage = "critical,digitalSignature,keyAgreement"},
                 "(key usage)");
    check_signer((struct party_ask){.usage = "critical,digitalSignature,keyCertSign",
                                    .constraints = "critical,CA:true"},
                 "of an authority");
    check_signer((struct party_ask){.usage = "critical,digitalSignature", .hash = EVP_sha1()},
                 "SHA-1");
}

static void test_a_chain_is_whole_and_in_order(void **state)
{
    const struct party_ask how = {.subject = "/CN=middle",
                                  .issuer = &root,
                                  .constraints = "critical,CA:true,pathlen:0",
                                  .usage = "critical,keyCertSign"};
    struct party middle, by;
    struct notary_ask ask = right();

    (void)state;
    party_make(&how, &middle);
    party_make_signer(SUBJECT, &middle, &by);
    ask.signer = &by;
    ask.chain[0] = &middle;
    ask.chain[1] = &root;
    check(&(struct world){0}, &ask, SIGNATURE_GOOD, NULL);
    check(&(struct world){.trusted = &middle}, &ask, SIGNATURE_GOOD, NULL);
    ask.chain[1] = NULL;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "ends the chain and is no root");
    ask.chain[0] = &root;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "not issued by the next");
    ask = right();
    ask.chain[1] = &root;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "does not end the chain");
    party_done(&middle);
    party_done(&by);
}

static void test_whoever_is_no_authority_issues_nothing(void **state)
{
    struct party by;
    struct notary_ask ask = right();

    (void)state;
    party_make_signer("/C=US/ST=WA/O=acme/CN=thief", &signer, &by);
    ask.signer = &by;
    ask.chain[0] = &signer;
    ask.chain[1] = &root;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "is of no authority");
    party_done(&by);
}

static void test_a_path_may_be_too_long(void **state)
{
    const struct party_ask upper = {.subject = "/CN=upper",
                                    .issuer = &root,
                                    .constraints = "critical,CA:true,pathlen:0",
                                    .usage = "critical,keyCertSign"};
    struct party_ask lower = {
        .subject = "/CN=lower", .constraints = "critical,CA:true", .usage = "critical,keyCertSign"};
    struct party a, b, by;
    struct notary_ask ask = right();

    (void)state;
    party_make(&upper, &a);
    lower.issuer = &a;
    party_make(&lower, &b);
    party_make_signer(SUBJECT, &b, &by);
    ask.signer = &by;
    ask.chain[0] = &b;
    ask.chain[1] = &a;
    ask.chain[2] = &root;
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "path length");
    party_done(&a);
    party_done(&b);
    party_done(&by);
}

static void test_a_signer_may_be_its_own_root(void **state)
{
    const struct party_ask how = {.subject = SUBJECT, .usage = "critical,digitalSignature"};
    struct party alone;
    struct notary_ask ask = right();

    (void)state;
    party_make(&how, &alone);
    ask.signer = &alone;
    ask.chain[0] = NULL;
    check(&(struct world){.trusted = &alone}, &ask, SIGNATURE_GOOD, NULL);
    check(&(struct world){0}, &ask, SIGNATURE_UNTRUSTED_CHAIN, "trust store");
    party_done(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signature_by_somebody_who_is_trusted_is_good),
        cmocka_unit_test(test_every_algorithm_is_taken_with_its_own_key),
        cmocka_unit_test(test_what_was_changed_afterwards_does_not_count),
        cmocka_unit_test(test_the_certificate_of_somebody_else_does_not_help),
        cmocka_unit_test(test_another_root_is_not_trusted_unless_that_is_only_told),
        cmocka_unit_test(test_only_identities_that_are_named_count),
        cmocka_unit_test(test_names_with_signs_of_the_notation_are_escaped),
        cmocka_unit_test(test_a_subject_that_says_a_thing_twice_is_of_nobody),
        cmocka_unit_test(test_a_good_signature_of_another_image_does_not_count),
        cmocka_unit_test(test_a_signature_expires),
        cmocka_unit_test(test_a_certificate_has_to_be_valid_now),
        cmocka_unit_test(test_a_timestamp_says_that_it_was_valid_then),
        cmocka_unit_test(test_a_timestamp_by_anybody_says_nothing),
        cmocka_unit_test(test_a_timestamp_by_an_authority_that_was_revoked_says_nothing),
        cmocka_unit_test(test_timestamps_can_be_left_for_when_certificates_expire),
        cmocka_unit_test(test_the_time_of_a_signing_authority_is_believed),
        cmocka_unit_test(test_a_list_revokes_a_certificate),
        cmocka_unit_test(test_a_list_that_does_not_have_it_is_asked_again_when_it_is_due),
        cmocka_unit_test(test_a_list_out_of_date_says_only_who_is_revoked),
        cmocka_unit_test(test_a_list_by_somebody_else_is_none),
        cmocka_unit_test(test_a_certificate_that_names_lists_needs_one),
        cmocka_unit_test(test_what_an_authority_had_signed_before_the_key_was_lost_is_good),
        cmocka_unit_test(test_what_is_critical_and_not_understood_is_refused),
        cmocka_unit_test(test_pieces_of_an_envelope_are_not_understood),
        cmocka_unit_test(test_numbers_of_cbor_that_promise_more_than_there_is_are_refused),
        cmocka_unit_test(test_a_signers_certificate_is_for_code_and_nothing_else),
        cmocka_unit_test(test_a_chain_is_whole_and_in_order),
        cmocka_unit_test(test_whoever_is_no_authority_issues_nothing),
        cmocka_unit_test(test_a_path_may_be_too_long),
        cmocka_unit_test(test_a_signer_may_be_its_own_root),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
