#include "net/libhiredis.h"

#include "net/library.h"

#include <pthread.h>

#define TEXT_OF(token)     #token
#define EXPANDED(token)    TEXT_OF(token)
#define NAME_OF(interface) "libhiredis.so." EXPANDED(interface)

static struct libhiredis lib;
static bool ready;

static void load(void)
{
    /* Of the version it was built with alone: replies are structs, and differ. */
    static const char *const names[] = {NAME_OF(HIREDIS_SONAME), NULL};
    static const struct library_function functions[] = {
#define FUNCTION(name) {#name, &lib.name},
        LIBHIREDIS_FUNCTIONS(FUNCTION)
#undef FUNCTION
    };

    ready = library_load(names, functions, sizeof(functions) / sizeof(functions[0]));
}

const struct libhiredis *libhiredis(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}
