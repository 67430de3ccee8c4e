/* Images of a registry on their way into the index of files, and out of it. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "core/push.h"
#include "core/remove.h"
#include "files/batch.h"
#include "files/feed.h"
#include "files/search.h"
#include "files/upkeep.h"
#include "unit/analysis/layers.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>

struct tested {
    struct world w;
    struct files_index *x;
    const char *hidden; /* a repository that the caller may not see */
    struct buf rows;    /* what was found: "REPOSITORY:TAG PATH\n" */
};

static void setup(struct tested *t)
{
    *t = (struct tested){.hidden = ""};
    world_in_memory(&t->w);
    t->w.conf->registry.index_files = true;
    t->x = files_index_new(t->w.r, P_tmpdir);
    buf_init(&t->rows, 1 << 20);
}

static void teardown(struct tested *t)
{
    files_index_free(t->x);
    buf_done(&t->rows);
    world_done(&t->w);
}

/* ---- images */

/* Of one layer, with those files; returns the digest of its manifest. */
static struct digest push_files(struct tested *t, const char *repo, const char *tag,
                                const char *const *paths)
{
    static const char config[] = "{\"os\":\"linux\",\"architecture\":\"arm64\"}";
    AUTO(buf) struct buf tar = {0}, json = {0};
    struct digest layer, manifest, d;

    buf_init(&tar, 1 << 20);
    buf_init(&json, 1 << 16);
    for (size_t i = 0; paths[i]; i++)
        layer_file(&tar, paths[i], "");
    layer_end(&tar);
    d = blob_put(&t->w, repo, STR(config));
    layer = blob_put(&t->w, repo, buf_str(&tar));
    buf_addf(&json,
             "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
             "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
             "\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
             "\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}]}",
             d.text, sizeof(config) - 1, layer.text, tar.n);
    assert_ok(manifest_push(&t->w, repo, buf_text(&json), tag, &manifest, ERR_IGNORED));
    return manifest;
}

static void feed(struct tested *t)
{
    assert_ok(files_feed_run(t->x, NULL, ERR_IGNORED));
}

/* ---- searches */

static bool may(void *ctx, const struct repo_name *repo, const struct tag_name *tag)
{
    const struct tested *t = ctx;

    (void)tag;
    return strcmp(repo->text, t->hidden) != 0;
}

static void found(void *ctx, const struct files_found *f)
{
    struct tested *t = ctx;

    assert_string_equal(f->platform, "linux/arm64");
    buf_addf(&t->rows, "%s:%s " STR_FMT "\n", f->repo->text, f->n_tags > 0 ? f->tags[0].text : "",
             STR_ARG(f->path));
}

static const char *search(struct tested *t, const char *pattern, size_t limit, bool *ret_complete)
{
    struct files_page page = {.more = true};
    struct files_plan plan;
    struct files_search s = {
        .index = t->x, .plan = &plan, .limit = limit, .may = may, .found = found, .ctx = t};

    buf_clear(&t->rows);
    assert_ok(files_plan_path(str_of(pattern), &plan, ERR_IGNORED));
    while (page.more) {
        char after[FILES_TOKEN_MAX];

        snprintf(after, sizeof(after), "%s", page.next);
        s.after = str_of(after);
        assert_ok(files_search(&s, &page, ERR_IGNORED));
        assert_true(page.n <= limit);
    }
    if (ret_complete)
        *ret_complete = page.complete;
    return buf_text(&t->rows);
}

static const char *const two[] = {"usr/bin/env", "usr/lib/libc.so.6", NULL};
static const char *const jar[] = {"opt/a.jar", NULL};

/* ---- tests */

static void what_was_pushed_is_found_when_it_is_fed(void **state)
{
    struct tested t;
    bool complete;

    (void)state;
    setup(&t);
    feed(&t);
    push_files(&t, "team/app", "v1", two);
    assert_string_equal(search(&t, "env", 10, &complete), "");
    assert_false(complete);
    feed(&t);
    assert_string_equal(search(&t, "env", 10, &complete), "team/app:v1 usr/bin/env\n");
    assert_true(complete);
    teardown(&t);
}

static void what_was_not_noted_is_found_by_the_look_at_all(void **state)
{
    struct tested t;
    bool complete;

    (void)state;
    setup(&t);
    t.w.conf->registry.index_files = false;
    push_files(&t, "team/app", "v1", two);
    search(&t, "env", 10, &complete);
    assert_false(complete);
    feed(&t);
    assert_string_equal(search(&t, "env", 10, &complete), "team/app:v1 usr/bin/env\n");
    assert_true(complete);
    teardown(&t);
}

static void pages_go_through_the_images_of_a_layer(void **state)
{
    struct tested t;

    (void)state;
    setup(&t);
    push_files(&t, "a", "v1", two);
    push_files(&t, "b", "v2", two);
    push_files(&t, "c", "v3", two);
    feed(&t);
    for (size_t limit = 1; limit < 5; limit++)
        assert_string_equal(search(&t, "*", limit, NULL),
                            "a:v1 usr/lib/libc.so.6\nb:v2 usr/lib/libc.so.6\n"
                            "c:v3 usr/lib/libc.so.6\na:v1 usr/bin/env\nb:v2 usr/bin/env\n"
                            "c:v3 usr/bin/env\n");
    t.hidden = "b";
    assert_string_equal(search(&t, "env", 1, NULL), "a:v1 usr/bin/env\nc:v3 usr/bin/env\n");
    teardown(&t);
}

