/* Readers of blobs, before a server that answers what the test says. */
#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "names.h"
#include "small_server.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 10000
#define N(a)    (sizeof(a) / sizeof((a)[0]))
#define UUID    "01234567-89ab-4cde-8f01-23456789abcd"
#define BLOB    "abcdefgh"

#define WHOLE   "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" BLOB
#define HALF    "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabcd"
#define REST    "HTTP/1.1 206 x\r\nContent-Length: 4\r\nContent-Range: bytes 4-7/8\r\n\r\nefgh"
#define SUM     "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab" /* of BLOB */
#define OWN_KEY UUID "_0123456789abcdef"
#define LISTED(n, keys)                                                                            \
    "HTTP/1.1 200 OK\r\nContent-Length: " n "\r\n\r\n<ListBucketResult>" keys "</"                 \
    "ListBucketResult>"
#define POINTER_TO(upload)     "<Contents><Key>p/moves/sha256/" SUM "_" upload "</Key></Contents>"
#define POINTER                LISTED("185", POINTER_TO(UUID))
#define TWO_POINTERS           LISTED("350", POINTER_TO(OWN_KEY) POINTER_TO(UUID))
#define POINTER_OUT_OF_UPLOADS LISTED("193", POINTER_TO(UUID "/../tags"))
#define NO_POINTER             LISTED("37", "")
#define MISSING                "HTTP/1.1 404 x\r\nContent-Length: 37\r\n\r\n<Error><Code>NoSuchKey</Code></Error>"
#define NO_BUCKET                                                                                  \
    "HTTP/1.1 404 x\r\nContent-Length: 40\r\n\r\n<Error><Code>NoSuchBucket</Code></Error>"
#define SLOW_DOWN "HTTP/1.1 503 x\r\nContent-Length: 36\r\n\r\n<Error><Code>SlowDown</Code></Error>"
#define EXPIRED                                                                                    \
    "HTTP/1.1 403 x\r\nContent-Length: 40\r\n\r\n<Error><Code>ExpiredToken</Code></Error>"

struct fixture {
    struct s3 s;
    struct small_server *server;
    struct digest digest;
    unsigned keys_refused;
    struct err err;
};

static int without_key;    /* so many times there is none just now */
static const char *moving; /* the upload that s3_keeper_moving() tells of */

bool __wrap_s3_keeper_moving(struct s3_keeper *k, const struct digest *d,
                             struct s3_upload_key *ret_from);

bool __wrap_s3_keeper_moving(struct s3_keeper *k, const struct digest *d,
                             struct s3_upload_key *ret_from)
{
    struct uuid id;

    (void)k, (void)d;
    return moving && s3_upload_key_parse(str_of(moving), ret_from, &id);
}

static enum err_code give_key(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    (void)ctx;
    if (without_key > 0) {
        without_key--;
        return err_set(e, ERR_UNAVAILABLE, "nobody has a key just now");
    }
    snprintf(ret_key->access, sizeof(ret_key->access), "access");
    snprintf(ret_key->secret, sizeof(ret_key->secret), "secret");
    return ERR_OK;
}

static void take_refused(void *ctx, const struct store_s3_key *key)
{
    assert_string_equal(key->access, "access");
    ((struct fixture *)ctx)->keys_refused++;
}

static struct fixture *begin(const struct small_server_answer *answers, size_t n)
{
    struct fixture *f = NEW(struct fixture);
    struct store_s3_options o = {.bucket = "bucket",
                                 .region = "us-east-1",
                                 .prefix = "p/",
                                 .path_style = true,
                                 .key = give_key,
                                 .key_refused = take_refused,
                                 .ctx = f,
                                 .timeout_ms = 5000};

    moving = NULL;
    without_key = 0;
    f->server = small_server_start(answers, n);
    o.endpoint = small_server_url(f->server);
    f->s.shape = s3_ahead_usual;
    f->digest = sha256_of(STR(BLOB));
    assert_int_equal(s3_client_new(&o, &f->s.client, &f->err), ERR_OK);
    return f;
}

static void end(struct fixture *f)
{
    s3_client_free(f->s.client);
    small_server_stop(f->server);
    free(f);
}

static struct reader *open_blob(struct fixture *f, uint64_t known_bytes)
{
    struct repo_name repo = repo_of("a");
    struct reader *r = NULL;
    uint64_t size_bytes;

    assert_int_equal(
        s3_blob_open(&f->s.store, &repo, &f->digest, known_bytes, &r, &size_bytes, &f->err),
        ERR_OK);
    return r;
}

