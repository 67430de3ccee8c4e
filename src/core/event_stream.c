#include "core/event_stream.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/thread.h"
#include "base/ticker.h"
#include "core/event_log.h"
#include "core/outbox.h"

#include <pthread.h>
#include <stdlib.h>

#define PAGE       64
#define ROOM       (512u << 10) /* of what a client has not read */
#define FRAME_MAX  (OUTBOX_EVENT_MAX + 512)
#define IDLE_MS    250 /* how often to look whether streams came or went */
#define LAG_MS     20  /* the same while one waits for its reader */
#define WHO_MAX    159
#define QUIET_MS   15000         /* then a word that it is still there */
#define LONGEST_MS (3600 * 1000) /* then who reads asks again, and is asked who they are */

struct stream {
    struct stream *next;
    struct ticker *ticker;
    struct event_stream_wish wish;
    uint64_t after, end; /* what was read; with to_end, what is read last */
    int64_t told_ms, opened_ms;
};

struct event_streams {
    struct registry *r;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct stream *fresh; /* that the thread has not taken yet */
    size_t n;             /* all */
    pthread_t thread;
    bool runs, stop, hushed;
};

enum served { CAUGHT_UP, HAS_MORE, LAGS /* it waits for its reader, or for the database */ };

/* What all streams that are at one place share. */
struct page {
    uint64_t after;
    bool read;
    struct event_list list;
    struct {
        char event[64];
        struct repo_name repo; /* n is 0: it is of none */
        char who[WHO_MAX + 1]; /* "": it does not say */
        char *plain;           /* without that; NULL: nobody has asked for it so far */
    } about[PAGE];
};

/* ---- a stream; the thread's */

static void free_stream(struct stream *s)
{
    ticker_free(s->ticker);
    if (s->wish.free_ctx)
        s->wish.free_ctx(s->wish.ctx);
    free(s);
}

/* False: there is no room. */
static bool add(struct stream *s, const struct buf *frame)
{
    if (ticker_room(s->ticker) < frame->n)
        return false;
    ticker_add(s->ticker, buf_str(frame));
    s->told_ms = clock_mono_ms();
    return true;
}

static bool is_asked_for(const struct event_stream_wish *w, const char *event)
{
    struct str rest = str_of(w->events), pattern;
    bool more;

    if (rest.n == 0)
        return true;
    do {
        more = str_cut(&rest, ',', &pattern);
        if (pattern_matches(pattern, str_of(event)))
            return true;
    } while (more);
    return false;
}

static bool is_told(const struct stream *s, const char *event, const struct repo_name *repo)
{
    const struct event_stream_wish *w = &s->wish;

    if (w->repository[0] &&
        (repo->n == 0 || !pattern_matches(str_of(w->repository), repo_name_str(repo))))
        return false;
    return is_asked_for(w, event) && w->sees(w->ctx, repo->n > 0 ? repo : NULL);
}

static bool tell_lost(struct stream *s, uint64_t to)
{
    AUTO(buf) struct buf frame = {0};

    buf_init(&frame, FRAME_MAX);
    buf_addf(&frame, "id: %llu\nevent: events.lost\ndata: {\"from\":%llu,\"to\":%llu}\n\n",
             (unsigned long long)to, (unsigned long long)s->after + 1, (unsigned long long)to);
    return add(s, &frame);
}

/* What it says of who did it, which is not for everybody who may pull. */
static char *without_who(const char *json)
{
    static const char *const members[] = {"actor", "user",       "address", "request_id",
                                          "host",  "user_agent", "original"};
    AUTO(json) json_t *j = json_loads(json, 0, NULL);

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        json_object_del(j, members[i]);
    return json_dumps(j, JSON_COMPACT);
}

static const char *text_for(const struct stream *s, struct page *p, size_t i)
{
    if (!s->wish.knows || s->wish.knows(s->wish.ctx, p->about[i].who))
        return p->list.rows[i].json;
    if (!p->about[i].plain)
        p->about[i].plain = without_who(p->list.rows[i].json);
    return p->about[i].plain ? p->about[i].plain : "{}";
}

static bool tell(struct stream *s, struct page *p, size_t i)
{
    AUTO(buf) struct buf frame = {0};

    buf_init(&frame, FRAME_MAX);
    buf_addf(&frame, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)p->list.rows[i].seq,
             p->about[i].event, text_for(s, p, i));
    return add(s, &frame);
}

