#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_fills_code_and_detail(void **state)
{
    struct err e = {.public_detail = true};

    (void)state;
    assert_int_equal(err_set(&e, ERR_CORRUPT, "blob %d", 7), ERR_CORRUPT);
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_string_equal(e.detail, "blob 7");
    assert_false(e.public_detail);
}

static void tell_marks_the_detail_public(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_tell(&e, ERR_NAME_INVALID, "too long"), ERR_NAME_INVALID);
    assert_true(e.public_detail);
    assert_string_equal(e.detail, "too long");
}

static void an_error_can_be_ignored(void **state)
{
    (void)state;
    assert_int_equal(err_set(ERR_IGNORED, ERR_TIMEOUT, "x"), ERR_TIMEOUT);
    assert_int_equal(err_errno(ERR_IGNORED, "x"), ERR_INTERNAL);
}

static void of_many_errors_the_first_is_told(void **state)
{
    struct err_first all = {0};
    struct err e;

    (void)state;
    assert_int_equal(err_first_add(&all, ERR_OK), ERR_OK);
    assert_int_equal(err_first_add(&all, err_tell(&all.step, ERR_TAG_INVALID, "one")),
                     ERR_TAG_INVALID);
    assert_int_equal(err_first_add(&all, err_set(&all.step, ERR_CORRUPT, "two")), ERR_CORRUPT);
    assert_int_equal(err_first_of(&all, &e), ERR_TAG_INVALID);
    assert_int_equal(e.code, ERR_TAG_INVALID);
    assert_string_equal(e.detail, "one");
    assert_true(e.public_detail);
}

static void without_errors_nothing_is_told(void **state)
{
    struct err_first all = {0};
    struct err e = {.detail = "of before"};

    (void)state;
    err_first_add(&all, ERR_OK);
    assert_int_equal(err_first_of(&all, &e), ERR_OK);
    assert_string_equal(e.detail, "of before");
}

static void a_long_detail_is_cut(void **state)
{
    char text[1000];
    struct err e;

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    err_set(&e, ERR_INTERNAL, "%s", text);
    assert_int_equal(strlen(e.detail), sizeof(e.detail) - 1);
    err_prefix(&e, "%s", text);
    assert_int_equal(strlen(e.detail), sizeof(e.detail) - 1);
}

static void prefix_keeps_code_and_publicness(void **state)
{
    struct err e;

    (void)state;
    err_tell(&e, ERR_TAG_INVALID, "bad");
    assert_int_equal(err_prefix(&e, "push %s", "a/b"), ERR_TAG_INVALID);
    assert_string_equal(e.detail, "push a/b: bad");
    assert_true(e.public_detail);
}

static void errno_is_sorted_into_storage_errors(void **state)
{
    static const struct {
        int number;
        enum err_code code;
    } rows[] = {
        {ENOSPC, ERR_STORAGE_FULL},    {EDQUOT, ERR_STORAGE_FULL},
        {EROFS, ERR_STORAGE_READONLY}, {EACCES, ERR_STORAGE_READONLY},
        {EPERM, ERR_STORAGE_READONLY}, {EIO, ERR_INTERNAL},
        {EMFILE, ERR_UNAVAILABLE},     {ENFILE, ERR_UNAVAILABLE},
        {ENOMEM, ERR_UNAVAILABLE},     {ESTALE, ERR_UNAVAILABLE},
        {ENODEV, ERR_UNAVAILABLE},     {ENOENT, ERR_INTERNAL},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        errno = rows[i].number;
        assert_int_equal(err_errno(&e, "open '%s'", "x"), rows[i].code);
        assert_memory_equal(e.detail, "open 'x': ", 10);
        assert_non_null(strstr(e.detail, strerror(rows[i].number)));
    }
}

static void every_code_has_status_and_texts(void **state)
{
    (void)state;
    for (int code = ERR_OK + 1; code < ERR_COUNT; code++) {
        assert_in_range(err_status(code), 400, 599);
        assert_true(strlen(err_wire(code)) > 0);
        assert_true(strlen(err_message(code)) > 0);
        assert_true(strlen(err_name(code)) > 0);
    }
    assert_int_equal(err_status(ERR_BLOB_UNKNOWN), 404);
    assert_string_equal(err_wire(ERR_BLOB_UNKNOWN), "BLOB_UNKNOWN");
    assert_string_equal(err_name(ERR_STORAGE_FULL), "STORAGE_FULL");
    assert_string_equal(err_name(ERR_OK), "OK");
}

static enum err_code fails_twice(int *ret_calls, struct err *e)
{
    TRY(ERR_OK);
    (*ret_calls)++;
    TRY(err_set(e, ERR_CONFLICT, "here"));
    (*ret_calls)++;
    return ERR_OK;
}

static void try_returns_the_first_failure(void **state)
{
    struct err e;
    int calls = 0;

    (void)state;
    assert_int_equal(fails_twice(&calls, &e), ERR_CONFLICT);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_detail),
        cmocka_unit_test(tell_marks_the_detail_public),
        cmocka_unit_test(an_error_can_be_ignored),
        cmocka_unit_test(of_many_errors_the_first_is_told),
        cmocka_unit_test(without_errors_nothing_is_told),
        cmocka_unit_test(a_long_detail_is_cut),
        cmocka_unit_test(prefix_keeps_code_and_publicness),
        cmocka_unit_test(errno_is_sorted_into_storage_errors),
        cmocka_unit_test(every_code_has_status_and_texts),
        cmocka_unit_test(try_returns_the_first_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
