/*
 * Processes over one database, each with a cache in memory: threads, real time, and a channel that
 * does what a channel may. "Seen" is what a client of that member would be given.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "cache/memory.h"
#include "names.h"
#include "replicas/channel_mem.h"
#include "replicas/replicas.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LEASE          400
#define PROCESSES      3
#define PATIENCE_MS    30000 /* for what comes by itself, on a machine that is busy */
#define ALL(condition) (condition(0) && condition(1) && condition(2))

struct process {
    struct line line;
    struct meta *meta; /* NULL: it does not run */
    struct members *members;
    struct channel *channel;
};

struct fixture {
    struct meta *database;
    struct channel_hub *hub; /* NULL: there is no channel */
    struct process processes[PROCESSES];
};

static struct fixture *f; /* of the test that runs */
static struct repo_name repo;
static struct tag_name tag;

static void process_start(int i)
{
    struct process *p = &f->processes[i];
    const struct members_options o = {.lease_ms = LEASE, .name = "test"};
    struct meta *replicas;

    line_init(&p->line, f->database);
    replicas = replicas_new(&p->line.meta, &o);
    p->members = replicas_members(replicas);
    if (f->hub) {
        p->channel = channel_mem_new(f->hub);
        replicas_use(replicas, p->channel);
    }
    p->meta = cache_memory_new(replicas, 1 << 20);
    cache_memory_join(p->meta, replicas);
    member_start(p->members);
}

/* What it wraps stays: it is the database of all. */
static void process_stop(int i)
{
    struct process *p = &f->processes[i];
    struct meta *replicas = p->meta->inner;

    p->meta->driver->free(p->meta);
    replicas->driver->free(replicas);
    p->meta = NULL;
    p->channel = NULL;
}

/* Its row stays. */
static void process_kill(int i)
{
    atomic_store(&f->processes[i].line.cut, true);
    process_stop(i);
}

/* It neither renews nor hears anything, nor gets through with a write. */
static void process_pause(int i, bool paused)
{
    if (f->hub)
        channel_mem_set_paused(f->processes[i].channel, paused);
    atomic_store(&f->processes[i].line.cut, paused);
}

static enum err_code put_manifest(const char *text)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest d = sha256_of(str_of(text));
    struct meta_op op;

    m = meta_manifest_new(&d, STR("type"), str_of(text));
    op = meta_op_manifest_put((struct meta_manifest_put){.repo = &repo, .manifest = m});
    return meta_commit(f->database, &op, 1, 0, NULL, ERR_IGNORED);
}

static enum err_code try_move(int by, const struct tag_name *t, const char *text)
{
    struct digest d = sha256_of(str_of(text));
    struct meta_op op = meta_op_tag_set(&repo, t, &d, META_ANY);

    return meta_commit(f->processes[by].meta, &op, 1, 0, NULL, ERR_IGNORED);
}

static void move(int by, const char *text)
{
    assert_int_equal(try_move(by, &tag, text), ERR_OK);
}

static int set_up(void **state, bool channel)
{
    f = NEW(struct fixture);
    repo = repo_of("a/b");
    tag = tag_of("latest");
    f->database = database_new();
    f->hub = channel ? channel_hub_new() : NULL;
    assert_int_equal(put_manifest("one"), ERR_OK);
    assert_int_equal(put_manifest("two"), ERR_OK);
    process_start(0);
    move(0, "one");
    for (int i = 1; i < PROCESSES; i++)
        process_start(i);
    *state = f;
    return 0;
}

static int set_up_channel(void **state)
{
    return set_up(state, true);
}

static int set_up_without(void **state)
{
    return set_up(state, false);
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (f->processes[i].meta)
            process_stop(i);
    }
    if (f->hub)
        channel_hub_free(f->hub);
    meta_free(f->database);
    free(f);
    return 0;
}

/* ---- what is seen */

static bool in_memory(int i)
{
    AUTO(meta_manifest)
    struct meta_manifest *m = meta_manifest_peek(f->processes[i].meta, &repo, tag_name_str(&tag));

    return m != NULL;
}

static bool read_tag(int i, const char *text)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_tag(f->processes[i].meta, &repo, &tag, &m, NULL, ERR_IGNORED) ==
               ERR_OK &&
           str_eq(m->bytes, str_of(text));
}

