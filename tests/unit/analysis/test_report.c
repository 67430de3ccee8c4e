#include "analysis/report.h"

#include "base/json.h"
#include "unit/analysis/layers.h"

#include <stdlib.h>

#define LAYERS 4

/* An image of some layers, and what is said of it. */
struct image {
    struct buf tars[LAYERS];
    size_t n;
    json_t *report;
};

static struct buf *add_layer(struct image *m)
{
    buf_init(&m->tars[m->n], 16u << 20);
    return &m->tars[m->n++];
}

static void take_all(struct image *m, struct layer_files **lists)
{
    for (size_t i = 0; i < m->n; i++) {
        layer_end(&m->tars[i]);
        assert_ok(layer_take(buf_str(&m->tars[i]), 1000, PLENTY, &lists[i], ERR_IGNORED));
    }
}

static enum err_code make_report(struct image *m, uint64_t max_bytes, struct buf *ret_json,
                                 struct err *e)
{
    struct layer_files *lists[LAYERS] = {0};
    const struct layer_files *borrowed[LAYERS];
    static const char *const digests[LAYERS] = {"sha256:0", "sha256:1", "sha256:2", "sha256:3"};
    AUTO(json)
    json_t *config =
        json_loads("{\"history\":[{\"created_by\":\"/bin/sh -c first\"},"
                   "{\"created_by\":\"ENV a\",\"empty_layer\":true},{\"created_by\":\"COPY b\"}]}",
                   0, NULL);
    struct report_image image = {digests, config};
    struct image_tree *t = NULL;
    enum err_code code;

    take_all(m, lists);
    for (size_t i = 0; i < m->n; i++)
        borrowed[i] = lists[i];
    code = image_tree_new(borrowed, m->n, max_bytes, &t, e);
    if (code == ERR_OK)
        code = report_json(t, &image, max_bytes, ret_json, e);
    image_tree_free(t);
    for (size_t i = 0; i < m->n; i++)
        layer_files_free(lists[i]);
    return code;
}

static void report(struct image *m)
{
    AUTO(buf) struct buf json = {0};

    buf_init(&json, 16u << 20);
    assert_ok(make_report(m, 64u << 20, &json, ERR_IGNORED));
    m->report = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(m->report);
}

static void done(struct image *m)
{
    for (size_t i = 0; i < m->n; i++)
        buf_done(&m->tars[i]);
    json_decref(m->report);
}

static const json_t *item(const struct image *m, const char *list, size_t i)
{
    const json_t *j = json_array_get(json_object_get(m->report, list), i);

    assert_non_null(j);
    return j;
}

static long long number(const json_t *j, const char *key)
{
    assert_true(json_is_integer(json_object_get(j, key)));
    return json_integer_value(json_object_get(j, key));
}

static const char *text(const json_t *j, const char *key)
{
    assert_true(json_is_string(json_object_get(j, key)));
    return json_string_value(json_object_get(j, key));
}

static long long of_image(const struct image *m, const char *key)
{
    return number(json_object_get(m->report, "image"), key);
}

static bool suggests(const struct image *m, const char *code, long long layer, long long bytes)
{
    const json_t *list = json_object_get(m->report, "suggestions"), *s;
    size_t i;

    json_array_foreach(list, i, s)
    {
        if (strcmp(text(s, "code"), code) == 0 && number(s, "layer") == layer &&
            number(s, "bytes") == bytes)
            return true;
    }
    return false;
}

static void a_layer_adds_changes_and_deletes(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);
    const json_t *second;

    (void)state;
    layer_file(b, "a", "12345");
    layer_file(b, "b", "123");
    layer_file(b, "c", "1");
    b = add_layer(&m);
    layer_file(b, "a", "1234567");
    layer_file(b, ".wh.b", "");
    layer_file(b, "new", "12");
    report(&m);
    second = item(&m, "layers", 1);
    assert_int_equal(number(second, "added"), 1);
    assert_int_equal(number(second, "added_bytes"), 2);
    assert_int_equal(number(second, "changed"), 1);
    assert_int_equal(number(second, "changed_bytes"), 7);
    assert_int_equal(number(second, "deleted"), 1);
    assert_int_equal(number(second, "deleted_bytes"), 3);
    assert_int_equal(number(item(&m, "layers", 0), "wasted_bytes"), 8);
    assert_int_equal(of_image(&m, "wasted_bytes"), 8);
    assert_int_equal(of_image(&m, "files"), 3);
    assert_int_equal(of_image(&m, "size_bytes"), 10);
    assert_int_equal(of_image(&m, "layers_size_bytes"), 18);
    assert_true(suggests(&m, "replaced-later", 1, 5));
    assert_true(suggests(&m, "deleted-later", 1, 3));
    done(&m);
}

