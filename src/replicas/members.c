#include "replicas/members.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "replicas/member_row.h"

#include <errno.h>
#include <stdlib.h>

#define COLLECTION    STR("replicas")
#define ROW_BYTES_MAX (MEMBERS_MAX * 64 + 4096)
#define LISTENERS_MAX 4
#define ROUND_STEPS   4 /* to say one thing and then another that follows */
#define UNCHANGED_LOOKS                                                                            \
    3 /* a row must have been found unchanged so often: else all of them would be, at the first    \
         look after the database hung */

#define RENEWALS 4  /* in a lease */
#define HURRIED  16 /* when somebody waits */

#define START_TRIES 5 /* one has half a lease, which is short for a machine that is busy */

#define EPOCH STR("epoch") /* a record of the collection, whose version is the number */

struct peer {
    struct uuid id;
    int64_t version;
    int64_t since_ms;   /* when that version was seen first, by our clock */
    unsigned unchanged; /* looks since then */
    struct member_seen said;
    int64_t noted;     /* the announcement that was seen last */
    uint64_t after;    /* it is known when the writes below that number have ended */
    int64_t known;     /* that is said in our row; 0: none */
    bool must_know_us; /* it was there when we announced ourselves */
};

/* Whether it answers from memory. */
enum answering { SILENT, ANNOUNCED, ANSWERING };

struct members {
    struct meta *meta;
    struct members_options o;
    bool alone; /* on a database of one process */
    int64_t started_ms;
    struct members_listener listeners[LISTENERS_MAX];
    size_t n_listeners;

    atomic_int_least64_t answer_until_ms; /* until_ms, and 0 while it does not answer */
    atomic_uint_fast64_t turn, epoch;

    pthread_mutex_t rounds; /* one at a time */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed, wake;
    struct uuid id;
    int64_t until_ms; /* may act before that */
    int64_t version;  /* of the row; META_ABSENT: there is none */
    char *written;    /* the row as it was written last; NULL: not known */
    bool joined;      /* and has looked since */
    atomic_bool running;
    bool stop, hurry, failing, reachable;
    uint64_t distrusts; /* how often, since it was trusted */
    int64_t distrusts_until_ms;
    enum answering answering;
    bool look_first; /* the next look is the first since it was announced */
    int64_t announced;
    uint64_t n_turns;
    struct peer peers[MEMBERS_MAX];
    size_t n_peers;
    uint64_t look, looked; /* the last that has begun, and ended */
    uint64_t n_writes;
    struct members_write *oldest, *newest;
    pthread_t thread;
};

static int64_t now_ms(const struct members *m)
{
    return m->o.now_ms ? m->o.now_ms(m->o.now_ctx) : clock_boot_ms();
}

static int64_t lease_ms(const struct members *m)
{
    return (int64_t)m->o.lease_ms;
}

static bool same_id(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->text, b->text, UUID_TEXT) == 0;
}

static struct peer *peer_of(struct members *m, const struct uuid *id)
{
    for (size_t i = 0; i < m->n_peers; i++) {
        if (same_id(&m->peers[i].id, id))
            return &m->peers[i];
    }
    return NULL;
}

/* ---- answering */

static void forget(struct members *m)
{
    for (size_t i = 0; i < m->n_listeners; i++) {
        if (m->listeners[i].forget)
            m->listeners[i].forget(m->listeners[i].ctx);
    }
}

/* Under the lock. What is kept is to be forgotten before anything else is said in the row. */
static void fall_silent(struct members *m)
{
    m->answering = SILENT;
    m->look_first = false;
    atomic_store(&m->answer_until_ms, 0);
    atomic_store(&m->turn, 0);
}

static bool all_reach_each_other(const struct members *m)
{
    for (size_t i = 0; i < m->n_peers; i++) {
        if (!m->peers[i].said.reachable)
            return false;
    }
    return m->distrusts == 0 && (m->reachable || m->n_peers == 0);
}

static bool all_know_us(const struct members *m)
{
    for (size_t i = 0; i < m->n_peers; i++) {
        const struct peer *p = &m->peers[i];

        if (p->must_know_us && p->said.knows_me != m->announced)
            return false;
    }
    return true;
}

