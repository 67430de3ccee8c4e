#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool shallow(size_t levels, const char *open, const char *inner, const char *close)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 65536);
    for (size_t i = 0; i < levels; i++)
        buf_add_text(&text, open);
    buf_add_text(&text, inner);
    for (size_t i = 0; i < levels; i++)
        buf_add_text(&text, close);
    return json_shallow(buf_str(&text));
}

static void what_is_deeper_than_the_limit_is_told(void **state)
{
    (void)state;
    assert_true(shallow(JSON_DEPTH_MAX, "[", "", "]"));
    assert_false(shallow(JSON_DEPTH_MAX + 1, "[", "", "]"));
    assert_true(shallow(JSON_DEPTH_MAX, "{\"a\":", "1", "}"));
    assert_false(shallow(JSON_DEPTH_MAX + 1, "{\"a\":", "1", "}"));
    assert_false(shallow(JSON_DEPTH_MAX + 1, "[", "", "")); /* never closed */
}

static void brackets_side_by_side_or_in_texts_are_not_deep(void **state)
{
    (void)state;
    assert_true(shallow(1000, "[],", "", "{},"));
    assert_true(shallow(1000, "\"[\",", "", "\"{\","));
    assert_true(json_shallow(STR("")));
    assert_true(json_shallow(STR_NONE));
}

/* A text does not end where a quote in it is escaped, so nothing hides behind it. */
static void escapes_are_understood(void **state)
{
    (void)state;
    assert_true(shallow(1000, "\"\\\"[\",", "", ""));
    assert_false(shallow(1000, "[\"\\\\\",", "", ""));
    assert_true(json_shallow(STR("\"\\")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_deeper_than_the_limit_is_told),
        cmocka_unit_test(brackets_side_by_side_or_in_texts_are_not_deep),
        cmocka_unit_test(escapes_are_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
