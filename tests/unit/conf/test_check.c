#include "conf/listen.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void listen_addresses_are_parsed(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:5000", "127.0.0.1", 5000, true},
        {"127.8.9.1:0", "127.8.9.1", 0, true},
        {"localhost:65535", "localhost", 65535, true},
        {"LOCALHOST:1", "LOCALHOST", 1, true},
        {"[::1]:5000", "::1", 5000, true},
        {"[::]:5000", "::", 5000, false},
        {"[fe80::1]:5000", "fe80::1", 5000, false},
        {":5000", "", 5000, false},
        {"0.0.0.0:80", "0.0.0.0", 80, false},
        {"10.1.2.3:80", "10.1.2.3", 80, false},
        {"registry.example:443", "registry.example", 443, false},
        {"127.0.0.1.example:443", "127.0.0.1.example", 443, false},
    };
    struct conf_listen l;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(conf_listen_parse(str_of(rows[i].text), &l));
        assert_int_equal(l.kind, CONF_LISTEN_TCP);
        assert_string_equal(l.host, rows[i].host);
        assert_int_equal(l.port, rows[i].port);
        assert_int_equal(l.loopback, rows[i].loopback);
    }
    assert_true(conf_listen_parse(STR("unix:/run/r.sock"), &l));
    assert_int_equal(l.kind, CONF_LISTEN_UNIX);
    assert_string_equal(l.host, "/run/r.sock");
    assert_true(l.loopback);
}

static void other_texts_are_no_addresses(void **state)
{
    static const char *const bad[] = {
        "",       "5000",        "127.0.0.1", "127.0.0.1:",     "127.0.0.1:x", ":65536",
        "::1:80", "[::1]",       "[::1:80",   "[127.0.0.1]:80", "[]:80",       "a b:80",
        "a/b:80", "http://a:80", "unix:",     "127.0.0.1:-1",   "[::g]:80",    "[::1]x:80",
    };
    struct conf_listen l;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (conf_listen_parse(str_of(bad[i]), &l))
            fail_msg("'%s' should be refused", bad[i]);
    }
    assert_false(conf_listen_parse(STR_NONE, &l));
}

static void a_unix_path_fits_the_kernel(void **state)
{
    struct conf_listen l;
    char text[200];

    (void)state;
    snprintf(text, sizeof(text), "unix:/%0106d", 0);
    assert_true(conf_listen_parse(str_of(text), &l));
    snprintf(text, sizeof(text), "unix:/%0107d", 0);
    assert_false(conf_listen_parse(str_of(text), &l));
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listen_addresses_are_parsed),
        cmocka_unit_test(other_texts_are_no_addresses),
        cmocka_unit_test(a_unix_path_fits_the_kernel),
        cmocka_unit_test(a_wrong_address_says_what_is_allowed),
        cmocka_unit_test(without_authentication_only_loopback_is_served),
        cmocka_unit_test(auth_none_serves_everyone),
        cmocka_unit_test(tls_needs_its_parts),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
