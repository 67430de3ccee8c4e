#include "notify/notify.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/event_log.h"
#include "jobs/jobs.h"
#include "notify/dead_letter.h"
#include "notify/delivery.h"
#include "notify/progress.h"
#include "notify/target_sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JOB       "notify"
#define AGAIN_JOB "notify.again" /* of a target that failed */
#define LOOK_JOB  "notify.look"

#define AT_ONCE   2   /* targets that are told; others of the jobs' threads stay free, ... */
#define AGAIN     1   /* ... and these have one: those that hang wait for each other */
#define REST_MS   100 /* between two looks: what comes meanwhile goes together */
#define WAIT_MS   1000
#define RETRY_MS  5000
#define BROKEN_MS 60000 /* then a record that can't be read is read again */

struct seat { /* what the look knows of a target, lately */
    uint64_t cursor;
    int64_t next_ms;
};

struct notify {
    struct registry *registry;
    struct target *targets;
    struct seat *seats; /* of the look's thread */
    size_t n;
    uint64_t looked; /* the last event, when all were looked at; likewise */
    struct uuid instance;
    char address[300];
    struct format_source source;
};

static void name_source(struct notify *n, const struct conf *c)
{
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    uuid_make(&n->instance);
    snprintf(n->address, sizeof(n->address), "%s", host[0] ? host : "registry");
    n->source = (struct format_source){.uri = "/registry",
                                       .scheme = c->http.tls.certificate[0] ? "https" : "http",
                                       .address = n->address,
                                       .instance = n->instance.text};
}

/* A record that can't be read keeps nothing; the look says so. */
static enum err_code slowest(void *ctx, uint64_t *ret_read, struct err *e)
{
    struct notify *n = ctx;
    uint64_t read = UINT64_MAX;
    struct progress p;

    for (size_t i = 0; i < n->n; i++) {
        enum err_code code = progress_read(n->registry->meta, n->targets[i].key, &p, e);

        if (code == ERR_OK && p.cursor < read)
            read = p.cursor;
        if (code != ERR_OK && code != ERR_NOT_FOUND && code != ERR_CORRUPT)
            return code;
    }
    *ret_read = read;
    return ERR_OK;
}

struct notify *notify_new(struct registry *r, const struct conf *c)
{
    size_t n = c->webhooks.n + c->mail.rules.n;
    struct notify *nt;

    if (n == 0)
        return NULL;
    nt = NEW(struct notify);
    nt->registry = r;
    nt->targets = mem_zero(n * sizeof(*nt->targets));
    nt->seats = mem_zero(n * sizeof(*nt->seats));
    for (size_t i = 0; i < c->webhooks.n; i++)
        target_of_webhook(&c->webhooks.items[i], &nt->targets[nt->n++]);
    for (size_t i = 0; i < c->mail.rules.n; i++)
        target_of_mail(&c->mail, &c->mail.rules.items[i], &nt->targets[nt->n++]);
    name_source(nt, c);
    event_log_keep_for(r->events, slowest, nt);
    return nt;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    free(n->targets);
    free(n->seats);
    free(n);
}

size_t notify_targets(const struct notify *n)
{
    return n ? n->n : 0;
}

const struct target *notify_target(const struct notify *n, size_t i)
{
    return &n->targets[i];
}

const struct target *notify_find(const struct notify *n, struct str key)
{
    for (size_t i = 0; i < notify_targets(n); i++) {
        if (str_eq(str_of(n->targets[i].key), key))
            return &n->targets[i];
    }
    return NULL;
}

/* ---- jobs */

static enum err_code deliver_to(struct notify *n, struct job *job, bool again, struct err *e)
{
    const struct delivery d = {.registry = n->registry,
                               .target = notify_find(n, job_key(job)),
                               .source = &n->source,
                               .job = job,
                               .again = again};

    if (!d.target)
        return ERR_OK; /* it is not configured any more */
    return delivery_run(&d, e);
}

static enum err_code deliver(void *ctx, struct job *job, struct err *e)
{
    return deliver_to(ctx, job, false, e);
}

static enum err_code deliver_again(void *ctx, struct job *job, struct err *e)
{
    return deliver_to(ctx, job, true, e);
}

/* Is there something to tell it, as far as this process knows? */
static bool may_be_due(const struct seat *s, uint64_t last)
{
    return s->cursor < last && clock_wall_ms() >= s->next_ms;
}

/* It holds up no other. A person has to look at it, and is told so now and then. */
static void pass_over(struct notify *n, size_t i, const struct err *e)
{
    log_err(LOG_ERROR, "a webhook or a rule of mail can't be told of events", e);
    n->seats[i].next_ms = clock_wall_ms() + BROKEN_MS;
}

static enum err_code look_at(struct notify *n, size_t i, uint64_t last, struct err *e)
{
    struct jobs *jobs = n->registry->jobs;
    const char *key = n->targets[i].key;
    enum err_code code;
    struct progress p;
    struct meta_op op;