static void a_deleted_folder_takes_all_that_is_in_it(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);

    (void)state;
    layer_file(b, "d/e/f", "12345");
    layer_file(b, "d/g", "123");
    layer_file(add_layer(&m), ".wh.d", "");
    report(&m);
    assert_int_equal(number(item(&m, "layers", 1), "deleted"), 2);
    assert_int_equal(of_image(&m, "wasted_bytes"), 8);
    assert_int_equal(of_image(&m, "files"), 0);
    assert_int_equal(of_image(&m, "folders"), 0);
    done(&m);
}

static void an_opaque_folder_hides_the_layers_below_alone(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);

    (void)state;
    layer_file(b, "d/old", "12345");
    b = add_layer(&m);
    layer_file(b, "d/new", "12"); /* before the mark, and still of its own layer */
    layer_file(b, "d/.wh..wh..opq", "");
    report(&m);
    assert_int_equal(of_image(&m, "files"), 1);
    assert_int_equal(of_image(&m, "size_bytes"), 2);
    assert_int_equal(of_image(&m, "wasted_bytes"), 5);
    done(&m);
}

static void bytes_that_a_hard_link_keeps_are_not_wasted(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);

    (void)state;
    layer_file(b, "a", "12345");
    layer_member(b, '1', "b", "a", STR_NONE);
    layer_file(add_layer(&m), ".wh.a", "");
    report(&m);
    assert_int_equal(of_image(&m, "wasted_bytes"), 0);
    assert_int_equal(of_image(&m, "files"), 1);
    done(&m);
}

static void a_file_in_place_of_a_folder_deletes_it(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);

    (void)state;
    layer_file(b, "d/a", "12345");
    layer_file(add_layer(&m), "d", "1");
    report(&m);
    assert_int_equal(of_image(&m, "files"), 1);
    assert_int_equal(of_image(&m, "wasted_bytes"), 5);
    done(&m);
}

static void what_is_written_again_unchanged_is_told(void **state)
{
    struct image m = {0};

    (void)state;
    layer_file(add_layer(&m), "a", "12345");
    layer_member(add_layer(&m), '7', "a", NULL, STR("12345"));
    report(&m);
    assert_true(suggests(&m, "written-again", 1, 5));
    done(&m);
}

static void files_with_the_same_contents_are_duplicates(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);
    const json_t *d;

    (void)state;
    layer_file(b, "a", "same bytes");
    layer_file(b, "b", "other");
    layer_file(b, "empty1", "");
    layer_file(b, "empty2", "");
    layer_file(add_layer(&m), "c/d", "same bytes");
    report(&m);
    assert_int_equal(of_image(&m, "duplicate_bytes"), 10);
    d = item(&m, "duplicates", 0);
    assert_int_equal(number(d, "count"), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(d, "paths"), 1)), "/c/d");
    assert_int_equal(json_array_size(json_object_get(m.report, "duplicates")), 1);
    done(&m);
}

static void left_over_caches_are_told_by_layer(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);

    (void)state;
    layer_file(b, "etc/passwd", "x");
    b = add_layer(&m);
    layer_file(b, "var/lib/apt/lists/a", "12345");
    layer_file(b, "home/ci/.cache/pip/x", "123");
    layer_file(b, "var/lib/apt/listsnot", "1");
    report(&m);
    assert_int_equal(of_image(&m, "cache_bytes"), 8);
    assert_string_equal(text(item(&m, "caches", 0), "kind"), "apt");
    assert_string_equal(text(item(&m, "caches", 1), "kind"), "pip");
    assert_true(suggests(&m, "cache", 1, 5));
    done(&m);
}

static void the_largest_files_come_first(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);

    (void)state;
    layer_file(b, "small", "1");
    layer_file(b, "large", "123456");
    layer_file(add_layer(&m), "middle", "123");
    report(&m);
    assert_string_equal(text(item(&m, "largest", 0), "path"), "/large");
    assert_string_equal(text(item(&m, "largest", 1), "path"), "/middle");
    assert_int_equal(number(item(&m, "largest", 1), "layer"), 1);
    done(&m);
}

static void commands_are_those_of_the_history_that_have_layers(void **state)
{
    struct image m = {0};

    (void)state;
    layer_file(add_layer(&m), "a", "1");
    layer_file(add_layer(&m), "b", "1");
    layer_file(add_layer(&m), "c", "1");
    report(&m);
    assert_string_equal(text(item(&m, "layers", 0), "command"), "first");
    assert_string_equal(text(item(&m, "layers", 1), "command"), "COPY b");
    assert_string_equal(text(item(&m, "layers", 2), "command"), "");
    done(&m);
}

