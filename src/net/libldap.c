#include "net/libldap.h"

#include "net/library.h"

#include <pthread.h>

static struct libldap lib;
static bool ready;

static void load(void)
{
    /* The same interface under the names of its versions 2.6 and 2.5. */
    static const char *const names[] = {"libldap.so.2", "libldap-2.5.so.0", NULL};
    static const struct library_function functions[] = {
#define FUNCTION(name) {#name, &lib.name},
        LIBLDAP_FUNCTIONS(FUNCTION)
#undef FUNCTION
    };
    int version;

    /* The first call of all sets the library up, and locks nothing while it does. */
    ready = library_load(names, functions, sizeof(functions) / sizeof(functions[0])) &&
            lib.ldap_get_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS;
}

const struct libldap *libldap(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return ready ? &lib : NULL;
}
