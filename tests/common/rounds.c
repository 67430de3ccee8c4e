#include "rounds.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 3 };
#else
enum { STEP = 1 };
#endif

bool rounds_are_long(void)
{
    const char *is_long = getenv("CYBERDOCK_TEST_LONG");

    return is_long && is_long[0];
}

unsigned rounds_step(void)
{
    return rounds_are_long() ? 1 : STEP;
}
