#include "http/conn.h"

#include "conf/conf.h"

/* Of waiting; where http.io_timeout is shorter, that is enough. */
#define RATE_GRACE_MS 10000

bool conn_too_slow(const struct conn *c, int64_t waited_ms, uint64_t bytes)
{
    const struct conf_http *conf = c->conf;
    int64_t grace_ms = (int64_t)conf_u64(&conf->io_timeout_ms);

    if (waited_ms < (grace_ms < RATE_GRACE_MS ? grace_ms : RATE_GRACE_MS))
        return false;
    return bytes < conf_u64(&conf->min_rate_bytes) * (uint64_t)waited_ms / 1000;
}
