/* The example of the specification, and secrets. */
#include "base/cleanup.h"
#include "notify/webhook_signature.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_request_is_signed_as_the_specification_does(void **state)
{
    AUTO(post) struct post p = {.n = 0};
    struct webhook_key key;
    struct err e = {0};

    (void)state;
    assert_int_equal(webhook_key_parse(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), &key, &e),
                     ERR_OK);
    post_init(&p);
    buf_add_text(&p.body, "{\"test\": 2432232314}");
    webhook_sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, &p);
    assert_true(post_close(&p));
    assert_string_equal(p.lines[2],
                        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_secret_without_the_prefix_is_its_bytes(void **state)
{
    struct webhook_key key;
    struct err e = {0};

    (void)state;
    assert_int_equal(webhook_key_parse(STR(" geheim \r\n"), &key, &e), ERR_OK);
    assert_int_equal(key.n, 6);
    assert_memory_equal(key.bytes, "geheim", 6);
}

static void a_secret_that_is_none_is_refused(void **state)
{
    struct webhook_key key;
    struct err e = {0};

    (void)state;
    assert_int_equal(webhook_key_parse(STR("\n"), &key, &e), ERR_CONFIG);
    assert_int_equal(webhook_key_parse(STR("whsec_%%"), &key, &e), ERR_CONFIG);
    assert_int_equal(webhook_key_parse(STR("whsec_"), &key, &e), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_as_the_specification_does),
        cmocka_unit_test(a_secret_without_the_prefix_is_its_bytes),
        cmocka_unit_test(a_secret_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
