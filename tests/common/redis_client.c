#include "redis_client.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_MS 60000

void redis_client_open(struct redis_client *c, char *url, uint64_t timeout_ms)
{
    struct err e;

    *c = (struct redis_client){.conf = {.redis_url = url,
                                        .redis_password_file = "",
                                        .redis_sentinel_password_file = "",
                                        .redis_ca_file = "",
                                        .redis_prefix = "t:",
                                        .redis_connections = 4,
                                        .redis_connect_timeout_ms = 10000,
                                        .redis_timeout_ms = timeout_ms}};
    if (redis_new(&c->conf, NULL, NULL, &c->redis, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

void redis_client_close(struct redis_client *c)
{
    redis_free(c->redis);
}

const char *redis_client_wait(struct redis_client *c, bool up)
{
    static char server[REDIS_SERVER_SIZE];
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (redis_up(c->redis, server) != up) {
        assert_true(clock_mono_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return server;
}