static void what_is_deleted_is_not_found_and_goes(void **state)
{
    AUTO(records) struct meta_record_list images = {0};
    struct tested t;
    struct digest d;
    struct reference ref;
    struct repo_name repo;
    struct meta_op again = files_feed_again();

    (void)state;
    setup(&t);
    d = push_files(&t, "team/app", "v1", two);
    feed(&t);
    ref = digest_ref(&d);
    assert_ok(repo_name_parse(STR("team/app"), &repo, ERR_IGNORED));
    assert_ok(remove_manifest(t.w.r, &repo, &ref, ERR_IGNORED));
    assert_string_equal(search(&t, "env", 10, NULL), "");
    assert_ok(meta_commit(t.w.meta, &again, 1, 0, NULL, ERR_IGNORED));
    feed(&t);
    assert_ok(meta_records(t.w.meta, FILES_IMAGES, STR(""), 10, &images, ERR_IGNORED));
    assert_int_equal(images.n, 0);
    teardown(&t);
}

static void a_segment_goes_when_all_of_its_layers_are_gone(void **state)
{
    AUTO(files_set) struct files_set *set = NULL;
    struct tested t;
    struct digest d, layer;
    struct reference ref;
    struct repo_name repo;
    struct meta_op again = files_feed_again();
    struct files_layer raw;

    (void)state;
    setup(&t);
    d = push_files(&t, "team/app", "v1", jar);
    feed(&t);
    assert_ok(files_index_set(t.x, true, &set, ERR_IGNORED));
    assert_int_equal(set->n, 1);
    assert_ok(files_segment_layer(&set->list[0]->segment, 0, &raw, ERR_IGNORED));
    assert_ok(files_layer_digest(&raw, &layer, ERR_IGNORED));
    ref = digest_ref(&d);
    assert_ok(repo_name_parse(STR("team/app"), &repo, ERR_IGNORED));
    assert_ok(remove_manifest(t.w.r, &repo, &ref, ERR_IGNORED));
    assert_ok(remove_link(t.w.r, &repo, &layer, ERR_IGNORED));
    assert_ok(meta_commit(t.w.meta, &again, 1, 0, NULL, ERR_IGNORED));
    feed(&t);
    files_set_unref(STEAL(set));
    assert_ok(files_index_set(t.x, true, &set, ERR_IGNORED));
    assert_int_equal(set->n, 0);
    files_set_unref(STEAL(set)); /* it reads from the store */
    teardown(&t);
}

static void many_small_segments_become_one(void **state)
{
    AUTO(files_set) struct files_set *set = NULL;
    struct tested t;

    (void)state;
    setup(&t);
    for (unsigned i = 0; i < 8; i++) {
        char path[32], tag[8];
        const char *const paths[] = {path, NULL};

        snprintf(path, sizeof(path), "opt/file-%u", i);
        snprintf(tag, sizeof(tag), "v%u", i);
        push_files(&t, "team/app", tag, paths);
        feed(&t);
    }
    assert_ok(files_index_set(t.x, true, &set, ERR_IGNORED));
    assert_int_equal(set->n, 1);
    assert_string_equal(search(&t, "file-7", 10, NULL), "team/app:v7 opt/file-7\n");
    files_set_unref(STEAL(set));
    teardown(&t);
}

/* Whatever call fails, another run does it, and all is there once. */
static void a_run_that_fails_is_done_again(void **state)
{
    enum err_code code = ERR_UNAVAILABLE;

    (void)state;
    for (uint64_t n = 1; code != ERR_OK; n++) {
        struct tested t;

        setup(&t);
        push_files(&t, "team/app", "v1", two);
        push_files(&t, "team/tool", "v1", jar);
        world_fail_meta(&t.w, n, ERR_UNAVAILABLE);
        code = files_feed_run(t.x, NULL, ERR_IGNORED);
        world_fail_meta(&t.w, 0, ERR_OK);
        feed(&t);
        assert_string_equal(search(&t, "**", 10, NULL), "team/app:v1 usr/lib/libc.so.6\n"
                                                        "team/tool:v1 opt/a.jar\n"
                                                        "team/app:v1 usr/bin/env\n");
        teardown(&t);
    }
}

static void segments_of_about_a_size_are_chosen(void **state)
{
    const uint64_t mixed[] = {5, 900000, 7, 1, 1, 1, 1, 1, 1, 900000};
    const uint64_t large[] = {9 << 20, 9 << 20, 9 << 20, 9 << 20,
                              9 << 20, 9 << 20, 9 << 20, 9 << 20};
    size_t places[16];

    (void)state;
    assert_int_equal(files_upkeep_choose(mixed, 10, places), 8);
    assert_int_equal(files_upkeep_choose(mixed, 8, places), 0);
    assert_int_equal(files_upkeep_choose(large, 8, places), 0);
    assert_int_equal(files_upkeep_choose(large, 0, places), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pushed_is_found_when_it_is_fed),
        cmocka_unit_test(what_was_not_noted_is_found_by_the_look_at_all),
        cmocka_unit_test(pages_go_through_the_images_of_a_layer),
        cmocka_unit_test(what_is_deleted_is_not_found_and_goes),
        cmocka_unit_test(a_segment_goes_when_all_of_its_layers_are_gone),
        cmocka_unit_test(many_small_segments_become_one),
        cmocka_unit_test(a_run_that_fails_is_done_again),
        cmocka_unit_test(segments_of_about_a_size_are_chosen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
