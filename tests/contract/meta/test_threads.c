/* Many threads at once. Threads record what they saw; the test's own thread asserts. */
#include "base/cleanup.h"
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 16

static size_t rounds = 40;

struct worker {
    pthread_t thread;
    struct fixture *f;
    int index;
    size_t won, lost, wrong;
};

static struct worker workers[THREADS];
static pthread_barrier_t barrier;

static void run(struct fixture *f, size_t n, void *(*main)(void *))
{
    pthread_barrier_init(&barrier, NULL, (unsigned)n);
    for (size_t i = 0; i < n; i++) {
        workers[i] = (struct worker){.f = f, .index = (int)i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, main, &workers[i]), 0);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
}

static size_t total(size_t n, size_t (*of)(const struct worker *))
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += of(&workers[i]);
    return sum;
}

static size_t won(const struct worker *w)
{
    return w->won;
}

static size_t lost(const struct worker *w)
{
    return w->lost;
}

static size_t wrong(const struct worker *w)
{
    return w->wrong;
}

/* Without cmocka's assertions, which belong to one thread. */
static enum err_code move_tag(struct fixture *f, const char *manifest, int64_t expected)
{
    struct repo_name r;
    struct tag_name t;
    struct digest d = digest_for(manifest);
    struct meta_op op = meta_op_tag_set(&r, &t, &d, expected);

    if (repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK ||
        tag_name_parse(STR("t"), &t, ERR_IGNORED) != ERR_OK)
        return ERR_INTERNAL;
    return meta_commit(f->m, &op, 1, 0, NULL, ERR_IGNORED);
}

static enum err_code read_tag(struct fixture *f, int64_t *ret_version)
{
    struct repo_name r;
    struct tag_name t;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    if (repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK ||
        tag_name_parse(STR("t"), &t, ERR_IGNORED) != ERR_OK)
        return ERR_INTERNAL;
    return meta_manifest_by_tag(f->m, &r, &t, &m, ret_version, ERR_IGNORED);
}

static void *race_main(void *ctx)
{
    struct worker *w = ctx;
    int64_t version = META_ABSENT;

    for (size_t i = 0; i < rounds; i++) {
        enum err_code code;

        if (i > 0 && read_tag(w->f, &version) != ERR_OK)
            w->wrong++;
        pthread_barrier_wait(&barrier); /* all have read the same version */
        code = move_tag(w->f, "m", version);
        w->won += code == ERR_OK;
        w->lost += code == ERR_CONFLICT;
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void of_commits_that_expect_the_same_version_exactly_one_wins(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "m"));
    run(f, THREADS, race_main);
    assert_int_equal(total(THREADS, wrong), 0);
    assert_int_equal(total(THREADS, won), rounds);
    assert_int_equal(total(THREADS, lost), rounds * (THREADS - 1));
}

/* Each thread pushes manifests of its own, sharing a layer, and now and then one that must fail. */
static void *push_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r;
    struct digest layer = digest_for("layer"), missing = digest_for("missing");

    if (repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK)
        w->wrong++;
    for (size_t i = 0; i < rounds; i++) {
        char text[32];
        bool good = i % 4 != 3;
        const struct meta_edge edge = {META_EDGE_BLOB, good ? layer : missing};
        AUTO(meta_manifest) struct meta_manifest *m = NULL;
        enum err_code code;
        size_t failed;

        snprintf(text, sizeof(text), "m %d %zu", w->index, i);
        m = manifest_for(text);
        const struct meta_op ops[] = {
            meta_op_blob_link(&r, &layer, 5),
            meta_op_manifest_put((struct meta_manifest_put){
                .repo = &r, .manifest = m, .edges = &edge, .n_edges = 1}),
        };
        code = meta_commit(w->f->m, ops, 2, i % 2 ? META_LAZY : 0, &failed, ERR_IGNORED);
        w->won += code == ERR_OK && good;
        w->lost += code == ERR_MANIFEST_BLOB_UNKNOWN && failed == 1 && !good;
    }
    return NULL;
}

