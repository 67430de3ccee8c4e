#include "http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct http_exchange x;

static int setup(void **state)
{
    (void)state;
    buf_init(&x.headers, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&x.headers);
    return 0;
}

/* A bug of the caller: a debug build ends, another leaves the header out. */
static bool refused(const char *name, struct str value)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        http_header(&x, name, value);
        _exit(x.headers.n == 0 ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_header_is_written_as_it_is(void **state)
{
    (void)state;
    http_header(&x, "X-Az09-", STR("a\tb ~\x80\xff"));
    http_header(&x, "Empty", STR_NONE);
    assert_string_equal(buf_text(&x.headers), "X-Az09-: a\tb ~\x80\xff\r\nEmpty: \r\n");
}

static void no_control_byte_gets_into_a_value(void **state)
{
    static const char bytes[] = {'\0', 1, 8, '\n', 11, '\r', 31, 127};

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        /* at the begin, within and at the end of what is looked at in steps */
        for (size_t at = 0; at <= 40; at += 20) {
            char value[41];

            memset(value, 'v', sizeof(value));
            value[at] = bytes[i];
            if (!refused("Name", (struct str){value, sizeof(value)}))
                fail_msg("byte %d at %zu", bytes[i], at);
        }
    }
}

static void names_have_letters_digits_and_hyphens(void **state)
{
    static const char *const names[] = {"",   " ",  "A:", "A B", "A_B",  "A/",  "@A",
                                        "A[", "`a", "a{", "A\n", "\x7f", "\xe1"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!refused(names[i], STR("value")))
            fail_msg("'%s'", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_header_is_written_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(no_control_byte_gets_into_a_value, setup, teardown),
        cmocka_unit_test_setup_teardown(names_have_letters_digits_and_hyphens, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