static bool sees_one(int i)
{
    return read_tag(i, "one");
}

static bool sees_two(int i)
{
    return read_tag(i, "two");
}

static bool answers(int i)
{
    return members_may_answer(f->processes[i].members);
}

static bool is_silent(int i)
{
    return !answers(i);
}

/* Reads once, and answers the next time from memory. */
static bool keeps(int i)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_tag(f->processes[i].meta, &repo, &tag, &m, NULL, ERR_IGNORED) ==
               ERR_OK &&
           in_memory(i);
}

static void wait_for(bool (*condition)(int i), int i)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (!condition(i)) {
        assert_true(clock_mono_ms() < end_ms);
        usleep(1000);
    }
}

static void all_keep(void)
{
    for (int i = 0; i < PROCESSES; i++)
        wait_for(keeps, i);
}

/* ---- all is well */

static void a_tag_that_one_moved_is_seen_by_all_at_once(void **state)
{
    (void)state;
    for (int n = 0; n < 60; n++) {
        all_keep();
        move(n % PROCESSES, n % 2 ? "one" : "two");
        assert_true(n % 2 ? ALL(sees_one) : ALL(sees_two));
    }
}

static void a_manifest_that_one_deleted_is_gone_for_all_at_once(void **state)
{
    struct digest d = sha256_of(STR("one"));
    const struct meta_op op = meta_op_manifest_delete(&repo, &d, META_ANY);

    (void)state;
    all_keep();
    assert_int_equal(meta_commit(f->processes[1].meta, &op, 1, 0, NULL, ERR_IGNORED), ERR_OK);
    assert_false(in_memory(0) || in_memory(1) || in_memory(2));
    assert_false(sees_one(0) || sees_one(1) || sees_one(2));
}

static void what_others_write_elsewhere_drops_nothing(void **state)
{
    struct tag_name other = tag_of("other");

    (void)state;
    all_keep();
    assert_int_equal(try_move(0, &other, "two"), ERR_OK);
    wait_for(in_memory, 1); /* unless it was late with a renewal */
}

static void without_a_channel_several_keep_nothing_and_one_keeps_all(void **state)
{
    (void)state;
    assert_false(answers(1));
    move(1, "two");
    assert_true(ALL(sees_two));
    assert_false(in_memory(0) || in_memory(1) || in_memory(2));
    process_stop(1);
    process_stop(2);
    wait_for(keeps, 0);
}

static void while_a_channel_is_down_nobody_keeps_anything(void **state)
{
    (void)state;
    all_keep();
    channel_mem_set_up(f->processes[1].channel, false);
    move(0, "two");
    assert_true(ALL(sees_two));
    move(1, "one");
    assert_true(ALL(sees_one));
    assert_false(answers(0) || answers(1) || answers(2));
    channel_mem_set_up(f->processes[1].channel, true);
    all_keep();
    move(1, "two");
    assert_true(ALL(sees_two));
}

static void a_channel_that_loses_all_makes_writes_slow_and_nothing_wrong(void **state)
{
    (void)state;
    all_keep();
    channel_mem_set_deaf(f->processes[2].channel, true);
    move(0, "two");
    assert_true(ALL(sees_two));
    move(2, "one");
    assert_true(ALL(sees_one));
}

/* ---- one is not well */

static void one_that_stands_still_is_waited_for_until_it_answers_nothing(void **state)
{
    (void)state;
    all_keep();
    process_pause(1, true);
    move(0, "two");
    assert_false(in_memory(1));
    assert_true(sees_two(0) && sees_two(2));
    process_pause(1, false);
    wait_for(sees_two, 1);
    all_keep();
}

static void one_that_died_is_waited_for_no_longer_than_until_it_is_gone(void **state)
{
    int64_t start_ms;

    (void)state;
    all_keep();
    process_kill(1);
    start_ms = clock_mono_ms();
    move(0, "two");
    assert_true(sees_two(0) && sees_two(2));
    assert_in_range(clock_mono_ms() - start_ms, 0, PATIENCE_MS);
}

