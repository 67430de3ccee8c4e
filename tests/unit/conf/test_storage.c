#include "base/buf.h"
#include "base/cleanup.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define S3 "storage:\n  backend: s3\n  s3:\n    bucket: b-1\n"

static void a_bucket_with_a_cache_before_it_loads(void **state)
{
    struct conf *c = conf_must("storage:\n"
                               "  backend: s3\n"
                               "  s3:\n"
                               "    bucket: my-registry\n"
                               "    region: us-east-1\n"
                               "    prefix: registry/\n"
                               "  cache:\n"
                               "    type: redis\n"
                               "    redis_url: redis://localhost:6379\n"
                               "    disk_path: /var/cache/registry\n"
                               "    disk_size_gb: 50\n");
    const struct conf_storage *s = &c->storage;

    (void)state;
    assert_int_equal(s->backend, CONF_STORAGE_S3);
    assert_string_equal(s->s3.bucket, "my-registry");
    assert_string_equal(s->s3.region, "us-east-1");
    assert_string_equal(s->s3.prefix, "registry/");
    assert_int_equal(s->cache.type, CONF_CACHE_REDIS);
    assert_string_equal(s->cache.redis_url, "redis://localhost:6379");
    assert_string_equal(s->cache.disk_path, "/var/cache/registry");
    assert_int_equal(s->cache.disk_size_gb, 50);
    assert_int_equal(c->warnings.n, 1);
    assert_non_null(
        strstr(c->warnings.items[0], ":8: storage.cache.type: 'redis' is of no use with"));
    conf_free(c);
}

static void s3_needs_a_bucket(void **state)
{
    (void)state;
    conf_must_fail("storage:\n  backend: s3\n",
                   "2: storage.backend: 's3' needs a bucket: set storage.s3.bucket");
    conf_must_fail("storage:\n  s3:\n    bucket: a/b\n",
                   "3: storage.s3.bucket: 'a/b' is no name of a bucket; allowed are 3 to 63 "
                   "letters, digits, dots and '-'");
}

static void a_prefix_gets_its_slash(void **state)
{
    static const char *const pairs[][2] = {
        {"registry", "registry/"}, {"a/b.c_d-e/", "a/b.c_d-e/"}, {"''", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char yaml[128];
        struct conf *c;

        snprintf(yaml, sizeof(yaml), S3 "    prefix: %s\n", pairs[i][0]);
        c = conf_must(yaml);
        assert_string_equal(c->storage.s3.prefix, pairs[i][1]);
        conf_free(c);
    }
}

static void a_prefix_that_servers_would_resolve_is_refused(void **state)
{
    static const char *const wrong[] = {"/a/", "a//b/", "../a/", "a/./", "a b/", "//"};
    char yaml[128], detail[320];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(yaml, sizeof(yaml), S3 "    prefix: '%s'\n", wrong[i]);
        snprintf(detail, sizeof(detail),
                 "5: storage.s3.prefix: '%s' is no prefix; allowed is one such as 'registry/', of "
                 "letters, digits and -._ with slashes between and none before",
                 wrong[i]);
        conf_must_fail(yaml, detail);
    }
}

static void the_bucket_is_in_the_path_where_there_is_an_endpoint(void **state)
{
    static const struct {
        const char *yaml;
        bool path_style;
    } rows[] = {
        {S3, false},
        {S3 "    endpoint: https://s3.example.com\n", true},
        {S3 "    endpoint: https://s3.example.com\n    path_style: false\n", false},
        {S3 "    path_style: true\n", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf *c = conf_must(rows[i].yaml);

        assert_int_equal(c->storage.s3.path_style, rows[i].path_style);
        conf_free(c);
    }
}

static void an_endpoint_is_the_address_of_a_server(void **state)
{
    static const char *const wrong[] = {"s3.example.com", "ftp://s3.example.com",
                                        "https://s3.example.com/bucket", "https://u:p@s3.example",
                                        "https://s3.example?x"};
    char yaml[128], detail[320];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(yaml, sizeof(yaml), S3 "    endpoint: '%s'\n", wrong[i]);
        snprintf(detail, sizeof(detail),
                 "5: storage.s3.endpoint: '%s' is no address of a server; allowed is "
                 "'https://HOST[:PORT]', or 'http://' in the same way, without a path",
                 wrong[i]);
        conf_must_fail(yaml, detail);
    }
}

