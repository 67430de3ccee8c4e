/* Against a script that says and does what Trivy does when it pulls its data. */
#include "scan/data.h"
#include "scan/data_fetch.h"
#include "scan/data_update.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "data_files.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FIRST     "2026-11-01T00:00:00Z"
#define SECOND    "2026-11-02T00:00:00Z"
#define FIRST_MS  1793491200000
#define SECOND_MS 1793577600000

struct fixture {
    char dir[TEMP_DIR_MAX];   /* scan.trivy.cache_dir */
    char there[TEMP_DIR_MAX]; /* what the repositories have; the script; what it was asked */
    char program[TEMP_PATH_MAX];
    struct generations g;
    struct conf_scan conf;
    struct data_update update;
    struct data_update_done done;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    temp_dir_make(f->dir, TEMP_DIR_DISK);
    temp_dir_make(f->there, TEMP_DIR_DISK);
    assert_int_equal(generations_open(f->dir, &f->g, &f->e), ERR_OK);
    snprintf(f->program, sizeof(f->program), "%s/trivy", f->there);
    f->conf.trivy.path = f->program;
    f->conf.trivy.cache_dir = f->dir;
    f->conf.trivy.db_repository = f->conf.trivy.java_db_repository = "";
    f->conf.trivy.timeout_ms = 60000;
    f->conf.data.username = f->conf.data.password_file = f->conf.data.ca_file = "";
    atomic_store(&f->conf.data.interval_ms, 3600000);
    f->update = (struct data_update){.conf = &f->conf, .in = &f->g};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    generations_done(&f->g);
    temp_dir_remove(f->dir);
    temp_dir_remove(f->there);
    free(f);
    return 0;
}

/* The scanner: it notes each call, then does this, with $cache and $part. */
static void scanner_does(struct fixture *f, const char *what)
{
    char script[2048];
    AUTO(fd) int fd = -1;

    snprintf(script, sizeof(script),
             "#!/bin/sh\n"
             "there=%s\n"
             "echo \"$*\" >> $there/calls\n"
             "part=db; case \"$*\" in *java*) part=java-db;; esac\n"
             "while [ $# -gt 0 ]; do [ \"$1\" = --cache-dir ] && cache=$2; shift; done\n"
             "%s\n",
             f->there, what);
    unlink(f->program);
    fd = open(f->program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, script, strlen(script)), 0);
}

