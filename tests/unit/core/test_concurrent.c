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

    expect(a, blob_push(a->w, repo, str_of(texts[choose(a, 3)]), &d, NULL));
}

static void push_image(struct actor *a, const char *repo)
{
    AUTO(mem) char *json = image_json(texts[1 + choose(a, 2)], texts[0], "");
    struct digest d;

    expect(a, manifest_push(a->w, repo, json, tags[choose(a, 2)], &d, NULL));
}

static void mount(struct actor *a, const char *repo)
{
    struct repo_name to = repo_of(repo), from = repo_of(repos[choose(a, 2)]);
    struct digest d = sha256_of(str_of(texts[choose(a, 3)]));

    if (choose(a, 2) && mount_source(a->w->r, &d, &from, NULL) != ERR_OK)
        return;
    expect(a, mount_blob(a->w->r, &to, &from, &d, NULL));
}

static void delete_blob(struct actor *a, const char *repo)
{
    struct repo_name name = repo_of(repo);
    struct digest d = sha256_of(str_of(texts[choose(a, 3)]));

    expect(a, remove_blob(a->w->r, &name, &d, NULL));
}

static void delete_image(struct actor *a, const char *repo)
{
    AUTO(mem) char *json = image_json(texts[1 + choose(a, 2)], texts[0], "");
    struct digest d = sha256_of(str_of(json));
    struct reference ref = choose(a, 2) ? digest_ref(&d) : tag_ref(tags[choose(a, 2)]);
    struct repo_name name = repo_of(repo);

    expect(a, remove_manifest(a->w->r, &name, &ref, NULL));
}

static void pull_blob_of(struct actor *a, const char *repo)
{
    AUTO(reader) struct reader *r = NULL;
    struct repo_name name = repo_of(repo);
    struct digest d = sha256_of(str_of(texts[choose(a, 3)]));
    uint64_t size;

    expect(a, pull_blob(a->w->r, &name, &d, &r, &size, NULL));
}

static void pull_image(struct actor *a, const char *repo)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct reference ref = tag_ref(tags[choose(a, 2)]);
    struct repo_name name = repo_of(repo);

    expect(a, pull_manifest(a->w->r, &name, &ref, &m, NULL));
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

    assert_ok(digest_parse(str_of(json_string_value(json_object_get(j, "digest"))), &d, NULL));
    assert_true(blob_readable(w, repo, &d));
}

static void assert_tag_complete(struct world *w, const char *repo, const char *tag)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest there = projected_tag(w, repo, tag);
    struct repo_name name = repo_of(repo);
    struct reference ref = tag_ref(tag);
    json_t *root;

    if (pull_manifest(w->r, &name, &ref, &m, NULL) != ERR_OK) {
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
    assert_ok(project_pending(w.r, 100, &more, NULL));
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

    if (upload_open(v->w->r, &repo, "", v->id, &u, NULL) != ERR_OK)
        return NULL;
    v->taken = upload_append(u, &s.reader, 5, NULL) == ERR_OK;
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
    assert_ok(upload_begin(w.r, &repo, "", DIGEST_SHA256, &id, NULL));
    for (unsigned i = 0; i < THREADS; i++) {
        rivals[i] = (struct rival){.w = &w, .id = &id};
        assert_int_equal(pthread_create(&rivals[i].thread, NULL, append_once, &rivals[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(rivals[i].thread, NULL);
        taken += rivals[i].taken;
    }
    assert_ok(upload_status(w.r, &repo, "", &id, &offset, NULL));
    assert_int_equal(offset, 5 * taken);
    assert_true(taken >= 1);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once_in_memory),
        cmocka_unit_test(all_at_once_on_disk),
        cmocka_unit_test(rivals_for_a_session_take_turns_or_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
