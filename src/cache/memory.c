/*
 * cache/memory: see memory.h.
 *
 * Entries are kept in shards by the hash of (repository, reference), a reference being a tag or a
 * digest; a tag holds no ':', so the two never meet. A shard is a small mutex, a table, a second
 * table of the same entries by the hash of (repository, digest of the manifest), and a ring of them
 * that a CLOCK hand goes round.
 *
 * Never wrong. A look-up that misses reads the wrapped meta without a lock, and what it read may be
 * old by the time it wants to keep it. So each key belongs to a guard: a generation, and a count of
 * commits in flight that may change it. A commit enters the guards of its keys and drops their
 * entries before it starts, and leaves them after it ended; both change the generation. A look-up
 * notes the generation first and keeps its answer only if that is the same and no commit is in
 * flight. Then from the start of a commit to its end nobody is answered from memory for its keys,
 * so no reader is shown an old value after another has seen the new one.
 *
 * A commit that ended UNAVAILABLE may still take place: its COMMIT is on the way to the database,
 * or lies there. So its guards are in doubt for a while, in which nothing is kept either.
 *
 * What another process on the same database writes enters and leaves the guards in the same way,
 * and the other process waits for the entering (replicas/replicas.h). While it can't be sure of
 * that, this one neither keeps nor answers anything: what was found counts only if
 * members_may_answer() says so afterwards, and what was read is kept only if members_turn() has
 * been the same from before the read.
 *
 * META_MANIFEST_DELETE removes tags that are not named to us: it enters a guard of its repository,
 * which look-ups there honour as well, and drops what the second table has of the manifest. So it
 * costs as much as the manifest has entries, whatever else is cached.
 */
#include "cache/memory.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARDS_MAX         16
#define SHARD_BYTES_MIN    (256 << 10) /* fewer shards rather than smaller ones */
#define GUARDS             256         /* of each shard */
#define TYPICAL_BYTES      1024        /* of an entry: sizes the tables */
#define ALLOCATOR_OVERHEAD 32          /* of the two allocations of an entry */

struct entry {
    struct entry *chain;
    uint64_t hash;
    struct entry *ring_next, *ring_prev;
    struct entry *same_next, **same_at; /* others of that bucket of by_manifest; what points here */
    uint64_t manifest_hash;
    size_t bytes; /* what it is charged */
    struct meta_manifest *manifest;
    int64_t version;
    bool used; /* since the hand last came by */
    uint16_t repo_n, reference_n;
    char key[]; /* repository, reference */
};

struct guard {
    uint32_t generation;
    uint32_t in_flight;
    int64_t doubt_until_ms; /* monotonic */
};

/* A guard that is entered without the lock of a shard. */
struct wide_guard {
    atomic_uint generation, in_flight;
    atomic_int_least64_t doubt_until_ms;
};

struct shard {
    pthread_mutex_t lock;
    struct entry **table;
    struct entry **by_manifest;
    struct entry *hand; /* NULL: empty */
    size_t bytes;
    struct guard guards[GUARDS];
} __attribute__((aligned(64)));

struct memory {
    struct meta meta;
    uint64_t seed;
    size_t n_shards;    /* a power of two */
    size_t n_buckets;   /* of each shard; a power of two */
    size_t shard_bytes; /* at most, in each shard */
    struct shard *shards;
    struct wide_guard repos[GUARDS], all; /* all: of everything */
    struct meta *replicas;                /* NULL: nobody else changes anything */
    struct members *members;              /* of them */
    atomic_uint_fast64_t looked_at;
};

struct key {
    struct str repo, reference;
    uint64_t repo_hash, hash;
};

/* What a look-up notes before it reads. */
struct ticket {
    uint32_t generation;
    unsigned repo_generation, all_generation;
    uint64_t turn; /* members_turn() */
};

static struct memory *memory_of(struct meta *m)
{
    return (struct memory *)m;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32);
}

static uint64_t mix_str(uint64_t h, struct str s)
{
    uint64_t v;

    for (; s.n >= sizeof(v); s.p += sizeof(v), s.n -= sizeof(v)) {
        memcpy(&v, s.p, sizeof(v));
        h = mix(h, v);
    }
    v = s.n;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | (unsigned char)s.p[i];
    return mix(h, v);
}

