/* Keys of the configuration that change how everything is answered. */
#include "base/mem.h"
#include "exchange.h"

#include <stdlib.h>

#define UPLOADS "/v2/a/blobs/uploads/"

static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    second_door = false;
    server_done(&s);
    return 0;
}

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = mem_strdup(text);
}

static void assert_status(const char *line, int status)
{
    struct answer a = get(&s, line);

    assert_int_equal(a.status, status);
    answer_done(&a);
}

static void everything_is_below_the_prefix(void **state)
{
    (void)state;
    set_text(&s.w.conf->http.prefix, "/my/registry/");
    assert_status("GET /my/registry/v2/", 200);
    assert_status("GET /my/registry/", 200);
    assert_status("GET /v2/", 404);
    assert_status("GET /my/registryv2/", 404);
    assert_status("GET /my/registry", 404);
    assert_status("GET /MY/registry/v2/", 404);
}

static void probes_need_no_prefix(void **state)
{
    (void)state;
    set_text(&s.w.conf->http.prefix, "/p/");
    assert_status("GET /healthz", 200);
    assert_status("GET /readyz", 200);
    assert_status("GET /p/healthz", 200);
}

static void a_location_is_below_the_prefix(void **state)
{
    struct answer a;

    (void)state;
    set_text(&s.w.conf->http.prefix, "/p/");
    a = get(&s, "POST /p" UPLOADS);
    assert_int_equal(a.status, 202);
    assert_memory_equal(header_of(&a, "Location"), "/p" UPLOADS, strlen("/p" UPLOADS));
    answer_done(&a);
}

static void a_next_page_is_below_the_prefix(void **state)
{
    struct answer a;

    (void)state;
    image_put(&s.w, "a", "one", "x");
    image_put(&s.w, "a", "two", "y");
    set_text(&s.w.conf->http.prefix, "/p/");
    a = get(&s, "GET /p/v2/a/tags/list?n=1");
    assert_string_equal(header_of(&a, "Link"), "</p/v2/a/tags/list?n=1&last=x>; rel=\"next\"");
    answer_done(&a);
}

static void the_catalog_has_pages_of_its_own(void **state)
{
    struct answer a;

    (void)state;
    image_put(&s.w, "a", "one", "x");
    image_put(&s.w, "a", "two", "y");
    image_put(&s.w, "b", "one", "x");
    s.w.conf->limits.catalog_page = 1;
    a = get(&s, "GET /v2/_catalog?n=5");
    assert_string_equal(buf_text(&a.body), "{\"repositories\":[\"a\"]}\n");
    assert_string_equal(header_of(&a, "Link"), "</v2/_catalog?n=1&last=a>; rel=\"next\"");
    answer_done(&a);
    a = get(&s, "GET /v2/a/tags/list");
    assert_string_equal(buf_text(&a.body), "{\"name\":\"a\",\"tags\":[\"x\",\"y\"]}\n");
    answer_done(&a);
}

static void a_read_only_registry_is_pulled_from_and_not_changed(void **state)
{
    static const char *const writes[] = {
        "POST " UPLOADS,
        "PUT /v2/a/manifests/x",
        "DELETE /v2/a/manifests/x",
        "DELETE /v2/a/blobs/"
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "PATCH " UPLOADS "123e4567-e89b-42d3-a456-426614174000",
    };

    (void)state;
    image_put(&s.w, "a", "one", "x");
    s.w.conf->registry.read_only = true;
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        struct answer a = get(&s, writes[i]);

        assert_error(&a, 405, "UNSUPPORTED");
        answer_done(&a);
    }
    assert_status("GET /v2/a/manifests/x", 200);
    assert_status("GET /v2/_catalog", 200);
    s.w.conf->registry.read_only = false;
    assert_status("POST " UPLOADS, 202);
}

static void configured_headers_are_in_every_answer(void **state)
{
    static char name[] = "Strict-Transport-Security", value[] = "max-age=1";
    static const char *const lines[] = {"GET /v2/", "GET /nothing", "GET /v2/_catalog",
                                        "GET /v2/a/manifests/x"};
    struct conf_header header = {name, value};

    (void)state;
    s.w.conf->http.headers = (struct conf_headers){&header, 1};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = get(&s, lines[i]);

        assert_int_equal(headers_of(&a, name), 1);
        assert_string_equal(header_of(&a, name), value);
        answer_done(&a);
    }
    s.w.conf->http.headers = (struct conf_headers){NULL, 0};
}

static void configured_headers_are_in_what_the_server_refuses(void **state)
{
    static char name[] = "Strict-Transport-Security", value[] = "max-age=1";
    struct conf_header header = {name, value};
    struct call c;

    (void)state;
    s.w.conf->http.headers = (struct conf_headers){&header, 1};
    call_init(&c, &s, &(struct request){.line = "GET /"});
    s.api.app.refusal_headers(s.api.app.ctx, c.x);
    assert_string_equal(header_of(&c.a, name), value);
    call_done(&c);
    s.w.conf->http.headers = (struct conf_headers){NULL, 0};
}

static void the_second_door_tells_health_and_nothing_else(void **state)
{
    struct answer a;

    (void)state;
    assert_status("GET /debug/health", 404);
    second_door = true;
    a = get(&s, "GET /debug/health");
    assert_int_equal(a.status, 200);
    assert_string_equal(buf_text(&a.body), "{}");
    assert_string_equal(header_of(&a, "Content-Type"), "application/json");
    answer_done(&a);
    assert_status("GET /v2/", 404);
    assert_status("GET /healthz", 200);
    assert_status("GET /readyz", 200);
}

static void the_second_door_tells_what_fails(void **state)
{
    struct answer a;

    (void)state;
    second_door = true;
    world_fail_store(&s.w, 1, ERR_STORAGE_READONLY);
    a = get(&s, "GET /debug/health");
    assert_int_equal(a.status, 503);
    assert_string_equal(
        buf_text(&a.body),
        "{\"storagedriver_filesystem\":\"storage is read-only or its permissions are wrong\"}");
    answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_below_the_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(probes_need_no_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_location_is_below_the_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_next_page_is_below_the_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_catalog_has_pages_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_only_registry_is_pulled_from_and_not_changed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(configured_headers_are_in_every_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(configured_headers_are_in_what_the_server_refuses, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_second_door_tells_health_and_nothing_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_second_door_tells_what_fails, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
