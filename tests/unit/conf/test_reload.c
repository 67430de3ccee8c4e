#include "base/cleanup.h"
#include "conf/field.h"
#include "conf/table.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_may_change_is_taken_over(void **state)
{
    AUTO(conf) struct conf *live = conf_must("");
    AUTO(conf)
    struct conf *from = conf_must("log: {level: debug, access: false}\n"
                                  "limits: {blob_size: 1KiB}\n");
    AUTO(buf) struct buf ignored = {0};

    (void)state;
    buf_init(&ignored, 10000);
    conf_reload(live, from, &ignored);
    assert_int_equal(conf_u64(&live->log.level), 0);
    assert_false(live->log.access);
    assert_int_equal(conf_u64(&live->limits.blob_bytes), 1024);
    assert_int_equal(ignored.n, 0);
}

static void what_needs_a_restart_is_named_and_kept(void **state)
{
    AUTO(conf) struct conf *live = conf_must("");
    AUTO(conf)
    struct conf *from = conf_must("http: {listen: '127.0.0.1:1', workers: 3}\n"
                                  "storage: {filesystem: {root: /x, fsync: false}}\n"
                                  "limits: {page: 7}\n");
    AUTO(buf) struct buf ignored = {0};

    (void)state;
    buf_init(&ignored, 10000);
    conf_reload(live, from, &ignored);
    assert_string_equal(buf_text(&ignored), "http.listen, http.workers, storage.filesystem.root, "
                                            "storage.filesystem.fsync");
    assert_string_equal(live->http.listen.items[0], "127.0.0.1:5000");
    assert_int_equal(live->http.workers, 256);
    assert_true(live->storage.fsync);
    assert_int_equal(live->limits.page, 7);
}

static void what_is_made_anew_is_neither_named_nor_changed(void **state)
{
    AUTO(conf) struct conf *live = conf_must("auth: local\n");
    AUTO(conf)
    struct conf *from = conf_must("auth: {mode: local, admins: ['user:a']}\n"
                                  "policy: [{subjects: ['*'], actions: [pull]}]\n"
                                  "quotas: [{namespace: a, tags: 1}]\n");
    AUTO(buf) struct buf ignored = {0};

    (void)state;
    buf_init(&ignored, 10000);
    conf_reload(live, from, &ignored);
    assert_string_equal(buf_text(&ignored), "quotas");
    assert_int_equal(live->policy.n, 0);
    assert_int_equal(live->auth.admins.n, 0);
}

static void limits_and_the_log_level_may_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_rows_n; i++) {
        if (str_starts(str_of(conf_rows[i].name), STR("limits.")))
            assert_true(conf_rows[i].reloaded);
    }
    assert_true(conf_row_find(STR("log.level"))->reloaded);
}

static void the_same_again_changes_nothing(void **state)
{
    AUTO(conf) struct conf *live = conf_must("http: {workers: 3}\n");
    AUTO(conf) struct conf *from = conf_must("http: {workers: 3}\n");
    AUTO(buf) struct buf ignored = {0};

    (void)state;
    buf_init(&ignored, 10000);
    conf_reload(live, from, &ignored);
    assert_int_equal(ignored.n, 0);
    for (size_t i = 0; i < conf_rows_n; i++)
        assert_true(conf_field_eq(&conf_rows[i], conf_field_const(live, &conf_rows[i]),
                                  conf_field_const(from, &conf_rows[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_change_is_taken_over),
        cmocka_unit_test(what_needs_a_restart_is_named_and_kept),
        cmocka_unit_test(what_is_made_anew_is_neither_named_nor_changed),
        cmocka_unit_test(limits_and_the_log_level_may_change),
        cmocka_unit_test(the_same_again_changes_nothing),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