static struct key key_of_text(const struct memory *m, struct str repo, struct str reference)
{
    struct key k = {.repo = repo, .reference = reference};

    k.repo_hash = mix_str(m->seed, k.repo);
    k.hash = mix_str(k.repo_hash, reference);
    return k;
}

static struct key key_of(const struct memory *m, const struct repo_name *repo, struct str reference)
{
    return key_of_text(m, repo_name_str(repo), reference);
}

/* Disjoint bits of the hash: shard, bucket, guard. */
static struct shard *shard_of(struct memory *m, uint64_t hash)
{
    return &m->shards[hash & (m->n_shards - 1)];
}

static struct entry **bucket_of(const struct memory *m, struct shard *s, uint64_t hash)
{
    return &s->table[(hash >> 8) & (m->n_buckets - 1)];
}

static struct entry **by_manifest_of(const struct memory *m, struct shard *s,
                                     uint64_t manifest_hash)
{
    return &s->by_manifest[(manifest_hash >> 8) & (m->n_buckets - 1)];
}

static struct wide_guard *guard_of_repo(struct memory *m, uint64_t repo_hash)
{
    return &m->repos[(repo_hash >> 48) & (GUARDS - 1)];
}

static struct guard *guard_of(struct shard *s, uint64_t hash)
{
    return &s->guards[(hash >> 48) & (GUARDS - 1)];
}

static bool entry_is(const struct entry *n, const struct key *k)
{
    return n->hash == k->hash && n->repo_n == k->repo.n && n->reference_n == k->reference.n &&
           memcmp(n->key, k->repo.p, k->repo.n) == 0 &&
           memcmp(n->key + n->repo_n, k->reference.p, k->reference.n) == 0;
}

static struct entry *find(const struct memory *m, struct shard *s, const struct key *k)
{
    struct entry *n = *bucket_of(m, s, k->hash);

    while (n && !entry_is(n, k))
        n = n->chain;
    return n;
}

static void drop(const struct memory *m, struct shard *s, struct entry *n)
{
    struct entry **at = bucket_of(m, s, n->hash);

    while (*at != n)
        at = &(*at)->chain;
    *at = n->chain;
    *n->same_at = n->same_next;
    if (n->same_next)
        n->same_next->same_at = n->same_at;
    if (n->ring_next == n) {
        s->hand = NULL;
    } else {
        n->ring_prev->ring_next = n->ring_next;
        n->ring_next->ring_prev = n->ring_prev;
        if (s->hand == n)
            s->hand = n->ring_next;
    }
    s->bytes -= n->bytes;
    meta_manifest_unref(n->manifest);
    free(n);
}

/* The hand spares, once, what was used since it last came by. */
static void make_room(const struct memory *m, struct shard *s, size_t bytes)
{
    while (s->hand && s->bytes + bytes > m->shard_bytes) {
        struct entry *n = s->hand;

        s->hand = n->ring_next;
        if (n->used)
            n->used = false;
        else
            drop(m, s, n);
    }
}

static void add(const struct memory *m, struct shard *s, struct entry *n)
{
    struct entry **bucket = bucket_of(m, s, n->hash);
    struct entry **same = by_manifest_of(m, s, n->manifest_hash);

    n->chain = *bucket;
    *bucket = n;
    n->same_at = same;
    n->same_next = *same;
    if (*same)
        (*same)->same_at = &n->same_next;
    *same = n;
    if (s->hand) { /* behind the hand: it comes here last */
        n->ring_next = s->hand;
        n->ring_prev = s->hand->ring_prev;
        n->ring_prev->ring_next = n;
        s->hand->ring_prev = n;
    } else {
        n->ring_next = n->ring_prev = s->hand = n;
    }
    s->bytes += n->bytes;
}

/* A reference for the caller, or NULL; and the ticket for keeping what it reads then. */
static struct meta_manifest *look(struct memory *m, const struct key *k, int64_t *ret_version,
                                  struct ticket *ret_ticket)
{
    struct shard *s = shard_of(m, k->hash);
    struct meta_manifest *found = NULL;
    struct entry *n;

