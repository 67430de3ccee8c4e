#include "core/image_analysis.h"

#include "base/clock.h"
#include "jobs/jobs.h"
#include "support.h"

#define KEY   STR("team/app@sha256:" ZEROS)
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    world_add_jobs(&w);
    image_analysis_jobs(w.r);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static enum err_code ask(struct err *e)
{
    const struct repo_name repo = repo_of("team/app");
    struct digest d;

    assert_ok(digest_parse(STR("sha256:" ZEROS), &d, e));
    return image_analysis_ask(w.r, &repo, &d, e);
}

static void fail_for_good(void)
{
    const struct meta_job_end end = {.kind = STR(IMAGE_ANALYSIS),
                                     .key = KEY,
                                     .turn = 1,
                                     .as = META_JOB_FAILED_FOR_GOOD,
                                     .note = STR("damaged"),
                                     .now_ms = clock_wall_ms()};
    struct meta_op op =
        meta_op_job_take(STR(IMAGE_ANALYSIS), KEY, 0, STR("somebody"), clock_wall_ms());

    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    op = meta_op_job_end(end);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static void what_is_asked_for_is_a_job_once(void **state)
{
    AUTO(meta_jobs) struct meta_job_list list = {0};

    (void)state;
    assert_ok(ask(ERR_IGNORED));
    assert_ok(ask(ERR_IGNORED));
    assert_ok(meta_jobs(w.meta, STR(""), STR(""), 10, &list, ERR_IGNORED));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.rows[0].kind, IMAGE_ANALYSIS);
    assert_int_equal(list.rows[0].priority, 5);
}

static void one_that_failed_too_often_is_told_and_not_waited_for(void **state)
{
    struct err e;

    (void)state;
    assert_ok(ask(&e));
    fail_for_good();
    assert_code(ERR_NOT_ANALYZABLE, ask(&e));
    assert_true(e.public_detail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_asked_for_is_a_job_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_failed_too_often_is_told_and_not_waited_for,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
