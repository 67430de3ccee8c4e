#include "check/sums.h"

#include "unit/core/support.h"

static int set_up(void **state)
{
    static struct sums s;

    sums_init(&s);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    sums_done(*state);
    return 0;
}

static uint64_t hash_of_number(const struct sums *s, unsigned n)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", n);
    return sums_hash(s, 'n', str_of(text), STR(""));
}

static void what_was_added_is_found_however_many_there_are(void **state)
{
    struct sums *s = *state;

    for (unsigned i = 0; i < 10000; i++)
        sums_add(s, hash_of_number(s, i))->value = i;
    assert_int_equal(s->n, 10000);
    for (unsigned i = 0; i < 10000; i++) {
        const struct sums_row *row = sums_find(s, hash_of_number(s, i));

        assert_non_null(row);
        assert_int_equal(row->value, i);
    }
    assert_null(sums_find(s, hash_of_number(s, 10000)));
}

static void what_is_added_again_keeps_its_value_and_mark(void **state)
{
    struct sums *s = *state;
    struct sums_row *row = sums_add(s, hash_of_number(s, 1));

    row->value = 7;
    row->mark = true;
    row = sums_add(s, hash_of_number(s, 1));
    assert_int_equal(row->value, 7);
    assert_true(row->mark);
    assert_int_equal(s->n, 1);
}

static void a_name_that_is_cut_elsewhere_is_another(void **state)
{
    const struct sums *s = *state;

    assert_int_not_equal(sums_hash(s, 'a', STR("ab"), STR("c")),
                         sums_hash(s, 'a', STR("a"), STR("bc")));
    assert_int_not_equal(sums_hash(s, 'a', STR("ab"), STR("c")),
                         sums_hash(s, 'b', STR("ab"), STR("c")));
    assert_int_not_equal(sums_hash(s, 'a', STR("ab"), STR("")),
                         sums_hash(s, 'a', STR("ab"), STR("\0")));
}

static void hashes_differ_from_one_table_to_the_next(void **state)
{
    const struct sums *s = *state;
    AUTO(sums) struct sums other = {0};

    sums_init(&other);
    assert_int_not_equal(hash_of_number(s, 1), hash_of_number(&other, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_is_found_however_many_there_are, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_added_again_keeps_its_value_and_mark, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_cut_elsewhere_is_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hashes_differ_from_one_table_to_the_next, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
