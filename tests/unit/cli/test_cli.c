#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char file[32];

static int setup(void **state)
{
    int fd;

    (void)state;
    strcpy(file, "/tmp/test-cli-XXXXXX");
    fd = mkstemp(file);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int teardown(void **state)
{
    run_done(state);
    return unlink(file);
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "we");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void no_command_shows_them_and_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(run_with(NULL, NULL), CLI_USAGE);
    assert_string_equal(run_out, "");
    assert_non_null(strstr(run_err, "\n  config check "));
    assert_non_null(strstr(run_err, "\n  version "));
}

static void help_shows_the_commands(void **state)
{
    static const char *const spellings[] = {"--help", "-h", "help"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(spellings[i]), CLI_OK);
        assert_string_equal(run_err, "");
        assert_non_null(strstr(run_out, "Usage: registry COMMAND"));
        assert_non_null(strstr(run_out, "\n  health "));
        assert_null(strstr(run_out, "config reference")); /* hidden */
    }
}

static void every_command_has_help_in_both_forms(void **state)
{
    (void)state;
    assert_int_equal(run("version", "--help"), CLI_OK);
    assert_non_null(strstr(run_out, "Usage: registry version [FLAGS]\n"));
    assert_int_equal(run("config", "check", "--help"), CLI_OK);
    assert_non_null(strstr(run_out, "Usage: registry config check [FLAGS] [FILE]\n"));
    assert_non_null(strstr(run_out, "\n  --config FILE   "));
    assert_int_equal(run("help", "config", "check"), CLI_OK);
    assert_non_null(strstr(run_out, "Usage: registry config check [FLAGS] [FILE]\n"));
    assert_int_equal(run("health", "--url", "--help"), CLI_OK);
    assert_non_null(strstr(run_out, "--url URL"));
}

static void a_group_shows_its_commands(void **state)
{
    (void)state;
    assert_int_equal(run("config"), CLI_USAGE);
    assert_non_null(strstr(run_err, "\n  config print "));
    assert_null(strstr(run_err, "\n  version "));
    assert_int_equal(run("config", "--help"), CLI_OK);
    assert_non_null(strstr(run_out, "\n  config print "));
    assert_int_equal(run("help", "config"), CLI_OK);
    assert_non_null(strstr(run_out, "\n  config print "));
}

static void what_does_not_exist_is_named_with_a_suggestion(void **state)
{
    (void)state;
    assert_int_equal(run("verson"), CLI_USAGE);
    assert_non_null(
        strstr(run_err, "registry: there is no command 'verson'; did you mean 'version'?\n"));
    assert_int_equal(run("config", "prnt"), CLI_USAGE);
    assert_non_null(strstr(run_err, "'config prnt'; did you mean 'config print'?\n"));
    assert_int_equal(run("zzzzzzzz"), CLI_USAGE);
    assert_non_null(strstr(run_err, "there is no command 'zzzzzzzz'\n"));
    assert_int_equal(run("help", "verson"), CLI_USAGE);
    assert_non_null(strstr(run_err, "did you mean 'version'?"));
    assert_int_equal(run("config", "check", "--confg=x"), CLI_USAGE);
    assert_int_equal(run("config", "check", "--confg"), CLI_USAGE);
    assert_non_null(strstr(run_err, "there is no flag '--confg'; did you mean '--config'?\n"));
}

static void the_beginning_of_a_word_suggests_it(void **state)
{
    (void)state;
    assert_int_equal(run("user", "add", "a", "--password", "x"), CLI_USAGE);
    assert_non_null(strstr(run_err, "did you mean '--password-stdin'?"));
}

static void a_wrong_use_says_whose_help_knows_better(void **state)
{
    (void)state;
    assert_int_equal(run("zzzzzzzz"), CLI_USAGE);
    assert_non_null(strstr(run_err, "`registry --help`"));
    assert_int_equal(run("user", "obliterate", "a"), CLI_USAGE);
    assert_non_null(strstr(run_err, "`registry user --help`"));
    assert_int_equal(run("user", "list", "a"), CLI_USAGE);
    assert_non_null(strstr(run_err, "`registry user list --help`"));
    assert_int_equal(run("serve", "--port", "5000"), CLI_USAGE);
    assert_non_null(strstr(run_err, "`registry serve --help`"));
}

