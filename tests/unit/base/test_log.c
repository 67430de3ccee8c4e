#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A log in a directory of its own, and what was read of it. */
struct fixture {
    char dir[TEMP_DIR_MAX], path[TEMP_PATH_MAX], moved[TEMP_PATH_MAX];
    struct buf text;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    temp_dir_make(f->dir, TEMP_DIR_DISK);
    snprintf(f->path, sizeof(f->path), "%s/log", f->dir);
    snprintf(f->moved, sizeof(f->moved), "%s/moved", f->dir);
    buf_init(&f->text, 64 * 1024 * 1024);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    log_stop();
    log_set_level(LOG_INFO);
    buf_done(&f->text);
    temp_dir_remove(f->dir);
    free(f);
    return 0;
}

static void start(struct fixture *f, enum log_format format)
{
    struct log_options o = {.level = LOG_INFO, .format = format, .path = f->path};
    struct err e;

    assert_int_equal(log_start(&o, &e), ERR_OK);
}

static const char *read_path(struct fixture *f, const char *path)
{
    struct err e;

    buf_clear(&f->text);
    assert_int_equal(file_read_at(AT_FDCWD, path, &f->text, &e), ERR_OK);
    return buf_text(&f->text);
}

static const char *stop_and_read(struct fixture *f)
{
    log_stop();
    return read_path(f, f->path);
}

/* The only record, as JSON. */
static json_t *stop_and_parse(struct fixture *f)
{
    const char *text = stop_and_read(f);
    json_t *record = json_loads(text, JSON_ALLOW_NUL, NULL);

    assert_non_null(record);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    return record;
}

static void json_records_have_time_level_message_and_fields(void **state)
{
    struct fixture *f = *state;
    int64_t before = clock_wall_ms();
    char time[CLOCK_RFC3339_SIZE];
    json_t *r;

    start(f, LOG_FORMAT_JSON);
    log_event(LOG_INFO, "hello", LOG_TEXT("name", "a/b"), LOG_U64("bytes", INT64_MAX),
              LOG_I64("delta", INT64_MIN), LOG_STR("part", str_sub(STR("xyz"), 1, 1)));
    r = stop_and_parse(f);
    clock_rfc3339(before, time);
    assert_true(strcmp(json_string_value(json_object_get(r, "time")), time) >= 0);
    clock_rfc3339(clock_wall_ms(), time);
    assert_true(strcmp(json_string_value(json_object_get(r, "time")), time) <= 0);
    assert_string_equal(json_string_value(json_object_get(r, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(r, "message")), "hello");
    assert_string_equal(json_string_value(json_object_get(r, "name")), "a/b");
    assert_string_equal(json_string_value(json_object_get(r, "part")), "y");
    assert_non_null(strstr(f->text.p, "\"bytes\":9223372036854775807,"));
    assert_non_null(strstr(f->text.p, "\"delta\":-9223372036854775808,"));
    json_decref(r);
}

static void text_records_quote_only_what_needs_it(void **state)
{
    struct fixture *f = *state;
    const char *text;

    start(f, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "upload done", LOG_TEXT("plain", "a/b:c"), LOG_TEXT("blank", "a b"),
              LOG_TEXT("empty", ""), LOG_TEXT("equals", "a=b"), LOG_TEXT("quote", "a\"b"),
              LOG_U64("n", UINT64_MAX));
    text = stop_and_read(f);
    assert_int_equal(text[23], 'Z');
    assert_string_equal(text + 24, " INFO upload done plain=a/b:c blank=\"a b\" empty=\"\" "
                                   "equals=\"a=b\" quote=\"a\\\"b\" n=18446744073709551615\n");
}

static void nothing_of_a_client_reaches_the_log_raw(void **state)
{
    static const char hostile[] = "a\nb\r\x1b[31m\x7f\0c\xff\xc2\x9b\xc3\xa4\\\"";
    struct str s = {hostile, sizeof(hostile) - 1};

    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        struct fixture *f = *state;
        const char *text;

        start(f, format);
        log_event(LOG_INFO, "m", LOG_STR("v", s));
        text = stop_and_read(f);
        assert_non_null(strstr(text, "\"a\\nb\\u000d\\u001b[31m\\u007f\\u0000c\\ufffd\\u009b"
                                     "\xc3\xa4\\\\\\\"\""));
        assert_int_equal(f->text.n, strlen(text)); /* no NUL */
        for (size_t i = 0; i + 1 < f->text.n; i++)
            assert_true((unsigned char)text[i] >= 0x20);
        unlink(f->path);
    }
}