static void only_an_endpoint_that_others_can_listen_to_is_warned_of(void **state)
{
    struct conf *near = conf_must(S3 "    endpoint: http://127.0.0.1:9000/\n");
    struct conf *far = conf_must(S3 "    endpoint: http://minio:9000\n");

    (void)state;
    assert_int_equal(near->warnings.n, 0);
    assert_int_equal(far->warnings.n, 1);
    assert_non_null(strstr(far->warnings.items[0], ":5: storage.s3.endpoint: what is stored"));
    conf_free(near);
    conf_free(far);
}

static void an_access_key_and_its_secret_go_together(void **state)
{
    (void)state;
    conf_must_fail(S3 "    access_key: a\n",
                   "5: storage.s3.access_key: an access key needs its secret: set "
                   "storage.s3.secret_key too");
    conf_must_fail(S3 "    access_key_file: /a\n",
                   "5: storage.s3.access_key_file: an access key needs its secret: set "
                   "storage.s3.secret_key too");
    conf_must_fail(S3 "    secret_key: s\n", "5: storage.s3.secret_key: a secret needs its access "
                                             "key: set storage.s3.access_key too");
    conf_must_fail(S3 "    access_key: a\n    secret_key: s\n    secret_key_file: /f\n",
                   "7: storage.s3.secret_key_file: is given as well as storage.s3.secret_key; "
                   "leave out one of them");
    conf_must_fail(S3 "    access_key_file: /a\n    access_key: a\n    secret_key: s\n",
                   "5: storage.s3.access_key_file: is given as well as storage.s3.access_key; "
                   "leave out one of them");
    conf_must_fail(S3 "    session_token: t\n",
                   "5: storage.s3.session_token: goes with an access key: set "
                   "storage.s3.access_key too");
    conf_free(conf_must(S3 "    access_key: a\n    secret_key_file: /f\n"));
}

static void secrets_are_not_shown(void **state)
{
    struct conf *c = conf_must("storage:\n"
                               "  s3: {access_key: a, secret_key: hush1, session_token: hush2}\n"
                               "  cache: {redis_url: 'redis://:hush3@localhost'}\n");
    AUTO(buf) struct buf text = {0};

    (void)state;
    buf_init(&text, 1 << 20);
    conf_print(c, &text);
    assert_null(strstr(buf_text(&text), "hush"));
    conf_free(c);
    conf_must_fail("storage:\n  cache:\n    redis_url: 'http://:hush@localhost'\n",
                   "3: storage.cache.redis_url: allowed is an address that begins with 'redis://' "
                   "or 'rediss://' (TLS), or, with Sentinels, 'redis+sentinel://' or "
                   "'rediss+sentinel://'");
}

#define REDIS "storage:\n  cache:\n    type: redis\n"

static void redis_is_given_one_password(void **state)
{
    (void)state;
    conf_must_fail(REDIS, "3: storage.cache.type: 'redis' needs an address: set "
                          "storage.cache.redis_url");
    conf_must_fail(REDIS "    redis_url: redis://:p@localhost\n    redis_password_file: /p\n",
                   "5: storage.cache.redis_password_file: storage.cache.redis_url has a password; "
                   "leave out one of them");
    conf_must_fail(REDIS "    redis_url: redis://hush@localhost\n",
                   "4: storage.cache.redis_url: a user needs a password: "
                   "'redis://USER:PASSWORD@HOST', or a file (storage.cache.redis_password_file); a "
                   "password alone is ':PASSWORD@'");
    conf_free(conf_must(REDIS "    redis_url: redis://u@localhost\n    redis_password_file: /p\n"));
}

static void redis_has_sentinels_with_a_password_or_none(void **state)
{
    static const char *const more = "    redis_sentinel_password_file: /p\n";
    char text[256];

    (void)state;
    snprintf(text, sizeof(text), REDIS "    redis_url: redis://localhost\n%s", more);
    conf_must_fail(text, "5: storage.cache.redis_sentinel_password_file: is used with an address "
                         "of Sentinels only ('redis+sentinel://')");
    snprintf(text, sizeof(text), REDIS "    redis_url: redis+sentinel://localhost/m\n%s", more);
    conf_free(conf_must(text));
}

