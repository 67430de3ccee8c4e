/* What is made of a bucket at the start, before a server that answers what the test says. */
#include "store/s3/s3.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "small_server.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(a)    (sizeof(a) / sizeof((a)[0]))
#define DONE    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define GONE    "HTTP/1.1 204 x\r\n\r\n"
#define MISSING "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"
#define DENIED                                                                                     \
    "HTTP/1.1 403 x\r\nContent-Length: 40\r\n\r\n<Error><Code>AccessDenied</Code></Error>"
#define VERSIONED                                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Length: 75\r\n\r\n"                                                \
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
#define EXPIRING                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Length: 165\r\n\r\n"                                               \
    "<LifecycleConfiguration><Rule><ID>x</ID><NoncurrentVersionExpiration><NoncurrentDays>1"       \
    "</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"

struct fixture {
    struct small_server *server;
    struct s3_client *c;
    struct err err;
    char dir[TEMP_DIR_MAX], log[TEMP_PATH_MAX];
    struct buf logged;
};

static enum err_code give_key(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    (void)ctx, (void)e;
    snprintf(ret_key->access, sizeof(ret_key->access), "access");
    snprintf(ret_key->secret, sizeof(ret_key->secret), "secret");
    return ERR_OK;
}

static struct fixture *begin(const struct small_server_answer *answers, size_t n,
                             struct store_s3_lifecycle lifecycle)
{
    struct fixture *f = NEW(struct fixture);
    struct store_s3_options o = {.bucket = "bucket",
                                 .region = "us-east-1",
                                 .path_style = true,
                                 .key = give_key,
                                 .timeout_ms = 5000,
                                 .lifecycle = lifecycle};
    struct log_options log = {.level = LOG_INFO, .format = LOG_FORMAT_TEXT, .path = f->log};

    temp_dir_make(f->dir, TEMP_DIR_MEMORY);
    snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
    buf_init(&f->logged, 1 << 20);
    assert_int_equal(log_start(&log, &f->err), ERR_OK);
    f->server = small_server_start(answers, n);
    o.endpoint = small_server_url(f->server);
    assert_int_equal(s3_client_new(&o, &f->c, &f->err), ERR_OK);
    return f;
}

static void end(struct fixture *f)
{
    log_stop();
    s3_client_free(f->c);
    small_server_stop(f->server);
    buf_done(&f->logged);
    temp_dir_remove(f->dir);
    free(f);
}

static const char *logged(struct fixture *f)
{
    log_stop();
    assert_int_equal(file_read_at(AT_FDCWD, f->log, &f->logged, &f->err), ERR_OK);
    return buf_text(&f->logged);
}

static void assert_asked(struct fixture *f, size_t i, const char *head, const char *body)
{
    const struct small_server_request *q = small_server_request(f->server, i);

    assert_non_null(q);
    if (strncmp(q->head, head, strlen(head)) != 0)
        fail_msg("asked: %.200s, not %s", q->head, head);
    if (!strstr(q->body, body))
        fail_msg("sent: %s, not %s", q->body, body);
}

#define BLOCK   "PUT /bucket?publicAccessBlock= HTTP/1.1\r\n"
#define REFUSED "<BlockPublicAcls>true<"
#define IGNORED "<BlockPublicAcls>false<"

static void a_new_bucket_refuses_public_grants(void **state)
{
    static const struct small_server_answer answers[] = {{.text = MISSING}, {.text = DONE},
                                                         {.text = DONE},    {.text = DONE},
                                                         {.text = GONE},    {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_asked(f, 2, BLOCK, REFUSED);
    assert_asked(f, 3, "PUT /bucket/probes/", "x");
    assert_asked(f, 4, "DELETE /bucket/probes/", "");
    assert_asked(f, 5, "GET /bucket?versioning= HTTP/1.1\r\n", "");
    end(f);
}

/* radosgw 16.2 */
static void where_that_refuses_objects_public_grants_are_ignored(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = MISSING}, {.text = DONE}, {.text = DONE}, {.text = DENIED},
        {.text = DONE},    {.text = DONE}, {.text = GONE}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_asked(f, 2, BLOCK, REFUSED);
    assert_asked(f, 4, BLOCK, IGNORED);
    assert_asked(f, 6, "DELETE /bucket/probes/", "");
    end(f);
}

static void a_key_that_may_not_write_weakens_nothing(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = MISSING}, {.text = DONE},   {.text = DONE}, {.text = DENIED},
        {.text = DONE},    {.text = DENIED}, {.text = DONE}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_asked(f, 6, BLOCK, REFUSED);
    end(f);
}

#define KEEPS "keeps every old version"

static void old_versions_that_stay_are_warned_of(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = DONE}, {.text = MISSING}, {.text = VERSIONED}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_asked(f, 2, "GET /bucket?versioning= HTTP/1.1\r\n", "");
    assert_non_null(strstr(logged(f), KEEPS));
    assert_non_null(strstr(buf_text(&f->logged), "storage.s3.lifecycle.expire_versions_days"));
    end(f);
}

static void old_versions_that_a_rule_of_others_removes_are_not_warned_of(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = DONE}, {.text = EXPIRING}, {.text = VERSIONED}, {.text = EXPIRING}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_int_equal(small_server_count(f->server), 4);
    assert_null(strstr(logged(f), KEEPS));
    end(f);
}

static void old_versions_expire_with_the_marks_of_what_was_deleted(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = DONE}, {.text = MISSING}, {.text = DONE}};
    struct fixture *f =
        begin(answers, N(answers), (struct store_s3_lifecycle){.expire_versions_days = 7});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_asked(f, 2, "PUT /bucket?lifecycle= HTTP/1.1\r\n",
                 "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
                 "</Expiration><NoncurrentVersionExpiration><NoncurrentDays>7<");
    assert_null(strstr(logged(f), KEEPS));
    end(f);
}

static void a_bucket_that_may_not_be_asked_of_rules_is_taken_all_the_same(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = DONE}, {.text = DENIED}, {.text = DENIED}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_int_equal(small_server_count(f->server), 3);
    assert_string_equal(logged(f), "");
    end(f);
}

#define OLD_RULE                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Length: 158\r\n\r\n"                                               \
    "<LifecycleConfiguration><Rule><ID>cyberdock-uploads:</ID><Filter><Prefix>uploads/</Prefix>"   \
    "</Filter><Status>Enabled</Status></Rule></LifecycleConfiguration>   "

static void rules_that_cannot_be_removed_are_told(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = DONE}, {.text = OLD_RULE}, {.text = DENIED}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers), (struct store_s3_lifecycle){0});

    (void)state;
    assert_int_equal(s3_bucket_make(f->c, &f->err), ERR_OK);
    assert_asked(f, 2, "DELETE /bucket?lifecycle= HTTP/1.1\r\n", "");
    assert_non_null(strstr(logged(f), "keeps lifecycle rules"));
    assert_non_null(strstr(buf_text(&f->logged), "AccessDenied"));
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_bucket_refuses_public_grants),
        cmocka_unit_test(where_that_refuses_objects_public_grants_are_ignored),
        cmocka_unit_test(a_key_that_may_not_write_weakens_nothing),
        cmocka_unit_test(old_versions_that_stay_are_warned_of),
        cmocka_unit_test(old_versions_that_a_rule_of_others_removes_are_not_warned_of),
        cmocka_unit_test(old_versions_expire_with_the_marks_of_what_was_deleted),
        cmocka_unit_test(a_bucket_that_may_not_be_asked_of_rules_is_taken_all_the_same),
        cmocka_unit_test(rules_that_cannot_be_removed_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
