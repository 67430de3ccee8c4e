#include "core/pulled.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define COLLECTION STR("pulls")
#define SINCE      STR("since") /* no name of a repository has a blank behind it here */

#define SHARDS 16
#define SLOTS  1024     /* of a shard; a power of two */
#define TRIES  16       /* slots that are looked at for a name */
#define BATCH  32       /* records in a transaction */
#define ANY    STR("*") /* no reference: whatever of the repository was pulled */

struct slot {
    char *key; /* NULL: free */
    int64_t time_ms;
};

struct shard {
    pthread_mutex_t lock;
    struct slot *slots;
};

struct pulled {
    struct shard shards[SHARDS];
};

struct pulled *pulled_new(void)
{
    struct pulled *p = NEW(struct pulled);

    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&p->shards[i].lock, NULL);
        p->shards[i].slots = mem_zero(SLOTS * sizeof(struct slot));
    }
    return p;
}

static void free_slots(struct slot *slots)
{
    for (size_t i = 0; i < SLOTS; i++)
        free(slots[i].key);
    free(slots);
}

void pulled_free(struct pulled *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        free_slots(p->shards[i].slots);
        pthread_mutex_destroy(&p->shards[i].lock);
    }
    free(p);
}

/* FNV-1a */
static uint64_t hash_of(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h ^ h >> 32;
}

static void note_key(struct pulled *p, const char *key, int64_t time_ms)
{
    uint64_t hash = hash_of(key);
    struct shard *s = &p->shards[hash % SHARDS];

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < TRIES; i++) {
        struct slot *slot = &s->slots[(hash / SHARDS + i) % SLOTS];

        if (slot->key && strcmp(slot->key, key) != 0)
            continue;
        if (!slot->key)
            slot->key = mem_strdup(key);
        if (slot->time_ms < time_ms)
            slot->time_ms = time_ms;
        break;
    }
    pthread_mutex_unlock(&s->lock);
}

void pulled_key(const struct repo_name *repo, struct str reference, char dst[static PULLED_KEY_MAX])
{
    struct str what = reference.n > 0 ? reference : ANY;

    snprintf(dst, PULLED_KEY_MAX, "%s " STR_FMT, repo->text, STR_ARG(what));
}

void pulled_note(struct pulled *p, const struct repo_name *repo, const struct reference *ref,
                 int64_t now_ms)
{
    char key[PULLED_KEY_MAX];

    if (!p)
        return;
    pulled_key(repo, reference_str(ref), key);
    note_key(p, key, now_ms);
    pulled_key(repo, ANY, key);
    note_key(p, key, now_ms);
}

/* ---- writing */

struct batch {
    struct meta *m;
    struct meta_op ops[BATCH];
    char values[BATCH][STR_DECIMAL_MAX];
    struct slot *slots[BATCH];
    size_t n;
};

static enum err_code write_batch(struct pulled *p, struct batch *b, struct err *e)
{
    enum err_code code = b->n > 0 ? meta_commit(b->m, b->ops, b->n, META_LAZY, NULL, e) : ERR_OK;

    for (size_t i = 0; i < b->n && code != ERR_OK; i++)
        note_key(p, b->slots[i]->key, b->slots[i]->time_ms);
    b->n = 0;
    return code;
}

static enum err_code write_slots(struct pulled *p, struct batch *b, struct slot *slots,
                                 struct err *e)
{
    struct err_first all = {0};

    for (size_t i = 0; i < SLOTS; i++) {
        if (!slots[i].key)
            continue;
        b->slots[b->n] = &slots[i];
        b->ops[b->n] =
            meta_op_record_put(COLLECTION, str_of(slots[i].key),
                               str_decimal((uint64_t)slots[i].time_ms, b->values[b->n]), META_ANY);
        if (++b->n == BATCH)
            err_first_add(&all, write_batch(p, b, &all.step));
    }
    err_first_add(&all, write_batch(p, b, &all.step));
    return err_first_of(&all, e);
}

enum err_code pulled_write(struct pulled *p, struct meta *m, struct err *e)
{
    AUTO(mem) struct batch *b = NEW(struct batch);
    struct err_first all = {0};

    b->m = m;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &p->shards[i];
        struct slot *slots, *fresh = mem_zero(SLOTS * sizeof(*fresh));

        pthread_mutex_lock(&s->lock);
        slots = s->slots;
        s->slots = fresh;
        pthread_mutex_unlock(&s->lock);
        err_first_add(&all, write_slots(p, b, slots, &all.step));
        free_slots(slots);
    }
    return err_first_of(&all, e);
}

/* ---- forgetting */

struct prune {
    struct meta *m;
    int64_t before_ms;
};

