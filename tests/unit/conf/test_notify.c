/* Webhooks and mail. */
#include "base/cleanup.h"
#include "conf/check_notify.h"
#include "conf/event_names.h"
#include "conf/print.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOOK(more) "webhooks:\n  - {name: a, url: \"https://h.example/in\"" more "}\n"
#define MAIL       "mail: {server: \"smtps://mail.example.org\", from: registry@example.org"

static void a_webhook_has_defaults(void **state)
{
    AUTO(conf) struct conf *c = conf_must(HOOK(""));
    const struct conf_webhook *w = &c->webhooks.items[0];

    (void)state;
    assert_int_equal(c->webhooks.n, 1);
    assert_int_equal(w->format, CONF_WEBHOOK_CLOUDEVENTS);
    assert_false(w->allow_private);
    assert_int_equal(w->retry_for_ms, 3 * 86400 * 1000);
    assert_int_equal(w->filter.events.n, 0);
}

static void a_webhook_is_read_with_its_filter_and_headers(void **state)
{
    AUTO(conf)
    struct conf *c =
        conf_must(HOOK(", format: cloudevents-binary, events: [push, pull.blocked], repositories: "
                       "[\"prod/**\"], headers: [{name: Authorization, value: secret}]"));
    const struct conf_webhook *w = &c->webhooks.items[0];

    (void)state;
    assert_int_equal(w->format, CONF_WEBHOOK_CLOUDEVENTS_BINARY);
    assert_string_equal(w->filter.events.items[1], "pull.blocked");
    assert_string_equal(w->filter.repositories.items[0], "prod/**");
    assert_string_equal(w->headers.items[0].value, "secret");
}

static void what_is_no_url_for_posts_is_refused(void **state)
{
    (void)state;
    conf_must_fail("webhooks:\n  - {name: a, url: \"ftp://h/in\"}\n",
                   "2: webhooks[0].url: 'ftp://h/in' is no URL; allowed is "
                   "'https://HOST[:PORT][/PATH]', or http, without a user");
}

static void of_a_url_the_server_alone_is_printed(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("webhooks:\n  - {name: a, url: \"https://h.example:8/T0/secret\"}\n"
                               "  - {name: b, url: \"https://h.example\"}\n");
    AUTO(buf) struct buf text = {0};

    (void)state;
    buf_init(&text, 1 << 20);
    conf_print(c, &text);
    assert_null(strstr(buf_text(&text), "secret\"}"));
    assert_null(strstr(buf_text(&text), "/T0"));
    assert_non_null(strstr(buf_text(&text), "url: \"https://h.example:8/********\""));
    assert_non_null(strstr(buf_text(&text), "url: \"https://h.example\""));
}

static void a_name_is_given_once(void **state)
{
    (void)state;
    conf_must_fail(HOOK("") "  - {name: a, url: \"https://other.example\"}\n",
                   "3: webhooks[1].name: there is another 'a'; each needs a name of its own");
}

static void a_header_of_the_sender_is_refused(void **state)
{
    (void)state;
    conf_must_fail(HOOK(", headers: [{name: webhook-id, value: x}]"),
                   "2: webhooks[0].headers[0].name: 'webhook-id' is no header, or one that the "
                   "sender sets itself");
}

static void headers_that_are_too_large_together_are_refused(void **state)
{
    AUTO(buf) struct buf text = {0};

    (void)state;
    buf_init(&text, 1 << 20);
    buf_add_text(&text, "webhooks:\n  - {name: a, url: \"https://h.example\", headers: [");
    for (int i = 0; i < 10; i++)
        buf_addf(&text, "%s{name: X-%d, value: \"%04000d\"}", i ? ", " : "", i, 0);
    buf_add_text(&text, "]}\n");
    conf_must_fail(buf_text(&text), "2: webhooks[0].headers: they are 40070 bytes; allowed are "
                                    "32768 together");
}

static void mail_is_sent_encrypted_unless_it_is_said(void **state)
{
    AUTO(conf) struct conf *c = conf_must(MAIL ", rules: [{name: r, to: [a@b.example]}]}\n");

    (void)state;
    assert_int_equal(c->mail.starttls, CONF_STARTTLS_REQUIRED);
    assert_string_equal(c->mail.rules.items[0].to.items[0], "a@b.example");
}

static void an_address_that_breaks_out_is_none(void **state)
{
    static const char *const wrong[] = {
        "", "a", "a@", "@b", "a@b@c", "a b@c.d", "a@b\r\nRCPT:", "<a@b>", "a\"@b.c"};

    (void)state;
    assert_true(conf_mail_address(STR("first.last+tag@mail.example.org")));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(conf_mail_address(str_of(wrong[i])));
}

static void a_rule_of_mail_has_readers(void **state)
{
    (void)state;
    conf_must_fail(MAIL ", rules: [{name: r}]}\n",
                   "1: mail.rules[0].to: nobody gets it; it needs 'to' or 'uploader'");
}

static void an_event_is_one_that_there_is(void **state)
{
    (void)state;
    assert_true(conf_event_matches("pull.blocked", "pull.blocked"));
    assert_true(conf_event_matches("scan", "scan.completed"));
    assert_false(conf_event_matches("scan", "scanner.completed"));
    assert_false(conf_event_matches("scan.completed", "scan"));
    conf_must_fail(HOOK(", events: [pusch]"),
                   "2: webhooks[0].events: 'pusch' is no event; there are manifest.pushed, "
                   "manifest.pulled, tag.moved, tag.deleted, manifest.deleted, repository.deleted, "
                   "upload.ended, scan.completed, scan.new_vulnerabilities, scan.published, "
                   "pull.blocked, quota.refused, gc.ended, push, pull, delete, "
                   "vulnerabilities.found, upload.finished, scan.finished");
}

static void other_words_mean_events(void **state)
{
    (void)state;
    assert_true(conf_event_matches("push", "manifest.pushed"));
    assert_true(conf_event_matches("delete", "tag.deleted"));
    assert_true(conf_event_matches("vulnerabilities.found", "scan.new_vulnerabilities"));
    assert_false(conf_event_matches("push", "manifest.deleted"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_webhook_has_defaults),
        cmocka_unit_test(a_webhook_is_read_with_its_filter_and_headers),
        cmocka_unit_test(what_is_no_url_for_posts_is_refused),
        cmocka_unit_test(of_a_url_the_server_alone_is_printed),
        cmocka_unit_test(headers_that_are_too_large_together_are_refused),
        cmocka_unit_test(a_name_is_given_once),
        cmocka_unit_test(a_header_of_the_sender_is_refused),
        cmocka_unit_test(mail_is_sent_encrypted_unless_it_is_said),
        cmocka_unit_test(an_address_that_breaks_out_is_none),
        cmocka_unit_test(a_rule_of_mail_has_readers),
        cmocka_unit_test(an_event_is_one_that_there_is),
        cmocka_unit_test(other_words_mean_events),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
