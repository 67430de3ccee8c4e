/* Times that come again; the first eight bytes are when it is now, in milliseconds. */
#include "base/cron.h"

#include <stdlib.h>
#include <string.h>

/* Of year 9999, less a search. */
#define LAST_MS (253402300799999ll - 6ll * 366 * 24 * 3600 * 1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cron c;
    struct str text;
    int64_t now_ms, next_ms;

    if (size < sizeof(now_ms))
        return 0;
    memcpy(&now_ms, data, sizeof(now_ms));
    text = (struct str){(const char *)data + sizeof(now_ms), size - sizeof(now_ms)};
    now_ms = (int64_t)((uint64_t)now_ms % (uint64_t)LAST_MS);
    if (cron_parse(text, &c, ERR_IGNORED) != ERR_OK)
        return 0;
    next_ms = cron_next(&c, now_ms);
    if (next_ms != 0 && (next_ms <= now_ms || next_ms % 60000 != 0))
        abort();
    if (next_ms != 0 && c.name[0] == '\0' && !c.local) {
        unsigned minute = (unsigned)((next_ms / 60000 + c.east_min + 24 * 60) % 60);

        if (!(c.minutes & (1ull << minute)))
            abort();
        /* nothing was passed over: from just before it, it is the next as well */
        if (cron_next(&c, next_ms - 1) != next_ms)
            abort();
    }
    return 0;
}