static void redis_without_tls_is_warned_of(void **state)
{
    struct conf *c = conf_must("storage: {cache: {redis_url: 'redis://:hush@db'}}\n");

    (void)state;
    assert_int_equal(c->warnings.n, 1);
    assert_non_null(strstr(c->warnings.items[0], "storage.cache.redis_url: what is kept in Redis"));
    assert_null(strstr(c->warnings.items[0], "hush"));
    conf_free(c);
}

static void postgresql_needs_its_url_which_is_never_shown(void **state)
{
    struct conf *c = conf_must("metadata: {driver: postgresql, url: 'postgresql://a:hush@db/r'}\n");
    AUTO(buf) struct buf text = {0};

    (void)state;
    assert_int_equal(c->metadata.driver, CONF_METADATA_POSTGRESQL);
    buf_init(&text, 1 << 20);
    conf_print(c, &text);
    assert_null(strstr(buf_text(&text), "hush"));
    conf_free(c);
    conf_must_fail("metadata:\n  driver: postgresql\n",
                   "2: metadata.driver: 'postgresql' needs the address of a database: set "
                   "metadata.url");
    conf_must_fail("metadata:\n  driver: postgresql\n  url: 'mysql://a:hush@db/r'\n",
                   "3: metadata.url: allowed is an address that begins with 'postgresql://'");
    conf_must_fail("metadata:\n  url: 'postgresql://a:hush@db/r'\n",
                   "2: metadata.url: is used with 'metadata.driver: postgresql' only");
}

#define RDS "metadata:\n  driver: postgresql\n  url: 'postgresql://a@db/r?sslmode=require'\n"

static void a_token_of_rds_is_the_only_password(void **state)
{
    struct conf *c = conf_must(RDS "  postgresql: {iam: true}\n");

    (void)state;
    assert_true(c->metadata.iam);
    conf_free(c);
    conf_must_fail(RDS "  password_file: /p\n  postgresql: {iam: true}\n",
                   "5: metadata.postgresql.iam: with it a token is the password: leave "
                   "metadata.password_file out");
}

/* A write in doubt is waited for a minute; by then it must long be known who is gone. */
static void a_lease_is_far_below_a_minute(void **state)
{
    (void)state;
    conf_free(conf_must("replicas: {lease: 15s}\n"));
    conf_must_fail("replicas: {lease: 16s}\n", "1: replicas.lease: '16s' is out of range; allowed "
                                               "is a duration from 400ms to 15s");
}

static void a_secret_may_come_from_the_environment(void **state)
{
    char access[] = "REGISTRY_STORAGE_S3_ACCESS_KEY=a",
         secret[] = "REGISTRY_STORAGE_S3_SECRET_KEY=s";
    char *environment[] = {access, secret, NULL};
    struct conf *c;
    struct err e;

    (void)state;
    assert_int_equal(conf_load_bytes(STR(S3), environment, &c, &e), ERR_OK);
    assert_string_equal(c->storage.s3.access_key, "a");
    assert_string_equal(c->storage.s3.secret_key, "s");
    conf_free(c);
}

static void a_key_of_the_key_management_needs_it(void **state)
{
    (void)state;
    conf_must_fail(S3 "    sse: s3\n    kms_key_id: k\n",
                   "6: storage.s3.kms_key_id: is used with 'storage.s3.sse: kms' only");
    conf_free(conf_must(S3 "    sse: kms\n    kms_key_id: arn:aws:kms:eu-west-1:1:key/k\n"));
    conf_free(conf_must(S3 "    sse: kms\n"));
}

static void a_part_has_the_size_that_s3_takes(void **state)
{
    (void)state;
    conf_must_fail(
        S3 "    part_size: 4MiB\n",
        "5: storage.s3.part_size: '4MiB' is out of range; allowed is a size from 5MiB to 5GiB");
    conf_must_fail(
        S3 "    part_size: 6GiB\n",
        "5: storage.s3.part_size: '6GiB' is out of range; allowed is a size from 5MiB to 5GiB");
    conf_free(conf_must(S3 "    part_size: 64MiB\n"));
}

static void temporary_files_have_room_for_a_part(void **state)
{
    (void)state;
    conf_must_fail(S3 "    temp_size: 4MiB\n",
                   "5: storage.s3.temp_size: the smallest part of an upload has 5MiB; allowed is "
                   "0, or more");
    conf_free(conf_must(S3 "    temp_size: 5MiB\n"));
    conf_free(conf_must(S3 "    temp_size: 0\n"));
}

