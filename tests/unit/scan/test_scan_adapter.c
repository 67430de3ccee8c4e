/* Against a server that answers as adapters do, and as they should not. */
#include "scan/adapter.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "scan/adapter_report.h"
#include "small_server.h"
#include "unit/core/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define REPORT_TYPE  "application/vnd.security.vulnerability.report; version=1.1"
#define METADATA                                                                                   \
    "{\"scanner\":{\"name\":\"Stand-in\",\"vendor\":\"us\",\"version\":\"7.1\"},"                  \
    "\"capabilities\":[{\"type\":\"sbom\",\"consumes_mime_types\":[\"" OCI_MANIFEST                \
    "\"],\"produces_mime_types\":[\"x\"]},{\"consumes_mime_types\":[\"" OCI_MANIFEST               \
    "\"],\"produces_mime_types\":[\"" REPORT_TYPE "\"]}],\"properties\":{"                         \
    "\"harbor.scanner-adapter/vulnerability-database-updated-at\":\"2026-11-01T00:00:00Z\"}}"
#define DATA_MS 1793491200000
#define REPORT                                                                                     \
    "{\"generated_at\":\"2026-11-02T00:00:00Z\",\"severity\":\"High\",\"vulnerabilities\":[{"      \
    "\"id\":\"CVE-2026-1\",\"package\":\"dpkg\",\"version\":\"1.17\",\"fix_version\":\"1.18\","    \
    "\"severity\":\"High\",\"description\":\"bad\",\"links\":[\"https://a\",\"https://b\"],"       \
    "\"preferred_cvss\":{\"score_v3\":9.8,\"vector_v3\":\"CVSS:3.1/AV:N\",\"score_v2\":5},"        \
    "\"cwe_ids\":[\"CWE-1\"],\"vendor_attributes\":{\"id\":\"other\"}},{\"id\":\"CVE-2026-2\","    \
    "\"package\":\"libc\",\"version\":\"2\",\"severity\":\"Negligible\"}]}"

#define ANSWERS 8

struct fixture {
    struct world w;
    struct conf_scan conf;
    struct small_server *server;
    struct small_server_answer answers[ANSWERS];
    char *texts[ANSWERS];
    size_t n;
    struct scanner *scanner;
    struct repo_name repo;
    struct digest digest;
    struct scan_order order;
    struct finding_list found;
    struct scan_facts facts;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    world_in_memory(&f->w);
    f->repo = repo_of("team/app");
    f->digest = image_put(&f->w, "team/app", "app", "1");
    f->conf.adapter.url = f->conf.adapter.token_file = f->conf.adapter.ca_file = "";
    f->conf.adapter.registry_url = "https://registry.example";
    f->conf.adapter.workers = 1;
    atomic_store(&f->conf.max_report_bytes, 1 << 20);
    f->order = (struct scan_order){.repo = &f->repo, .digest = &f->digest, .stop_fd = -1};
    finding_list_init(&f->found, 100, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    scanner_free(f->scanner);
    if (f->server)
        small_server_stop(f->server);
    finding_list_done(&f->found);
    for (size_t i = 0; i < f->n; i++)
        free(f->texts[i]);
    world_done(&f->w);
    free(f);
    return 0;
}

static void answer(struct fixture *f, const char *status, const char *type, const char *body)
{
    char *text = mem_alloc(strlen(body) + 512);

    sprintf(text, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, type,
            strlen(body), body);
    f->texts[f->n] = text;
    f->answers[f->n++].text = text;
}

static void answer_metadata(struct fixture *f)
{
    answer(f, "200 OK", "application/vnd.scanner.adapter.metadata+json; version=1.1", METADATA);
}

/* Metadata, and that the scan is accepted. */
static void answer_beginning(struct fixture *f)
{
    answer_metadata(f);
    answer(f, "202 Accepted", "application/json", "{\"id\":\"a/b c\"}");
}

static enum err_code scan(struct fixture *f)
{
    f->server = small_server_start(f->answers, f->n);
    f->conf.adapter.url = (char *)small_server_url(f->server);
    assert_ok(scanner_adapter_open(f->w.r, &f->conf, &f->scanner, &f->e));
    f->order.deadline_ms = clock_mono_ms() + 30000;
    return f->scanner->driver->scan(f->scanner, &f->order, &f->found, &f->facts, &f->e);
}

static const char *asked(struct fixture *f, size_t i)
{
    assert_non_null(small_server_request(f->server, i));
    return small_server_request(f->server, i)->head;
}

static void a_report_becomes_findings(void **state)
{
    struct fixture *f = *state;
    AUTO(json) json_t *body = NULL;

    answer_beginning(f);
    answer(f, "302 Found\r\nRefresh-After: 0", "text/plain", "");
    answer(f, "200 OK", REPORT_TYPE, REPORT);
    assert_ok(scan(f));
    assert_int_equal(f->found.n, 2);
    assert_true(str_eq(f->found.items[0].cve, STR("CVE-2026-1")));
    assert_true(str_eq(f->found.items[0].fixed, STR("1.18")));
    assert_true(str_eq(f->found.items[0].link, STR("https://a")));
    assert_true(str_eq(f->found.items[0].vector, STR("CVSS:3.1/AV:N")));
    assert_true(f->found.items[0].score > 9.7 && f->found.items[0].score < 9.9);
    assert_int_equal(f->found.items[0].severity, SEVERITY_HIGH);
    assert_int_equal(f->found.items[1].severity, SEVERITY_LOW);
    assert_true(f->found.items[1].score < 0);
    assert_string_equal(f->facts.scanner, "Stand-in");
    assert_string_equal(f->facts.version, "7.1");
    assert_true(f->facts.data_ms == DATA_MS);
    assert_non_null(strstr(asked(f, 0), "GET /api/v1/metadata "));
    assert_non_null(strstr(asked(f, 1), "POST /api/v1/scan "));
    assert_non_null(strstr(asked(f, 1), "scan.request+json; version=1.1"));
    assert_non_null(strstr(asked(f, 2), "GET /api/v1/scan/a%2Fb%20c/report "));
    assert_non_null(strstr(asked(f, 3), "Accept: " REPORT_TYPE));
    body = json_loads(small_server_request(f->server, 1)->body, 0, NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(body, "artifact"), "digest")),
        f->digest.text);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(body, "registry"), "url")),
        "https://registry.example");
    assert_null(json_object_get(json_object_get(body, "registry"), "authorization"));
}

