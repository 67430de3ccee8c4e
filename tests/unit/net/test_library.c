#include "net/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static double (*cosine)(double);

static void the_first_library_that_is_there_is_loaded(void **state)
{
    static const char *const names[] = {"libthere-is-none.so.1", "libm.so.6", NULL};
    static const struct library_function functions[] = {{"cos", &cosine}};

    (void)state;
    assert_true(library_load(names, functions, 1));
    assert_true(cosine(0) == 1);
}

static void a_library_that_is_not_there_is_no_library(void **state)
{
    static const char *const names[] = {"libthere-is-none.so.1", NULL};

    (void)state;
    assert_false(library_load(names, NULL, 0));
}

static void a_library_that_lacks_a_function_is_another_one(void **state)
{
    static const char *const names[] = {"libm.so.6", NULL};
    void *none;
    const struct library_function functions[] = {{"cos", &cosine}, {"no_such_function", &none}};

    (void)state;
    assert_false(library_load(names, functions, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_library_that_is_there_is_loaded),
        cmocka_unit_test(a_library_that_is_not_there_is_no_library),
        cmocka_unit_test(a_library_that_lacks_a_function_is_another_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
