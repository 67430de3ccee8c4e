/* Against a real server. */
#include "replicas/channel_redis.h"

#include "base/clock.h"
#include "redis_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_MS 30000

/* One process. */
struct end {
    struct redis *redis;
    struct channel *channel;
    atomic_bool up;
    atomic_uint downs, heard;
    char last[64]; /* the beginning of the message heard last; written before `heard` grows */
    size_t last_n;
};

struct place {
    struct redis_server server;
    char url[256];
    struct conf_cache conf;
    struct end ends[2];
};

static void on_message(void *ctx, struct str message)
{
    struct end *end = ctx;

    snprintf(end->last, sizeof(end->last), STR_FMT, STR_ARG(message));
    end->last_n = message.n;
    atomic_fetch_add(&end->heard, 1);
}

static void on_state(void *ctx, bool up)
{
    struct end *end = ctx;

    assert_int_not_equal(atomic_load(&end->up), up);
    atomic_fetch_add(&end->downs, !up);
    atomic_store(&end->up, up);
}

static void open_end(struct place *p, struct end *end, const char *name)
{
    const struct channel_events events = {on_message, on_state, end};
    struct err e;

    if (redis_new(&p->conf, NULL, NULL, &end->redis, &e) != ERR_OK ||
        channel_redis_new(end->redis, name, &end->channel, &e) != ERR_OK ||
        channel_start(end->channel, &events, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

static void make(struct place *p, const char *const *more)
{
    *p = (struct place){.conf = {.redis_password_file = "",
                                 .redis_sentinel_password_file = "",
                                 .redis_ca_file = "",
                                 .redis_prefix = "t:",
                                 .redis_connections = 2,
                                 .redis_connect_timeout_ms = 10000,
                                 .redis_timeout_ms = 3000}};
    redis_server_make(&p->server, more);
    p->conf.redis_url = p->server.url;
}

static void step(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void wait_state(struct place *p, bool up)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    for (size_t i = 0; i < 2; i++) {
        while (atomic_load(&p->ends[i].up) != up) {
            assert_true(clock_mono_ms() < until_ms);
            step();
        }
    }
}

static void wait_heard(struct end *end, unsigned n)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (atomic_load(&end->heard) < n) {
        assert_true(clock_mono_ms() < until_ms);
        step();
    }
}

static void start(struct place *p, const char *first, const char *second)
{
    make(p, NULL);
    redis_server_start(&p->server);
    open_end(p, &p->ends[0], first);
    open_end(p, &p->ends[1], second);
    wait_state(p, true);
}

static void done(struct place *p)
{
    for (size_t i = 0; i < 2; i++) {
        channel_stop(p->ends[i].channel);
        channel_free(p->ends[i].channel);
        redis_free(p->ends[i].redis);
    }
    redis_server_remove(&p->server);
}

static void all_hear_what_one_sends(void **state)
{
    struct place p;

    (void)state;
    start(&p, "t:news", "t:news");
    channel_send(p.ends[0].channel, STR("hello"));
    for (size_t i = 0; i < 2; i++) {
        wait_heard(&p.ends[i], 1);
        assert_string_equal(p.ends[i].last, "hello");
    }
    done(&p);
}

static void a_message_may_be_as_long_as_is_said(void **state)
{
    struct place p;
    char *text = calloc(1, CHANNEL_MESSAGE_MAX);

    (void)state;
    start(&p, "t:news", "t:news");
    channel_send(p.ends[0].channel, (struct str){text, CHANNEL_MESSAGE_MAX});
    wait_heard(&p.ends[1], 1);
    assert_int_equal(p.ends[1].last_n, CHANNEL_MESSAGE_MAX);
    free(text);
    done(&p);
}

static void nobody_hears_what_is_of_another_channel(void **state)
{
    struct place p;

    (void)state;
    start(&p, "t:news", "t:other");
    channel_send(p.ends[0].channel, STR("hello"));
    wait_heard(&p.ends[0], 1);
    channel_send(p.ends[1].channel, STR("other"));
    wait_heard(&p.ends[1], 1);
    assert_string_equal(p.ends[1].last, "other");
    done(&p);
}

static void a_server_that_stands_still_takes_it_down_for_so_long(void **state)
{
    struct place p;

    (void)state;
    start(&p, "t:news", "t:news");
    redis_server_pause(&p.server);
    wait_state(&p, false);
    redis_server_resume(&p.server);
    wait_state(&p, true);
    channel_send(p.ends[1].channel, STR("again"));
    wait_heard(&p.ends[0], 1);
    done(&p);
}

static void a_server_that_is_started_anew_is_used_again(void **state)
{
    struct place p;

    (void)state;
    start(&p, "t:news", "t:news");
    redis_server_kill(&p.server);
    wait_state(&p, false);
    channel_send(p.ends[0].channel, STR("lost"));
    redis_server_start(&p.server);
    wait_state(&p, true);
    channel_send(p.ends[0].channel, STR("again"));
    wait_heard(&p.ends[1], 1);
    assert_string_equal(p.ends[1].last, "again");
    done(&p);
}

static void a_connection_that_is_cut_is_made_anew(void **state)
{
    struct place p;

    (void)state;
    start(&p, "t:news", "t:news");
    redis_server_do(&p.server, "CLIENT KILL TYPE pubsub");
    while (atomic_load(&p.ends[0].downs) == 0 || atomic_load(&p.ends[1].downs) == 0)
        step();
    wait_state(&p, true);
    channel_send(p.ends[0].channel, STR("again"));
    wait_heard(&p.ends[1], 1);
    done(&p);
}

/* Who may subscribe all the same. */
static void it_is_down_for_who_may_not_publish(void **state)
{
    static const char *const more[] = {"--user",   "reg", "on", "nopass", "+@all",
                                       "-publish", "~*",  "&*", NULL};
    char server[REDIS_SERVER_SIZE];
    struct place p;

    (void)state;
    make(&p, more);
    redis_server_start(&p.server);
    snprintf(p.url, sizeof(p.url), "redis://reg:x@127.0.0.1:%u", p.server.port);
    p.conf.redis_url = p.url;
    open_end(&p, &p.ends[0], "t:news");
    open_end(&p, &p.ends[1], "t:news");
    while (!redis_up(p.ends[0].redis, server))
        step();
    while (strcmp(redis_server_do(&p.server, "EVAL \"return redis.call('pubsub','numsub','t:news')"
                                             "[2]\" 0"),
                  ":2") != 0)
        step();
    redis_server_do(&p.server, "ACL SETUSER reg +publish");
    wait_state(&p, true);
    done(&p);
}

#define THREADS 4
#define ROUNDS  500

static void *send_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        channel_send(arg, STR("hello"));
    return NULL;
}

static void any_thread_may_send(void **state)
{
    pthread_t threads[THREADS];
    struct place p;

    (void)state;
    start(&p, "t:news", "t:news");
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_often, p.ends[i % 2].channel), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wait_heard(&p.ends[0], THREADS * ROUNDS);
    wait_heard(&p.ends[1], THREADS * ROUNDS);
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_hear_what_one_sends),
        cmocka_unit_test(a_message_may_be_as_long_as_is_said),
        cmocka_unit_test(nobody_hears_what_is_of_another_channel),
        cmocka_unit_test(a_server_that_stands_still_takes_it_down_for_so_long),
        cmocka_unit_test(a_server_that_is_started_anew_is_used_again),
        cmocka_unit_test(a_connection_that_is_cut_is_made_anew),
        cmocka_unit_test(it_is_down_for_who_may_not_publish),
        cmocka_unit_test(any_thread_may_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
