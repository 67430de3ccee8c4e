#include "analysis/image_folder.h"

#include "unit/analysis/layers.h"

#include <stdio.h>
#include <stdlib.h>

/* Layers in memory, whose lists are cut to what is wanted as kept ones are. */
struct layers {
    struct layer_files *lists[4];
    size_t n;
    size_t most; /* of all that was wanted of a list */
};

static enum err_code load(void *ctx, size_t layer, kept_list_want want, void *want_ctx,
                          struct layer_files **ret_files, struct err *e)
{
    struct layers *l = ctx;
    AUTO(layer_files) struct layer_files *some = layer_files_new(64u << 20);
    struct layer_file file;

    for (size_t i = 0; i < layer_files_count(l->lists[layer]); i++) {
        layer_files_get(l->lists[layer], i, &file);
        if (want(want_ctx, &file))
            TRY(layer_files_add(some, &file, e));
    }
    if (layer_files_count(some) > l->most)
        l->most = layer_files_count(some);
    *ret_files = STEAL(some);
    return ERR_OK;
}

static void add_layer(struct layers *l, struct buf *tar)
{
    layer_end(tar);
    assert_ok(layer_take(buf_str(tar), tar->n, PLENTY, &l->lists[l->n++], ERR_IGNORED));
    buf_done(tar);
    buf_init(tar, 64u << 20);
}

static void auto_layers_(struct layers *l)
{
    for (size_t i = 0; i < l->n; i++)
        layer_files_free(l->lists[i]);
}

static enum err_code open_at(struct layers *l, const char *path, enum folder_links links,
                             struct image_folder **ret, struct err *e)
{
    const struct folder_source source = {.n_layers = l->n, .load = load, .ctx = l};

    return image_folder_open(&source, str_of(path), links, 64u << 20, ret, e);
}

/* "name kind layer", a line each. */
static void assert_lists(struct layers *l, const char *path, enum folder_links links,
                         const char *want)
{
    AUTO(image_folder) struct image_folder *f = NULL;
    AUTO(buf) struct buf text = {0};
    struct folder_entry x;

    assert_ok(open_at(l, path, links, &f, ERR_IGNORED));
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < image_folder_count(f); i++) {
        image_folder_get(f, i, &x);
        buf_addf(&text, STR_FMT " %s %zu\n", STR_ARG(x.name), layer_file_kind_name(x.file.kind),
                 x.layer);
    }
    assert_string_equal(buf_text(&text), want);
}

static void two_layers(struct layers *l)
{
    AUTO(buf) struct buf tar = {0};

    buf_init(&tar, 64u << 20);
    layer_folder(&tar, "usr/");
    layer_file(&tar, "usr/bin/a", "a");
    layer_file(&tar, "usr/lib/deep/er/b", "b");
    layer_file(&tar, "usr/c", "c");
    layer_file(&tar, "usrx/d", "d");
    layer_member(&tar, '2', "bin", "usr/bin", STR_NONE);
    layer_member(&tar, '2', "usr/up", "../../..//bin", STR_NONE);
    layer_member(&tar, '1', "usr/hard", "usr/c", STR_NONE);
    add_layer(l, &tar);
    layer_file(&tar, "usr/.wh.lib", "");
    layer_file(&tar, "usr/c", "new");
    layer_file(&tar, "usr/bin/.wh..wh..opq", "");
    layer_file(&tar, "usr/bin/e", "e");
    add_layer(l, &tar);
}

static void layers_stand_on_each_other(void **state)
{
    AUTO(layers) struct layers l = {.n = 0};

    (void)state;
    two_layers(&l);
    assert_lists(&l, "usr", FOLDER_FOLLOW,
                 "bin folder 0\nc file 1\nhard hardlink 0\nup symlink 0\n");
    assert_lists(&l, "usr/bin", FOLDER_FOLLOW, "e file 1\n");
    assert_lists(&l, "", FOLDER_FOLLOW, "bin symlink 0\nusr folder 0\nusrx folder 0\n");
}

