#include "scan/layout.h"

#include "base/file.h"
#include "unit/core/support.h"

#include <fcntl.h>
#include <sys/stat.h>

#define OCI    "application/vnd.oci.image."
#define LAYER  OCI "layer.v1.tar+gzip"
#define CONFIG OCI "config.v1+json"
#define REPO   "team/app"

static struct world w;
static char dir[TEMP_DIR_MAX];
static int dir_fd;
static struct scan_facts facts;
static struct err e;

static int on_disk(void **state)
{
    (void)state;
    world_on_disk(&w);
    temp_dir_make(dir, TEMP_DIR_MEMORY);
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    facts = (struct scan_facts){0};
    return 0;
}

static int in_memory(void **state)
{
    (void)state;
    world_in_memory(&w);
    temp_dir_make(dir, TEMP_DIR_DISK);
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    facts = (struct scan_facts){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(dir_fd);
    temp_dir_remove(dir);
    world_done(&w);
    return 0;
}

/* An image of these layers, "TYPE=BYTES" each, whose config speaks of so many. */
static struct digest image_of(const char *config_type, size_t ids, const char *const *layers)
{
    AUTO(buf) struct buf config = {0}, manifest = {0};
    struct digest d;

    buf_init(&config, 65536);
    buf_init(&manifest, 65536);
    buf_add_text(
        &config,
        "{\"architecture\":\"arm64\",\"os\":\"linux\",\"history\":[{}],\"rootfs\":{\"diff_ids\":[");
    for (size_t i = 0; i < ids; i++)
        buf_addf(&config, "%s\"sha256:lie\"", i > 0 ? "," : "");
    buf_add_text(&config, "]}}");
    d = blob_put(&w, REPO, buf_str(&config));
    buf_addf(&manifest,
             "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":"
             "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
             config_type, d.text, config.n);
    for (size_t i = 0; layers[i]; i++) {
        struct str bytes = str_of(layers[i]), type;

        str_cut(&bytes, '=', &type);
        d = blob_put(&w, REPO, bytes);
        buf_addf(&manifest, "%s{\"mediaType\":\"" STR_FMT "\",\"digest\":\"%s\",\"size\":%zu}",
                 i > 0 ? "," : "", STR_ARG(type), d.text, bytes.n);
    }
    buf_add_text(&manifest, "]}");
    assert_ok(manifest_push(&w, REPO, buf_text(&manifest), NULL, &d, ERR_IGNORED));
    return d;
}

static enum err_code write_image(struct digest d, uint64_t most)
{
    const struct repo_name repo = repo_of(REPO);
    const struct layout_limits limits = {.image_bytes = most};
    AUTO(out_manifest) struct out_manifest m = {0};

    TRY(out_manifest_by_digest(w.r, &repo, &d, &m, &e));
    return layout_write(w.r, &repo, &m, dir_fd, &limits, &facts, &e);
}

static json_t *read_json(const char *path)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 1 << 20);
    assert_ok(file_read_at(dir_fd, path, &text, &e));
    return json_loadb(text.p, text.n, 0, NULL);
}

static json_t *read_blob(const json_t *descriptor)
{
    char path[128];

    snprintf(path, sizeof(path), "blobs/sha256/%s",
             json_string_value(json_object_get(descriptor, "digest")) + 7);
    return read_json(path);
}

static const char *layer_path(const char *bytes, char path[static 128])
{
    struct digest d;

    digest_of(DIGEST_SHA256, bytes, strlen(bytes), &d);
    snprintf(path, 128, "blobs/sha256/%s", digest_hex(&d).p);
    return path;
}

static void it_speaks_of_verified_digests_only(void **state)
{
    AUTO(json) json_t *index = NULL, *manifest = NULL, *config = NULL;
    const json_t *layer, *ids;

    (void)state;
    assert_ok(write_image(
        image_of(CONFIG, 2, (const char *const[]){LAYER "=one", LAYER "=two", NULL}), 100));
    index = read_json("index.json");
    assert_int_equal(json_array_size(json_object_get(index, "manifests")), 1);
    manifest = read_blob(json_array_get(json_object_get(index, "manifests"), 0));
    config = read_blob(json_object_get(manifest, "config"));
    ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
    assert_int_equal(json_array_size(ids), 2);
    layer = json_array_get(json_object_get(manifest, "layers"), 1);
    assert_string_equal(json_string_value(json_array_get(ids, 1)),
                        json_string_value(json_object_get(layer, "digest")));
    assert_string_equal(json_string_value(json_object_get(config, "architecture")), "arm64");
    assert_null(json_object_get(config, "history"));
    assert_false(facts.partial);
}

