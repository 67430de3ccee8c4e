/* Against a real server. */
#include "cache/redis_shelf.h"

#include "names.h"
#include "redis_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TYPE "application/vnd.oci.image.manifest.v1+json"

struct place {
    struct redis_server server;
    struct redis_client client;
    struct redis_shelf shelf;
    struct redis_shelf_era era;
    struct repo_name repo;
    struct tag_name tag;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    redis_server_make(&p->server, NULL);
    redis_server_start(&p->server);
    redis_client_open(&p->client, p->server.url, 10000);
    snprintf(p->era.server, sizeof(p->era.server), "%s", redis_client_wait(&p->client, true));
    snprintf(p->era.epoch, sizeof(p->era.epoch), "1");
    p->shelf = (struct redis_shelf){p->client.redis, "t:"};
    p->repo = repo_of("a/b");
    p->tag = tag_of("latest");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    redis_client_close(&p->client);
    redis_server_remove(&p->server);
    free(p);
    return 0;
}

static enum redis_outcome put_bytes(struct place *p, const struct tag_name *tag, struct str bytes,
                                    int64_t version)
{
    struct digest d = sha256_of(bytes);
    AUTO(meta_manifest) struct meta_manifest *m = meta_manifest_new(&d, STR(TYPE), bytes);
    const struct redis_shelf_key key = {&p->repo, tag, &d};

    return redis_shelf_put(&p->shelf, &p->era, &key, m, version, ERR_IGNORED);
}

static void put_tag(struct place *p, const char *text, int64_t version)
{
    assert_int_equal(put_bytes(p, &p->tag, str_of(text), version), REDIS_ANSWERED);
}

static void put(struct place *p, const char *text)
{
    assert_int_equal(put_bytes(p, NULL, str_of(text), 0), REDIS_ANSWERED);
}

/* text NULL: it is not there. */
static void assert_is(const struct meta_manifest *m, const char *text)
{
    if (!text) {
        assert_null(m);
        return;
    }
    assert_non_null(m);
    assert_true(str_eq(m->bytes, str_of(text)));
    assert_true(str_eq(m->media_type, STR(TYPE)));
}

static void assert_tag(struct place *p, const char *text, int64_t version)
{
    const struct redis_shelf_key key = {&p->repo, &p->tag, NULL};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t found = -1;

    assert_int_equal(redis_shelf_get(&p->shelf, &p->era, &key, &m, &found, ERR_IGNORED),
                     REDIS_ANSWERED);
    assert_is(m, text);
    if (text)
        assert_int_equal(found, version);
}

static void assert_there(struct place *p, const char *text, bool there)
{
    struct digest d = sha256_of(str_of(text));
    const struct redis_shelf_key key = {&p->repo, NULL, &d};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t ignored;

    assert_int_equal(redis_shelf_get(&p->shelf, &p->era, &key, &m, &ignored, ERR_IGNORED),
                     REDIS_ANSWERED);
    assert_is(m, there ? text : NULL);
}

static void drop_tag(struct place *p)
{
    const struct redis_shelf_key key = {&p->repo, &p->tag, NULL};

    assert_int_equal(redis_shelf_drop(&p->shelf, &p->era, &key, 1, ERR_IGNORED), REDIS_ANSWERED);
}

static void drop(struct place *p, const char *text)
{
    struct digest d = sha256_of(str_of(text));
    const struct redis_shelf_key key = {&p->repo, NULL, &d};

    assert_int_equal(redis_shelf_drop(&p->shelf, &p->era, &key, 1, ERR_IGNORED), REDIS_ANSWERED);
}

static void what_was_put_is_found(void **state)
{
    struct place *p = *state;

    assert_tag(p, NULL, 0);
    put_tag(p, "{1}", 7);
    assert_tag(p, "{1}", 7);
    assert_there(p, "{1}", true);
    put(p, "{2}");
    assert_there(p, "{2}", true);
    assert_there(p, "{3}", false);
}

static void it_is_found_where_it_was_put_alone(void **state)
{
    struct place *p = *state;
    struct place other = *p;

    put_tag(p, "{1}", 7);
    other.repo = repo_of("a/c");
    assert_tag(&other, NULL, 0);
    assert_there(&other, "{1}", false);
    other = *p;
    snprintf(other.era.epoch, sizeof(other.era.epoch), "2");
    assert_tag(&other, NULL, 0);
    assert_there(&other, "{1}", false);
}

static void the_later_version_stays(void **state)
{
    struct place *p = *state;

    put_tag(p, "{9}", 9);
    put_tag(p, "{10}", 10);
    assert_tag(p, "{10}", 10);
    put_tag(p, "{9}", 9);
    assert_tag(p, "{10}", 10);
}