static void wrong_use_of_flags_and_operands_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(run("config", "check", "--config"), CLI_USAGE);
    assert_non_null(strstr(run_err, "a value must follow '--config'"));
    assert_int_equal(run("config", "check", "--config", "a", "--config=b"), CLI_USAGE);
    assert_non_null(strstr(run_err, "given twice: '--config=b'"));
    assert_int_equal(run("config", "check", "a", "b"), CLI_USAGE);
    assert_non_null(strstr(run_err, "one argument too many: 'b'"));
    assert_int_equal(run("version", "x"), CLI_USAGE);
    assert_int_equal(run("config", "check", "--config", "a", "b"), CLI_FAILED);
    assert_non_null(strstr(run_err, "two configuration files, 'a' and 'b'"));
}

static void version_names_the_libraries(void **state)
{
    (void)state;
    assert_int_equal(run("version"), CLI_OK);
    assert_memory_equal(run_out, "registry ", 9);
    assert_non_null(strstr(run_out, "\nOpenSSL 3"));
    assert_non_null(strstr(run_out, "\nSQLite 3"));
}

static void check_says_ok_or_what_is_wrong(void **state)
{
    char want[128];

    (void)state;
    write_file("log: {level: debug}\n");
    snprintf(want, sizeof(want), "OK: %s\n", file);
    assert_int_equal(run("config", "check", file), CLI_OK);
    assert_string_equal(run_out, want);
    write_file("log:\n  levl: debug\n");
    snprintf(want, sizeof(want),
             "registry: %s:2: log.levl: unknown key; did you mean 'log.level'?\n", file);
    assert_int_equal(run("config", "check", file), CLI_FAILED);
    assert_string_equal(run_out, "");
    assert_string_equal(run_err, want);
    assert_int_equal(run("config", "check"), CLI_OK); /* nothing is needed */
}

static void the_file_is_named_in_three_ways(void **state)
{
    char variable[64], flag[64];
    char *environment[] = {variable, NULL};

    (void)state;
    write_file("http: {workers: 77}\n");
    snprintf(variable, sizeof(variable), "REGISTRY_CONFIG=%s", file);
    snprintf(flag, sizeof(flag), "--config=%s", file);
    assert_int_equal(run("config", "print", file), CLI_OK);
    assert_non_null(strstr(run_out, "workers: 77 "));
    assert_int_equal(run("config", "print", "--config", file), CLI_OK);
    assert_non_null(strstr(run_out, "workers: 77 "));
    assert_int_equal(run("config", "print", flag), CLI_OK);
    assert_non_null(strstr(run_out, "workers: 77 "));
    assert_int_equal(run("config", "print", "--", file), CLI_OK);
    assert_non_null(strstr(run_out, "workers: 77 "));
    assert_int_equal(run_with(environment, "config", "print", NULL), CLI_OK);
    assert_non_null(strstr(run_out, "workers: 77 "));
    strcpy(variable, "REGISTRY_CONFIG=");
    assert_int_equal(run_with(environment, "config", "print", NULL), CLI_OK);
    assert_non_null(strstr(run_out, "workers: 256 "));
    strcpy(variable, "REGISTRY_CONFIG=/nonexistent");
    assert_int_equal(run_with(environment, "config", "print", NULL), CLI_FAILED);
    assert_int_equal(run_with(environment, "config", "print", file, NULL), CLI_OK);
}

static void print_shows_what_the_environment_says(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_LOG_LEVEL=debug"}, NULL};

    (void)state;
    assert_int_equal(run_with(environment, "config", "print", NULL), CLI_OK);
    assert_non_null(strstr(run_out, "\n  level: debug\n"));
}

static void reference_prints_the_page(void **state)
{
    (void)state;
    assert_int_equal(run("config", "reference"), CLI_OK);
    assert_memory_equal(run_out, "# Configuration\n", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_command_shows_them_and_is_an_error),
        cmocka_unit_test(help_shows_the_commands),
        cmocka_unit_test(every_command_has_help_in_both_forms),
        cmocka_unit_test(a_group_shows_its_commands),
        cmocka_unit_test(what_does_not_exist_is_named_with_a_suggestion),
        cmocka_unit_test(the_beginning_of_a_word_suggests_it),
        cmocka_unit_test(a_wrong_use_says_whose_help_knows_better),
        cmocka_unit_test(wrong_use_of_flags_and_operands_is_an_error),
        cmocka_unit_test(version_names_the_libraries),
        cmocka_unit_test(check_says_ok_or_what_is_wrong),
        cmocka_unit_test(the_file_is_named_in_three_ways),
        cmocka_unit_test(print_shows_what_the_environment_says),
        cmocka_unit_test(reference_prints_the_page),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
