/*
 * Records of uploads of archives (core/upload_record.h), and the events of their ends, in a
 * database of each kind: sqlite, postgresql, dynamodb.
 */
#include "conf/load.h"
#include "core/life.h"
#include "core/outbox.h"
#include "core/upload_ledger.h"
#include "core/upload_record.h"
#include "core/upload_records.h"
#include "fixture.h"

#include <stdlib.h>

static struct conf *conf;
static struct registry *r;

static int set_up(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    assert_ok(conf_load(NULL, NULL, &conf, &f->e));
    r = registry_new(store_mem_new(), f->m, conf);
    return 0;
}

/* The metadata goes with the registry. */
static int tear_down(void **state)
{
    struct fixture *f = *state;

    registry_free(r);
    conf_free(conf);
    f->m = NULL;
    return fixture_teardown(state);
}

static struct upload_record *opened(const char *way)
{
    const struct upload_start s = {.user = "user:a",
                                   .address = "192.0.2.1",
                                   .request_id = "r1",
                                   .way = way,
                                   .expected_bytes = 1000};

    return upload_record_open(r, &s);
}

static struct uuid ended(enum err_code code)
{
    struct upload_record *u = opened("body");
    struct uuid id = *upload_record_id(u);

    upload_record_end(u, code, NULL, NULL);
    return id;
}

static void assert_text(const json_t *o, const char *key, const char *text)
{
    assert_string_equal(json_string_value(json_object_get(o, key)), text);
}

static void assert_phase(const struct uuid *id, const char *phase)
{
    AUTO(json) json_t *row = NULL;

    assert_ok(upload_records_get(r, id, &row, ERR_IGNORED));
    assert_text(row, "phase", phase);
}

static void assert_events(size_t n, const char *last_result)
{
    AUTO(records) struct meta_record_list l = {0};
    AUTO(json) json_t *event = NULL;

    assert_ok(meta_records(r->meta, OUTBOX, STR(""), 10, &l, ERR_IGNORED));
    assert_int_equal(l.n, n);
    event = json_loads(l.rows[n - 1].value, 0, NULL);
    assert_text(event, "event", OUTBOX_UPLOAD_ENDED);
    assert_text(event, "result", last_result);
}

static void an_end_and_its_event_are_there_together(void **state)
{
    struct uuid done = ended(ERR_OK), failed = ended(ERR_IMAGE_INVALID);

    (void)state;
    assert_phase(&done, "done");
    assert_phase(&failed, "failed");
    assert_events(2, "failed");
}

static void one_that_was_left_goes_on_once(void **state)
{
    struct upload_record *u = opened("session"), *again = NULL, *third = NULL;
    struct uuid id = *upload_record_id(u);

    (void)state;
    upload_record_add_received(u, 400);
    upload_record_leave(u, UPLOAD_WAITING);
    assert_phase(&id, "waiting");
    assert_ok(upload_record_resume(r, &id, "r2", &again, ERR_IGNORED));
    assert_int_equal(upload_record_resume(r, &id, "r3", &third, ERR_IGNORED), ERR_CONFLICT);
    upload_record_end(again, ERR_OK, NULL, NULL);
    assert_int_equal(upload_record_resume(r, &id, "r3", &third, ERR_IGNORED), ERR_CONFLICT);
    assert_events(1, "done");
}

static void a_list_goes_from_the_newest_on_and_filters(void **state)
{
    const struct upload_filter all = {.user = "user:a"}, good = {.result = "done"};
    AUTO(upload_page) struct upload_page p = {.n = 0};
    AUTO(upload_page) struct upload_page next = {.n = 0};
    AUTO(upload_page) struct upload_page filtered = {.n = 0};
    struct uuid ids[3] = {ended(ERR_OK), ended(ERR_IMAGE_INVALID), ended(ERR_OK)};

    (void)state;
    assert_ok(upload_records_list(r, &all, NULL, 2, &p, ERR_IGNORED));
    assert_int_equal(p.n, 2);
    assert_true(p.more);
    assert_ok(upload_records_list(r, &all, &p.last, 2, &next, ERR_IGNORED));
    assert_int_equal(next.n, 1);
    assert_ok(upload_records_list(r, &good, NULL, 10, &filtered, ERR_IGNORED));
    assert_int_equal(filtered.n, 2);
    assert_text(filtered.rows[1], "id", ids[0].text);
}

/* As a process leaves it that is killed. */
static struct uuid left_by_another(void)
{
    struct upload_record *u = opened("body");
    struct uuid id = *upload_record_id(u);
    struct upload_state s = {.id = id, .phase = UPLOAD_STORING, .way = "body"};
    AUTO(mem) char *text = NULL;
    char key[UPLOAD_KEY_SIZE];
    struct meta_op op;

    upload_record_drop(u);
    uuid_make(&s.holder);
    text = upload_state_text(&s);
    upload_key(&id, key);
    op = meta_op_record_put(UPLOAD_RECORDS, str_of(key), str_of(text), META_ANY);
    assert_ok(meta_commit(r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    return id;
}

static void what_is_lost_ends_once(void **state)
{
    struct uuid id = left_by_another();

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_ok(upload_records_end_lost(r, NULL, NULL, ERR_IGNORED));
    assert_phase(&id, "lost");
    assert_events(1, "lost");
}

static void what_is_old_is_forgotten(void **state)
{
    struct uuid id = ended(ERR_OK);
    AUTO(json) json_t *row = NULL;

    (void)state;
    assert_ok(upload_records_prune(r, INT64_C(1) << 45, NULL, NULL, ERR_IGNORED));
    assert_int_equal(upload_records_get(r, &id, &row, ERR_IGNORED), ERR_NOT_FOUND);
}

int main(int argc, char **argv)
{
#define RECORD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RECORD_TEST(an_end_and_its_event_are_there_together),
        RECORD_TEST(one_that_was_left_goes_on_once),
        RECORD_TEST(a_list_goes_from_the_newest_on_and_filters),
        RECORD_TEST(what_is_lost_ends_once),
        RECORD_TEST(what_is_old_is_forgotten),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
