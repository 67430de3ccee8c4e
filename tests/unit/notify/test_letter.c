/* Mails that tell of events. */
#include "base/cleanup.h"
#include "notify/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define EVENT(more)                                                                                \
    "{\"id\":\"01985f00-0000-7000-8000-000000000001\",\"event\":\"upload.ended\",\"time\":"        \
    "\"2027-01-02T03:04:05.678Z\",\"repository\":\"prod/app\",\"result\":\"done\"" more "}"

static const struct conf_mail mail = {.from = "registry@example.org"};

static void write_one(const char *event, struct conf_mail_rule *rule, struct notice *n,
                      struct letter *ret)
{
    assert_int_equal(notice_read(str_of(event), n, ERR_IGNORED), ERR_OK);
    letter_write(&mail, rule, n, ret);
    assert_false(ret->text.full);
}

static void a_mail_goes_to_the_rule_and_the_uploader(void **state)
{
    AUTO(letter) struct letter l = {.n_to = 0};
    AUTO(notice) struct notice n = {0};
    char *to[] = {"ops@example.org"};
    struct conf_mail_rule rule = {.to = {.items = to, .n = 1}, .uploader = true};

    (void)state;
    write_one(EVENT(",\"user\":\"user:alice@example.org\""), &rule, &n, &l);
    assert_int_equal(l.n_to, 2);
    assert_string_equal(l.to[1], "alice@example.org");
    assert_non_null(strstr(buf_text(&l.text), "Date: Sat, 02 Jan 2027 03:04:05 +0000\r\n"));
    assert_non_null(
        strstr(buf_text(&l.text), "To: <ops@example.org>,\r\n <alice@example.org>\r\n"));
}

static void a_name_that_is_no_address_gets_nothing(void **state)
{
    AUTO(notice) struct notice n = {0};
    const struct conf_mail_rule rule = {.uploader = true};

    (void)state;
    assert_int_equal(
        notice_read(STR(EVENT(",\"user\":\"user:al\\r\\nice@e.org\"")), &n, ERR_IGNORED), ERR_OK);
    assert_false(letter_has_reader(&rule, &n));
}

static void nothing_of_an_event_becomes_a_header(void **state)
{
    AUTO(letter) struct letter l = {.n_to = 0};
    AUTO(notice) struct notice n = {0};
    char *to[] = {"ops@example.org"};
    struct conf_mail_rule rule = {.to = {.items = to, .n = 1}};

    (void)state;
    write_one(EVENT(",\"reason\":\"x\\r\\nBcc: evil@example.org\\r\\n.\\r\\n\""), &rule, &n, &l);
    assert_null(strstr(buf_text(&l.text), "Bcc"));
    assert_null(strstr(buf_text(&l.text), "\r\n.\r\n"));
    assert_non_null(strstr(buf_text(&l.text), "Subject: =?utf-8?B?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_goes_to_the_rule_and_the_uploader),
        cmocka_unit_test(a_name_that_is_no_address_gets_nothing),
        cmocka_unit_test(nothing_of_an_event_becomes_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