/* Under the lock, after a look. True: what is kept is to be forgotten. */
static bool settle(struct members *m)
{
    bool may = all_reach_each_other(m);

    if (m->answering != SILENT && !may) {
        bool answered = m->answering == ANSWERING;

        fall_silent(m);
        return answered;
    }
    if (m->answering == SILENT && may) {
        m->answering = ANNOUNCED;
        m->announced++;
        m->look_first = true;
    } else if (m->answering == ANNOUNCED && !m->look_first && all_know_us(m)) {
        m->answering = ANSWERING;
        atomic_store(&m->turn, ++m->n_turns);
    }
    if (m->answering == ANSWERING)
        atomic_store(&m->answer_until_ms, m->until_ms);
    return false;
}

/* ---- the row */

static uint64_t lowest_write(const struct members *m)
{
    return m->oldest ? m->oldest->number : m->n_writes + 1;
}

/* Under the lock. */
static void print_row(struct members *m, struct buf *ret_text)
{
    struct member_known known[MEMBERS_MAX];
    struct member_row row = {
        .name = m->o.name,
        .started_ms = m->started_ms,
        .reachable = m->reachable && m->distrusts == 0,
        .answers = m->answering != SILENT,
        .announced = m->announced,
        .knows = known,
    };

    for (size_t i = 0; i < m->n_peers; i++) {
        struct peer *p = &m->peers[i];

        if (p->noted != p->known && lowest_write(m) >= p->after)
            p->known = p->noted;
        if (p->known)
            known[row.n_knows++] = (struct member_known){p->id, p->known};
    }
    member_row_print(&row, ret_text);
}

/* Under the lock: does the row say what there is to say? */
static bool row_is_true(struct members *m)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, ROW_BYTES_MAX);
    print_row(m, &text);
    return m->written && strcmp(m->written, buf_text(&text)) == 0;
}

/* Others took it for gone: nothing that it did under its id counts from then on. */
static void lose(struct members *m)
{
    pthread_mutex_lock(&m->lock);
    m->until_ms = 0;
    fall_silent(m);
    m->joined = false;
    uuid_make(&m->id);
    m->version = META_ABSENT;
    free(STEAL(m->written));
    for (size_t i = 0; i < m->n_peers; i++)
        m->peers[i].said.knows_me = 0;
    pthread_mutex_unlock(&m->lock);
    forget(m);
}

/* The row is not at the version expected: a write of ours came through whose answer was lost, or
 * the row is gone. */
static enum err_code find_own_row(struct members *m, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code = meta_record_get(m->meta, COLLECTION, str_of(m->id.text), &r, e);

    if (code == ERR_OK)
        m->version = r.version;
    else if (code == ERR_NOT_FOUND)
        lose(m);
    else
        return code;
    return ERR_OK;
}

static enum err_code write_row(struct members *m, int64_t *ret_started_ms, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct meta_op op;
    enum err_code code;
    unsigned flags;

    buf_init(&text, ROW_BYTES_MAX);
    pthread_mutex_lock(&m->lock);
    print_row(m, &text);
    /* What says nothing new may be lost with the database's machine, and is soon said again. */
    flags = m->written && strcmp(m->written, buf_text(&text)) == 0 ? META_LAZY : 0;
    free(STEAL(m->written));
    op = meta_op_record_put(COLLECTION, str_of(m->id.text), buf_str(&text), m->version);
    pthread_mutex_unlock(&m->lock);

    *ret_started_ms = now_ms(m);
    code = meta_commit(m->meta, &op, 1, flags, NULL, e);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&m->lock);
    m->version++;
    m->written = str_dup(buf_str(&text));
    pthread_mutex_unlock(&m->lock);
    return ERR_OK;
}

static enum err_code renew(struct members *m, int64_t *ret_started_ms, struct err *e)
{
    enum err_code code = write_row(m, ret_started_ms, e);

    for (int i = 0; i < 2 && code == ERR_CONFLICT; i++) {
        TRY(find_own_row(m, e));
        code = write_row(m, ret_started_ms, e);
    }
    return code;
}

/* ---- the others */

/* Under the lock. */
static enum err_code see(struct members *m, const struct meta_record *r, int64_t at_ms,
                         struct err *e)
{
    struct uuid id;
    struct peer *p;