struct writer {
    pthread_t thread;
    int by;
    enum err_code code;
    atomic_bool ended;
};

static void *write_main(void *ctx)
{
    struct writer *w = ctx;

    w->code = try_move(w->by, &tag, "two");
    atomic_store(&w->ended, true);
    return NULL;
}

static atomic_bool held, go_on;

static void hold(void *ctx)
{
    (void)ctx;
    atomic_store(&held, true);
    while (!atomic_load(&go_on))
        usleep(1000);
}

/* Holds the write in its commit: all others have been asked. */
static void write_held(struct writer *w)
{
    atomic_store(&held, false);
    atomic_store(&go_on, false);
    /* From here on the thread of members must not be the one that is held. */
    f->processes[w->by].line.only_ops = 2;
    f->processes[w->by].line.in_commit = hold;
    assert_int_equal(pthread_create(&w->thread, NULL, write_main, w), 0);
    while (!atomic_load(&held))
        usleep(1000);
}

static void write_end(struct writer *w)
{
    atomic_store(&go_on, true);
    pthread_join(w->thread, NULL);
}

static void a_newcomer_keeps_nothing_of_a_write_that_began_before_it(void **state)
{
    struct writer w = {.by = 0};

    (void)state;
    process_stop(2);
    wait_for(keeps, 0);
    wait_for(keeps, 1);
    write_held(&w);
    process_start(2);
    for (int i = 0; i < 3 * LEASE / 10; i++) {
        assert_true(sees_one(2));
        assert_false(in_memory(2));
        usleep(10000);
    }
    write_end(&w);
    assert_int_equal(w.code, ERR_OK);
    assert_true(ALL(sees_two));
    all_keep();
}

static void during_a_write_nobody_keeps_what_it_changes(void **state)
{
    struct writer w = {.by = 0};

    (void)state;
    all_keep();
    write_held(&w);
    for (int i = 0; i < PROCESSES; i++) {
        assert_true(sees_one(i));
        assert_false(in_memory(i));
    }
    write_end(&w);
    assert_true(ALL(sees_two));
    all_keep();
}

/* The write of this one is held until the others take it for gone; it still hears nothing. */
static void write_held_too_long(struct writer *w)
{
    struct uuid was = members_id(f->processes[w->by].members);

    write_held(w);
    process_pause(w->by, true);
    for (bool gone = false; !gone;)
        assert_int_equal(members_is_gone(f->processes[0].members, &was, &gone, ERR_IGNORED),
                         ERR_OK);
}

/* Its guards were left by the others when it was taken for gone; so what it was about to commit
 * does not count, and is done again as what it is then. */
static void a_write_of_one_that_was_taken_for_gone_is_made_again(void **state)
{
    struct writer w = {.by = 1};

    (void)state;
    all_keep();
    write_held_too_long(&w);
    wait_for(keeps, 0);
    wait_for(keeps, 2);
    process_pause(1, false);
    write_end(&w);
    assert_int_equal(w.code, ERR_OK);
    assert_true(ALL(sees_two));
}

static void a_write_of_one_that_can_not_come_back_may_be_tried_later(void **state)
{
    struct writer w = {.by = 1};

    (void)state;
    all_keep();
    write_held_too_long(&w);
    write_end(&w);
    assert_int_equal(w.code, ERR_UNAVAILABLE);
    assert_true(sees_one(0) && sees_one(2));
    process_pause(1, false);
}

static void what_may_still_take_place_is_kept_by_nobody(void **state)
{
    (void)state;
    all_keep();
    atomic_store(&f->processes[1].line.deaf, true);
    assert_int_equal(try_move(1, &tag, "two"), ERR_UNAVAILABLE);
    atomic_store(&f->processes[1].line.deaf, false);
    process_stop(2);
    process_start(2); /* a newcomer, too */
    for (int64_t end_ms = clock_mono_ms() + 3 * LEASE; clock_mono_ms() < end_ms; usleep(1000))
        assert_false(keeps(0) || keeps(2));
}

static void *read_main(void *ctx)
{
    struct writer *w = ctx;

    atomic_store(&w->ended, sees_one(w->by));
    return NULL;
}

