#include "replicas/replicas.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "replicas/remote.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CACHES_MAX       4
#define REPEAT_FIRST_MS  50 /* a message that was not answered; then twice as long, up to: */
#define REPEAT_MOST_MS   1000
#define GIVE_UP_LEASES   6 /* of waiting for others: then the client is told to try again */
#define DISTRUST_LEASES  5 /* silence after one that says it is there does not answer */
#define TRIES            3 /* of a transaction of one that was taken for gone */
#define JOIN_WAIT_LEASES 2 /* half of one: for the channel */

/* One of our own, while others are asked. */
struct asking {
    struct asking *next;
    struct members_write write;
    struct uuid entered[MEMBERS_MAX];
    size_t n_entered;
    int64_t until_ms; /* of one that may still take place */
};

struct replicas {
    struct meta meta;
    struct members *members;
    struct members_options o;
    struct channel *channel;  /* NULL: none */
    atomic_bool channel_runs; /* its threads may ask before channel_start() has returned */
    struct replicas_cache caches[CACHES_MAX];
    size_t n_caches;
    struct remote_writes *remote;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t news;
    struct asking *asked, *in_doubt;
    bool up; /* the channel */
};

static struct replicas *replicas_of(struct meta *m)
{
    return (struct replicas *)m;
}

/* ---- caches */

static void enter_caches(void *ctx, const struct message_key *keys, size_t n)
{
    struct replicas *r = ctx;

    for (size_t i = 0; i < r->n_caches; i++)
        r->caches[i].enter(r->caches[i].ctx, keys, n);
}

static void leave_caches(void *ctx, const struct message_key *keys, size_t n)
{
    struct replicas *r = ctx;

    for (size_t i = 0; i < r->n_caches; i++)
        r->caches[i].leave(r->caches[i].ctx, keys, n);
}

/* False: it is not certain in each of them. */
static bool clear_caches(struct replicas *r, const struct message_key *keys, size_t n)
{
    bool certain = true;

    for (size_t i = 0; i < r->n_caches; i++) {
        if (r->caches[i].clear)
            certain &= r->caches[i].clear(r->caches[i].ctx, keys, n);
    }
    return certain;
}

/* ---- messages */

static void say(struct replicas *r, struct message m, const struct message_key *keys, size_t n)
{
    AUTO(buf) struct buf text = {0};

    if (!r->channel_runs)
        return;
    m.lowest = members_lowest_write(r->members);
    buf_init(&text, CHANNEL_MESSAGE_MAX);
    message_begin(&text, &m);
    for (size_t i = 0; i < n; i++)
        message_add_key(&text, keys[i].repo, keys[i].reference);
    if (text.full) { /* as if it were all there is */
        buf_clear(&text);
        message_begin(&text, &m);
        message_add_key(&text, STR(""), STR(""));
    }
    channel_send(r->channel, buf_str(&text));
}

static void heard_enter(struct replicas *r, const struct message *m)
{
    if (remote_writes_enter(r->remote, m))
        say(r,
            (struct message){.kind = MESSAGE_ENTERED,
                             .from = members_id(r->members),
                             .to = m->from,
                             .number = m->number},
            NULL, 0);
}

static bool has_entered(const struct asking *a, const struct uuid *id)
{
    for (size_t i = 0; i < a->n_entered; i++) {
        if (strcmp(a->entered[i].text, id->text) == 0)
            return true;
    }
    return false;
}

static void heard_entered(struct replicas *r, const struct message *m)
{
    pthread_mutex_lock(&r->lock);
    for (struct asking *a = r->asked; a; a = a->next) {
        if (a->write.number == m->number && strcmp(a->write.id.text, m->to.text) == 0 &&
            !has_entered(a, &m->from) && a->n_entered < MEMBERS_MAX)
            a->entered[a->n_entered++] = m->from;
    }
    pthread_cond_broadcast(&r->news);
    pthread_mutex_unlock(&r->lock);
}

static void on_message(void *ctx, struct str text)
{
    struct replicas *r = ctx;
    struct uuid own = members_id(r->members);
    struct message m;

    if (!message_parse(text, &m) || strcmp(m.from.text, own.text) == 0)
        return;
    remote_writes_raise(r->remote, &m);
    if (m.kind == MESSAGE_ENTER)
        heard_enter(r, &m);
    else if (m.kind == MESSAGE_ENTERED)
        heard_entered(r, &m);
    else if (m.kind != MESSAGE_LOWEST)
        remote_writes_leave(r->remote, &m);
}

