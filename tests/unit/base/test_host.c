#include "base/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_what_this_machine_answers_for_is_loopback(void **state)
{
    static const struct {
        const char *host;
        bool loopback;
    } rows[] = {
        {"localhost", true},
        {"LocalHost", true},
        {"127.0.0.1", true},
        {"127.255.255.254", true},
        {"::1", true},
        {"0:0:0:0:0:0:0:1", true},
        {"", false},
        {"127", false},
        {"127.1", false},
        {"127.0.0.1.", false},
        {"127.0.0.0.1", false},
        {"127.0.0.256", false},
        {"127.0.0.1.example.org", false},
        {"128.0.0.1", false},
        {"0.0.0.0", false},
        {"::", false},
        {"::2", false},
        {"[::1]", false},
        {"::ffff:127.0.0.1", false},
        {"localhost.", false},
        {"localhost.example.org", false},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (host_is_loopback(str_of(rows[i].host)) != rows[i].loopback)
            fail_msg("'%s'", rows[i].host);
    }
    assert_false(host_is_loopback(STR("127.0.0.1\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_this_machine_answers_for_is_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
