/* Rules of signatures: of lists in maps of a list, one that may stand alone. */
#include "base/cleanup.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RULES                                                                                      \
    "signatures:\n"                                                                                \
    "  - {repositories: [\"prod/**\"], at: [pull], mode: enforce, require: any,"                   \
    " cosign: [{key: /etc/registry/cosign.pub}]}\n"                                                \
    "  - {repositories: [\"release/**\"], at: [push, pull], mode: warn, require: all,"             \
    " notation: {trust_policy: /etc/registry/trustpolicy.json,"                                    \
    " certificates: /etc/registry/notation.pem}, cosign: [{key: /etc/registry/security.pub}],"     \
    " attestations: [{predicate_type: \"https://slsa.dev/provenance/v1\"}]}\n"

static void rules_are_read_as_they_are_documented(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    const struct conf_signature_rule *first = &c->signatures.items[0];
    const struct conf_signature_rule *last = &c->signatures.items[1];

    (void)state;
    assert_int_equal(c->signatures.n, 2);
    assert_int_equal(first->mode, CONF_PULL_ENFORCE);
    assert_int_equal(first->require, CONF_REQUIRE_ANY);
    assert_int_equal(first->cosign.n, 1);
    assert_string_equal(first->cosign.items[0].key, "/etc/registry/cosign.pub");
    assert_int_equal(first->notation.n, 0);
    assert_int_equal(last->at.n, 2);
    assert_int_equal(last->require, CONF_REQUIRE_ALL);
    assert_int_equal(last->notation.n, 1);
    assert_string_equal(last->notation.items[0].certificates, "/etc/registry/notation.pem");
    assert_string_equal(last->attestations.items[0].builder, "");
}

static void a_rule_is_about_pulls_and_enforces_if_it_does_not_say(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("signatures: [{repositories: ['**'], cosign: [{key: /k}]}]\n");

    (void)state;
    assert_int_equal(c->signatures.items[0].at.n, 1);
    assert_string_equal(c->signatures.items[0].at.items[0], "pull");
    assert_int_equal(c->signatures.items[0].mode, CONF_PULL_ENFORCE);
}

static void what_is_printed_is_read_as_the_same(void **state)
{
    AUTO(conf) struct conf *c = conf_must(RULES);
    AUTO(conf) struct conf *again = NULL;
    AUTO(buf) struct buf yaml = {0}, second = {0};
    struct err e;

    (void)state;
    buf_init(&yaml, 1 << 20);
    buf_init(&second, 1 << 20);
    conf_print(c, &yaml);
    if (conf_load_bytes(buf_str(&yaml), NULL, &again, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    conf_print(again, &second);
    assert_string_equal(buf_text(&yaml), buf_text(&second));
}

#define RULE "signatures:\n- repositories: ['**']\n"

static void a_signer_has_a_key_or_an_identity(void **state)
{
    (void)state;
    conf_must_fail(RULE, "2: signatures[0].cosign: nobody is named whose signatures count; set "
                         "cosign or notation");
    conf_must_fail(RULE "  cosign:\n  - {}\n",
                   "4: signatures[0].cosign[0].key: a signer has one of key, identity and "
                   "identity_regexp");
    conf_must_fail(RULE "  cosign:\n  - key: /k\n    identity: a@b\n",
                   "4: signatures[0].cosign[0].key: a signer has one of key, identity and "
                   "identity_regexp");
    conf_must_fail(RULE "  cosign:\n  - key: /k\n    issuer: https://a\n",
                   "5: signatures[0].cosign[0].issuer: is of signers with a certificate; this one "
                   "has a key");
}

static void a_log_is_of_signers_with_a_certificate(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char text[256];

        snprintf(text, sizeof(text), RULE "  cosign:\n  - key: /k\n    transparency_log: %s\n",
                 i ? "require" : "ignore");
        conf_must_fail(text, "5: signatures[0].cosign[0].transparency_log: is of signers with a "
                             "certificate; this one has a key");
    }
    conf_free(
        conf_must(RULE "  cosign: [{identity: a@b, roots: /r, transparency_log: require}]\n"));
}

static void attestations_need_a_signer_with_cosign(void **state)
{
    (void)state;
    conf_must_fail(RULE "  notation: {trust_policy: /p, certificates: /c}\n"
                        "  attestations: [{predicate_type: spdx}]\n",
                   "4: signatures[0].attestations: attestations are signed with cosign, and no "
                   "signer with cosign is named; no image could have one that counts");
}

static void an_identity_needs_its_authorities(void **state)
{
    (void)state;
    conf_must_fail(RULE "  cosign:\n  - identity: a@b\n",
                   "4: signatures[0].cosign[0].roots: an identity is worth what the authorities of "
                   "its certificate are; name the file with them");
    conf_must_fail(RULE "  cosign:\n  - {identity: a@b, issuer: x, issuer_regexp: y, roots: /r}\n",
                   "4: signatures[0].cosign[0].issuer_regexp: a signer has one of issuer and "
                   "issuer_regexp");
    conf_free(conf_must(RULE "  cosign: [{identity_regexp: '.*@b', roots: /r}]\n"));
}

static void a_list_that_may_stand_alone_names_what_is_missing(void **state)
{
    (void)state;
    conf_must_fail(RULE "  notation:\n    trust_policy: /p\n",
                   "4: signatures[0].notation[0].certificates: this key is missing; allowed is a "
                   "path of 1 to 4095 bytes");
    conf_must_fail(RULE "  cosign: {key: /k}\n",
                   "3: signatures[0].cosign: here stand keys, not a value; allowed is a list of 0 "
                   "to 64 maps of key, identity, identity_regexp, issuer, issuer_regexp, roots, "
                   "transparency_log, log_keys and timestamp_roots");
}

static void files_in_lists_of_rules_are_looked_for(void **state)
{
    struct conf *c;
    struct err e;

    (void)state;
    conf_free(conf_must(RULE "  cosign: [{key: /none/such}]\n"));
    assert_int_equal(conf_load_with_files(conf_path, NULL, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "3: signatures[0].cosign[0].key: '/none/such' can't be read"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read_as_they_are_documented),
        cmocka_unit_test(a_rule_is_about_pulls_and_enforces_if_it_does_not_say),
        cmocka_unit_test(what_is_printed_is_read_as_the_same),
        cmocka_unit_test(a_signer_has_a_key_or_an_identity),
        cmocka_unit_test(a_log_is_of_signers_with_a_certificate),
        cmocka_unit_test(attestations_need_a_signer_with_cosign),
        cmocka_unit_test(an_identity_needs_its_authorities),
        cmocka_unit_test(a_list_that_may_stand_alone_names_what_is_missing),
        cmocka_unit_test(files_in_lists_of_rules_are_looked_for),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
