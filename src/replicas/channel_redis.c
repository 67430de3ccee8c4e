/*
 * channel/redis: see channel_redis.h.
 *
 * Two connections of its own, for who has subscribed may not publish on the same. The thread reads
 * from the one; who sends writes to the other, and reads away what replies have come meanwhile.
 * Every so often the thread sends an empty message to a channel that it alone has subscribed to,
 * and expects it back: so a server that stands still, a connection that nobody has cut off but that
 * carries nothing, and a user without the right to publish are all noticed in the same way.
 */
#include "replicas/channel_redis.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>

#define PROBE_MS       300
#define LOOK_MS        100 /* at whether Redis is up for commands */
#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS  1000

struct channel_redis {
    struct channel channel;
    struct redis *redis;
    char name[CHANNEL_REDIS_NAME_MAX];
    char probe[CHANNEL_REDIS_NAME_MAX + UUID_TEXT + 2];
    struct channel_events events;
    pthread_t thread;
    bool started;
    /* Of the thread alone. */
    char server[REDIS_SERVER_SIZE]; /* that both connections lead to */
    int64_t probed_ms, retry_ms;
    bool echoed;           /* the last probe has come back */
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t stopped;
    bool stop, broken;     /* broken: of the second connection */
    struct redis_line *in; /* NULL: none; changed by the thread alone */
    struct redis_line *out;
};

/* Sending. */

/* Under the mutex. Replies to what was published are read away. Errors: UNAVAILABLE. */
static enum err_code drain(struct channel_redis *c, struct err *e)
{
    for (;;) {
        AUTO(redis_reply) struct redis_reply reply = {0};
        enum err_code code = redis_line_next(c->out, 0, &reply, e);

        if (code == ERR_LATER)
            return ERR_OK;
        TRY(code);
        if (reply.r->type == REDIS_REPLY_ERROR)
            return err_set(e, ERR_UNAVAILABLE, "%.200s", reply.r->str);
    }
}

/* What does not fit into the socket at once is lost, with the connection. */
static void publish(struct channel_redis *c, const char *channel, struct str message)
{
    const struct str words[] = {STR("PUBLISH"), str_of(channel), message};

    pthread_mutex_lock(&c->mutex);
    if (c->out && !c->broken) {
        c->broken = drain(c, ERR_IGNORED) != ERR_OK ||
                    redis_line_send(c->out, words, 3, 0, ERR_IGNORED) != ERR_OK;
        if (c->broken && c->in)
            redis_line_cut(c->in); /* wakes the thread */
    }
    pthread_mutex_unlock(&c->mutex);
}

static void redis_send(struct channel *base, struct str message)
{
    struct channel_redis *c = (struct channel_redis *)base;

    if (message.n > 0)
        publish(c, c->name, message);
}

/* Connecting. */

static void disconnect(struct channel_redis *c)
{
    struct redis_line *in, *out;

    pthread_mutex_lock(&c->mutex);
    in = STEAL(c->in);
    out = STEAL(c->out);
    pthread_mutex_unlock(&c->mutex);
    redis_line_close(in);
    redis_line_close(out);
}

/* Each channel is confirmed by a reply of its own. */
static enum err_code subscribe(struct channel_redis *c, struct redis_line *in, struct err *e)
{
    const struct str words[] = {STR("SUBSCRIBE"), str_of(c->name), str_of(c->probe)};
    int64_t deadline_ms = clock_mono_ms() + redis_timeout_ms(c->redis);

    TRY(redis_line_send(in, words, 3, deadline_ms, e));
    for (int i = 0; i < 2; i++) {
        AUTO(redis_reply) struct redis_reply reply = {0};

        TRY(redis_line_next(in, deadline_ms, &reply, e));
        if (!str_eq(redis_reply_str(redis_reply_at(reply.r, 0)), STR("subscribe")))
            return err_set(e, ERR_UNAVAILABLE, "Redis %s: no subscription", redis_line_name(in));
    }
    return ERR_OK;
}

static bool up_for_commands(const struct channel_redis *c)
{
    char server[REDIS_SERVER_SIZE];

    return redis_up(c->redis, server) && strcmp(server, c->server) == 0;
}

static bool connect_both(struct channel_redis *c)
{
    AUTO(redis_line) struct redis_line *in = NULL;
    AUTO(redis_line) struct redis_line *out = NULL;
    char other[REDIS_SERVER_SIZE];
    struct err e;

    if (redis_open_line(c->redis, &in, c->server, &e) != ERR_OK ||
        redis_open_line(c->redis, &out, other, &e) != ERR_OK || strcmp(c->server, other) != 0 ||
        !up_for_commands(c) || subscribe(c, in, &e) != ERR_OK)
        return false;
    pthread_mutex_lock(&c->mutex);
    c->in = STEAL(in);
    c->out = STEAL(out);
    c->broken = false;
    pthread_mutex_unlock(&c->mutex);
    return true;
}