static void packages_are_listed_as_they_are_in_the_end(void **state)
{
    static const char before[] = "Package: bash\nStatus: install ok installed\nVersion: 5.1\n\n"
                                 "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
    static const char after[] = "Package: bash\nStatus: install ok installed\nVersion: 5.2\n";
    struct image m = {0};
    struct buf *b = add_layer(&m);
    const json_t *list;

    (void)state;
    layer_file(b, "var/lib/dpkg/status", before);
    layer_file(b, "lib/apk/db/installed", "C:Q1\nP:musl\nV:1.2.3-r4\n\nP:busybox\nV:1.36\n");
    b = add_layer(&m);
    layer_file(b, "var/lib/dpkg/status", after);
    layer_file(b, "app/node_modules/left-pad/package.json",
               "{\"name\":\"left-pad\",\"version\":\"1.3.0\"}");
    layer_file(b, "app/node_modules/broken/package.json", "{\"name\":");
    layer_file(b, "usr/lib/python3/site-packages/requests-2.31.0.dist-info/METADATA", "x");
    layer_file(b, "app/lib/log4j-core-2.14.1.jar", "PK");
    layer_file(b, "var/lib/rpm/rpmdb.sqlite", "SQLite");
    report(&m);
    list = json_object_get(json_object_get(m.report, "packages"), "list");
    assert_int_equal(json_array_size(list), 7);
    for (size_t i = 0; i < 7; i++) {
        static const char *const names[] = {"bash",     "busybox",  "musl",      "rpm",
                                            "left-pad", "requests", "log4j-core"};
        static const char *const versions[] = {"5.2",   "1.36",   "1.2.3-r4", "",
                                               "1.3.0", "2.31.0", "2.14.1"};

        assert_string_equal(text(json_array_get(list, i), "name"), names[i]);
        assert_string_equal(text(json_array_get(list, i), "version"), versions[i]);
    }
    done(&m);
}

static void the_system_is_that_of_os_release(void **state)
{
    struct image m = {0};
    struct buf *b = add_layer(&m);
    const json_t *os;

    (void)state;
    layer_file(b, "usr/lib/os-release",
               "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID='12'\n");
    layer_member(b, '2', "etc/os-release", "../usr/lib/os-release", STR_NONE);
    report(&m);
    os = json_object_get(m.report, "os");
    assert_string_equal(text(os, "id"), "debian");
    assert_string_equal(text(os, "version"), "12");
    assert_string_equal(text(os, "name"), "Debian GNU/Linux 12");
    done(&m);
}

static void names_that_are_no_text_are_still_json(void **state)
{
    struct image m = {0};

    (void)state;
    layer_file(add_layer(&m), "a\xff\x01\"b", "12345");
    report(&m);
    assert_int_equal(of_image(&m, "files"), 1);
    done(&m);
}

static void an_image_without_layers_is_efficient(void **state)
{
    struct image m = {0};

    (void)state;
    report(&m);
    assert_true(
        json_number_value(json_object_get(json_object_get(m.report, "efficiency"), "score")) == 1);
    done(&m);
}

static void too_many_files_for_the_tree_are_refused(void **state)
{
    AUTO(buf) struct buf json = {0};
    struct image m = {0};
    struct buf *b = add_layer(&m);
    struct err e;

    (void)state;
    buf_init(&json, 1u << 20);
    for (int i = 0; i < 3000; i++) {
        char path[32];

        snprintf(path, sizeof(path), "f%d", i);
        layer_file(b, path, "");
    }
    assert_code(ERR_IMAGE_TOO_LARGE, make_report(&m, 100000, &json, &e));
    assert_true(e.public_detail && strstr(e.detail, "too many files"));
    done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_adds_changes_and_deletes),
        cmocka_unit_test(a_deleted_folder_takes_all_that_is_in_it),
        cmocka_unit_test(an_opaque_folder_hides_the_layers_below_alone),
        cmocka_unit_test(bytes_that_a_hard_link_keeps_are_not_wasted),
        cmocka_unit_test(a_file_in_place_of_a_folder_deletes_it),
        cmocka_unit_test(what_is_written_again_unchanged_is_told),
        cmocka_unit_test(files_with_the_same_contents_are_duplicates),
        cmocka_unit_test(left_over_caches_are_told_by_layer),
        cmocka_unit_test(the_largest_files_come_first),
        cmocka_unit_test(commands_are_those_of_the_history_that_have_layers),
        cmocka_unit_test(packages_are_listed_as_they_are_in_the_end),
        cmocka_unit_test(the_system_is_that_of_os_release),
        cmocka_unit_test(names_that_are_no_text_are_still_json),
        cmocka_unit_test(an_image_without_layers_is_efficient),
        cmocka_unit_test(too_many_files_for_the_tree_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
