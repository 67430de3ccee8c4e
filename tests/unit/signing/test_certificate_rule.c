/* Signatures by certificates: whose, since when, and below which root. What is judged was made by
 * sigstore-go's own authorities of tests, and is looked at years later, when all of its
 * certificates have expired. */
#include "signing/certificate_rule.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "pki.h"
#include "signing/certificate_chain.h"
#include "signing/certificates.h"
#include "signing/signature_judge.h"
#include "signing/signed_json.h"
#include "signing/statement.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define IDENTITY   "ci@example.org"
#define ISSUER     "https://issuer.example"
#define IMAGE      "sha256:abababababababababababababababababababababababababababababababab"
#define YEARS_ON   1900000000000 /* 2030 */
#define IN_TIME    1796039000000 /* when its certificate was valid */
#define STAMPS     "verificationMaterial.timestampVerificationData"
#define ENTRY      "verificationMaterial.tlogEntries.0."
#define CHECKPOINT ENTRY "inclusionProof.checkpoint.envelope"

static const char *folder;     /* of what sigstore made */
static char trusted_root[512]; /* in it */

/* ---- what is judged */

static const char *path_of(const char *name)
{
    static char paths[16][512];
    static size_t n;
    char *path = paths[n++ % 16];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static json_t *load(const char *name)
{
    json_t *j = json_load_file(path_of(name), 0, NULL);

    assert_non_null(j);
    return j;
}

/* Where a path of names and numbers leads; *ret_last is its last part. */
static json_t *walk(json_t *j, const char *path, char ret_last[static 64])
{
    const char *dot;

    while ((dot = strchr(path, '.'))) {
        char part[64];

        assert_true(str_copy((struct str){path, (size_t)(dot - path)}, part, sizeof(part)));
        j = json_is_array(j) ? json_array_get(j, (size_t)atoi(part)) : json_object_get(j, part);
        assert_non_null(j);
        path = dot + 1;
    }
    assert_true(str_copy(str_of(path), ret_last, 64));
    return j;
}

/* value NULL: it is taken away. */
static void set(json_t *j, const char *path, json_t *value)
{
    char last[64];
    json_t *in = walk(j, path, last);

    if (value)
        assert_int_equal(json_object_set_new(in, last, value), 0);
    else
        assert_int_equal(json_object_del(in, last), 0);
}

/* Another character where it has one in the middle. */
static void damage(json_t *j, const char *path)
{
    char last[64];
    json_t *in = walk(j, path, last);
    char *text = strdup(json_string_value(json_object_get(in, last)));
    size_t middle = strlen(text) / 2;

    text[middle] = text[middle] == 'A' ? 'B' : 'A';
    json_object_set_new(in, last, json_string(text));
    free(text);
}

static struct certificate_rule *rule_of(const struct certificate_terms *t)
{
    struct certificate_rule *r = NULL;
    struct err e;

    if (certificate_rule_read(t, &r, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    return r;
}

static struct certificate_terms terms(void)
{
    return (struct certificate_terms){
        .identity = IDENTITY, .issuer = ISSUER, .roots = trusted_root};
}

/* *ret is to be done with. */
static void judge_all(json_t *bundle, const struct certificate_terms *t, int64_t now_ms,
                      struct signature *ret)
{
    AUTO(certificate_rule) struct certificate_rule *rule = rule_of(t);
    const struct trust trust = {.certificates = &rule, .n_certificates = 1};
    const struct signature_form *form =
        signature_form_of(STR("application/vnd.dev.sigstore.bundle.v0.3+json"));
    char *text = json_dumps(bundle, JSON_COMPACT);
    struct digest image;

    assert_int_equal(digest_parse(STR(IMAGE), &image, ERR_IGNORED), ERR_OK);
    *ret = (struct signature){.verdict = SIGNATURE_UNKNOWN, .until_ms = SIGNATURE_FOR_EVER};
    form->judge(&(struct signature_judging){&image, &trust, now_ms}, str_of(text), NULL, ret);
    free(text);
    json_decref(bundle);
}

static enum signature_verdict judge(json_t *bundle, const struct certificate_terms *t)
{
    struct signature s;
    enum signature_verdict v;

    judge_all(bundle, t, YEARS_ON, &s);
    v = s.verdict;
    signature_done(&s);
    return v;
}

/* ---- what is good */

static void an_entry_of_a_log_says_when_it_was_made(void **state)
{
    const struct certificate_terms t = terms();
    struct signature s;

    (void)state;
    judge_all(load("entry.json"), &t, YEARS_ON, &s);
    assert_int_equal(s.verdict, SIGNATURE_GOOD);
    assert_int_equal(s.signer, SIGNER_CERTIFICATE);
    assert_string_equal(s.identity, IDENTITY);
    assert_string_equal(s.issuer, ISSUER);
    assert_true(s.until_ms == SIGNATURE_FOR_EVER);
    signature_done(&s);
}

static void a_promise_or_a_proof_alone_is_an_entry(void **state)
{
    const struct certificate_terms t = terms();
    json_t *promised = load("entry.json");

    (void)state;
    set(promised, ENTRY "inclusionProof", NULL);
    assert_int_equal(judge(promised, &t), SIGNATURE_GOOD);
    assert_int_equal(judge(load("tiles.json"), &t), SIGNATURE_GOOD);
}

static void a_proof_does_not_say_when(void **state)
{
    const struct certificate_terms t = terms();
    json_t *tiles = load("tiles.json"), *entry = load("entry.json");

    (void)state;
    set(tiles, STAMPS, NULL);
    assert_int_equal(judge(tiles, &t), SIGNATURE_NO_TIME);
    set(entry, ENTRY "inclusionPromise", NULL);
    assert_int_equal(judge(entry, &t), SIGNATURE_NO_TIME);
}

static void a_timestamp_is_enough_where_no_log_is_needed(void **state)
{
    struct certificate_terms t = terms();

    (void)state;
    assert_int_equal(judge(load("stamp.json"), &t), SIGNATURE_NO_TIME);
    t.no_log = true;
    assert_int_equal(judge(load("stamp.json"), &t), SIGNATURE_GOOD);
}

static void roots_logs_and_stamps_can_be_pinned_one_by_one(void **state)
{
    const char *logs[] = {path_of("log.pub"), NULL}, *stamps[] = {path_of("stamps.pem"), NULL};
    struct certificate_terms t = {
        .identity = IDENTITY, .issuer = ISSUER, .roots = path_of("roots.pem"), .logs = logs};

    (void)state;
    assert_int_equal(judge(load("entry.json"), &t), SIGNATURE_GOOD);
    assert_int_equal(judge(load("tiles.json"), &t), SIGNATURE_NO_TIME);
    t.stamps = stamps;
    assert_int_equal(judge(load("tiles.json"), &t), SIGNATURE_GOOD);
}

static void a_file_has_keys_of_several_logs(void **state)
{
    AUTO(buf) struct buf pem = {0};
    char name[] = "/tmp/test_certificate_rule_XXXXXX";
    const char *logs[] = {name, NULL};
    const struct certificate_terms t = {
        .identity = IDENTITY, .issuer = ISSUER, .roots = path_of("roots.pem"), .logs = logs};
    int fd = mkstemp(name);

    (void)state;
    buf_init(&pem, 4096);
    buf_add_text(&pem, "-----BEGIN PUBLIC KEY-----\n"
                       "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                       "-----END PUBLIC KEY-----\n");
    assert_int_equal(file_read_at(AT_FDCWD, path_of("log.pub"), &pem, ERR_IGNORED), ERR_OK);
    assert_int_equal(write(fd, pem.p, pem.n), (ssize_t)pem.n);
    close(fd);
    assert_int_equal(judge(load("entry.json"), &t), SIGNATURE_GOOD);
    unlink(name);
}

static void without_a_time_the_certificate_has_to_be_valid_now(void **state)
{
    struct certificate_terms t = {
        .identity = IDENTITY, .issuer = ISSUER, .roots = path_of("roots.pem"), .no_log = true};
    struct signature s;

    (void)state;
    assert_int_equal(judge(load("stamp.json"), &t), SIGNATURE_EXPIRED);
    judge_all(load("stamp.json"), &t, IN_TIME, &s);
    assert_int_equal(s.verdict, SIGNATURE_GOOD);
    assert_true(s.until_ms > IN_TIME && s.until_ms < IN_TIME + 600000);
    signature_done(&s);
}

/* ---- what is not */

static void what_was_logged_when_the_certificate_was_not_valid_has_expired(void **state)
{
    const struct certificate_terms t = terms();

    (void)state;
    assert_int_equal(judge(load("late.json"), &t), SIGNATURE_EXPIRED);
}

static void all_that_an_entry_comes_with_has_to_hold(void **state)
{
    static const char *const parts[] = {ENTRY "canonicalizedBody",
                                        ENTRY "logId.keyId",
                                        ENTRY "inclusionPromise.signedEntryTimestamp",
                                        ENTRY "inclusionProof.hashes",
                                        CHECKPOINT,
                                        ENTRY "integratedTime",
                                        ENTRY "logIndex",
                                        ENTRY "inclusionProof.treeSize",
                                        ENTRY "inclusionProof.checkpoint"};
    const struct certificate_terms t = terms();

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_t *j = load("entry.json");
        char last[64];

        if (i < 5 && json_is_string(json_object_get(walk(j, parts[i], last), last)))
            damage(j, parts[i]);
        else
            set(j, parts[i], json_string("7"));
        if (judge(j, &t) != SIGNATURE_NO_TIME)
            fail_msg("%s does not matter", parts[i]);
    }
}

static void an_entry_of_another_signature_says_nothing(void **state)
{
    const struct certificate_terms t = terms();
    json_t *j = load("entry.json"), *other = load("provenance.json");

    (void)state;
    json_object_set(json_object_get(j, "verificationMaterial"), "tlogEntries",
                    json_object_get(json_object_get(other, "verificationMaterial"), "tlogEntries"));
    json_decref(other);
    assert_int_equal(judge(j, &t), SIGNATURE_NO_TIME);
}

static void a_timestamp_of_another_signature_says_nothing(void **state)
{
    const struct certificate_terms t = terms();
    json_t *j = load("tiles.json"), *other = load("stamp.json");

    (void)state;
    json_object_set(json_object_get(j, "verificationMaterial"), "timestampVerificationData",
                    json_object_get(json_object_get(other, "verificationMaterial"),
                                    "timestampVerificationData"));
    json_decref(other);
    assert_int_equal(judge(j, &t), SIGNATURE_NO_TIME);
}

static void what_was_tampered_with_is_by_nobody(void **state)
{
    const struct certificate_terms t = terms();
    json_t *signature = load("entry.json"), *payload = load("entry.json");

    (void)state;
    damage(signature, "dsseEnvelope.signatures.0.sig");
    assert_int_equal(judge(signature, &t), SIGNATURE_OTHER_KEY);
    set(payload, "dsseEnvelope.payload", json_string("e30="));
    assert_int_equal(judge(payload, &t), SIGNATURE_OTHER_KEY);
}

static void other_identities_do_not_count(void **state)
{
    static const struct certificate_terms others[] = {
        {.identity = "ci@example.com", .issuer = ISSUER},
        {.identity = IDENTITY, .issuer = "https://issuer.example.com"},
        {.identity = IDENTITY},
        {.identity_pattern = "ci@", .issuer = ISSUER},
        {.identity_pattern = "example.org|nobody", .issuer = ISSUER},
        {.identity = IDENTITY, .issuer_pattern = "https://"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct certificate_terms t = others[i];

        t.roots = trusted_root;
        assert_int_equal(judge(load("entry.json"), &t), SIGNATURE_OTHER_IDENTITY);
    }
}

static void a_pattern_matches_the_whole_name(void **state)
{
    const struct certificate_terms t = {.identity_pattern = "(ci|cd)@example\\.(org|com)",
                                        .issuer_pattern = "https://[a-z.]+",
                                        .roots = trusted_root};

    (void)state;
    assert_int_equal(judge(load("entry.json"), &t), SIGNATURE_GOOD);
}

/* ---- trusted roots */

/* The trusted root with another text at that place. */
static enum signature_verdict judge_below(const char *bundle, const char *path, const char *text)
{
    char name[] = "/tmp/test_certificate_rule_XXXXXX";
    struct certificate_terms t = terms();
    json_t *root = load("trusted_root.json");
    int fd = mkstemp(name);
    enum signature_verdict v;

    assert_true(fd >= 0);
    set(root, path, json_string(text));
    assert_int_equal(json_dumpfd(root, fd, 0), 0);
    close(fd);
    json_decref(root);
    t.roots = name;
    v = judge(load(bundle), &t);
    unlink(name);
    return v;
}

static void what_is_trusted_counts_for_its_time(void **state)
{
    (void)state;
    assert_int_equal(
        judge_below("entry.json", "tlogs.0.publicKey.validFor.end", "2026-11-30T11:00:00Z"),
        SIGNATURE_NO_TIME);
    assert_int_equal(
        judge_below("tiles.json", "tlogs.0.publicKey.validFor.end", "2026-11-30T11:00:00Z"),
        SIGNATURE_NO_TIME);
    assert_int_equal(judge_below("entry.json", "certificateAuthorities.0.validFor.start",
                                 "2026-12-01T00:00:00Z"),
                     SIGNATURE_EXPIRED);
    assert_int_equal(
        judge_below("tiles.json", "timestampAuthorities.0.validFor.end", "2026-11-30T11:00:00Z"),
        SIGNATURE_NO_TIME);
}

static void what_can_not_be_trusted_is_told(void **state)
{
    static const struct {
        struct certificate_terms t;
        const char *why;
    } rows[] = {
        {{.roots = "trusted_root.json"}, "the identity that certificates are to be of"},
        {{.identity = "", .roots = "trusted_root.json"}, "the identity is empty"},
        {{.identity = "a", .identity_pattern = "a", .roots = "trusted_root.json"}, "give one"},
        {{.identity_pattern = "[", .roots = "trusted_root.json"}, "no regular expression"},
        {{.identity = "a"}, "are to be pinned"},
        {{.identity = "a", .roots = "roots.pem"}, "no log is trusted"},
        {{.identity = "a", .roots = "entry.json"}, "it has no certificateAuthorities"},
        {{.identity = "a", .roots = "log.pub"}, "it has no certificate"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct certificate_terms t = rows[i].t;
        struct certificate_rule *r = NULL;
        struct err e;

        t.roots = t.roots ? path_of(t.roots) : NULL;
        assert_int_equal(certificate_rule_read(&t, &r, &e), ERR_CONFIG);
        assert_non_null(strstr(e.detail, rows[i].why));
    }
}

/* ---- chains */

static enum signature_verdict chain_of(const struct party_ask *root_ask,
                                       const struct party_ask *signer_ask)
{
    AUTO(certificates) STACK_OF(X509) *trusted = sk_X509_new_null();
    struct party_ask ask = *signer_ask;
    struct party root, signer;
    struct certificate_chain chain;
    enum signature_verdict v;
    const char *why;
    int64_t until_ms;

    party_make(root_ask, &root);
    ask.issuer = &root;
    party_make(&ask, &signer);
    X509_up_ref(root.certificate);
    sk_X509_push(trusted, root.certificate);
    chain = (struct certificate_chain){signer.certificate, NULL, trusted};
    v = certificate_chain_judge(&chain, PKI_NOW_S * 1000ll, &why, &until_ms);
    party_done(&signer);
    party_done(&root);
    return v;
}

static void a_chain_is_for_signing_code(void **state)
{
    static const struct {
        struct party_ask root, signer;
        enum signature_verdict verdict;
    } rows[] = {
#define ROOT                                                                                       \
    .subject = "/CN=root", .constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign"
#define SIGNER .subject = "/CN=signer", .constraints = "CA:FALSE"
        {{ROOT}, {SIGNER, .usage = "digitalSignature", .extended = "codeSigning"}, SIGNATURE_GOOD},
        {{ROOT},
         {SIGNER, .usage = "digitalSignature", .extended = "serverAuth"},
         SIGNATURE_UNTRUSTED_CHAIN},
        {{ROOT}, {SIGNER, .usage = "digitalSignature"}, SIGNATURE_UNTRUSTED_CHAIN},
        {{ROOT},
         {SIGNER, .usage = "keyEncipherment", .extended = "codeSigning"},
         SIGNATURE_UNTRUSTED_CHAIN},
        {{ROOT, .extended = "serverAuth"},
         {SIGNER, .usage = "digitalSignature", .extended = "codeSigning"},
         SIGNATURE_UNTRUSTED_CHAIN},
        {{.subject = "/CN=root", .constraints = "critical,CA:FALSE"},
         {SIGNER, .usage = "digitalSignature", .extended = "codeSigning"},
         SIGNATURE_UNTRUSTED_CHAIN},
        {{ROOT},
         {.subject = "/CN=ca",
          .constraints = "critical,CA:TRUE",
          .usage = "digitalSignature,keyCertSign",
          .extended = "codeSigning"},
         SIGNATURE_UNTRUSTED_CHAIN},
        {{ROOT},
         {SIGNER, .usage = "digitalSignature", .extended = "codeSigning", .from_s = -2, .to_s = -1},
         SIGNATURE_EXPIRED},
        {{ROOT},
         {SIGNER, .usage = "digitalSignature", .extended = "codeSigning", .from_s = 1, .to_s = 2},
         SIGNATURE_EXPIRED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum signature_verdict v = chain_of(&rows[i].root, &rows[i].signer);

        if (v != rows[i].verdict)
            fail_msg("row %zu is %s", i, signature_verdict_name(v));
    }
}

static void what_sha1_signed_is_not_trusted(void **state)
{
    const struct party_ask root = {ROOT};
    struct party_ask ask = {SIGNER, .usage = "digitalSignature", .extended = "codeSigning",
                            .hash = EVP_sha1()};

    (void)state;
    assert_int_equal(chain_of(&root, &ask), SIGNATURE_UNTRUSTED_CHAIN);
}

/* ---- attestations */

static void an_attestation_says_what_it_states_and_who_built_it(void **state)
{
    const struct certificate_terms t = terms();
    const struct statement_demand good[] = {
        {"slsaprovenance", NULL},
        {"slsaprovenance02", "https://builders.example/ci"},
        {"https://slsa.dev/provenance/v0.2", "https://**"},
    };
    const struct statement_demand bad[] = {
        {"slsaprovenance1", NULL},
        {"slsaprovenance", "https://builders.example"},
        {"slsaprovenance", "https://*"},
    };
    struct signature s;

    (void)state;
    judge_all(load("provenance.json"), &t, YEARS_ON, &s);
    assert_int_equal(s.verdict, SIGNATURE_GOOD);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(statement_meets(&s, &good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(statement_meets(&s, &bad[i]));
    signature_done(&s);
}

static void a_word_that_is_no_type_is_told(void **state)
{
    const struct statement_demand d = {"sbom", NULL};
    struct err e;

    (void)state;
    assert_int_equal(statement_demand_check(&d, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "'sbom' is no predicate type"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_of_a_log_says_when_it_was_made),
        cmocka_unit_test(a_promise_or_a_proof_alone_is_an_entry),
        cmocka_unit_test(a_proof_does_not_say_when),
        cmocka_unit_test(a_timestamp_is_enough_where_no_log_is_needed),
        cmocka_unit_test(roots_logs_and_stamps_can_be_pinned_one_by_one),
        cmocka_unit_test(a_file_has_keys_of_several_logs),
        cmocka_unit_test(without_a_time_the_certificate_has_to_be_valid_now),
        cmocka_unit_test(what_was_logged_when_the_certificate_was_not_valid_has_expired),
        cmocka_unit_test(all_that_an_entry_comes_with_has_to_hold),
        cmocka_unit_test(an_entry_of_another_signature_says_nothing),
        cmocka_unit_test(a_timestamp_of_another_signature_says_nothing),
        cmocka_unit_test(what_was_tampered_with_is_by_nobody),
        cmocka_unit_test(other_identities_do_not_count),
        cmocka_unit_test(a_pattern_matches_the_whole_name),
        cmocka_unit_test(what_is_trusted_counts_for_its_time),
        cmocka_unit_test(what_can_not_be_trusted_is_told),
        cmocka_unit_test(a_chain_is_for_signing_code),
        cmocka_unit_test(what_sha1_signed_is_not_trusted),
        cmocka_unit_test(an_attestation_says_what_it_states_and_who_built_it),
        cmocka_unit_test(a_word_that_is_no_type_is_told),
    };

    folder = argc > 1 ? argv[1] : ".";
    snprintf(trusted_root, sizeof(trusted_root), "%s", path_of("trusted_root.json"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
