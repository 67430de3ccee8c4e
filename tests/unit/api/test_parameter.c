#include "api/req.h"

#include "api/parameter.h"
#include "exchange.h"

/* The page size and the texts of a list's query, seen through a request that has nothing else. */

static struct conf_limits limits = {.page = 100};
static struct registry registry = {.limits = &limits};

static struct req request_of(struct http_head *head, const char *query)
{
    *head = (struct http_head){.query = str_of(query)};
    return (struct req){.registry = &registry, .head = head};
}

static size_t page(const char *query)
{
    struct http_head head;
    struct req q = request_of(&head, query);
    size_t n = 0;

    assert_ok(query_page(&q, SIZE_MAX, &n, ERR_IGNORED));
    return n;
}

static void refuse_page(const char *query)
{
    struct http_head head;
    struct req q = request_of(&head, query);
    struct err e = {0};
    size_t n;

    assert_code(ERR_REQUEST_INVALID, query_page(&q, SIZE_MAX, &n, &e));
    assert_true(e.public_detail);
}

static void without_n_a_page_is_as_large_as_it_may_be(void **state)
{
    (void)state;
    assert_int_equal(page(""), 100);
    assert_int_equal(page("last=x"), 100);
    assert_int_equal(page("nn=5&xn=6&N=7"), 100);
}

static void without_n_a_list_may_have_a_usual_size(void **state)
{
    struct http_head head;
    struct req q = request_of(&head, "last=x");
    size_t n = 0;

    (void)state;
    assert_ok(query_page(&q, 7, &n, ERR_IGNORED));
    assert_int_equal(n, 7);
    assert_ok(query_page(&q, 101, &n, ERR_IGNORED));
    assert_int_equal(n, 100);
    q = request_of(&head, "n=9");
    assert_ok(query_page(&q, 7, &n, ERR_IGNORED));
    assert_int_equal(n, 9);
}

static void n_is_the_size_of_a_page(void **state)
{
    (void)state;
    assert_int_equal(page("n=0"), 0);
    assert_int_equal(page("n=1"), 1);
    assert_int_equal(page("n=99"), 99);
    assert_int_equal(page("n=0007"), 7);
    assert_int_equal(page("last=x&n=5"), 5);
    assert_int_equal(page("%6e=5"), 5);
}

static void a_larger_n_is_cut_to_the_limit(void **state)
{
    (void)state;
    assert_int_equal(page("n=100"), 100);
    assert_int_equal(page("n=101"), 100);
    assert_int_equal(page("n=18446744073709551615"), 100);
    assert_int_equal(page("n=18446744073709551616"), 100);
    assert_int_equal(page("n=99999999999999999999999999999999999999"), 100);
}

static void an_n_that_is_no_number_is_refused(void **state)
{
    static const char *const queries[] = {
        "n=",    "n=-1",   "n=+1", "n=1.5", "n=1e3", "n=0x10", "n=a",    "n=1a",
        "n=%20", "n=1%20", "n",    "n=%zz", "n=1+",  "n=%001", "n=1%00", "n=\xd9\xa1"};

    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        refuse_page(queries[i]);
}

static void a_text_is_decoded(void **state)
{
    struct http_head head;
    struct req q = request_of(&head, "a=x&last=v1%2B%2f+z&last=no");
    char text[16];

    (void)state;
    assert_ok(query_text(&q, "last", text, sizeof(text), ERR_IGNORED));
    assert_string_equal(text, "v1+/ z");
}

static void an_absent_text_is_empty(void **state)
{
    struct http_head head;
    struct req q = request_of(&head, "a=x");
    char text[16] = "untouched";

    (void)state;
    assert_ok(query_text(&q, "last", text, sizeof(text), ERR_IGNORED));
    assert_string_equal(text, "");
    assert_false(query_has(&q, "last"));
}

static void an_empty_text_is_there(void **state)
{
    struct http_head head;
    struct req q = request_of(&head, "last=");
    char text[16] = "untouched";

    (void)state;
    assert_ok(query_text(&q, "last", text, sizeof(text), ERR_IGNORED));
    assert_string_equal(text, "");
    assert_true(query_has(&q, "last"));
}

static void a_text_without_room_is_refused(void **state)
{
    struct http_head head;
    struct req q = request_of(&head, "last=1234");
    char text[4];

    (void)state;
    assert_code(ERR_REQUEST_INVALID, query_text(&q, "last", text, sizeof(text), ERR_IGNORED));
    assert_true(query_has(&q, "last"));
}

static void a_malformed_text_is_refused(void **state)
{
    struct http_head head;
    struct req q = request_of(&head, "last=%2");
    char text[16];

    (void)state;
    assert_code(ERR_REQUEST_INVALID, query_text(&q, "last", text, sizeof(text), ERR_IGNORED));
    q = request_of(&head, "last=a%00b");
    assert_code(ERR_REQUEST_INVALID, query_text(&q, "last", text, sizeof(text), ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_n_a_page_is_as_large_as_it_may_be),
        cmocka_unit_test(without_n_a_list_may_have_a_usual_size),
        cmocka_unit_test(n_is_the_size_of_a_page),
        cmocka_unit_test(a_larger_n_is_cut_to_the_limit),
        cmocka_unit_test(an_n_that_is_no_number_is_refused),
        cmocka_unit_test(a_text_is_decoded),
        cmocka_unit_test(an_absent_text_is_empty),
        cmocka_unit_test(an_empty_text_is_there),
        cmocka_unit_test(a_text_without_room_is_refused),
        cmocka_unit_test(a_malformed_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
