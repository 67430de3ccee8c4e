#include "archive/out_reader.h"

#include "base/mem.h"
#include "unit/core/support.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FIRST_BYTES  700u
#define SECOND_BYTES 512u

/* Two blobs in memory, or in files that have bytes in front of them in common with nobody. */
struct shelf {
    struct out_blobs blobs;
    char *bytes[2];
    struct digest digests[2];
    size_t sizes[2];
    bool files;
    bool slow;           /* the first two reads of a blob have nothing yet */
    enum err_code error; /* of opening */
    unsigned opened, open, freed;
};

struct blob {
    struct reader reader;
    struct shelf *shelf;
    struct str bytes;
    size_t at;
    int fd, wait_fd;
    unsigned waits;
};

static enum err_code blob_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct blob *b = (struct blob *)r;

    if (b->shelf->slow && b->waits < 2) {
        b->waits++;
        return err_set(e, ERR_LATER, "not yet");
    }
    *ret_n = cap < b->bytes.n - b->at ? cap : b->bytes.n - b->at;
    memcpy(buf, b->bytes.p + b->at, *ret_n);
    b->at += *ret_n;
    return ERR_OK;
}

static enum err_code blob_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    (void)e;
    ((struct blob *)r)->at = (size_t)offset_bytes;
    return ERR_OK;
}

static int blob_fd(struct reader *r)
{
    return ((struct blob *)r)->fd;
}

static int blob_wait_fd(struct reader *r)
{
    return ((struct blob *)r)->wait_fd;
}

static void blob_free(struct reader *r)
{
    struct blob *b = (struct blob *)r;

    b->shelf->open--;
    if (b->fd >= 0)
        close(b->fd);
    close(b->wait_fd);
    free(b);
}

static const struct reader_ops blob_ops = {.read = blob_read,
                                           .seek = blob_seek,
                                           .fd = blob_fd,
                                           .wait_fd = blob_wait_fd,
                                           .free = blob_free};

static int file_of(struct str bytes)
{
    char path[] = "/tmp/out-reader-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
    return fd;
}

static enum err_code shelf_open(struct out_blobs *blobs, const struct digest *d, uint64_t n_bytes,
                                struct reader **ret_reader, struct err *e)
{
    struct shelf *s = (struct shelf *)blobs;
    struct blob *b;
    int i = digest_eq(d, &s->digests[1]);

    (void)n_bytes;
    if (s->error != ERR_OK)
        return err_set(e, s->error, "as asked for");
    b = NEW(struct blob);
    b->reader.ops = &blob_ops;
    b->shelf = s;
    b->bytes = (struct str){s->bytes[i], s->sizes[i]};
    b->fd = s->files ? file_of(b->bytes) : -1;
    b->wait_fd = eventfd(1, EFD_CLOEXEC);
    s->opened++;
    s->open++;
    *ret_reader = &b->reader;
    return ERR_OK;
}

static void shelf_free(struct out_blobs *blobs)
{
    ((struct shelf *)blobs)->freed++;
}

static void shelf_init(struct shelf *s)
{
    *s = (struct shelf){.blobs = {.open = shelf_open, .free = shelf_free},
                        .sizes = {FIRST_BYTES, SECOND_BYTES}};
    for (int i = 0; i < 2; i++) {
        s->bytes[i] = noise(s->sizes[i], (unsigned)i + 1);
        s->digests[i] = sha256_of((struct str){s->bytes[i], s->sizes[i]});
    }
}

static void shelf_done(struct shelf *s)
{
    assert_int_equal(s->open, 0);
    assert_int_equal(s->freed, 1);
    free(s->bytes[0]);
    free(s->bytes[1]);
}

/* And what it should read, put together from the layout. */
static struct reader *archive_of(struct shelf *s, struct buf *ret_bytes)
{
    AUTO(out_layout) struct out_layout l = {0};

    out_layout_init(&l);
    out_layout_file(&l, STR("text"), STR("some text"));
    out_layout_blob(&l, STR("first"), &s->digests[0], FIRST_BYTES);
    out_layout_blob(&l, STR("second"), &s->digests[1], SECOND_BYTES);
    assert_ok(out_layout_end(&l, ERR_IGNORED));
    buf_init(ret_bytes, 1 << 20);
    for (size_t i = 0; i < l.n_pieces; i++) {
        const struct out_piece *p = &l.pieces[i];

        buf_add(ret_bytes,
                p->is_blob ? s->bytes[digest_eq(&p->digest, &s->digests[1])]
                           : l.text.p + p->text_at,
                (size_t)p->n_bytes);
    }
    assert_int_equal(ret_bytes->n, l.n_bytes);
    return out_reader_new(&l, &s->blobs);
}

static void read_all(struct reader *r, size_t step, struct buf *ret)
{
    char piece[8192];
    size_t n;

    buf_init(ret, 1 << 20);
    do {
        assert_ok(reader_read_waiting(r, piece, step, &n, ERR_IGNORED));
        buf_add(ret, piece, n);
    } while (n > 0);
}

static void assert_reads(struct reader *r, size_t step, struct str want)
{
    AUTO(buf) struct buf got = {0};

    read_all(r, step, &got);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, want.n);
}

static void it_reads_the_archive_in_steps_of_any_size(void **state)
{
    static const size_t steps[] = {1, 7, 511, 512, 513, 8192};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        AUTO(buf) struct buf want = {0};
        struct shelf s;
        struct reader *r;

        shelf_init(&s);
        r = archive_of(&s, &want);
        assert_reads(r, steps[i], buf_str(&want));
        reader_free(r);
        shelf_done(&s);
    }
}

