#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORDS_MAX 16

char *run_out, *run_err;

int run_done(void **state)
{
    (void)state;
    free(run_out);
    free(run_err);
    run_out = run_err = NULL;
    return 0;
}

int run_with(char *const *environment, ...)
{
    char *argv[WORDS_MAX + 1] = {(char[]){"registry"}};
    struct cli cli = {.environment = environment};
    size_t out_bytes, err_bytes;
    int argc = 1, status;
    va_list ap;

    va_start(ap, environment);
    while (argc < WORDS_MAX && (argv[argc] = va_arg(ap, char *)))
        argc++;
    va_end(ap);
    run_done(NULL);
    cli.out = open_memstream(&run_out, &out_bytes);
    cli.err = open_memstream(&run_err, &err_bytes);
    assert_non_null(cli.out);
    assert_non_null(cli.err);
    status = cli_main(&cli, argc, argv);
    fclose(cli.out);
    fclose(cli.err);
    return status;
}