static void pushes_beside_each_other_do_not_disturb(void **state)
{
    struct fixture *f = *state;

    run(f, THREADS, push_main);
    assert_int_equal(total(THREADS, wrong), 0);
    assert_int_equal(total(THREADS, won), THREADS * rounds * 3 / 4);
    assert_int_equal(total(THREADS, lost), THREADS * rounds / 4);
    for (int t = 0; t < THREADS; t++) {
        for (size_t i = 0; i < rounds; i++) {
            char text[32];

            snprintf(text, sizeof(text), "m %d %zu", t, i);
            assert_int_equal(has_manifest(f, "a", text), i % 4 != 3);
        }
    }
}

/* One thread moves a tag; the others must never see a version older than one whose commit had
 * returned before they asked, nor older than one that any of them has seen. */
static _Atomic int64_t floor_version;
static atomic_bool ended;

static void raise_floor(int64_t version)
{
    int64_t seen = atomic_load(&floor_version);

    while (seen < version && !atomic_compare_exchange_weak(&floor_version, &seen, version)) {
    }
}

static void *reader_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r;

    if (repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK)
        w->wrong++;
    while (!atomic_load(&ended)) {
        int64_t least = atomic_load(&floor_version), version = 0;
        AUTO(meta_manifest) struct meta_manifest *m = NULL;

        if (read_tag(w->f, &version) != ERR_OK || version < least)
            w->wrong++;
        raise_floor(version);
        m = meta_manifest_peek(w->f->m, &r, STR("t"));
        w->won++;
    }
    return NULL;
}

static void *mover_main(void *ctx)
{
    struct worker *w = ctx;

    for (size_t i = 0; i < fixture_rounds(300); i++) {
        int64_t version;

        if (move_tag(w->f, i % 2 ? "m" : "n", META_ANY) != ERR_OK ||
            read_tag(w->f, &version) != ERR_OK)
            w->wrong++;
        else
            raise_floor(version);
    }
    atomic_store(&ended, true);
    return NULL;
}

static void *reader_or_mover_main(void *ctx)
{
    return ((struct worker *)ctx)->index == 0 ? mover_main(ctx) : reader_main(ctx);
}

static void a_reader_never_sees_an_older_tag_than_was_seen(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "m"));
    assert_ok(put(f, "a", "n"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    atomic_store(&floor_version, version_of(f, "a", "t"));
    atomic_store(&ended, false);
    run(f, 5, reader_or_mover_main);
    assert_int_equal(total(5, wrong), 0);
}

/* A manifest and its tag are deleted and pushed again; the two digests of a tag that is there are
 * looked at beside it. Once the deletion returned nobody may be given the tag. */
static atomic_int epoch; /* odd: the tag is certainly gone */

static void *gone_reader_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r;
    struct digest d = digest_for("m");

    if (repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK)
        w->wrong++;
    while (!atomic_load(&ended)) {
        int before = atomic_load(&epoch);
        int64_t version;
        AUTO(meta_manifest) struct meta_manifest *m = NULL, *peeked = NULL;
        bool by_tag = read_tag(w->f, &version) == ERR_OK;
        bool by_digest = meta_manifest_by_digest(w->f->m, &r, &d, &m, ERR_IGNORED) == ERR_OK;

        peeked = meta_manifest_peek(w->f->m, &r, STR("t"));
        if (before % 2 && atomic_load(&epoch) == before && (by_tag || by_digest || peeked))
            w->wrong++;
        w->won++;
    }
    return NULL;
}

static void *deleter_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r;
    struct tag_name t;
    struct digest d = digest_for("m");
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("m");
    const struct meta_op push[] = {
        meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = m}),
        meta_op_tag_set(&r, &t, &d, META_ANY),
    };
    const struct meta_op del = meta_op_manifest_delete(&r, &d, META_ANY);

    if (repo_name_parse(STR("a"), &r, ERR_IGNORED) != ERR_OK ||
        tag_name_parse(STR("t"), &t, ERR_IGNORED) != ERR_OK)
        w->wrong++;
    for (size_t i = 0; i < fixture_rounds(200); i++) {
        if (meta_commit(w->f->m, push, 2, 0, NULL, ERR_IGNORED) != ERR_OK)
            w->wrong++;
        if (meta_commit(w->f->m, &del, 1, 0, NULL, ERR_IGNORED) != ERR_OK)
            w->wrong++;
        atomic_fetch_add(&epoch, 1);
        for (int k = 0; k < 20; k++)
            sched_yield();
        atomic_fetch_add(&epoch, 1);
    }
    atomic_store(&ended, true);
    return NULL;
}