static void absent_texts_are_empty(void **state)
{
    struct fixture *f = *state;
    json_t *r;

    start(f, LOG_FORMAT_JSON);
    log_event(LOG_INFO, "m", LOG_TEXT("none", NULL), LOG_STR("nothing", STR_NONE));
    r = stop_and_parse(f);
    assert_string_equal(json_string_value(json_object_get(r, "none")), "");
    assert_string_equal(json_string_value(json_object_get(r, "nothing")), "");
    json_decref(r);
}

static void a_long_record_is_cut_and_stays_json(void **state)
{
    char large[10000];

    memset(large, 'x', sizeof(large));
    /* each length near the bound, so that the cut falls on every part of a record */
    for (size_t n = 3800; n < 4120; n++) {
        struct fixture *f = *state;
        json_t *r;

        start(f, LOG_FORMAT_JSON);
        log_event(LOG_INFO, "m", LOG_STR("a", ((struct str){large, n})),
                  LOG_STR("b", STR("\n\n\n")), LOG_U64("c", 12345));
        r = stop_and_parse(f);
        assert_true(json_object_get(r, "cut") || json_object_get(r, "c"));
        assert_true(f->text.n <= 4096);
        json_decref(r);
        unlink(f->path);
    }
}

static void a_long_hostile_value_is_cut_and_stays_json(void **state)
{
    char large[5000];

    for (int byte = 0; byte < 256; byte += 5) {
        struct fixture *f = *state;
        json_t *r;

        memset(large, byte, sizeof(large));
        start(f, LOG_FORMAT_JSON);
        log_event(LOG_INFO, "m", LOG_STR("a", ((struct str){large, sizeof(large)})));
        r = stop_and_parse(f);
        assert_int_equal(json_integer_value(json_object_get(r, "cut")), 1);
        json_decref(r);
        unlink(f->path);
    }
}

static void records_below_the_level_are_left_out(void **state)
{
    struct fixture *f = *state;
    const char *text;

    start(f, LOG_FORMAT_TEXT);
    assert_false(log_enabled(LOG_DEBUG));
    log_event(LOG_DEBUG, "one");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "two");
    log_set_level(LOG_ERROR);
    log_event(LOG_WARNING, "three");
    log_event(LOG_ERROR, "four");
    text = stop_and_read(f);
    assert_null(strstr(text, "one"));
    assert_non_null(strstr(text, "DEBUG two\n"));
    assert_null(strstr(text, "three"));
    assert_non_null(strstr(text, "ERROR four\n"));
}

static void a_warning_is_written_at_once_with_what_was_before(void **state)
{
    struct fixture *f = *state;
    const char *text;

    start(f, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "first");
    log_event(LOG_WARNING, "second");
    text = read_path(f, f->path);
    assert_non_null(strstr(text, "INFO first\n"));
    assert_non_null(strstr(text, "WARNING second\n"));
    assert_true(strstr(text, "first") < strstr(text, "second"));
}

/* Waits until the file holds text, at most a minute. */
static void await(struct fixture *f, const char *path, const char *text)
{
    int64_t deadline = clock_mono_ms() + 60000;
    const struct timespec pause = {.tv_nsec = 5000000};

    while (access(path, F_OK) != 0 || !strstr(read_path(f, path), text)) {
        if (clock_mono_ms() > deadline)
            fail_msg("'%s' did not appear", text);
        nanosleep(&pause, NULL);
    }
}

static void a_quiet_record_is_written_soon(void **state)
{
    struct fixture *f = *state;

    start(f, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "one");
    await(f, f->path, "one");
    log_event(LOG_INFO, "two"); /* the flusher slept in between */
    await(f, f->path, "two");
}