/* One read that waits on the descriptor which the reader had at first. */
static enum err_code read_some(struct fixture *f, struct reader *r, char *p, size_t cap, size_t *n)
{
    struct pollfd wait = {.fd = reader_wait_fd(r), .events = POLLIN};
    enum err_code code;

    while ((code = reader_read(r, p, cap, n, &f->err)) == ERR_LATER)
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
    return code;
}

static enum err_code read_all(struct fixture *f, struct reader *r, char text[static 100])
{
    size_t at = 0, n;

    do {
        enum err_code code = read_some(f, r, text + at, 99 - at, &n);

        if (code != ERR_OK)
            return code;
        at += n;
    } while (n > 0);
    text[at] = '\0';
    return ERR_OK;
}

/* A blob of 8 bytes is read to its end. */
static enum err_code read_blob(struct fixture *f, char text[static 100])
{
    AUTO(reader) struct reader *r = open_blob(f, 8);

    return read_all(f, r, text);
}

static void assert_reads(struct fixture *f)
{
    char text[100];

    if (read_blob(f, text) != ERR_OK)
        fail_msg("%s", f->err.detail);
    assert_string_equal(text, BLOB);
}

static void assert_fails(struct fixture *f, enum err_code want)
{
    char text[100];

    assert_int_equal(read_blob(f, text), want);
}

/* The i-th request asked for that path below the prefix, and for that range ("": none). */
static void assert_asked(struct fixture *f, size_t i, const char *path, const char *range)
{
    const struct small_server_request *q = small_server_request(f->server, i);
    char line[512];

    assert_non_null(q);
    snprintf(line, sizeof(line), "GET /bucket/p/%s HTTP/1.1\r\n", path);
    if (strncmp(q->head, line, strlen(line)) != 0)
        fail_msg("asked: %.100s, not %s", q->head, line);
    snprintf(line, sizeof(line), "\r\nrange: %s\r\n", range);
    if (!range[0])
        assert_null(strstr(q->head, "\r\nrange:"));
    else if (!strstr(q->head, line))
        fail_msg("asked: %s, not for %s", q->head, range);
}

/* The i-th request asked for the keys that begin with that below the prefix. */
static void assert_listed(struct fixture *f, size_t i, const char *below)
{
    const struct small_server_request *q = small_server_request(f->server, i);
    char line[512];

    assert_non_null(q);
    snprintf(line, sizeof(line), "GET /bucket?list-type=2&prefix=p%%2F%s HTTP/1.1\r\n", below);
    if (strncmp(q->head, line, strlen(line)) != 0)
        fail_msg("asked: %.200s, not %s", q->head, line);
}

static const char *key_of(const struct fixture *f)
{
    static char path[256];

    snprintf(path, sizeof(path), "blobs/sha256/" STR_FMT, STR_ARG(digest_hex(&f->digest)));
    return path;
}

static const char *pointer_of(const struct fixture *f)
{
    static char path[256];

    snprintf(path, sizeof(path), "moves%%2Fsha256%%2F" STR_FMT "_",
             STR_ARG(digest_hex(&f->digest)));
    return path;
}

/* ---- one request */

static void opening_a_blob_of_known_size_asks_for_nothing(void **state)
{
    struct fixture *f = begin(NULL, 0);
    AUTO(reader) struct reader *r = open_blob(f, 8);

    (void)state;
    reader_free(STEAL(r));
    assert_int_equal(small_server_count(f->server), 0);
    end(f);
}

