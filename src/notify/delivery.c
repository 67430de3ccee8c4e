#include "notify/delivery.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/event_log.h"
#include "notify/dead_letter.h"
#include "notify/filter.h"
#include "notify/progress.h"
#include "notify/target_sender.h"

#include <stdlib.h>

#define TURN_MS      15000 /* then it is another's turn */
#define PAGE_MS      5000  /* then how far it is is written, and a crash repeats no more */
#define WAIT_MS      200
#define PROBED       4  /* times that an event failed before another one is tried in its place */
#define PROBED_MUTE  9  /* the same where no answer came, and the other is of the same repository */
#define DEAD_AT_ONCE 16 /* dead letters in a transaction */

enum item_state {
    ITEM_WAITS,
    ITEM_SENT,
    ITEM_DONE,
    ITEM_DEAD,
};

struct item { /* an event of the page */
    const struct event *event;
    enum item_state state;
    uint64_t lane; /* of its repository: one after the other */
    int64_t time_ms;
    struct parcel parcel; /* once it is sent */
};

struct page {
    const struct delivery *d;
    struct progress *progress;
    struct sender *sender;
    struct item *items;
    size_t n;
    size_t first;        /* that is neither done nor dead */
    int64_t until_ms;    /* monotonic: then no more are sent */
    struct item *held;   /* failed before; while it is open nothing is sent but it, ... */
    struct item *probe;  /* ... or this, to see whether others pass; NULL: none is tried now */
    bool passed;         /* it did: the held one is tried once more */
    struct item *failed; /* the first that did; NULL: it is not down */
    bool cut;            /* it is not to go on: what was on its way is open again */
    uint64_t delivered, refused;
};

_Static_assert(EVENT_LOG_PAGE <= PROGRESS_AHEAD, "all of a page is remembered");

/* FNV-1a. Two that are one lane by chance only wait for each other. */
static uint64_t lane_of(const char *repository)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const char *p = repository; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return hash;
}

static bool is_open(const struct item *it)
{
    return it->state == ITEM_WAITS || it->state == ITEM_SENT;
}

/* ---- which of them are sent */

static void look_at(struct page *p, struct item *it)
{
    AUTO(notice) struct notice n = {0};

    it->state = ITEM_DONE;
    if (notice_read(str_of(it->event->json), &n, ERR_IGNORED) != ERR_OK)
        return; /* nobody can be told of what can't be read */
    if (progress_is_done(p->progress, it->event->seq))
        return;
    it->lane = lane_of(n.repository);
    it->time_ms = n.time_ms;
    if (!filter_wants(p->d->target->filter, n.event, n.repository) ||
        !sender_can_tell(p->sender, &n))
        return;
    it->state = ITEM_WAITS;
    if (p->progress->failures > 0 && p->progress->stuck == it->event->seq)
        p->held = it;
}

static bool waits_for_another(const struct page *p, const struct item *it)
{
    for (const struct item *o = p->items + p->first; o < it; o++) {
        if (is_open(o) && o->lane == it->lane)
            return true;
    }
    return false;
}

static void start_item(struct page *p, struct item *it)
{
    it->state = ITEM_DONE;
    if (notice_read(str_of(it->event->json), &it->parcel.notice, ERR_IGNORED) != ERR_OK)
        return; /* it was read before */
    it->state = ITEM_SENT;
    it->parcel.ctx = it;
    if (p->progress->failures > 0 && p->progress->stuck == it->event->seq)
        it->parcel.told |= p->progress->told;
    sender_start(p->sender, &it->parcel);
}

/* The only one that may be sent now; NULL: any may. */
static struct item *only_one(const struct page *p)
{
    if (p->probe)
        return p->probe;
    return p->held && is_open(p->held) ? p->held : NULL;
}

/* What has begun to find out about one event is not left for the time. */
static bool may_start(const struct page *p)
{
    return !p->failed && sender_has_room(p->sender) &&
           (only_one(p) || clock_mono_ms() < p->until_ms);
}