/* Listening. */

/* False: the last one has not come back, and should have. */
static bool probe(struct channel_redis *c)
{
    int64_t now = clock_mono_ms();

    if (now - c->probed_ms >= redis_timeout_ms(c->redis) && !c->echoed)
        return false;
    if (now - c->probed_ms < PROBE_MS || !c->echoed)
        return true;
    c->probed_ms = now;
    c->echoed = false;
    publish(c, c->probe, STR_NONE);
    return true;
}

static void take(struct channel_redis *c, const redisReply *r, bool *up)
{
    struct str channel = redis_reply_str(redis_reply_at(r, 1));
    struct str message = redis_reply_str(redis_reply_at(r, 2));

    if (str_eq(channel, str_of(c->probe))) {
        c->echoed = true;
        if (!*up)
            c->events.on_state(c->events.ctx, true);
        *up = true;
        c->retry_ms = RETRY_FIRST_MS;
    } else if (str_eq(channel, str_of(c->name)) && message.n > 0) {
        c->events.on_message(c->events.ctx, message);
    }
}

static bool told_to_stop(struct channel_redis *c)
{
    bool stop;

    pthread_mutex_lock(&c->mutex);
    stop = c->stop;
    pthread_mutex_unlock(&c->mutex);
    return stop;
}

/* Until something is wrong with it. It is up when the first probe has come back. */
static void listen_to(struct channel_redis *c)
{
    bool up = false;

    c->echoed = true;
    c->probed_ms = clock_mono_ms() - PROBE_MS;
    while (!told_to_stop(c) && probe(c) && up_for_commands(c)) {
        AUTO(redis_reply) struct redis_reply reply = {0};
        enum err_code code = redis_line_next(c->in, clock_mono_ms() + LOOK_MS, &reply, ERR_IGNORED);

        if (code == ERR_OK)
            take(c, reply.r, &up);
        else if (code != ERR_LATER)
            break;
    }
    if (up)
        c->events.on_state(c->events.ctx, false);
}

/* False: it is to stop. */
static bool wait_to_retry(struct channel_redis *c)
{
    struct timespec until = clock_mono_in(c->retry_ms);
    bool stop;

    c->retry_ms = c->retry_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : c->retry_ms * 2;
    pthread_mutex_lock(&c->mutex);
    while (!c->stop && pthread_cond_timedwait(&c->stopped, &c->mutex, &until) == 0)
        ;
    stop = c->stop;
    pthread_mutex_unlock(&c->mutex);
    return !stop;
}

static void *run(void *arg)
{
    struct channel_redis *c = arg;

    do {
        if (connect_both(c))
            listen_to(c);
        disconnect(c);
    } while (wait_to_retry(c));
    return NULL;
}

static enum err_code redis_start(struct channel *base, const struct channel_events *events,
                                 struct err *e)
{
    struct channel_redis *c = (struct channel_redis *)base;

    c->events = *events;
    if (thread_start(&c->thread, "channel", THREAD_STACK_USUAL, run, c) != 0)
        return err_set(e, ERR_INTERNAL, "no thread for the channel");
    c->started = true;
    return ERR_OK;
}

static void redis_stop(struct channel *base)
{
    struct channel_redis *c = (struct channel_redis *)base;

    if (!c->started)
        return;
    pthread_mutex_lock(&c->mutex);
    c->stop = true;
    if (c->in)
        redis_line_cut(c->in);
    pthread_cond_signal(&c->stopped);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->thread, NULL);
    c->started = false;
}

static void redis_channel_free(struct channel *base)
{
    struct channel_redis *c = (struct channel_redis *)base;

    pthread_cond_destroy(&c->stopped);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

static const struct channel_driver redis_driver = {
    .name = "redis",
    .start = redis_start,
    .send = redis_send,
    .stop = redis_stop,
    .free = redis_channel_free,
};

enum err_code channel_redis_new(struct redis *redis, const char *name, struct channel **ret_channel,
                                struct err *e)
{
    struct channel_redis *c;
    struct uuid own;

    if (strlen(name) >= CHANNEL_REDIS_NAME_MAX)
        return err_set(e, ERR_INTERNAL, "the name of a channel is too long");
    c = NEW(struct channel_redis);
    c->channel.driver = &redis_driver;
    c->redis = redis;
    c->retry_ms = RETRY_FIRST_MS;
    uuid_make(&own);
    snprintf(c->name, sizeof(c->name), "%s", name);
    snprintf(c->probe, sizeof(c->probe), "%s:%s", name, own.text);
    pthread_mutex_init(&c->mutex, NULL);
    thread_cond_init(&c->stopped);
    *ret_channel = &c->channel;
    return ERR_OK;
}