static void what_was_dropped_comes_back_as_a_later_version_only(void **state)
{
    struct place *p = *state;

    put_tag(p, "{1}", 7);
    drop_tag(p);
    assert_tag(p, NULL, 0);
    put_tag(p, "{1}", 7);
    assert_tag(p, NULL, 0);
    put_tag(p, "{1}", 8);
    assert_tag(p, "{1}", 8);
}

static void nothing_comes_where_nobody_knows_what_was_on_its_way(void **state)
{
    struct place *p = *state;

    drop_tag(p); /* of which there was none */
    put_tag(p, "{1}", 7);
    assert_tag(p, NULL, 0);
    redis_server_do(&p->server, "FLUSHALL");
    put_tag(p, "{1}", 7);
    drop_tag(p);
    drop_tag(p); /* again, with something in between that may be of any version */
    put_tag(p, "{2}", 8);
    assert_tag(p, NULL, 0);
}

static void a_tombstone_goes_within_a_minute(void **state)
{
    struct place *p = *state;

    put_tag(p, "{1}", 7);
    drop_tag(p);
    drop(p, "{1}");
    assert_string_equal(
        redis_server_do(&p->server, "EVAL \"local n = 0 for _, k in ipairs(redis.call('keys', "
                                    "'t:*')) do local t = redis.call('pttl', k) if t > 50000 and "
                                    "t <= 60000 then n = n + 1 end end return n\" 0"),
        ":2");
}

static void with_a_manifest_all_its_tags_go(void **state)
{
    struct place *p = *state;

    put_tag(p, "{1}", 7);
    drop(p, "{1}");
    assert_tag(p, NULL, 0);
    assert_there(p, "{1}", false);
    put(p, "{1}"); /* by somebody who read it before */
    assert_there(p, "{1}", false);
}

static void a_tag_does_not_come_back_with_a_manifest(void **state)
{
    struct place *p = *state;

    put_tag(p, "{1}", 7);
    /* as an eviction, or a minute after it was dropped */
    redis_server_do(&p->server, "EVAL \"for _, k in ipairs(redis.call('keys', '*sha256:*')) do "
                                "redis.call('del', k) end\" 0");
    put(p, "{1}");
    assert_there(p, "{1}", true);
    assert_tag(p, NULL, 0);
    put_tag(p, "{1}", 7);
    assert_tag(p, "{1}", 7);
}

static void many_are_dropped_at_once(void **state)
{
    enum { MANY = 130 };
    struct place *p = *state;
    struct redis_shelf_key keys[MANY];
    struct tag_name tags[MANY];
    char name[16];

    for (size_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "t%zu", i);
        tags[i] = tag_of(name);
        keys[i] = (struct redis_shelf_key){&p->repo, &tags[i], NULL};
        p->tag = tags[i];
        put_tag(p, "{1}", 1);
    }
    assert_int_equal(redis_shelf_drop(&p->shelf, &p->era, keys, MANY, ERR_IGNORED), REDIS_ANSWERED);
    for (size_t i = 0; i < MANY; i++) {
        p->tag = tags[i];
        assert_tag(p, NULL, 0);
    }
}

static void a_large_manifest_is_not_put_there(void **state)
{
    static char bytes[REDIS_SHELF_BYTES_MAX + 1];
    struct place *p = *state;

    assert_int_equal(put_bytes(p, NULL, (struct str){bytes, sizeof(bytes)}, 0), REDIS_UNSENT);
    assert_int_equal(put_bytes(p, NULL, (struct str){bytes, sizeof(bytes) - 1}, 0), REDIS_ANSWERED);
}

/* What it finds, if anything, has the digest that was asked for. */
static void look(struct place *p)
{
    const struct redis_shelf_key tag = {&p->repo, &p->tag, NULL};
    struct digest d = sha256_of(STR("{1}"));
    const struct redis_shelf_key manifest = {&p->repo, NULL, &d};
    AUTO(meta_manifest) struct meta_manifest *by_tag = NULL;
    AUTO(meta_manifest) struct meta_manifest *by_digest = NULL;
    int64_t version;

    (void)redis_shelf_get(&p->shelf, &p->era, &tag, &by_tag, &version, ERR_IGNORED);
    (void)redis_shelf_get(&p->shelf, &p->era, &manifest, &by_digest, &version, ERR_IGNORED);
    if (by_tag) {
        struct digest found = sha256_of(by_tag->bytes);

        assert_true(digest_eq(&found, &by_tag->digest));
    }
    if (by_digest)
        assert_true(str_eq(by_digest->bytes, STR("{1}")));
}