static enum err_code make_token(void *ctx, const struct repo_name *repo, int64_t lifetime_ms,
                                char **ret, struct err *e)
{
    (void)e, (void)ctx;
    assert_string_equal(repo->text, "team/app");
    assert_true(lifetime_ms > 0 && lifetime_ms <= 30000);
    *ret = mem_strdup("Bearer of-this-scan");
    return ERR_OK;
}

static void it_gets_a_token_for_that_repository(void **state)
{
    struct fixture *f = *state;

    f->conf.adapter.registry_url = "";
    answer_beginning(f);
    answer(f, "200 OK", REPORT_TYPE, REPORT);
    f->server = small_server_start(f->answers, f->n);
    f->conf.adapter.url = (char *)small_server_url(f->server);
    assert_ok(scanner_adapter_open(f->w.r, &f->conf, &f->scanner, &f->e));
    scanner_adapter_serve(f->scanner, "https://here.example/", make_token, NULL);
    f->order.deadline_ms = clock_mono_ms() + 30000;
    assert_ok(f->scanner->driver->scan(f->scanner, &f->order, &f->found, &f->facts, &f->e));
    assert_non_null(strstr(small_server_request(f->server, 1)->body,
                           "\"authorization\":\"Bearer of-this-scan\""));
    assert_non_null(strstr(small_server_request(f->server, 1)->body, "\"https://here.example\""));
}

