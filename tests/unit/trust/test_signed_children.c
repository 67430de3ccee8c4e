/* Records that lead from images to signed indexes. */
#include "trust/signed_children.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/remove.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of("prod/app");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

/* Of the two images; the nth of its kind. */
static struct digest index_put(unsigned nth, const struct digest *one, const struct digest *two)
{
    AUTO(mem) char *image = image_json("one", "the layer of all", "");
    char json[2048];
    struct digest d;

    snprintf(json, sizeof(json),
             "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":["
             "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu},"
             "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu}],"
             "\"annotations\":{\"nth\":\"%u\"}}",
             one->text, strlen(image), two->text, strlen(image), nth);
    assert_ok(manifest_push(&w, "prod/app", json, NULL, &d, ERR_IGNORED));
    return d;
}

static void note(const struct digest *index)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    bool any;

    assert_ok(out_manifest_by_digest(w.r, &repo, index, &m, ERR_IGNORED));
    assert_ok(signed_children_note(w.r, &repo, &m, &any, ERR_IGNORED));
    assert_true(any);
    assert_ok(signed_children_note(w.r, &repo, &m, &any, ERR_IGNORED));
    assert_false(any);
}

/* Of all pages; is the index among them? */
static size_t count(const struct digest *child, const struct digest *index, bool *ret_there)
{
    struct signed_indexes l = {.n = 0};
    size_t n = 0;

    *ret_there = false;
    do {
        assert_ok(signed_indexes_next(w.r, &repo, child, &l, ERR_IGNORED));
        for (size_t i = 0; i < l.n; i++)
            *ret_there = *ret_there || digest_eq(&l.digests[i], index);
        n += l.n;
    } while (l.n > 0);
    return n;
}

static void an_image_of_many_indexes_leads_to_all_of_them(void **state)
{
    struct digest one = image_put(&w, "prod/app", "one", NULL),
                  two = image_put(&w, "prod/app", "two", NULL), indexes[40];
    bool there;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        indexes[i] = index_put(i, &one, &two);
        note(&indexes[i]);
    }
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(count(&one, &indexes[i], &there), 40);
        assert_true(there);
        assert_int_equal(count(&two, &indexes[i], &there), 40);
        assert_true(there);
    }
}

static void one_that_was_forgotten_is_noted_again(void **state)
{
    struct digest one = image_put(&w, "prod/app", "one", NULL),
                  two = image_put(&w, "prod/app", "two", NULL), index = index_put(1, &one, &two);
    bool there;

    (void)state;
    note(&index);
    signed_children_forget(w.r, &repo, &one, &index);
    assert_int_equal(count(&one, &index, &there), 0);
    note(&index);
    assert_int_equal(count(&one, &index, &there), 1);
    assert_int_equal(count(&two, &index, &there), 1);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void those_of_indexes_that_are_gone_go(void **state)
{
    struct digest one = image_put(&w, "prod/app", "one", NULL),
                  two = image_put(&w, "prod/app", "two", NULL), stays = index_put(1, &one, &two),
                  goes = index_put(2, &one, &two);
    struct reference ref = digest_ref(&goes);
    bool there;

    (void)state;
    note(&stays);
    note(&goes);
    assert_ok(remove_manifest(w.r, &repo, &ref, ERR_IGNORED));
    assert_code(ERR_LATER, signed_children_prune(w.r, never, NULL, ERR_IGNORED));
    assert_int_equal(count(&one, &goes, &there), 2);
    assert_ok(signed_children_prune(w.r, always, NULL, ERR_IGNORED));
    assert_int_equal(count(&one, &goes, &there), 1);
    assert_false(there);
    assert_int_equal(count(&two, &stays, &there), 1);
    assert_true(there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_image_of_many_indexes_leads_to_all_of_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_forgotten_is_noted_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_of_indexes_that_are_gone_go, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
