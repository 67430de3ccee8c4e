#include "meta/libpq.h"

#include "net/library.h"

#include <pthread.h>

static struct libpq lib;
static bool ready;

static void load(void)
{
    static const char *const names[] = {"libpq.so.5", NULL};
    static const struct library_function functions[] = {
#define FUNCTION(name) {#name, &lib.name},
        LIBPQ_FUNCTIONS(FUNCTION)
#undef FUNCTION
    };

    ready = library_load(names, functions, sizeof(functions) / sizeof(functions[0]));
}

const struct libpq *libpq(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}
