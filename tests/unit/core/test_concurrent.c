/* Pushes, pulls, mounts and deletes of the same few things by several threads at once. What comes
 * of each is not known; that nothing ever looks damaged, and that every tag is complete, is. */
#include "base/mem.h"
#include "core/mount.h"
#include "core/project.h"
#include "core/pull.h"
#include "core/remove.h"
#include "core/upload.h"
#include "core/upload_session.h"
#include "support.h"

#include <jansson.h>
#include <pthread.h>

#define THREADS 4
#define ROUNDS  150

static const char *const repos[] = {"a", "b"};
static const char *const texts[] = {"the layer of all", "one", "two"};
static const char *const tags[] = {"v1", "latest"};

struct actor {
    struct world *w;
    unsigned seed, unexpected;
    pthread_t thread;
};

static unsigned choose(struct actor *a, unsigned n)
{
    return (unsigned)rand_r(&a->seed) / 7 % n;
}

/* Errors that say what was the case at some moment; any other is a failure of the registry. */
static void expect(struct actor *a, enum err_code code)
{
    switch (code) {
    case ERR_OK:
    case ERR_BLOB_UNKNOWN:
    case ERR_MANIFEST_UNKNOWN:
    case ERR_MANIFEST_BLOB_UNKNOWN:
    case ERR_IN_USE:
        return;
    default:
        a->unexpected++;
    }
}

static void push_blob(struct actor *a, const char *repo)
{
    struct digest d;

    expect(a, blob_push(a->w, repo, str_of(texts[choose(a, 3)]), &d, ERR_IGNORED));
}

static void push_image(struct actor *a, const char *repo)
{
    AUTO(mem) char *json = image_json(texts[1 + choose(a, 2)], texts[0], "");
    struct digest d;

    expect(a, manifest_push(a->w, repo, json, tags[choose(a, 2)], &d, ERR_IGNORED));
}

static void mount(struct actor *a, const char *repo)
{
    struct repo_name to = repo_of(repo), from = repo_of(repos[choose(a, 2)]);
    struct digest d = sha256_of(str_of(texts[choose(a, 3)]));

    if (choose(a, 2) && mount_source(a->w->r, &d, &from, ERR_IGNORED) != ERR_OK)
        return;
    expect(a, mount_blob(a->w->r, &to, &from, &d, ERR_IGNORED));
}

static void delete_blob(struct actor *a, const char *repo)
{
    struct repo_name name = repo_of(repo);
    struct digest d = sha256_of(str_of(texts[choose(a, 3)]));

    expect(a, remove_blob(a->w->r, &name, &d, ERR_IGNORED));
}

static void delete_image(struct actor *a, const char *repo)
{
    AUTO(mem) char *json = image_json(texts[1 + choose(a, 2)], texts[0], "");
    struct digest d = sha256_of(str_of(json));
    struct reference ref = choose(a, 2) ? digest_ref(&d) : tag_ref(tags[choose(a, 2)]);
    struct repo_name name = repo_of(repo);

    expect(a, remove_manifest(a->w->r, &name, &ref, ERR_IGNORED));
}

static void pull_blob_of(struct actor *a, const char *repo)
{
    AUTO(reader) struct reader *r = NULL;
    struct repo_name name = repo_of(repo);
    struct digest d = sha256_of(str_of(texts[choose(a, 3)]));
    uint64_t size;

    expect(a, pull_blob(a->w->r, &name, &d, &r, &size, ERR_IGNORED));
}

static void pull_image(struct actor *a, const char *repo)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct reference ref = tag_ref(tags[choose(a, 2)]);
    struct repo_name name = repo_of(repo);

    expect(a, pull_manifest(a->w->r, &name, &ref, &m, ERR_IGNORED));
}

static void *act(void *arg)
{
    static void (*const acts[])(struct actor *, const char *) = {
        push_blob, push_blob,   push_image,   push_image,   push_image,
        mount,     delete_blob, delete_image, pull_blob_of, pull_image,
    };
    struct actor *a = arg;

    for (unsigned i = 0; i < ROUNDS; i++)
        acts[choose(a, sizeof(acts) / sizeof(acts[0]))](a, repos[choose(a, 2)]);
    return NULL;
}

static void assert_descriptor_readable(struct world *w, const char *repo, const json_t *j)
{
    struct digest d;

    assert_ok(
        digest_parse(str_of(json_string_value(json_object_get(j, "digest"))), &d, ERR_IGNORED));
    assert_true(blob_readable(w, repo, &d));
}

static void assert_tag_complete(struct world *w, const char *repo, const char *tag)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest there = projected_tag(w, repo, tag);
    struct repo_name name = repo_of(repo);
    struct reference ref = tag_ref(tag);
    json_t *root;

    if (pull_manifest(w->r, &name, &ref, &m, ERR_IGNORED) != ERR_OK) {
        assert_string_equal(there.text, "");
        return;
    }
    assert_digest_equal(&there, &m->digest);
    root = json_loadb(m->bytes.p, m->bytes.n, 0, NULL);
    assert_descriptor_readable(w, repo, json_object_get(root, "config"));
    assert_descriptor_readable(w, repo, json_array_get(json_object_get(root, "layers"), 0));
    json_decref(root);
}

