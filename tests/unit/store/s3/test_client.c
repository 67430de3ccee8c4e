/* Requests to an S3 server, before one that answers what the test says. */
#include "store/s3/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "small_server.h"
#include "store/s3/multipart.h"
#include "store/s3/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N(a)   (sizeof(a) / sizeof((a)[0]))
#define DONE   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define BROKEN "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"
#define EXPIRED                                                                                    \
    "HTTP/1.1 403 x\r\nContent-Length: 40\r\n\r\n<Error><Code>ExpiredToken</Code></Error>"
#define DENIED                                                                                     \
    "HTTP/1.1 403 x\r\nContent-Length: 40\r\n\r\n<Error><Code>AccessDenied</Code></Error>"
#define NO_UPLOAD                                                                                  \
    "HTTP/1.1 404 x\r\nContent-Length: 40\r\n\r\n<Error><Code>NoSuchUpload</Code></Error>"
#define FAILED_WITH_200                                                                            \
    "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n<Error><Code>InternalError</Code></Error>"
#define MISSING "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"
#define PART_COPIED                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n"                                                \
    "<CopyPartResult><ETag>e</ETag></CopyPartResult>"
#define COPIED                                                                                     \
    "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n"                                                \
    "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"
#define CREATED                                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Length: 85\r\n\r\n"                                                \
    "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
#define COMPLETED                                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"                                                \
    "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
#define GONE       "HTTP/1.1 204 x\r\n\r\n"
#define OF_8_BYTES "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"

struct fixture {
    struct small_server *server;
    struct s3_client *c;
    const char *token; /* of the session; NULL: none */
    unsigned keys_given, keys_refused;
    struct err err;
};

static enum err_code give_key(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    struct fixture *f = ctx;

    (void)e;
    snprintf(ret_key->access, sizeof(ret_key->access), "access-%u", ++f->keys_given);
    snprintf(ret_key->secret, sizeof(ret_key->secret), "never-told");
    if (f->token)
        buf_add_text(&ret_key->token, f->token);
    return ERR_OK;
}

static void take_refused(void *ctx, const struct store_s3_key *key)
{
    struct fixture *f = ctx;
    char want[32];

    snprintf(want, sizeof(want), "access-%u", f->keys_given);
    assert_string_equal(key->access, want);
    f->keys_refused++;
}

static struct fixture *begin(const struct small_server_answer *answers, size_t n)
{
    struct fixture *f = NEW(struct fixture);
    struct store_s3_options o = {.bucket = "bucket",
                                 .region = "us-east-1",
                                 .path_style = true,
                                 .key = give_key,
                                 .key_refused = take_refused,
                                 .ctx = f,
                                 .timeout_ms = 5000};

    f->server = small_server_start(answers, n);
    o.endpoint = small_server_url(f->server);
    assert_int_equal(s3_client_new(&o, &f->c, &f->err), ERR_OK);
    return f;
}

static void end(struct fixture *f)
{
    s3_client_free(f->c);
    small_server_stop(f->server);
    free(f);
}

static struct s3_name name_of(const char *text)
{
    struct s3_name name = {.n = strlen(text)};

    memcpy(name.text, text, name.n + 1);
    return name;
}

static enum err_code put(struct fixture *f, const char *key)
{
    struct s3_name name = name_of(key);

    return s3_put(f->c, &name, &(struct s3_put){.body = STR("body")}, &f->err);
}

static const char *head_of(struct fixture *f, size_t i)
{
    const struct small_server_request *q = small_server_request(f->server, i);

    assert_non_null(q);
    return q->head;
}

static void assert_begins(const char *head, const char *want)
{
    if (strncmp(head, want, strlen(want)) != 0)
        fail_msg("asked: %.200s, not %s", head, want);
}

/* ---- what an answer means */

