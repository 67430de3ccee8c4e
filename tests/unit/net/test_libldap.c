#include "net/libldap.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

static atomic_bool first_is_there;

static int begin(void)
{
    LDAP *handle;
    int code = libldap()->ldap_initialize(&handle, "ldap://127.0.0.1");

    libldap()->ldap_unbind_ext_s(handle, NULL, NULL);
    return code;
}

static void *first(void *ret_code)
{
    int *code = ret_code;

    *code = begin();
    atomic_store_explicit(&first_is_there, true, memory_order_relaxed);
    return NULL;
}

/* After the first, with nothing that would order what it wrote before what is read here. */
static void *second(void *ret_code)
{
    int *code = ret_code;

    while (!atomic_load_explicit(&first_is_there, memory_order_relaxed))
        ;
    *code = begin();
    return NULL;
}

/* ThreadSanitizer tells whether it may. */
static void any_thread_may_make_the_first_connection(void **state)
{
    pthread_t threads[2];
    int codes[2];

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, second, &codes[0]), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, first, &codes[1]), 0);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(codes[i], LDAP_SUCCESS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_thread_may_make_the_first_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
