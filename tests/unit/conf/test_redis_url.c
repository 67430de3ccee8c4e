#include "conf/redis_url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct conf_redis_url parsed(const char *text)
{
    struct conf_redis_url u;
    struct err e;

    if (conf_redis_url_parse(str_of(text), &u, &e) != ERR_OK)
        fail_msg("%s: %s", text, e.detail);
    return u;
}

static void a_host_is_enough(void **state)
{
    struct conf_redis_url u = parsed("redis://localhost");

    (void)state;
    assert_string_equal(u.hosts[0].name, "localhost");
    assert_int_equal(u.hosts[0].port, 6379);
    assert_int_equal(u.n_hosts, 1);
    assert_int_equal(u.database, 0);
    assert_false(u.tls || u.sentinel || u.in_clear);
    assert_string_equal(u.user, "");
    assert_string_equal(u.password, "");
}

static void all_that_a_server_needs_is_taken(void **state)
{
    struct conf_redis_url u = parsed("rediss://me:s%3Ae%40c@[2001:db8::1]:7000/12");

    (void)state;
    assert_true(u.tls);
    assert_false(u.in_clear);
    assert_string_equal(u.hosts[0].name, "2001:db8::1");
    assert_int_equal(u.hosts[0].port, 7000);
    assert_string_equal(u.user, "me");
    assert_string_equal(u.password, "s:e@c");
    assert_int_equal(u.database, 12);
}

static void a_password_may_come_without_a_user_and_without_being_encoded(void **state)
{
    struct conf_redis_url u = parsed("redis://:a/b@c:d@10.0.0.1/");

    (void)state;
    assert_string_equal(u.user, "");
    assert_string_equal(u.password, "a/b@c:d");
    assert_string_equal(u.hosts[0].name, "10.0.0.1");
    assert_true(u.in_clear);
}

static void sentinels_are_several_and_have_a_name_for_the_server(void **state)
{
    struct conf_redis_url u = parsed("redis+sentinel://:p@a,b:1,[::1]:2/my%20redis/3");

    (void)state;
    assert_true(u.sentinel);
    assert_int_equal(u.n_hosts, 3);
    assert_string_equal(u.hosts[0].name, "a");
    assert_int_equal(u.hosts[0].port, 26379);
    assert_int_equal(u.hosts[1].port, 1);
    assert_string_equal(u.hosts[2].name, "::1");
    assert_int_equal(u.hosts[2].port, 2);
    assert_string_equal(u.name, "my redis");
    assert_int_equal(u.database, 3);
    assert_true(parsed("rediss+sentinel://a/m").tls);
}

static void a_cluster_is_refused_by_its_name(void **state)
{
    struct conf_redis_url u;
    struct err e;

    (void)state;
    assert_int_equal(conf_redis_url_parse(STR("redis+cluster://:hush@a,b"), &u, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "Cluster is not supported"));
    assert_null(strstr(e.detail, "hush"));
}

static void other_texts_are_refused_without_being_repeated(void **state)
{
    static const char *const bad[] = {
        "",
        "hush",
        "redis:hush",
        "http://hush",
        "redis://",
        "redis://:hush@",
        "redis:///hush",
        "redis://:hush%2@a",
        "redis://:hush%00@a",
        "redis://a:hush",
        "redis://a:0",
        "redis://a:65536",
        "redis://a:",
        "redis://a/hush",
        "redis://a/1/hush",
        "redis://a/-1",
        "redis://a,hush",
        "redis://a?hush=1",
        "redis://[::1",
        "redis://[::1]hush",
        "redis://a b",
        "redis+sentinel://hush",
        "redis+sentinel://hush/",
        "redis+sentinel://,hush/m",
        "redis+sentinel://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,hush/m",
    };
    struct conf_redis_url u;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (conf_redis_url_parse(str_of(bad[i]), &u, &e) != ERR_CONFIG)
            fail_msg("%s", bad[i]);
        assert_null(strstr(e.detail, "hush"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_enough),
        cmocka_unit_test(all_that_a_server_needs_is_taken),
        cmocka_unit_test(a_password_may_come_without_a_user_and_without_being_encoded),
        cmocka_unit_test(sentinels_are_several_and_have_a_name_for_the_server),
        cmocka_unit_test(a_cluster_is_refused_by_its_name),
        cmocka_unit_test(other_texts_are_refused_without_being_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
