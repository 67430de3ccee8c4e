/* gzip unpacks as zlib unpacks it, in pieces of any size, and what zlib refuses is refused. */
#include "../../archives/zlib_says.h"
#include "archive/unpack.h"
#include "base/mem.h"
#include "unit/core/support.h"

#define PLAIN_BYTES 200000u
#define MOST        (2u << 20)

static unsigned char plain[PLAIN_BYTES];

static int make_plain(void **state)
{
    unsigned x = 1;

    (void)state;
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        x = x * 1103515245 + 12345;
        plain[i] = (unsigned char)(x >> 16 & (i % 5000 < 3000 ? 0x0f : 0xff));
    }
    return 0;
}

/* ---- members */

/* A member of plain[0..n). */
static void add_member(struct buf *b, size_t n, int level, int strategy, gz_header *head)
{
    z_stream z = {.next_in = plain, .avail_in = (uInt)n};
    unsigned char *out = mem_alloc(MOST);

    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, strategy), Z_OK);
    if (head)
        assert_int_equal(deflateSetHeader(&z, head), Z_OK);
    z.next_out = out;
    z.avail_out = MOST;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_add(b, out, MOST - z.avail_out);
    deflateEnd(&z);
    free(out);
}

/* With all that a header may have. */
static void add_member_with_header(struct buf *b, size_t n)
{
    unsigned char extra[300], name[] = "name.tar", comment[] = "a comment";
    gz_header head = {.text = 1,
                      .extra = extra,
                      .extra_len = sizeof(extra),
                      .name = name,
                      .comment = comment,
                      .hcrc = 1};

    memset(extra, 'x', sizeof(extra));
    add_member(b, n, 6, Z_DEFAULT_STRATEGY, &head);
}

/* ---- unpacking */

static enum err_code collect(void *ctx, const void *p, size_t n, struct err *e)
{
    (void)e;
    buf_add(ctx, p, n);
    return ERR_OK;
}

static enum err_code unpack(const struct buf *in, size_t piece, struct buf *ret,
                            struct refusal *ret_refusal)
{
    AUTO(unpack) struct unpack *u = unpack_new(true, collect, ret, ret_refusal);
    enum err_code code = ERR_OK;

    buf_clear(ret);
    for (size_t at = 0; code == ERR_OK && at < in->n; at += piece)
        code = unpack_feed(u, in->p + at, in->n - at < piece ? in->n - at : piece, ERR_IGNORED);
    return code == ERR_OK ? unpack_end(u, ERR_IGNORED) : code;
}

/* In pieces of such sizes it becomes plain[0..n), `times` times. */
static void unpacks_to(const struct buf *in, size_t n, size_t times)
{
    static const size_t pieces[] = {1, 2, 3, 7, 64, 1000, 65536, MOST};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        AUTO(buf) struct buf out = {0};
        struct refusal f = {0};

        buf_init(&out, MOST);
        assert_int_equal(unpack(in, pieces[i], &out, &f), ERR_OK);
        assert_int_equal(out.n, n * times);
        for (size_t k = 0; k < times; k++)
            assert_memory_equal(out.p + k * n, plain, n);
    }
}

static void refused(const struct buf *in, enum refusal_code why)
{
    for (size_t piece = 1; piece < MOST; piece *= 1024) {
        AUTO(buf) struct buf out = {0};
        struct refusal f = {0};

        buf_init(&out, MOST);
        assert_int_equal(unpack(in, piece, &out, &f), ERR_IMAGE_INVALID);
        assert_int_equal(f.code, why);
    }
}

/* ---- tests */

static void blocks_of_each_kind_unpack(void **state)
{
    static const struct {
        int level, strategy;
    } kinds[] = {{0, Z_DEFAULT_STRATEGY},
                 {1, Z_DEFAULT_STRATEGY},
                 {6, Z_DEFAULT_STRATEGY},
                 {9, Z_DEFAULT_STRATEGY},
                 {6, Z_FIXED},
                 {6, Z_HUFFMAN_ONLY},
                 {6, Z_RLE}};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        AUTO(buf) struct buf in = {0};

        buf_init(&in, MOST);
        add_member(&in, PLAIN_BYTES, kinds[i].level, kinds[i].strategy, NULL);
        unpacks_to(&in, PLAIN_BYTES, 1);
    }
}

static void a_member_of_nothing_unpacks(void **state)
{
    AUTO(buf) struct buf in = {0};

    (void)state;
    buf_init(&in, MOST);
    add_member(&in, 0, 6, Z_DEFAULT_STRATEGY, NULL);
    unpacks_to(&in, 0, 1);
}

