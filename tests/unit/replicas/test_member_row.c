#include "replicas/member_row.h"

#include "support.h"

static struct uuid me, other;

static void make_ids(void)
{
    uuid_make(&me);
    uuid_make(&other);
}

static void a_row_says_what_it_was_given(void **state)
{
    AUTO(buf) struct buf text = {0};
    const struct member_known knows[] = {{other, 3}, {me, 7}};
    const struct member_row row = {.name = "host \"a\"",
                                   .started_ms = 5,
                                   .reachable = true,
                                   .answers = true,
                                   .announced = 2,
                                   .knows = knows,
                                   .n_knows = 2};
    struct member_seen seen;

    (void)state;
    buf_init(&text, 4096);
    member_row_print(&row, &text);
    seen = member_row_parse(buf_str(&text), &me);
    assert_true(seen.reachable);
    assert_true(seen.answers);
    assert_int_equal(seen.announced, 2);
    assert_int_equal(seen.knows_me, 7);
}

static void one_that_does_not_know_the_reader_says_so(void **state)
{
    struct member_seen seen = member_row_parse(
        STR("{\"reachable\":true,\"answers\":false,\"announced\":0,\"knows\":{}}"), &me);

    (void)state;
    assert_true(seen.reachable);
    assert_false(seen.answers);
    assert_int_equal(seen.knows_me, 0);
}

static void what_is_no_row_may_be_answering_and_is_not_reached(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "7",
        "{\"reachable\":true",
        "{\"reachable\":1,\"answers\":false}",
        "{\"reachable\":true,\"answers\":false,\"announced\":\"x\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct member_seen seen = member_row_parse(str_of(texts[i]), &me);

        assert_true(seen.answers);
        assert_false(seen.reachable);
        assert_int_equal(seen.knows_me, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_says_what_it_was_given),
        cmocka_unit_test(one_that_does_not_know_the_reader_says_so),
        cmocka_unit_test(what_is_no_row_may_be_answering_and_is_not_reached),
    };

    make_ids();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
