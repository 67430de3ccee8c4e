/* Trust policies of the Notary Project, and trust stores in folders: what is right, and what people
 * are told of what is not. */
#include "signing/notation_trust.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "pki.h"
#include "signing/notation_policy.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM (64u << 10)

#define STATEMENT(name, scopes, verification, stores, identities)                                  \
    "{\"name\":\"" name "\",\"registryScopes\":[" scopes                                           \
    "],\"signatureVerification\":{" verification "},\"trustStores\":[" stores                      \
    "],\"trustedIdentities\":[" identities "]}"
#define POLICY(statements) "{\"version\":\"1.0\",\"trustPolicies\":[" statements "]}"
#define STRICT             "\"level\":\"strict\""
#define ONE(scopes, verification, stores, identities)                                              \
    POLICY(STATEMENT("one", scopes, verification, stores, identities))
#define SCOPED(scopes)  ONE(scopes, STRICT, "\"ca:acme\"", "\"*\"")
#define VERIFIED(how)   ONE("\"*\"", how, "\"ca:acme\"", "\"*\"")
#define STORED(stores)  ONE("\"*\"", STRICT, stores, "\"*\"")
#define IDENTIFIED(who) ONE("\"*\"", STRICT, "\"ca:acme\"", who)
#define SUBJECT(dn)     "\"x509.subject: " dn "\""

static void test_what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *policy, *why;
    } all[] = {
        {"", "line "},
        {"[]", "no JSON object"},
        {"{\"version\":\"1.0\",\n\"trustPolicies\":[}", "line 2"},
        {"{\"version\":\"1.0\",\"version\":\"1.0\"}", "duplicate"},
        {"{\"version\":\"1.1\",\"trustPolicies\":[]}", "version is not \"1.0\""},
        {POLICY(""), "no list of 1 to 128"},
        {"{\"version\":\"1.0\",\"trustPolicy\":[]}", "there is no key 'trustPolicy'"},
        {POLICY("{\"registryScopes\":[\"*\"]}"), "row 1 has no name"},
        {POLICY("{\"name\":\"a\",\"scopes\":[]}"), "trustPolicies 'a': there is no key 'scopes'"},
        {VERIFIED("\"level\":\"strong\""), "one of strict, permissive, audit and skip"},
        {VERIFIED("\"levels\":\"strict\""), "there is no key 'levels'"},
        {VERIFIED(STRICT ",\"override\":{\"integrity\":\"log\"}"),
         "'integrity' can not be overridden"},
        {VERIFIED(STRICT ",\"override\":{\"expiry\":\"skip\"}"),
         "expiry is one of enforce and log"},
        {VERIFIED(STRICT ",\"override\":{\"revocation\":\"never\"}"), "or skip"},
        {VERIFIED(STRICT ",\"verifyTimestamp\":\"never\""), "always and afterCertExpiry"},
        {VERIFIED("\"level\":\"skip\""), "no trustStores and no trustedIdentities"},
        {ONE("\"*\"", "\"level\":\"skip\",\"override\":{\"expiry\":\"log\"}", "", ""),
         "nothing to override"},
        {SCOPED(""), "of no repository"},
        {SCOPED("\"*\",\"a.example/b\""), "'*' says all of it"},
        {SCOPED("\"a.example/b\",\"a.example\""), "row 2 is neither"},
        {SCOPED("\"a.example/*\""), "row 1 is neither"},
        {SCOPED("7"), "no text"},
        {STORED(""), "both needed"},
        {STORED("\"acme\""), "row 1 is none of ca:NAME"},
        {STORED("\"ca:..\""), "row 1 is none of ca:NAME"},
        {STORED("\"ca:a/b\""), "row 1 is none of ca:NAME"},
        {STORED("\"ca:a\",\"ra:b\""), "row 2 is none of ca:NAME"},
        {IDENTIFIED(""), "both needed"},
        {IDENTIFIED("\"*\"," SUBJECT("C=US, ST=WA, O=a")), "'*' says all of it"},
        {IDENTIFIED("\"spiffe: a\""), "row 1: it is neither '*' nor 'x509.subject:"},
        {IDENTIFIED(SUBJECT("C=US, O=a")), "it has no ST"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=a, O=b")), "O is there twice"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, S=WA, O=a")), "ST is there twice"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=a, E=b")), "'E' is no attribute"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=")), "the value of O is empty"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=#0c01")), "the value of O is empty"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=a\\\\zb")), "not written as RFC 4514 has it"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=a+CN=b")), "not written as RFC 4514 has it"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=a\\\\00")), "not written as RFC 4514 has it"},
        {IDENTIFIED(SUBJECT("C=US, ST=WA, O=a") "," SUBJECT("C=US, ST=WA, O=a, CN=b")),
         "row 2: whoever it names, row 1 names too"},
        {POLICY(STATEMENT("a", "\"*\"", STRICT, "\"ca:a\"", "\"*\"") "," STATEMENT(
             "a", "\"a.example/b\"", STRICT, "\"ca:a\"", "\"*\"")),
         "trustPolicies 'a': another has that name"},
        {POLICY(STATEMENT("a", "\"*\"", STRICT, "\"ca:a\"",
                          "\"*\"") "," STATEMENT("b", "\"*\"", STRICT, "\"ca:a\"", "\"*\"")),
         "'*' is in 'a' too"},
        {POLICY(STATEMENT("a", "\"a.example/b\"", STRICT, "\"ca:a\"", "\"*\"") "," STATEMENT(
             "b", "\"a.example/b\"", STRICT, "\"ca:a\"", "\"*\"")),
         "row 1 is in 'a' too"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct notation_policy *p = NULL;
        struct err e = {0};

        if (notation_policy_parse(str_of(all[i].policy), &p, &e) != ERR_CONFIG)
            fail_msg("it is taken: %s", all[i].policy);
        if (!strstr(e.detail, all[i].why))
            fail_msg("%s: '%s' is not '%s'", all[i].policy, e.detail, all[i].why);
    }
}

