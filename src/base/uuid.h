/* Identifiers of RFC 9562, of random bytes from the kernel's generator. */
#pragma once

#include "base/str.h"

#define UUID_TEXT 36

struct uuid {
    char text[UUID_TEXT + 1]; /* lower case, with dashes */
};

void uuid_make(struct uuid *ret_uuid); /* version 4 */

/* Version 7: sorts by that time, of at most 48 bits; uuid_time_ms() has it back. */
void uuid_make_timed(int64_t wall_ms, struct uuid *ret_uuid);
int64_t uuid_time_ms(const struct uuid *u);
bool uuid_parse(struct str s, struct uuid *ret_uuid); /* any version; lower case only */

/* n random bytes. */
void random_bytes(void *p, size_t n);