static void on_state(void *ctx, bool up)
{
    struct replicas *r = ctx;

    members_set_reachable(r->members, up);
    pthread_mutex_lock(&r->lock);
    r->up = up;
    pthread_cond_broadcast(&r->news);
    pthread_mutex_unlock(&r->lock);
}

/* ---- members */

/* A newcomer that can't be reached silences all others; so it waits for the channel a little. */
static void joining(void *ctx)
{
    struct replicas *r = ctx;
    const struct channel_events events = {.on_message = on_message, .on_state = on_state, .ctx = r};
    struct timespec until = clock_mono_in((int64_t)r->o.lease_ms / JOIN_WAIT_LEASES);
    struct err e = {0};

    if (!r->channel || r->channel_runs)
        return;
    if (channel_start(r->channel, &events, &e) != ERR_OK) {
        if (r->o.report)
            r->o.report("no messages to other processes", &e);
        return;
    }
    r->channel_runs = true;
    pthread_mutex_lock(&r->lock);
    while (!r->up && pthread_cond_timedwait(&r->news, &r->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&r->lock);
}

/* It has ended, and others may hear so. */
static void end_write(struct replicas *r, struct asking *a)
{
    if (!members_is_alone(r->members))
        say(r,
            (struct message){.kind = MESSAGE_LEAVE, .from = a->write.id, .number = a->write.number},
            NULL, 0);
    members_write_end(r->members, &a->write);
    free(a);
}

/* Of those in doubt, one that is in doubt no more: it is too old, or its precondition is gone. */
static struct asking *take_settled(struct replicas *r)
{
    struct uuid own = members_id(r->members);
    struct asking **at = &r->in_doubt, *found;

    pthread_mutex_lock(&r->lock);
    while (*at && clock_mono_ms() < (*at)->until_ms && strcmp((*at)->write.id.text, own.text) == 0)
        at = &(*at)->next;
    found = *at;
    if (found)
        *at = found->next;
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void looked(void *ctx, uint64_t look)
{
    struct replicas *r = ctx;
    struct asking *settled;

    remote_writes_looked(r->remote, look);
    while ((settled = take_settled(r)))
        end_write(r, settled);
    if (!members_is_alone(r->members))
        say(r, (struct message){.kind = MESSAGE_LOWEST, .from = members_id(r->members)}, NULL, 0);
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&r->news);
    pthread_mutex_unlock(&r->lock);
}

/* ---- our own writes */

bool replicas_key_of(const struct meta_op *op, struct message_key *ret_key)
{
    switch (op->kind) {
    case META_TAG_SET:
        *ret_key =
            (struct message_key){repo_name_str(op->tag_set.repo), tag_name_str(op->tag_set.tag)};
        return true;
    case META_TAG_DELETE:
        *ret_key = (struct message_key){repo_name_str(op->tag_delete.repo),
                                        tag_name_str(op->tag_delete.tag)};
        return true;
    case META_MANIFEST_DELETE:
        *ret_key = (struct message_key){repo_name_str(op->manifest_delete.repo),
                                        digest_str(op->manifest_delete.digest)};
        return true;
    default:
        return false;
    }
}

size_t replicas_keys_of(const struct meta_op *ops, size_t n_ops, struct message_key *ret_keys)
{
    size_t n = 0;

    for (size_t i = 0; i < n_ops; i++)
        n += replicas_key_of(&ops[i], &ret_keys[n]);
    return n;
}

/* Under the lock: have all said that they have entered of whom that is needed now? */
static bool all_entered(struct replicas *r, const struct asking *a, bool *ret_ask)
{
    struct uuid ids[MEMBERS_MAX];
    size_t n;
    enum members_asking answer = members_to_ask(r->members, ids, &n);

    *ret_ask = answer == MEMBERS_ASK;
    if (answer != MEMBERS_ASK)
        return answer == MEMBERS_NONE;
    for (size_t i = 0; i < n; i++) {
        if (!has_entered(a, &ids[i]))
            return false;
    }
    return true;
}

/* Waits for news, at most so long. */
static void wait_for_news(struct replicas *r, int64_t ms)
{
    struct timespec until = clock_mono_in(ms);

    (void)pthread_cond_timedwait(&r->news, &r->lock, &until);
}

/* Asks until all have answered. A member that says it is there and does not answer may not hear us,
 * or we not hear it: then all fall silent for a while. */
static enum err_code ask(struct replicas *r, struct asking *a, const struct message_key *keys,
                         size_t n, struct err *e)
{
    const struct message enter = {
        .kind = MESSAGE_ENTER, .from = a->write.id, .number = a->write.number};
    int64_t lease_ms = (int64_t)r->o.lease_ms, start_ms = clock_mono_ms(), next_ms = start_ms;
    int64_t repeat_ms = REPEAT_FIRST_MS, now_ms;
    bool asked = false, distrusted = false, done;

    pthread_mutex_lock(&r->lock);
    while (!(done = all_entered(r, a, &asked))) {
        now_ms = clock_mono_ms();
        if (now_ms >= start_ms + GIVE_UP_LEASES * lease_ms)
            break;
        pthread_mutex_unlock(&r->lock);
        if (asked && now_ms >= next_ms) {
            say(r, enter, keys, n);
            next_ms = now_ms + repeat_ms;
            repeat_ms = 2 * repeat_ms < REPEAT_MOST_MS ? 2 * repeat_ms : REPEAT_MOST_MS;
        }
        if (!asked || repeat_ms > 2 * REPEAT_FIRST_MS)
            members_hurry(r->members);
        if (asked && !distrusted && now_ms >= start_ms + lease_ms + lease_ms / 2) {
            members_distrust(r->members, (uint64_t)(DISTRUST_LEASES * lease_ms));
            distrusted = true;
        }
        pthread_mutex_lock(&r->lock);
        if (!all_entered(r, a, &asked))
            wait_for_news(r, asked ? next_ms - now_ms : REPEAT_FIRST_MS);
    }
    pthread_mutex_unlock(&r->lock);
    return done ? ERR_OK
                : err_set(e, ERR_UNAVAILABLE, "other processes on the database do not answer");
}

static void begin_asking(struct replicas *r, struct asking *a)
{
    pthread_mutex_lock(&r->lock);
    a->next = r->asked;
    r->asked = a;
    pthread_mutex_unlock(&r->lock);
}

static void end_asking(struct replicas *r, const struct asking *a)
{
    struct asking **at = &r->asked;

    pthread_mutex_lock(&r->lock);
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    pthread_mutex_unlock(&r->lock);
}

/* All others have entered, and what is kept with them is removed. */
static enum err_code prepare(struct replicas *r, struct asking *a, const struct message_key *keys,
                             size_t n, struct err *e)
{
    TRY(ask(r, a, keys, n, e));
    if (clear_caches(r, keys, n))
        return ERR_OK;
    members_distrust(r->members, 0);
    return ask(r, a, keys, n, e);
}

/* With the precondition that we are not gone, behind all others. */
static enum err_code commit_fenced(struct replicas *r, const struct uuid *id,
                                   const struct meta_op *ops, size_t n_ops, unsigned flags,
                                   size_t *ret_failed, struct err *e)
{
    AUTO(mem) struct meta_op *fenced = mem_alloc((n_ops + 1) * sizeof(*fenced));
    enum err_code code;

    memcpy(fenced, ops, n_ops * sizeof(*ops));
    if (!members_fence(r->members, id, &fenced[n_ops]))
        return err_set(e, ERR_INTERNAL, "no fence where there are members");
    code = meta_commit(r->meta.inner, fenced, n_ops + 1, flags, ret_failed, e);
    if (code != ERR_OK && *ret_failed > n_ops)
        *ret_failed = n_ops;
    return code;
}

static void doubt(struct replicas *r, struct asking *a)
{
    pthread_mutex_lock(&r->lock);
    a->until_ms = clock_mono_ms() + REPLICAS_DOUBT_MS;
    a->next = r->in_doubt;
    r->in_doubt = a;
    pthread_mutex_unlock(&r->lock);
}

/* This process was taken for gone and comes back now, when the database lets it. */
static bool comes_back(struct replicas *r, const struct asking *a)
{
    struct uuid own;

    members_round(r->members);
    own = members_id(r->members);
    return strcmp(own.text, a->write.id.text) != 0;
}

/* NOT_FOUND is the fence's: what operations on content miss has codes of its own.
 * *ret_again: it did not take place, and may under another id. */
static enum err_code try_write(struct replicas *r, const struct meta_op *ops, size_t n_ops,
                               unsigned flags, const struct message_key *keys, size_t n,
                               bool *ret_again, size_t *ret_failed, struct err *e)
{
    struct asking *a = NEW(struct asking);
    bool in_doubt = false;
    enum err_code code = members_write_begin(r->members, &a->write, e);

    *ret_again = false;
    *ret_failed = n_ops;
    if (code != ERR_OK) {
        free(a);
        return code;
    }
    begin_asking(r, a);
    code = prepare(r, a, keys, n, e);
    if (code == ERR_OK) {
        code = commit_fenced(r, &a->write.id, ops, n_ops, flags, ret_failed, e);
        in_doubt = code == ERR_UNAVAILABLE;
    }
    end_asking(r, a);
    *ret_again = code == ERR_NOT_FOUND && comes_back(r, a);
    if (in_doubt)
        doubt(r, a);
    else
        end_write(r, a);
    return code;
}

static bool links(const struct meta_op *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind == META_BLOB_LINK)
            return true;
    }
    return false;
}

