#include "scan/gate.h"

#include "base/mem.h"
#include "scan/changed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARDS  16
#define TRIES   8                      /* slots that are looked at for a name */
#define HOLD_MS ((int64_t)3600 * 1000) /* whatever it says, it is made anew after that */
#define TELL_MS ((int64_t)3600 * 1000)
#define LACK_MS ((int64_t)1000) /* what is not signed is not looked at more often */
#define KEY_MAX (REPO_NAME_MAX + DIGEST_TEXT_MAX + 2)

struct rules {
    atomic_uint refs;
    struct conf_pull_rules list;
};

struct slot {
    char *key; /* "NAME DIGEST"; NULL: free */
    uint64_t hash;
    uint64_t stamp;  /* stamp_of() when it was made */
    uint64_t opened; /* likewise, of what is not signed */
    int64_t until_ms;
    struct pull_verdict *said; /* NULL: it may be pulled, and there is nothing to tell */
    int64_t told_ms;           /* gate_may_tell() was true; 0: never */
    enum pull_why told;        /* of that reason */
};

struct shard {
    pthread_mutex_t lock;
    struct slot *slots;
};

struct gate {
    gate_look_fn look;
    void *ctx;
    size_t n_slots; /* of a shard */
    struct shard shards[SHARDS];
    gate_signed_fn is_signed;
    void *signed_ctx;
    atomic_bool asks, asks_signed, waits;
    atomic_uint_fast64_t opened; /* so many verdicts said that they open others */
    pthread_mutex_t lock;        /* guards rules, the pointer */
    struct rules *rules;
    atomic_uint_fast64_t epoch;               /* of everything */
    atomic_uint_fast64_t shares[SCAN_SHARES]; /* of the digests that begin so */
    atomic_uint_fast64_t repos[SCAN_SHARES];  /* of repositories */
    uint64_t seen_all, seen[SCAN_SHARES];     /* hashes of records; of gate_poll() alone */
    uint64_t seen_repos[SCAN_SHARES];         /* likewise */
};

/* ---- rules */

static void rules_unref(struct rules *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1)
        return;
    conf_pull_rules_free(&r->list);
    free(r);
}

static struct rules *rules_in_force(struct gate *g)
{
    struct rules *r;

    pthread_mutex_lock(&g->lock);
    r = g->rules;
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&g->lock);
    return r;
}

static bool any_asks(const struct conf_pull_rules *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].mode != CONF_PULL_OFF)
            return true;
    }
    return false;
}

static bool any_waits(const struct conf_pull_rules *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].mode != CONF_PULL_OFF && pull_rule_waits(&list->items[i]))
            return true;
    }
    return false;
}

void gate_set_rules(struct gate *g, struct conf_pull_rules *rules)
{
    struct rules *fresh = NEW(struct rules), *old;

    atomic_init(&fresh->refs, 1);
    fresh->list = *rules;
    *rules = (struct conf_pull_rules){NULL, 0};
    pthread_mutex_lock(&g->lock);
    old = g->rules;
    g->rules = fresh;
    pthread_mutex_unlock(&g->lock);
    atomic_fetch_add(&g->epoch, 1); /* after the rules: what is made with the old ones is stale */
    atomic_store(&g->asks, any_asks(&fresh->list));
    atomic_store(&g->waits, any_waits(&fresh->list));
    rules_unref(old);
}

void gate_with_rules(struct gate *g, void (*fn)(void *ctx, const struct conf_pull_rules *rules),
                     void *ctx)
{
    struct rules *r = rules_in_force(g);

    fn(ctx, &r->list);
    rules_unref(r);
}

bool gate_asks_signed(struct gate *g)
{
    return atomic_load_explicit(&g->asks_signed, memory_order_relaxed);
}

bool gate_asks(struct gate *g)
{
    return atomic_load_explicit(&g->asks, memory_order_relaxed) || gate_asks_signed(g);
}

void gate_set_signed(struct gate *g, gate_signed_fn fn, void *ctx)
{
    g->is_signed = fn;
    g->signed_ctx = ctx;
}

void gate_ask_signed(struct gate *g, bool asks)
{
    atomic_fetch_add(&g->epoch, 1); /* the rules are there already */
    atomic_store(&g->asks_signed, asks);
}

void gate_forget(struct gate *g, const struct digest *d)
{
    atomic_fetch_add(&g->shares[scan_share(d)], 1);
}

void gate_forget_repo(struct gate *g, const struct repo_name *repo)
{
    atomic_fetch_add(&g->repos[scan_share_of_repo(repo)], 1);
}

