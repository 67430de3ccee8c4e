/* store/s3/multipart.h, before a real server. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PART S3_PART_MIN_BYTES

struct upload {
    struct s3_name name;
    char id[S3_UPLOAD_ID_MAX];
    struct s3_part items[4];
    struct s3_parts parts;
};

static void begin(struct fixture *f, const char *key, struct upload *u)
{
    *u = (struct upload){.name = name_in(f, key)};
    u->parts.items = u->items;
    OK(s3_multipart_create(f->c, &u->name, u->id, &f->e));
}

static enum err_code send_e(struct fixture *f, struct upload *u, unsigned number, struct str bytes)
{
    AUTO(fd) int fd = memfd_create("part", MFD_CLOEXEC);
    struct client_file body = {.fd = fd, .bytes = bytes.n};

    assert_int_equal(file_pwrite_all(fd, bytes.p, bytes.n, 0), 0);
    TRY(s3_part_put(f->c, &u->name, u->id, number, &body, &u->items[number - 1], &f->e));
    if (u->parts.n < number)
        u->parts.n = number;
    return ERR_OK;
}

static void send(struct fixture *f, struct upload *u, unsigned number, struct str bytes)
{
    OK(send_e(f, u, number, bytes));
}

static enum err_code complete(struct fixture *f, struct upload *u)
{
    bool sure = false;

    TRY(s3_multipart_complete(f->c, &u->name, u->id, &u->parts, &sure, &f->e));
    assert_true(sure);
    return ERR_OK;
}

/* Two parts and a rest, all of different letters. */
static struct str letters(void)
{
    char *p = mem_alloc(2 * PART + 1000);

    memset(p, 'a', PART);
    memset(p + PART, 'b', PART);
    memset(p + 2 * PART, 'c', 1000);
    return (struct str){p, 2 * PART + 1000};
}

static void parts_become_an_object_in_whatever_order_they_come(void **state)
{
    struct fixture *f = *state;
    struct str all = letters();
    struct upload u;

    begin(f, "blobs/sha256/a:b", &u);
    send(f, &u, 3, str_sub(all, 2 * PART, 1000));
    send(f, &u, 1, str_sub(all, 0, PART));
    send(f, &u, 2, str_sub(all, PART, PART));
    assert_no_object(f, "blobs/sha256/a:b");
    OK(complete(f, &u));
    assert_object(f, "blobs/sha256/a:b", all);
    free((char *)all.p);
}

static void last_part_may_be_empty(void **state)
{
    struct fixture *f = *state;
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, STR(""));
    OK(complete(f, &u));
    assert_object(f, "k", STR(""));
}

static void part_that_is_sent_again_counts_with_its_last_bytes(void **state)
{
    struct fixture *f = *state;
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, STR("first"));
    send(f, &u, 1, STR("second"));
    OK(complete(f, &u));
    assert_object(f, "k", STR("second"));
}

static void listed_parts_are_those_that_were_sent(void **state)
{
    struct fixture *f = *state;
    struct str all = letters();
    struct s3_parts found = {0};
    bool sure;
    struct upload u;

    begin(f, "k", &u);
    OK(s3_parts_list(f->c, &u.name, u.id, &found, &f->e));
    assert_int_equal(found.n, 0);
    send(f, &u, 1, str_sub(all, 0, PART));
    send(f, &u, 2, str_sub(all, 2 * PART, 1000));
    OK(s3_parts_list(f->c, &u.name, u.id, &found, &f->e));
    assert_int_equal(found.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(found.items[i].etag, u.items[i].etag);
        assert_int_equal(found.items[i].size_bytes, u.items[i].size_bytes);
    }
    OK(s3_multipart_complete(f->c, &u.name, u.id, &found, &sure, &f->e));
    assert_true(sure);
    free(found.items);
    free((char *)all.p);
}

static void the_list_ends_at_the_first_part_that_is_missing(void **state)
{
    struct fixture *f = *state;
    struct s3_parts found = {0};
    struct str all = letters();
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, str_sub(all, 0, PART));
    send(f, &u, 3, STR("x"));
    OK(s3_parts_list(f->c, &u.name, u.id, &found, &f->e));
    assert_int_equal(found.n, 1);
    assert_int_equal(found.items[0].size_bytes, PART);
    assert_int_equal(found.n_seen, 3);
    assert_int_equal(found.items[1].size_bytes, 0);
    assert_int_equal(found.items[2].size_bytes, 1);
    free(found.items);
    free((char *)all.p);
}

/* MinIO answers 404 NoSuchUpload then, others 200. */
static void completing_again_is_success(void **state)
{
    struct fixture *f = *state;
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, STR("bytes"));
    OK(complete(f, &u));
    OK(complete(f, &u));
    assert_object(f, "k", STR("bytes"));
}

/* radosgw 16 says NoSuchKey. */
static void parts_of_what_is_gone_are_unknown(void **state)
{
    struct fixture *f = *state;
    struct s3_parts found = {0};
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, STR("bytes"));
    OK(s3_multipart_abort(f->c, &u.name, u.id, &f->e));
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, s3_parts_list(f->c, &u.name, u.id, &found, &f->e));
    assert_int_equal(found.n, 0);
}

/* radosgw 16 says 500 then, however often it is asked. */
static void completing_what_was_aborted_fails(void **state)
{
    struct fixture *f = *state;
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, STR("bytes"));
    OK(s3_multipart_abort(f->c, &u.name, u.id, &f->e));
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, complete(f, &u));
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, send_e(f, &u, 1, STR("bytes")));
    assert_no_object(f, "k");
}

