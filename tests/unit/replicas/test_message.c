#include "replicas/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FROM   "0b7e7b5e-3c1f-4f8e-9d6a-2f4b6c8d0e1f"
#define TO     "1b7e7b5e-3c1f-4f8e-9d6a-2f4b6c8d0e1f"
#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct uuid id(const char *text)
{
    struct uuid u;

    assert_true(uuid_parse(str_of(text), &u));
    return u;
}

static void what_is_written_is_read(void **state)
{
    const struct message sent = {
        .kind = MESSAGE_ENTER, .from = id(FROM), .number = 7, .lowest = UINT64_MAX};
    AUTO(buf) struct buf text = {0};
    struct message m;
    struct message_key k;

    (void)state;
    buf_init(&text, 1000);
    message_begin(&text, &sent);
    message_add_key(&text, STR("a/b"), STR("latest"));
    message_add_key(&text, STR("c"), STR(DIGEST));
    message_add_key(&text, STR(""), STR(""));
    assert_true(message_parse(buf_str(&text), &m));
    assert_int_equal(m.kind, MESSAGE_ENTER);
    assert_string_equal(m.from.text, FROM);
    assert_int_equal(m.number, 7);
    assert_true(m.lowest == UINT64_MAX);
    assert_true(message_next_key(&m.keys, &k));
    assert_true(str_eq(k.repo, STR("a/b")) && str_eq(k.reference, STR("latest")));
    assert_true(message_next_key(&m.keys, &k));
    assert_true(str_eq(k.repo, STR("c")) && str_eq(k.reference, STR(DIGEST)));
    assert_true(message_next_key(&m.keys, &k));
    assert_int_equal(k.repo.n + k.reference.n, 0);
    assert_false(message_next_key(&m.keys, &k));
}

static void an_answer_names_whom_it_is_for(void **state)
{
    const struct message sent = {
        .kind = MESSAGE_ENTERED, .from = id(FROM), .to = id(TO), .number = 7, .lowest = 3};
    AUTO(buf) struct buf text = {0};
    struct message m;

    (void)state;
    buf_init(&text, 1000);
    message_begin(&text, &sent);
    assert_true(message_parse(buf_str(&text), &m));
    assert_string_equal(m.to.text, TO);
    assert_int_equal(m.lowest, 3);
}

static void what_is_no_message_is_none(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "hello",
        "registry-2 leave " FROM " - 1 1\n",
        "registry-1 stay " FROM " - 1 1\n",
        "registry-1 leave " FROM " - 1 1",
        "registry-1 leave " FROM " - 1\n",
        "registry-1 leave " FROM " - 1 -1\n",
        "registry-1 leave " FROM " - 1 1 1\n",
        "registry-1 leave 7 - 1 1\n",
        "registry-1 leave " FROM " " TO " 1 1\n",
        "registry-1 entered " FROM " - 1 1\n",
        "registry-1 leave " FROM " - 1 1\na/b latest\n",
        "registry-1 enter " FROM " - 1 1\n",
        "registry-1 enter " FROM " - 1 1\na/b latest",
        "registry-1 enter " FROM " - 1 1\na/b\n",
        "registry-1 enter " FROM " - 1 1\nA/B latest\n",
        "registry-1 enter " FROM " - 1 1\na/b sha256:00\n",
        "registry-1 enter " FROM " - 1 1\n latest\n",
    };
    struct message m;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (message_parse(str_of(texts[i]), &m))
            fail_msg("taken for a message: %s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(an_answer_names_whom_it_is_for),
        cmocka_unit_test(what_is_no_message_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