static void a_blob_is_one_request(void **state)
{
    static const struct small_server_answer answers[] = {{.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_int_equal(small_server_count(f->server), 1);
    assert_asked(f, 0, key_of(f), "");
    end(f);
}

static void a_connection_is_there_for_the_next_blob_with_the_last_byte(void **state)
{
    static const struct small_server_answer answers[] = {{.text = WHOLE}, {.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));
    AUTO(reader) struct reader *first = open_blob(f, 8);
    char text[8];
    size_t n = 0, at = 0;

    (void)state;
    for (; at < sizeof(text); at += n)
        assert_int_equal(read_some(f, first, text + at, sizeof(text) - at, &n), ERR_OK);
    assert_reads(f);
    assert_int_equal(small_server_request(f->server, 1)->connection, 1);
    reader_free(STEAL(first));
    end(f);
}

static void a_blob_is_read_from_where_it_is_asked_for(void **state)
{
    static const struct small_server_answer answers[] = {{.text = REST}};
    struct fixture *f = begin(answers, N(answers));
    AUTO(reader) struct reader *r = open_blob(f, 8);
    char text[100];

    (void)state;
    assert_int_equal(reader_seek(r, 4, &f->err), ERR_OK);
    assert_int_equal(read_all(f, r, text), ERR_OK);
    assert_string_equal(text, "efgh");
    assert_asked(f, 0, key_of(f), "bytes=4-7");
    reader_free(STEAL(r));
    end(f);
}

static void a_read_has_nothing_when_the_server_has_sent_nothing(void **state)
{
    static const struct small_server_answer answers[] = {{.text = HALF, .rest = "efgh"}};
    struct fixture *f = begin(answers, N(answers));
    AUTO(reader) struct reader *r = open_blob(f, 8);
    size_t n = 0;
    char text[100];

    (void)state;
    for (size_t at = 0; at < 4; at += n)
        assert_int_equal(read_some(f, r, text, sizeof(text), &n), ERR_OK);
    assert_int_equal(reader_read(r, text, sizeof(text), &n, &f->err), ERR_LATER);
    small_server_go(f->server);
    assert_int_equal(read_all(f, r, text), ERR_OK);
    assert_string_equal(text, "efgh");
    reader_free(STEAL(r));
    end(f);
}

static void an_object_of_another_length_is_not_the_blob(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi"}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_fails(f, ERR_CORRUPT);
    end(f);
}

/* ---- more tries */

static void a_connection_that_breaks_goes_on_by_range(void **state)
{
    static const struct small_server_answer answers[] = {{.text = HALF, .then = THEN_CLOSE},
                                                         {.text = REST}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_asked(f, 1, key_of(f), "bytes=4-7");
    end(f);
}

static void a_server_that_says_later_is_asked_again_without_blocking(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = SLOW_DOWN}, {.then = THEN_CLOSE}, {.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_int_equal(small_server_count(f->server), 3);
    end(f);
}

static void a_key_that_is_not_there_just_now_is_asked_for_again(void **state)
{
    static const struct small_server_answer answers[] = {{.text = HALF, .then = THEN_CLOSE},
                                                         {.text = REST}};
    struct fixture *f = begin(answers, N(answers));
    AUTO(reader) struct reader *r = open_blob(f, 8);
    char text[100];
    size_t n;

    (void)state;
    without_key = 2;
    assert_int_equal(read_some(f, r, text, 4, &n), ERR_OK);
    without_key = 2;
    assert_int_equal(read_all(f, r, text), ERR_OK);
    assert_string_equal(text, "efgh");
    assert_int_equal(without_key, 0);
    reader_free(STEAL(r));
    end(f);
}

static void a_server_is_waited_for_as_long_as_it_asks(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"}, {.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));
    int64_t start_ms = clock_mono_ms();

    (void)state;
    assert_reads(f);
    assert_in_range(clock_mono_ms() - start_ms, 1000, 5000);
    end(f);
}

static void a_server_that_does_not_recover_is_unavailable(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = "HTTP/1.1 503 x\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n"}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_fails(f, ERR_UNAVAILABLE);
    end(f);
}

static void a_refusal_is_not_tried_again(void **state)
{
    static const struct small_server_answer answers[] = {{.text = NO_BUCKET}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_fails(f, ERR_UNAVAILABLE);
    assert_int_equal(small_server_count(f->server), 1);
    end(f);
}

static void credentials_that_have_expired_are_renewed_once(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = EXPIRED}, {.text = WHOLE}, {.text = EXPIRED}, {.text = EXPIRED}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_int_equal(f->keys_refused, 1);
    assert_fails(f, ERR_STORAGE_READONLY);
    assert_int_equal(f->keys_refused, 2);
    end(f);
}

/* ---- blobs on their way to their keys */

static void a_blob_that_this_process_moves_is_read_where_it_is(void **state)
{
    static const struct small_server_answer answers[] = {{.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    moving = UUID;
    assert_reads(f);
    assert_asked(f, 0, "uploads/" UUID, "");
    end(f);
}

static void a_blob_that_another_process_moves_is_found_by_its_pointer(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = MISSING}, {.text = POINTER}, {.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_asked(f, 0, key_of(f), "");
    assert_listed(f, 1, pointer_of(f));
    assert_asked(f, 2, "uploads/" UUID, "");
    end(f);
}

static void of_several_pointers_one_is_followed(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = MISSING}, {.text = TWO_POINTERS}, {.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_asked(f, 2, "uploads/" OWN_KEY, "");
    end(f);
}

static void a_pointer_names_no_other_key(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = MISSING}, {.text = POINTER_OUT_OF_UPLOADS}, {.text = WHOLE}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_reads(f);
    assert_asked(f, 2, key_of(f), "");
    end(f);
}

static void a_blob_that_comes_to_its_key_meanwhile_is_found_there(void **state)
{
    static const struct small_server_answer gone[] = {
        {.text = MISSING}, {.text = POINTER}, {.text = MISSING}, {.text = WHOLE}};
    static const struct small_server_answer crossed[] = {
        {.text = MISSING}, {.text = NO_POINTER}, {.text = WHOLE}};
    struct fixture *f = begin(gone, N(gone));

    (void)state;
    assert_reads(f);
    assert_asked(f, 3, key_of(f), "");
    end(f);
    f = begin(crossed, N(crossed));
    assert_reads(f);
    assert_asked(f, 2, key_of(f), "");
    end(f);
}

static void a_blob_that_is_moved_while_it_is_read_goes_on_at_its_key(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = HALF, .then = THEN_CLOSE}, {.text = MISSING}, {.text = REST}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    moving = UUID;
    assert_reads(f);
    assert_asked(f, 1, "uploads/" UUID, "bytes=4-7");
    assert_asked(f, 2, key_of(f), "bytes=4-7");
    end(f);
}

static void a_blob_that_is_nowhere_is_unknown(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = MISSING}, {.text = MISSING}, {.text = MISSING}};
    struct fixture *f = begin(answers, N(answers));

    (void)state;
    assert_fails(f, ERR_BLOB_UNKNOWN);
    end(f);
}

