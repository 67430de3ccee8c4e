/* Credentials of Docker's configuration, for the server that is asked. */
#include "cli/docker_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct docker_auth auth;
static struct err err;

static enum err_code find(const char *config, const char *server)
{
    char text[1024];
    char *const environment[] = {text, NULL};

    docker_auth_done(&auth);
    docker_auth_init(&auth);
    snprintf(text, sizeof(text), "DOCKER_AUTH_CONFIG=%s", config);
    return docker_auth_find(environment, str_of(server), &auth, &err);
}

static void assert_found(const char *config, const char *server, const char *basic)
{
    assert_int_equal(find(config, server), ERR_OK);
    assert_string_equal(buf_text(&auth.basic), basic);
}

static int done(void **state)
{
    (void)state;
    docker_auth_done(&auth);
    return 0;
}

static void an_entry_is_of_its_host_and_port_alone(void **state)
{
    static const char config[] = "{\"auths\":{\"a.example:5000\":{\"auth\":\"YTpi\"},"
                                 "\"https://b.example/v1/\":{\"auth\":\"Yzpk\"}}}";

    (void)state;
    assert_found(config, "a.example:5000", "YTpi");
    assert_found(config, "A.example:5000", "YTpi");
    assert_found(config, "b.example", "Yzpk");
    assert_found(config, "a.example", "");
    assert_found(config, "a.example:50000", "");
    assert_found("{}", "a.example", "");
}

static void that_of_the_hub_is_known_by_another_name(void **state)
{
    (void)state;
    assert_found("{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"YTpi\"}}}",
                 "registry-1.docker.io", "YTpi");
    assert_found("{\"auths\":{\"docker.io\":{\"auth\":\"YTpi\"}}}", "registry-1.docker.io", "YTpi");
    assert_found("{\"auths\":{\"docker.io\":{\"auth\":\"YTpi\"}}}", "elsewhere.example", "");
}

static void an_identity_token_may_be_there(void **state)
{
    (void)state;
    assert_found("{\"auths\":{\"a\":{\"auth\":\"YTo=\",\"identitytoken\":\"secret\"}}}", "a",
                 "YTo=");
    assert_string_equal(buf_text(&auth.identity_token), "secret");
}

static void what_is_no_configuration_is_refused(void **state)
{
    (void)state;
    assert_int_equal(find("{", "a"), ERR_CONFIG);
    assert_found("{\"auths\":[],\"credHelpers\":3,\"credsStore\":{}}", "a", "");
    assert_found("{\"auths\":{\"a\":3,\"a/x\":{\"auth\":4}},\"credHelpers\":{\"a\":5}}", "a", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_entry_is_of_its_host_and_port_alone, done),
        cmocka_unit_test_teardown(that_of_the_hub_is_known_by_another_name, done),
        cmocka_unit_test_teardown(an_identity_token_may_be_there, done),
        cmocka_unit_test_teardown(what_is_no_configuration_is_refused, done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
