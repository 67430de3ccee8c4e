/* Random identifiers (RFC 9562 version 4), from the kernel's generator. */
#pragma once

#include "base/str.h"

#define UUID_TEXT 36

struct uuid {
    char text[UUID_TEXT + 1]; /* lower case, with dashes */
};

void uuid_make(struct uuid *ret_uuid);
bool uuid_parse(struct str s, struct uuid *ret_uuid); /* any version; lower case only */

/* n random bytes. */
void random_bytes(void *p, size_t n);