static void a_layer_alone_tells_what_it_deletes(void **state)
{
    AUTO(layers) struct layers l = {.n = 0}, upper = {.n = 0};

    (void)state;
    two_layers(&l);
    upper.lists[upper.n++] = l.lists[--l.n];
    assert_lists(&upper, "usr", FOLDER_WHITEOUTS, "bin folder 0\nc file 0\nlib whiteout 0\n");
}

static void links_lead_no_higher_than_the_root(void **state)
{
    AUTO(layers) struct layers l = {.n = 0};
    AUTO(image_folder) struct image_folder *f = NULL;

    (void)state;
    two_layers(&l);
    assert_lists(&l, "/usr/../../usr/up/", FOLDER_FOLLOW, "e file 1\n");
    assert_ok(open_at(&l, "usr/up", FOLDER_LINK, &f, ERR_IGNORED));
    assert_true(str_eq(image_folder_path(f), STR("usr/up")));
}

static void links_that_lead_to_each_other_end(void **state)
{
    AUTO(layers) struct layers l = {.n = 0};
    AUTO(buf) struct buf tar = {0};
    struct image_folder *f = NULL;

    (void)state;
    buf_init(&tar, 1u << 20);
    layer_member(&tar, '2', "a", "b/c", STR_NONE);
    layer_member(&tar, '2', "b", "a/d", STR_NONE);
    layer_member(&tar, '1', "h", "i", STR_NONE);
    layer_member(&tar, '1', "i", "h", STR_NONE);
    add_layer(&l, &tar);
    assert_code(ERR_REQUEST_INVALID, open_at(&l, "a", FOLDER_FOLLOW, &f, ERR_IGNORED));
    assert_code(
        ERR_REQUEST_INVALID,
        image_folder_find_file(&(struct folder_source){.n_layers = 1, .load = load, .ctx = &l},
                               STR("h"), 1u << 20, &f, ERR_IGNORED));
}

static void what_stands_deeper_takes_no_memory(void **state)
{
    AUTO(layers) struct layers l = {.n = 0};
    AUTO(buf) struct buf tar = {0};
    char path[64];

    (void)state;
    buf_init(&tar, 64u << 20);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(path, sizeof(path), "d%u/%u", i % 5000 / 1000, i);
        layer_file(&tar, path, "");
    }
    add_layer(&l, &tar);
    assert_lists(&l, "/", FOLDER_FOLLOW,
                 "d0 folder 0\nd1 folder 0\nd2 folder 0\nd3 folder 0\nd4 folder 0\n");
    assert_int_equal(l.most, 5);
}

static void a_hard_link_has_the_contents_of_its_layer(void **state)
{
    AUTO(layers) struct layers l = {.n = 0};
    AUTO(image_folder) struct image_folder *f = NULL;
    struct folder_entry x;

    (void)state;
    two_layers(&l);
    assert_ok(
        image_folder_find_file(&(struct folder_source){.n_layers = 2, .load = load, .ctx = &l},
                               STR("usr/hard"), 1u << 20, &f, ERR_IGNORED));
    image_folder_itself(f, &x);
    assert_int_equal(x.layer, 0);
    assert_true(str_eq(x.file.path, STR("usr/c")));
    assert_int_equal(x.file.size_bytes, 1);
}

static void what_is_below_a_file_is_not_there(void **state)
{
    AUTO(layers) struct layers l = {.n = 0};
    struct image_folder *f = NULL;

    (void)state;
    two_layers(&l);
    assert_code(ERR_NOT_FOUND, open_at(&l, "usr/c/x", FOLDER_FOLLOW, &f, ERR_IGNORED));
    assert_code(ERR_NOT_FOUND, open_at(&l, "usr/lib/deep", FOLDER_FOLLOW, &f, ERR_IGNORED));
    assert_code(ERR_NOT_FOUND, open_at(&l, "us", FOLDER_FOLLOW, &f, ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_stand_on_each_other),
        cmocka_unit_test(a_layer_alone_tells_what_it_deletes),
        cmocka_unit_test(links_lead_no_higher_than_the_root),
        cmocka_unit_test(links_that_lead_to_each_other_end),
        cmocka_unit_test(what_stands_deeper_takes_no_memory),
        cmocka_unit_test(a_hard_link_has_the_contents_of_its_layer),
        cmocka_unit_test(what_is_below_a_file_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