static void start_items(struct page *p)
{
    for (size_t i = p->first; i < p->n && may_start(p); i++) {
        struct item *it = &p->items[i], *only = only_one(p);

        if (it->state == ITEM_WAITS && (only ? it == only : !waits_for_another(p, it)))
            start_item(p, it);
    }
}

/* ---- is it one event that fails, or all? */

/*
 * An event that fails again and again may be the only one that does. So after some tries another
 * is sent in its place, at each try a different one. When that passes, and the first fails once
 * more right behind it, it is dead. The next event of the same repository is among those others,
 * but then there is no way back: once it has passed, what stands before it is dead.
 */
static bool may_be_probe(const struct page *p, const struct item *it)
{
    const struct item *held = p->held;

    if (it->state != ITEM_WAITS || it == held)
        return false;
    if (it->lane != held->lane)
        return !waits_for_another(p, it);
    return it > held && (held->parcel.status > 0 || p->progress->stuck_n >= PROBED_MUTE);
}

/* Of those of its own repository only the next. */
static size_t find_probes(struct page *p, struct item *ret[static EVENT_LOG_PAGE])
{
    struct item *next = NULL;
    size_t n = 0;

    for (size_t i = p->first; i < p->n; i++) {
        struct item *it = &p->items[i];

        if (!may_be_probe(p, it))
            continue;
        if (it->lane != p->held->lane)
            ret[n++] = it;
        else if (!next)
            next = it;
    }
    if (next)
        ret[n++] = next;
    return n;
}

/* False: there is none. */
static bool choose_probe(struct page *p)
{
    struct item *all[EVENT_LOG_PAGE];
    size_t n = find_probes(p, all);

    p->probe = n > 0 ? all[p->progress->stuck_n % n] : NULL;
    return p->probe != NULL;
}

/* ---- what becomes of them */

static void fail(struct page *p, struct item *it)
{
    if (!p->failed || it < p->failed)
        p->failed = it;
}

/* Of a mail's addresses; so the server is there. */
static bool only_some_take_it(const struct page *p, const struct item *it)
{
    return it->parcel.told != 0 && p->progress->stuck_n >= PROBED;
}

static void settle_down(struct page *p, struct item *it)
{
    it->state = ITEM_WAITS;
    if (it == p->probe) { /* none that passes was found: it is down for all */
        p->probe = NULL;
        fail(p, p->held);
    } else if (it == p->held && (p->passed || only_some_take_it(p, it))) {
        it->state = ITEM_DEAD;
    } else if (it != p->held || p->progress->stuck_n < PROBED || it->parcel.retry_after_s > 0 ||
               !choose_probe(p)) {
        fail(p, it);
    }
}

static void settle_probe(struct page *p, const struct item *it)
{
    p->probe = NULL;
    if (it->state == ITEM_DONE && it->lane == p->held->lane)
        p->held->state = ITEM_DEAD;
    else if (it->state == ITEM_DONE)
        p->passed = true;
    else if (!choose_probe(p))
        fail(p, p->held);
}

static void settle(struct page *p, struct item *it)
{
    if (it->parcel.result == SENDER_DOWN) {
        settle_down(p, it);
    } else {
        bool refused = it->parcel.result == SENDER_REFUSED;

        it->state = refused ? ITEM_DEAD : ITEM_DONE;
        p->refused += refused;
        p->delivered += !refused;
        if (it == p->probe)
            settle_probe(p, it);
    }
    notice_done(&it->parcel.notice);
}

static bool something_waits(const struct page *p)
{
    for (size_t i = p->first; i < p->n; i++) {
        if (p->items[i].state == ITEM_WAITS)
            return true;
    }
    return false;
}

/* Up to the first that is open. */
static void advance(struct page *p)
{
    while (p->first < p->n &&
           (p->items[p->first].state == ITEM_DONE || p->items[p->first].state == ITEM_DEAD))
        p->first++;
    if (p->first > 0)
        p->progress->cursor = p->items[p->first - 1].event->seq;
}

static bool goes_on(void *ctx)
{
    const struct job *job = ctx;

    return job_go_on(job_jobs(job), job);
}

