/*
 * cache/redis_cache: see redis_cache.h.
 *
 * Each key belongs to three guards: of itself, of its repository (which deletions of manifests
 * enter, for they remove tags that are not named), and of everything. A guard has a generation, a
 * count of writes in flight, and a count of puts on their way. A look-up notes the generations
 * before it reads the database, and puts what it read only if none has changed and no write is in
 * flight; entering a guard waits for the puts that are on their way. So when a write has entered
 * everywhere, nothing older than it comes to Redis any more, but for a put that had no answer.
 *
 * Of that, and of the puts of a process that died, nobody knows when they come. They find the
 * tombstone that the write left (redis_shelf.h), and before that is gone a new epoch has begun.
 */
#include "cache/redis_cache.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cache/redis_shelf.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS    1024
#define REPOS   256
#define GUARDS  (KEYS + REPOS + 1)
#define OF_KEY  3    /* guards */
#define AWAY_MS 2000 /* so long nobody relies on a Redis from which nothing can be removed */

struct guard {
    uint32_t generation, in_flight, puts;
    int64_t doubt_until_ms; /* monotonic */
};

struct cache_redis {
    struct meta meta;
    struct meta *replicas;
    struct members *members;
    struct redis *redis;
    char *prefix;
    struct redis_shelf shelf;
    struct uuid database;
    uint64_t seed;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended; /* a put */
    struct guard guards[GUARDS];
    uint64_t epoch; /* the last one that was seen, and the server that was up then */
    char server[REDIS_SERVER_SIZE];
};

/* What a look-up notes before it reads. */
struct ticket {
    size_t guards[OF_KEY];
    uint32_t generations[OF_KEY];
    struct redis_shelf_era era;
    uint64_t epoch;
    bool may_put;
};

static struct cache_redis *redis_of(struct meta *m)
{
    return (struct cache_redis *)m;
}

/* ---- epochs */

/* Under the lock. The server that is up belongs to the epoch in which it was first seen. */
static void see_epoch(struct cache_redis *c, uint64_t epoch, const char *server)
{
    if (epoch == c->epoch)
        return;
    c->epoch = epoch;
    memcpy(c->server, server, REDIS_SERVER_SIZE);
}

/* False: nothing in Redis is to be relied on. *ret_changed: for it is another server than was up
 * when the epoch began. */
static bool era_now(struct cache_redis *c, struct redis_shelf_era *ret_era, uint64_t *ret_epoch,
                    bool *ret_changed)
{
    bool answers = members_epoch(c->members, ret_epoch);
    bool up = redis_up(c->redis, ret_era->server);

    *ret_changed = false;
    if (!up)
        return false;
    pthread_mutex_lock(&c->lock);
    see_epoch(c, *ret_epoch, ret_era->server);
    *ret_changed = strcmp(ret_era->server, c->server) != 0;
    pthread_mutex_unlock(&c->lock);
    snprintf(ret_era->epoch, sizeof(ret_era->epoch), "%s-%" PRIu64, c->database.text, *ret_epoch);
    return answers && !*ret_changed;
}

/* Is it still, or again, the epoch of the ticket? */
static bool still(const struct cache_redis *c, const struct ticket *t)
{
    uint64_t epoch;

    return members_epoch(c->members, &epoch) && epoch == t->epoch;
}

static void looked(void *ctx, uint64_t look)
{
    struct cache_redis *c = ctx;
    struct redis_shelf_era era;
    uint64_t epoch;
    bool changed;

    (void)look;
    (void)era_now(c, &era, &epoch, &changed);
    if (changed)
        members_distrust(c->members, 0);
}

/* Others may write now without anybody removing what is in Redis; and a process that died may have
 * left a put on its way. */
static void lost_sight(void *ctx)
{
    members_distrust(((struct cache_redis *)ctx)->members, 0);
}

/* ---- guards */

static size_t hash(const struct cache_redis *c, struct str a, struct str b)
{
    uint64_t h = c->seed;

    for (size_t i = 0; i < a.n + b.n; i++)
        h = (h ^ (unsigned char)(i < a.n ? a.p[i] : b.p[i - a.n])) * 0x9e3779b97f4a7c15u +
            (h >> 29);
    return (size_t)(h >> 32);
}

static size_t guard_of_key(const struct cache_redis *c, struct str repo, struct str reference)
{
    return hash(c, repo, reference) % KEYS;
}

static size_t guard_of_repo(const struct cache_redis *c, struct str repo)
{
    return KEYS + hash(c, repo, STR_NONE) % REPOS;
}

/* Which one a write enters. */
static size_t guard_of_write(const struct cache_redis *c, const struct message_key *key)
{
    if (key->repo.n == 0)
        return GUARDS - 1;
    if (memchr(key->reference.p, ':', key->reference.n)) /* a digest */
        return guard_of_repo(c, key->repo);
    return guard_of_key(c, key->repo, key->reference);
}