static enum err_code prune_one(void *ctx, const struct meta_record *r, struct err *e)
{
    const struct prune *p = ctx;
    struct meta_op op = meta_op_record_delete(COLLECTION, str_of(r->key), r->version);
    enum err_code code = ERR_OK;
    uint64_t ms;

    if (str_eq(str_of(r->key), SINCE) || !str_to_u64(str_of(r->value), INT64_MAX, &ms) ||
        (int64_t)ms >= p->before_ms)
        return ERR_OK;
    code = meta_commit(p->m, &op, 1, META_LAZY, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code; /* it was pulled just now */
}

enum err_code pulled_prune(struct meta *m, int64_t before_ms, struct err *e)
{
    struct prune p = {m, before_ms};

    return meta_records_each(m, COLLECTION, prune_one, &p, e);
}

/* ---- reading */

/* 0: there is none. */
static enum err_code read_time(struct meta *m, struct str key, int64_t *ret_ms, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code = meta_record_get(m, COLLECTION, key, &r, e);
    uint64_t ms = 0;

    *ret_ms = 0;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    if (!str_to_u64(str_of(r.value), INT64_MAX, &ms))
        return err_set(e, ERR_CORRUPT, "a record of a pull is no time");
    *ret_ms = (int64_t)ms;
    return ERR_OK;
}

enum err_code pulled_begin(struct meta *m, int64_t now_ms, struct err *e)
{
    char text[STR_DECIMAL_MAX];
    struct meta_op op =
        meta_op_record_put(COLLECTION, SINCE, str_decimal((uint64_t)now_ms, text), META_ABSENT);
    enum err_code code = meta_commit(m, &op, 1, 0, NULL, e);

    return code == ERR_CONFLICT ? ERR_OK : code;
}

enum err_code pulled_end(struct meta *m, struct err *e)
{
    struct meta_op op = meta_op_record_delete(COLLECTION, SINCE, META_ANY);
    int64_t since_ms;

    TRY(read_time(m, SINCE, &since_ms, e));
    return since_ms > 0 ? meta_commit(m, &op, 1, 0, NULL, e) : ERR_OK;
}

enum err_code pulled_since(struct meta *m, int64_t *ret_ms, struct err *e)
{
    return read_time(m, SINCE, ret_ms, e);
}

enum err_code pulled_last(struct meta *m, const struct repo_name *repo,
                          const struct meta_repo_tag *tag, int64_t *ret_ms, struct err *e)
{
    char key[PULLED_KEY_MAX];
    int64_t since_ms, by_tag_ms, by_digest_ms;

    *ret_ms = 0;
    TRY(read_time(m, SINCE, &since_ms, e));
    if (since_ms == 0)
        return ERR_OK;
    pulled_key(repo, tag_name_str(&tag->name), key);
    TRY(read_time(m, str_of(key), &by_tag_ms, e));
    pulled_key(repo, digest_str(&tag->digest), key);
    TRY(read_time(m, str_of(key), &by_digest_ms, e));
    *ret_ms = since_ms > by_tag_ms ? since_ms : by_tag_ms;
    if (by_digest_ms > *ret_ms)
        *ret_ms = by_digest_ms;
    return ERR_OK;
}

enum err_code pulled_among(struct meta *m, const char *const *keys, size_t n, int64_t *ret_ms,
                           struct err *e)
{
    struct meta_record *rows;

    TRY(meta_records_among(m, COLLECTION, keys, n, &rows, e));
    for (size_t i = 0; i < n; i++) {
        uint64_t ms = 0;

        if (rows[i].key)
            (void)!str_to_u64(str_of(rows[i].value), INT64_MAX, &ms);
        ret_ms[i] = (int64_t)ms;
    }
    meta_records_free(rows, n);
    return ERR_OK;
}

/* ---- all of them */

struct walk {
    int64_t since_ms;
    pulled_fn fn;
    void *ctx;
};

/* Names that are none any more, with other limits, are passed over. */
static enum err_code tell_one(void *ctx, const struct meta_record *r, struct err *e)
{
    const struct walk *w = ctx;
    struct str rest = str_of(r->key), name;
    struct reference ref;
    struct repo_name repo;
    uint64_t ms;

    if (!str_cut(&rest, ' ', &name) || !str_to_u64(str_of(r->value), INT64_MAX, &ms) ||
        (int64_t)ms < w->since_ms || repo_name_parse(name, &repo, ERR_IGNORED) != ERR_OK ||
        reference_parse(rest, &ref, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    return w->fn(w->ctx, &repo, &ref, (int64_t)ms, e);
}

enum err_code pulled_each(struct meta *m, int64_t since_ms, pulled_fn fn, void *ctx, struct err *e)
{
    struct walk w = {since_ms, fn, ctx};

    return meta_records_each(m, COLLECTION, tell_one, &w, e);
}
