#include "base/uuid.h"

#include "base/hex.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define TIME_BYTES 6
#define TIME_CHARS 13 /* of these, with the dash */

#define COUNTER_BITS 12
#define COUNTER_MAX  ((1u << COUNTER_BITS) - 1)
#define COUNTER_SEED (COUNTER_MAX >> 1) /* where it begins, at most: there is room to count */

void random_bytes(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0)
            abort(); /* cannot fail for these arguments once the kernel has started */
        at += got;
        n -= (size_t)got;
    }
}

static void put(unsigned char b[16], unsigned version, struct uuid *ret_uuid)
{
    b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(ret_uuid->text, sizeof(ret_uuid->text),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void uuid_make(struct uuid *ret_uuid)
{
    unsigned char b[16];

    random_bytes(b, sizeof(b));
    put(b, 4, ret_uuid);
}

/* RFC 9562, 6.2, method 1: those of the same millisecond count on, so that what this process makes
 * sorts as it was made. Of a time that has passed, and of more than there is room for, any. */
static unsigned count_on(uint64_t ms, unsigned seed)
{
    static atomic_uint_least64_t last; /* the time and the counter */
    uint64_t seen = atomic_load(&last), mine;

    do {
        mine = seen >> COUNTER_BITS == ms ? seen + 1 : ms << COUNTER_BITS | (seed & COUNTER_SEED);
        if (seen >> COUNTER_BITS > ms || mine >> COUNTER_BITS != ms)
            return seed & COUNTER_MAX;
    } while (!atomic_compare_exchange_weak(&last, &seen, mine));
    return (unsigned)mine & COUNTER_MAX;
}

void uuid_make_timed(int64_t wall_ms, struct uuid *ret_uuid)
{
    unsigned char b[16];
    unsigned counter;

    random_bytes(b, sizeof(b));
    for (size_t i = 0; i < TIME_BYTES; i++)
        b[i] = (unsigned char)((uint64_t)wall_ms >> 8 * (TIME_BYTES - 1 - i));
    counter = count_on((uint64_t)wall_ms, (unsigned)b[6] << 8 | b[7]);
    b[6] = (unsigned char)(counter >> 8);
    b[7] = (unsigned char)counter;
    put(b, 7, ret_uuid);
}

int64_t uuid_time_ms(const struct uuid *u)
{
    uint64_t ms = 0;

    for (const char *p = u->text; p < u->text + TIME_CHARS; p++) {
        if (*p != '-')
            ms = ms << 4 | (uint64_t)hex_value(*p);
    }
    return (int64_t)ms;
}

bool uuid_parse(struct str s, struct uuid *ret_uuid)
{
    if (s.n != UUID_TEXT)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? c != '-' : hex_value(c) < 0)
            return false;
    }
    return str_copy(s, ret_uuid->text, sizeof(ret_uuid->text));
}
