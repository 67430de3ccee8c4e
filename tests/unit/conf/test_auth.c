/* Authentication, policy, quotas, proxies: what turns them on, and what is refused. */
#include "base/cleanup.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_mode(const char *yaml, const char *variable, enum conf_auth_mode want)
{
    char *environment[] = {(char *)variable, NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    if (conf_load_bytes(str_of(yaml), environment, &c, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    if (c->auth.mode != want)
        fail_msg("%s %s", yaml, variable ? variable : "");
}

static void one_word_says_who_is_asked(void **state)
{
    (void)state;
    assert_mode("", NULL, CONF_AUTH_LOOPBACK);
    assert_mode("auth: loopback\n", NULL, CONF_AUTH_LOOPBACK);
    assert_mode("auth: none\n", NULL, CONF_AUTH_NONE);
    assert_mode("auth: local\n", NULL, CONF_AUTH_LOCAL);
    assert_mode("auth: on\n", NULL, CONF_AUTH_ON);
    assert_mode("auth: {mode: none}\n", NULL, CONF_AUTH_NONE);
    assert_mode("auth.mode: none\n", NULL, CONF_AUTH_NONE);
    assert_mode("", "REGISTRY_AUTH=local", CONF_AUTH_LOCAL);
    assert_mode("", "REGISTRY_AUTH_MODE=local", CONF_AUTH_LOCAL);
    assert_mode("auth: local\n", "REGISTRY_AUTH=none", CONF_AUTH_NONE);
}

static void a_section_turns_authentication_on(void **state)
{
    (void)state;
    assert_mode("auth: {}\n", NULL, CONF_AUTH_ON);
    assert_mode("auth: {token: {lifetime: 5m}}\n", NULL, CONF_AUTH_ON);
    assert_mode("auth:\n  htpasswd: {file: /h}\n", NULL, CONF_AUTH_ON);
    assert_mode("auth.realm: x\n", NULL, CONF_AUTH_ON);
    assert_mode("", "REGISTRY_AUTH_HTPASSWD_FILE=/h", CONF_AUTH_ON);
    assert_mode("limits: {rate: {identity: 5}}\n", NULL, CONF_AUTH_LOOPBACK);
}

static void the_mode_is_given_once(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_AUTH=none"}, (char[]){"REGISTRY_AUTH_MODE=local"},
                           NULL};
    struct conf *c = NULL;
    struct err e;

    (void)state;
    conf_must_fail("auth: none\nauth.mode: on\n",
                   "2: auth.mode: stands here a second time; the first is in line 1");
    conf_must_fail("auth:\n", "1: auth: there is no value (an empty text is \"\"); allowed is "
                              "'loopback', 'none', 'local' or 'on'");
    conf_must_fail("auth: [x]\n",
                   "1: auth: here stands a list; allowed is 'loopback', 'none', 'local' or 'on'");
    assert_int_equal(conf_load(NULL, environment, &c, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "environment variable REGISTRY_AUTH: this key is set by two "
                                  "variables; leave out one of them");
}

static void authentication_that_is_configured_is_not_left_out(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_AUTH_HTPASSWD_PATH=/h"}, NULL};
    struct conf *c = NULL;
    struct err e;

    (void)state;
    conf_must_fail("auth:\n  mode: none\n  htpasswd:\n    file: /h\n",
                   "4: auth.htpasswd.file: is not asked, because auth is 'none'; leave out that, "
                   "or write 'mode: on' below auth, or leave out this key");
    conf_must_fail("auth:\n  mode: local\n  certificate: {enabled: true}\n",
                   "3: auth.certificate.enabled: is not asked, because auth is 'local'; leave out "
                   "that, or write 'mode: on' below auth, or leave out this key");
    assert_int_equal(conf_load_bytes(STR("auth: none\n"), environment, &c, &e), ERR_CONFIG);
    assert_string_equal(e.detail,
                        "environment variable REGISTRY_AUTH_HTPASSWD_PATH: is not asked, because "
                        "auth is 'none'; leave out that, or write 'mode: on' below auth, or leave "
                        "out this key");
}

static void a_policy_needs_someone_to_ask(void **state)
{
#define ONE_RULE "policy:\n- {subjects: ['*'], actions: [pull]}\n"
    (void)state;
    conf_must_fail(ONE_RULE,
                   "1: policy: is not asked, because auth is 'loopback'; write 'auth: local' (or a "
                   "section auth), or leave out this key");
    conf_must_fail("auth: none\n" ONE_RULE,
                   "2: policy: is not asked, because auth is 'none'; write 'auth: local' (or a "
                   "section auth), or leave out this key");
    conf_free(conf_must("auth: local\n" ONE_RULE));
    conf_free(conf_must("policy: []\n"));
}

static void with_authentication_any_address_is_served(void **state)
{
    (void)state;
    conf_free(conf_must("auth: local\nhttp: {listen: ':5000'}\n"));
    conf_free(conf_must("auth: {htpasswd: {file: /h}}\nhttp: {listen: ':5000'}\n"));
}

static void the_reference_registrys_htpasswd_means_the_same(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("auth: {htpasswd: {realm: basic-realm, path: /auth/htpasswd}}\n");

    (void)state;
    assert_int_equal(c->auth.mode, CONF_AUTH_ON);
    assert_string_equal(c->auth.realm, "basic-realm");
    assert_string_equal(c->auth.htpasswd_file, "/auth/htpasswd");
    conf_must_fail("auth:\n  htpasswd:\n    file: /a\n    path: /b\n",
                   "4: auth.htpasswd.file: stands here a second time; the first is in line 3");
    conf_must_fail("auth:\n  htpasswd:\n    path: ['/b']\n",
                   "3: auth.htpasswd.path: here stands a list; allowed is a path of 0 to 4095 "
                   "bytes");
}

static void the_reference_registrys_token_means_the_same(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("auth:\n"
                               "  token:\n"
                               "    realm: https://auth.example.org/token\n"
                               "    service: registry.example.org\n"
                               "    issuer: auth.example.org\n"
                               "    rootcertbundle: /etc/bundle.pem\n");

    (void)state;
    assert_true(conf_token_foreign(&c->auth.token));
    assert_false(conf_token_own(&c->auth));
    assert_string_equal(c->auth.token.service, "registry.example.org");
}

static void tokens_of_our_own_are_made_when_people_sign_in(void **state)
{
    AUTO(conf) struct conf *on = conf_must("auth: local\n");
    AUTO(conf) struct conf *off = conf_must("auth: {token: {enabled: false}}\n");
    AUTO(conf) struct conf *nobody = conf_must("");

    (void)state;
    assert_true(conf_token_own(&on->auth));
    assert_false(conf_token_own(&off->auth));
    assert_false(conf_token_own(&nobody->auth));
    assert_int_equal(on->auth.token.lifetime_ms, 300000);
}

static void the_order_names_what_there_is(void **state)
{
    (void)state;
    conf_free(conf_must("auth: {order: [token, local, htpasswd], htpasswd: {file: /h}}\n"));
    conf_free(conf_must("auth: {order: [htpasswd, token], htpasswd: {file: /h}}\n"));
    conf_free(conf_must("auth: {order: [local], token: {enabled: false}}\n"));
    conf_must_fail("auth:\n  order: [ldap, token]\n",
                   "2: auth.order: 'ldap' is not configured: set auth.ldap.url, or leave it out");
    conf_must_fail("auth:\n  order: [local]\n  htpasswd: {file: /h}\n",
                   "2: auth.order: 'htpasswd' is missing here; add it, or turn it off by "
                   "auth.htpasswd.file");
    conf_must_fail("auth:\n  order: [local]\n",
                   "2: auth.order: 'token' is missing here; add it, or turn it off by "
                   "auth.token.enabled");
    conf_must_fail("auth:\n  order: [local, local]\n", "2: auth.order: 'local' stands here twice");
    conf_must_fail("auth:\n  order: [pam]\n",
                   "2: auth.order: 'pam' is not known here; allowed is a list of 0 to 16 of "
                   "'htpasswd', 'local', 'token', 'external', 'ldap', 'certificate' or 'aws'");
}

static void secrets_and_keys_travel_over_tls(void **state)
{
#define HTTPS " must be a URL such as 'https://id.example.org'; 'http:' is allowed on loopback only"
    (void)state;
    conf_must_fail("auth:\n  oidc:\n    issuer: http://id.example.org\n",
                   "3: auth.oidc.issuer: 'http://id.example.org'" HTTPS);
    conf_must_fail("auth:\n  external:\n  - name: a\n    issuer: http://a\n    audience: b\n",
                   "4: auth.external[0].issuer: 'http://a'" HTTPS);
    conf_must_fail("auth:\n  external:\n  - name: a\n    issuer: https://a\n    audience: b\n"
                   "    jwks_uri: ftp://a\n",
                   "6: auth.external[0].jwks_uri: 'ftp://a'" HTTPS);
    conf_must_fail("auth:\n  aws: {sts_endpoints: ['http://sts']}\n",
                   "2: auth.aws.sts_endpoints: 'http://sts'" HTTPS);
    conf_must_fail("auth:\n  aws: {sts_endpoints: ['https://sts/x']}\n",
                   "2: auth.aws.sts_endpoints: 'https://sts/x' must be no more than "
                   "'https://HOST'");
    conf_must_fail("auth:\n  ldap: {url: 'ldap://a', base_dn: dc=a}\n",
                   "2: auth.ldap.url: passwords would go to 'ldap://a' in the clear: write "
                   "'start_tls: true', or ldaps://, or, if that is meant, 'insecure: true'");
    conf_free(conf_must("auth: {oidc: {issuer: 'http://127.0.0.1:9', client_id: a}}\n"));
    conf_free(conf_must("auth: {ldap: {url: 'ldap://localhost:389', base_dn: dc=a}}\n"));
    conf_free(conf_must("auth: {ldap: {url: 'ldap://a', start_tls: true, base_dn: dc=a}}\n"));
    conf_free(conf_must("auth: {ldap: {url: 'ldaps://a', base_dn: dc=a}}\n"));
    conf_free(conf_must("auth: {ldap: {url: 'ldap://a', insecure: true, base_dn: dc=a}}\n"));
    conf_must_fail("auth:\n  ldap: {url: ['ldaps://a', 'ldap://b'], base_dn: dc=a}\n",
                   "2: auth.ldap.url: passwords would go to 'ldap://b' in the clear: write "
                   "'start_tls: true', or ldaps://, or, if that is meant, 'insecure: true'");
    conf_must_fail("auth:\n  ldap: {url: 'ldaps://a/dc=b??sub', base_dn: dc=a}\n",
                   "2: auth.ldap.url: 'ldaps://a/dc=b??sub' must be a URL such as "
                   "'ldaps://ldap.example.org'");
}

static void sections_need_their_parts(void **state)
{
    static const struct {
        const char *yaml, *detail;
    } rows[] = {
        {"auth: {oidc: {issuer: 'https://a'}}\n",
         "auth.oidc.client_id: must be set, because auth.oidc.issuer is: write the name under "
         "which the provider knows this registry"},
        {"auth: {oidc: {client_id: a}}\n",
         "auth.oidc.issuer: must be set, because auth.oidc.client_id is: write the URL of the "
         "provider"},
        {"auth: {ldap: {url: 'ldaps://a'}}\n",
         "auth.ldap.base_dn: must be set, because auth.ldap.url is: write the entry that holds the "
         "users"},
        {"auth: {ldap: {base_dn: dc=a}}\n",
         "auth.ldap.url: must be set, because auth.ldap.base_dn is: write the URL of the "
         "directory"},
        {"auth: {ldap: {url: 'ldaps://a', base_dn: dc=a, bind_dn: cn=a}}\n",
         "auth.ldap.bind_password_file: must be set, because auth.ldap.bind_dn is"},
        {"auth: {certificate: {enabled: true}}\n",
         "http.tls.client_ca: must be set, because auth.certificate.enabled is: write the file of "
         "the authorities that sign client certificates"},
        {"auth: {aws: {audience: r}}\n",
         "auth.aws.accounts: must be set, because auth.aws.audience is: anyone with an account of "
         "AWS could sign in"},
        {"auth: {aws: {accounts: ['123456789012']}}\n",
         "auth.aws.audience: must be set, because auth.aws.accounts is: write a name that is only "
         "this registry's"},
        {"auth: {token: {jwks: /k, issuer: a}}\n",
         "auth.token.realm: must be set, because tokens are made elsewhere (rootcertbundle or "
         "jwks): write the URL of that service"},
        {"auth: {token: {jwks: /k, realm: 'https://a'}}\n",
         "auth.token.issuer: must be set, because tokens are made elsewhere (rootcertbundle or "
         "jwks): write what their 'iss' says"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf *c = NULL;
        struct err e;

        assert_int_equal(conf_load_bytes(str_of(rows[i].yaml), NULL, &c, &e), ERR_CONFIG);
        assert_string_equal(e.detail, rows[i].detail);
    }
}

static void a_password_stands_in_one_place(void **state)
{
    (void)state;
    conf_must_fail("auth:\n  ldap: {url: 'ldaps://a', base_dn: a, bind_dn: b, bind_password: p, "
                   "bind_password_file: /p}\n",
                   "2: auth.ldap.bind_password: auth.ldap.bind_password_file is set too; leave out "
                   "one of them");
}

static void filters_have_their_placeholder(void **state)
{
#define LDAP "auth:\n  ldap:\n    url: ldaps://a\n    base_dn: dc=a\n"
    (void)state;
    conf_free(conf_must(LDAP "    user_filter: '(&(uid={user})(x=y))'\n    group_filter: ''\n"));
    conf_must_fail(LDAP "    user_filter: (uid=x)\n",
                   "5: auth.ldap.user_filter: '(uid=x)' must be a filter with {user}, such as "
                   "'(uid={user})'");
    conf_must_fail(LDAP "    user_filter: (uid={user}))\n",
                   "5: auth.ldap.user_filter: '(uid={user}))' must be a filter with {user}, such "
                   "as '(uid={user})'");
    conf_must_fail(LDAP "    group_filter: 'member={dn}'\n",
                   "5: auth.ldap.group_filter: 'member={dn}' must be a filter with {dn} or {user}, "
                   "such as '(member={dn})'");
    conf_must_fail(LDAP "    group_attribute: 'cn)(x'\n",
                   "5: auth.ldap.group_attribute: 'cn)(x' is no name of an attribute");
}

static void a_user_filter_finds_who_is_named_only(void **state)
{
    static const char *const good[] = {"(uid={user})", "(|(uid={user})(mail={user}@a))",
                                       "(&(objectClass=*)(uid={user})(!(x=*)))"};
    static const char *const bad[] = {"(uid={user}*)", "(uid=*{user})",   "(uid>={user})",
                                      "(uid~={user})", "({user}=x)",      "(uid:x:={user})",
                                      "(={user})",     "(&({user})(a=b))"};
    char yaml[256];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(yaml, sizeof(yaml), LDAP "    user_filter: '%s'\n", good[i]);
        conf_free(conf_must(yaml));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct conf *c = NULL;
        struct err e;

        snprintf(yaml, sizeof(yaml), LDAP "    user_filter: '%s'\n", bad[i]);
        assert_int_equal(conf_load_bytes(str_of(yaml), NULL, &c, &e), ERR_CONFIG);
        assert_non_null(strstr(e.detail, "must compare {user} with an attribute"));
    }
}

static void issuers_differ_and_their_claims_have_values(void **state)
{
#define ISSUER "  - {name: a, issuer: 'https://a', audience: [r]"
    (void)state;
    conf_must_fail("auth:\n  external:\n" ISSUER "}\n" ISSUER "}\n",
                   "4: auth.external[1].name: 'a' is the name of another one");
    conf_must_fail("auth:\n  external:\n" ISSUER "}\n"
                   "  - {name: b, issuer: 'https://a', audience: [r]}\n",
                   "4: auth.external[1].issuer: 'https://a' stands here already, as 'a'");
    conf_must_fail("auth:\n  external:\n" ISSUER ", required_claims: [x]}\n",
                   "3: auth.external[0].required_claims: 'x' must be NAME=VALUE");
    conf_must_fail("auth:\n  external:\n" ISSUER ", algorithms: [none]}\n",
                   "3: auth.external[0].algorithms: 'none' is not known here; allowed is a list of "
                   "1 to 16 of 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', "
                   "'ES384', 'ES512' or 'EdDSA'");
}

static void an_issuer_cannot_speak_for_local_users(void **state)
{
    AUTO(conf)
    struct conf *c =
        conf_must("auth: {external: [{name: a, issuer: 'https://a', audience: [r]}]}\n");

    (void)state;
    assert_string_equal(c->auth.external.items[0].username_prefix, "external:");
    assert_string_equal(c->auth.external.items[0].groups_prefix, "external:");
}

static void accounts_are_twelve_digits(void **state)
{
    (void)state;
    conf_must_fail("auth:\n  aws: {audience: r, accounts: ['12345']}\n",
                   "2: auth.aws.accounts: '12345' must be the 12 digits of an account, in quotes");
    conf_free(conf_must("auth: {aws: {audience: r, accounts: ['012345678901']}}\n"));
}

static void roles_are_arns(void **state)
{
    (void)state;
    conf_must_fail("auth:\n  aws: {audience: r, accounts: ['012345678901'], roles: [{arn: ci}]}\n",
                   "2: auth.aws.roles[0].arn: 'ci' must be an ARN such as "
                   "'arn:aws:iam::123456789012:role/ci-*'");
}

static void admins_are_users_robots_or_groups(void **state)
{
    (void)state;
    conf_free(conf_must("auth: {admins: ['user:a', 'group:b c', 'robot:d']}\n"));
    conf_must_fail("auth:\n  admins: ['*']\n",
                   "2: auth.admins: '*' is no subject; allowed are 'user:NAME', 'robot:NAME' and "
                   "'group:NAME'");
    conf_must_fail("auth:\n  admins: ['user:']\n",
                   "2: auth.admins: 'user:' is no subject; allowed are 'user:NAME', 'robot:NAME' "
                   "and 'group:NAME'");
}

static void patterns_that_match_nothing_are_refused(void **state)
{
    static const char *const bad[] = {"Dev/**", "/dev", "dev:x", "dev app", "dev[ab]", "(a+)+"};
    struct conf *c = NULL;
    struct err e;
    char yaml[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(yaml, sizeof(yaml),
                 "policy: [{subjects: ['*'], actions: [pull], repositories: ['%s']}]\n", bad[i]);
        assert_int_equal(conf_load_bytes(str_of(yaml), NULL, &c, &e), ERR_CONFIG);
        assert_non_null(strstr(e.detail, "policy[0].repositories: '"));
    }
    conf_must_fail("policy:\n- subjects: ['*']\n  actions: [pull]\n  tags: [a/b]\n",
                   "4: policy[0].tags: 'a/b' can't match any tag; allowed are the letters, digits "
                   "and ._- of tags, and for them '*' (anything), '**' (anything) and '?', such as "
                   "'v1.*'");
    conf_free(conf_must("policy:\n- {subjects: ['*'], actions: ['*'],\n"
                        "   repositories: ['**', 'a/*/b', 'x?', a__b-c.d], tags: [V*, 1.?]}\n"
                        "auth: local\n"));
}

static void quotas_are_of_namespaces_once(void **state)
{
    (void)state;
    conf_must_fail(
        "quotas:\n- {namespace: 'Dev'}\n",
        "2: quotas[0].namespace: 'Dev' is no name of a repository; allowed are names such "
        "as 'dev' (which counts all below it), and \"\" for the whole registry");
    conf_must_fail("quotas:\n- {namespace: a}\n- {namespace: a}\n",
                   "3: quotas[1].namespace: 'a' has a quota already");
}

static void proxies_are_addresses_or_networks(void **state)
{
    (void)state;
    conf_free(conf_must("http: {trusted_proxies: [10.0.0.0/8, '::1']}\n"));
    conf_must_fail("http:\n  trusted_proxies: [10.0.0.1/8]\n",
                   "2: http.trusted_proxies: '10.0.0.1/8' is no address or network; allowed are "
                   "'10.1.2.3', '10.0.0.0/8' (no bits set behind the prefix), '::1' and "
                   "'fd00::/8'");
}

static void files_are_looked_for_on_request(void **state)
{
    static const char yaml[] = "auth:\n  htpasswd:\n    file: /nonexistent/h\n";
    AUTO(conf) struct conf *c = conf_must(yaml);
    struct conf *again = NULL;
    char want[256];
    struct err e;

    (void)state;
    assert_int_equal(conf_load_with_files(conf_path, NULL, &again, &e), ERR_CONFIG);
    snprintf(want, sizeof(want),
             "%s:3: auth.htpasswd.file: '/nonexistent/h' can't be read: No such file or directory",
             conf_path);
    assert_string_equal(e.detail, want);
    conf_free(conf_must("auth: {htpasswd: {file: /tmp}}\n"));
    assert_int_equal(conf_load_with_files(conf_path, NULL, &again, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "'/tmp' is a directory, not a file"));
    conf_free(conf_must("auth: {external: [{name: a, issuer: 'https://a', audience: [r],\n"
                        "  ca_file: /nonexistent/ca}]}\n"));
    assert_int_equal(conf_load_with_files(conf_path, NULL, &again, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, ":2: auth.external[0].ca_file: '/nonexistent/ca'"));
    conf_free(conf_must("auth: {htpasswd: {file: /etc/passwd}}\n"));
    assert_int_equal(conf_load_with_files(conf_path, NULL, &again, &e), ERR_OK);
    conf_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_word_says_who_is_asked),
        cmocka_unit_test(a_section_turns_authentication_on),
        cmocka_unit_test(the_mode_is_given_once),
        cmocka_unit_test(authentication_that_is_configured_is_not_left_out),
        cmocka_unit_test(a_policy_needs_someone_to_ask),
        cmocka_unit_test(with_authentication_any_address_is_served),
        cmocka_unit_test(the_reference_registrys_htpasswd_means_the_same),
        cmocka_unit_test(the_reference_registrys_token_means_the_same),
        cmocka_unit_test(tokens_of_our_own_are_made_when_people_sign_in),
        cmocka_unit_test(the_order_names_what_there_is),
        cmocka_unit_test(secrets_and_keys_travel_over_tls),
        cmocka_unit_test(sections_need_their_parts),
        cmocka_unit_test(a_password_stands_in_one_place),
        cmocka_unit_test(filters_have_their_placeholder),
        cmocka_unit_test(a_user_filter_finds_who_is_named_only),
        cmocka_unit_test(issuers_differ_and_their_claims_have_values),
        cmocka_unit_test(an_issuer_cannot_speak_for_local_users),
        cmocka_unit_test(accounts_are_twelve_digits),
        cmocka_unit_test(roles_are_arns),
        cmocka_unit_test(admins_are_users_robots_or_groups),
        cmocka_unit_test(patterns_that_match_nothing_are_refused),
        cmocka_unit_test(quotas_are_of_namespaces_once),
        cmocka_unit_test(proxies_are_addresses_or_networks),
        cmocka_unit_test(files_are_looked_for_on_request),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
