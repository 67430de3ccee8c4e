#include "auth/core/audit.h"

#include "base/clock.h"
#include "base/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY    5000
#define FOREVER 60000
#define ENTRY(x)                                                                                   \
    (&(struct meta_audit){.actor = "user:alice",                                                   \
                          .action = x,                                                             \
                          .target = "app",                                                         \
                          .address = "127.0.0.1",                                                  \
                          .result = "ok",                                                          \
                          .detail = ""})

/* A database whose commits hang, fail or work, as a test says. */
static struct {
    struct meta meta;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool hangs;
    enum err_code code;
    size_t attempts, written;
    char lost[128]; /* detail of the entry that tells of lost ones */
} db = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct err e;

static enum err_code commit(struct meta *m, const struct meta_op *ops, size_t n, unsigned flags,
                            size_t *ret_failed, struct err *why)
{
    enum err_code code;

    (void)m;
    (void)flags;
    (void)ret_failed;
    pthread_mutex_lock(&db.mutex);
    db.attempts++;
    pthread_cond_broadcast(&db.changed);
    while (db.hangs)
        pthread_cond_wait(&db.changed, &db.mutex);
    code = db.code;
    for (size_t i = 0; i < n && code == ERR_OK; i++) {
        if (ops[i].kind != META_AUDIT_ADD)
            continue;
        db.written++;
        if (strcmp(ops[i].audit_add.entry->result, "lost") == 0)
            snprintf(db.lost, sizeof(db.lost), "%s", ops[i].audit_add.entry->detail);
    }
    pthread_cond_broadcast(&db.changed);
    pthread_mutex_unlock(&db.mutex);
    return code == ERR_OK ? ERR_OK : err_set(why, code, "as the test says");
}

static void set_db(bool hangs, enum err_code code)
{
    pthread_mutex_lock(&db.mutex);
    db.hangs = hangs;
    db.code = code;
    pthread_cond_broadcast(&db.changed);
    pthread_mutex_unlock(&db.mutex);
}

static void wait_for_attempts(size_t n)
{
    pthread_mutex_lock(&db.mutex);
    while (db.attempts < n)
        pthread_cond_wait(&db.changed, &db.mutex);
    pthread_mutex_unlock(&db.mutex);
}

static void wait_for_lost(void)
{
    pthread_mutex_lock(&db.mutex);
    while (!db.lost[0])
        pthread_cond_wait(&db.changed, &db.mutex);
    pthread_mutex_unlock(&db.mutex);
}

static struct audit *new_audit(uint64_t wait_ms)
{
    static const struct meta_driver driver = {.name = "test", .commit = commit};
    struct audit_options o = {.file = "/dev/null", .wait_ms = wait_ms};
    struct audit *a = NULL;

    db.meta.driver = &driver;
    assert_int_equal(audit_new(&db.meta, &o, &a, &e), ERR_OK);
    return a;
}

static int setup(void **state)
{
    (void)state;
    pthread_cond_init(&db.changed, NULL);
    db.attempts = db.written = 0;
    db.lost[0] = '\0';
    set_db(false, ERR_OK);
    e = (struct err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pthread_cond_destroy(&db.changed);
    return 0;
}

/* The thread has one entry in its hands and does not get rid of it. */
static struct audit *stuck(bool hangs, enum err_code code, uint64_t wait_ms)
{
    struct audit *a = new_audit(wait_ms);

    set_db(hangs, code);
    audit_add(a, ENTRY("read"));
    wait_for_attempts(1);
    return a;
}

static size_t places(struct audit *a)
{
    size_t n = 0;

    while (n < MANY && audit_begin(a, &e) == ERR_OK) {
        audit_end(a, ENTRY("push"));
        n++;
    }
    return n;
}

static void test_what_need_not_be_recorded_never_waits(void **state)
{
    struct audit *a = stuck(true, ERR_OK, FOREVER);

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        audit_add(a, ENTRY("read"));
    set_db(false, ERR_OK);
    audit_free(a);
}

static void test_an_entry_tells_how_many_were_lost(void **state)
{
    struct audit *a = stuck(true, ERR_OK, FOREVER);
    unsigned long long lost = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        audit_add(a, ENTRY("read"));
    set_db(false, ERR_OK);
    wait_for_lost();
    audit_free(a);
    assert_int_equal(sscanf(db.lost, "{\"entries\":%llu", &lost), 1);
    assert_int_equal(db.written - 2 + lost, MANY);
}

static void test_entries_without_a_place_leave_room_for_those_with_one(void **state)
{
    struct audit *a = stuck(true, ERR_OK, 0);
    size_t n;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        audit_add(a, ENTRY("read"));
    n = places(a);
    assert_in_range(n, 100, MANY - 1);
    set_db(false, ERR_OK);
    audit_free(a);
}

static void test_a_deed_is_refused_when_no_place_comes_free_in_time(void **state)
{
    struct audit *a = stuck(true, ERR_OK, 1);

    (void)state;
    assert_in_range(places(a), 100, MANY - 1);
    assert_int_equal(audit_begin(a, &e), ERR_STORAGE_FULL);
    assert_true(e.public_detail);
    set_db(false, ERR_OK);
    audit_free(a);
}

static void *free_later(void *arg)
{
    (void)arg;
    set_db(false, ERR_OK);
    return NULL;
}

static void test_a_deed_waits_for_a_place(void **state)
{
    struct audit *a = stuck(true, ERR_OK, 0), *patient;
    pthread_t thread;

    (void)state;
    places(a);
    set_db(false, ERR_OK);
    audit_free(a);

    set_db(true, ERR_OK);
    db.attempts = 0;
    patient = new_audit(FOREVER);
    audit_add(patient, ENTRY("read"));
    wait_for_attempts(1);
    for (size_t i = 0; i < 1024; i++) {
        assert_int_equal(audit_begin(patient, &e), ERR_OK);
        audit_end(patient, ENTRY("push"));
    }
    pthread_create(&thread, NULL, free_later, NULL);
    assert_int_equal(audit_begin(patient, &e), ERR_OK);
    audit_end(patient, ENTRY("push"));
    pthread_join(thread, NULL);
    audit_free(patient);
    assert_in_range(db.written, 1026, MANY);
}

static void test_nobody_waits_while_the_database_takes_nothing(void **state)
{
    struct audit *a = stuck(false, ERR_STORAGE_READONLY, FOREVER);

    (void)state;
    assert_in_range(places(a), 100, MANY - 1);
    assert_int_equal(e.code, ERR_STORAGE_READONLY);
    audit_free(a);
}

static void test_it_ends_while_the_database_takes_nothing(void **state)
{
    struct audit *a = stuck(false, ERR_STORAGE_FULL, FOREVER);

    (void)state;
    places(a);
    audit_free(a);
    assert_int_equal(db.written, 0);
}

static void test_everything_is_written_at_the_end(void **state)
{
    struct audit *a = new_audit(FOREVER);

    (void)state;
    for (size_t i = 0; i < 500; i++)
        audit_add(a, ENTRY("read"));
    audit_free(a);
    assert_int_equal(db.written, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_need_not_be_recorded_never_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_entry_tells_how_many_were_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries_without_a_place_leave_room_for_those_with_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_deed_is_refused_when_no_place_comes_free_in_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_deed_waits_for_a_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits_while_the_database_takes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_it_ends_while_the_database_takes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_everything_is_written_at_the_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