/* versitygw says 200 when there is any object of that name. */
static void completing_what_was_aborted_leaves_another_object(void **state)
{
    struct fixture *f = *state;
    bool versity = strcmp(f->server, "versitygw") == 0;
    struct upload u;

    put(f, "k", STR("of another length"));
    begin(f, "k", &u);
    send(f, &u, 1, STR("bytes"));
    OK(s3_multipart_abort(f->c, &u.name, u.id, &f->e));
    FAILS(versity ? ERR_OK : ERR_BLOB_UPLOAD_UNKNOWN, complete(f, &u));
    assert_object(f, "k", STR("of another length"));
}

static void aborting_again_is_success(void **state)
{
    struct fixture *f = *state;
    struct upload u;

    begin(f, "k", &u);
    OK(s3_multipart_abort(f->c, &u.name, u.id, &f->e));
    OK(s3_multipart_abort(f->c, &u.name, u.id, &f->e));
}

static void part_that_is_too_small_is_refused_with_the_word_of_the_server(void **state)
{
    struct fixture *f = *state;
    struct upload u;

    begin(f, "k", &u);
    send(f, &u, 1, STR("small"));
    send(f, &u, 2, STR("last"));
    FAILS(ERR_INTERNAL, complete(f, &u));
    assert_non_null(strstr(f->e.detail, "EntityTooSmall"));
}

static void part_may_be_copied_from_a_range_of_an_object(void **state)
{
    struct fixture *f = *state;
    struct str all = letters();
    struct s3_name from;
    struct upload u;

    put(f, "from:a+b", all);
    from = name_in(f, "from:a+b");
    begin(f, "k", &u);
    OK(s3_part_copy(f->c, &u.name, u.id, 1, NULL, &from, 0, PART, &u.items[0], &f->e));
    OK(s3_part_copy(f->c, &u.name, u.id, 2, NULL, &from, PART, PART + 1000, &u.items[1], &f->e));
    u.items[0].size_bytes = PART;
    u.items[1].size_bytes = PART + 1000;
    u.parts.n = 2;
    OK(complete(f, &u));
    assert_object(f, "k", all);
    free((char *)all.p);
}

static void part_may_be_copied_from_a_whole_object(void **state)
{
    struct fixture *f = *state;
    struct s3_name from, none = name_in(f, "none");
    struct upload u;

    put(f, "from", STR("bytes"));
    from = name_in(f, "from");
    begin(f, "k", &u);
    FAILS(ERR_NOT_FOUND,
          s3_part_copy(f->c, &u.name, u.id, 1, NULL, &none, 0, 0, &u.items[0], &f->e));
    OK(s3_part_copy(f->c, &u.name, u.id, 1, NULL, &from, 0, 0, &u.items[0], &f->e));
    u.items[0].size_bytes = 5;
    u.parts.n = 1;
    OK(complete(f, &u));
    assert_object(f, "k", STR("bytes"));
}

struct seen {
    struct fixture *f;
    char keys[256]; /* sorted by the server, without the prefix, a blank behind each */
};

static enum err_code see(void *ctx, const struct s3_name *name, const char *id, int64_t begun_ms,
                         struct err *e)
{
    struct seen *s = ctx;
    size_t n = strlen(s->keys);

    (void)e;
    assert_true(id[0] != '\0' && begun_ms > 0);
    snprintf(s->keys + n, sizeof(s->keys) - n, "%s ", name->text + strlen(s->f->prefix));
    return ERR_OK;
}

static struct seen uploads(struct fixture *f)
{
    struct seen s = {.f = f};

    OK(s3_multipart_each(f->c, see, &s, &f->e));
    return s;
}

/* MinIO lists none for a prefix that is not a whole key. */
static void uploads_are_found_until_they_end(void **state)
{
    struct fixture *f = *state;
    struct upload a, b, c;

    begin(f, "uploads/a", &a);
    begin(f, "uploads/b", &b);
    begin(f, "uploads/c", &c);
    assert_string_equal(uploads(f).keys, "uploads/a uploads/b uploads/c ");
    send(f, &b, 1, STR("x"));
    OK(complete(f, &b));
    OK(s3_multipart_abort(f->c, &c.name, c.id, &f->e));
    assert_string_equal(uploads(f).keys, "uploads/a ");
}

static void all_uploads_of_just_this_key_are_aborted(void **state)
{
    struct fixture *f = *state;
    struct upload one, two, other;

    begin(f, "uploads/a", &one);
    begin(f, "uploads/a", &two);
    begin(f, "uploads/ab", &other);
    OK(s3_multipart_abort_all(f->c, &one.name, &f->e));
    assert_string_equal(uploads(f).keys, "uploads/ab ");
    OK(s3_multipart_abort_all(f->c, &one.name, &f->e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_become_an_object_in_whatever_order_they_come),
        TEST(last_part_may_be_empty),
        TEST(part_that_is_sent_again_counts_with_its_last_bytes),
        TEST(listed_parts_are_those_that_were_sent),
        TEST(the_list_ends_at_the_first_part_that_is_missing),
        TEST(completing_again_is_success),
        TEST(parts_of_what_is_gone_are_unknown),
        TEST(completing_what_was_aborted_fails),
        TEST(completing_what_was_aborted_leaves_another_object),
        TEST(aborting_again_is_success),
        TEST(part_that_is_too_small_is_refused_with_the_word_of_the_server),
        TEST(part_may_be_copied_from_a_range_of_an_object),
        TEST(part_may_be_copied_from_a_whole_object),
        TEST(uploads_are_found_until_they_end),
        TEST(all_uploads_of_just_this_key_are_aborted),
    };

    fixture_choose();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
