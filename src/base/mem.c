#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p)
{
    if (!p) {
        fputs("registry: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t bytes)
{
    return check(malloc(bytes ? bytes : 1));
}

void *mem_zero(size_t bytes)
{
    return check(calloc(1, bytes ? bytes : 1));
}

void *mem_resize(void *p, size_t bytes)
{
    return check(realloc(p, bytes ? bytes : 1));
}

char *mem_strdup(const char *text)
{
    return check(strdup(text));
}
