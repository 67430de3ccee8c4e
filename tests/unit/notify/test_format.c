/* Events as each format writes them. */
#include "base/cleanup.h"
#include "base/json.h"
#include "notify/format.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PUSH                                                                                       \
    "{\"id\":\"01985f00-0000-7000-8000-000000000001\",\"event\":\"manifest.pushed\",\"time\":"     \
    "\"2027-01-02T03:04:05.678Z\",\"repository\":\"prod/app\",\"digest\":\"" DIGEST                \
    "\",\"size\":528,\"media_type\":\"application/vnd.oci.image.manifest.v1+json\",\"tags\":"      \
    "[\"v1\"],\"actor\":\"user:alice\",\"address\":\"192.0.2.7\",\"request_id\":\"r1\","           \
    "\"method\":"                                                                                  \
    "\"PUT\",\"host\":\"registry.example\",\"user_agent\":\"docker/29\"}"
#define SCAN                                                                                       \
    "{\"id\":\"01985f00-0000-7000-8000-000000000002\",\"event\":\"scan.completed\",\"time\":"      \
    "\"2027-01-02T03:04:05.678Z\",\"repository\":\"prod/<app>\",\"digest\":\"" DIGEST              \
    "\",\"status\":\"completed\",\"vulnerabilities\":{\"critical\":2,\"high\":0}}"

static const struct format_source source = {
    .uri = "/registry", .scheme = "https", .address = "host", .instance = "i"};

static void write_as(enum conf_webhook_format which, const char *event, struct post *ret)
{
    AUTO(notice) struct notice n = {0};
    struct err e = {0};

    assert_int_equal(notice_read(str_of(event), &n, &e), ERR_OK);
    assert_true(format_knows(format_of(which), &n));
    post_init(ret);
    format_of(which)->write(&n, &source, ret);
    assert_true(post_close(ret));
}

static json_t *json_as(enum conf_webhook_format which, const char *event)
{
    AUTO(post) struct post p = {.n = 0};
    json_t *json;

    write_as(which, event, &p);
    json = json_loadb(p.body.p, p.body.n, 0, NULL);
    assert_non_null(json);
    return json;
}

static const char *text(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));

    return t ? t : "";
}

static bool knows(enum conf_webhook_format which, const char *event)
{
    AUTO(notice) struct notice n = {0};

    assert_int_equal(notice_read(str_of(event), &n, ERR_IGNORED), ERR_OK);
    return format_knows(format_of(which), &n);
}

static void a_structured_cloudevent_has_attributes_and_data(void **state)
{
    AUTO(json) json_t *j = json_as(CONF_WEBHOOK_CLOUDEVENTS, PUSH);
    const json_t *data = json_object_get(j, "data");

    (void)state;
    assert_string_equal(text(j, "specversion"), "1.0");
    assert_string_equal(text(j, "id"), "01985f00-0000-7000-8000-000000000001");
    assert_string_equal(text(j, "type"), "cyberdock.manifest.pushed");
    assert_string_equal(text(j, "source"), "/registry");
    assert_string_equal(text(j, "subject"), "prod/app");
    assert_string_equal(text(data, "digest"), DIGEST);
    assert_null(json_object_get(data, "id"));
}

static void a_binary_cloudevent_has_its_attributes_in_headers(void **state)
{
    AUTO(post) struct post p = {.n = 0};
    bool found = false;

    (void)state;
    write_as(CONF_WEBHOOK_CLOUDEVENTS_BINARY, PUSH, &p);
    for (size_t i = 0; i < p.n; i++)
        found = found || strcmp(p.lines[i], "ce-type: cyberdock.manifest.pushed") == 0;
    assert_true(found);
    assert_null(memmem(p.body.p, p.body.n, "specversion", strlen("specversion")));
}

static void the_envelope_of_the_reference_registry_has_target_request_and_actor(void **state)
{
    AUTO(json) json_t *j = json_as(CONF_WEBHOOK_DISTRIBUTION, PUSH);
    const json_t *e = json_array_get(json_object_get(j, "events"), 0);
    const json_t *target = json_object_get(e, "target");

    (void)state;
    assert_string_equal(text(e, "action"), "push");
    assert_string_equal(text(target, "repository"), "prod/app");
    assert_string_equal(text(target, "tag"), "v1");
    assert_int_equal(json_integer_value(json_object_get(target, "length")), 528);
    assert_string_equal(text(target, "url"),
                        "https://registry.example/v2/prod/app/manifests/" DIGEST);
    assert_string_equal(text(json_object_get(e, "actor"), "name"), "alice");
    assert_string_equal(text(json_object_get(e, "request"), "useragent"), "docker/29");
}

static void the_reference_registry_has_no_words_for_scans(void **state)
{
    (void)state;
    assert_false(knows(CONF_WEBHOOK_DISTRIBUTION, SCAN));
    assert_true(knows(CONF_WEBHOOK_SLACK, SCAN));
}

static void harbors_payload_names_the_resource(void **state)
{
    AUTO(json) json_t *j = json_as(CONF_WEBHOOK_HARBOR, PUSH);
    const json_t *data = json_object_get(j, "event_data");
    const json_t *resource = json_array_get(json_object_get(data, "resources"), 0);

    (void)state;
    assert_string_equal(text(j, "type"), "PUSH_ARTIFACT");
    assert_string_equal(text(j, "operator"), "alice");
    assert_int_equal(json_integer_value(json_object_get(j, "occur_at")), 1798859045);
    assert_string_equal(text(resource, "tag"), "v1");
    assert_string_equal(text(json_object_get(data, "repository"), "namespace"), "prod");
    assert_string_equal(text(json_object_get(data, "repository"), "name"), "app");
}

static void a_message_for_slack_is_escaped(void **state)
{
    AUTO(json) json_t *j = json_as(CONF_WEBHOOK_SLACK, SCAN);

    (void)state;
    assert_string_equal(text(j, "text"),
                        "Scan ended: prod/&lt;app&gt;@" DIGEST " (critical 2), completed");
}

static void a_header_holds_no_line_break(void **state)
{
    AUTO(post) struct post p = {.n = 0};

    (void)state;
    post_init(&p);
    post_header(&p, "ce-subject", STR("a\r\nX-Evil: 1"));
    assert_true(post_close(&p));
    assert_string_equal(p.lines[0], "ce-subject: a  X-Evil: 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_structured_cloudevent_has_attributes_and_data),
        cmocka_unit_test(a_binary_cloudevent_has_its_attributes_in_headers),
        cmocka_unit_test(the_envelope_of_the_reference_registry_has_target_request_and_actor),
        cmocka_unit_test(the_reference_registry_has_no_words_for_scans),
        cmocka_unit_test(harbors_payload_names_the_resource),
        cmocka_unit_test(a_message_for_slack_is_escaped),
        cmocka_unit_test(a_header_holds_no_line_break),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