static void *gone_reader_or_deleter_main(void *ctx)
{
    return ((struct worker *)ctx)->index == 0 ? deleter_main(ctx) : gone_reader_main(ctx);
}

static void a_reader_never_sees_a_tag_whose_manifest_was_deleted(void **state)
{
    struct fixture *f = *state;

    atomic_store(&epoch, 0);
    atomic_store(&ended, false);
    run(f, 5, gone_reader_or_deleter_main);
    assert_int_equal(total(5, wrong), 0);
}

/* One pushes a manifest with a tag that may not go, looks whether it is there, and takes the tag
 * away again; the others delete the manifest, unless they see the tag. */

static void *tagger_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest d = digest_for("m");
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("m");
    const struct meta_op push[] = {
        meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = m}),
        meta_op_tag_set(&r, &t, &d, META_ANY),
    };
    const struct meta_op untag = meta_op_tag_delete(&r, &t, META_ANY);
    struct meta_manifest *left;

    for (size_t i = 0; i < fixture_rounds(200); i++) {
        int64_t version;

        if (meta_commit(w->f->m, push, 2, 0, NULL, ERR_IGNORED) != ERR_OK)
            w->wrong++;
        for (int k = 0; k < 5; k++)
            sched_yield();
        if (read_tag(w->f, &version) != ERR_OK ||
            meta_commit(w->f->m, &untag, 1, 0, NULL, ERR_IGNORED) != ERR_OK)
            w->wrong++;
    }
    /* Nothing holds it any more: whoever has had no turn yet gets one now. */
    while (meta_manifest_by_digest(w->f->m, &r, &d, &left, ERR_IGNORED) == ERR_OK) {
        meta_manifest_unref(left);
        sched_yield();
    }
    atomic_store(&ended, true);
    return NULL;
}

static void *careful_deleter_main(void *ctx)
{
    struct worker *w = ctx;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("m");

    while (!atomic_load(&ended)) {
        AUTO(name_list) struct meta_name_list l = {0};
        struct meta_op op;
        int64_t seen;

        if (meta_manifest_tags(w->f->m, &r, &d, STR(""), 2, &l, &seen, ERR_IGNORED) != ERR_OK) {
            w->wrong++;
        } else if (l.n == 0) {
            op = meta_op_manifest_delete(&r, &d, seen);
            switch (meta_commit(w->f->m, &op, 1, 0, NULL, ERR_IGNORED)) {
            case ERR_OK:
                w->won++;
                break;
            case ERR_CONFLICT:
            case ERR_MANIFEST_UNKNOWN:
                w->lost++;
                break;
            default:
                w->wrong++;
            }
        }
    }
    return NULL;
}

static void *tagger_or_careful_deleter_main(void *ctx)
{
    return ((struct worker *)ctx)->index == 0 ? tagger_main(ctx) : careful_deleter_main(ctx);
}

static void no_tag_is_deleted_that_nobody_saw(void **state)
{
    struct fixture *f = *state;

    atomic_store(&ended, false);
    run(f, 4, tagger_or_careful_deleter_main);
    assert_int_equal(total(4, wrong), 0);
    assert_true(total(4, won) > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(of_commits_that_expect_the_same_version_exactly_one_wins),
        TEST(pushes_beside_each_other_do_not_disturb),
        TEST(a_reader_never_sees_an_older_tag_than_was_seen),
        TEST(a_reader_never_sees_a_tag_whose_manifest_was_deleted),
        TEST(no_tag_is_deleted_that_nobody_saw),
    };

    fixture_choose(argc, argv);
    rounds = fixture_rounds(rounds);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