/* Lua that makes v of v, at n. */
static void spoil(struct place *p, const char *lua, int n)
{
    char script[600];

    put_tag(p, "{1}", 7);
    snprintf(script, sizeof(script),
             "EVAL \"local n = tonumber(ARGV[1]) for _, k in ipairs(redis.call('keys', 't:*')) do "
             "local v = redis.call('get', k) %s redis.call('set', k, v) end\" 0 %d",
             lua, n);
    assert_string_equal(redis_server_do(&p->server, script), "$-1");
    look(p);
    redis_server_do(&p->server, "FLUSHALL");
}

static void what_somebody_else_wrote_there_is_not_believed(void **state)
{
    static const char *const ways[] = {
        "v = string.sub(v, 1, n)",
        "v = string.sub(v, n + 1)",
        "v = string.sub(v, 1, n) .. string.char(0) .. string.sub(v, n + 2)",
        "v = string.sub(v, 1, n) .. '9' .. string.sub(v, n + 2)",
        "v = string.sub(v, 1, n) .. string.char(255) .. string.sub(v, n + 1)",
        "v = string.sub(v, 1, n) .. string.rep('9', 5000) .. string.sub(v, n + 1)",
        "v = string.sub(v, 1, n) .. string.sub(v, 1, n)",
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        for (int n = 0; n < 120; n++)
            spoil(*state, ways[i], n);
    }
}

static void another_kind_of_value_is_none(void **state)
{
    struct place *p = *state;

    put_tag(p, "{1}", 7);
    redis_server_do(&p->server, "EVAL \"for _, k in ipairs(redis.call('keys', 't:*')) do "
                                "redis.call('del', k) redis.call('lpush', k, 'x') end\" 0");
    look(p);
    drop_tag(p);
}

static void a_media_type_that_would_be_a_header_of_its_own_is_refused(void **state)
{
    struct place *p = *state;

    put(p, "{1}");
    redis_server_do(&p->server,
                    "EVAL \"for _, k in ipairs(redis.call('keys', 't:*')) do local v = "
                    "redis.call('get', k) redis.call('set', k, (string.gsub(v, 'application/vnd', "
                    "'application' .. string.char(13, 10) .. 'nd'))) end\" 0");
    assert_there(p, "{1}", false);
}

static void it_is_dropped_where_the_memory_is_used_up(void **state)
{
    struct place *p = *state;

    put_tag(p, "{1}", 7);
    redis_server_do(&p->server, "CONFIG SET maxmemory-policy noeviction");
    redis_server_do(&p->server, "CONFIG SET maxmemory 1");
    assert_int_equal(put_bytes(p, NULL, STR("{2}"), 0), REDIS_REFUSED);
    assert_tag(p, "{1}", 7);
    drop_tag(p);
    assert_tag(p, NULL, 0);
}

static void what_is_evicted_is_not_there(void **state)
{
    static char bytes[100000];
    struct place *p = *state;
    unsigned found = 0;

    redis_server_do(&p->server, "CONFIG SET maxmemory-policy allkeys-lru");
    redis_server_do(&p->server, "CONFIG SET maxmemory 3mb");
    for (int i = 0; i < 100; i++) {
        bytes[0] = (char)i;
        (void)put_bytes(p, NULL, (struct str){bytes, sizeof(bytes)}, 0);
    }
    for (int i = 0; i < 100; i++) {
        AUTO(meta_manifest) struct meta_manifest *m = NULL;
        struct redis_shelf_key key = {.repo = &p->repo};
        struct digest d;
        int64_t version;

        bytes[0] = (char)i;
        d = sha256_of((struct str){bytes, sizeof(bytes)});
        key.digest = &d;
        assert_int_equal(redis_shelf_get(&p->shelf, &p->era, &key, &m, &version, ERR_IGNORED),
                         REDIS_ANSWERED);
        found += m != NULL;
    }
    assert_in_range(found, 1, 99);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_found),
        TEST(it_is_found_where_it_was_put_alone),
        TEST(the_later_version_stays),
        TEST(what_was_dropped_comes_back_as_a_later_version_only),
        TEST(nothing_comes_where_nobody_knows_what_was_on_its_way),
        TEST(a_tombstone_goes_within_a_minute),
        TEST(with_a_manifest_all_its_tags_go),
        TEST(a_tag_does_not_come_back_with_a_manifest),
        TEST(many_are_dropped_at_once),
        TEST(a_large_manifest_is_not_put_there),
        TEST(what_somebody_else_wrote_there_is_not_believed),
        TEST(another_kind_of_value_is_none),
        TEST(a_media_type_that_would_be_a_header_of_its_own_is_refused),
        TEST(it_is_dropped_where_the_memory_is_used_up),
        TEST(what_is_evicted_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