/* Where it is, so that who comes back need not go through what was not for them. */
static void tell_quiet(struct stream *s)
{
    AUTO(buf) struct buf frame = {0};

    if (clock_mono_ms() - s->told_ms < QUIET_MS)
        return;
    buf_init(&frame, FRAME_MAX);
    buf_addf(&frame, ": still there\nid: %llu\n\n", (unsigned long long)s->after);
    (void)add(s, &frame);
}

/* ---- pages of the log */

static void page_done(struct page *p)
{
    for (size_t i = 0; p->read && i < p->list.n; i++)
        free(STEAL(p->about[i].plain));
    if (p->read)
        event_list_done(&p->list);
    p->read = false;
}

static void look_into(struct page *p, size_t i)
{
    AUTO(json) json_t *j = json_loads(p->list.rows[i].json, 0, NULL);
    const char *event = json_string_value(json_object_get(j, "event"));
    const char *repo = json_string_value(json_object_get(j, "repository"));
    const char *actor = json_string_value(json_object_get(j, "actor"));
    const char *who = actor ? actor : json_string_value(json_object_get(j, "user"));

    p->about[i].event[0] = '\0';
    p->about[i].repo.n = 0;
    p->about[i].who[0] = '\0';
    p->about[i].plain = NULL;
    if (who)
        (void)!str_copy(str_of(who), p->about[i].who, sizeof(p->about[i].who));
    if (event)
        (void)!str_copy(str_of(event), p->about[i].event, sizeof(p->about[i].event));
    if (repo && repo_name_parse(str_of(repo), &p->about[i].repo, ERR_IGNORED) != ERR_OK)
        p->about[i].event[0] = '\0'; /* of what is no repository nobody is told */
}

static bool page_at(struct page *p, struct registry *r, uint64_t after)
{
    if (p->read && p->after == after)
        return true;
    page_done(p);
    p->after = after;
    p->read = event_log_read(r->meta, after, PAGE, &p->list, ERR_IGNORED) == ERR_OK;
    for (size_t i = 0; p->read && i < p->list.n; i++)
        look_into(p, i);
    return p->read;
}

/* False: there is more that has no room now. */
static bool give_page(struct stream *s, struct page *p)
{
    if (p->list.rows[0].seq > s->after + 1) {
        if (!tell_lost(s, p->list.rows[0].seq - 1))
            return false;
        s->after = p->list.rows[0].seq - 1;
    }
    for (size_t i = 0; i < p->list.n && s->after < s->end; i++) {
        if (p->about[i].event[0] && is_told(s, p->about[i].event, &p->about[i].repo) &&
            !tell(s, p, i))
            return false;
        s->after = p->list.rows[i].seq;
    }
    return true;
}

/* A page at most: others wait. */
static enum served serve(struct event_streams *all, struct stream *s, struct page *p)
{
    bool more = s->after < s->end && event_log_wait(all->r->events, s->after, 0);

    if (more && !page_at(p, all->r, s->after))
        return LAGS;
    more = more && p->list.n > 0;
    if (more && !give_page(s, p))
        return LAGS;
    if (s->after >= s->end || clock_mono_ms() - s->opened_ms > LONGEST_MS)
        ticker_end(s->ticker);
    else if (more)
        return HAS_MORE;
    else
        tell_quiet(s);
    return CAUGHT_UP;
}

/* ---- the thread */

/* Those that came are taken, and those that were left, or have ended and were read, go. */
static void refresh(struct event_streams *all, struct stream **list)
{
    struct stream **last = list;

    for (struct stream *s; (s = *last);) {
        if (!ticker_is_left(s->ticker) && !all->stop) {
            last = &s->next;
            continue;
        }
        *last = s->next;
        all->n--;
        free_stream(s);
    }
    *last = all->fresh;
    all->fresh = NULL;
    for (struct stream *s = *list; all->hushed && s; s = s->next)
        ticker_end(s->ticker);
}

/* Is there more for one of them; else, does one lag? */
static enum served serve_all(struct event_streams *all, struct stream *list, uint64_t *ret_after)
{
    struct page page = {.read = false};
    bool of[] = {[CAUGHT_UP] = false, [HAS_MORE] = false, [LAGS] = false};

