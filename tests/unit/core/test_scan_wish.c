#include "core/scan_wish.h"

#include "core/own_repo.h"
#include "jobs/jobs.h"
#include "support.h"

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    world_add_jobs(&w);
    w.conf->registry.scan_on_push = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static size_t n_jobs(void)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};

    assert_ok(meta_jobs(w.meta, STR(""), STR(""), 10, &l, ERR_IGNORED));
    for (size_t i = 0; i < l.n; i++)
        assert_string_equal(l.rows[i].kind, SCAN_PUSHED);
    return l.n;
}

static void an_image_that_is_pushed_is_to_be_scanned(void **state)
{
    AUTO(meta_job) struct meta_job job = {0};
    const struct repo_name repo = repo_of("team/app");
    char key[SCAN_KEY_MAX + 1];
    struct digest d;

    (void)state;
    d = image_put(&w, "team/app", "one", "v1");
    scan_key(&repo, &d, key);
    assert_ok(meta_job_get(w.meta, STR(SCAN_PUSHED), str_of(key), &job, ERR_IGNORED));
}

static void only_when_that_is_configured(void **state)
{
    (void)state;
    w.conf->registry.scan_on_push = false;
    image_put(&w, "team/app", "one", "v1");
    assert_int_equal(n_jobs(), 0);
}

static void what_is_no_image_is_not(void **state)
{
    static const struct digest none;
    const struct repo_name repo = repo_of("team/app");
    struct manifest m = {.shape = MANIFEST_INDEX, .media_type = MEDIA_OCI_INDEX};
    struct meta_op ops[SCAN_WISH_OPS];
    struct scan_wish wish;

    (void)state;
    assert_int_equal(scan_wish(w.r, &repo, &none, &m, false, &wish, ops), 0);
    m.shape = MANIFEST_IMAGE;
    m.media_type = MEDIA_OCI_MANIFEST;
    m.config_type = (char *)"application/vnd.cncf.helm.config.v1+json";
    assert_int_equal(scan_wish(w.r, &repo, &none, &m, false, &wish, ops), 0);
}

/* Whatever artifact it says that it is. */
static void what_engines_take_for_an_image_is(void **state)
{
    static const struct digest none;
    const struct repo_name repo = repo_of("team/app");
    struct manifest m = {.shape = MANIFEST_IMAGE,
                         .media_type = MEDIA_OCI_MANIFEST,
                         .artifact_type = (char *)"application/vnd.example",
                         .config_type = (char *)"application/json"};
    struct meta_op ops[SCAN_WISH_OPS];
    struct scan_wish wish;

    (void)state;
    assert_int_equal(scan_wish(w.r, &repo, &none, &m, false, &wish, ops), 1);
}

static void nothing_is_pushed_to_a_repository_of_our_own(void **state)
{
    struct digest d;
    struct err e;

    (void)state;
    assert_code(ERR_DENIED, manifest_push(&w, SCANS_REPO, "{}", "v1", &d, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_image_that_is_pushed_is_to_be_scanned, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_when_that_is_configured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_image_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_engines_take_for_an_image_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_pushed_to_a_repository_of_our_own, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