static void reopening_makes_a_new_file(void **state)
{
    struct fixture *f = *state;

    start(f, LOG_FORMAT_TEXT);
    log_event(LOG_WARNING, "before");
    assert_int_equal(rename(f->path, f->moved), 0);
    log_reopen();
    await(f, f->path, ""); /* it is there before the next record */
    log_event(LOG_WARNING, "after");
    assert_null(strstr(read_path(f, f->path), "before"));
    assert_non_null(strstr(read_path(f, f->path), "after"));
    assert_non_null(strstr(read_path(f, f->moved), "before"));
    assert_null(strstr(read_path(f, f->moved), "after"));
}

static void a_failed_reopening_keeps_the_old_file(void **state)
{
    struct fixture *f = *state;
    char away[TEMP_PATH_MAX];

    snprintf(away, sizeof(away), "%s.away", f->dir);
    start(f, LOG_FORMAT_TEXT);
    assert_int_equal(rename(f->dir, away), 0);
    log_reopen();
    log_event(LOG_WARNING, "after");
    assert_int_equal(rename(away, f->dir), 0);
    assert_non_null(strstr(read_path(f, f->path), "can't be opened anew"));
    assert_non_null(strstr(read_path(f, f->path), "WARNING after\n"));
}

static void a_file_that_cannot_be_opened_is_an_error(void **state)
{
    struct log_options o = {.path = "/nonexistent/log"};
    struct err e;

    (void)state;
    assert_int_equal(log_start(&o, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "/nonexistent/log"));
}

static void a_full_disk_does_not_stop_anyone(void **state)
{
    struct log_options o = {.level = LOG_INFO, .path = "/dev/full"};
    struct err e;

    (void)state;
    assert_int_equal(log_start(&o, &e), ERR_OK);
    for (int i = 0; i < 10000; i++)
        log_event(LOG_INFO, "a record that fills the buffer after a while");
    log_event(LOG_ERROR, "and one that is written at once");
    log_stop();
}

static void an_existing_file_is_added_to(void **state)
{
    struct fixture *f = *state;
    const char *text;

    start(f, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "one");
    log_stop();
    start(f, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "two");
    text = stop_and_read(f);
    assert_non_null(strstr(text, "one"));
    assert_non_null(strstr(text, "two"));
}

/* Standard error in f->path while it runs. */
static void with_stderr_in_file(struct fixture *f, void (*run)(struct fixture *))
{
    AUTO(fd) int saved = dup(STDERR_FILENO);
    AUTO(fd) int file = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    dup2(file, STDERR_FILENO);
    run(f);
    dup2(saved, STDERR_FILENO);
}

static void log_without_start(struct fixture *f)
{
    (void)f;
    log_event(LOG_INFO, "early", LOG_TEXT("k", "v"));
}

static void before_the_start_records_go_to_standard_error(void **state)
{
    struct fixture *f = *state;

    with_stderr_in_file(f, log_without_start);
    assert_non_null(strstr(read_path(f, f->path), "early"));
}

static void log_to_stderr(struct fixture *f)
{
    struct log_options o = {.level = LOG_INFO, .format = LOG_FORMAT_TEXT, .path = ""};
    struct err e;

    (void)f;
    assert_int_equal(log_start(&o, &e), ERR_OK);
    log_event(LOG_INFO, "on standard error");
    log_reopen(); /* means nothing here, and does no harm */
    log_stop();
}

static void no_path_is_standard_error(void **state)
{
    struct fixture *f = *state;

    with_stderr_in_file(f, log_to_stderr);
    assert_non_null(strstr(read_path(f, f->path), "INFO on standard error\n"));
    assert_true(fcntl(STDERR_FILENO, F_GETFD) >= 0);
}

#define THREADS 8
#define RECORDS 5000

static void *log_many(void *arg)
{
    for (uint64_t i = 0; i < RECORDS; i++)
        log_event(LOG_INFO, "access", LOG_U64("thread", *(uint64_t *)arg), LOG_U64("i", i),
                  LOG_TEXT("padding", "0123456789012345678901234567890123456789"));
    return NULL;
}