static void it_is_asked_with_its_own_token(void **state)
{
    struct fixture *f = *state;
    char dir[TEMP_DIR_MAX], path[TEMP_PATH_MAX];
    AUTO(fd) int fd = -1;

    temp_dir_make(dir, TEMP_DIR_DISK);
    snprintf(path, sizeof(path), "%s/token", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(file_write_all(fd, "secret\n", 7), 0);
    f->conf.adapter.token_file = path;
    answer(f, "401 Unauthorized", "text/plain", "");
    assert_code(ERR_UNAVAILABLE, scan(f));
    assert_non_null(strstr(asked(f, 0), "Authorization: Bearer secret\r\n"));
    temp_dir_remove(dir);
}

static void what_it_does_not_take_can_not_be_scanned(void **state)
{
    struct fixture *f = *state;

    answer(f, "200 OK", "application/json",
           "{\"scanner\":{},\"capabilities\":[{\"consumes_mime_types\":[\"x\"],"
           "\"produces_mime_types\":[\"" REPORT_TYPE "\"]}]}");
    assert_code(ERR_NOT_ANALYZABLE, scan(f));
}

static void what_it_refuses_can_not_be_scanned_and_why_is_told(void **state)
{
    struct fixture *f = *state;

    answer_metadata(f);
    answer(f, "422 Unprocessable", "application/json", "{\"error\":{\"message\":\"no linux\"}}");
    assert_code(ERR_NOT_ANALYZABLE, scan(f));
    assert_non_null(strstr(f->e.detail, "no linux"));
}

static void a_failed_scan_has_failed(void **state)
{
    struct fixture *f = *state;

    answer_beginning(f);
    answer(f, "500 Oops", "application/json", "{\"error\":{\"message\":\"disk full\"}}");
    assert_code(ERR_INTERNAL, scan(f));
    assert_non_null(strstr(f->e.detail, "disk full"));
}

static void one_that_forgot_the_scan_has_failed(void **state)
{
    struct fixture *f = *state;

    answer_beginning(f);
    answer(f, "404 Not Found", "text/plain", "");
    assert_code(ERR_INTERNAL, scan(f));
}

static void a_scan_without_an_id_has_failed(void **state)
{
    struct fixture *f = *state;

    answer_metadata(f);
    answer(f, "202 Accepted", "application/json", "{\"id\":\"..\"}");
    assert_code(ERR_INTERNAL, scan(f));
}

static void an_overloaded_one_is_asked_again_later(void **state)
{
    struct fixture *f = *state;

    answer_metadata(f);
    answer(f, "503 Busy", "text/plain", "");
    assert_code(ERR_UNAVAILABLE, scan(f));
}

static void one_that_is_away_is_out_of_reach(void **state)
{
    struct fixture *f = *state;

    assert_code(ERR_UNAVAILABLE, scan(f)); /* it closes the connection */
}

static void a_stop_ends_the_wait_for_a_report(void **state)
{
    struct fixture *f = *state;
    AUTO(fd) int stop_fd = eventfd(1, EFD_CLOEXEC);
    int64_t began_ms = clock_mono_ms();

    answer_beginning(f);
    answer(f, "302 Found\r\nRefresh-After: 999999", "text/plain", "");
    f->order.stop_fd = stop_fd;
    assert_code(ERR_UNAVAILABLE, scan(f));
    assert_true(clock_mono_ms() - began_ms < 20000);
}

static void one_that_hangs_ends_with_the_deadline(void **state)
{
    struct fixture *f = *state;

    answer_metadata(f);
    f->answers[f->n++].then = THEN_HANG;
    f->server = small_server_start(f->answers, f->n);
    f->conf.adapter.url = (char *)small_server_url(f->server);
    assert_ok(scanner_adapter_open(f->w.r, &f->conf, &f->scanner, &f->e));
    f->order.deadline_ms = clock_mono_ms() + 300;
    assert_code(ERR_TIMEOUT,
                f->scanner->driver->scan(f->scanner, &f->order, &f->found, &f->facts, &f->e));
}

static void a_report_that_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->conf.max_report_bytes, 100);
    answer_beginning(f);
    answer(f, "200 OK", REPORT_TYPE, REPORT);
    assert_code(ERR_BODY_TOO_LARGE, scan(f));
}

static void too_many_findings_are_refused(void **state)
{
    struct fixture *f = *state;

    f->found.max = 1;
    answer_beginning(f);
    answer(f, "200 OK", REPORT_TYPE, REPORT);
    assert_code(ERR_BODY_TOO_LARGE, scan(f));
}

static void an_answer_without_end_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t n = 300 << 10;
    AUTO(mem) char *body = mem_alloc(n + 1);

    memset(body, ' ', n);
    body[n] = '\0';
    answer(f, "200 OK", "application/json", body);
    assert_code(ERR_BODY_TOO_LARGE, scan(f));
}

static void its_data_has_the_time_that_it_says(void **state)
{
    struct fixture *f = *state;
    int64_t data_ms;

    answer_metadata(f);
    answer(f, "200 OK", "application/json", "{\"scanner\":{},\"capabilities\":[]}");
    answer(f, "200 OK", "application/json", "[]");
    f->server = small_server_start(f->answers, f->n);
    f->conf.adapter.url = (char *)small_server_url(f->server);
    assert_ok(scanner_adapter_open(f->w.r, &f->conf, &f->scanner, &f->e));
    assert_ok(f->scanner->driver->data(f->scanner, &data_ms, &f->e));
    assert_true(data_ms == DATA_MS);
    assert_ok(f->scanner->driver->data(f->scanner, &data_ms, &f->e));
    assert_true(data_ms == 0);
    assert_code(ERR_INTERNAL, f->scanner->driver->data(f->scanner, &data_ms, &f->e));
}