    *ret_after = UINT64_MAX;
    for (struct stream *s = list; s; s = s->next) {
        of[serve(all, s, &page)] = true;
        if (s->after < *ret_after)
            *ret_after = s->after;
    }
    page_done(&page);
    return of[HAS_MORE] ? HAS_MORE : of[LAGS] ? LAGS : CAUGHT_UP;
}

static void *streams_main(void *arg)
{
    struct event_streams *all = arg;
    struct stream *list = NULL;
    enum served served;
    uint64_t after;

    pthread_mutex_lock(&all->mutex);
    for (;;) {
        refresh(all, &list);
        if (all->stop && !list)
            break;
        if (!list) {
            pthread_cond_wait(&all->changed, &all->mutex);
            continue;
        }
        pthread_mutex_unlock(&all->mutex);
        served = serve_all(all, list, &after);
        if (served == CAUGHT_UP)
            (void)event_log_wait(all->r->events, after, IDLE_MS);
        pthread_mutex_lock(&all->mutex);
        if (served == LAGS || all->hushed) {
            struct timespec until = clock_mono_in(LAG_MS);

            pthread_cond_timedwait(&all->changed, &all->mutex, &until);
        }
    }
    pthread_mutex_unlock(&all->mutex);
    return NULL;
}

struct event_streams *event_streams_new(struct registry *r)
{
    struct event_streams *s = NEW(struct event_streams);

    s->r = r;
    pthread_mutex_init(&s->mutex, NULL);
    thread_cond_init(&s->changed);
    return s;
}

void event_streams_free(struct event_streams *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    if (s->runs)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void event_streams_hush(struct event_streams *s)
{
    pthread_mutex_lock(&s->mutex);
    s->hushed = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    event_log_hush(s->r->events);
}

/* ---- opening one */

static enum err_code check_room(struct event_streams *all, struct err *e)
{
    if (all->hushed)
        return err_set(e, ERR_UNAVAILABLE, "the server stops");
    if (all->n >= conf_u64(&all->r->options->events_streams))
        return err_tell(e, ERR_TOO_MANY_REQUESTS,
                        "too many follow the events (events.streams); try again later");
    if (!all->runs)
        all->runs =
            thread_start(&all->thread, "events", THREAD_STACK_USUAL, streams_main, all) == 0;
    return all->runs ? ERR_OK : err_set(e, ERR_UNAVAILABLE, "no thread for streams of events");
}

static enum err_code set_bounds(struct event_streams *all, struct stream *s, struct err *e)
{
    uint64_t first, last;

    TRY(event_log_bounds(all->r->meta, &first, &last, e));
    s->after = s->wish.after == EVENT_STREAM_NOW ? last : s->wish.after;
    if (s->wish.after == 0 && first > 0)
        s->after = first - 1; /* nothing is lost of what nobody has asked for */
    if (s->after > last)
        s->after = last; /* of another database, or a newer one */
    s->end = s->wish.to_end ? last : UINT64_MAX;
    return ERR_OK;
}

static enum err_code open_new(struct event_streams *all, struct stream *s,
                              struct reader **ret_reader, struct err *e)
{
    struct reader *reader;
    enum err_code code;

    TRY(set_bounds(all, s, e));
    TRY(ticker_new(ROOM, &s->ticker, &reader, e));
    ticker_add(s->ticker, STR("retry: 2000\n\n"));
    pthread_mutex_lock(&all->mutex);
    code = check_room(all, e);
    if (code == ERR_OK) {
        s->next = all->fresh;
        all->fresh = s;
        all->n++;
        pthread_cond_signal(&all->changed);
        event_log_poke(all->r->events);
    }
    pthread_mutex_unlock(&all->mutex);
    if (code != ERR_OK)
        reader_free(reader);
    else
        *ret_reader = reader;
    return code;
}

enum err_code event_stream_open(struct event_streams *all, const struct event_stream_wish *w,
                                struct reader **ret_reader, struct err *e)
{
    struct stream *s = NEW(struct stream);
    enum err_code code;

    s->wish = *w;
    s->opened_ms = s->told_ms = clock_mono_ms();
    code = open_new(all, s, ret_reader, e);
    if (code != ERR_OK)
        free_stream(s);
    return code;
}
