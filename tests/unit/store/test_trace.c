#include "store_fixture.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* The log, as the linker puts it in the place of the real one. */
bool __wrap_log_enabled(enum log_level level);
void __wrap_log_record(enum log_level level, const char *message, const struct log_field *fields);

static enum log_level lowest;
static char last[1000];
static size_t records;

bool __wrap_log_enabled(enum log_level level)
{
    return level >= lowest;
}

void __wrap_log_record(enum log_level level, const char *message, const struct log_field *fields)
{
    size_t n = (size_t)snprintf(last, sizeof(last), "%d %s", (int)level, message);

    records++;
    for (; fields->kind != LOG_FIELD_END && n < sizeof(last); fields++) {
        if (fields->kind == LOG_FIELD_STR)
            n += (size_t)snprintf(last + n, sizeof(last) - n, " %s=" STR_FMT, fields->key,
                                  STR_ARG(fields->str));
        else if (strcmp(fields->key, "duration_us") == 0)
            assert_true(fields->i64 >= 0);
        else
            n += (size_t)snprintf(last + n, sizeof(last) - n, " %s=%ju", fields->key,
                                  (uintmax_t)fields->u64);
    }
}

static int setup(void **state)
{
    *state = store_trace_new(store_mem_new());
    lowest = LOG_DEBUG;
    records = 0;
    return 0;
}

static int teardown(void **state)
{
    store_free(*state);
    return 0;
}

static void call_is_logged_with_what_it_was_about(void **state)
{
    struct repo_name r = repo_of("a/b");
    struct tag_name t = tag_of("latest");
    struct digest d = sha256_of(STR("x")), found;
    uint64_t size;

    OK(store_manifest_put(*state, &r, &d, STR("x"), E));
    assert_int_equal(records, 1);
    assert_string_equal(last, "0 store call call=manifest_put repository=a/b "
                              "what=sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717"
                              "921a4881 bytes=1 result=OK");
    FAILS(ERR_MANIFEST_UNKNOWN, store_tag_get(*state, &r, &t, &found, E));
    assert_string_equal(last, "0 store call call=tag_get repository=a/b what=latest bytes=0 "
                              "result=MANIFEST_UNKNOWN");
    FAILS(ERR_BLOB_UNKNOWN, store_blob_stat(*state, &r, &d, &size, E));
    assert_int_equal(records, 3);
}

static void every_call_of_an_upload_is_logged(void **state)
{
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("x"));

    OK(push_e(*state, &r, STR("x"), &d, NULL, E));
    assert_int_equal(records, 4); /* create, open, write, commit */
}

static void bytes_of_a_call_are_those_that_it_moved(void **state)
{
    AUTO(buf) struct buf text = {0};
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("xyz"));

    buf_init(&text, 100);
    buf_add_text(&text, "here already");
    OK(store_manifest_put(*state, &r, &d, STR("xyz"), E));
    OK(store_manifest_get(*state, &r, &d, &text, E));
    assert_non_null(strstr(last, " bytes=3 "));
}

static void nothing_is_logged_above_its_level(void **state)
{
    lowest = LOG_INFO;
    push(*state, "a", STR("x"));
    assert_int_equal(records, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(call_is_logged_with_what_it_was_about),
        TEST(every_call_of_an_upload_is_logged),
        TEST(bytes_of_a_call_are_those_that_it_moved),
        TEST(nothing_is_logged_above_its_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
