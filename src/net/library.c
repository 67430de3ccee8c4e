#include "net/library.h"

#include <dlfcn.h>
#include <string.h>

bool library_load(const char *const *names, const struct library_function *functions, size_t n)
{
    void *handle = NULL;

    for (; !handle && *names; names++)
        handle = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return false;
    for (size_t i = 0; i < n; i++) {
        void *function = dlsym(handle, functions[i].name);

        if (!function)
            return false;
        memcpy(functions[i].pointer, &function, sizeof(function));
    }
    return true;
}