static void what_can_t_be_read_at_once_is_no_storage_class(void **state)
{
    (void)state;
    conf_must_fail(S3 "    storage_class: DEEP_ARCHIVE\n",
                   "5: storage.s3.storage_class: what is in 'DEEP_ARCHIVE' can't be pulled before "
                   "somebody has it restored; 'GLACIER_IR' and 'INTELLIGENT_TIERING' can");
    conf_must_fail(S3 "    storage_class: 'a b'\n",
                   "5: storage.s3.storage_class: 'a b' is no storage class; allowed is a name such "
                   "as 'STANDARD_IA'");
    conf_free(conf_must(S3 "    storage_class: GLACIER_IR\n"));
}

static void a_transition_has_an_age_and_a_class(void **state)
{
    (void)state;
    conf_must_fail(S3 "    lifecycle:\n      transition_days: 30\n",
                   "6: storage.s3.lifecycle.transition_days: where to? Set "
                   "storage.s3.lifecycle.transition_class too");
    conf_must_fail(S3 "    lifecycle:\n      transition_class: GLACIER\n",
                   "6: storage.s3.lifecycle.transition_class: what is in 'GLACIER' can't be pulled "
                   "before somebody has it restored; 'GLACIER_IR' and 'INTELLIGENT_TIERING' can");
    conf_free(
        conf_must(S3 "    lifecycle: {transition_days: 30, transition_class: STANDARD_IA}\n"));
}

static void the_server_deletes_no_upload_that_may_go_on(void **state)
{
    (void)state;
    conf_must_fail("upload: {timeout: 1d}\n" S3 "    lifecycle:\n      expire_uploads_days: 1\n",
                   "7: storage.s3.lifecycle.expire_uploads_days: must be longer than "
                   "upload.timeout");
    conf_must_fail("upload: {timeout: 7d}\n" S3 "    lifecycle:\n      abort_multipart_days: 7\n",
                   "7: storage.s3.lifecycle.abort_multipart_days: must be longer than "
                   "upload.timeout");
    conf_free(conf_must(S3 "    lifecycle: {expire_uploads_days: 1, abort_multipart_days: 1}\n"));
}

static void redirects_are_off_and_have_a_short_form(void **state)
{
    struct conf *off = conf_must(S3), *on = conf_must(S3 "    redirect: true\n");

    (void)state;
    assert_false(off->storage.s3.redirect.enabled);
    assert_true(on->storage.s3.redirect.enabled);
    conf_free(off);
    conf_free(on);
    conf_must_fail(S3 "    redirect:\n      networks: [10.0.0.1/8]\n",
                   "6: storage.s3.redirect.networks: '10.0.0.1/8' is no address or network; "
                   "allowed are '10.1.2.3', '10.0.0.0/8' (no bits set behind the prefix), '::1' "
                   "and 'fd00::/8'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_with_a_cache_before_it_loads),
        cmocka_unit_test(s3_needs_a_bucket),
        cmocka_unit_test(a_prefix_gets_its_slash),
        cmocka_unit_test(a_prefix_that_servers_would_resolve_is_refused),
        cmocka_unit_test(the_bucket_is_in_the_path_where_there_is_an_endpoint),
        cmocka_unit_test(an_endpoint_is_the_address_of_a_server),
        cmocka_unit_test(only_an_endpoint_that_others_can_listen_to_is_warned_of),
        cmocka_unit_test(an_access_key_and_its_secret_go_together),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(redis_is_given_one_password),
        cmocka_unit_test(redis_has_sentinels_with_a_password_or_none),
        cmocka_unit_test(redis_without_tls_is_warned_of),
        cmocka_unit_test(postgresql_needs_its_url_which_is_never_shown),
        cmocka_unit_test(a_token_of_rds_is_the_only_password),
        cmocka_unit_test(a_lease_is_far_below_a_minute),
        cmocka_unit_test(a_secret_may_come_from_the_environment),
        cmocka_unit_test(a_key_of_the_key_management_needs_it),
        cmocka_unit_test(a_part_has_the_size_that_s3_takes),
        cmocka_unit_test(temporary_files_have_room_for_a_part),
        cmocka_unit_test(what_can_t_be_read_at_once_is_no_storage_class),
        cmocka_unit_test(a_transition_has_an_age_and_a_class),
        cmocka_unit_test(the_server_deletes_no_upload_that_may_go_on),
        cmocka_unit_test(redirects_are_off_and_have_a_short_form),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