/* ---- ranges side by side */

#define RANGE(range, bytes)                                                                        \
    "HTTP/1.1 206 x\r\nContent-Length: " bytes "\r\nContent-Range: bytes " range "/8\r\n\r\n"

/* A range of 4 bytes and then others, one of them beside the one that is read. */
static struct fixture *begin_small(const struct small_server_answer *answers, size_t n,
                                   size_t beside, uint64_t room_bytes)
{
    struct fixture *f = begin(answers, n);

    f->s.shape =
        (struct s3_ahead_shape){.whole = 4, .first = 4, .beside = beside, .width = 1, .window = 2};
    f->s.kept.max_bytes = room_bytes;
    return f;
}

/* Reads what comes by itself, until so many requests have been made. */
static size_t read_until_asked(struct fixture *f, struct reader *r, char *text, size_t requests)
{
    struct pollfd wait = {.fd = reader_wait_fd(r), .events = POLLIN};
    size_t at = 0, n;

    while (small_server_count(f->server) < requests) {
        enum err_code code = reader_read(r, text + at, 99 - at, &n, &f->err);

        if (code == ERR_OK)
            at += n;
        else if (code == ERR_LATER)
            poll(&wait, 1, 10);
        else
            fail_msg("%s", f->err.detail);
    }
    return at;
}

static void the_next_range_is_fetched_beside_one_that_comes_slowly(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = RANGE("0-3", "4") "ab", .rest = "cd"},
        {.text = RANGE("4-5", "2") "ef"},
        {.text = RANGE("6-7", "2") "gh"}};
    struct fixture *f = begin_small(answers, N(answers), 2, 4);
    AUTO(reader) struct reader *r = open_blob(f, 8);
    char text[200];
    size_t at;

    (void)state;
    at = read_until_asked(f, r, text, 2);
    assert_int_equal(at, 2);
    assert_asked(f, 0, key_of(f), "bytes=0-3");
    assert_asked(f, 1, key_of(f), "bytes=4-5");
    small_server_go(f->server);
    assert_int_equal(read_all(f, r, text + at), ERR_OK);
    assert_string_equal(text, BLOB);
    assert_int_equal(small_server_count(f->server), 3);
    assert_asked(f, 2, key_of(f), "bytes=6-7");
    reader_free(STEAL(r));
    assert_int_equal(atomic_load(&f->s.kept.bytes), 0);
    end(f);
}

/* The blob comes, once the second request has been made while the first is not answered in full. */
static void assert_reads_beside(const struct small_server_answer *answers, size_t n)
{
    struct fixture *f = begin_small(answers, n, 4, 4);
    AUTO(reader) struct reader *r = open_blob(f, 8);
    char text[200];
    size_t at = read_until_asked(f, r, text, 2);

    small_server_go(f->server);
    assert_int_equal(read_all(f, r, text + at), ERR_OK);
    assert_string_equal(text, BLOB);
    reader_free(STEAL(r));
    end(f);
}