static size_t calls(const struct fixture *f)
{
    char path[TEMP_PATH_MAX];
    AUTO(buf) struct buf text = {0};
    size_t n = 0;

    buf_init(&text, 65536);
    snprintf(path, sizeof(path), "%s/calls", f->there);
    if (file_read_at(AT_FDCWD, path, &text, ERR_IGNORED) != ERR_OK)
        return 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static enum err_code look(struct fixture *f)
{
    return data_update_look(&f->update, &f->done, &f->e);
}

static int64_t updated_ms(struct fixture *f, enum data_part part)
{
    AUTO(generation) struct generation x = {.fd = -1};

    return generation_hold(&f->g, &x, &f->e) == ERR_OK ? x.parts[part].updated_ms : -1;
}

static void what_somebody_put_there_is_taken_when_it_rests(void **state)
{
    struct fixture *f = *state;

    data_files_db(f->dir, FIRST);
    assert_int_equal(look(f), ERR_OK);
    assert_false(f->done.switched);
    assert_int_equal(look(f), ERR_OK);
    assert_true(f->done.switched);
    assert_true(updated_ms(f, DATA_DB) == FIRST_MS);
    assert_int_equal(look(f), ERR_OK);
    assert_false(f->done.tried);
}

static void that_they_replaced_it_is_noticed(void **state)
{
    struct fixture *f = *state;

    data_files_db(f->dir, FIRST);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    data_files_db(f->dir, SECOND);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(updated_ms(f, DATA_DB) == SECOND_MS);
}

static void an_older_database_is_taken_back_to_and_a_newer_is_not(void **state)
{
    struct fixture *f = *state;

    data_files_db(f->dir, FIRST);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_false(f->done.back);
    data_files_db(f->dir, SECOND);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(f->done.switched);
    assert_false(f->done.back);
    data_files_db(f->dir, FIRST);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(f->done.switched && f->done.back);
}

static void half_a_database_is_told_once_and_changes_nothing(void **state)
{
    struct fixture *f = *state;

    data_files_db(f->dir, FIRST);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    data_files_db(f->dir, SECOND);
    data_files_cut(f->dir);
    assert_int_equal(look(f), ERR_OK);
    assert_int_equal(look(f), ERR_CORRUPT);
    assert_int_equal(look(f), ERR_OK);
    assert_false(f->done.tried);
    assert_true(updated_ms(f, DATA_DB) == FIRST_MS);
    data_files_db(f->dir, SECOND);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(updated_ms(f, DATA_DB) == SECOND_MS);
}

static void an_index_of_java_comes_and_goes_beside_it(void **state)
{
    struct fixture *f = *state;
    char java[TEMP_PATH_MAX];

    data_files_java(f->dir, SECOND);
    for (int i = 0; i < 3; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(updated_ms(f, DATA_JAVA) == -1); /* alone it is of no use */
    data_files_db(f->dir, FIRST);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(updated_ms(f, DATA_JAVA) == SECOND_MS);
    snprintf(java, sizeof(java), "%s/java-db", f->dir);
    assert_int_equal(file_remove_tree_at(AT_FDCWD, java, &f->e), ERR_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_true(updated_ms(f, DATA_JAVA) == 0);
    assert_true(updated_ms(f, DATA_DB) == FIRST_MS);
}

static void the_scanner_pulls_once_an_interval(void **state)
{
    struct fixture *f = *state;

    scanner_does(f, "cp -r $there/$part $cache/");
    data_files_db(f->there, FIRST);
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    assert_int_equal(look(f), ERR_OK);
    assert_true(f->done.switched);
    assert_true(updated_ms(f, DATA_DB) == FIRST_MS);
    assert_int_equal(look(f), ERR_OK);
    assert_int_equal(calls(f), 1);
    f->update = (struct data_update){.conf = &f->conf, .in = &f->g}; /* as after a restart */
    assert_int_equal(look(f), ERR_OK);
    assert_int_equal(calls(f), 1);
    data_files_db(f->there, SECOND);
    f->update.now = true;
    assert_int_equal(look(f), ERR_OK);
    assert_int_equal(calls(f), 2);
    assert_true(updated_ms(f, DATA_DB) == SECOND_MS);
}

static void a_pull_of_too_much_fails(void **state)
{
    struct fixture *f = *state;

    scanner_does(f, "cp -r $there/$part $cache/ && head -c 3000000 /dev/zero >$cache/more");
    data_files_db(f->there, FIRST);
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    f->conf.data.max_bytes = 1 << 20;
    assert_int_equal(look(f), ERR_UNAVAILABLE);
    f->conf.data.max_bytes = 8 << 20;
    f->update.now = true;
    assert_int_equal(look(f), ERR_OK);
}

static void the_same_data_makes_no_generation(void **state)
{
    struct fixture *f = *state;

    scanner_does(f, "cp -r $there/$part $cache/");
    data_files_db(f->there, FIRST);
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    assert_int_equal(look(f), ERR_OK);
    f->update.now = true;
    assert_int_equal(look(f), ERR_OK);
    assert_true(f->done.tried);
    assert_false(f->done.switched);
}

static void a_failed_pull_keeps_what_there_is_and_is_not_repeated_at_once(void **state)
{
    struct fixture *f = *state;

    scanner_does(f, "cp -r $there/$part $cache/");
    data_files_db(f->there, FIRST);
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    assert_int_equal(look(f), ERR_OK);
    scanner_does(f, "echo 'cause: no such host' >&2; echo 'FATAL it failed' >&2; exit 1");
    f->update.now = true;
    assert_int_equal(look(f), ERR_UNAVAILABLE);
    assert_non_null(strstr(f->e.detail, "cause: no such host / FATAL it failed"));
    f->update.now = false;
    assert_int_equal(look(f), ERR_OK);
    assert_int_equal(calls(f), 2);
    assert_true(updated_ms(f, DATA_DB) == FIRST_MS);
}

static void a_failed_index_of_java_keeps_no_database_away(void **state)
{
    struct fixture *f = *state;

    scanner_does(f, "[ $part = db ] && cp -r $there/$part $cache/");
    data_files_db(f->there, FIRST);
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    f->conf.trivy.java_db_repository = "registry.example/java-db:1";
    assert_int_equal(look(f), ERR_UNAVAILABLE);
    assert_true(updated_ms(f, DATA_DB) == FIRST_MS);
    assert_true(updated_ms(f, DATA_JAVA) == 0);
}

static bool no_more(void *ctx)
{
    (void)ctx;
    return false;
}

static void a_pull_ends_when_the_server_does(void **state)
{
    struct fixture *f = *state;
    int64_t began_ms = clock_mono_ms();

    scanner_does(f, "exec sleep 60");
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    f->update.go_on = no_more;
    assert_int_equal(look(f), ERR_LATER);
    assert_true(clock_mono_ms() - began_ms < 30000);
    assert_int_equal(calls(f), 1);
}

static void a_scanner_that_brings_nothing_has_failed(void **state)
{
    struct fixture *f = *state;

    scanner_does(f, "exit 0");
    f->conf.trivy.db_repository = "registry.example/trivy-db:2";
    assert_int_equal(look(f), ERR_CORRUPT);
    f->conf.trivy.path = "no-such-scanner";
    f->update.now = true;
    assert_int_equal(look(f), ERR_CONFIG);
}

static void it_gets_the_password_for_that_host_alone(void **state)
{
    struct fixture *f = *state;
    AUTO(buf) struct buf text = {0};
    char password[TEMP_PATH_MAX], seen[TEMP_PATH_MAX];
    AUTO(fd) int fd = -1;

    snprintf(password, sizeof(password), "%s/password", f->there);
    snprintf(seen, sizeof(seen), "%s/seen", f->there);
    fd = open(password, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(file_write_all(fd, "a,b\n", 4), 0);
    scanner_does(f, "env > $there/seen; cat $DOCKER_CONFIG/config.json >> $there/seen; exit 1");
    setenv("TRIVY_USERNAME", "somebody", 1);
    f->conf.data.username = "robot";
    f->conf.data.password_file = password;
    f->conf.trivy.db_repository = "registry.example:5000/trivy-db:2";
    assert_int_equal(look(f), ERR_UNAVAILABLE);
    buf_init(&text, 65536);
    assert_int_equal(file_read_at(AT_FDCWD, seen, &text, &f->e), ERR_OK);
    assert_non_null(strstr(buf_text(&text),
                           "{\"auths\":{\"registry.example:5000\":{\"auth\":\"cm9ib3Q6YSxi\"}}}"));
    assert_null(strstr(buf_text(&text), "somebody"));
    assert_null(strstr(buf_text(&text), "a,b"));
}

static void status_says_how_old_it_is(void **state)
{
    struct fixture *f = *state;
    struct scan_data_status s;
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *json = NULL;

    assert_int_equal(scan_data_status_of(&f->g, &f->conf, &s, &f->e), ERR_OK);
    assert_int_equal(s.state, SCAN_DATA_NONE);
    data_files_db(f->dir, FIRST);
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f), ERR_OK);
    assert_int_equal(scan_data_status_of(&f->g, &f->conf, &s, &f->e), ERR_OK);
    assert_int_equal(s.state, SCAN_DATA_OK); /* there is no max_age */
    atomic_store(&f->conf.data.max_age_ms, 1);
    assert_int_equal(scan_data_status_of(&f->g, &f->conf, &s, &f->e), ERR_OK);
    assert_int_equal(s.state, SCAN_DATA_OLD);
    buf_init(&text, 4096);
    scan_data_json(&s, NULL, FIRST_MS + 5000, &text);
    json = json_loadb(text.p, text.n, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "old");
    assert_string_equal(json_string_value(json_object_get(json, "source")), "cache_dir");
    assert_int_equal(json_integer_value(json_object_get(json, "age_seconds")), 5);
    assert_true(json_is_null(json_object_get(json, "java_source")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_somebody_put_there_is_taken_when_it_rests, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(that_they_replaced_it_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_database_is_taken_back_to_and_a_newer_is_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_database_is_told_once_and_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_index_of_java_comes_and_goes_beside_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_scanner_pulls_once_an_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pull_of_too_much_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_data_makes_no_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_failed_pull_keeps_what_there_is_and_is_not_repeated_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_index_of_java_keeps_no_database_away, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pull_ends_when_the_server_does, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scanner_that_brings_nothing_has_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(it_gets_the_password_for_that_host_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(status_says_how_old_it_is, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