static void test_levels_say_what_of_a_fault_counts(void **state)
{
    static const struct {
        const char *how;
        enum notation_action actions[NOTATION_CHECKS];
    } all[] = {
        {STRICT, {NOTATION_ENFORCE, NOTATION_ENFORCE, NOTATION_ENFORCE, NOTATION_ENFORCE}},
        {"\"level\":\"permissive\"", {NOTATION_ENFORCE, NOTATION_LOG, NOTATION_LOG, NOTATION_LOG}},
        {"\"level\":\"audit\"", {NOTATION_LOG, NOTATION_LOG, NOTATION_LOG, NOTATION_LOG}},
        {"\"level\":\"audit\",\"override\":{\"authenticity\":\"enforce\",\"revocation\":\"skip\"}",
         {NOTATION_ENFORCE, NOTATION_LOG, NOTATION_LOG, NOTATION_SKIP}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        AUTO(notation_policy) struct notation_policy *p = NULL;
        char text[1024];

        snprintf(text, sizeof(text),
                 POLICY("{\"name\":\"a\",\"registryScopes\":[\"*\"],\"signatureVerification\":{%s},"
                        "\"trustStores\":[\"ca:a\"],\"trustedIdentities\":[\"*\"]}"),
                 all[i].how);
        assert_int_equal(notation_policy_parse(str_of(text), &p, ERR_IGNORED), ERR_OK);
        assert_memory_equal(p->statements[0].actions, all[i].actions, sizeof(all[i].actions));
    }
}

static const char *name_for(const struct notation_policy *p, const char *repository)
{
    const struct notation_statement *s = notation_policy_for(p, str_of(repository));

    return s ? s->name : NULL;
}

static void test_a_repository_has_the_statement_that_names_it(void **state)
{
    static const char policy[] =
        POLICY(STATEMENT("rest", "\"*\"", STRICT, "\"ca:a\"", "\"*\"") "," STATEMENT(
            "team", "\"a.example:5000/team/app\",\"a.example/team/web\"", STRICT, "\"ca:a\"",
            "\"*\"") "," STATEMENT("b", "\"b.example/team/app\"", STRICT, "\"ca:a\"", "\"*\""));
    AUTO(notation_policy) struct notation_policy *p = NULL;

    (void)state;
    assert_int_equal(notation_policy_parse(str_of(policy), &p, ERR_IGNORED), ERR_OK);
    assert_string_equal(name_for(p, "a.example:5000/team/app"), "team");
    assert_string_equal(name_for(p, "b.example/team/app"), "b");
    assert_string_equal(name_for(p, "c.example/team/app"), "rest");
    assert_string_equal(name_for(p, ""), "rest");
    assert_string_equal(name_for(p, "/team/web"), "team");
    assert_string_equal(name_for(p, "/team/other"), "rest");
    assert_null(name_for(p, "/team/app")); /* two name it, with other hosts */
}

static void test_a_level_can_skip_a_repository(void **state)
{
    static const char policy[] =
        POLICY(STATEMENT("open", "\"a.example/team/app\"", "\"level\":\"skip\"", "", ""));
    AUTO(notation_policy) struct notation_policy *p = NULL;

    (void)state;
    assert_int_equal(notation_policy_parse(str_of(policy), &p, ERR_IGNORED), ERR_OK);
    assert_true(p->statements[0].skip);
    assert_null(name_for(p, "a.example/team/other"));
}

/* ---- files */

static char dir[] = "/tmp/notation-policy-XXXXXX";

static int group_setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    return file_remove_tree_at(AT_FDCWD, dir, ERR_IGNORED) == ERR_OK ? 0 : -1;
}

