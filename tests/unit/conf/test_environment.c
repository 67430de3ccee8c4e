#include "base/cleanup.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum err_code load(const char *variable, struct conf **ret_conf, struct err *e)
{
    char *environment[] = {(char[]){"PATH=/bin"}, (char *)variable, NULL};

    return conf_load(NULL, environment, ret_conf, e);
}

static void must_fail(const char *variable, const char *detail)
{
    struct conf *c = NULL;
    struct err e;

    assert_int_equal(load(variable, &c, &e), ERR_CONFIG);
    assert_null(c);
    assert_string_equal(e.detail, detail);
}

static void every_kind_of_value_is_read(void **state)
{
    char *environment[] = {
        (char[]){"REGISTRY_HTTP_LISTEN=127.0.0.1:1, 127.0.0.1:2"},
        (char[]){"REGISTRY_HTTP_TLS_MIN_VERSION=1.3"},
        (char[]){"REGISTRY_LIMITS_BLOB_SIZE=1GiB"},
        (char[]){"REGISTRY_UPLOAD_TIMEOUT=90s"},
        (char[]){"REGISTRY_STORAGE_FILESYSTEM_ROOT=/a=b"},
        (char[]){"REGISTRY_STORAGE_FILESYSTEM_FSYNC=false"},
        (char[]){"REGISTRY_LOG_FILE="},
        (char[]){"REGISTRY_CONFIG=/ignored/here"},
        NULL,
    };
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(conf_load(NULL, environment, &c, &e), ERR_OK);
    assert_int_equal(c->http.listen.n, 2);
    assert_string_equal(c->http.listen.items[1], "127.0.0.1:2");
    assert_int_equal(c->http.tls.min_version, CONF_TLS_1_3);
    assert_int_equal(c->limits.blob_bytes, 1 << 30);
    assert_int_equal(c->registry.upload_timeout_ms, 90000);
    assert_string_equal(c->storage.root, "/a=b");
    assert_false(c->storage.fsync);
    assert_string_equal(c->log.file, "");
}

static void the_environment_wins_over_the_file(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_HTTP_WORKERS=9"}, NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(conf_load_bytes(STR("http: {workers: 5, queue: 6}\n"), environment, &c, &e),
                     ERR_OK);
    assert_int_equal(c->http.workers, 9);
    assert_int_equal(c->http.queue, 6);
}

static void a_variable_that_no_key_owns_is_an_error(void **state)
{
    (void)state;
    must_fail("REGISTRY_LOG_LEVL=info", "environment variable REGISTRY_LOG_LEVL: no key has this "
                                        "name; did you mean REGISTRY_LOG_LEVEL?");
    must_fail("REGISTRY_=", "environment variable REGISTRY_: no key has this name; 'registry "
                            "config print' shows all keys");
    must_fail("REGISTRY_http_listen=x", "environment variable REGISTRY_http_listen: no key has "
                                        "this name; did you mean REGISTRY_HTTP_LISTEN?");
}

static void a_wrong_value_names_the_variable(void **state)
{
    (void)state;
    must_fail("REGISTRY_HTTP_WORKERS=0",
              "environment variable REGISTRY_HTTP_WORKERS: '0' is out of range; allowed is a whole "
              "number from 1 to 4096");
    must_fail("REGISTRY_HTTP_LISTEN=", "environment variable REGISTRY_HTTP_LISTEN: '[]' has too "
                                       "few items; allowed is a list of 1 to 16 texts");
    must_fail("REGISTRY_HTTP_TLS_KEY=/k",
              "environment variable REGISTRY_HTTP_TLS_KEY: a key needs its certificate: set "
              "http.tls.certificate too");
}

static void variables_of_orchestrators_are_left_alone(void **state)
{
    static const char *const others[] = {
        "REGISTRY_SERVICE_HOST=10.0.0.1",
        "REGISTRY_SERVICE_PORT=5000",
        "REGISTRY_SERVICE_PORT_HTTP=5000",
        "REGISTRY_PORT=tcp://10.0.0.1:5000",
        "REGISTRY_PORT_5000_TCP=tcp://10.0.0.1:5000",
        "REGISTRY_PORT_5000_TCP_ADDR=10.0.0.1",
        "REGISTRY_PORT_5000_TCP_PROTO=tcp",
        "REGISTRY_UI_SERVICE_HOST=10.0.0.2",
        "REGISTRY_UI_PORT_80_TCP_PORT=80",
        "REGISTRYX=1",
        "NOT_REGISTRY_X=1",
        "no equals sign",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        AUTO(conf) struct conf *c = NULL;
        struct err e;

        if (load(others[i], &c, &e) != ERR_OK)
            fail_msg("%s", e.detail);
    }
    must_fail("REGISTRY_PORT=5000", "environment variable REGISTRY_PORT: no key has this name; "
                                    "'registry config print' shows all keys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(the_environment_wins_over_the_file),
        cmocka_unit_test(a_variable_that_no_key_owns_is_an_error),
        cmocka_unit_test(a_wrong_value_names_the_variable),
        cmocka_unit_test(variables_of_orchestrators_are_left_alone),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
