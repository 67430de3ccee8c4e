/* store/s3/object.h, before a real server. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 1003 /* more than a page, and more than one request deletes */

static void object_reads_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1000003};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AUTO(mem) char *p = mem_alloc(sizes[i] + 1);

        memset(p, (int)('a' + i), sizes[i]);
        put(f, "k", (struct str){p, sizes[i]});
        assert_object(f, "k", (struct str){p, sizes[i]});
    }
}

static void key_may_have_any_character_of_names_and_digests(void **state)
{
    static const char key[] = "manifests/a.b_c-d/e__f/sha256:0123abc";
    struct fixture *f = *state;

    put(f, key, STR("x"));
    put(f, "odd/a b+c%20d&e=f'g(h)~\xc3\xbc", STR("y"));
    assert_object(f, key, STR("x"));
    assert_object(f, "odd/a b+c%20d&e=f'g(h)~\xc3\xbc", STR("y"));
    assert_int_equal(count_objects(f, "odd/a b+c%20d&e=f'g(h)~\xc3\xbc"), 1);
}

static void key_that_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct s3_name name = name_in(f, "none");
    struct s3_answer a = {0};

    assert_no_object(f, "none");
    buf_init(&a.body, 100);
    FAILS(ERR_NOT_FOUND, s3_get(f->c, &name, &a, &f->e));
    buf_done(&a.body);
    OK(s3_delete(f->c, &name, &f->e));
}

static void put_of_a_key_that_must_be_new_fails_for_an_old_one(void **state)
{
    struct fixture *f = *state;
    struct s3_name name = name_in(f, "k");
    struct s3_put first = {.body = STR("first"), .if_none = true};
    struct s3_put second = {.body = STR("second"), .if_none = true};

    OK(s3_put(f->c, &name, &first, &f->e));
    FAILS(ERR_PRECONDITION, s3_put(f->c, &name, &second, &f->e));
    assert_object(f, "k", STR("first"));
}

static void tail_tells_what_its_upload_is(void **state)
{
    struct fixture *f = *state;
    struct s3_name name = name_in(f, "uploads/u_tail");
    struct store_note note = {.n = STORE_NOTE_MAX};
    struct s3_answer a = {0};

    for (size_t i = 0; i < note.n; i++)
        note.bytes[i] = (char)i;
    OK(s3_put(
        f->c, &name,
        &(struct s3_put){
            .body = STR("tail"), .note = &note, .upload = "an/id+with=", .bytes = 1234567890123},
        &f->e));
    OK(s3_head(f->c, &name, &a, &f->e));
    assert_int_equal(a.note.n, note.n);
    assert_memory_equal(a.note.bytes, note.bytes, note.n);
    assert_string_equal(a.meta_id, "an/id+with=");
    assert_int_equal(a.meta_bytes, 1234567890123);
    assert_int_equal(a.total_bytes, 4);
    assert_true(a.modified_ms > clock_wall_ms() - 60000 && a.modified_ms < clock_wall_ms() + 60000);
}

static void copy_has_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct s3_name from = name_in(f, "from:a+b"), to = name_in(f, "to"), none = name_in(f, "none");

    put(f, "from:a+b", STR("bytes"));
    OK(s3_copy(f->c, NULL, &from, &to, &f->e));
    assert_object(f, "to", STR("bytes"));
    FAILS(ERR_NOT_FOUND, s3_copy(f->c, NULL, &none, &to, &f->e));
    assert_object(f, "to", STR("bytes"));
}

static void list_has_every_object_of_many_pages_and_all_can_be_deleted(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct s3_name *names = mem_alloc(MANY * sizeof(*names));
    char key[32];

    for (size_t i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "many/%zu", i);
        names[i] = name_in(f, key);
        put(f, key, STR("x"));
    }
    put(f, "other", STR("x"));
    assert_int_equal(count_objects(f, "many/"), MANY);
    OK(s3_delete_many(f->c, names, S3_DELETE_MOST, &f->e));
    OK(s3_delete_many(f->c, names + S3_DELETE_MOST, MANY - S3_DELETE_MOST, &f->e));
    OK(s3_delete_many(f->c, names, 1, &f->e)); /* not there: success */
    assert_int_equal(count_objects(f, "many/"), 0);
    assert_object(f, "other", STR("x"));
}

static enum err_code remember(void *ctx, const struct s3_listed *o, struct err *e)
{
    (void)e;
    *(struct s3_listed *)ctx = *o;
    return ERR_OK;
}

static void list_tells_size_and_time(void **state)
{
    struct fixture *f = *state;
    struct s3_listed found = {0};

    put(f, "a<&>\"b", STR("12345"));
    OK(s3_list(f->c, "", remember, &found, &f->e));
    assert_string_equal(found.name.text, name_in(f, "a<&>\"b").text);
    assert_int_equal(found.size_bytes, 5);
    assert_true(found.modified_ms > clock_wall_ms() - 60000);
}

