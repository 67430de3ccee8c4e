#include "core/outbox.h"

#include "base/json.h"
#include "base/mem.h"
#include "support.h"

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

static void put(const char *text)
{
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;

    outbox_begin(&ev, OUTBOX_PULL_BLOCKED);
    outbox_add_text(&ev, "why", str_of(text));
    outbox_add_number(&ev, "critical", -1);
    op = outbox_put(&ev);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static void an_event_is_json_with_its_name_and_time(void **state)
{
    AUTO(records) struct meta_record_list l = {0};
    AUTO(json) json_t *j = NULL;

    (void)state;
    put("\"quoted\"\n\xff");
    assert_ok(meta_records(w.meta, OUTBOX, STR(""), 10, &l, ERR_IGNORED));
    assert_int_equal(l.n, 1);
    j = json_loads(l.rows[0].value, 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "event")), "pull.blocked");
    assert_true(strncmp(json_string_value(json_object_get(j, "why")), "\"quoted\"\n", 9) == 0);
    assert_int_equal(json_integer_value(json_object_get(j, "critical")), -1);
    assert_non_null(json_string_value(json_object_get(j, "time")));
}

#define LARGE 50000

/* Whatever is in the member that there was no room for. */
static void one_that_is_too_large_lacks_its_last_members(void **state)
{
    AUTO(records) struct meta_record_list l = {0};
    AUTO(mem) char *text = mem_zero(LARGE + 1);
    AUTO(outbox) struct outbox_event ev = {0};
    AUTO(json) json_t *j = NULL;
    struct meta_op op;

    (void)state;
    memset(text, 'x', LARGE);
    outbox_begin(&ev, OUTBOX_PULL_BLOCKED);
    outbox_add_text(&ev, "first", STR("\\\",{["));
    outbox_add_text(&ev, "why", str_of(text));
    buf_add_text(&ev.json, ",\"list\":[{\"a\":1");
    outbox_add_text(&ev, "b", str_of(text));
    buf_add_text(&ev.json, "}]");
    op = outbox_put(&ev);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_ok(meta_records(w.meta, OUTBOX, STR(""), 10, &l, ERR_IGNORED));
    j = json_loads(l.rows[0].value, 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "first")), "\\\",{[");
    assert_string_equal(json_string_value(json_object_get(j, "why")), text);
    assert_null(json_object_get(j, "list"));
    assert_true(json_is_true(json_object_get(j, "cut")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_json_with_its_name_and_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_too_large_lacks_its_last_members, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