/* ---- reports */

static enum err_code read_report(struct fixture *f, const char *text)
{
    AUTO(adapter_report)
    struct adapter_report *r = adapter_report_new(&f->digest, &f->found, &f->facts);

    for (; *text; text++)
        TRY(adapter_report_feed(r, (struct str){text, 1}, &f->e));
    return adapter_report_end(r, &f->e);
}

static void what_is_no_report_is_never_a_clean_one(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "null",
        "[]",
        "\"\"",
        "{\"vulnerabilities\":{}}",
        "{\"vulnerabilities\":\"none\"}",
        "{\"vulnerabilities\":false}",
        "{\"vulnerabilities\":[]",
        "{\"vulnerabilities\":[]}}",
        "{\"vulnerabilities\":[null]}",
        "{\"vulnerabilities\":[\"CVE-1\"]}",
        "{\"vulnerabilities\":[{}]}",
        "{\"vulnerabilities\":[{\"id\":\"CVE-1\"}]}",
        "{\"vulnerabilities\":[{\"id\":1,\"package\":\"x\"}]}",
        "{\"vulnerabilities\":[{\"id\":\"CVE-1\",\"package\":\"x\",\"links\":\"y\"}]}",
        "{\"x\":{\"vulnerabilities\":[]}}",
        "{\"artifact\":{\"digest\":\"sha256:other\"},\"vulnerabilities\":[]}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_code(ERR_INTERNAL, read_report(f, texts[i]));
}

static void a_report_may_have_no_vulnerabilities(void **state)
{
    struct fixture *f = *state;

    assert_ok(read_report(f, "{\"vulnerabilities\":[]}"));
    assert_ok(read_report(f, "{\"vulnerabilities\":null}"));
    assert_int_equal(f->found.n, 0);
}

static void a_severity_that_nobody_knows_is_unknown(void **state)
{
    struct fixture *f = *state;

    assert_ok(read_report(f, "{\"vulnerabilities\":[{\"id\":\"CVE-1\",\"package\":\"x\","
                             "\"severity\":\"Defcon1\"}]}"));
    assert_int_equal(f->found.items[0].severity, SEVERITY_UNKNOWN);
}

static void a_text_without_end_is_refused_before_memory_is(void **state)
{
    struct fixture *f = *state;
    AUTO(adapter_report)
    struct adapter_report *r = adapter_report_new(&f->digest, &f->found, &f->facts);
    char piece[1 << 16];
    enum err_code code = adapter_report_feed(r, STR("{\"x\":\""), &f->e);
    size_t n = 0;

    memset(piece, 'a', sizeof(piece));
    for (; code == ERR_OK && n < 100; n++)
        code = adapter_report_feed(r, (struct str){piece, sizeof(piece)}, &f->e);
    assert_code(ERR_INTERNAL, code);
    assert_true(n < 20);
}

static void lists_within_lists_are_bounded(void **state)
{
    struct fixture *f = *state;
    char text[512] = "{\"x\":";

    for (int i = 0; i < 200; i++)
        strcat(text, "[");
    assert_code(ERR_INTERNAL, read_report(f, text));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_report_becomes_findings),
        CASE(it_gets_a_token_for_that_repository),
        CASE(it_is_asked_with_its_own_token),
        CASE(what_it_does_not_take_can_not_be_scanned),
        CASE(what_it_refuses_can_not_be_scanned_and_why_is_told),
        CASE(a_failed_scan_has_failed),
        CASE(one_that_forgot_the_scan_has_failed),
        CASE(a_scan_without_an_id_has_failed),
        CASE(an_overloaded_one_is_asked_again_later),
        CASE(one_that_is_away_is_out_of_reach),
        CASE(a_stop_ends_the_wait_for_a_report),
        CASE(one_that_hangs_ends_with_the_deadline),
        CASE(a_report_that_is_too_long_is_refused),
        CASE(too_many_findings_are_refused),
        CASE(an_answer_without_end_is_refused),
        CASE(its_data_has_the_time_that_it_says),
        CASE(what_is_no_report_is_never_a_clean_one),
        CASE(a_report_may_have_no_vulnerabilities),
        CASE(a_severity_that_nobody_knows_is_unknown),
        CASE(a_text_without_end_is_refused_before_memory_is),
        CASE(lists_within_lists_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