static enum err_code stop(void *ctx, const struct s3_listed *o, struct err *e)
{
    (void)o;
    ++*(size_t *)ctx;
    return err_set(e, ERR_CONFLICT, "enough");
}

static void list_ends_at_the_first_error_of_its_function(void **state)
{
    struct fixture *f = *state;
    size_t calls = 0;

    put(f, "a", STR("x"));
    put(f, "b", STR("x"));
    FAILS(ERR_CONFLICT, s3_list(f->c, "", stop, &calls, &f->e));
    assert_int_equal(calls, 1);
}

static int status_of(const char *url)
{
    AUTO(buf) struct buf body = {0};
    struct fetch request = {.url = url};
    struct err e = {0};
    int status = 0;

    buf_init(&body, 65536);
    if (fetch_run(&request, &status, &body, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    return status;
}

static void presigned_url_is_for_everybody_and_just_this_key(void **state)
{
    struct fixture *f = *state;
    struct s3_name name = name_in(f, "blobs/sha256:a b");
    AUTO(buf) struct buf url = {0};
    char *key;

    put(f, "blobs/sha256:a b", STR("x"));
    put(f, "blobs/sha256:a c", STR("x"));
    buf_init(&url, 4096);
    OK(s3_presigned(f->c, &name, clock_wall_ms(), 60, &url, &f->e));
    assert_int_equal(status_of(buf_text(&url)), 200);
    key = strstr(url.p, "a%20b");
    assert_non_null(key);
    key[4] = 'c';
    assert_int_equal(status_of(buf_text(&url)), 403);
}

/* MinIO and versitygw were told that buckets are names below "localhost"; to libcurl such names are
 * this machine. */
static void a_bucket_in_the_name_of_the_host_is_signed_right(void **state)
{
    struct fixture *f = *state;
    struct store_s3_options options = f->options;
    char endpoint[64];

    if (strcmp(f->server, "minio") != 0 && strcmp(f->server, "versitygw") != 0)
        skip();
    snprintf(endpoint, sizeof(endpoint), "http://localhost%s", strrchr(options.endpoint, ':'));
    options.endpoint = endpoint;
    options.path_style = false;
    s3_client_free(f->c);
    OK(s3_client_new(&options, &f->c, &f->e));
    put(f, "blobs/sha256:a b", STR("x"));
    assert_object(f, "blobs/sha256:a b", STR("x"));
    assert_int_equal(count_objects(f, "blobs/"), 1);
}

static enum err_code wrong_key(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    struct fixture *f = ctx;

    TRY(f->options.key(NULL, ret_key, e));
    str_copy(STR("not-this-secret"), ret_key->secret, sizeof(ret_key->secret));
    return ERR_OK;
}

static void wrong_secret_is_denied_with_the_word_of_the_server_and_no_secret(void **state)
{
    struct fixture *f = *state;
    struct store_s3_options o = f->options;
    struct s3_name name = name_in(f, "k");
    struct s3_client *stranger;

    put(f, "k", STR("x"));
    o.key = wrong_key;
    o.ctx = f;
    OK(s3_client_new(&o, &stranger, &f->e));
    FAILS(ERR_STORAGE_READONLY,
          s3_put(stranger, &name, &(struct s3_put){.body = STR("stranger's")}, &f->e));
    assert_true(strstr(f->e.detail, "SignatureDoesNotMatch") ||
                strstr(f->e.detail, "AccessDenied"));
    assert_null(strstr(f->e.detail, "not-this-secret"));
    s3_client_free(stranger);
    assert_object(f, "k", STR("x"));
}

static void server_that_is_not_there_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct store_s3_options o = f->options;
    struct s3_name name = name_in(f, "k");
    struct s3_answer a = {0};
    struct s3_client *c;

    o.endpoint = "http://127.0.0.1:1";
    o.timeout_ms = 300;
    OK(s3_client_new(&o, &c, &f->e));
    FAILS(ERR_UNAVAILABLE, s3_head(c, &name, &a, &f->e));
    s3_client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(object_reads_back),
        TEST(key_may_have_any_character_of_names_and_digests),
        TEST(key_that_is_not_there_is_not_found),
        TEST(put_of_a_key_that_must_be_new_fails_for_an_old_one),
        TEST(tail_tells_what_its_upload_is),
        TEST(copy_has_the_same_bytes),
        TEST(list_has_every_object_of_many_pages_and_all_can_be_deleted),
        TEST(list_tells_size_and_time),
        TEST(list_ends_at_the_first_error_of_its_function),
        TEST(presigned_url_is_for_everybody_and_just_this_key),
        TEST(a_bucket_in_the_name_of_the_host_is_signed_right),
        TEST(wrong_secret_is_denied_with_the_word_of_the_server_and_no_secret),
        TEST(server_that_is_not_there_is_unavailable),
    };

    fixture_choose();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