    ret_ticket->turn = m->members ? members_turn(m->members) : 0;
    ret_ticket->all_generation = atomic_load(&m->all.generation);
    pthread_mutex_lock(&s->lock);
    n = find(m, s, k);
    if (n) {
        n->used = true;
        found = meta_manifest_ref(n->manifest);
        *ret_version = n->version;
    } else {
        ret_ticket->generation = guard_of(s, k->hash)->generation;
        ret_ticket->repo_generation = atomic_load(&guard_of_repo(m, k->repo_hash)->generation);
    }
    pthread_mutex_unlock(&s->lock);
    if (found && m->members && !members_may_answer(m->members)) {
        meta_manifest_unref(found);
        found = NULL;
        ret_ticket->turn = 0;
    }
    return found;
}

static bool wide_is_open(struct wide_guard *g, unsigned generation, int64_t now_ms)
{
    return now_ms >= atomic_load(&g->doubt_until_ms) && atomic_load(&g->in_flight) == 0 &&
           atomic_load(&g->generation) == generation;
}

/* Is it still the turn in which the look-up began? 0 is none. */
static bool same_turn(const struct memory *m, const struct ticket *ticket)
{
    return !m->members || (ticket->turn != 0 && members_turn(m->members) == ticket->turn);
}

static bool may_keep(struct memory *m, struct shard *s, const struct key *k,
                     const struct ticket *ticket)
{
    const struct guard *g = guard_of(s, k->hash);
    int64_t now = clock_mono_ms();

    return now >= g->doubt_until_ms && g->in_flight == 0 && g->generation == ticket->generation &&
           wide_is_open(guard_of_repo(m, k->repo_hash), ticket->repo_generation, now) &&
           wide_is_open(&m->all, ticket->all_generation, now) && same_turn(m, ticket);
}

static struct entry *entry_new(const struct key *k, struct meta_manifest *manifest, int64_t version)
{
    struct entry *n = mem_zero(sizeof(*n) + k->repo.n + k->reference.n);

    n->hash = k->hash;
    n->manifest_hash = mix_str(k->repo_hash, digest_str(&manifest->digest));
    n->manifest = meta_manifest_ref(manifest);
    n->version = version;
    n->repo_n = (uint16_t)k->repo.n;
    n->reference_n = (uint16_t)k->reference.n;
    memcpy(n->key, k->repo.p, k->repo.n);
    memcpy(n->key + k->repo.n, k->reference.p, k->reference.n);
    n->bytes = sizeof(*n) + k->repo.n + k->reference.n + sizeof(*manifest) +
               manifest->media_type.n + manifest->bytes.n + ALLOCATOR_OVERHEAD;
    return n;
}

static void keep(struct memory *m, const struct key *k, const struct ticket *ticket,
                 struct meta_manifest *manifest, int64_t version)
{
    struct shard *s = shard_of(m, k->hash);
    struct entry *n = entry_new(k, manifest, version);

