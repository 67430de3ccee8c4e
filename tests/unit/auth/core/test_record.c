/* Records as structs, with a kind of the test's own: each row holds what is freed. */
#include "auth/core/record.h"

#include "unit/auth/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COLLECTION STR("fruit")

struct fruit {
    char *name, *colour;
};

static int released;

static enum err_code read_fruit(const struct meta_record *r, void *ret_row, struct err *e)
{
    struct fruit *f = ret_row;

    if (strcmp(r->value, "rotten") == 0)
        return err_set(e, ERR_CORRUPT, "the record of '%s' is damaged", r->key);
    *f = (struct fruit){str_dup(str_of(r->key)), str_dup(str_of(r->value))};
    return ERR_OK;
}

static void fruit_done(void *row)
{
    struct fruit *f = row;

    free(f->name);
    free(f->colour);
    released++;
}

static const struct record_kind kind = {.collection = COLLECTION,
                                        .bytes = sizeof(struct fruit),
                                        .read = read_fruit,
                                        .done = fruit_done};

static void put(const char *name, const char *colour)
{
    struct meta_op op = meta_op_record_put(COLLECTION, str_of(name), str_of(colour), META_ANY);
    struct err e;

    released = 0;
    assert_int_equal(accounts_commit(accounts, &op, 1, META_ANY, &e), ERR_OK);
}

static void a_page_ends_at_its_limit_and_the_next_begins_behind_it(void **state)
{
    struct record_page page;
    struct fruit *rows;
    struct err e;

    (void)state;
    put("apple", "red");
    put("banana", "yellow");
    put("cherry", "black");
    assert_int_equal(record_page(meta, &kind, STR(""), 2, &page, &e), ERR_OK);
    rows = page.rows;
    assert_true(page.n == 2 && page.more);
    assert_string_equal(rows[1].colour, "yellow");
    while (page.n > 0)
        fruit_done(&rows[--page.n]);
    free(rows);
    assert_int_equal(record_page(meta, &kind, STR("banana"), 2, &page, &e), ERR_OK);
    rows = page.rows;
    assert_true(page.n == 1 && !page.more);
    assert_string_equal(rows[0].name, "cherry");
    fruit_done(rows);
    free(rows);
}

static void a_damaged_record_fails_its_page_and_what_was_read_is_released(void **state)
{
    struct record_page page;
    struct err e;

    (void)state;
    put("apple", "red");
    put("banana", "rotten");
    assert_int_equal(record_page(meta, &kind, STR(""), 10, &page, &e), ERR_CORRUPT);
    assert_string_equal(e.detail, "the record of 'banana' is damaged");
    assert_int_equal(released, 1);
}

static enum err_code until_black(void *ctx, const void *row, struct err *e)
{
    const struct fruit *f = row;
    int *seen = ctx;

    ++*seen;
    return strcmp(f->colour, "black") == 0 ? err_set(e, ERR_INTERNAL, "black") : ERR_OK;
}

static void a_walk_ends_with_the_first_error_and_releases_each(void **state)
{
    struct err e;
    int seen = 0;

    (void)state;
    put("apple", "red");
    put("cherry", "black");
    put("damson", "blue");
    assert_int_equal(record_each(meta, &kind, until_black, &seen, &e), ERR_INTERNAL);
    assert_true(seen == 2 && released == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_ends_at_its_limit_and_the_next_begins_behind_it,
                                        accounts_setup, accounts_teardown),
        cmocka_unit_test_setup_teardown(
            a_damaged_record_fails_its_page_and_what_was_read_is_released, accounts_setup,
            accounts_teardown),
        cmocka_unit_test_setup_teardown(a_walk_ends_with_the_first_error_and_releases_each,
                                        accounts_setup, accounts_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