    if (str_eq(str_of(r->key), EPOCH))
        atomic_store(&m->epoch, (uint64_t)r->version);
    if (!uuid_parse(str_of(r->key), &id) || same_id(&id, &m->id))
        return ERR_OK;
    p = peer_of(m, &id);
    if (!p) {
        if (m->n_peers == MEMBERS_MAX)
            return err_set(e, ERR_INTERNAL, "more than %d processes use the database", MEMBERS_MAX);
        p = &m->peers[m->n_peers++];
        *p = (struct peer){.id = id};
    }
    if (p->version != r->version) {
        bool went_back = r->version < p->version;

        p->version = r->version;
        p->since_ms = at_ms;
        p->unchanged = 0;
        p->said = member_row_parse(str_of(r->value), &m->id);
        p->said.answers |=
            went_back; /* the database was lost, and is an older one: it may say more */
    } else {
        p->unchanged++;
    }
    if (p->said.answers && p->noted != p->said.announced) {
        p->noted = p->said.announced;
        p->after = m->n_writes + 1;
    }
    return ERR_OK;
}

static bool is_in(const struct meta_record_list *l, const struct uuid *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->rows[i].key, id->text) == 0)
            return true;
    }
    return false;
}

/* Under the lock. */
static enum err_code take_in(struct members *m, const struct meta_record_list *l, int64_t at_ms,
                             struct err *e)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_peers; i++) {
        if (is_in(l, &m->peers[i].id))
            m->peers[n++] = m->peers[i];
    }
    m->n_peers = n;
    for (size_t i = 0; i < l->n; i++)
        TRY(see(m, &l->rows[i], at_ms, e));
    for (size_t i = 0; i < m->n_peers && m->look_first; i++)
        m->peers[i].must_know_us = true;
    m->look_first = false;
    return ERR_OK;
}

/* Of one statement: all rows of one moment. */
static enum err_code look(struct members *m, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    enum err_code code;

    pthread_mutex_lock(&m->lock);
    m->look++;
    pthread_mutex_unlock(&m->lock);
    TRY(meta_records(m->meta, COLLECTION, STR(""), MEMBERS_MAX + 2, &l, e));
    pthread_mutex_lock(&m->lock);
    code = take_in(m, &l, now_ms(m), e);
    if (code == ERR_OK)
        m->looked = m->look;
    pthread_mutex_unlock(&m->lock);
    return code;
}

static bool is_overdue(const struct members *m, const struct peer *p)
{
    return p->unchanged >= UNCHANGED_LOOKS && now_ms(m) - p->since_ms >= lease_ms(m);
}

static void tell_buried(struct members *m)
{
    for (size_t i = 0; i < m->n_listeners; i++) {
        if (m->listeners[i].buried)
            m->listeners[i].buried(m->listeners[i].ctx);
    }
}

/* A member of that version is gone when the row is: until then it may have transactions on the way.
 */
static enum err_code bury(struct members *m, struct err *e)
{
    for (size_t i = m->n_peers; i > 0; i--) {
        struct peer *p = &m->peers[i - 1];
        struct meta_op op = meta_op_record_delete(COLLECTION, str_of(p->id.text), p->version);
        enum err_code code = ERR_OK;

        if (!is_overdue(m, p))
            continue;
        code = meta_commit(m->meta, &op, 1, 0, NULL, e);
        if (code != ERR_OK && code != ERR_CONFLICT)
            return code;
        if (code == ERR_CONFLICT) /* it is alive, or somebody else has done it: seen next time */
            continue;
        pthread_mutex_lock(&m->lock);
        *p = m->peers[--m->n_peers];
        pthread_mutex_unlock(&m->lock);
        tell_buried(m);
    }
    return ERR_OK;
}

static bool all_silent(const struct members *m)
{
    for (size_t i = 0; i < m->n_peers; i++) {
        if (m->peers[i].said.answers)
            return false;
    }
    return m->answering != ANSWERING;
}

/* Nobody answers from anything, and nobody will before it has seen that this member is reachable
 * again; and then it looks anew. */
static enum err_code trust_again(struct members *m, struct err *e)
{
    const struct meta_op op = meta_op_record_put(COLLECTION, EPOCH, STR("{}"), META_ANY);
    uint64_t distrusts;
    bool may;