/* Nobody asks one that is silent before writing. */
static void what_was_read_in_silence_is_not_kept_afterwards(void **state)
{
    struct writer reader = {.by = 2};

    (void)state;
    all_keep();
    channel_mem_set_up(f->processes[1].channel, false);
    wait_for(is_silent, 2);
    atomic_store(&held, false);
    atomic_store(&go_on, false);
    f->processes[2].line.in_read = hold;
    assert_int_equal(pthread_create(&reader.thread, NULL, read_main, &reader), 0);
    while (!atomic_load(&held))
        usleep(1000);
    move(0, "two");
    channel_mem_set_up(f->processes[1].channel, true);
    wait_for(answers, 2);
    write_end(&reader);
    assert_true(atomic_load(&reader.ended)); /* it read the old one */
    assert_true(ALL(sees_two));
}

/* ---- everything at once */

#define THREADS 9
#define TAGS    300
#define AT_ONCE 3    /* tags that clients read and write */
#define TURN_MS 2000 /* then others: what was in doubt once is not kept for a minute */

static struct tag_name tags[TAGS];
static _Atomic int64_t seen[TAGS]; /* the latest version that anybody was shown, or has written */
static atomic_bool over;
static pthread_rwlock_t lives[PROCESSES];

struct client {
    pthread_t thread;
    int of;
    size_t wrong, reads, hits, writes, failed;
};

static void note_seen(int t, int64_t version)
{
    int64_t was = atomic_load(&seen[t]);

    while (was < version && !atomic_compare_exchange_weak(&seen[t], &was, version))
        ;
}

static unsigned any(unsigned n)
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    return (unsigned)(random % n);
}

/* Nobody may be shown less than what anybody had been shown when they asked. */
static void client_reads(struct client *c, int t)
{
    struct meta *m = f->processes[c->of].meta;
    int64_t least = atomic_load(&seen[t]), version = INT64_MAX;
    AUTO(meta_manifest)
    struct meta_manifest *found = meta_manifest_peek(m, &repo, tag_name_str(&tags[t])),
                         *read = NULL;

    c->reads++;
    c->hits += found != NULL;
    if (meta_manifest_by_tag(m, &repo, &tags[t], &read, &version, ERR_IGNORED) != ERR_OK)
        return;
    c->wrong += version < least;
    note_seen(t, version);
}

static void client_writes(struct client *c, int t)
{
    int64_t version;
    AUTO(meta_manifest) struct meta_manifest *read = NULL;

    c->writes++;
    if (try_move(c->of, &tags[t], any(2) ? "one" : "two") != ERR_OK) {
        c->failed++;
        return;
    }
    /* Of the database: what was acknowledged is there. */
    if (meta_manifest_by_tag(f->database, &repo, &tags[t], &read, &version, ERR_IGNORED) == ERR_OK)
        note_seen(t, version);
}

static void *client_main(void *ctx)
{
    struct client *c = ctx;

    while (!atomic_load(&over)) {
        int t = (int)((clock_mono_ms() / TURN_MS * AT_ONCE + any(AT_ONCE)) % TAGS);

        pthread_rwlock_rdlock(&lives[c->of]);
        if (f->processes[c->of].meta) {
            if (any(100) == 0)
                client_writes(c, t);
            else
                client_reads(c, t);
        }
        pthread_rwlock_unlock(&lives[c->of]);
        if (any(8) == 0)
            usleep(any(3000));
    }
    return NULL;
}

static void kill_and_start(int i)
{
    pthread_rwlock_wrlock(&lives[i]);
    if (any(2))
        process_kill(i);
    else
        process_stop(i);
    process_start(i);
    atomic_store(&f->processes[i].line.late_ms, 20);
    pthread_rwlock_unlock(&lives[i]);
}

