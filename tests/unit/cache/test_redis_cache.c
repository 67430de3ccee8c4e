/* Two processes over one database, and a real Redis between them. */
#include "cache/redis_cache.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "names.h"
#include "redis_client.h"
#include "replicas/channel_redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define LEASE_MS   1500
#define TIMEOUT_MS 1000
#define WAIT_MS    60000
#define TYPE       "application/vnd.oci.image.manifest.v1+json"

/* What one process reaches the database through. */
struct line {
    struct meta meta;
    atomic_uint look_ups;
    void (*read)(void); /* once, after the next look-up of a tag has read, before it is answered */
};

struct process {
    struct line line;
    struct redis_client client;
    struct meta *replicas, *meta;
    struct members *members;
};

static struct redis_server server;
static struct meta *database;
static struct uuid database_is;
static struct process one, other;
static struct repo_name repo;
static struct tag_name tag;

static enum err_code line_by_tag(struct meta *m, const struct repo_name *r,
                                 const struct tag_name *t, struct meta_manifest **ret_manifest,
                                 int64_t *ret_version, struct err *e)
{
    struct line *l = (struct line *)m;
    void (*read)(void) = l->read;

    l->read = NULL;
    atomic_fetch_add(&l->look_ups, 1);
    TRY(meta_manifest_by_tag(m->inner, r, t, ret_manifest, ret_version, e));
    if (read)
        read();
    return ERR_OK;
}

static enum err_code line_by_digest(struct meta *m, const struct repo_name *r,
                                    const struct digest *d, struct meta_manifest **ret_manifest,
                                    struct err *e)
{
    atomic_fetch_add(&((struct line *)m)->look_ups, 1);
    return meta_manifest_by_digest(m->inner, r, d, ret_manifest, e);
}

static const struct meta_driver line_driver = {.name = "line",
                                               .shared = true,
                                               .manifest_by_tag = line_by_tag,
                                               .manifest_by_digest = line_by_digest};

static void step(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void start(struct process *p)
{
    const struct members_options o = {.lease_ms = LEASE_MS, .name = "test"};
    struct channel *channel;
    struct err e;

    *p = (struct process){.line = {.meta = {&line_driver, database}}};
    redis_client_open(&p->client, server.url, TIMEOUT_MS);
    redis_client_wait(&p->client, true);
    p->replicas = replicas_new(&p->line.meta, &o);
    p->members = replicas_members(p->replicas);
    assert_int_equal(channel_redis_new(p->client.redis, "t:members", &channel, &e), ERR_OK);
    replicas_use(p->replicas, channel);
    p->meta = cache_redis_new(p->replicas, &(struct cache_redis_options){
                                               p->replicas, p->client.redis, "t:", database_is});
    assert_int_equal(members_start(p->members, &e), ERR_OK);
}

/* What it wraps stays: it is the database of both. */
static void stop(struct process *p)
{
    p->meta->driver->free(p->meta);
    p->replicas->driver->free(p->replicas);
    redis_client_close(&p->client);
}

static uint64_t wait_epoch(struct process *p, uint64_t above)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    uint64_t epoch = 0;

    while (!members_epoch(p->members, &epoch) || epoch <= above) {
        assert_true(clock_mono_ms() < until_ms);
        step();
    }
    return epoch;
}

static struct meta_manifest *manifest(const char *text)
{
    struct digest d = sha256_of(str_of(text));

    return meta_manifest_new(&d, STR(TYPE), str_of(text));
}

