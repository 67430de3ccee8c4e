#include "archive/out_name.h"

#include "unit/core/support.h"

static void assert_full(const char *given, const char *full)
{
    struct out_name n;

    assert_ok(out_name_parse(str_of(given), &n, ERR_IGNORED));
    assert_string_equal(n.given, given);
    assert_string_equal(n.full, full);
}

static void assert_no_name(const char *text)
{
    struct err e = {0};
    struct out_name n;

    assert_code(ERR_REQUEST_INVALID, out_name_parse(str_of(text), &n, &e));
    assert_true(e.public_detail);
}

static void a_short_name_has_the_registry_that_engines_mean(void **state)
{
    (void)state;
    assert_full("app:v1", "docker.io/library/app:v1");
    assert_full("team/app:v1", "docker.io/team/app:v1");
}

static void a_host_stays(void **state)
{
    (void)state;
    assert_full("localhost/app:v1", "localhost/app:v1");
    assert_full("registry.example/app:v1", "registry.example/app:v1");
    assert_full("localhost:5000/team/app:v1", "localhost:5000/team/app:v1");
    assert_full("[::1]:5000/app:v1", "[::1]:5000/app:v1");
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    assert_no_name("app");
    assert_no_name("localhost:5000/app");
    assert_no_name("App:v1");
    assert_no_name("app:");
    assert_no_name(":v1");
    assert_no_name("reg\"istry.example/app:v1");
    assert_no_name("app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    assert_no_name("registry.example//app:v1");
}

static void without_a_tag_there_is_no_name(void **state)
{
    struct repo_name repo = repo_of("team/app");
    struct tag_name tag = tag_of("v1");
    struct out_name n;

    (void)state;
    out_name_of(&repo, NULL, &n);
    assert_string_equal(n.given, "");
    out_name_of(&repo, &tag, &n);
    assert_string_equal(n.given, "team/app:v1");
    assert_string_equal(n.full, "docker.io/team/app:v1");
    assert_string_equal(n.tag.text, "v1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_name_has_the_registry_that_engines_mean),
        cmocka_unit_test(a_host_stays),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(without_a_tag_there_is_no_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
