#include "core/verify.h"

#include "base/buf.h"
#include "base/mem.h"
#include "support.h"

#define BUFFER (128 * 1024) /* as in verify.c: sizes around it matter */

/* Reads on to the end in steps of cap. */
static enum err_code read_rest(struct reader *r, size_t cap, struct buf *ret_bytes)
{
    AUTO(mem) char *p = mem_alloc(cap);
    size_t n;

    do {
        TRY(reader_read(r, p, cap, &n, ERR_IGNORED));
        buf_add(ret_bytes, p, n);
    } while (n > 0);
    return ERR_OK;
}

struct subject {
    struct source source;
    struct digest digest;
    struct buf read;
    char *bytes;
    size_t n;
};

static void subject_init(struct subject *s, size_t n)
{
    s->bytes = noise(n, 7);
    s->n = n;
    s->digest = sha256_of((struct str){s->bytes, n});
    s->source = source_of((struct str){s->bytes, n});
    buf_init(&s->read, 1 << 24);
}

static struct reader *reader_of(struct subject *s)
{
    return verify_reader_new(&s->source.reader, &s->digest, s->n);
}

static void subject_done(struct subject *s)
{
    assert_true(s->source.freed);
    buf_done(&s->read);
    free(s->bytes);
}

static const size_t sizes[] = {0, 1, 2, BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER, 3 * BUFFER + 5};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void good_content_is_handed_out_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        struct subject s;
        struct reader *r;

        subject_init(&s, sizes[i]);
        r = reader_of(&s);
        assert_ok(read_rest(r, BUFFER, &s.read));
        assert_int_equal(s.read.n, sizes[i]);
        assert_true(str_eq(buf_str(&s.read), (struct str){s.bytes, s.n}));
        reader_free(r);
        subject_done(&s);
    }
}

static void damaged_content_never_comes_out_to_its_end(void **state)
{
    (void)state;
    for (size_t i = 1; i < SIZES; i++) {
        struct subject s;
        struct reader *r;

        subject_init(&s, sizes[i]);
        s.bytes[s.n / 2] ^= 1;
        r = reader_of(&s);
        assert_code(ERR_CORRUPT, read_rest(r, 4096, &s.read));
        assert_true(s.read.n < s.n);
        reader_free(r);
        subject_done(&s);
    }
}

static void content_of_nothing_under_a_digest_of_something_is_damaged(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 0);
    s.digest = sha256_of(STR("something"));
    r = reader_of(&s);
    assert_code(ERR_CORRUPT, read_rest(r, 4096, &s.read));
    reader_free(r);
    subject_done(&s);
}

static void cut_off_content_is_damaged(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 10000);
    s.source.bytes.n = 9999;
    r = reader_of(&s);
    assert_code(ERR_CORRUPT, read_rest(r, 4096, &s.read));
    reader_free(r);
    subject_done(&s);
}

static void content_with_more_behind_it_is_damaged(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 10000);
    s.n = 9999; /* the digest is of all 10000, the size is not */
    r = reader_of(&s);
    assert_code(ERR_CORRUPT, read_rest(r, 4096, &s.read));
    reader_free(r);
    subject_done(&s);
}

static void asking_for_nothing_gives_nothing(void **state)
{
    struct subject s;
    struct reader *r;
    char c;
    size_t n = 1;

    (void)state;
    subject_init(&s, 10);
    r = reader_of(&s);
    assert_ok(reader_read(r, &c, 0, &n, ERR_IGNORED));
    assert_int_equal(n, 0);
    assert_ok(read_rest(r, 16, &s.read));
    assert_int_equal(s.read.n, 10);
    reader_free(r);
    subject_done(&s);
}

static void a_seek_before_reading_goes_there(void **state)
{
    (void)state;
    for (size_t i = 1; i < SIZES; i++) {
        struct subject s;
        struct reader *r;

        subject_init(&s, sizes[i]);
        r = reader_of(&s);
        assert_ok(reader_seek(r, s.n - 1, ERR_IGNORED));
        assert_ok(read_rest(r, 4096, &s.read));
        assert_int_equal(s.read.n, 1);
        assert_int_equal(s.read.p[0], s.bytes[s.n - 1]);
        reader_free(r);
        subject_done(&s);
    }
}

