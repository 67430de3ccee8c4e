/* What the states of PostgreSQL's errors mean. */
#include "meta/postgres.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void states_say_whether_another_try_helps(void **state)
{
    static const struct {
        const char *state;
        enum err_code code;
        bool again, broken;
    } cases[] = {
        {"40001", ERR_UNAVAILABLE, true, false},      {"40P01", ERR_UNAVAILABLE, true, false},
        {"08P01", ERR_UNAVAILABLE, true, true},       {"57P01", ERR_UNAVAILABLE, true, true},
        {"25006", ERR_UNAVAILABLE, true, true},       {"57014", ERR_UNAVAILABLE, false, false},
        {"53300", ERR_UNAVAILABLE, false, true},      {"53100", ERR_STORAGE_FULL, false, false},
        {"28P01", ERR_UNAVAILABLE, false, true},      {"42501", ERR_STORAGE_READONLY, false, false},
        {"22021", ERR_REQUEST_INVALID, false, false}, {"XX001", ERR_CORRUPT, false, false},
        {"42601", ERR_INTERNAL, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool again, broken;

        assert_int_equal(postgres_err_code(cases[i].state, &again, &broken), cases[i].code);
        assert_int_equal(again, cases[i].again);
        assert_int_equal(broken, cases[i].broken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(states_say_whether_another_try_helps)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