static void refusals_are_told_apart(void **state)
{
    static const struct {
        int status;
        const char *code;
        enum err_code want;
        enum s3_again again;
    } cases[] = {
        {503, "SlowDown", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {503, "", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {500, "InternalError", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {502, "", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {504, "", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {429, "", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {408, "", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {400, "RequestTimeout", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {409, "OperationAborted", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {400, "ExpiredToken", ERR_DENIED, S3_ONCE},
        {403, "ExpiredTokenException", ERR_DENIED, S3_ONCE},
        {403, "InvalidToken", ERR_DENIED, S3_ONCE},
        {403, "AccessDenied", ERR_DENIED, S3_NEVER},
        {403, "", ERR_DENIED, S3_ONCE},
        {400, "", ERR_DENIED, S3_ONCE},
        {403, "SignatureDoesNotMatch", ERR_DENIED, S3_NEVER},
        {403, "InvalidAccessKeyId", ERR_DENIED, S3_NEVER},
        {403, "RequestTimeTooSkewed", ERR_UNAVAILABLE, S3_ONCE},
        {404, "NoSuchKey", ERR_NOT_FOUND, S3_NEVER},
        {404, "", ERR_NOT_FOUND, S3_NEVER},
        {404, "NoSuchBucket", ERR_UNAVAILABLE, S3_NEVER},
        {404, "NoSuchUpload", ERR_BLOB_UPLOAD_UNKNOWN, S3_NEVER},
        {400, "InvalidPart", ERR_CONFLICT, S3_NEVER},
        {412, "PreconditionFailed", ERR_PRECONDITION, S3_NEVER},
        {416, "InvalidRange", ERR_RANGE_UNSATISFIABLE, S3_NEVER},
        {507, "XMinioStorageFull", ERR_STORAGE_FULL, S3_NEVER},
        {403, "QuotaExceeded", ERR_STORAGE_FULL, S3_NEVER},
        {400, "XMinioAdminBucketQuotaExceeded", ERR_STORAGE_FULL, S3_NEVER},
        {400, "InvalidArgument", ERR_INTERNAL, S3_NEVER},
        {301, "PermanentRedirect", ERR_DENIED, S3_NEVER},
        {301, "", ERR_DENIED, S3_NEVER},
        {400, "AuthorizationHeaderMalformed", ERR_DENIED, S3_NEVER},
        {400, "BadDigest", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {400, "XAmzContentSHA256Mismatch", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {400, "IncompleteBody", ERR_UNAVAILABLE, S3_AS_LONG_AS},
        {501, "NotImplemented", ERR_UNSUPPORTED, S3_NEVER},
    };
    const struct s3_request r = {.method = "GET"};

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct s3_answer a = {.status = cases[i].status};
        bool renewed;
        struct err e;

        buf_init(&a.body, 1000);
        if (cases[i].code[0])
            buf_addf(&a.body, "<Error><Code>%s</Code></Error>", cases[i].code);
        assert_int_equal(s3_refused(&a, &r, &e), cases[i].want);
        assert_string_equal(a.code, cases[i].code);
        assert_non_null(strstr(e.detail, cases[i].code));
        renewed = false;
        assert_int_equal(a.again, cases[i].again);
        assert_int_equal(s3_may_help(cases[i].want, &a, &renewed), a.again != S3_NEVER);
        assert_int_equal(s3_may_help(cases[i].want, &a, &renewed), a.again == S3_AS_LONG_AS);
        buf_done(&a.body);
    }
}

static void a_wrong_clock_is_told_plainly(void **state)
{
    const struct s3_request r = {.method = "GET"};
    struct s3_answer a = {.status = 403, .code = "RequestTimeTooSkewed"};
    struct err e;

    (void)state;
    s3_refused(&a, &r, &e);
    assert_non_null(strstr(e.detail, "clocks"));
}

/* AWS: a redirect that tells where to by a field, and a refusal that tells it in its body. */
static void a_wrong_region_is_told_with_the_right_one(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 301 x\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 45\r\n\r\n"
                 "<Error><Code>PermanentRedirect</Code></Error>"},
        {.text =
             "HTTP/1.1 400 x\r\nContent-Length: 85\r\n\r\n"
             "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>"
             "   "},
        {.text = "HTTP/1.1 301 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
    };
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "a"), ERR_STORAGE_READONLY);
    assert_non_null(strstr(f->err.detail, "storage.s3.region is not that of the bucket"));
    assert_non_null(strstr(f->err.detail, "eu-west-1"));
    assert_int_equal(put(f, "a"), ERR_STORAGE_READONLY);
    assert_non_null(strstr(f->err.detail, "storage.s3.region is not that of the bucket"));
    assert_non_null(strstr(f->err.detail, "eu-west-2"));
    assert_int_equal(put(f, "a"), ERR_STORAGE_READONLY);
    assert_non_null(strstr(f->err.detail, "storage.s3.region is not that of the bucket"));
    assert_int_equal(small_server_count(f->server), 3);
    end(f);
}

static void waits_grow_up_to_a_bound_and_differ(void **state)
{
    (void)state;
    assert_int_equal(s3_wait_ms(0, 0, 0), 0);
    assert_int_equal(s3_wait_ms(0, 0, 50), 50);
    assert_int_equal(s3_wait_ms(0, 0, 51), 0);
    assert_int_equal(s3_wait_ms(3, 0, 400), 400);
    for (unsigned n = 0; n < 100; n++)
        assert_in_range(s3_wait_ms(n, 0, UINT64_MAX - n), 0, 10000);
    assert_int_equal(s3_wait_ms(99, 0, 10000), 10000);
    assert_int_equal(s3_wait_ms(0, 3000, 7), 3007);
}

/* ---- what is sent */

static void keys_are_encoded_but_for_their_slashes(void **state)
{
    static const struct small_server_answer answers[] = {{.text = DONE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "manifests/a//\xc3\xbc +&=?#%/sha256:~_-."), ERR_OK);
    assert_begins(head_of(f, 0), "PUT /bucket/manifests/a//%C3%BC%20%2B%26%3D%3F%23%25/"
                                 "sha256%3A~_-. HTTP/1.1\r\n");
    end(f);
}

static void a_bucket_can_be_in_the_name_of_the_host(void **state)
{
    static const struct small_server_answer answers[] = {{.text = DONE}};
    struct fixture *f = begin(answers, N(answers));
    struct store_s3_options o = *s3_client_options(f->c);
    const char *port = strrchr(small_server_url(f->server), ':');
    char endpoint[64], want[64];
    struct s3_client *c = NULL;

    (void)state;
    snprintf(endpoint, sizeof(endpoint), "http://localhost%s/", port);
    snprintf(want, sizeof(want), "\r\nhost: bucket.localhost%s\r\n", port);
    o.endpoint = endpoint;
    o.path_style = false;
    assert_int_equal(s3_client_new(&o, &c, &f->err), ERR_OK);
    s3_client_free(f->c);
    f->c = c;
    assert_int_equal(put(f, "a/b"), ERR_OK);
    assert_begins(head_of(f, 0), "PUT /a/b HTTP/1.1\r\n");
    if (!strcasestr(head_of(f, 0), want))
        fail_msg("asked: %s", head_of(f, 0));
    end(f);
}

/* Asked for at that time, for ten minutes, with the same key each time. */
static void presign_at(struct fixture *f, int64_t now_ms, struct buf *ret_url)
{
    struct s3_name name = name_of("a");

    f->keys_given = 0;
    buf_init(ret_url, 4096);
    assert_int_equal(s3_presigned(f->c, &name, now_ms, 600, ret_url, &f->err), ERR_OK);
}

static void an_address_for_others_is_the_same_for_half_of_its_time(void **state)
{
    const int64_t begin_ms = 900000000000ll, half_ms = 300000;
    struct fixture *f = begin(NULL, 0);
    AUTO(buf) struct buf first = {0}, last = {0}, next = {0};

    (void)state;
    presign_at(f, begin_ms, &first);
    presign_at(f, begin_ms + half_ms - 1, &last);
    presign_at(f, begin_ms + half_ms, &next);
    assert_string_equal(buf_text(&first), buf_text(&last));
    assert_string_not_equal(buf_text(&last), buf_text(&next));
    assert_non_null(strstr(buf_text(&first), "X-Amz-Date=19980709T160000Z"));
    assert_non_null(strstr(buf_text(&next), "X-Amz-Date=19980709T160500Z"));
    end(f);
}

static void the_hash_of_what_is_sent_is_signed(void **state)
{
    static const struct small_server_answer answers[] = {{.text = DONE}};
    struct fixture *f = begin(answers, N(answers));
    const char *head;

    (void)state;
    f->token = "session";
    assert_int_equal(put(f, "a"), ERR_OK);
    head = head_of(f, 0);
    assert_non_null(strstr(head,
                           "\r\nx-amz-content-sha256: 230d8358dc8e8890b4c58deeb62912ee2f20357a"
                           "e92a5cc861b98e68fe31acb5\r\n"));
    assert_non_null(strstr(head, "\r\nx-amz-security-token: session\r\n"));
    assert_non_null(
        strstr(head, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
    assert_null(strstr(head, "never-told"));
    end(f);
}

static void an_endpoint_with_a_path_is_refused(void **state)
{
    static const char *const endpoints[] = {"http://", "http://host/path", "host/path", "/"};
    struct fixture *f = begin(NULL, 0);
    struct store_s3_options o = *s3_client_options(f->c);
    struct s3_client *c = NULL;

    (void)state;
    for (size_t i = 0; i < N(endpoints); i++) {
        o.endpoint = endpoints[i];
        assert_int_equal(s3_client_new(&o, &c, &f->err), ERR_CONFIG);
    }
    end(f);
}

/* A client that asks for all that there is, in the place of the fixture's. */
static void ask_for_all(struct fixture *f)
{
    struct store_s3_options o = *s3_client_options(f->c);
    struct s3_client *c = NULL;

    o.prefix = "team/";
    o.sse = STORE_S3_SSE_KMS;
    o.kms_key_id = "key-1";
    o.storage_class = "STANDARD_IA";
    assert_int_equal(s3_client_new(&o, &c, &f->err), ERR_OK);
    s3_client_free(f->c);
    f->c = c;
}

static enum err_code put_at(struct fixture *f, const struct s3_name *name)
{
    return s3_put(f->c, name, &(struct s3_put){.body = STR("body")}, &f->err);
}

static enum err_code copy_to(struct fixture *f, const struct s3_name *name)
{
    struct s3_name from = name_of("team/uploads/x");

    return s3_copy(f->c, NULL, &from, name, &f->err);
}

static enum err_code create_at(struct fixture *f, const struct s3_name *name)
{
    char id[S3_UPLOAD_ID_MAX];

    return s3_multipart_create(f->c, name, id, &f->err);
}

static enum err_code copy_part_to(struct fixture *f, const struct s3_name *name)
{
    struct s3_name from = name_of("team/uploads/x");
    struct s3_part part;

    return s3_part_copy(f->c, name, "1", 1, NULL, &from, 0, 0, &part, &f->err);
}

static enum err_code look_at(struct fixture *f, const struct s3_name *name)
{
    struct s3_answer a;

    return s3_head(f->c, name, &a, &f->err);
}

static enum err_code delete_at(struct fixture *f, const struct s3_name *name)
{
    return s3_delete(f->c, name, &f->err);
}

/* Of what a request makes; the class of blobs alone, which are large and stay. */
static void what_objects_are_to_be_is_said_when_they_are_made(void **state)
{
    static const struct {
        enum err_code (*ask)(struct fixture *f, const struct s3_name *name);
        const char *key, *answer;
        bool encrypted, class;
    } cases[] = {
        {put_at, "team/blobs/sha256/x", DONE, true, true},
        {copy_to, "team/blobs/sha256/x", COPIED, true, true},
        {create_at, "team/blobs/sha256/x", CREATED, true, true},
        {put_at, "team/manifests/a/sha256:x", DONE, true, false},
        {put_at, "team/tags/a/_tags/x", DONE, true, false},
        {put_at, "team/uploads/x_tail", DONE, true, false},
        {put_at, "team/moves/sha256/x", DONE, true, false},
        {put_at, "team/probes/x", DONE, true, false},
        {put_at, "blobs/sha256/x", DONE, true, false}, /* of another one, below no prefix */
        {create_at, "team/uploads/x", CREATED, true, false},
        {copy_part_to, "team/blobs/sha256/x", PART_COPIED, false, false},
        {look_at, "team/blobs/sha256/x", DONE, false, false},
        {delete_at, "team/blobs/sha256/x", GONE, false, false},
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        const struct small_server_answer answer = {.text = cases[i].answer};
        struct fixture *f = begin(&answer, 1);
        struct s3_name name = name_of(cases[i].key);
        const char *head;

        ask_for_all(f);
        assert_int_equal(cases[i].ask(f, &name), ERR_OK);
        head = head_of(f, 0);
        assert_int_equal(strstr(head, "\r\nx-amz-server-side-encryption: aws:kms\r\n") != NULL,
                         cases[i].encrypted);
        assert_int_equal(
            strstr(head, "\r\nx-amz-server-side-encryption-aws-kms-key-id: key-1\r\n") != NULL,
            cases[i].encrypted);
        assert_int_equal(strstr(head, "\r\nx-amz-storage-class: STANDARD_IA\r\n") != NULL,
                         cases[i].class);
        end(f);
    }
}

/* ---- more tries */

static void a_failure_is_tried_again(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BROKEN}, {.then = THEN_CLOSE}, {.text = DONE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "a"), ERR_OK);
    assert_int_equal(small_server_count(f->server), 3);
    assert_string_equal(small_server_request(f->server, 2)->body, "body");
    end(f);
}

static void what_arrived_damaged_is_sent_again(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text =
             "HTTP/1.1 400 x\r\nContent-Length: 37\r\n\r\n<Error><Code>BadDigest</Code></Error>"},
        {.text = DONE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "a"), ERR_OK);
    assert_string_equal(small_server_request(f->server, 1)->body, "body");
    end(f);
}

static void a_server_is_waited_for_as_long_as_it_asks(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"}, {.text = DONE}};
    struct fixture *f = begin(answers, N(answers));
    int64_t start_ms = clock_mono_ms();

    (void)state;
    assert_int_equal(put(f, "a"), ERR_OK);
    assert_in_range(clock_mono_ms() - start_ms, 1000, 5000);
    end(f);
}

static void a_server_that_asks_for_more_than_the_time_there_is_is_unavailable(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 503 x\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "a"), ERR_UNAVAILABLE);
    assert_int_equal(small_server_count(f->server), 1);
    end(f);
}

static void a_refusal_is_not_tried_again(void **state)
{
    static const struct small_server_answer answers[] = {{.text = DENIED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "a"), ERR_STORAGE_READONLY);
    assert_non_null(strstr(f->err.detail, "AccessDenied"));
    assert_int_equal(f->keys_refused, 0);
    assert_int_equal(small_server_count(f->server), 1);
    end(f);
}

static void credentials_that_have_expired_are_renewed_once(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BROKEN}, {.text = EXPIRED}, {.text = DONE}, {.text = EXPIRED}, {.text = EXPIRED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(put(f, "a"), ERR_OK);
    assert_int_equal(f->keys_refused, 1);
    assert_non_null(strstr(head_of(f, 2), "Credential=access-3/"));
    assert_int_equal(put(f, "a"), ERR_STORAGE_READONLY);
    assert_non_null(strstr(f->err.detail, "expired"));
    assert_null(strstr(f->err.detail, "never-told"));
    assert_int_equal(small_server_count(f->server), 5);
    end(f);
}

/* ---- answers that say 200 and mean something else, or were lost */

static enum err_code complete(struct fixture *f)
{
    struct s3_part parts[] = {{.etag = "\"1\"", .size_bytes = 5},
                              {.etag = "\"2\"", .size_bytes = 3}};
    struct s3_name name = name_of("a");

    return s3_multipart_complete(f->c, &name, "id", &(struct s3_parts){parts, N(parts)}, NULL,
                                 &f->err);
}

static void a_completion_whose_answer_was_lost_is_found_in_the_object(void **state)
{
    static const struct small_server_answer answers[] = {
        {.then = THEN_CLOSE}, {.text = NO_UPLOAD}, {.text = OF_8_BYTES}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(complete(f), ERR_OK);
    assert_begins(head_of(f, 2), "HEAD /bucket/a HTTP/1.1\r\n");
    end(f);
}

/* Two parts with these tags, as one server after the other makes the tag of the whole. */
static bool sure_of(struct fixture *f)
{
    struct s3_part parts[] = {{.etag = "\"9dd4e461268c8034f5c8564e155c67a6\"", .size_bytes = 5},
                              {.etag = "415290769594460e2e485922904f345d", .size_bytes = 3}};
    struct s3_name name = name_of("a");
    bool sure = true;

    assert_int_equal(s3_multipart_complete(f->c, &name, "id", &(struct s3_parts){parts, N(parts)},
                                           &sure, &f->err),
                     ERR_OK);
    return sure;
}

#define COMPLETED_AS(etag, length)                                                                 \
    "HTTP/1.1 200 OK\r\nContent-Length: " length                                                   \
    "\r\n\r\n<CompleteMultipartUploadResult><ETag>" etag "</ETag></CompleteMultipartUploadResult>"
#define OF_BOTH "be6996cb706f34d65b9fee8745325abf-2"

static void an_object_has_the_parts_that_its_tag_says(void **state)
{
    static const struct {
        struct small_server_answer answers[2];
        bool sure;
    } rows[] = {
        {{{.text = COMPLETED_AS("&quot;" OF_BOTH "&quot;", "122")}}, true},
        {{{.text = COMPLETED_AS(OF_BOTH, "110")}}, true},
        {{{.text = COMPLETED_AS("", "76")}}, true}, /* radosgw */
        {{{.text = COMPLETED_AS("9dd4e461268c8034f5c8564e155c67a6-2", "110")}}, false},
        {{{.text = NO_UPLOAD},
          {.text = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nETag: \"" OF_BOTH "\"\r\n\r\n"}},
         true},
        {{{.text = NO_UPLOAD}, {.text = OF_8_BYTES}}, false},
    };

    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct fixture *f = begin(rows[i].answers, rows[i].answers[1].text ? 2 : 1);

        assert_int_equal(sure_of(f), rows[i].sure);
        end(f);
    }
}

static void a_completion_whose_parts_are_still_there_is_asked_for_again(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BROKEN}, {.text = DONE}, {.text = COMPLETED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(complete(f), ERR_OK);
    assert_begins(head_of(f, 1), "GET /bucket/a?max-parts=1&uploadId=id HTTP/1.1\r\n");
    assert_begins(head_of(f, 2), "POST /bucket/a?uploadId=id HTTP/1.1\r\n");
    end(f);
}

/* radosgw 16.2 */
static void a_completion_of_what_is_gone_that_gets_a_500_is_not_tried_for_long(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BROKEN}, {.text = NO_UPLOAD}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(complete(f), ERR_BLOB_UPLOAD_UNKNOWN);
    assert_int_equal(small_server_count(f->server), 3);
    end(f);
}

static void an_upload_that_is_gone_without_its_object_is_unknown(void **state)
{
    static const struct small_server_answer answers[] = {{.text = NO_UPLOAD}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(complete(f), ERR_BLOB_UPLOAD_UNKNOWN);
    end(f);
}

static void a_completion_that_failed_behind_its_head_can_be_tried_again(void **state)
{
    static const struct small_server_answer answers[] = {{.text = FAILED_WITH_200},
                                                         {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(complete(f), ERR_UNAVAILABLE);
    end(f);
}

static void a_copy_that_failed_behind_its_head_is_none(void **state)
{
    static const struct small_server_answer answers[] = {{.text = FAILED_WITH_200}};
    struct fixture *f = begin(answers, N(answers));
    struct s3_name from = name_of("a"), to = name_of("b");

    (void)state;
    assert_int_equal(s3_copy(f->c, NULL, &from, &to, &f->err), ERR_UNAVAILABLE);
    end(f);
}

/* Which blobs of some GiB need. */
static void a_copy_of_a_part_that_fails_is_tried_again(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = BROKEN}, {.then = THEN_CLOSE}, {.text = EXPIRED}, {.text = PART_COPIED}};
    struct fixture *f = begin(answers, N(answers));
    struct s3_name from = name_of("a"), to = name_of("b");
    struct s3_part part = {0};

    (void)state;
    assert_int_equal(s3_part_copy(f->c, &to, "id", 1, NULL, &from, 0, 5, &part, &f->err), ERR_OK);
    assert_string_equal(part.etag, "e");
    assert_int_equal(part.size_bytes, 5);
    end(f);
}

static void a_part_that_failed_to_be_copied_behind_its_head_is_none(void **state)
{
    static const struct small_server_answer answers[] = {{.text = FAILED_WITH_200}};
    struct fixture *f = begin(answers, N(answers));
    struct s3_name from = name_of("a"), to = name_of("b");
    struct s3_part part = {0};

    (void)state;
    assert_int_equal(s3_part_copy(f->c, &to, "id", 1, NULL, &from, 0, 5, &part, &f->err),
                     ERR_UNAVAILABLE);
    end(f);
}

/* Of so many GiB. */
static enum err_code copy_sized(struct fixture *f, uint64_t gib)
{
    struct s3_name from = name_of("a"), to = name_of("b");

    return s3_copy_sized(f->c, NULL, &from, &to, gib << 30, &f->err);
}

static void a_copy_of_up_to_two_gib_is_one_request(void **state)
{
    static const struct small_server_answer answers[] = {{.text = COPIED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(copy_sized(f, 2), ERR_OK);
    end(f);
}

static void a_larger_copy_is_made_in_parts(void **state)
{
    static const struct small_server_answer answers[] = {{.text = CREATED},
                                                         {.text = PART_COPIED},
                                                         {.text = PART_COPIED},
                                                         {.text = PART_COPIED},
                                                         {.text = COMPLETED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(copy_sized(f, 3), ERR_OK);
    assert_non_null(strstr(small_server_request(f->server, 3)->head,
                           "\r\nx-amz-copy-source-range: bytes=2147483648-3221225471\r\n"));
    end(f);
}

static void where_parts_may_not_be_copied_the_whole_is(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = CREATED}, {.text = DENIED}, {.text = GONE}, {.text = COPIED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(copy_sized(f, 3), ERR_OK);
    assert_int_equal(small_server_count(f->server), 4);
    end(f);
}

static void more_than_one_request_may_copy_is_refused_with_its_parts(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = CREATED}, {.text = DENIED}, {.text = GONE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_int_equal(copy_sized(f, 6), ERR_STORAGE_READONLY);
    end(f);
}

/* "Amazon S3 multipart upload limits": 5 TiB, and that of a part. */
static void as_many_parts_as_there_can_be_make_nearly_the_largest_object(void **state)
{
    static const uint64_t firsts[] = {S3_PART_MIN_BYTES, 16ull << 20, S3_PART_MAX_BYTES};

    (void)state;
    for (size_t i = 0; i < N(firsts); i++) {
        uint64_t all = 0, last = 0;

        for (size_t n = 0; n < S3_PARTS_MAX; n++) {
            uint64_t bytes = s3_part_bytes(firsts[i], n);

            assert_true(bytes >= last && bytes <= S3_PART_MAX_BYTES);
            last = bytes;
            all += bytes;
        }
        assert_int_equal(s3_part_bytes(firsts[i], 999), firsts[i]);
        assert_true(all > 4500ull << 30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_told_apart),
        cmocka_unit_test(a_wrong_clock_is_told_plainly),
        cmocka_unit_test(a_wrong_region_is_told_with_the_right_one),
        cmocka_unit_test(waits_grow_up_to_a_bound_and_differ),
        cmocka_unit_test(keys_are_encoded_but_for_their_slashes),
        cmocka_unit_test(a_bucket_can_be_in_the_name_of_the_host),
        cmocka_unit_test(an_address_for_others_is_the_same_for_half_of_its_time),
        cmocka_unit_test(the_hash_of_what_is_sent_is_signed),
        cmocka_unit_test(an_endpoint_with_a_path_is_refused),
        cmocka_unit_test(what_objects_are_to_be_is_said_when_they_are_made),
        cmocka_unit_test(a_failure_is_tried_again),
        cmocka_unit_test(what_arrived_damaged_is_sent_again),
        cmocka_unit_test(a_server_is_waited_for_as_long_as_it_asks),
        cmocka_unit_test(a_server_that_asks_for_more_than_the_time_there_is_is_unavailable),
        cmocka_unit_test(a_refusal_is_not_tried_again),
        cmocka_unit_test(credentials_that_have_expired_are_renewed_once),
        cmocka_unit_test(a_completion_whose_answer_was_lost_is_found_in_the_object),
        cmocka_unit_test(an_object_has_the_parts_that_its_tag_says),
        cmocka_unit_test(a_completion_whose_parts_are_still_there_is_asked_for_again),
        cmocka_unit_test(a_completion_of_what_is_gone_that_gets_a_500_is_not_tried_for_long),
        cmocka_unit_test(an_upload_that_is_gone_without_its_object_is_unknown),
        cmocka_unit_test(a_completion_that_failed_behind_its_head_can_be_tried_again),
        cmocka_unit_test(a_copy_that_failed_behind_its_head_is_none),
        cmocka_unit_test(a_copy_of_a_part_that_fails_is_tried_again),
        cmocka_unit_test(a_part_that_failed_to_be_copied_behind_its_head_is_none),
        cmocka_unit_test(a_copy_of_up_to_two_gib_is_one_request),
        cmocka_unit_test(a_larger_copy_is_made_in_parts),
        cmocka_unit_test(where_parts_may_not_be_copied_the_whole_is),
        cmocka_unit_test(more_than_one_request_may_copy_is_refused_with_its_parts),
        cmocka_unit_test(as_many_parts_as_there_can_be_make_nearly_the_largest_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
