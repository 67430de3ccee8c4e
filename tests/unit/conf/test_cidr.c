#include "conf/cidr.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void addresses_and_networks_are_parsed(void **state)
{
    static const char *const good[] = {
        "10.1.2.3", "10.0.0.0/8", "0.0.0.0/0",           "255.255.255.255/32",
        "::1",      "fd00::/8",   "::ffff:10.0.0.0/104", "::/0",
    };
    struct conf_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!conf_cidr_parse(str_of(good[i]), &c))
            fail_msg("%s", good[i]);
    }
}

static void other_texts_are_refused(void **state)
{
    static const char *const bad[] = {
        "",           "10",         "10.0.0",      "10.0.0.0/33", "10.0.0.0/",  "10.0.0.0/-1",
        "10.0.0.0/x", "10.0.0.1/8", "10.0.0.0/8/", "::1/129",     "fd00::1/8",  "[::1]",
        "localhost",  " 10.0.0.1",  "010.0.0.1",   "10.0.0.1:80", "fe80::1%lo", "/8",
    };
    struct conf_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (conf_cidr_parse(str_of(bad[i]), &c))
            fail_msg("%s", bad[i]);
    }
    assert_false(conf_cidr_parse(STR_NONE, &c));
}

static void a_network_contains_its_addresses_only(void **state)
{
    static const struct {
        const char *cidr, *address;
        bool in;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/9", "10.127.255.255", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe80::1", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true}, /* as a socket that serves both says it */
        {"10.0.0.0/8", "", false},
        {"10.0.0.0/8", "unix", false},
    };
    struct conf_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(conf_cidr_parse(str_of(rows[i].cidr), &c));
        if (conf_cidr_contains(&c, rows[i].address) != rows[i].in)
            fail_msg("%s %s", rows[i].cidr, rows[i].address);
    }
}

static void a_list_contains_what_one_of_it_does(void **state)
{
    char *texts[] = {"10.0.0.0/8", "fd00::/8"};
    struct conf_cidrs cidrs;

    (void)state;
    conf_cidrs_init(texts, 2, &cidrs);
    assert_true(conf_cidrs_contain(&cidrs, "10.1.2.3"));
    assert_true(conf_cidrs_contain(&cidrs, "fd12::1"));
    assert_false(conf_cidrs_contain(&cidrs, "11.1.2.3"));
    conf_cidrs_done(&cidrs);
    conf_cidrs_init(NULL, 0, &cidrs);
    assert_false(conf_cidrs_contain(&cidrs, "10.1.2.3"));
    conf_cidrs_done(&cidrs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_networks_are_parsed),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(a_network_contains_its_addresses_only),
        cmocka_unit_test(a_list_contains_what_one_of_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