/* The sender lets go of all that is the page's. */
static void cut(struct page *p)
{
    p->cut = true;
    sender_cut(p->sender);
    for (size_t i = p->first; i < p->n; i++) {
        if (p->items[i].state == ITEM_SENT)
            p->items[i].state = ITEM_WAITS;
    }
}

/* Until all of it has ended, the target is down, or it is time to end. */
static void send_page(struct page *p)
{
    for (;;) {
        struct parcel *x;
        bool go_on;

        advance(p);
        start_items(p);
        if (sender_is_idle(p->sender) && (!something_waits(p) || !may_start(p)))
            break;
        x = sender_next(p->sender, WAIT_MS);
        go_on = goes_on(p->d->job);
        if (x && (go_on || x->result != SENDER_DOWN)) /* else that may be why */
            settle(p, x->ctx);
        if (!go_on) {
            cut(p);
            break;
        }
    }
}

/* What came of the page, for the record. */
static void note(struct page *p)
{
    struct progress *g = p->progress;
    const struct parcel *x = p->failed ? &p->failed->parcel : NULL;
    bool failed_before = g->failures > 0;

    g->delivered += p->delivered;
    if (x) {
        if (p->delivered > 0 && g->stuck != p->failed->event->seq)
            g->failures = 0; /* it is there, and the waiting is for another event: it begins anew */
        progress_fail(g, p->failed->event->seq, clock_wall_ms(), x->status, x->why,
                      x->retry_after_s);
        g->told = x->told;
    } else if (p->delivered + p->refused > 0) {
        progress_succeed(g, p->delivered > 0 ? clock_wall_ms() : g->delivered_ms);
    }
    if (x && !failed_before)
        log_event(LOG_WARNING, "events can't be delivered; they wait",
                  LOG_TEXT("to", p->d->target->key), LOG_TEXT("why", x->why));
    else if (!x && failed_before && p->delivered > 0)
        log_event(LOG_INFO, "events are delivered again", LOG_TEXT("to", p->d->target->key));
}

/* What is done beyond the first that is open is not sent again. */
static void note_done(struct page *p)
{
    memset(p->progress->done, 0, sizeof(p->progress->done));
    for (size_t i = p->first; i < p->n; i++) {
        if (!is_open(&p->items[i]))
            progress_set_done(p->progress, p->items[i].event->seq);
    }
}

/* It is down: what has failed for so long, and is so old itself, is given up. */
static void give_up(struct page *p)
{
    int64_t limit_ms = clock_wall_ms() - (int64_t)p->d->target->retry_for_ms;

    if (p->progress->failing_ms > limit_ms)
        return;
    for (size_t i = p->first; i < p->n; i++) {
        struct item *it = &p->items[i];

        if (it->state != ITEM_WAITS || it->time_ms > limit_ms)
            continue;
        it->state = ITEM_DEAD;
        it->parcel.status = (int)p->progress->status;
        memcpy(it->parcel.why, p->progress->why, sizeof(it->parcel.why));
    }
    advance(p);
}

/* ---- writing what became of them */

static enum err_code put_dead(struct page *p, struct item *const *dead, size_t n, struct err *e)
{
    struct meta_op ops[DEAD_AT_ONCE + 1] = {job_check_op(p->d->job)};
    char keys[DEAD_AT_ONCE][DEAD_LETTER_KEY];
    char *texts[DEAD_AT_ONCE];
    enum err_code code;

    for (size_t i = 0; i < n; i++) {
        const struct dead_letter d = {.seq = dead[i]->event->seq,
                                      .at_ms = clock_wall_ms(),
                                      .status = dead[i]->parcel.status,
                                      .why = dead[i]->parcel.why,
                                      .event = dead[i]->event->json};

        ops[i + 1] = dead_letter_put(p->d->target->key, &d, keys[i], &texts[i]);
    }
    code = meta_commit(p->d->registry->meta, ops, n + 1, 0, NULL, e);
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    p->progress->dead += n;
    return code;
}