/* One after the other, as those that follow hold nothing up. */
static void enter(void *ctx, const struct message_key *keys, size_t n)
{
    struct cache_redis *c = ctx;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < n; i++) {
        struct guard *g = &c->guards[guard_of_write(c, &keys[i])];

        g->generation++;
        g->in_flight++;
    }
    for (size_t i = 0; i < n; i++) {
        const struct guard *g = &c->guards[guard_of_write(c, &keys[i])];

        while (g->puts > 0)
            pthread_cond_wait(&c->ended, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

static void leave_until(struct cache_redis *c, const struct message_key *keys, size_t n,
                        int64_t doubt_until_ms)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < n; i++) {
        struct guard *g = &c->guards[guard_of_write(c, &keys[i])];

        g->generation++;
        g->in_flight--;
        if (doubt_until_ms > g->doubt_until_ms)
            g->doubt_until_ms = doubt_until_ms;
    }
    pthread_mutex_unlock(&c->lock);
}

static void leave(void *ctx, const struct message_key *keys, size_t n)
{
    leave_until(ctx, keys, n, 0);
}

static void note(struct cache_redis *c, struct str repo, struct str reference,
                 struct ticket *ret_ticket)
{
    ret_ticket->guards[0] = guard_of_key(c, repo, reference);
    ret_ticket->guards[1] = guard_of_repo(c, repo);
    ret_ticket->guards[2] = GUARDS - 1;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < OF_KEY; i++)
        ret_ticket->generations[i] = c->guards[ret_ticket->guards[i]].generation;
    pthread_mutex_unlock(&c->lock);
}

static bool begin_put(struct cache_redis *c, const struct ticket *t)
{
    int64_t now = clock_mono_ms();
    bool may = t->may_put;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < OF_KEY; i++) {
        const struct guard *g = &c->guards[t->guards[i]];

        may &= g->in_flight == 0 && g->generation == t->generations[i] && now >= g->doubt_until_ms;
    }
    for (size_t i = 0; may && i < OF_KEY; i++)
        c->guards[t->guards[i]].puts++;
    pthread_mutex_unlock(&c->lock);
    return may;
}

static void end_put(struct cache_redis *c, const struct ticket *t)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < OF_KEY; i++)
        c->guards[t->guards[i]].puts--;
    pthread_cond_broadcast(&c->ended);
    pthread_mutex_unlock(&c->lock);
}

/* ---- looking up */

/* NULL: not there, or not to be relied on; and what is needed for putting it there. */
static struct meta_manifest *look(struct cache_redis *c, const struct redis_shelf_key *key,
                                  struct str reference, int64_t *ret_version,
                                  struct ticket *ret_ticket)
{
    struct meta_manifest *found = NULL;
    int64_t version = 0;
    bool changed;

    note(c, repo_name_str(key->repo), reference, ret_ticket);
    ret_ticket->may_put = era_now(c, &ret_ticket->era, &ret_ticket->epoch, &changed);
    if (!ret_ticket->may_put)
        return NULL;
    ret_ticket->may_put = redis_shelf_get(&c->shelf, &ret_ticket->era, key, &found, &version,
                                          ERR_IGNORED) == REDIS_ANSWERED;
    if (found && !still(c, ret_ticket)) {
        meta_manifest_unref(found);
        found = NULL;
    }
    if (found)
        *ret_version = version;
    return found;
}

static void put(struct cache_redis *c, const struct redis_shelf_key *key, const struct ticket *t,
                const struct meta_manifest *manifest, int64_t version)
{
    if (!begin_put(c, t))
        return;
    if (still(c, t) &&
        redis_shelf_put(&c->shelf, &t->era, key, manifest, version, ERR_IGNORED) == REDIS_DOUBTFUL)
        members_distrust(c->members, 0);
    end_put(c, t);
}

static enum err_code redis_by_tag(struct meta *base, const struct repo_name *repo,
                                  const struct tag_name *tag, struct meta_manifest **ret_manifest,
                                  int64_t *ret_version, struct err *e)
{
    struct cache_redis *c = redis_of(base);
    const struct redis_shelf_key key = {.repo = repo, .tag = tag};
    struct ticket t;
    struct meta_manifest *found = look(c, &key, tag_name_str(tag), ret_version, &t);

    if (!found) {
        TRY(meta_manifest_by_tag(base->inner, repo, tag, &found, ret_version, e));
        put(c, &key, &t, found, *ret_version);
    }
    *ret_manifest = found;
    return ERR_OK;
}

static enum err_code redis_by_digest(struct meta *base, const struct repo_name *repo,
                                     const struct digest *d, struct meta_manifest **ret_manifest,
                                     struct err *e)
{
    struct cache_redis *c = redis_of(base);
    const struct redis_shelf_key key = {.repo = repo, .digest = d};
    struct ticket t;
    int64_t ignored;
    struct meta_manifest *found = look(c, &key, digest_str(d), &ignored, &t);

