#include "conf/origin.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

static void assert_written(const char *text, const char *written)
{
    char got[CONF_ORIGIN_SIZE];

    if (!conf_origin_parse(str_of(text), got))
        fail_msg("'%s' is an origin", text);
    assert_string_equal(got, written);
}

static void what_a_browser_writes_stays_as_it_is(void **state)
{
    static const char *const texts[] = {
        "https://ui.example.com",
        "https://ui.example.com:8443",
        "http://ui.example.com:443", /* usual for the other scheme only */
        "https://ui.example.com:80",
        "http://localhost",
        "http://localhost:1",
        "http://localhost:65535",
        "https://my_ui.example",
        "https://_.example",
        "https://-a-.example",
        "https://xn--bcher-kva.example",
        "https://ui.example.com.", /* another origin than without the dot */
        "https://4.example",
        "https://1.2.3.4x",
        "http://127.0.0.1:5000",
        "http://255.255.255.255",
        "http://[::]",
        "http://[::1]:8080",
        "http://[2001:db8::1]",
        "http://[fe80::1:0:0:1]",
        "http://[1:0:2:3:4:5:6:7]",
        "http://[1:2:3:4:5:6:7:8]",
        "http://[1::]",
        "http://[::ffff:102:304]",
        "https://" LABEL63 "." LABEL63 "." LABEL63 ".a23456789012345678901234567890123456789012345"
        "678901234567890:65535",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_written(texts[i], texts[i]);
}

static void what_a_browser_would_write_otherwise_is_written_so(void **state)
{
    static const struct {
        const char *text, *written;
    } rows[] = {
        {"https://ui.example.com:443", "https://ui.example.com"},
        {"http://ui.example.com:80", "http://ui.example.com"},
        {"http://[::1]:80", "http://[::1]"},
        {"http://localhost:08080", "http://localhost:8080"},
        {"HTTPS://UI.Example.com", "https://ui.example.com"},
        {"http://[2001:DB8:0:0::1]", "http://[2001:db8::1]"},
        {"http://[1:0:0:2:0:0:0:3]", "http://[1:0:0:2::3]"},
        {"http://[1:0:0:2:3:0:0:4]", "http://[1::2:3:0:0:4]"},
        {"http://[1:2:3:4:5:6:0:0]", "http://[1:2:3:4:5:6::]"},
        {"http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]"},
        {"http://[0001::]", "http://[1::]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_written(rows[i].text, rows[i].written);
}

static void anything_else_is_no_origin(void **state)
{
    static const char *const texts[] = {
        "",
        "*",
        "null",
        "ui.example.com",
        "//ui.example.com",
        "https:",
        "https:/ui.example.com",
        "https://",
        "https://:443",
        "https://:::",
        "ftp://ui.example.com",
        "https//ui.example.com",
        "https://ui.example.com/",
        "https://ui.example.com/x",
        "https://ui.example.com?",
        "https://ui.example.com#",
        "https://user@ui.example.com",
        "https://ui.example.com ",
        " https://ui.example.com",
        "https://ui example.com",
        "https://*.example.com",
        "https://a..b",
        "https://.a",
        "https://.",
        "https://a..",
        "https://b\xc3\xbc"
        "cher.example",
        "https://a%2eb",
        "https://a:",
        "https://a:0",
        "https://a:x",
        "https://a:-1",
        "https://a:+1",
        "https://a:65536",
        "https://a:99999",
        "https://a:4294967376",
        "https://a:1:2",
        "http://1.2.3",
        "http://1.2.3.4.",
        "http://1.2.3.4.5",
        "http://1.2.3.256",
        "http://01.2.3.4",
        "http://2130706433",
        "http://0x7f000001",
        "http://a.0x1",
        "http://::1",
        "http://[]",
        "http://[::1",
        "http://[::1]x",
        "http://[::1]:",
        "http://[:::]",
        "http://[1:2:3:4:5:6:7]",
        "http://[fe80::1%eth0]",
        "http://[localhost]",
        "https://a" LABEL63,
        "https://" LABEL63 "." LABEL63 "." LABEL63 "." LABEL63,
    };
    char got[CONF_ORIGIN_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (conf_origin_parse(str_of(texts[i]), got))
            fail_msg("'%s'", texts[i]);
    }
    assert_false(conf_origin_parse(STR("https://a\0b"), got));
    assert_false(conf_origin_parse(STR_NONE, got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_browser_writes_stays_as_it_is),
        cmocka_unit_test(what_a_browser_would_write_otherwise_is_written_so),
        cmocka_unit_test(anything_else_is_no_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