/* Nobody is asked, but who was taken for gone has seen nothing of what others deleted since: it
 * looks at the bytes again. */
static enum err_code commit_link(struct replicas *r, const struct meta_op *ops, size_t n_ops,
                                 unsigned flags, size_t *ret_failed, struct err *e)
{
    struct members_write write;
    enum err_code code;

    TRY(members_write_begin(r->members, &write, e));
    code = commit_fenced(r, &write.id, ops, n_ops, flags, ret_failed, e);
    members_write_end(r->members, &write);
    if (code != ERR_NOT_FOUND)
        return code;
    members_round(r->members);
    return err_set(e, ERR_GONE, "this process was taken for gone");
}

static enum err_code replicas_commit(struct meta *base, const struct meta_op *ops, size_t n_ops,
                                     unsigned flags, size_t *ret_failed, struct err *e)
{
    struct replicas *r = replicas_of(base);
    AUTO(mem) struct message_key *keys = mem_alloc((n_ops + 1) * sizeof(*keys));
    size_t n = replicas_keys_of(ops, n_ops, keys);
    enum err_code code;
    bool again = true;

    if (n == 0 && links(ops, n_ops))
        return commit_link(r, ops, n_ops, flags, ret_failed, e);
    if (n == 0)
        return meta_commit(base->inner, ops, n_ops, flags, ret_failed, e);
    code = ERR_INTERNAL;
    for (int i = 0; i < TRIES && again; i++)
        code = try_write(r, ops, n_ops, flags, keys, n, &again, ret_failed, e);
    return code == ERR_NOT_FOUND
               ? err_set(e, ERR_UNAVAILABLE, "other processes take this one for gone")
               : code;
}

