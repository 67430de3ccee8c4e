/* The store suites, on the driver named by the argument. */
#include "store_fixture.h"

int main(int argc, char **argv)
{
    int failures = 0;

    variant_under_test = variant_find(argc > 1 ? argv[1] : "fs");
    failures += run_suite();
    failures += run_upload_suite();
    failures += run_original_suite();
    failures += run_thread_suite();
    failures += run_torture_suite();
    if (variant_under_test->shared)
        failures += run_remote_suite();
    return failures != 0;
}