    if (!may_be_due(&n->seats[i], last))
        return ERR_OK;
    code = progress_read(n->registry->meta, key, &p, e);
    if (code == ERR_CORRUPT) {
        pass_over(n, i, e);
        return ERR_OK;
    }
    TRY(code);
    n->seats[i] = (struct seat){.cursor = p.cursor, .next_ms = p.next_ms};
    if (!may_be_due(&n->seats[i], last))
        return ERR_OK;
    op = jobs_add_op(jobs, p.failures > 0 ? AGAIN_JOB : JOB, str_of(key));
    TRY(meta_commit(n->registry->meta, &op, 1, META_LAZY, NULL, e));
    jobs_wake(jobs);
    return ERR_OK;
}

/* The log may have grown by other processes: then the wait ends without a word, and it is asked. */
static enum err_code look(void *ctx, struct job *job, struct err *e)
{
    struct notify *n = ctx;
    uint64_t first, last;

    (void)job;
    event_log_wait(n->registry->events, n->looked, WAIT_MS);
    TRY(event_log_bounds(n->registry->meta, &first, &last, e));
    for (size_t i = 0; i < n->n; i++)
        TRY(look_at(n, i, last, e));
    n->looked = last;
    return ERR_OK;
}

static int64_t rest_ms(void *ctx)
{
    (void)ctx;
    return REST_MS;
}

enum err_code notify_start(struct notify *n, struct err *e)
{
    const struct job_kind deliveries = {.name = JOB,
                                        .run = deliver,
                                        .ctx = n,
                                        .retry_ms = RETRY_MS,
                                        .priority = 2,
                                        .at_once = AT_ONCE};
    const struct job_kind again = {.name = AGAIN_JOB,
                                   .run = deliver_again,
                                   .ctx = n,
                                   .retry_ms = RETRY_MS,
                                   .priority = 2,
                                   .at_once = AGAIN};
    const struct job_kind looks = {.name = LOOK_JOB,
                                   .run = look,
                                   .ctx = n,
                                   .retry_ms = RETRY_MS,
                                   .every_ms = rest_ms,
                                   .own = true};
    uint64_t first, last;

    TRY(event_log_bounds(n->registry->meta, &first, &last, e));
    for (size_t i = 0; i < n->n; i++) {
        enum err_code code = progress_begin(n->registry->meta, n->targets[i].key, last, e);

        if (code != ERR_CORRUPT) /* of which the look tells */
            TRY(code);
    }
    jobs_kind_add(n->registry->jobs, &deliveries);
    jobs_kind_add(n->registry->jobs, &again);
    jobs_kind_add(n->registry->jobs, &looks);
    return ERR_OK;
}

/* ---- by hand */

static enum err_code send_once(struct notify *n, const struct target *t, const char *const *events,
                               size_t n_events, struct notify_sent *ret_sent, struct err *e)
{
    struct parcel p = {.status = 0};
    struct sender *s;
    bool can_tell = false;

    TRY(sender_new(t, &n->source, &s, e));
    for (size_t i = 0; i < n_events && !can_tell; i++) {
        notice_done(&p.notice);
        can_tell = notice_read(str_of(events[i]), &p.notice, ERR_IGNORED) == ERR_OK &&
                   sender_can_tell(s, &p.notice);
    }
    if (can_tell)
        sender_send(s, &p);
    else
        snprintf(p.why, sizeof(p.why), "nobody would get it");
    sender_free(s);
    notice_done(&p.notice);
    *ret_sent = (struct notify_sent){.delivered = can_tell && p.result == SENDER_DELIVERED,
                                     .status = p.status,
                                     .took_ms = p.took_ms};
    snprintf(ret_sent->why, sizeof(ret_sent->why), "%s", p.why);
    return ERR_OK;
}

enum err_code notify_test(struct notify *n, const struct target *t, struct notify_sent *ret_sent,
                          struct err *e)
{
    char time[CLOCK_RFC3339_SIZE], test[512], push[512];
    const char *const events[] = {test, push};
    struct uuid id;

    uuid_make(&id);
    clock_rfc3339(clock_wall_ms(), time);
    snprintf(test, sizeof(test), "{\"id\":\"%s\",\"event\":\"webhook.test\",\"time\":\"%s\"}",
             id.text, time);
    snprintf(push, sizeof(push),
             "{\"id\":\"%s\",\"event\":\"manifest.pushed\",\"time\":\"%s\",\"repository\":"
             "\"webhook/test\",\"tags\":[\"test\"]}",
             id.text, time);
    return send_once(n, t, events, 2, ret_sent, e);
}

enum err_code notify_redeliver(struct notify *n, const struct target *t, uint64_t seq,
                               struct notify_sent *ret_sent, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    AUTO(json) json_t *letter = NULL;
    AUTO(mem) char *event = NULL;

    TRY(dead_letter_get(n->registry->meta, t->key, seq, &r, e));
    letter = json_loads(r.value, 0, NULL);
    event = json_dumps(json_object_get(letter, "event"), JSON_COMPACT);
    if (!event)
        return err_set(e, ERR_CORRUPT, "dead letter %llu has no event", (unsigned long long)seq);
    TRY(send_once(n, t, (const char *const[]){event}, 1, ret_sent, e));
    return ret_sent->delivered ? dead_letter_remove(n->registry->meta, t->key, seq, e) : ERR_OK;
}