/* As many names as the store and the layout have for it. */
static void a_layer_in_a_file_is_linked(void **state)
{
    char path[128];
    struct stat st;

    (void)state;
    assert_ok(write_image(image_of(CONFIG, 1, (const char *const[]){LAYER "=bytes", NULL}), 100));
    assert_int_equal(fstatat(dir_fd, layer_path("bytes", path), &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(st.st_size, 5);
}

static void a_layer_elsewhere_is_copied(void **state)
{
    AUTO(buf) struct buf text = {0};
    char path[128];

    (void)state;
    buf_init(&text, 100);
    assert_ok(write_image(image_of(CONFIG, 1, (const char *const[]){LAYER "=bytes", NULL}), 100));
    assert_ok(file_read_at(dir_fd, layer_path("bytes", path), &text, &e));
    assert_string_equal(buf_text(&text), "bytes");
}

static void one_layer_several_times_is_there_once(void **state)
{
    (void)state;
    assert_ok(write_image(
        image_of(CONFIG, 3, (const char *const[]){LAYER "=a", LAYER "=a", LAYER "=a", NULL}), 100));
}

static void what_can_not_be_scanned_is_told(void **state)
{
    static const struct {
        size_t ids;
        const char *layers[3], *why;
    } rows[] = {
        {1, {OCI "layer.v1.tar+gzip+encrypted=x"}, "layer 0 is encrypted"},
        {2, {LAYER "=x"}, "its config speaks of 2 layers, and its manifest of 1"},
        {0, {LAYER "=x"}, "its config speaks of 0 layers, and its manifest of 1"},
        {2,
         {LAYER "=12345", LAYER "=123456"},
         "its layers are larger than scan.max_image_size, 10 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_code(ERR_NOT_ANALYZABLE,
                    write_image(image_of(CONFIG, rows[i].ids, rows[i].layers), 10));
        assert_string_equal(e.detail, rows[i].why);
        assert_true(e.public_detail);
    }
}

static void what_is_no_layer_is_passed_over_and_noted(void **state)
{
    (void)state;
    assert_ok(write_image(
        image_of(CONFIG, 2, (const char *const[]){LAYER "=x", "application/vnd.other=y", NULL}),
        100));
    assert_true(facts.partial);
    assert_string_equal(facts.note, "layer 1 is nothing that could be unpacked");
}

static void a_layer_of_another_label_is_in_it(void **state)
{
    static const char bytes[] = "\x1f\x8b and so on";
    char path[128];
    struct stat st;

    (void)state;
    assert_ok(write_image(
        image_of(CONFIG, 2,
                 (const char *const[]){LAYER "=x", "application/x-gzip=\x1f\x8b and so on", NULL}),
        100));
    assert_false(facts.partial);
    assert_int_equal(fstatat(dir_fd, layer_path(bytes, path), &st, AT_SYMLINK_NOFOLLOW), 0);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void it_ends_when_told_to(void **state)
{
    const struct repo_name repo = repo_of(REPO);
    const struct layout_limits limits = {.image_bytes = 100, .goes_on = never};
    struct digest d = image_of(CONFIG, 1, (const char *const[]){LAYER "=x", NULL});
    AUTO(out_manifest) struct out_manifest m = {0};

    (void)state;
    assert_ok(out_manifest_by_digest(w.r, &repo, &d, &m, &e));
    assert_code(ERR_UNAVAILABLE, layout_write(w.r, &repo, &m, dir_fd, &limits, &facts, &e));
}

int main(void)
{
#define MEMORY(name) cmocka_unit_test_setup_teardown(name, in_memory, tear_down)
#define DISK(name)   cmocka_unit_test_setup_teardown(name, on_disk, tear_down)
    const struct CMUnitTest tests[] = {
        MEMORY(it_speaks_of_verified_digests_only),
        DISK(a_layer_in_a_file_is_linked),
        MEMORY(a_layer_elsewhere_is_copied),
        DISK(one_layer_several_times_is_there_once),
        MEMORY(one_layer_several_times_is_there_once),
        MEMORY(what_can_not_be_scanned_is_told),
        MEMORY(what_is_no_layer_is_passed_over_and_noted),
        MEMORY(a_layer_of_another_label_is_in_it),
        MEMORY(it_ends_when_told_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
