/* Many threads on one store. Threads report through their struct: only the test's own asserts. */
#include "store_fixture.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8
#define ROUNDS  20

struct worker {
    pthread_t thread;
    struct store *s;
    unsigned number;
    struct str bytes;
    struct digest digests[2];
    atomic_bool *stop;
    size_t failures;
    struct err e;
};

static void fail_with(struct worker *w, bool ok)
{
    w->failures += !ok;
}

/* Starts the workers on fn, waits for them, and checks that none saw a failure. */
static void run(struct worker *w, size_t n, void *(*fn)(void *))
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pthread_create(&w[i].thread, NULL, fn, &w[i]), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(w[i].thread, NULL);
    for (size_t i = 0; i < n; i++) {
        if (w[i].failures)
            fail_msg("thread %zu saw %zu failures, last %s", i, w[i].failures, w[i].e.detail);
    }
}

static void parse_repo(struct repo_name *r, const char *org, unsigned a, const char *app,
                       unsigned b)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%u/%s%u", org, a, app, b);
    if (repo_name_parse(str_of(text), r, ERR_IGNORED) != ERR_OK)
        abort();
}

/* All commit one digest into one new repository after the other, with and without a twin. */
static void *commit_same(void *ctx)
{
    struct worker *w = ctx;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct repo_name r, twin;

        parse_repo(&r, "org", i / 4, "app", i);
        parse_repo(&twin, "org", (i ? i - 1 : 0) / 4, "app", i ? i - 1 : 0);
        fail_with(w, push_e(w->s, &r, w->bytes, &w->digests[0], w->number % 2 ? &twin : NULL,
                            &w->e) == ERR_OK);
        fail_with(w, blob_is_e(w->s, &r, &w->digests[0], w->bytes));
    }
    return NULL;
}

static void same_digest_is_committed_by_many_at_once(void **state)
{
    struct fixture *f = *state;
    struct worker w[THREADS] = {0};
    struct str bytes = make_bytes(1, 50000);

    for (unsigned i = 0; i < THREADS; i++)
        w[i] =
            (struct worker){.s = f->s, .number = i, .bytes = bytes, .digests = {sha256_of(bytes)}};
    run(w, THREADS, commit_same);
    assert_int_equal(count_uploads(f->s), 0);
    free((char *)bytes.p);
}

/* Manifests, tags, links and deletes of one's own below directories that all make at once. */
static void *push_own(void *ctx)
{
    struct worker *w = ctx;
    struct tag_name t;

    if (tag_name_parse(STR("latest"), &t, ERR_IGNORED) != ERR_OK)
        abort();
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct repo_name r, to;
        struct digest found;

        parse_repo(&r, "new", i, "of", w->number);
        parse_repo(&to, "new", i, "to", w->number);
        fail_with(w, push_e(w->s, &r, w->bytes, &w->digests[0], NULL, &w->e) == ERR_OK);
        fail_with(w, store_blob_link(w->s, &r, &to, &w->digests[0], &w->e) == ERR_OK);
        fail_with(w, store_blob_delete(w->s, &r, &w->digests[0], false, &w->e) == ERR_OK);
        fail_with(w, blob_is_e(w->s, &to, &w->digests[0], w->bytes));
        fail_with(w, store_manifest_put(w->s, &to, &w->digests[0], w->bytes, &w->e) == ERR_OK);
        fail_with(w, store_tag_put(w->s, &to, &t, &w->digests[0], &w->e) == ERR_OK);
        fail_with(w, store_tag_sync(w->s, &to, &w->e) == ERR_OK);
        fail_with(w, store_tag_get(w->s, &to, &t, &found, &w->e) == ERR_OK);
    }
    return NULL;
}

static void new_repositories_are_made_by_many_at_once(void **state)
{
    struct fixture *f = *state;
    struct worker w[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++) {
        struct str bytes = make_bytes(i, 1000);

        w[i] =
            (struct worker){.s = f->s, .number = i, .bytes = bytes, .digests = {sha256_of(bytes)}};
    }
    run(w, THREADS, push_own);
    for (unsigned i = 0; i < THREADS; i++)
        free((char *)w[i].bytes.p);
}