    pthread_mutex_lock(&m->lock);
    distrusts = m->distrusts;
    may = distrusts > 0 && m->answering == SILENT && all_silent(m) && row_is_true(m) &&
          now_ms(m) >= m->distrusts_until_ms;
    pthread_mutex_unlock(&m->lock);
    if (!may)
        return ERR_OK;
    TRY(meta_commit(m->meta, &op, 1, 0, NULL, e));
    pthread_mutex_lock(&m->lock);
    if (m->distrusts == distrusts)
        m->distrusts = 0;
    pthread_mutex_unlock(&m->lock);
    return ERR_OK;
}

/* ---- rounds */

static void tell_looked(struct members *m)
{
    for (size_t i = 0; i < m->n_listeners; i++) {
        if (m->listeners[i].looked)
            m->listeners[i].looked(m->listeners[i].ctx, m->looked);
    }
}

/* Says what there is to say, looks, and sees what follows from that. */
static enum err_code step(struct members *m, bool *ret_again, struct err *e)
{
    enum err_code code;
    int64_t started_ms;
    bool silent;

    TRY(renew(m, &started_ms, e));
    TRY(look(m, e));
    pthread_mutex_lock(&m->lock);
    m->joined = true;
    m->until_ms = started_ms + lease_ms(m) * 9 / 10;
    silent = settle(m);
    pthread_mutex_unlock(&m->lock);
    if (silent)
        forget(m);
    code = bury(m, e);
    if (code == ERR_OK)
        code = trust_again(m, e);
    tell_looked(m);
    pthread_mutex_lock(&m->lock);
    *ret_again = !row_is_true(m) || (m->answering == ANNOUNCED && all_know_us(m));
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return code;
}

static enum err_code try_round(struct members *m, struct err *e)
{
    bool again = true;

    for (int i = 0; i < ROUND_STEPS && again; i++)
        TRY(step(m, &again, e));
    return ERR_OK;
}

void members_round(struct members *m)
{
    struct err e = {0};
    bool failed;

    pthread_mutex_lock(&m->rounds);
    failed = !m->alone && try_round(m, &e) != ERR_OK;
    if (failed && !m->failing && m->o.report)
        m->o.report("this process could not say that it is there; without that it answers nothing "
                    "from memory and does no background work",
                    &e);
    m->failing = failed;
    pthread_mutex_unlock(&m->rounds);
}

/* Under the lock: when the next round is due, in milliseconds from now. */
static int64_t pause_ms(const struct members *m)
{
    int64_t now = now_ms(m);
    bool hurried = m->hurry || m->answering == ANNOUNCED || !m->joined;
    int64_t pause = lease_ms(m) / (hurried ? HURRIED : RENEWALS);

    for (size_t i = 0; i < m->n_peers; i++) {
        int64_t left = m->peers[i].since_ms + lease_ms(m) - now;

        if (left > 0 && left < pause)
            pause = left;
    }
    return pause > 0 ? pause : 1;
}

