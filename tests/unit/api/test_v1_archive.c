#include "exchange.h"

#include "core/pulled.h"

#include <stdio.h>
#include <stdlib.h>

/* Images as files: what an answer leaves and tells. What is in them: core/test_archive_out.c. */

#define REPO "team/app"

static struct server s;
static struct digest image;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    image = image_put(&s.w, REPO, "{\"os\":\"linux\",\"architecture\":\"arm64\"}", "v1");
    s.w.r->pulled = pulled_new();
    assert_ok(pulled_begin(s.w.meta, 1, ERR_IGNORED));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pulled_free(STEAL(s.w.r->pulled));
    server_done(&s);
    return 0;
}

static int64_t last_pull(void)
{
    struct repo_name repo = repo_of(REPO);
    struct meta_repo_tag tag = {.name = tag_of("v1"), .digest = image};
    int64_t at_ms = 0;

    assert_ok(pulled_write(s.w.r->pulled, s.w.meta, ERR_IGNORED));
    assert_ok(pulled_last(s.w.meta, &repo, &tag, &at_ms, ERR_IGNORED));
    return at_ms;
}

static int status_of(const char *line)
{
    struct answer a = get(&s, line);
    int status = a.status;

    answer_done(&a);
    return status;
}

static void an_archive_is_a_pull_and_a_look_at_it_is_none(void **state)
{
    (void)state;
    assert_int_equal(status_of("HEAD /api/v1/archive/team/app:v1"), 200);
    assert_int_equal(last_pull(), 1); /* since when pulls are recorded */
    assert_int_equal(status_of("GET /api/v1/archive/team/app:v1"), 200);
    assert_true(last_pull() > 1);
}

static void what_is_not_there_is_no_pull(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET /api/v1/archive/team/app:v2"), 404);
    assert_int_equal(status_of("GET /api/v1/archive/team/app:v1?platform=linux/amd64"), 404);
    assert_int_equal(last_pull(), 1);
}

static void the_name_of_the_file_is_safe(void **state)
{
    static const struct {
        const char *repo, *file;
    } rows[] = {
        {"team/app", "team_app_v1.tar"},
        {"a__b.c-d/e", "a__b.c-d_e_v1.tar"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[256], want[256];
        struct answer a;

        image_put(&s.w, rows[i].repo, "{}", "v1");
        snprintf(line, sizeof(line), "HEAD /api/v1/archive/%s:v1", rows[i].repo);
        snprintf(want, sizeof(want), "attachment; filename=\"%s\"", rows[i].file);
        a = get(&s, line);
        tell_header(rows[i].repo, &a, "Content-Disposition", want);
        answer_done(&a);
    }
}

/* No file system takes a name of more than 255 bytes. */
static void the_name_of_the_file_is_never_too_long(void **state)
{
    char repo[256], line[512];
    struct answer a;

    (void)state;
    memset(repo, 'x', 255);
    repo[255] = '\0';
    repo[154] = '/';
    image_put(&s.w, repo, "{}", "v1");
    snprintf(line, sizeof(line), "HEAD /api/v1/archive/%s:v1", repo);
    a = get(&s, line);
    assert_int_equal(a.status, 200);
    assert_in_range(strlen(header_of(&a, "Content-Disposition")), 30, 250);
    assert_non_null(strstr(header_of(&a, "Content-Disposition"), "\"xxx"));
    answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_archive_is_a_pull_and_a_look_at_it_is_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_no_pull, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_name_of_the_file_is_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_name_of_the_file_is_never_too_long, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
