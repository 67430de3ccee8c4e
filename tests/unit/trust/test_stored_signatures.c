/* What stands beside an image of this registry, as far as there is room for it. */
#include "trust/stored_signatures.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/media.h"
#include "base/mem.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 5

static struct world w;
static struct digest subject;

static void put_beside(unsigned nth, size_t type_length)
{
    AUTO(mem) char *type = mem_zero(type_length + 1), *json = NULL;
    char more[2048];
    struct digest d;

    memset(type, 'x', type_length);
    snprintf(more, sizeof(more),
             ",\"artifactType\":\"application/vnd.dev.sigstore.bundle.v%u.%s\",\"subject\":"
             "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1}",
             nth, type, subject.text);
    json = image_json("beside", "the layer of all", more);
    assert_ok(manifest_push(&w, "prod/app", json, NULL, &d, ERR_IGNORED));
}

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    subject = image_put(&w, "prod/app", "subject", NULL);
    blob_put(&w, "prod/app", STR("beside"));
    for (unsigned i = 0; i < ROWS; i++)
        put_beside(i, 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static size_t list(size_t max, bool *ret_more)
{
    struct repo_name repo = repo_of("prod/app");
    struct stored_signatures s;
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *j = NULL;

    stored_signatures_init(&s, w.r, &repo, 1);
    buf_init(&text, max);
    *ret_more = false;
    assert_ok(s.source.referrers(s.source.ctx, &subject, &text, ret_more, ERR_IGNORED));
    j = json_loadb(text.p, text.n, 0, NULL);
    assert_non_null(j);
    return json_array_size(json_object_get(j, "manifests"));
}

static void all_that_may_be_signatures_are_listed(void **state)
{
    bool more;

    (void)state;
    assert_int_equal(list(SIGNATURE_REFERRERS_MAX, &more), ROWS);
    assert_false(more);
}

static void what_has_no_room_is_left_out_and_told(void **state)
{
    bool more;

    (void)state;
    assert_in_range(list(500, &more), 1, ROWS - 1);
    assert_true(more);
}

/* Whoever may push there can write such types; others are found all the same. */
static void one_that_is_too_long_leaves_the_others(void **state)
{
    bool more;

    (void)state;
    put_beside(ROWS, 1000);
    assert_int_equal(list(1000, &more), ROWS);
    assert_true(more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_that_may_be_signatures_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_no_room_is_left_out_and_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_too_long_leaves_the_others, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