/* Threads 0 and 1 move the tag to and fro, the others look: it always is one of the two. */
static void *move_or_look(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r;
    struct tag_name t;

    parse_repo(&r, "a", 0, "b", 0);
    if (tag_name_parse(STR("latest"), &t, ERR_IGNORED) != ERR_OK)
        abort();
    if (w->number > 1) {
        while (!atomic_load(w->stop)) {
            struct digest found;

            fail_with(w,
                      store_tag_get(w->s, &r, &t, &found, &w->e) == ERR_OK &&
                          (digest_eq(&found, &w->digests[0]) || digest_eq(&found, &w->digests[1])));
        }
        return NULL;
    }
    for (unsigned i = 0; i < 10 * ROUNDS; i++)
        fail_with(w, store_tag_put(w->s, &r, &t, &w->digests[i % 2], &w->e) == ERR_OK);
    atomic_store(w->stop, true);
    return NULL;
}

static void tag_is_never_missing_while_it_moves(void **state)
{
    struct fixture *f = *state;
    struct worker w[4] = {0};
    atomic_bool stop = false;
    struct repo_name r = repo_of("a0/b0");
    struct tag_name t = tag_of("latest");
    struct digest one = sha256_of(STR("1")), two = sha256_of(STR("2"));

    OK(store_tag_put(f->s, &r, &t, &one, E));
    for (unsigned i = 0; i < 4; i++)
        w[i] = (struct worker){.s = f->s, .number = i, .digests = {one, two}, .stop = &stop};
    run(w, 4, move_or_look);
}

/* Thread 0 deletes and pushes, the others read: all of the blob or BLOB_UNKNOWN, nothing else. */
static void *delete_or_read(void *ctx)
{
    struct worker *w = ctx;
    AUTO(mem) char *got = malloc(w->bytes.n);
    struct repo_name r;

    parse_repo(&r, "a", 0, "b", 0);
    for (unsigned i = 0; w->number == 0 && i < ROUNDS; i++) {
        fail_with(w, store_blob_delete(w->s, &r, &w->digests[0], false, &w->e) == ERR_OK);
        fail_with(w, push_e(w->s, &r, w->bytes, &w->digests[0], NULL, &w->e) == ERR_OK);
    }
    if (w->number == 0)
        atomic_store(w->stop, true);
    while (!atomic_load(w->stop)) {
        AUTO(reader) struct reader *reader = NULL;
        enum err_code code;
        uint64_t size;
        size_t n = 0;

        code = store_blob_open(w->s, &r, &w->digests[0], UINT64_MAX, &reader, &size, &w->e);
        if (code == ERR_BLOB_UNKNOWN)
            continue;
        fail_with(w, code == ERR_OK && size == w->bytes.n &&
                         reader_read_waiting(reader, got, w->bytes.n, &n, &w->e) == ERR_OK &&
                         str_eq((struct str){got, n}, w->bytes));
    }
    return NULL;
}

static void blob_is_whole_or_unknown_while_it_comes_and_goes(void **state)
{
    struct fixture *f = *state;
    struct worker w[4] = {0};
    atomic_bool stop = false;
    struct str bytes = make_bytes(2, 200000);
    struct digest d = push(f->s, "a0/b0", bytes);

    for (unsigned i = 0; i < 4; i++)
        w[i] =
            (struct worker){.s = f->s, .number = i, .bytes = bytes, .digests = {d}, .stop = &stop};
    run(w, 4, delete_or_read);
    free((char *)bytes.p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_thread_suite(void)
{
    const struct CMUnitTest tests[] = {
        TEST(same_digest_is_committed_by_many_at_once),
        TEST(tag_is_never_missing_while_it_moves),
    };

    const struct CMUnitTest own[] = {
        TEST(new_repositories_are_made_by_many_at_once),
        TEST(blob_is_whole_or_unknown_while_it_comes_and_goes),
    };
    int failures = cmocka_run_group_tests_name("threads", tests, NULL, NULL);

    if (!variant_under_test->shared)
        failures += cmocka_run_group_tests_name("threads, of each repository", own, NULL, NULL);
    return failures;
}