/* What happens to processes and their channels. */
static void trouble(int i)
{
    unsigned ms = any(LEASE);

    switch (any(11)) {
    case 0:
        process_pause(i, true);
        usleep(3 * ms * 1000);
        process_pause(i, false);
        break;
    case 1:
        channel_mem_set_up(f->processes[i].channel, false);
        usleep(ms * 1000);
        channel_mem_set_up(f->processes[i].channel, true);
        break;
    case 2:
        channel_mem_set_deaf(f->processes[i].channel, true);
        usleep(ms * 1000);
        channel_mem_set_deaf(f->processes[i].channel, false);
        break;
    case 3:
        kill_and_start(i);
        break;
    case 4:
        atomic_store(&f->processes[i].line.slow_ms, 20);
        usleep(ms * 1000);
        atomic_store(&f->processes[i].line.slow_ms, 0);
        break;
    case 5: /* a write on its way is late by more than it takes to be gone */
        atomic_store(&f->processes[i].line.stall_ms, 3 * LEASE);
        usleep(ms * 1000);
        process_pause(i, true);
        usleep(2 * LEASE * 1000);
        process_pause(i, false);
        usleep(LEASE * 1000);
        atomic_store(&f->processes[i].line.stall_ms, 0);
        break;
    default:
        usleep(4 * ms * 1000);
    }
}

static int64_t seconds_to_run(void)
{
    const char *s = getenv("REGISTRY_TEST_SECONDS");

    return s ? atoi(s) : 4;
}

static void nobody_is_ever_shown_less_than_was_shown(void **state)
{
    const struct channel_hub_faults faults = {
        .lost = 50, .twice = 100, .late = 200, .late_ms = LEASE / 2};
    struct client clients[THREADS];
    int64_t end_ms = clock_mono_ms() + 1000 * seconds_to_run();
    struct digest d = sha256_of(STR("one"));
    struct meta_op first;
    size_t wrong = 0, hits = 0, reads = 0, writes = 0, failed = 0;

    (void)state;
    atomic_store(&over, false);
    for (int t = 0; t < TAGS; t++) {
        char name[8];

        snprintf(name, sizeof(name), "t%d", t);
        tags[t] = tag_of(name);
        first = meta_op_tag_set(&repo, &tags[t], &d, META_ANY);
        assert_int_equal(meta_commit(f->database, &first, 1, 0, NULL, ERR_IGNORED), ERR_OK);
        atomic_store(&seen[t], 0);
    }
    channel_hub_set_faults(f->hub, &faults);
    for (int i = 0; i < PROCESSES; i++)
        atomic_store(&f->processes[i].line.late_ms, 20);
    for (int i = 0; i < PROCESSES; i++)
        pthread_rwlock_init(&lives[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.of = i % PROCESSES};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
    }
    while (clock_mono_ms() < end_ms)
        trouble((int)any(PROCESSES));
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        wrong += clients[i].wrong;
        hits += clients[i].hits;
        reads += clients[i].reads;
        writes += clients[i].writes;
        failed += clients[i].failed;
    }
    for (int i = 0; i < PROCESSES; i++)
        pthread_rwlock_destroy(&lives[i]);
    print_message("%zu reads, %zu from memory, %zu writes, %zu failed\n", reads, hits, writes,
                  failed);
    assert_int_equal(wrong, 0);
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, set_up_channel, tear_down)
#define WITHOUT(name) cmocka_unit_test_setup_teardown(name, set_up_without, tear_down)

/* argv[1]: which of them, with '*'. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tag_that_one_moved_is_seen_by_all_at_once),
        TEST(a_manifest_that_one_deleted_is_gone_for_all_at_once),
        TEST(what_others_write_elsewhere_drops_nothing),
        WITHOUT(without_a_channel_several_keep_nothing_and_one_keeps_all),
        TEST(while_a_channel_is_down_nobody_keeps_anything),
        TEST(a_channel_that_loses_all_makes_writes_slow_and_nothing_wrong),
        TEST(one_that_stands_still_is_waited_for_until_it_answers_nothing),
        TEST(one_that_died_is_waited_for_no_longer_than_until_it_is_gone),
        TEST(a_newcomer_keeps_nothing_of_a_write_that_began_before_it),
        TEST(during_a_write_nobody_keeps_what_it_changes),
        TEST(a_write_of_one_that_was_taken_for_gone_is_made_again),
        TEST(a_write_of_one_that_can_not_come_back_may_be_tried_later),
        TEST(what_may_still_take_place_is_kept_by_nobody),
        TEST(what_was_read_in_silence_is_not_kept_afterwards),
        TEST(nobody_is_ever_shown_less_than_was_shown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
