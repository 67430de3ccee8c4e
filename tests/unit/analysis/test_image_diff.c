#include "analysis/image_diff.h"

#include "unit/analysis/layers.h"

#include <stdlib.h>

struct image {
    struct layer_files *list;
    struct image_tree *tree;
};

static void auto_image_(struct image *x)
{
    image_tree_free(x->tree);
    layer_files_free(x->list);
}

static void make(struct image *x, struct buf *tar)
{
    layer_end(tar);
    assert_ok(layer_take(buf_str(tar), tar->n, PLENTY, &x->list, ERR_IGNORED));
    assert_ok(image_tree_new((const struct layer_files *const *)&x->list, 1, 64u << 20, &x->tree,
                             ERR_IGNORED));
}

/* "path change what", a line each. */
static void assert_differ(const struct image *a, const struct image *b, const char *want)
{
    static const char signs[] = {[DIFF_ADDED] = '+', [DIFF_REMOVED] = '-', [DIFF_CHANGED] = '~'};
    AUTO(image_diff) struct image_diff *d = NULL;
    AUTO(buf) struct buf text = {0};
    struct diff_file f;

    assert_ok(image_diff_new(a->tree, b->tree, 64u << 20, &d, ERR_IGNORED));
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < image_diff_count(d); i++) {
        image_diff_get(d, i, &f);
        buf_addf(&text, "%c " STR_FMT " %u\n", signs[f.change], STR_ARG(f.path), f.what);
        assert_int_equal(image_diff_behind(d, f.path), i + 1);
    }
    assert_string_equal(buf_text(&text), want);
}

static void a_hard_link_is_the_file_it_leads_to(void **state)
{
    AUTO(buf) struct buf tar = {0}, other = {0};
    AUTO(image) struct image a = {0}, b = {0};

    (void)state;
    buf_init(&tar, 1u << 20);
    buf_init(&other, 1u << 20);
    layer_file(&tar, "a", "1");
    layer_member(&tar, '1', "b", "a", STR_NONE);
    layer_file(&other, "b", "1");
    layer_member(&other, '1', "a", "b", STR_NONE);
    make(&a, &tar);
    make(&b, &other);
    assert_differ(&a, &b, "");
}

static void a_hard_link_whose_file_changed_has_changed(void **state)
{
    AUTO(buf) struct buf tar = {0}, other = {0};
    AUTO(image) struct image a = {0}, b = {0};

    (void)state;
    buf_init(&tar, 1u << 20);
    buf_init(&other, 1u << 20);
    layer_file(&tar, "a", "1");
    layer_member(&tar, '1', "b", "a", STR_NONE);
    layer_file(&other, "a", "2");
    layer_member(&other, '1', "b", "a", STR_NONE);
    make(&a, &tar);
    make(&b, &other);
    assert_differ(&a, &b, "~ a 2\n~ b 2\n");
}

static void a_file_that_became_a_folder_is_removed_and_what_stands_in_it_added(void **state)
{
    AUTO(buf) struct buf tar = {0}, other = {0};
    AUTO(image) struct image a = {0}, b = {0};

    (void)state;
    buf_init(&tar, 1u << 20);
    buf_init(&other, 1u << 20);
    layer_file(&tar, "a", "1");
    layer_member(&tar, '2', "l", "a", STR_NONE);
    layer_file(&other, "a/b", "1");
    layer_file(&other, "l", "1");
    make(&a, &tar);
    make(&b, &other);
    assert_differ(&a, &b, "- a 0\n+ a/b 0\n~ l 1\n");
}

static void folders_are_not_told(void **state)
{
    AUTO(buf) struct buf tar = {0}, other = {0};
    AUTO(image) struct image a = {0}, b = {0};

    (void)state;
    buf_init(&tar, 1u << 20);
    buf_init(&other, 1u << 20);
    layer_folder(&tar, "x");
    layer_folder(&other, "y");
    make(&a, &tar);
    make(&b, &other);
    assert_differ(&a, &b, "");
}

static void a_list_that_is_too_long_is_refused(void **state)
{
    AUTO(buf) struct buf tar = {0}, other = {0};
    AUTO(image) struct image a = {0}, b = {0};
    struct image_diff *d = NULL;

    (void)state;
    buf_init(&tar, 1u << 20);
    buf_init(&other, 1u << 20);
    layer_file(&other, "a", "1");
    make(&a, &tar);
    make(&b, &other);
    assert_code(ERR_IMAGE_TOO_LARGE, image_diff_new(a.tree, b.tree, 100, &d, ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hard_link_is_the_file_it_leads_to),
        cmocka_unit_test(a_hard_link_whose_file_changed_has_changed),
        cmocka_unit_test(a_file_that_became_a_folder_is_removed_and_what_stands_in_it_added),
        cmocka_unit_test(folders_are_not_told),
        cmocka_unit_test(a_list_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