static void a_seek_into_damaged_content_fails(void **state)
{
    (void)state;
    for (size_t i = 2; i < SIZES; i++) {
        struct subject s;
        struct reader *r;

        subject_init(&s, sizes[i]);
        s.bytes[0] ^= 1; /* not in the part that is asked for */
        r = reader_of(&s);
        assert_code(ERR_CORRUPT, reader_seek(r, s.n - 1, ERR_IGNORED));
        reader_free(r);
        subject_done(&s);
    }
}

static void a_seek_in_the_middle_of_reading_goes_there(void **state)
{
    struct subject s;
    struct reader *r;
    char part[1000];
    size_t n;

    (void)state;
    subject_init(&s, 3 * BUFFER);
    r = reader_of(&s);
    assert_ok(reader_read(r, part, sizeof(part), &n, ERR_IGNORED));
    assert_int_equal(n, sizeof(part));
    assert_ok(reader_seek(r, 10, ERR_IGNORED));
    assert_ok(read_rest(r, BUFFER, &s.read));
    assert_true(str_eq(buf_str(&s.read), (struct str){s.bytes + 10, s.n - 10}));
    reader_free(r);
    subject_done(&s);
}

static void a_seek_to_where_it_is_keeps_the_check_going(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 5000);
    s.bytes[4999] ^= 1;
    r = reader_of(&s);
    assert_ok(reader_seek(r, 0, ERR_IGNORED));
    assert_code(ERR_CORRUPT, read_rest(r, 1000, &s.read));
    reader_free(r);
    subject_done(&s);
}

static void a_seek_after_the_end_reads_again(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 5000);
    r = reader_of(&s);
    assert_ok(read_rest(r, 1000, &s.read));
    assert_ok(reader_seek(r, 4000, ERR_IGNORED));
    buf_clear(&s.read);
    assert_ok(read_rest(r, 1000, &s.read));
    assert_int_equal(s.read.n, 1000);
    reader_free(r);
    subject_done(&s);
}

static void an_error_below_comes_up(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 5000);
    s.source.error = ERR_INTERNAL;
    s.source.fail_at = 2500;
    r = reader_of(&s);
    assert_code(ERR_INTERNAL, read_rest(r, 1000, &s.read));
    reader_free(r);
    subject_done(&s);
}

static void it_has_no_file_to_send_around_the_check(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 10);
    r = reader_of(&s);
    assert_int_equal(reader_fd(r), -1);
    reader_free(r);
    subject_done(&s);
}

static void sha512_is_checked_as_well(void **state)
{
    struct subject s;
    struct reader *r;

    (void)state;
    subject_init(&s, 5000);
    digest_of(DIGEST_SHA512, s.bytes, s.n, &s.digest);
    r = reader_of(&s);
    assert_ok(read_rest(r, 1000, &s.read));
    reader_free(r);
    subject_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_content_is_handed_out_whole),
        cmocka_unit_test(damaged_content_never_comes_out_to_its_end),
        cmocka_unit_test(content_of_nothing_under_a_digest_of_something_is_damaged),
        cmocka_unit_test(cut_off_content_is_damaged),
        cmocka_unit_test(content_with_more_behind_it_is_damaged),
        cmocka_unit_test(asking_for_nothing_gives_nothing),
        cmocka_unit_test(a_seek_before_reading_goes_there),
        cmocka_unit_test(a_seek_into_damaged_content_fails),
        cmocka_unit_test(a_seek_in_the_middle_of_reading_goes_there),
        cmocka_unit_test(a_seek_to_where_it_is_keeps_the_check_going),
        cmocka_unit_test(a_seek_after_the_end_reads_again),
        cmocka_unit_test(an_error_below_comes_up),
        cmocka_unit_test(it_has_no_file_to_send_around_the_check),
        cmocka_unit_test(sha512_is_checked_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