static enum err_code put_all_dead(struct page *p, struct err *e)
{
    struct item *dead[DEAD_AT_ONCE];
    size_t n = 0, all = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (p->items[i].state != ITEM_DEAD)
            continue;
        dead[n++] = &p->items[i];
        all++;
        if (n == DEAD_AT_ONCE) {
            TRY(put_dead(p, dead, n, e));
            n = 0;
        }
    }
    if (n > 0)
        TRY(put_dead(p, dead, n, e));
    if (all == 0)
        return ERR_OK;
    log_event(LOG_WARNING, "events became dead letters; see `registry webhook deliveries`",
              LOG_TEXT("to", p->d->target->key), LOG_U64("events", all));
    return dead_letter_trim(p->d->registry->meta, p->d->target->key, p->d->target->dead_letters, e);
}

/* What a power loss takes of it is told again. */
static enum err_code write_progress(const struct delivery *d, const struct progress *progress,
                                    struct err *e)
{
    AUTO(mem) char *text = NULL;
    struct meta_op ops[] = {job_check_op(d->job), progress_put(d->target->key, progress, &text)};

    return meta_commit(d->registry->meta, ops, 2, META_LAZY, NULL, e);
}

static void page_done(struct page *p)
{
    for (size_t i = 0; i < p->n; i++) { /* those that the stop cut off */
        notice_done(&p->items[i].parcel.notice);
        post_done(&p->items[i].parcel.post);
    }
    free(p->items);
}

static void page_init(struct page *p, const struct event_list *l)
{
    uint64_t before = l->rows[0].seq - 1;

    p->n = l->n;
    p->until_ms = clock_mono_ms() + PAGE_MS;
    p->items = mem_zero(p->n * sizeof(*p->items));
    for (size_t i = 0; i < p->n; i++) {
        p->items[i].event = &l->rows[i];
        look_at(p, &p->items[i]);
    }
    if (before > p->progress->cursor)
        p->progress->lost += before - p->progress->cursor;
    p->progress->cursor = before;
}

/* With *down nothing is sent, and what is too old goes. ERR_LATER: it was cut short. */
static enum err_code do_page(const struct delivery *d, struct sender *sender,
                             struct progress *progress, const struct event_list *l, bool *down,
                             struct err *e)
{
    struct page p = {.d = d, .progress = progress, .sender = sender};
    enum err_code code;

    page_init(&p, l);
    if (!*down) {
        send_page(&p);
        note(&p);
        *down = p.failed != NULL;
    }
    advance(&p);
    if (*down)
        give_up(&p);
    note_done(&p);
    code = put_all_dead(&p, e);
    if (code == ERR_OK)
        code = write_progress(d, progress, e);
    page_done(&p);
    return code == ERR_OK && p.cut ? err_set(e, ERR_LATER, "it is not to go on") : code;
}

static enum err_code run_pages(const struct delivery *d, struct sender *sender,
                               struct progress *progress, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + TURN_MS;
    bool down = false;

    while (goes_on(d->job) && clock_mono_ms() < until_ms) {
        AUTO(events) struct event_list l = {0};

        TRY(event_log_read(d->registry->meta, progress->cursor, EVENT_LOG_PAGE, &l, e));
        if (l.n == 0)
            return ERR_OK;
        TRY(do_page(d, sender, progress, &l, &down, e));
        if (down ? progress->cursor < l.rows[l.n - 1].seq : d->again && progress->failures == 0)
            return ERR_OK;
    }
    return ERR_LATER;
}

enum err_code delivery_run(const struct delivery *d, struct err *e)
{
    struct sender *sender;
    struct progress progress;
    enum err_code code;

    TRY(progress_read(d->registry->meta, d->target->key, &progress, e));
    if (d->again != (progress.failures > 0) || clock_wall_ms() < progress.next_ms)
        return ERR_OK;
    code = sender_new(d->target, d->source, &sender, e);
    if (code != ERR_OK) {
        progress_fail(&progress, 0, clock_wall_ms(), 0, e->detail, 0); /* no event did */
        return write_progress(d, &progress, e);
    }
    sender_ask(sender, goes_on, d->job);
    code = run_pages(d, sender, &progress, e);
    sender_free(sender);
    return code;
}
