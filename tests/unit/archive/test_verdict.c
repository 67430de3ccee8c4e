/* What people are told of an archive when they have to choose. */
#include "archive/verdict.h"

#include "unit/core/support.h"

#include <stdio.h>
#include <string.h>

#define IMAGES 40

static char *names[IMAGES][1];
static char name_texts[IMAGES][16];
static struct archive_image images[IMAGES];
static struct archive_manifest manifests[IMAGES];
static struct archive_verdict verdict = {.manifests = manifests, .images = images};

/* Images app:0, app:1 and so on, their digests d0, d1, each for linux/amd64. */
static int make_images(void **state)
{
    (void)state;
    for (size_t i = 0; i < IMAGES; i++) {
        snprintf(name_texts[i], sizeof(name_texts[i]), "app:%zu", i);
        names[i][0] = name_texts[i];
        images[i] = (struct archive_image){.manifest = i, .names = names[i], .n_names = 1};
        manifests[i] = (struct archive_manifest){.os = "linux", .architecture = "amd64"};
        snprintf(manifests[i].digest.text, sizeof(manifests[i].digest.text), "d%zu", i);
    }
    verdict.n_images = verdict.n_manifests = 3;
    return 0;
}

static const char *listed(size_t cap)
{
    static char text[400];

    verdict_list_images(&verdict, text, cap);
    return text;
}

static void images_are_listed_by_their_names(void **state)
{
    (void)state;
    assert_string_equal(listed(400), "app:0, app:1, app:2");
}

static void an_image_without_a_name_is_listed_by_its_digest(void **state)
{
    (void)state;
    images[1].n_names = 0;
    assert_string_equal(listed(400), "app:0, d1, app:2");
}

static void images_of_one_name_are_listed_by_their_digests(void **state)
{
    (void)state;
    snprintf(name_texts[2], sizeof(name_texts[2]), "app:0");
    assert_string_equal(listed(400), "d0, app:1, d2");
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    verdict.n_images = verdict.n_manifests = IMAGES;
    assert_string_equal(listed(49), "app:0, app:1 and 38 more");
    assert_string_equal(listed(31), "40 more");
}

static void an_image_is_called_by_its_names_and_its_digest(void **state)
{
    (void)state;
    assert_true(verdict_is_called(&verdict, 1, STR("app:1")));
    assert_true(verdict_is_called(&verdict, 1, STR("d1")));
    assert_false(verdict_is_called(&verdict, 1, STR("app:2")));
}

static void platforms_are_listed_once_and_without_those_of_indexes(void **state)
{
    char text[100];

    (void)state;
    snprintf(manifests[1].architecture, sizeof(manifests[1].architecture), "arm64");
    manifests[2].os[0] = '\0';
    verdict_list_platforms(&verdict, text, sizeof(text));
    assert_string_equal(text, "linux/amd64, linux/arm64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(images_are_listed_by_their_names, make_images),
        cmocka_unit_test_setup(an_image_without_a_name_is_listed_by_its_digest, make_images),
        cmocka_unit_test_setup(images_of_one_name_are_listed_by_their_digests, make_images),
        cmocka_unit_test_setup(what_does_not_fit_is_counted, make_images),
        cmocka_unit_test_setup(an_image_is_called_by_its_names_and_its_digest, make_images),
        cmocka_unit_test_setup(platforms_are_listed_once_and_without_those_of_indexes, make_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