static void write_file(const char *name, struct str text)
{
    AUTO(fd) int fd = -1;
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text.p, text.n), 0);
}

static void make_folder(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(file_mkdirs_at(AT_FDCWD, path, false, ERR_IGNORED), ERR_OK);
}

static enum err_code read_with(const char *certificates, const char *crl, struct err *e)
{
    AUTO(notation_trust) struct notation_trust *t = NULL;
    char policy[256], store[256], list[256];
    const char *crls[] = {list};
    const struct notation_files files = {
        .policy = policy, .certificates = store, .crls = crls, .n_crls = crl != NULL};

    snprintf(policy, sizeof(policy), "%s/policy.json", dir);
    snprintf(store, sizeof(store), "%s/%s", dir, certificates);
    snprintf(list, sizeof(list), "%s/%s", dir, crl ? crl : "");
    write_file("policy.json", STR(STORED("\"ca:acme\",\"tsa:time\"")));
    return notation_trust_read(&files, &t, e);
}

static void write_certificates(const char *name, const struct party *p)
{
    AUTO(buf) struct buf pem = {0};

    buf_init(&pem, ROOM);
    pki_pem(p, &pem);
    write_file(name, buf_str(&pem));
}

static void test_stores_are_folders_as_notation_has_them(void **state)
{
    AUTO(buf) struct buf der = {0};
    struct party root;
    struct err e = {0};

    (void)state;
    party_make_root("/CN=root", &root);
    make_folder("store/x509/ca/acme");
    assert_int_equal(read_with("store", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "store/x509/ca/acme has no certificate"));
    write_certificates("store/x509/ca/acme/root.pem", &root);
    assert_int_equal(read_with("store", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "store/x509/tsa/time: No such file"));
    make_folder("store/x509/tsa/time");
    buf_init(&der, ROOM);
    pki_der(&root, &der);
    write_file("store/x509/tsa/time/root.crt", buf_str(&der));
    assert_int_equal(read_with("store", NULL, &e), ERR_OK);
    make_folder("store/x509/ca/acme/more");
    assert_int_equal(read_with("store", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "acme/more is no file"));
    party_done(&root);
}

static void test_files_that_are_none_are_told(void **state)
{
    struct party root, signer;
    struct err e = {0};

    (void)state;
    party_make_root("/CN=root", &root);
    party_make_signer("/CN=signer", &root, &signer);
    assert_int_equal(read_with("absent.pem", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "absent.pem: No such file"));
    write_file("text.pem", STR("no certificate"));
    assert_int_equal(read_with("text.pem", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "text.pem: it has no certificate"));
    write_certificates("signer.pem", &signer);
    assert_int_equal(read_with("signer.pem", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "certificate 1 of it is neither of an authority"));
    write_certificates("root.pem", &root);
    assert_int_equal(read_with("root.pem", "root.pem", &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "root.pem: it has no list of revoked certificates"));
    assert_int_equal(read_with("root.pem", NULL, &e), ERR_OK);
    party_done(&root);
    party_done(&signer);
}

static void test_a_file_that_is_damaged_in_the_middle_is_not_taken_in_part(void **state)
{
    AUTO(buf) struct buf text = {0};
    struct party root;
    struct err e = {0};

    (void)state;
    party_make_root("/CN=root", &root);
    buf_init(&text, ROOM);
    pki_pem(&root, &text);
    buf_add_text(&text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    pki_pem(&root, &text);
    write_file("part.pem", buf_str(&text));
    assert_int_equal(read_with("part.pem", NULL, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "certificate 2 of it is damaged"));
    party_done(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wrong_is_told),
        cmocka_unit_test(test_levels_say_what_of_a_fault_counts),
        cmocka_unit_test(test_a_repository_has_the_statement_that_names_it),
        cmocka_unit_test(test_a_level_can_skip_a_repository),
        cmocka_unit_test(test_stores_are_folders_as_notation_has_them),
        cmocka_unit_test(test_files_that_are_none_are_told),
        cmocka_unit_test(test_a_file_that_is_damaged_in_the_middle_is_not_taken_in_part),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
