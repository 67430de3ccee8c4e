#include "api/ui.h"
#include "conf/conf.h"
#include "exchange.h"

/* What stands at the root, for whoever looks there. */

/* Of a program without the web page. */
static const struct ui_files no_ui = {0};

static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    s.api.ui = &no_ui;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static void a_browser_gets_a_page_and_others_a_text(void **state)
{
    static const struct {
        const char *story, *accept;
        bool page;
    } rows[] = {
        {"nothing is said", NULL, false},
        {"anything", "Accept: */*\r\n", false},
        {"a browser", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", true},
        {"a page among others", "Accept: application/json;q=1, text/html;q=0.5\r\n", true},
        {"in capitals", "Accept: Text/HTML\r\n", true},
        {"a text", "Accept: text/plain\r\n", false},
        {"what goes on", "Accept: text/html5\r\n", false},
        {"nothing in it", "Accept:\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = serve(&s, &(struct request){.line = "GET /", .headers = rows[i].accept});

        tell_status(rows[i].story, &a, 200);
        tell_header(rows[i].story, &a, "Content-Type",
                    rows[i].page ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
        tell_header(rows[i].story, &a, "Vary", "Accept");
        assert_true(a.quick);
        assert_int_equal(strstr(buf_text(&a.body), "<html") != NULL, rows[i].page);
        answer_done(&a);
    }
}

static void it_speaks_of_the_host_that_was_asked(void **state)
{
    static const struct {
        const char *target, *accept, *shown;
    } rows[] = {
        {"http://r.example:5000/", "", "docker login r.example:5000\n"},
        {"http://[::1]:5000/", "", "docker login [::1]:5000\n"},
        {"http://a&b/", "", "docker login a&b\n"},
        {"http://a&b/", "Accept: text/html\r\n", "docker login a&amp;b\n"},
        {"http://a'b/", "Accept: text/html\r\n", "docker login a'b\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;
        char line[64];

        snprintf(line, sizeof(line), "GET %s", rows[i].target);
        a = serve(&s, &(struct request){.line = line, .headers = rows[i].accept});
        if (!strstr(buf_text(&a.body), rows[i].shown))
            fail_msg("%s: %s", rows[i].target, buf_text(&a.body));
        answer_done(&a);
    }
}

static void it_leads_to_the_api_below_the_prefix(void **state)
{
    static char prefix[] = "/registry/";
    static const struct {
        const char *accept, *shown;
    } rows[] = {
        {"", "The API begins at /registry/v2/.\n"},
        {"Accept: text/html\r\n", "<a href=\"/registry/v2/\">/registry/v2/</a>"},
    };
    char *none = s.w.conf->http.prefix;

    (void)state;
    s.w.conf->http.prefix = prefix;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a =
            serve(&s, &(struct request){.line = "GET /registry/", .headers = rows[i].accept});

        tell_status(rows[i].shown, &a, 200);
        if (!strstr(buf_text(&a.body), rows[i].shown))
            fail_msg("%s", buf_text(&a.body));
        answer_done(&a);
    }
    s.w.conf->http.prefix = none;
}

static void a_page_runs_nothing(void **state)
{
    struct answer a =
        serve(&s, &(struct request){.line = "GET /", .headers = "Accept: text/html\r\n"});

    (void)state;
    assert_string_equal(header_of(&a, "Content-Security-Policy"),
                        "default-src 'none'; base-uri 'none'; form-action 'none'; "
                        "frame-ancestors 'none'");
    answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_browser_gets_a_page_and_others_a_text),
        cmocka_unit_test(it_speaks_of_the_host_that_was_asked),
        cmocka_unit_test(it_leads_to_the_api_below_the_prefix),
        cmocka_unit_test(a_page_runs_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