/* Puts the manifest, and the tag there. */
static void move(struct process *p, const char *text)
{
    AUTO(meta_manifest) struct meta_manifest *m = manifest(text);
    const struct meta_op ops[] = {
        meta_op_manifest_put((struct meta_manifest_put){.repo = &repo, .manifest = m}),
        meta_op_tag_set(&repo, &tag, &m->digest, META_ANY)};
    struct err e;

    if (meta_commit(p->meta, ops, 2, 0, NULL, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

static void assert_seen(struct process *p, const char *text)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct err e;

    if (meta_manifest_by_tag(p->meta, &repo, &tag, &m, NULL, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    assert_true(str_eq(m->bytes, str_of(text)));
}

/* How many look-ups of the database this costs. */
static unsigned cost(struct process *p, const char *text)
{
    unsigned before = atomic_load(&p->line.look_ups);

    assert_seen(p, text);
    return atomic_load(&p->line.look_ups) - before;
}

static int set_up(void **state)
{
    const struct meta_sqlite_options o = {
        .path = ":memory:", .read_connections = 4, .cache_bytes = 256 << 10};

    (void)state;
    redis_server_make(&server, NULL);
    redis_server_start(&server);
    assert_int_equal(meta_sqlite_new(&o, &database, ERR_IGNORED), ERR_OK);
    uuid_make(&database_is);
    repo = repo_of("a/b");
    tag = tag_of("latest");
    start(&one);
    start(&other);
    move(&one, "{0}");
    wait_epoch(&one, 0);
    wait_epoch(&other, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop(&one);
    stop(&other);
    meta_free(database);
    redis_server_remove(&server);
    return 0;
}

/* Both rely on what is there: a join may have begun an epoch more. */
static void settle(const char *text)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (cost(&one, text) + cost(&other, text) > 0) {
        assert_true(clock_mono_ms() < until_ms);
        step();
    }
}

static void what_one_has_read_costs_the_other_no_look_up(void **state)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest d = sha256_of(STR("{1}"));

    (void)state;
    settle("{0}");
    move(&one, "{1}");
    assert_seen(&one, "{1}");
    assert_int_equal(cost(&one, "{1}"), 0);
    assert_int_equal(cost(&other, "{1}"), 0);
    assert_int_equal(meta_manifest_by_digest(other.meta, &repo, &d, &m, ERR_IGNORED), ERR_OK);
    assert_int_equal(cost(&other, "{1}"), 0);
}

static void a_tag_that_one_moves_is_seen_by_both(void **state)
{
    static const char *const texts[] = {"{1}", "{2}", "{3}"};

    (void)state;
    settle("{0}");
    for (size_t i = 0; i < 60; i++) {
        move(i % 2 ? &one : &other, texts[i % 3]);
        assert_seen(&one, texts[i % 3]);
        assert_seen(&other, texts[i % 3]);
    }
}

static void a_deleted_tag_and_a_deleted_manifest_are_gone_for_both(void **state)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest d = sha256_of(STR("{0}"));
    const struct meta_op gone = meta_op_manifest_delete(&repo, &d, META_ANY);

    (void)state;
    settle("{0}");
    assert_int_equal(meta_commit(one.meta, &gone, 1, 0, NULL, ERR_IGNORED), ERR_OK);
    assert_int_equal(meta_manifest_by_tag(other.meta, &repo, &tag, &m, NULL, ERR_IGNORED),
                     ERR_MANIFEST_UNKNOWN);
    assert_int_equal(meta_manifest_by_digest(other.meta, &repo, &d, &m, ERR_IGNORED),
                     ERR_MANIFEST_UNKNOWN);
}

static void move_by_other(void)
{
    move(&other, "{1}");
}

static void what_was_read_before_a_write_is_not_kept_after_it(void **state)
{
    (void)state;
    settle("{0}");
    redis_server_do(&server, "FLUSHALL");
    one.line.read = move_by_other;
    assert_seen(&one, "{0}"); /* which began before the write */
    assert_seen(&other, "{1}");
    assert_seen(&one, "{1}");
}

static void pause_server(void)
{
    redis_server_pause(&server);
}

static void a_put_without_an_answer_ends_the_epoch(void **state)
{
    uint64_t epoch = 0;

    (void)state;
    settle("{0}");
    assert_true(members_epoch(one.members, &epoch));
    redis_server_do(&server, "FLUSHALL");
    one.line.read = pause_server;
    assert_seen(&one, "{0}");
    redis_server_resume(&server);
    wait_epoch(&one, epoch);
    wait_epoch(&other, epoch);
    move(&other, "{1}");
    assert_seen(&one, "{1}");
    assert_seen(&other, "{1}");
}

static void a_redis_that_was_started_anew_is_used_again(void **state)
{
    uint64_t epoch = 0;

    (void)state;
    settle("{0}");
    assert_true(members_epoch(one.members, &epoch));
    redis_server_kill(&server);
    move(&one, "{1}");
    assert_seen(&other, "{1}");
    redis_server_start(&server);
    wait_epoch(&one, epoch);
    wait_epoch(&other, epoch);
    settle("{1}");
    move(&other, "{0}");
    assert_seen(&one, "{0}");
}

static void who_joins_believes_nothing_older(void **state)
{
    uint64_t epoch = 0;

    (void)state;
    settle("{0}");
    assert_true(members_epoch(other.members, &epoch));
    stop(&one);
    start(&one);
    wait_epoch(&one, epoch);
    assert_seen(&one, "{0}");
    settle("{0}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_one_has_read_costs_the_other_no_look_up),
        TEST(a_tag_that_one_moves_is_seen_by_both),
        TEST(a_deleted_tag_and_a_deleted_manifest_are_gone_for_both),
        TEST(what_was_read_before_a_write_is_not_kept_after_it),
        TEST(a_put_without_an_answer_ends_the_epoch),
        TEST(a_redis_that_was_started_anew_is_used_again),
        TEST(who_joins_believes_nothing_older),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