static void many_threads_lose_nothing_and_keep_their_order(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    uint64_t ids[THREADS], next[THREADS] = {0};
    struct str rest, line;
    size_t lines = 0;

    start(f, LOG_FORMAT_JSON);
    for (uint64_t i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &ids[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        log_reopen();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop_and_read(f);
    rest = buf_str(&f->text);
    while (str_cut(&rest, '\n', &line)) {
        json_t *r = json_loadb(line.p, line.n, 0, NULL);
        json_int_t thread;

        assert_non_null(r);
        thread = json_integer_value(json_object_get(r, "thread"));
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(json_integer_value(json_object_get(r, "i")), next[thread]++);
        json_decref(r);
        lines++;
    }
    assert_int_equal(lines, THREADS * RECORDS);
}

static void errors_are_logged_with_code_and_detail(void **state)
{
    struct fixture *f = *state;
    struct err e;

    start(f, LOG_FORMAT_TEXT);
    err_set(&e, ERR_STORAGE_FULL, "write 'x': no space");
    log_err(LOG_ERROR, "push failed", &e);
    assert_non_null(strstr(stop_and_read(f), "ERROR push failed error=STORAGE_FULL "
                                             "detail=\"write 'x': no space\"\n"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void test_a_reader_that_does_not_read_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    AUTO(fd) int reader = -1;
    char bytes[4096];

    assert_int_equal(mkfifo(f->path, 0600), 0);
    reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    start(f, LOG_FORMAT_TEXT);
    for (int i = 0; i < 20000; i++) /* ten times what the pipe and the buffers hold */
        log_event(LOG_INFO, "a record of more than a few bytes, of which there are many",
                  LOG_I64("number", i));
    log_event(LOG_ERROR, "one that is written at once");

    while (read(reader, bytes, sizeof(bytes)) > 0)
        continue;
    log_event(LOG_ERROR, "read again");
    assert_true(read(reader, bytes, sizeof(bytes)) > 0);
    log_stop();
}

static void every_record_has_the_configured_fields(void **state)
{
    static const char *const fields[] = {"service=the \"registry\"", "env="};
    struct fixture *f = *state;
    struct log_options o = {
        .format = LOG_FORMAT_JSON, .path = f->path, .fields = fields, .n_fields = 2};
    struct err e;
    json_t *j;

    assert_int_equal(log_start(&o, &e), ERR_OK);
    log_event(LOG_INFO, "hello", LOG_TEXT("a", "b"));
    log_stop();
    j = json_loads(read_path(f, f->path), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "service")), "the \"registry\"");
    assert_string_equal(json_string_value(json_object_get(j, "env")), "");
    assert_string_equal(json_string_value(json_object_get(j, "a")), "b");
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_start_records_go_to_standard_error),
        TEST(json_records_have_time_level_message_and_fields),
        TEST(text_records_quote_only_what_needs_it),
        TEST(nothing_of_a_client_reaches_the_log_raw),
        TEST(every_record_has_the_configured_fields),
        TEST(absent_texts_are_empty),
        TEST(a_long_record_is_cut_and_stays_json),
        TEST(a_long_hostile_value_is_cut_and_stays_json),
        TEST(records_below_the_level_are_left_out),
        TEST(a_warning_is_written_at_once_with_what_was_before),
        TEST(a_quiet_record_is_written_soon),
        TEST(reopening_makes_a_new_file),
        TEST(a_failed_reopening_keeps_the_old_file),
        TEST(a_file_that_cannot_be_opened_is_an_error),
        TEST(a_full_disk_does_not_stop_anyone),
        TEST(an_existing_file_is_added_to),
        TEST(no_path_is_standard_error),
        TEST(many_threads_lose_nothing_and_keep_their_order),
        TEST(errors_are_logged_with_code_and_detail),
        cmocka_unit_test_setup_teardown(test_a_reader_that_does_not_read_holds_up_nobody, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
