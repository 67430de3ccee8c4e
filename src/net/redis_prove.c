#include "net/redis_prove.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "net/redis_dial.h"

#include <stdio.h>

#define NAME_MAX_BYTES 160

struct proving {
    const struct conf_cache *conf;
    struct redis_line *line;
    char name[NAME_MAX_BYTES]; /* of the key, and of the channel */
};

static int64_t deadline_of(const struct proving *p)
{
    return clock_mono_ms() + (int64_t)p->conf->redis_timeout_ms;
}

static enum err_code ask(struct proving *p, const struct str *words, size_t n, struct err *e)
{
    AUTO(redis_reply) struct redis_reply ignored = {0};

    return redis_line_ask(p->line, words, n, deadline_of(p), &ignored, e) == REDIS_ANSWERED
               ? ERR_OK
               : ERR_UNAVAILABLE;
}

/* By scripts, as all is done. */
static enum err_code prove_keys(struct proving *p, struct err *e)
{
    const struct str words[] = {STR("EVAL"),
                                STR("redis.call('SET', KEYS[1], '1', 'PX', 1000) "
                                    "redis.call('INCRBY', KEYS[1], 1) "
                                    "redis.call('PEXPIRE', KEYS[1], 1000) "
                                    "redis.call('PTTL', KEYS[1]) "
                                    "redis.call('TIME') "
                                    "redis.call('GET', KEYS[1]) "
                                    "redis.call('GETRANGE', KEYS[1], 0, 1) "
                                    "return redis.call('DEL', KEYS[1])"),
                                STR("1"), str_of(p->name)};
    const struct str by_hash[] = {STR("EVALSHA"), STR("0000000000000000000000000000000000000000"),
                                  STR("0")};

    TRY(ask(p, words, 4, e));
    /* which there is not: that is all it may say */
    if (ask(p, by_hash, 3, e) == ERR_OK || strstr(e->detail, "NOSCRIPT"))
        return ERR_OK;
    return ERR_UNAVAILABLE;
}

/* Publishes first: who has subscribed may do nothing else. */
static enum err_code prove_channels(struct proving *p, struct err *e)
{
    const struct str publish[] = {STR("PUBLISH"), str_of(p->name), STR("")};
    const struct str subscribe[] = {STR("SUBSCRIBE"), str_of(p->name)};

    TRY(ask(p, publish, 3, e));
    return ask(p, subscribe, 2, e);
}

static enum err_code connect_to(const struct redis_dial *d, struct redis_line **ret_line,
                                struct err *e)
{
    char server[REDIS_SERVER_SIZE];

    if (!libhiredis())
        return err_set(e, ERR_UNAVAILABLE, "libhiredis can't be loaded; install libhiredis0.14");
    return redis_dial_open(d, ret_line, server, e);
}

void redis_prove(const struct conf_cache *conf, redis_proven_fn fn, void *ctx)
{
    static const struct {
        const char *name, *what;
        enum err_code (*prove)(struct proving *p, struct err *e);
    } steps[] = {
        {"redis: keys", "write and remove a key by a script", prove_keys},
        {"redis: channels", "publish and subscribe", prove_channels},
    };
    struct proving p = {.conf = conf};
    struct redis_dial d;
    struct uuid own;
    struct err e;
    enum err_code code = redis_dial_init(&d, conf, &e);

    if (code == ERR_OK)
        code = connect_to(&d, &p.line, &e);
    fn(ctx, "redis: connection", "storage.cache.redis_url", code == ERR_OK ? NULL : &e);
    uuid_make(&own);
    snprintf(p.name, sizeof(p.name), "%sprove:%s", conf->redis_prefix, own.text);
    for (size_t i = 0; code == ERR_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
        fn(ctx, steps[i].name, steps[i].what, steps[i].prove(&p, &e) == ERR_OK ? NULL : &e);
    redis_line_close(p.line);
    redis_dial_done(&d);
}
