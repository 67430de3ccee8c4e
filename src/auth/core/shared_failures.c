#include "auth/core/shared_failures.h"

#include "base/digest.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_MAX 160

/* KEYS: counts. ARGV: how many more, time. */
static const struct redis_script count = {
    .keys = SHARED_FAILURES_NAMES,
    .text = "local counts = {} "
            "for i, key in ipairs(KEYS) do local n "
            "if ARGV[1] == '0' then n = redis.call('GET', key) or 0 "
            "else n = redis.call('INCRBY', key, ARGV[1]) "
            "redis.call('PEXPIRE', key, ARGV[2]) end "
            "counts[2 * i - 1] = tonumber(n) or 0 counts[2 * i] = redis.call('PTTL', key) end "
            "return counts",
};

/* No names of people stand there for all to read, and keys are short whatever a client sends. */
static struct str key_of(const struct shared_failures *s, struct str name, char dst[static KEY_MAX])
{
    struct digest d;
    int n;

    digest_of(DIGEST_SHA256, name.p, name.n, &d);
    n = snprintf(dst, KEY_MAX, "%sf:%s", s->prefix, digest_hex(&d).p);
    return (struct str){dst, n < KEY_MAX ? (size_t)n : KEY_MAX - 1};
}

static uint64_t number_of(const struct redis_reply *reply, size_t i)
{
    const redisReply *r = redis_reply_at(reply->r, i);

    return r && r->type == REDIS_REPLY_INTEGER && r->integer > 0 ? (uint64_t)r->integer : 0;
}

static bool run(const struct shared_failures *s,
                const struct str names[static SHARED_FAILURES_NAMES], struct str more,
                struct shared_count ret_counts[static SHARED_FAILURES_NAMES])
{
    char keys[SHARED_FAILURES_NAMES][KEY_MAX], keep[24];
    struct str words[SHARED_FAILURES_NAMES + 2];
    AUTO(redis_reply) struct redis_reply reply = {0};
    struct err e;

    if (!s->redis)
        return false;
    snprintf(keep, sizeof(keep), "%" PRId64, s->keep_ms);
    for (size_t i = 0; i < SHARED_FAILURES_NAMES; i++)
        words[i] = key_of(s, names[i], keys[i]);
    words[SHARED_FAILURES_NAMES] = more;
    words[SHARED_FAILURES_NAMES + 1] = str_of(keep);
    if (redis_run(s->redis, NULL, &count, words, SHARED_FAILURES_NAMES + 2, &reply, &e) !=
        REDIS_ANSWERED)
        return false;
    for (size_t i = 0; i < SHARED_FAILURES_NAMES; i++)
        ret_counts[i] =
            (struct shared_count){number_of(&reply, 2 * i), (int64_t)number_of(&reply, 2 * i + 1)};
    return true;
}

bool shared_failures_get(const struct shared_failures *s,
                         const struct str names[static SHARED_FAILURES_NAMES],
                         struct shared_count ret_counts[static SHARED_FAILURES_NAMES])
{
    return run(s, names, STR("0"), ret_counts);
}

bool shared_failures_add(const struct shared_failures *s,
                         const struct str names[static SHARED_FAILURES_NAMES],
                         struct shared_count ret_counts[static SHARED_FAILURES_NAMES])
{
    return run(s, names, STR("1"), ret_counts);
}

void shared_failures_clear(const struct shared_failures *s, struct str name)
{
    /* as a script, for which a user of Redis needs no other right */
    static const struct redis_script clear = {"return redis.call('DEL', KEYS[1])", 1};
    AUTO(redis_reply) struct redis_reply ignored = {0};
    char key[KEY_MAX];
    struct str word;

    if (!s->redis)
        return;
    word = key_of(s, name, key);
    (void)redis_run(s->redis, NULL, &clear, &word, 1, &ignored, ERR_IGNORED);
}