static void from_every_offset_it_reads_what_the_whole_has_there(void **state)
{
    AUTO(buf) struct buf want = {0};
    struct shelf s;
    struct reader *r;

    (void)state;
    shelf_init(&s);
    r = archive_of(&s, &want);
    for (size_t at = 0; at <= want.n; at++) {
        assert_ok(reader_seek(r, at, ERR_IGNORED));
        assert_reads(r, 8192, str_sub(buf_str(&want), at, want.n - at));
    }
    reader_free(r);
    shelf_done(&s);
}

static void a_span_at_every_offset_of_a_blob_has_its_bytes(void **state)
{
    AUTO(buf) struct buf want = {0};
    struct reader_span span;
    struct shelf s;
    struct reader *r;
    char bytes[1024];
    size_t in_files = 0;

    (void)state;
    shelf_init(&s);
    s.files = true;
    r = archive_of(&s, &want);
    for (size_t at = 0; at <= want.n; at++) {
        if (!reader_span(r, at, &span))
            continue;
        in_files++;
        assert_true(span.n_bytes > 0 && at + span.n_bytes <= want.n);
        assert_int_equal(pread(span.fd, bytes, span.n_bytes, (off_t)span.at_bytes), span.n_bytes);
        assert_memory_equal(bytes, want.p + at, span.n_bytes);
    }
    assert_int_equal(in_files, FIRST_BYTES + SECOND_BYTES);
    assert_int_equal(s.opened, 2);
    reader_free(r);
    shelf_done(&s);
}

static void blobs_without_a_file_have_no_spans(void **state)
{
    AUTO(buf) struct buf want = {0};
    struct reader_span span;
    struct shelf s;
    struct reader *r;

    (void)state;
    shelf_init(&s);
    r = archive_of(&s, &want);
    for (size_t at = 0; at <= want.n; at++)
        assert_false(reader_span(r, at, &span));
    reader_free(r);
    shelf_done(&s);
}

static void one_blob_is_open_at_a_time_from_its_first_byte_on(void **state)
{
    AUTO(buf) struct buf want = {0};
    char byte;
    struct shelf s;
    struct reader *r;
    size_t n;

    (void)state;
    shelf_init(&s);
    r = archive_of(&s, &want);
    for (size_t at = 0; at < want.n; at++) {
        assert_ok(reader_read(r, &byte, 1, &n, ERR_IGNORED));
        assert_true(s.open <= 1);
        if (at < 3 * 512)
            assert_int_equal(s.opened, 0);
    }
    assert_int_equal(s.opened, 2);
    reader_free(r);
    shelf_done(&s);
}

static void it_waits_where_a_blob_waits(void **state)
{
    AUTO(buf) struct buf want = {0};
    struct epoll_event ev;
    struct shelf s;
    struct reader *r;
    char bytes[8192];
    size_t n;
    int fd;

    (void)state;
    shelf_init(&s);
    s.slow = true;
    r = archive_of(&s, &want);
    assert_ok(reader_read(r, bytes, sizeof(bytes), &n, ERR_IGNORED));
    assert_int_equal(n, 3 * 512); /* what there is before the blob */
    assert_code(ERR_LATER, reader_read(r, bytes, sizeof(bytes), &n, ERR_IGNORED));
    fd = reader_wait_fd(r);
    assert_int_equal(epoll_wait(fd, &ev, 1, 0), 1);
    assert_reads(r, 8192, str_sub(buf_str(&want), 3 * 512, want.n - 3 * 512));
    assert_int_equal(reader_wait_fd(r), fd);
    reader_free(r);
    shelf_done(&s);
}

static void a_blob_that_ends_early_is_an_error(void **state)
{
    AUTO(buf) struct buf want = {0};
    struct shelf s;
    struct reader *r;
    char bytes[8192];
    size_t n;

    (void)state;
    shelf_init(&s);
    r = archive_of(&s, &want);
    s.sizes[0]--;
    assert_code(ERR_CORRUPT, reader_read(r, bytes, sizeof(bytes), &n, ERR_IGNORED));
    reader_free(r);
    shelf_done(&s);
}

static void a_blob_that_cannot_be_opened_is_an_error_of_the_read(void **state)
{
    AUTO(buf) struct buf want = {0};
    struct reader_span span;
    struct shelf s;
    struct reader *r;
    char bytes[8192];
    size_t n;

    (void)state;
    shelf_init(&s);
    s.error = ERR_BLOB_UNKNOWN;
    r = archive_of(&s, &want);
    assert_false(reader_span(r, 3 * 512, &span));
    assert_code(ERR_BLOB_UNKNOWN, reader_read(r, bytes, sizeof(bytes), &n, ERR_IGNORED));
    reader_free(r);
    shelf_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_the_archive_in_steps_of_any_size),
        cmocka_unit_test(from_every_offset_it_reads_what_the_whole_has_there),
        cmocka_unit_test(a_span_at_every_offset_of_a_blob_has_its_bytes),
        cmocka_unit_test(blobs_without_a_file_have_no_spans),
        cmocka_unit_test(one_blob_is_open_at_a_time_from_its_first_byte_on),
        cmocka_unit_test(it_waits_where_a_blob_waits),
        cmocka_unit_test(a_blob_that_ends_early_is_an_error),
        cmocka_unit_test(a_blob_that_cannot_be_opened_is_an_error_of_the_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
