#include "net/libcurl.h"

#include "net/library.h"

#include <pthread.h>

static struct libcurl lib;
static bool ready;

static void load(void)
{
    static const char *const names[] = {"libcurl.so.4", NULL};
    static const struct library_function functions[] = {
#define FUNCTION(name) {#name, &lib.name},
        LIBCURL_FUNCTIONS(FUNCTION)
#undef FUNCTION
    };

    ready = library_load(names, functions, sizeof(functions) / sizeof(functions[0])) &&
            lib.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const struct libcurl *libcurl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}