/* ---- life */

void replicas_stop(struct meta *replicas)
{
    struct replicas *r = replicas_of(replicas);

    members_stop(r->members);
    if (r->channel_runs)
        channel_stop(r->channel);
    r->channel_runs = false;
}

static void replicas_free(struct meta *base)
{
    struct replicas *r = replicas_of(base);

    replicas_stop(base);
    for (struct asking *a = r->in_doubt, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    members_free(r->members);
    channel_free(r->channel);
    remote_writes_free(r->remote);
    pthread_cond_destroy(&r->news);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static const struct meta_driver shared_driver = {
    .name = "replicas", .commit = replicas_commit, .free = replicas_free};

static const struct meta_driver alone_driver = {.name = "replicas", .free = replicas_free};

struct meta *replicas_new(struct meta *inner, const struct members_options *o)
{
    struct replicas *r = NEW(struct replicas);
    const struct members_listener l = {.joining = joining, .looked = looked, .ctx = r};

    r->meta = (struct meta){meta_is_shared(inner) ? &shared_driver : &alone_driver, inner};
    r->o = *o;
    r->members = members_new(inner, o);
    r->remote = remote_writes_new(&(struct remote_options){
        .members = r->members, .enter = enter_caches, .leave = leave_caches, .ctx = r});
    pthread_mutex_init(&r->lock, NULL);
    thread_cond_init(&r->news);
    members_listen(r->members, &l);
    return &r->meta;
}

void replicas_use(struct meta *replicas, struct channel *c)
{
    replicas_of(replicas)->channel = c;
}

void replicas_attach(struct meta *replicas, const struct replicas_cache *c)
{
    struct replicas *r = replicas_of(replicas);

    if (r->n_caches == CACHES_MAX)
        abort(); /* a mistake of this program */
    r->caches[r->n_caches++] = *c;
}

struct members *replicas_members(struct meta *replicas)
{
    return replicas_of(replicas)->members;
}