static void check(void (*open_world)(struct world *), unsigned seed)
{
    struct actor actors[THREADS];
    struct world w;
    bool more;

    open_world(&w);
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.w = &w, .seed = seed * THREADS + i};
        assert_int_equal(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(actors[i].thread, NULL);
        assert_int_equal(actors[i].unexpected, 0);
    }
    assert_ok(project_pending(w.r, 100, &more, ERR_IGNORED));
    for (size_t i = 0; i < 4; i++)
        assert_tag_complete(&w, repos[i / 2], tags[i % 2]);
    assert_int_equal(session_count(w.r->uploads), 0);
    assert_int_equal(stored_uploads(&w), 0);
    assert_int_equal(known_uploads(&w), 0);
    world_done(&w);
}

static void all_at_once_in_memory(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3; seed++)
        check(world_in_memory, seed);
}

static void all_at_once_on_disk(void **state)
{
    (void)state;
    check(world_on_disk, 11);
}

/* A blob that takes long to compare, and what happens meanwhile. */

static struct {
    struct world *w;
    struct digest slow; /* the blob */
    void (*meanwhile)(void);
    unsigned times;
    const struct repo_name *twin; /* as it was told the last time */
} comparing;

static enum err_code compare_slowly(struct store *s, struct store_upload *u,
                                    const struct repo_name *repo, const struct digest *d,
                                    const struct repo_name *twin, struct err *e)
{
    if (digest_eq(d, &comparing.slow) && comparing.times++ == 0)
        comparing.meanwhile();
    comparing.twin = twin;
    return store_upload_prepare(s->inner, u, repo, d, twin, e);
}

static void push_slowly(struct world *w, const char *content, void (*meanwhile)(void))
{
    comparing.w = w;
    comparing.slow = sha256_of(str_of(content));
    comparing.meanwhile = meanwhile;
    comparing.times = 0;
    world_patch_store(w)->upload_prepare = compare_slowly;
    blob_put(w, "a", str_of(content));
}

/* Another text whose digest has the same stripe. */
static void text_beside(struct world *w, const struct digest *d, char *ret, size_t cap)
{
    pthread_mutex_t *stripe = locks_hold(&w->r->blob_locks, STR_NONE, digest_str(d)), *other = NULL;

    locks_release(stripe);
    for (unsigned i = 0; other != stripe; i++) {
        struct digest beside;

        snprintf(ret, cap, "text %u", i);
        beside = sha256_of(str_of(ret));
        other = locks_hold(&w->r->blob_locks, STR_NONE, digest_str(&beside));
        locks_release(other);
    }
}

/* On the same thread: a lock that it held would make it wait for ever. */
static void push_beside(void)
{
    struct repo_name b = repo_of("b");
    char text[32];
    struct digest d;

    text_beside(comparing.w, &comparing.slow, text, sizeof(text));
    d = blob_put(comparing.w, "b", str_of(text));
    assert_ok(remove_blob(comparing.w->r, &b, &d, ERR_IGNORED));
}

static void a_blob_that_is_compared_stops_no_other_of_its_stripe(void **state)
{
    struct world w;

    (void)state;
    world_on_disk(&w);
    push_slowly(&w, "large", push_beside);
    assert_true(blob_readable(&w, "a", &comparing.slow));
    assert_int_equal(comparing.times, 1);
    world_done(&w);
}

static void push_the_same(void)
{
    blob_put(comparing.w, "b", STR("large"));
}

static void a_blob_that_another_repository_gets_meanwhile_is_compared_and_shared(void **state)
{
    struct world w;

    (void)state;
    world_on_disk(&w);
    push_slowly(&w, "large", push_the_same);
    assert_int_equal(comparing.times, 3); /* a, b meanwhile, and a once more */
    assert_non_null(comparing.twin);
    assert_true(blob_readable(&w, "a", &comparing.slow));
    world_done(&w);
}

/* One session, and several requests that all want it. */

struct rival {
    struct world *w;
    const struct uuid *id;
    unsigned taken;
    pthread_t thread;
};

static void *append_once(void *arg)
{
    struct rival *v = arg;
    struct repo_name repo = repo_of("a");
    struct source s = source_of(STR("hello"));
    struct upload *u;

    if (upload_open(v->w->r, &repo, "", v->id, UPLOAD_MORE, &u, ERR_IGNORED) != ERR_OK)
        return NULL;
    v->taken = upload_append(u, &s.reader, BODY(5), ERR_IGNORED) == ERR_OK;
    upload_close(u);
    return NULL;
}

static void rivals_for_a_session_take_turns_or_are_refused(void **state)
{
    struct repo_name repo = repo_of("a");
    struct rival rivals[THREADS];
    uint64_t offset, taken = 0;
    struct uuid id;
    struct world w;

    (void)state;
    world_in_memory(&w);
    assert_ok(upload_begin(w.r, &repo, "", DIGEST_SHA256, &id, ERR_IGNORED));
    for (unsigned i = 0; i < THREADS; i++) {
        rivals[i] = (struct rival){.w = &w, .id = &id};
        assert_int_equal(pthread_create(&rivals[i].thread, NULL, append_once, &rivals[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(rivals[i].thread, NULL);
        taken += rivals[i].taken;
    }
    assert_ok(upload_status(w.r, &repo, "", &id, &offset, ERR_IGNORED));
    assert_int_equal(offset, 5 * taken);
    assert_true(taken >= 1);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once_in_memory),
        cmocka_unit_test(all_at_once_on_disk),
        cmocka_unit_test(a_blob_that_is_compared_stops_no_other_of_its_stripe),
        cmocka_unit_test(a_blob_that_another_repository_gets_meanwhile_is_compared_and_shared),
        cmocka_unit_test(rivals_for_a_session_take_turns_or_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
