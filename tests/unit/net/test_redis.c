/* Against a real server. */
#include "net/redis.h"

#include "base/clock.h"
#include "redis_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_MS    30000
#define TIMEOUT_MS 3000 /* of a command: much, as machines may be busy */
#define AT_ONCE_MS 2900 /* less than that */

struct place {
    struct redis_server server;
    char url[256];
    struct conf_cache conf;
    struct redis *r;
    atomic_uint ups, downs;
};

static void told(void *ctx, bool up, const struct err *why)
{
    struct place *p = ctx;

    (void)why;
    atomic_fetch_add(up ? &p->ups : &p->downs, 1);
}

/* The server is made, not started. */
static void make(struct place *p, const char *const *more)
{
    *p = (struct place){.conf = {.redis_password_file = "",
                                 .redis_sentinel_password_file = "",
                                 .redis_ca_file = "",
                                 .redis_prefix = "t:",
                                 .redis_connections = 4,
                                 .redis_connect_timeout_ms = 10000,
                                 .redis_timeout_ms = TIMEOUT_MS}};
    redis_server_make(&p->server, more);
    p->conf.redis_url = p->server.url;
}

static void open_it(struct place *p)
{
    struct err e;

    if (redis_new(&p->conf, told, p, &p->r, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

static void done(struct place *p)
{
    redis_free(p->r);
    redis_server_remove(&p->server);
}

static void step(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void wait_up(struct place *p, bool up)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    char server[REDIS_SERVER_SIZE];

    while (redis_up(p->r, server) != up) {
        assert_true(clock_mono_ms() < until_ms);
        step();
    }
}

static void start(struct place *p)
{
    make(p, NULL);
    redis_server_start(&p->server);
    open_it(p);
    wait_up(p, true);
}

static enum redis_outcome ask(struct place *p, struct str a, struct str b,
                              struct redis_reply *ret_reply, struct err *e)
{
    const struct str words[] = {a, b};

    return redis_ask(p->r, NULL, words, 2, ret_reply, e);
}

static enum redis_outcome echo(struct place *p, struct err *e)
{
    AUTO(redis_reply) struct redis_reply reply = {0};
    enum redis_outcome o = ask(p, STR("ECHO"), STR("hello"), &reply, e);

    if (o == REDIS_ANSWERED)
        assert_true(str_eq(redis_reply_str(reply.r), STR("hello")));
    return o;
}

static void a_command_is_answered(void **state)
{
    struct place p;
    struct err e;

    (void)state;
    start(&p);
    assert_int_equal(echo(&p, &e), REDIS_ANSWERED);
    redis_trouble(p.r, &e);
    assert_int_equal(e.code, ERR_OK);
    done(&p);
}

static void bytes_of_any_kind_and_number_come_back(void **state)
{
    static char bytes[300000];
    const struct str set[] = {STR("SET"), STR("k"), {bytes, sizeof(bytes)}};
    AUTO(redis_reply) struct redis_reply first = {0};
    AUTO(redis_reply) struct redis_reply second = {0};
    struct place p;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    start(&p);
    assert_int_equal(redis_ask(p.r, NULL, set, 3, &first, &e), REDIS_ANSWERED);
    assert_int_equal(ask(&p, STR("GET"), STR("k"), &second, &e), REDIS_ANSWERED);
    assert_true(str_eq(redis_reply_str(second.r), set[2]));
    done(&p);
}

static void what_the_server_refuses_leaves_it_up(void **state)
{
    AUTO(redis_reply) struct redis_reply reply = {0};
    struct place p;
    struct err e;

    (void)state;
    start(&p);
    assert_int_equal(ask(&p, STR("NO_SUCH"), STR("x"), &reply, &e), REDIS_REFUSED);
    assert_non_null(strstr(e.detail, "unknown command"));
    assert_int_equal(echo(&p, &e), REDIS_ANSWERED);
    assert_int_equal(atomic_load(&p.downs), 0);
    done(&p);
}

static void nobody_waits_for_a_server_that_is_not_there(void **state)
{
    struct place p;
    struct err e;
    int64_t began_ms;

    (void)state;
    make(&p, NULL);
    open_it(&p);
    began_ms = clock_mono_ms();
    assert_int_equal(echo(&p, &e), REDIS_UNSENT);
    assert_true(clock_mono_ms() - began_ms < AT_ONCE_MS);
    while (atomic_load(&p.downs) == 0)
        step();
    redis_server_start(&p.server);
    wait_up(&p, true);
    assert_int_equal(echo(&p, &e), REDIS_ANSWERED);
    assert_int_equal(atomic_load(&p.downs), 1);
    while (atomic_load(&p.ups) == 0)
        step();
    done(&p);
}

static void a_server_that_stands_still_holds_up_one_command_and_no_more(void **state)
{
    struct place p;
    struct err e;
    int64_t began_ms;

    (void)state;
    start(&p);
    redis_server_pause(&p.server);
    began_ms = clock_mono_ms();
    assert_int_not_equal(echo(&p, &e), REDIS_ANSWERED);
    assert_true(clock_mono_ms() - began_ms < TIMEOUT_MS + AT_ONCE_MS);
    began_ms = clock_mono_ms();
    assert_int_equal(echo(&p, &e), REDIS_UNSENT);
    assert_non_null(strstr(e.detail, "no answer in time"));
    assert_true(clock_mono_ms() - began_ms < AT_ONCE_MS);
    redis_server_resume(&p.server);
    wait_up(&p, true);
    assert_int_equal(echo(&p, &e), REDIS_ANSWERED);
    done(&p);
}

static void a_command_without_an_answer_is_doubtful(void **state)
{
    static const char *const more[] = {"--enable-debug-command", "yes", NULL};
    const struct str sleep[] = {STR("DEBUG"), STR("SLEEP"), STR("1")};
    AUTO(redis_reply) struct redis_reply reply = {0};
    struct place p;
    struct err e;

    (void)state;
    make(&p, more);
    p.conf.redis_timeout_ms = 300;
    redis_server_start(&p.server);
    open_it(&p);
    wait_up(&p, true);
    assert_int_equal(redis_ask(p.r, NULL, sleep, 3, &reply, &e), REDIS_DOUBTFUL);
    done(&p);
}

static void trouble_is_noticed_while_nobody_asks(void **state)
{
    struct place p;

    (void)state;
    start(&p);
    redis_server_pause(&p.server);
    wait_up(&p, false);
    redis_server_resume(&p.server);
    wait_up(&p, true);
    done(&p);
}

static void a_server_that_was_started_anew_is_another_one(void **state)
{
    const struct str words[] = {STR("ECHO"), STR("x")};
    char before[REDIS_SERVER_SIZE], after[REDIS_SERVER_SIZE];
    AUTO(redis_reply) struct redis_reply reply = {0};
    struct place p;
    struct err e;

    (void)state;
    start(&p);
    assert_true(redis_up(p.r, before));
    redis_server_kill(&p.server);
    wait_up(&p, false);
    redis_server_start(&p.server);
    wait_up(&p, true);
    assert_true(redis_up(p.r, after));
    assert_string_not_equal(before, after);
    assert_int_equal(redis_ask(p.r, before, words, 2, &reply, &e), REDIS_UNSENT);
    assert_int_equal(redis_ask(p.r, after, words, 2, &reply, &e), REDIS_ANSWERED);
    done(&p);
}

static void a_connection_that_rests_may_be_closed_by_the_server(void **state)
{
    char before[REDIS_SERVER_SIZE], after[REDIS_SERVER_SIZE];
    struct place p;
    struct err e;

    (void)state;
    start(&p);
    assert_true(redis_up(p.r, before));
    redis_server_do(&p.server, "CLIENT KILL TYPE normal SKIPME yes");
    assert_int_equal(echo(&p, &e), REDIS_ANSWERED);
    assert_true(redis_up(p.r, after));
    assert_string_equal(before, after);
    assert_int_equal(atomic_load(&p.downs), 0);
    done(&p);
}

static void a_server_that_became_a_replica_is_down(void **state)
{
    struct place p;
    struct err e;

    (void)state;
    start(&p);
    assert_string_equal(redis_server_do(&p.server, "REPLICAOF 127.0.0.1 1"), "+OK");
    wait_up(&p, false);
    redis_trouble(p.r, &e);
    assert_non_null(strstr(e.detail, "it is a replica"));
    done(&p);
}

static void a_wrong_password_is_told_without_the_password(void **state)
{
    static const char *const more[] = {"--requirepass", "right", NULL};
    struct place p;
    struct err e;

    (void)state;
    make(&p, more);
    redis_server_start(&p.server);
    snprintf(p.url, sizeof(p.url), "redis://:hush@127.0.0.1:%u", p.server.port);
    p.conf.redis_url = p.url;
    open_it(&p);
    do {
        step();
        redis_trouble(p.r, &e);
    } while (!e.code);
    assert_non_null(strstr(e.detail, "WRONGPASS"));
    assert_null(strstr(e.detail, "hush"));
    done(&p);
}

static void a_user_a_password_of_a_file_and_a_database_are_used(void **state)
{
    static const char *const more[] = {"--user",  "reg",    "on",      "+@all", "~*",
                                       ">secret", "--user", "default", "off",   NULL};
    char path[TEMP_PATH_MAX];
    struct place p;
    struct err e;
    FILE *f;

    (void)state;
    make(&p, more);
    snprintf(path, sizeof(path), "%s/password", p.server.dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("secret\n", f);
    fclose(f);
    redis_server_start(&p.server);
    snprintf(p.url, sizeof(p.url), "redis://reg@127.0.0.1:%u/3", p.server.port);
    p.conf.redis_url = p.url;
    p.conf.redis_password_file = path;
    open_it(&p);
    wait_up(&p, true);
    {
        AUTO(redis_reply) struct redis_reply reply = {0};

        assert_int_equal(ask(&p, STR("CLIENT"), STR("INFO"), &reply, &e), REDIS_ANSWERED);
        assert_non_null(strstr(reply.r->str, " db=3 "));
        assert_non_null(strstr(reply.r->str, " user=reg "));
    }
    done(&p);
}

static void a_node_of_a_cluster_is_refused_by_its_name(void **state)
{
    static const char *const more[] = {"--cluster-enabled", "yes", NULL};
    AUTO(redis_line) struct redis_line *line = NULL;
    char server[REDIS_SERVER_SIZE];
    struct place p;
    struct err e;

    (void)state;
    make(&p, more);
    redis_server_start(&p.server);
    open_it(&p);
    assert_int_equal(redis_open_line(p.r, &line, server, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "Redis Cluster, which is not supported"));
    done(&p);
}

static void a_script_is_sent_when_the_server_does_not_have_it(void **state)
{
    static const struct redis_script script = {"return ARGV[1] .. KEYS[1]", 1};
    const struct str words[] = {STR("k"), STR("v")};
    struct place p;
    struct err e;

    (void)state;
    start(&p);
    for (int i = 0; i < 3; i++) {
        AUTO(redis_reply) struct redis_reply reply = {0};

        assert_int_equal(redis_run(p.r, NULL, &script, words, 2, &reply, &e), REDIS_ANSWERED);
        assert_true(str_eq(redis_reply_str(reply.r), STR("vk")));
        if (i == 1)
            redis_server_do(&p.server, "SCRIPT FLUSH");
    }
    done(&p);
}

#define THREADS 16
#define ROUNDS  200

static void *ask_often(void *arg)
{
    struct err e;
    uintptr_t failed = 0;

    for (int i = 0; i < ROUNDS; i++)
        failed += echo(arg, &e) != REDIS_ANSWERED;
    return (void *)failed;
}

static void many_threads_share_few_connections(void **state)
{
    pthread_t threads[THREADS];
    struct place p;
    void *failed;
    unsigned connections;

    (void)state;
    start(&p);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &p), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    /* and the one that asks */
    assert_int_equal(sscanf(redis_server_do(&p.server, "EVAL \"return (string.match("
                                                       "redis.call('info','clients'),"
                                                       "'connected_clients:(%d+)'))\" 0"),
                            "%u", &connections),
                     1);
    assert_in_range(connections, 2, 5);
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_answered),
        cmocka_unit_test(bytes_of_any_kind_and_number_come_back),
        cmocka_unit_test(what_the_server_refuses_leaves_it_up),
        cmocka_unit_test(nobody_waits_for_a_server_that_is_not_there),
        cmocka_unit_test(a_server_that_stands_still_holds_up_one_command_and_no_more),
        cmocka_unit_test(a_command_without_an_answer_is_doubtful),
        cmocka_unit_test(trouble_is_noticed_while_nobody_asks),
        cmocka_unit_test(a_server_that_was_started_anew_is_another_one),
        cmocka_unit_test(a_connection_that_rests_may_be_closed_by_the_server),
        cmocka_unit_test(a_server_that_became_a_replica_is_down),
        cmocka_unit_test(a_wrong_password_is_told_without_the_password),
        cmocka_unit_test(a_user_a_password_of_a_file_and_a_database_are_used),
        cmocka_unit_test(a_node_of_a_cluster_is_refused_by_its_name),
        cmocka_unit_test(a_script_is_sent_when_the_server_does_not_have_it),
        cmocka_unit_test(many_threads_share_few_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
