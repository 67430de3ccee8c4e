#include "api/ui.h"
#include "conf/conf.h"
#include "exchange.h"

/* The web page and its files, of a build that this test makes up. */

/* "let x = 1;\n" as gzip packs it; what stands for br is no brotli, for nobody here unpacks it. */
static const char gzip_bytes[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x49\x2d\x51\xa8\x50\xb0\x55\x30\xb4\xe6\x02\x00"
    "\x5a\x4b\xd8\x8a\x0b\x00\x00\x00";

static const struct ui_file files[] = {
    {.name = "index-Ab_1-x.js",
     .type = "text/javascript; charset=utf-8",
     .etag = "\"0123\"",
     .br = {"brotli", 6},
     .gzip = {gzip_bytes, sizeof(gzip_bytes) - 1},
     .plain_bytes = 11},
};

static const struct ui_files built = {
    .head = {"<html><base href=\"", 18}, .tail = {"/\">", 3}, .items = files, .n = 1};
static const struct ui_files unbuilt = {0};

static const char browser[] = "Accept: text/html,*/*;q=0.8\r\n";
static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    s.api.ui = &built;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static struct answer ask(const char *line, const char *headers)
{
    return serve(&s, &(struct request){.line = line, .headers = headers});
}

static void tell_body(const char *story, struct answer *a, const char *body)
{
    if (strcmp(buf_text(&a->body), body) != 0)
        fail_msg("%s: %s", story, buf_text(&a->body));
}

static void every_address_of_the_page_answers_the_same(void **state)
{
    static const char *const lines[] = {"GET /", "GET /ui/users",
                                        "GET /ui/images/a/b/c:latest?tab=layers",
                                        "GET /ui/repositories/assets/x"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = ask(lines[i], browser);

        tell_status(lines[i], &a, 200);
        tell_body(lines[i], &a, "<html><base href=\"/\">");
        tell_header(lines[i], &a, "Content-Type", "text/html; charset=utf-8");
        tell_header(lines[i], &a, "Cache-Control", "no-cache");
        tell_header(lines[i], &a, "Vary", "Accept");
        assert_true(a.quick);
        answer_done(&a);
    }
}

static void the_page_knows_the_prefix(void **state)
{
    static char prefix[] = "/registry/";
    char *none = s.w.conf->http.prefix;
    struct answer a;

    (void)state;
    s.w.conf->http.prefix = prefix;
    a = ask("GET /registry/ui/users", browser);
    tell_body("below a prefix", &a, "<html><base href=\"/registry/\">");
    answer_done(&a);
    s.w.conf->http.prefix = none;
}

static void the_page_takes_nothing_from_elsewhere(void **state)
{
    struct answer a = ask("GET /", browser);
    const char *policy = header_of(&a, "Content-Security-Policy");

    (void)state;
    assert_non_null(strstr(policy, "default-src 'none'; script-src 'self'; style-src 'self';"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
    assert_null(strstr(policy, "unsafe"));
    answer_done(&a);
}

static void others_get_a_text_at_its_addresses(void **state)
{
    struct answer a = ask("GET /ui/users", "Accept: */*\r\n");

    (void)state;
    tell_status("no browser", &a, 200);
    tell_header("no browser", &a, "Content-Type", "text/plain; charset=utf-8");
    answer_done(&a);
}

static void a_file_comes_as_its_client_takes_it(void **state)
{
    static const struct {
        const char *headers, *encoding, *etag, *body;
        bool quick;
    } rows[] = {
        {"Accept-Encoding: gzip, deflate, br\r\n", "br", "\"0123-br\"", "brotli", true},
        {"Accept-Encoding: gzip;q=1.0, br;q=0\r\n", "gzip", "\"0123-gzip\"", NULL, true},
        {"Accept-Encoding: gzip;q=0.5, br;q=0.01\r\n", "br", "\"0123-br\"", "brotli", true},
        {"Accept-Encoding: GZIP\r\n", "gzip", "\"0123-gzip\"", NULL, true},
        {"Accept-Encoding: br;q=0.000, gzip;q=0\r\n", "", "\"0123\"", "let x = 1;\n", false},
        {"Accept-Encoding: identity\r\n", "", "\"0123\"", "let x = 1;\n", false},
        {NULL, "", "\"0123\"", "let x = 1;\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *story = rows[i].headers ? rows[i].headers : "nothing said";
        struct answer a = ask("GET /ui/assets/index-Ab_1-x.js", rows[i].headers);

        tell_status(story, &a, 200);
        tell_header(story, &a, "Content-Encoding", rows[i].encoding);
        tell_header(story, &a, "ETag", rows[i].etag);
        tell_header(story, &a, "Vary", "Accept-Encoding");
        tell_header(story, &a, "Cache-Control", "public, max-age=31536000, immutable");
        tell_header(story, &a, "Content-Type", "text/javascript; charset=utf-8");
        if (rows[i].body)
            tell_body(story, &a, rows[i].body);
        else
            assert_int_equal(a.body.n, sizeof(gzip_bytes) - 1);
        assert_int_equal(a.quick, rows[i].quick);
        answer_done(&a);
    }
}

static void a_file_that_the_client_has_is_not_sent(void **state)
{
    struct answer a = ask("GET /ui/assets/index-Ab_1-x.js",
                          "Accept-Encoding: br\r\nIf-None-Match: \"0123-br\"\r\n");

    (void)state;
    tell_status("had", &a, 304);
    tell_header("had", &a, "Content-Encoding", "");
    assert_int_equal(a.body.n, 0);
    answer_done(&a);
}

static void a_file_that_is_none_is_not_found(void **state)
{
    static const char *const lines[] = {"GET /ui/assets/index.js", "GET /ui/assets/..",
                                        "GET /ui/assets/%2e%2e%2fx"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = ask(lines[i], "Accept-Encoding: br\r\n");

        tell_status(lines[i], &a, 404);
        tell_header(lines[i], &a, "Cache-Control", "");
        answer_done(&a);
    }
}

static void switched_off_there_is_none_of_it(void **state)
{
    struct answer a;

    (void)state;
    atomic_store(&s.w.conf->ui.enabled, false);
    a = ask("GET /ui/users", browser);
    tell_status("the page", &a, 404);
    answer_done(&a);
    a = ask("GET /ui/assets/index-Ab_1-x.js", "Accept-Encoding: br\r\n");
    tell_status("a file", &a, 404);
    answer_done(&a);
    a = ask("GET /", browser);
    tell_status("the root", &a, 200);
    assert_non_null(strstr(buf_text(&a.body), "docker login"));
    assert_null(strstr(buf_text(&a.body), "scripts/build"));
    answer_done(&a);
    atomic_store(&s.w.conf->ui.enabled, true);
}

static void a_program_without_the_page_says_how_to_build_it(void **state)
{
    struct answer a;

    (void)state;
    s.api.ui = &unbuilt;
    a = ask("GET /ui/users", browser);
    tell_status("unbuilt", &a, 200);
    assert_non_null(strstr(buf_text(&a.body), "scripts/build"));
    answer_done(&a);
    s.api.ui = &built;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_of_the_page_answers_the_same),
        cmocka_unit_test(the_page_knows_the_prefix),
        cmocka_unit_test(the_page_takes_nothing_from_elsewhere),
        cmocka_unit_test(others_get_a_text_at_its_addresses),
        cmocka_unit_test(a_file_comes_as_its_client_takes_it),
        cmocka_unit_test(a_file_that_the_client_has_is_not_sent),
        cmocka_unit_test(a_file_that_is_none_is_not_found),
        cmocka_unit_test(switched_off_there_is_none_of_it),
        cmocka_unit_test(a_program_without_the_page_says_how_to_build_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