    if (!found) {
        TRY(meta_manifest_by_digest(base->inner, repo, d, &found, e));
        put(c, &key, &t, found, 0);
    }
    *ret_manifest = found;
    return ERR_OK;
}

/* ---- writing */

static enum err_code redis_commit(struct meta *base, const struct meta_op *ops, size_t n_ops,
                                  unsigned flags, size_t *ret_failed, struct err *e)
{
    struct cache_redis *c = redis_of(base);
    AUTO(mem) struct message_key *keys = mem_alloc((n_ops + 1) * sizeof(*keys));
    size_t n = replicas_keys_of(ops, n_ops, keys);
    enum err_code code;

    if (n == 0)
        return meta_commit(base->inner, ops, n_ops, flags, ret_failed, e);
    enter(c, keys, n);
    code = meta_commit(base->inner, ops, n_ops, flags, ret_failed, e);
    leave_until(c, keys, n, code == ERR_UNAVAILABLE ? clock_mono_ms() + REPLICAS_DOUBT_MS : 0);
    return code;
}

/* The names of a key, which come as text. */
struct named {
    struct repo_name repo;
    struct tag_name tag;
    struct digest digest;
};

static bool name_key(const struct message_key *key, struct named *dst,
                     struct redis_shelf_key *ret_key)
{
    bool digest = memchr(key->reference.p, ':', key->reference.n) != NULL;

    *ret_key = (struct redis_shelf_key){.repo = &dst->repo};
    if (digest)
        ret_key->digest = &dst->digest;
    else
        ret_key->tag = &dst->tag;
    return repo_name_parse(key->repo, &dst->repo, ERR_IGNORED) == ERR_OK &&
           (digest ? digest_parse(key->reference, &dst->digest, ERR_IGNORED)
                   : tag_name_parse(key->reference, &dst->tag, ERR_IGNORED)) == ERR_OK;
}

static bool drop_all(struct cache_redis *c, const struct message_key *keys, size_t n,
                     const struct redis_shelf_era *era)
{
    AUTO(mem) struct named *names = mem_alloc((n + 1) * sizeof(*names));
    AUTO(mem) struct redis_shelf_key *shelf_keys = mem_alloc((n + 1) * sizeof(*shelf_keys));

    for (size_t i = 0; i < n; i++) {
        if (!name_key(&keys[i], &names[i], &shelf_keys[i]))
            return false;
    }
    return redis_shelf_drop(&c->shelf, era, shelf_keys, n, ERR_IGNORED) == REDIS_ANSWERED;
}

/* Also while nobody answers: the epoch may go on. */
static bool clear(void *ctx, const struct message_key *keys, size_t n)
{
    struct cache_redis *c = ctx;
    struct redis_shelf_era era;
    uint64_t epoch;
    bool changed;

    (void)era_now(c, &era, &epoch, &changed);
    if (redis_up(c->redis, era.server) && !changed && drop_all(c, keys, n, &era))
        return true;
    members_distrust(c->members, AWAY_MS);
    return false;
}

/* ---- life */

static void redis_cache_free(struct meta *base)
{
    struct cache_redis *c = redis_of(base);

    replicas_stop(c->replicas);
    pthread_cond_destroy(&c->ended);
    pthread_mutex_destroy(&c->lock);
    free(c->prefix);
    free(c);
}

static const struct meta_driver redis_driver = {
    .name = "redis",
    .commit = redis_commit,
    .manifest_by_tag = redis_by_tag,
    .manifest_by_digest = redis_by_digest,
    .free = redis_cache_free,
};

struct meta *cache_redis_new(struct meta *inner, const struct cache_redis_options *o)
{
    struct cache_redis *c = NEW(struct cache_redis);

    c->meta = (struct meta){&redis_driver, inner};
    c->replicas = o->replicas;
    c->members = replicas_members(o->replicas);
    c->redis = o->redis;
    c->prefix = str_dup(str_of(o->prefix));
    c->shelf = (struct redis_shelf){o->redis, c->prefix};
    c->database = o->database;
    c->epoch = UINT64_MAX; /* none yet */
    random_bytes(&c->seed, sizeof(c->seed));
    pthread_mutex_init(&c->lock, NULL);
    thread_cond_init(&c->ended);
    members_listen(c->members,
                   &(struct members_listener){
                       .forget = lost_sight, .buried = lost_sight, .looked = looked, .ctx = c});
    replicas_attach(o->replicas, &(struct replicas_cache){
                                     .enter = enter, .leave = leave, .clear = clear, .ctx = c});
    members_distrust(c->members, 0); /* who knows what was written since it was used last */
    return &c->meta;
}
