/* What engines would run, whatever it is called. */
#include "core/runnable.h"

#include "archive/tar.h"
#include "support.h"

#include <stdio.h>

#define OCI    "application/vnd.oci.image."
#define CONFIG OCI "config.v1+json"
#define LAYER  OCI "layer.v1.tar+gzip"
#define REPO   "team/app"
#define GZIP   "\x1f\x8b\x08 and so on"
#define SIGNED "application/vnd.dev.cosign.simplesigning.v1+json"

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

/* ---- configs */

static void configs_that_engines_take_are_those_of_images(void **state)
{
    static const char *const types[] = {CONFIG, "application/vnd.docker.container.image.v1+json",
                                        "application/octet-stream", "application/json",
                                        "text/html"};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_true(runnable_config(STR(MEDIA_OCI_MANIFEST), str_of(types[i])));
}

static void charts_and_artifacts_have_others(void **state)
{
    (void)state;
    assert_false(
        runnable_config(STR(MEDIA_OCI_MANIFEST), STR("application/vnd.cncf.helm.config.v1+json")));
    assert_false(
        runnable_config(STR(MEDIA_OCI_MANIFEST), STR("application/vnd.oci.empty.v1+json")));
}

static void of_dockers_schema_2_any_config_is_taken_but_a_plugins(void **state)
{
    (void)state;
    assert_true(runnable_config(STR(MEDIA_DOCKER_MANIFEST), STR("application/vnd.example")));
    assert_false(
        runnable_config(STR(MEDIA_DOCKER_MANIFEST), STR("application/vnd.docker.plugin.v1+json")));
}

/* ---- images */

/* A manifest of that config and one layer, or none. */
static bool runs(const char *config_type, const char *layer_type, struct str layer)
{
    const struct repo_name repo = repo_of(REPO);
    AUTO(out_manifest) struct out_manifest m = {0};
    struct digest config = blob_put(&w, REPO, STR("{}")), d = blob_put(&w, REPO, layer);
    char text[2048];
    struct str why;
    bool is;

    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":"
             "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2},\"layers\":"
             "[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}]}",
             config_type, config.text, layer_type, d.text, layer.n);
    assert_ok(manifest_push(&w, REPO, text, NULL, &d, ERR_IGNORED));
    assert_ok(out_manifest_by_digest(w.r, &repo, &d, &m, ERR_IGNORED));
    assert_ok(runnable_image(w.r, &repo, &m, &is, &why, ERR_IGNORED));
    if (!is)
        assert_true(why.n > 0);
    return is;
}

static void a_layer_by_its_label_is_one_whatever_is_in_it(void **state)
{
    static const char *const types[] = {LAYER,
                                        "application/octet-stream",
                                        "application/vnd.docker.image.rootfs.diff.tar.gzip",
                                        OCI "layer.v1.tar+gzip+encrypted",
                                        OCI "layer.v1.erofs",
                                        OCI "layer.nydus.blob.v1",
                                        "application/vnd.erofs"};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_true(runs(CONFIG, types[i], STR("x")));
}

static void what_is_labelled_otherwise_is_one_by_its_bytes(void **state)
{
    static const char *const types[] = {"application/x-gzip", SIGNED, "text/plain",
                                        "application/vnd.in-toto+json"};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_true(runs(CONFIG, types[i], STR(GZIP)));
        assert_true(runs("application/json", types[i], STR("\x28\xb5\x2f\xfd and so on")));
        assert_false(runs(CONFIG, types[i], STR("{\"critical\":{}}")));
    }
}

/* Of one empty file, its name as a text would begin. */
static struct str tar_of(char block[static TAR_HEAD_BYTES])
{
    unsigned sum = 0;

    memset(block, 0, TAR_HEAD_BYTES);
    memcpy(block, "{\"a\":\"b", 7);
    memcpy(block + 124, "00000000000", 11);
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_HEAD_BYTES; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    return (struct str){block, TAR_HEAD_BYTES};
}

static void a_tar_is_known_by_the_sum_of_its_header(void **state)
{
    char block[TAR_HEAD_BYTES];

    (void)state;
    assert_true(runs(CONFIG, SIGNED, tar_of(block)));
    block[0] = 'x';
    assert_false(runs(CONFIG, SIGNED, (struct str){block, sizeof(block)}));
}

static void an_artifact_with_a_layer_of_an_image_is_none(void **state)
{
    (void)state;
    assert_false(runs("application/vnd.oci.empty.v1+json", LAYER, STR(GZIP)));
    assert_false(runs("application/vnd.cncf.helm.config.v1+json",
                      "application/vnd.cncf.helm.chart.content.v1.tar+gzip", STR(GZIP)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configs_that_engines_take_are_those_of_images),
        cmocka_unit_test(charts_and_artifacts_have_others),
        cmocka_unit_test(of_dockers_schema_2_any_config_is_taken_but_a_plugins),
        TEST(a_layer_by_its_label_is_one_whatever_is_in_it),
        TEST(what_is_labelled_otherwise_is_one_by_its_bytes),
        TEST(a_tar_is_known_by_the_sum_of_its_header),
        TEST(an_artifact_with_a_layer_of_an_image_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
