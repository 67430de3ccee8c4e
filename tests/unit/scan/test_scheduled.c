/* The walk of scan.schedule, over images that nobody scans. */
#include "scan/scheduled.h"

#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "unit/core/support.h"

#include <stdio.h>
#include <stdlib.h>

static struct world w;
static struct scans *scans;
static struct scheduled x;
static char dir[TEMP_DIR_MAX];
static struct err e;
static int64_t data_ms; /* of the scanner; 0: it has none */

static enum err_code fake_scan(struct scanner *s, const struct scan_order *o,
                               struct finding_list *l, struct scan_facts *facts, struct err *error)
{
    (void)s, (void)o, (void)l, (void)facts;
    return err_set(error, ERR_INTERNAL, "nothing is scanned here");
}

static enum err_code fake_data(struct scanner *s, int64_t *ret, struct err *error)
{
    (void)s;
    *ret = data_ms;
    return data_ms ? ERR_OK : err_set(error, ERR_UNAVAILABLE, "there is none");
}

static void fake_free(struct scanner *s)
{
    (void)s;
}

static const struct scanner_driver driver = {
    .name = "fake", .scan = fake_scan, .data = fake_data, .free = fake_free};
static struct scanner scanner = {&driver, 1};

static int set_up(void **state)
{
    struct scans_options o = {.scanner = &scanner, .dir = dir};

    (void)state;
    world_in_memory(&w);
    world_add_jobs(&w);
    atomic_store(&w.conf->scan.rescan_rate, 360000);
    temp_dir_make(dir, TEMP_DIR_MEMORY);
    o.registry = w.r;
    o.conf = &w.conf->scan;
    assert_ok(scans_new(&o, &scans, &e));
    x = (struct scheduled){.registry = w.r, .conf = &w.conf->scan, .scans = scans};
    data_ms = 1000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scans_free(scans);
    world_done(&w);
    temp_dir_remove(dir);
    return 0;
}

/* Takes the jobs of a kind away, as if they had been done. */
static size_t take(const char *kind)
{
    struct meta_job_list l = {0};
    size_t n = 0;

    assert_ok(meta_jobs(w.meta, STR(""), STR(""), 1000, &l, &e));
    for (size_t i = 0; i < l.n; i++) {
        struct meta_op op = meta_op_job_cancel(str_of(l.rows[i].kind), str_of(l.rows[i].key));

        if (strcmp(l.rows[i].kind, kind) != 0)
            continue;
        assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, &e));
        n++;
    }
    meta_job_list_done(&l);
    return n;
}

static void note_result(const struct digest *d, enum scan_status status, int64_t of_ms)
{
    struct scan_result s = {
        .status = status, .n_repos = 1, .facts = {.scanner = "fake", .data_ms = of_ms}};
    AUTO(buf) struct buf json = {0};
    struct meta_op op;

    s.repos[0] = repo_of("team/app");
    buf_init(&json, 65536);
    scan_result_print(&s, &json);
    op = meta_op_record_put(SCAN_RESULTS, digest_str(d), buf_str(&json), META_ANY);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, &e));
}

static void push_images(int n)
{
    char text[16];

    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "i%d", i);
        image_put(&w, i % 2 ? "team/app" : "other", text, text);
    }
}

static void turn(void)
{
    assert_ok(scheduled_turn(&x, NULL, &e));
}

static void images_of_all_repositories_that_were_never_scanned_are_asked_for(void **state)
{
    (void)state;
    push_images(3);
    assert_ok(scheduled_begin(&x, &e));
    turn();
    assert_int_equal(take(SCAN_AGAIN), 3);
    assert_false(atomic_load(&x.walking));
}

static void what_has_a_result_with_the_data_of_now_is_not(void **state)
{
    struct digest fresh = image_put(&w, "team/app", "fresh", "fresh");
    struct digest old = image_put(&w, "team/app", "old", "old");
    struct digest failed = image_put(&w, "team/app", "failed", "failed");
    struct digest none = image_put(&w, "team/app", "none", "none");

    (void)state;
    note_result(&fresh, SCAN_COMPLETED, 1000);
    note_result(&old, SCAN_COMPLETED, 500);
    note_result(&failed, SCAN_FAILED, 1000);
    note_result(&none, SCAN_NOT_APPLICABLE, 0);
    assert_ok(scheduled_begin(&x, &e));
    turn();
    assert_int_equal(take(SCAN_AGAIN), 2);
}

static void what_is_no_image_is_not_asked_for(void **state)
{
    struct digest d;

    (void)state;
    blob_put(&w, "team/app", STR("{}"));
    assert_ok(manifest_push(&w, "team/app",
                            "{\"schemaVersion\":2,\"mediaType\":\"application/"
                            "vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
                            "\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:"
                            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\","
                            "\"size\":2},\"layers\":[]}",
                            "v1", &d, &e));
    assert_ok(scheduled_begin(&x, &e));
    turn();
    assert_int_equal(take(SCAN_AGAIN), 0);
}

static void no_more_are_asked_for_than_the_rate_allows_and_the_walk_goes_on(void **state)
{
    struct scheduled other = x; /* another process */
    size_t asked;

    (void)state;
    atomic_store(&w.conf->scan.rescan_rate, 3600);
    push_images(25);
    assert_ok(scheduled_begin(&x, &e));
    turn();
    assert_int_equal(take(SCAN_AGAIN), 10);
    assert_ok(scheduled_begin(&x, &e)); /* its time has come again */
    assert_ok(scheduled_turn(&other, NULL, &e));
    assert_int_equal(take(SCAN_AGAIN), 10);
    turn();
    asked = take(SCAN_AGAIN);
    assert_int_equal(asked, 5);
    assert_false(atomic_load(&x.walking));
}

static void none_are_asked_for_while_earlier_ones_wait(void **state)
{
    (void)state;
    atomic_store(&w.conf->scan.rescan_rate, 3600);
    push_images(25);
    assert_ok(scheduled_begin(&x, &e));
    turn();
    turn();
    assert_int_equal(take(SCAN_AGAIN), 10);
}

static void a_scanner_without_data_is_waited_for(void **state)
{
    (void)state;
    push_images(2);
    data_ms = 0;
    assert_ok(scheduled_begin(&x, &e));
    turn();
    assert_int_equal(take(SCAN_AGAIN), 0);
    data_ms = 1000;
    turn();
    assert_int_equal(take(SCAN_AGAIN), 2);
}

static void nothing_is_asked_for_before_its_time(void **state)
{
    (void)state;
    push_images(2);
    turn();
    assert_int_equal(take(SCAN_AGAIN), 0);
    assert_ok(scheduled_begin(&x, &e));
    assert_int_equal(take(SCHEDULED_WALK_JOB), 1);
}

static void a_walk_may_be_many_pages(void **state)
{
    (void)state;
    push_images(150);
    assert_ok(scheduled_begin(&x, &e));
    turn();
    assert_int_equal(take(SCAN_AGAIN), 150);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(images_of_all_repositories_that_were_never_scanned_are_asked_for),
        CASE(what_has_a_result_with_the_data_of_now_is_not),
        CASE(what_is_no_image_is_not_asked_for),
        CASE(no_more_are_asked_for_than_the_rate_allows_and_the_walk_goes_on),
        CASE(none_are_asked_for_while_earlier_ones_wait),
        CASE(a_scanner_without_data_is_waited_for),
        CASE(nothing_is_asked_for_before_its_time),
        CASE(a_walk_may_be_many_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
