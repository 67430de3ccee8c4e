#include "behind_redis.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "cache/redis_cache.h"
#include "redis_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEASE_MS 600000 /* of one that renews nothing */
#define ROUNDS   20

static struct redis_server server;
static struct redis_client client;

static void end(void)
{
    redis_client_close(&client);
    redis_server_remove(&server);
}

void behind_redis_make(void)
{
    redis_server_make(&server, NULL);
    redis_server_start(&server);
    atexit(end);
    redis_client_open(&client, server.url, 10000);
    redis_client_wait(&client, true);
}

static void shared_free(struct meta *m)
{
    free(m);
}

static const struct meta_driver shared_driver = {
    .name = "shared", .shared = true, .free = shared_free};

struct meta *behind_redis(struct meta *inner)
{
    const struct members_options o = {.lease_ms = LEASE_MS, .name = "test", .by_hand = true};
    struct meta *shared = NEW(struct meta), *replicas, *cache;
    struct members *members;
    struct uuid database;
    uint64_t epoch;
    struct err e;

    *shared = (struct meta){&shared_driver, inner};
    replicas = replicas_new(shared, &o);
    members = replicas_members(replicas);
    uuid_make(&database);
    cache = cache_redis_new(replicas,
                            &(struct cache_redis_options){replicas, client.redis, "t:", database});
    assert_int_equal(members_start(members, &e), ERR_OK);
    for (int i = 0; i < ROUNDS && !members_epoch(members, &epoch); i++)
        members_round(members);
    assert_true(members_epoch(members, &epoch));
    return cache;
}
