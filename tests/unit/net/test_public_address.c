/* Addresses that a webhook may not go to. */
#include "net/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_public(const char *text)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&s;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s;

    s.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    assert_int_equal(
        inet_pton(s.ss_family, text,
                  s.ss_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr),
        1);
    return address_is_public((const struct sockaddr *)&s);
}

static void addresses_of_the_internet_are_public(void **state)
{
    static const char *const texts[] = {"1.1.1.1",        "8.8.8.8",          "172.32.0.1",
                                        "192.169.0.1",    "2606:4700::1111",  "100.128.0.1",
                                        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:0808:0808::1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(is_public(texts[i]));
}

static void addresses_of_machines_and_networks_are_not(void **state)
{
    static const char *const texts[] = {
        "127.0.0.1", "127.255.1.2",     "10.0.0.1",    "172.16.0.1", "172.31.255.255",
        "0.0.0.0",   "192.168.1.1",     "169.254.1.1", "100.64.0.1", "169.254.169.254",
        "224.0.0.1", "255.255.255.255", "::",          "::1",        "fe80::1",
        "fc00::1",   "fd00:ec2::254",   "ff02::1",     "2001:db8::1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(is_public(texts[i]));
}

static void an_ipv4_address_in_one_of_ipv6_counts(void **state)
{
    static const char *const texts[] = {"::ffff:127.0.0.1", "::ffff:10.1.1.1",
                                        "::127.0.0.1",      "64:ff9b::10.0.0.1",
                                        "2002:7f00:0001::", "2002:c0a8:0101::1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(is_public(texts[i]));
}

static void what_is_no_address_of_ip_is_not_public(void **state)
{
    const struct sockaddr s = {.sa_family = AF_UNIX};

    (void)state;
    assert_false(address_is_public(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_the_internet_are_public),
        cmocka_unit_test(addresses_of_machines_and_networks_are_not),
        cmocka_unit_test(an_ipv4_address_in_one_of_ipv6_counts),
        cmocka_unit_test(what_is_no_address_of_ip_is_not_public),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