    if (n->bytes <= m->shard_bytes) {
        pthread_mutex_lock(&s->lock);
        if (may_keep(m, s, k, ticket) && !find(m, s, k)) {
            make_room(m, s, n->bytes);
            add(m, s, n);
            n = NULL;
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (n) {
        meta_manifest_unref(n->manifest);
        free(n);
    }
}

static struct meta_manifest *memory_peek(struct meta *base, const struct repo_name *repo,
                                         struct str reference)
{
    struct memory *m = memory_of(base);
    struct key k = key_of(m, repo, reference);
    struct ticket ticket;
    int64_t version;

    return look(m, &k, &version, &ticket);
}

static enum err_code memory_by_tag(struct meta *base, const struct repo_name *repo,
                                   const struct tag_name *tag, struct meta_manifest **ret_manifest,
                                   int64_t *ret_version, struct err *e)
{
    struct memory *m = memory_of(base);
    struct key k = key_of(m, repo, tag_name_str(tag));
    struct ticket ticket = {0};
    struct meta_manifest *found = look(m, &k, ret_version, &ticket);

    if (!found) {
        TRY(meta_manifest_by_tag(base->inner, repo, tag, &found, ret_version, e));
        keep(m, &k, &ticket, found, *ret_version);
    }
    *ret_manifest = found;
    return ERR_OK;
}

static enum err_code memory_by_digest(struct meta *base, const struct repo_name *repo,
                                      const struct digest *d, struct meta_manifest **ret_manifest,
                                      struct err *e)
{
    struct memory *m = memory_of(base);
    struct key k = key_of(m, repo, digest_str(d));
    int64_t version = 0;
    struct ticket ticket = {0};
    struct meta_manifest *found = look(m, &k, &version, &ticket);

    if (!found) {
        TRY(meta_manifest_by_digest(base->inner, repo, d, &found, e));
        keep(m, &k, &ticket, found, version);
    }
    *ret_manifest = found;
    return ERR_OK;
}

/* By tag and by digest, in all shards. */
static void drop_manifest(struct memory *m, const struct key *k)
{
    uint64_t looked_at = 0;

    for (size_t i = 0; i < m->n_shards; i++) {
        struct shard *s = &m->shards[i];

        pthread_mutex_lock(&s->lock);
        for (struct entry *n = *by_manifest_of(m, s, k->hash), *next; n; n = next) {
            next = n->same_next;
            looked_at++;
            if (n->manifest_hash == k->hash &&
                str_eq(digest_str(&n->manifest->digest), k->reference) &&
                str_eq((struct str){n->key, n->repo_n}, k->repo))
                drop(m, s, n);
        }
        pthread_mutex_unlock(&s->lock);
    }
    atomic_fetch_add(&m->looked_at, looked_at);
}

enum step { ENTER, LEAVE, LEAVE_IN_DOUBT };

static void guard_tag(struct memory *m, const struct key *k, enum step step)
{
    struct shard *s = shard_of(m, k->hash);
    struct guard *g = guard_of(s, k->hash);
    struct entry *n;

    pthread_mutex_lock(&s->lock);
    g->generation++;
    g->in_flight += step == ENTER ? 1u : -1u;
    if (step == LEAVE_IN_DOUBT)
        g->doubt_until_ms = clock_mono_ms() + REPLICAS_DOUBT_MS;
    n = find(m, s, k);
    if (n)
        drop(m, s, n);
    pthread_mutex_unlock(&s->lock);
}

static void drop_all(struct memory *m)
{
    for (size_t i = 0; i < m->n_shards; i++) {
        pthread_mutex_lock(&m->shards[i].lock);
        while (m->shards[i].hand)
            drop(m, &m->shards[i], m->shards[i].hand);
        pthread_mutex_unlock(&m->shards[i].lock);
    }
}

/* Entering, the guard comes before the entries are dropped: what is kept later is refused, what was
 * kept earlier is found. Leaving, the generation changes before the guard opens. */
static void guard_wide(struct wide_guard *g, enum step step)
{
    atomic_fetch_add(&g->generation, 1);
    if (step == LEAVE_IN_DOUBT)
        atomic_store(&g->doubt_until_ms, clock_mono_ms() + REPLICAS_DOUBT_MS);
    if (step == ENTER)
        atomic_fetch_add(&g->in_flight, 1);
    else
        atomic_fetch_sub(&g->in_flight, 1);
}

static void guard_manifest(struct memory *m, const struct key *k, enum step step)
{
    guard_wide(guard_of_repo(m, k->repo_hash), step);
    if (step == ENTER)
        drop_manifest(m, k);
}

static bool is_digest(struct str reference)
{
    return reference.n > 0 && memchr(reference.p, ':', reference.n) != NULL;
}

static void guard_key(struct memory *m, const struct key *k, enum step step)
{
    if (k->repo.n == 0) {
        guard_wide(&m->all, step);
        if (step == ENTER)
            drop_all(m);
    } else if (is_digest(k->reference)) {
        guard_manifest(m, k, step);
    } else {
        guard_tag(m, k, step);
    }
}

/* What is not named here can't change an answer: a miss is never kept, so new manifests do not
 * matter. */
static void guard_all(struct memory *m, const struct meta_op *ops, size_t n_ops, enum step step)
{
    for (size_t i = 0; i < n_ops; i++) {
        struct message_key named;
        struct key k;

        if (!replicas_key_of(&ops[i], &named))
            continue;
        k = key_of_text(m, named.repo, named.reference);
        guard_key(m, &k, step);
    }
}

/* ---- other processes */

static void guard_keys(struct memory *m, const struct message_key *keys, size_t n, enum step step)
{
    for (size_t i = 0; i < n; i++) {
        struct key k = key_of_text(m, keys[i].repo, keys[i].reference);

        guard_key(m, &k, step);
    }
}

static void enter(void *ctx, const struct message_key *keys, size_t n)
{
    guard_keys(ctx, keys, n, ENTER);
}

static void leave(void *ctx, const struct message_key *keys, size_t n)
{
    guard_keys(ctx, keys, n, LEAVE);
}

static void forget(void *ctx)
{
    drop_all(ctx);
}

void cache_memory_join(struct meta *cache, struct meta *replicas)
{
    struct memory *m = memory_of(cache);

    m->replicas = replicas;
    m->members = replicas_members(replicas);
    members_listen(m->members, &(struct members_listener){.forget = forget, .ctx = m});
    replicas_attach(replicas, &(struct replicas_cache){.enter = enter, .leave = leave, .ctx = m});
}

static enum err_code memory_commit(struct meta *base, const struct meta_op *ops, size_t n_ops,
                                   unsigned flags, size_t *ret_failed, struct err *e)
{
    struct memory *m = memory_of(base);
    enum err_code code;

    guard_all(m, ops, n_ops, ENTER);
    code = meta_commit(base->inner, ops, n_ops, flags, ret_failed, e);
    guard_all(m, ops, n_ops, code == ERR_UNAVAILABLE ? LEAVE_IN_DOUBT : LEAVE);
    return code;
}

static void memory_free(struct meta *base)
{
    struct memory *m = memory_of(base);

    if (m->replicas)
        replicas_stop(m->replicas);
    drop_all(m);
    for (size_t i = 0; i < m->n_shards; i++) {
        free(m->shards[i].table);
        free(m->shards[i].by_manifest);
        pthread_mutex_destroy(&m->shards[i].lock);
    }
    free(m->shards);
    free(m);
}

static const struct meta_driver memory_driver = {
    .name = "memory",
    .commit = memory_commit,
    .manifest_by_tag = memory_by_tag,
    .manifest_by_digest = memory_by_digest,
    .manifest_peek = memory_peek,
    .free = memory_free,
};

struct meta *cache_memory_new(struct meta *inner, uint64_t max_bytes)
{
    struct memory *m = NEW(struct memory);

    m->meta.driver = &memory_driver;
    m->meta.inner = inner;
    random_bytes(&m->seed, sizeof(m->seed)); /* names come from clients */
    m->n_shards = 1;
    while (m->n_shards < SHARDS_MAX && max_bytes / (2 * m->n_shards) >= SHARD_BYTES_MIN)
        m->n_shards *= 2;
    m->shard_bytes = max_bytes / m->n_shards;
    m->n_buckets = 1;
    while (m->n_buckets < m->shard_bytes / TYPICAL_BYTES)
        m->n_buckets *= 2;
    m->shards = aligned_alloc(_Alignof(struct shard), m->n_shards * sizeof(m->shards[0]));
    if (!m->shards)
        abort();
    memset(m->shards, 0, m->n_shards * sizeof(m->shards[0]));
    for (size_t i = 0; i < m->n_shards; i++) {
        pthread_mutex_init(&m->shards[i].lock, NULL);
        m->shards[i].table = mem_zero(m->n_buckets * sizeof(m->shards[i].table[0]));
        m->shards[i].by_manifest = mem_zero(m->n_buckets * sizeof(m->shards[i].by_manifest[0]));
    }
    return &m->meta;
}

uint64_t cache_memory_looked_at(const struct meta *cache)
{
    return atomic_load(&((const struct memory *)cache)->looked_at);
}