static void a_range_that_broke_beside_another_is_asked_for_again_in_its_turn(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = RANGE("0-3", "4") "ab", .rest = "cd"},
        {.text = RANGE("4-7", "4") "e", .then = THEN_CLOSE},
        {.text = RANGE("5-7", "3") "fgh"}};

    (void)state;
    assert_reads_beside(answers, N(answers));
}

static void a_range_of_an_object_of_another_length_is_not_kept(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = RANGE("0-3", "4") "ab", .rest = "cd"},
        {.text = "HTTP/1.1 206 x\r\nContent-Length: 4\r\nContent-Range: bytes 4-7/9\r\n\r\nxxxx"},
        {.text = REST}};

    (void)state;
    assert_reads_beside(answers, N(answers));
}

static void without_room_the_rest_is_one_range(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = RANGE("0-3", "4") "ab", .rest = "cd"}, {.text = REST}};
    struct fixture *f = begin_small(answers, N(answers), 2, 1);
    AUTO(reader) struct reader *r = open_blob(f, 8);
    size_t n = 0;
    char text[200];

    (void)state;
    assert_int_equal(read_some(f, r, text, 2, &n), ERR_OK);
    assert_int_equal(reader_read(r, text + n, 1, &n, &f->err), ERR_LATER);
    small_server_go(f->server);
    assert_int_equal(read_all(f, r, text + 2), ERR_OK);
    assert_string_equal(text, BLOB);
    assert_int_equal(small_server_count(f->server), 2);
    assert_asked(f, 1, key_of(f), "bytes=4-7");
    reader_free(STEAL(r));
    end(f);
}

static void a_reader_that_goes_elsewhere_drops_what_is_ahead(void **state)
{
    static const struct small_server_answer answers[] = {
        {.text = RANGE("0-3", "4") "ab", .rest = "cd"},
        {.text = RANGE("4-5", "2") "ef"},
        {.text = RANGE("6-7", "2") "gh"}};
    struct fixture *f = begin_small(answers, N(answers), 2, 4);
    AUTO(reader) struct reader *r = open_blob(f, 8);
    char text[200];

    (void)state;
    (void)!read_until_asked(f, r, text, 2);
    assert_int_equal(reader_seek(r, 6, &f->err), ERR_OK);
    assert_int_equal(atomic_load(&f->s.kept.bytes), 0);
    assert_int_equal(read_all(f, r, text), ERR_OK);
    assert_string_equal(text, "gh");
    small_server_go(f->server);
    reader_free(STEAL(r));
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_a_blob_of_known_size_asks_for_nothing),
        cmocka_unit_test(a_blob_is_one_request),
        cmocka_unit_test(a_connection_is_there_for_the_next_blob_with_the_last_byte),
        cmocka_unit_test(a_blob_is_read_from_where_it_is_asked_for),
        cmocka_unit_test(a_read_has_nothing_when_the_server_has_sent_nothing),
        cmocka_unit_test(an_object_of_another_length_is_not_the_blob),
        cmocka_unit_test(a_connection_that_breaks_goes_on_by_range),
        cmocka_unit_test(a_server_that_says_later_is_asked_again_without_blocking),
        cmocka_unit_test(a_key_that_is_not_there_just_now_is_asked_for_again),
        cmocka_unit_test(a_server_is_waited_for_as_long_as_it_asks),
        cmocka_unit_test(a_server_that_does_not_recover_is_unavailable),
        cmocka_unit_test(a_refusal_is_not_tried_again),
        cmocka_unit_test(credentials_that_have_expired_are_renewed_once),
        cmocka_unit_test(a_blob_that_this_process_moves_is_read_where_it_is),
        cmocka_unit_test(a_blob_that_another_process_moves_is_found_by_its_pointer),
        cmocka_unit_test(of_several_pointers_one_is_followed),
        cmocka_unit_test(a_pointer_names_no_other_key),
        cmocka_unit_test(a_blob_that_comes_to_its_key_meanwhile_is_found_there),
        cmocka_unit_test(a_blob_that_is_moved_while_it_is_read_goes_on_at_its_key),
        cmocka_unit_test(a_blob_that_is_nowhere_is_unknown),
        cmocka_unit_test(the_next_range_is_fetched_beside_one_that_comes_slowly),
        cmocka_unit_test(a_range_that_broke_beside_another_is_asked_for_again_in_its_turn),
        cmocka_unit_test(a_range_of_an_object_of_another_length_is_not_kept),
        cmocka_unit_test(without_room_the_rest_is_one_range),
        cmocka_unit_test(a_reader_that_goes_elsewhere_drops_what_is_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