static void *run(void *arg)
{
    struct members *m = arg;

    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        struct timespec until = clock_mono_in(pause_ms(m));
        bool hurry = m->hurry;

        while (!m->stop && m->hurry == hurry &&
               pthread_cond_timedwait(&m->wake, &m->lock, &until) != ETIMEDOUT)
            ;
        if (m->stop)
            break;
        if (m->hurry && !hurry)
            continue; /* sooner than was thought */
        m->hurry = false;
        pthread_mutex_unlock(&m->lock);
        members_round(m);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ---- life */

struct members *members_new(struct meta *meta, const struct members_options *o)
{
    struct members *m = NEW(struct members);

    m->meta = o->line ? o->line : meta;
    m->o = *o;
    m->alone = !meta_is_shared(meta);
    m->started_ms = clock_wall_ms();
    uuid_make(&m->id);
    pthread_mutex_init(&m->rounds, NULL);
    pthread_mutex_init(&m->lock, NULL);
    thread_cond_init(&m->changed);
    thread_cond_init(&m->wake);
    if (m->alone) {
        m->until_ms = INT64_MAX;
        atomic_store(&m->answer_until_ms, INT64_MAX);
        atomic_store(&m->turn, 1);
        m->joined = true;
    }
    return m;
}

void members_listen(struct members *m, const struct members_listener *l)
{
    if (m->n_listeners == LISTENERS_MAX)
        abort(); /* a mistake of this program */
    m->listeners[m->n_listeners++] = *l;
}

static enum err_code first_round(struct members *m, struct err *e)
{
    enum err_code code = try_round(m, e);

    for (int i = 1; i < START_TRIES && code == ERR_UNAVAILABLE; i++)
        code = try_round(m, e);
    return code;
}

enum err_code members_start(struct members *m, struct err *e)
{
    enum err_code code = ERR_OK;
    int error = 0;

    if (m->alone)
        return ERR_OK;
    pthread_mutex_lock(&m->rounds);
    if (!m->running) {
        for (size_t i = 0; i < m->n_listeners; i++) {
            if (m->listeners[i].joining)
                m->listeners[i].joining(m->listeners[i].ctx);
        }
        code = first_round(m, e);
        if (code == ERR_OK && !m->o.by_hand)
            error = thread_start(&m->thread, "members", THREAD_STACK_USUAL, run, m);
        m->running = code == ERR_OK && error == 0;
    }
    pthread_mutex_unlock(&m->rounds);
    return error ? err_set(e, ERR_INTERNAL, "start the thread of members: %s", strerror(error))
                 : code;
}

static void leave(struct members *m)
{
    struct meta_op op = meta_op_record_delete(COLLECTION, str_of(m->id.text), META_ANY);

    pthread_mutex_lock(&m->lock);
    m->until_ms = 0;
    fall_silent(m);
    pthread_mutex_unlock(&m->lock);
    (void)!meta_commit(m->meta, &op, 1, 0, NULL, ERR_IGNORED);
}

void members_stop(struct members *m)
{
    bool first;

    if (m->alone)
        return;
    pthread_mutex_lock(&m->lock);
    first = !m->stop;
    m->stop = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    if (first && m->running && !m->o.by_hand)
        pthread_join(m->thread, NULL);
    if (first && m->version != META_ABSENT)
        leave(m);
}

void members_free(struct members *m)
{
    if (!m)
        return;
    members_stop(m);
    pthread_cond_destroy(&m->wake);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->rounds);
    free(m->written);
    meta_free(m->o.line);
    free(m);
}

/* ---- membership */

struct uuid members_id(struct members *m)
{
    struct uuid id;

    pthread_mutex_lock(&m->lock);
    id = m->id;
    pthread_mutex_unlock(&m->lock);
    return id;
}

bool members_may_act(struct members *m, const struct uuid *id)
{
    int64_t until_ms;
    bool own;

    pthread_mutex_lock(&m->lock);
    own = same_id(&m->id, id);
    until_ms = m->until_ms;
    pthread_mutex_unlock(&m->lock);
    return own && (until_ms == INT64_MAX || now_ms(m) < until_ms);
}

/* An id is never used again, and its row is there before it does anything. */
enum err_code members_is_gone(struct members *m, const struct uuid *id, bool *ret_gone,
                              struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code;
    bool known;

    pthread_mutex_lock(&m->lock);
    known = same_id(&m->id, id) || peer_of(m, id);
    pthread_mutex_unlock(&m->lock);
    *ret_gone = !known;
    if (known || m->alone)
        return ERR_OK;
    code = meta_record_get(m->meta, COLLECTION, str_of(id->text), &r, e);
    *ret_gone = code == ERR_NOT_FOUND;
    return *ret_gone ? ERR_OK : code;
}

bool members_fence(const struct members *m, const struct uuid *id, struct meta_op *ret_op)
{
    if (m->alone)
        return false;
    *ret_op = meta_op_record_check(COLLECTION, str_of(id->text));
    return true;
}

/* ---- answering from memory, as others see it */

bool members_may_answer(const struct members *m)
{
    int64_t until_ms = atomic_load_explicit(&m->answer_until_ms, memory_order_acquire);

    return until_ms == INT64_MAX || (until_ms > 0 && now_ms(m) < until_ms);
}

uint64_t members_turn(const struct members *m)
{
    return atomic_load(&m->turn);
}

static void wake(struct members *m)
{
    m->hurry = true;
    pthread_cond_signal(&m->wake);
}

