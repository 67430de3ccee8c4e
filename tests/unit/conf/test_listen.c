#include "conf/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listen_addresses_are_parsed),
        cmocka_unit_test(other_texts_are_no_addresses),
        cmocka_unit_test(a_unix_path_fits_the_kernel),
    };

    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