static void all_fields_of_a_header_are_passed_over_in_any_pieces(void **state)
{
    AUTO(buf) struct buf in = {0};

    (void)state;
    buf_init(&in, MOST);
    add_member_with_header(&in, 5000);
    unpacks_to(&in, 5000, 1);
}

static void members_follow_each_other(void **state)
{
    AUTO(buf) struct buf in = {0};

    (void)state;
    buf_init(&in, MOST);
    add_member(&in, 5000, 6, Z_DEFAULT_STRATEGY, NULL);
    add_member_with_header(&in, 5000);
    add_member(&in, 0, 6, Z_DEFAULT_STRATEGY, NULL);
    add_member(&in, 5000, 0, Z_DEFAULT_STRATEGY, NULL);
    unpacks_to(&in, 5000, 3);
}

static void a_wrong_trailer_is_damage(void **state)
{
    (void)state;
    for (size_t back = 1; back <= 8; back++) { /* CRC and length */
        AUTO(buf) struct buf in = {0};

        buf_init(&in, MOST);
        add_member(&in, 5000, 6, Z_DEFAULT_STRATEGY, NULL);
        in.p[in.n - back] ^= 1;
        refused(&in, REFUSAL_PACKED_WRONG);
    }
}

static void a_wrong_header_is_damage(void **state)
{
    static const struct {
        size_t at;
        char bits;
    } wrong[] = {{2, 1}, {3, 0x20}, {3, (char)0x80}, {20, 1}}; /* method, flags, extra: its CRC */

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO(buf) struct buf in = {0};

        buf_init(&in, MOST);
        add_member_with_header(&in, 5000);
        in.p[wrong[i].at] ^= wrong[i].bits;
        refused(&in, REFUSAL_PACKED_WRONG);
    }
}

static void a_member_is_refused_wherever_it_is_cut(void **state)
{
    AUTO(buf) struct buf in = {0};

    (void)state;
    buf_init(&in, MOST);
    add_member_with_header(&in, 300);
    while (--in.n >= 2) /* less is no gzip */
        refused(&in, REFUSAL_CUT);
}

static void bytes_behind_a_member_are_refused(void **state)
{
    AUTO(buf) struct buf in = {0};

    (void)state;
    buf_init(&in, MOST);
    add_member(&in, 5000, 6, Z_DEFAULT_STRATEGY, NULL);
    buf_add(&in, "\0", 1);
    refused(&in, REFUSAL_PACKED_TRAILING);
}

/* In a member of each kind of block, any bit. */
static void zlib_says_the_same_of_each_bit_turned(void **state)
{
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FIXED};
    size_t of_codes = 0;

    (void)state;
    for (size_t bit = 16; bit < 8 * 600; bit++) {
        AUTO(buf) struct buf in = {0};
        AUTO(buf) struct buf out = {0};
        AUTO(buf) struct buf wanted = {0};
        struct refusal f = {0};
        enum zlib_verdict says;

        buf_init(&in, MOST);
        buf_init(&out, MOST);
        buf_init(&wanted, MOST);
        add_member(&in, 800, 6, strategies[bit % 2], NULL);
        if (bit >= 8 * in.n)
            continue;
        in.p[bit / 8] ^= (char)(1 << bit % 8);
        says = zlib_says((const unsigned char *)in.p, in.n, &wanted);
        of_codes += says == ZLIB_REFUSES_CODES;
        if (says == ZLIB_REFUSES_CODES) /* it may pass: the CRC decides */
            continue;
        assert_int_equal(unpack(&in, 1 + bit % 97, &out, &f),
                         says == ZLIB_TAKES ? ERR_OK : ERR_IMAGE_INVALID);
        if (says == ZLIB_TAKES)
            assert_true(str_eq(buf_str(&out), buf_str(&wanted)));
    }
    assert_true(of_codes > 0 && of_codes < 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_each_kind_unpack),
        cmocka_unit_test(a_member_of_nothing_unpacks),
        cmocka_unit_test(all_fields_of_a_header_are_passed_over_in_any_pieces),
        cmocka_unit_test(members_follow_each_other),
        cmocka_unit_test(a_wrong_trailer_is_damage),
        cmocka_unit_test(a_wrong_header_is_damage),
        cmocka_unit_test(a_member_is_refused_wherever_it_is_cut),
        cmocka_unit_test(bytes_behind_a_member_are_refused),
        cmocka_unit_test(zlib_says_the_same_of_each_bit_turned),
    };

    return cmocka_run_group_tests(tests, make_plain, NULL);
}
