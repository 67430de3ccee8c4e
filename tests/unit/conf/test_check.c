#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_wrong_address_says_what_is_allowed(void **state)
{
    (void)state;
    conf_must_fail("http:\n  listen: nowhere\n",
                   "2: http.listen: 'nowhere' is not an address; allowed are '127.0.0.1:5000', "
                   "'[::1]:5000', ':5000' (all addresses) and 'unix:/path'");
}

static void without_authentication_only_loopback_is_served(void **state)
{
    (void)state;
    conf_must_fail("http:\n  listen: [127.0.0.1:1, ':5000']\n",
                   "2: http.listen: ':5000' can be reached from other machines, and no "
                   "authentication is configured; configure it ('auth: local' has users and tokens "
                   "in the database), or listen on 127.0.0.1, or let everyone in with the line "
                   "'auth: none' (or REGISTRY_AUTH=none)");
    conf_free(conf_must("http: {listen: [127.0.0.1:1, '[::1]:2', localhost:3, unix:/tmp/s]}\n"));
}

static void auth_none_serves_everyone(void **state)
{
    struct conf *c = conf_must("auth: none\nhttp: {listen: ':5000'}\n");

    (void)state;
    assert_int_equal(c->auth.mode, CONF_AUTH_NONE);
    conf_free(c);
    conf_must_fail("auth: nobody\n",
                   "1: auth: 'nobody' is not known here; allowed is 'loopback', 'none', 'local' "
                   "or 'on'");
}

static void tls_needs_its_parts(void **state)
{
    (void)state;
    conf_must_fail("http:\n  tls:\n    certificate: /c\n",
                   "3: http.tls.certificate: a certificate needs its private key: set http.tls.key "
                   "too");
    conf_must_fail("http:\n  tls:\n    key: /k\n",
                   "3: http.tls.key: a key needs its certificate: set http.tls.certificate too");
    conf_must_fail("http:\n  tls:\n    client_ca: /k\n",
                   "3: http.tls.client_ca: client certificates need TLS: set http.tls.certificate "
                   "and http.tls.key too");
    conf_must_fail("http:\n  tls:\n    client_crl: /l\n",
                   "3: http.tls.client_crl: revoked by whom? Set http.tls.client_ca too");
    conf_must_fail("http:\n  tls:\n    client_auth: required\n",
                   "3: http.tls.client_auth: 'required' needs the authorities to check against: "
                   "set http.tls.client_ca too");
    conf_free(conf_must("http: {tls: {certificate: /c, key: /k}}\n"));
    conf_free(conf_must(
        "http: {tls: {certificate: /c, key: /k, client_ca: /a, client_auth: required}}\n"));
}

static void an_origin_that_no_browser_says_is_refused(void **state)
{
    (void)state;
    conf_must_fail("http:\n  cors:\n    origins: ['https://:::']\n",
                   "3: http.cors.origins: 'https://:::' is no origin; allowed are '*' and "
                   "SCHEME://HOST[:PORT], as in 'https://ui.example.com' or 'http://[::1]:8080', "
                   "with nothing behind");
    conf_must_fail("http:\n  cors:\n    origins: ['https://a.example', 'https://Ui.example:443']\n",
                   "3: http.cors.origins: a browser never says 'https://Ui.example:443'; write "
                   "'https://ui.example'");
    conf_must_fail("http:\n  cors:\n    origins: ['*']\n    credentials: true\n",
                   "3: http.cors.origins: '*' is not allowed with http.cors.credentials: name the "
                   "origins");
    conf_free(
        conf_must("http: {cors: {origins: ['*', 'https://my_ui.example', 'http://[::1]:1']}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_address_says_what_is_allowed),
        cmocka_unit_test(without_authentication_only_loopback_is_served),
        cmocka_unit_test(auth_none_serves_everyone),
        cmocka_unit_test(tls_needs_its_parts),
        cmocka_unit_test(an_origin_that_no_browser_says_is_refused),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