static void look_for_blocks(void *ctx, const struct conf_pull_rules *rules)
{
    bool *any = ctx;

    for (size_t i = 0; i < rules->n; i++)
        *any = *any || rules->items[i].mode == CONF_PULL_ENFORCE;
}

bool gate_blocks(struct gate *g)
{
    bool any = gate_asks_signed(g);

    gate_with_rules(g, look_for_blocks, &any);
    return any;
}

bool gate_waits(struct gate *g)
{
    return atomic_load_explicit(&g->waits, memory_order_relaxed);
}

/* ---- life */

struct gate *gate_new(gate_look_fn look, void *ctx, size_t max_verdicts)
{
    struct gate *g = NEW(struct gate);

    g->look = look;
    g->ctx = ctx;
    g->n_slots = max_verdicts / SHARDS > TRIES ? max_verdicts / SHARDS : TRIES;
    g->rules = NEW(struct rules);
    atomic_init(&g->rules->refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&g->shards[i].lock, NULL);
    return g;
}

static void free_shard(struct shard *s, size_t n)
{
    for (size_t i = 0; s->slots && i < n; i++) {
        free(s->slots[i].key);
        free(s->slots[i].said);
    }
    free(s->slots);
    pthread_mutex_destroy(&s->lock);
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        free_shard(&g->shards[i], g->n_slots);
    rules_unref(g->rules);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

void gate_image_done(struct gate_image *i)
{
    finding_list_done(&i->findings);
    vex_free(i->vex);
    *i = (struct gate_image){0};
}

/* ---- memory */

/* It only grows: a verdict with the stamp of now was made after all that has changed. */
static uint64_t stamp_of(struct gate *g, const struct repo_name *repo, const struct digest *d)
{
    return atomic_load(&g->epoch) + atomic_load(&g->shares[scan_share(d)]) +
           atomic_load(&g->repos[scan_share_of_repo(repo)]);
}

static size_t make_key(const struct repo_name *repo, const struct digest *d,
                       char dst[static KEY_MAX])
{
    memcpy(dst, repo->text, repo->n);
    dst[repo->n] = ' ';
    memcpy(dst + repo->n + 1, d->text, d->n + 1);
    return repo->n + 1 + d->n;
}

/* FNV-1a */
static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

struct place {
    char key[KEY_MAX];
    uint64_t hash;
    struct shard *shard;
    uint64_t opened; /* before anything is looked at */
};

static void find_place(struct gate *g, const struct repo_name *repo, const struct digest *d,
                       struct place *ret)
{
    ret->hash = hash_of(ret->key, make_key(repo, d, ret->key));
    ret->shard = &g->shards[ret->hash % SHARDS];
    ret->opened = atomic_load(&g->opened);
}

static struct slot *slot_at(struct gate *g, const struct place *p, size_t i)
{
    return &p->shard->slots[(p->hash / SHARDS + i) % g->n_slots];
}

/* The lock of the shard is held. NULL: there is none, of now or before. */
static struct slot *find_any(struct gate *g, const struct place *p)
{
    for (size_t i = 0; p->shard->slots && i < TRIES; i++) {
        struct slot *s = slot_at(g, p, i);

        if (s->key && s->hash == p->hash && strcmp(s->key, p->key) == 0)
            return s;
    }
    return NULL;
}

static bool lacks_signature(const struct pull_verdict *v)
{
    return v && v->why == PULL_UNSIGNED;
}

/* Likewise, one that holds now. */
static struct slot *find(struct gate *g, const struct place *p, uint64_t stamp, int64_t now_ms)
{
    struct slot *s = find_any(g, p);

    if (!s || s->stamp != stamp || now_ms >= s->until_ms)
        return NULL;
    return lacks_signature(s->said) && s->opened != atomic_load(&g->opened) ? NULL : s;
}

/* The lock of the shard is held: the same image's, else a free one, else one that holds no more,
 * else any. */
static struct slot *slot_for(struct gate *g, const struct place *p, uint64_t stamp, int64_t now_ms)
{
    struct slot *best = slot_at(g, p, p->hash >> 60 & (TRIES - 1));
    unsigned worth = 0;

    for (size_t i = 0; i < TRIES; i++) {
        struct slot *s = slot_at(g, p, i);
        unsigned w = !s->key                                             ? 2
                     : s->hash == p->hash && strcmp(s->key, p->key) == 0 ? 3
                     : s->stamp < stamp || s->until_ms <= now_ms         ? 1
                                                                         : 0;

        if (w > worth) {
            best = s;
            worth = w;
        }
    }
    return best;
}

static void keep(struct gate *g, const struct place *p, uint64_t stamp, int64_t now_ms,
                 int64_t until_ms, const struct pull_verdict *v)
{
    struct slot *s;

    pthread_mutex_lock(&p->shard->lock);
    if (!p->shard->slots)
        p->shard->slots = mem_zero(g->n_slots * sizeof(*p->shard->slots));
    s = slot_for(g, p, stamp, now_ms);
    free(s->said);
    if (!s->key || strcmp(s->key, p->key) != 0) {
        free(s->key);
        s->key = mem_strdup(p->key);
        s->told_ms = 0;
    }
    s->hash = p->hash;
    s->stamp = stamp;
    s->opened = p->opened;
    s->until_ms = until_ms;
    s->said = NULL;
    if (v->why != PULL_FINE) {
        s->said = mem_alloc(sizeof(*v));
        *s->said = *v;
    }
    pthread_mutex_unlock(&p->shard->lock);
}

bool gate_open(struct gate *g, const struct repo_name *repo, const struct digest *d, int64_t now_ms)
{
    struct place p;
    struct slot *s;
    bool open;

    if (!gate_asks(g))
        return true;
    find_place(g, repo, d, &p);
    pthread_mutex_lock(&p.shard->lock);
    s = find(g, &p, stamp_of(g, repo, d), now_ms);
    open = s && !s->said;
    pthread_mutex_unlock(&p.shard->lock);
    return open;
}

/* False: there is none that holds. */
static bool remembered(struct gate *g, const struct place *p, uint64_t stamp, int64_t now_ms,
                       struct pull_verdict *ret)
{
    struct slot *s;

    pthread_mutex_lock(&p->shard->lock);
    s = find(g, p, stamp, now_ms);
    if (s && s->said)
        *ret = *s->said;
    else if (s)
        *ret = (struct pull_verdict){.until_ms = s->until_ms};
    pthread_mutex_unlock(&p->shard->lock);
    return s != NULL;
}

/* ---- judging */

/* By the pull policy. *ret_until_ms: as long as it holds. */
static enum err_code make_scanned(struct gate *g, const struct conf_pull_rule *rule,
                                  const struct repo_name *repo, const struct digest *d,
                                  int64_t now_ms, struct pull_verdict *ret, int64_t *ret_until_ms,
                                  struct err *e)
{
    AUTO(gate_image) struct gate_image i = {0};

    *ret = (struct pull_verdict){.until_ms = INT64_MAX};
    *ret_until_ms = now_ms + HOLD_MS;
    if (!rule || rule->mode == CONF_PULL_OFF)
        return ERR_OK;
    TRY(g->look(g->ctx, repo, d, rule, now_ms, &i, e));
    if (i.exempt)
        return ERR_OK;
    i.image.repo = repo;
    pull_verdict_make(rule, &i.image, now_ms, ret);
    if (ret->until_ms < *ret_until_ms)
        *ret_until_ms = ret->until_ms;
    if (i.until_ms > 0 && i.until_ms < *ret_until_ms)
        *ret_until_ms = i.until_ms;
    return ERR_OK;
}

/* Of both. Who waits for a signature asks again and again, and reading all that stands beside an
 * image is work: what is refused is remembered for a second, unless it is heard before that
 * something has changed. */
static enum err_code make(struct gate *g, const struct conf_pull_rule *rule,
                          const struct repo_name *repo, const struct digest *d, int64_t now_ms,
                          struct pull_verdict *ret, int64_t *ret_until_ms, struct err *e)
{
    struct pull_verdict s = {.until_ms = INT64_MAX};

    if (gate_asks_signed(g))
        TRY(g->is_signed(g->signed_ctx, repo, d, now_ms, &s, e));
    if (s.opens)
        atomic_fetch_add(&g->opened, 1);
    if (s.blocked) {
        *ret = s;
        *ret_until_ms = now_ms + LACK_MS;
        return ERR_OK;
    }
    TRY(make_scanned(g, rule, repo, d, now_ms, ret, ret_until_ms, e));
    if (s.until_ms < *ret_until_ms)
        *ret_until_ms = s.until_ms;
    if (s.why != PULL_FINE && !ret->blocked)
        *ret = s;
    return ERR_OK;
}

enum err_code gate_judge_by(struct gate *g, const struct conf_pull_rules *rules,
                            const struct repo_name *repo, const struct digest *d, int64_t now_ms,
                            struct pull_verdict *ret_verdict, struct err *e)
{
    int64_t unused;

    return make_scanned(g, pull_rule(rules, repo), repo, d, now_ms, ret_verdict, &unused, e);
}

enum err_code gate_judge(struct gate *g, const struct repo_name *repo, const struct digest *d,
                         int64_t now_ms, struct pull_verdict *ret_verdict, struct err *e)
{
    uint64_t stamp = stamp_of(g, repo, d); /* before anything is looked at */
    struct rules *rules;
    struct place p;
    int64_t until_ms;
    enum err_code code;

    find_place(g, repo, d, &p);
    if (remembered(g, &p, stamp, now_ms, ret_verdict))
        return ERR_OK;
    rules = rules_in_force(g);
    code = make(g, pull_rule(&rules->list, repo), repo, d, now_ms, ret_verdict, &until_ms, e);
    rules_unref(rules);
    if (code == ERR_OK)
        keep(g, &p, stamp, now_ms, until_ms, ret_verdict);
    return code;
}

static void make_gone(const struct conf_pull_rule *rule, struct pull_verdict *ret)
{
    if (!rule || rule->mode == CONF_PULL_OFF || ret->blocked)
        return;
    *ret = (struct pull_verdict){.why = PULL_FAILED,
                                 .blocked = rule->mode == CONF_PULL_ENFORCE,
                                 .reason = "it was deleted",
                                 .until_ms = INT64_MAX};
}

/* It is kept for gate_may_tell() alone. */
enum err_code gate_judge_gone(struct gate *g, const struct repo_name *repo, const struct digest *d,
                              int64_t now_ms, struct pull_verdict *ret_verdict, struct err *e)
{
    uint64_t stamp = stamp_of(g, repo, d);
    struct pull_verdict v = {.until_ms = INT64_MAX};
    struct rules *rules;
    struct place p;

    if (gate_asks_signed(g))
        TRY(g->is_signed(g->signed_ctx, repo, d, now_ms, &v, e));
    rules = rules_in_force(g);
    make_gone(pull_rule(&rules->list, repo), &v);
    rules_unref(rules);
    find_place(g, repo, d, &p);
    keep(g, &p, stamp, now_ms, now_ms, &v);
    *ret_verdict = v;
    return ERR_OK;
}

bool gate_may_tell(struct gate *g, const struct repo_name *repo, const struct digest *d,
                   enum pull_why why, int64_t now_ms)
{
    struct place p;
    struct slot *s;
    bool may;

    find_place(g, repo, d, &p);
    pthread_mutex_lock(&p.shard->lock);
    s = find_any(g, &p);
    may = !s || s->told != why || now_ms - s->told_ms >= TELL_MS;
    if (s && may) {
        s->told = why;
        s->told_ms = now_ms;
    }
    pthread_mutex_unlock(&p.shard->lock);
    return may;
}

/* ---- noticing */

static uint64_t hash_of_text(const char *text)
{
    return hash_of(text, strlen(text)) | 1; /* not 0: there is something */
}

/* "3f", "r3f" */
static bool share_of(const char *key, bool *ret_of_repos, unsigned *ret)
{
    char end;

    *ret_of_repos = key[0] == 'r';
    key += *ret_of_repos;
    return strlen(key) == 2 && sscanf(key, "%2x%c", ret, &end) == 1 && *ret < SCAN_SHARES;
}

static bool look_at_shares(struct gate *g, const struct meta_record_list *l)
{
    bool any = false;

    for (size_t i = 0; i < l->n; i++) {
        uint64_t hash = hash_of_text(l->rows[i].value);
        uint64_t *seen;
        unsigned share;
        bool repos;

        if (!share_of(l->rows[i].key, &repos, &share))
            continue;
        seen = repos ? &g->seen_repos[share] : &g->seen[share];
        if (*seen == hash)
            continue;
        *seen = hash;
        atomic_fetch_add(repos ? &g->repos[share] : &g->shares[share], 1);
        any = true;
    }
    return any;
}

enum err_code gate_poll(struct gate *g, struct meta *m, struct err *e)
{
    AUTO(record) struct meta_record all = {0};
    AUTO(records) struct meta_record_list shares = {0};
    enum err_code code = meta_record_get(m, SCAN_CHANGED, SCAN_CHANGED_ALL, &all, e);
    uint64_t hash;

    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    hash = hash_of_text(all.value);
    if (hash == g->seen_all)
        return ERR_OK;
    TRY(meta_records(m, SCAN_CHANGED, STR(""), 2 * SCAN_SHARES + 1, &shares, e));
    if (!look_at_shares(g, &shares)) /* whoever wrote it did not say what */
        atomic_fetch_add(&g->epoch, 1);
    g->seen_all = hash; /* as it was before the shares: a change since then is looked at again */
    return ERR_OK;
}
