#include "net/libldap.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* The same interface under the names of its versions 2.6 and 2.5. */
static const char *const names[] = {"libldap.so.2", "libldap-2.5.so.0"};

static struct libldap lib;
static bool ready;

static void load(void)
{
    void *handle = NULL;

    for (size_t i = 0; !handle && i < sizeof(names) / sizeof(names[0]); i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return;
#define FIND(name)                                                                                 \
    lib.name = (__typeof__(name) *)dlsym(handle, #name);                                           \
    if (!lib.name)                                                                                 \
        return;
    LIBLDAP_FUNCTIONS(FIND)
#undef FIND
    ready = true;
}

const struct libldap *libldap(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}