void members_set_reachable(struct members *m, bool reachable)
{
    pthread_mutex_lock(&m->lock);
    if (m->reachable != reachable)
        wake(m);
    m->reachable = reachable;
    pthread_mutex_unlock(&m->lock);
}

/* Between two ids it has not seen yet whom it would have to ask. */
enum err_code members_write_begin(struct members *m, struct members_write *ret_write, struct err *e)
{
    struct timespec until = clock_mono_in(2 * lease_ms(m));
    bool joined;

    if (!m->running)
        TRY(members_start(m, e));
    pthread_mutex_lock(&m->lock);
    while (!m->joined && pthread_cond_timedwait(&m->changed, &m->lock, &until) != ETIMEDOUT)
        ;
    joined = m->joined;
    if (joined) {
        *ret_write =
            (struct members_write){.number = ++m->n_writes, .id = m->id, .previous = m->newest};
        *(m->newest ? &m->newest->next : &m->oldest) = ret_write;
        m->newest = ret_write;
    }
    pthread_mutex_unlock(&m->lock);
    return joined ? ERR_OK
                  : err_set(e, ERR_UNAVAILABLE, "the database does not know this process yet");
}

void members_write_end(struct members *m, struct members_write *w)
{
    bool waited_for = false;

    pthread_mutex_lock(&m->lock);
    *(w->previous ? &w->previous->next : &m->oldest) = w->next;
    *(w->next ? &w->next->previous : &m->newest) = w->previous;
    for (size_t i = 0; i < m->n_peers; i++)
        waited_for |= m->peers[i].known != m->peers[i].noted;
    if (waited_for)
        wake(m);
    pthread_mutex_unlock(&m->lock);
}

uint64_t members_lowest_write(struct members *m)
{
    uint64_t lowest;

    pthread_mutex_lock(&m->lock);
    lowest = lowest_write(m);
    pthread_mutex_unlock(&m->lock);
    return lowest;
}

/* Alone, it has the guards of its own caches; with others, its own silence counts as theirs. */
static enum members_asking asking(const struct members *m)
{
    if (all_silent(m) || (m->n_peers == 0 && m->distrusts == 0))
        return MEMBERS_NONE;
    return all_reach_each_other(m) ? MEMBERS_ASK : MEMBERS_WAIT;
}

enum members_asking members_to_ask(struct members *m, struct uuid ret_ids[static MEMBERS_MAX],
                                   size_t *ret_n)
{
    enum members_asking answer;

    *ret_n = 0;
    pthread_mutex_lock(&m->lock);
    answer = asking(m);
    for (size_t i = 0; i < m->n_peers; i++) {
        if (m->peers[i].said.answers)
            ret_ids[(*ret_n)++] = m->peers[i].id;
    }
    pthread_mutex_unlock(&m->lock);
    return answer;
}

void members_distrust(struct members *m, uint64_t ms)
{
    int64_t until_ms = now_ms(m) + (int64_t)ms;

    if (m->alone)
        return;
    pthread_mutex_lock(&m->lock);
    m->distrusts++;
    if (until_ms > m->distrusts_until_ms)
        m->distrusts_until_ms = until_ms;
    wake(m);
    pthread_mutex_unlock(&m->lock);
}

bool members_epoch(const struct members *m, uint64_t *ret_epoch)
{
    *ret_epoch = atomic_load(&m->epoch);
    return members_may_answer(m);
}

uint64_t members_look(struct members *m)
{
    uint64_t look;

    pthread_mutex_lock(&m->lock);
    look = m->look;
    pthread_mutex_unlock(&m->lock);
    return look;
}

bool members_is_listed(struct members *m, const struct uuid *id)
{
    bool listed;

    pthread_mutex_lock(&m->lock);
    listed = peer_of(m, id) != NULL;
    pthread_mutex_unlock(&m->lock);
    return listed;
}

bool members_is_alone(struct members *m)
{
    bool alone;

    pthread_mutex_lock(&m->lock);
    alone = m->n_peers == 0;
    pthread_mutex_unlock(&m->lock);
    return alone;
}

void members_hurry(struct members *m)
{
    pthread_mutex_lock(&m->lock);
    wake(m);
    pthread_mutex_unlock(&m->lock);
}
