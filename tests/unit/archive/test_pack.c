/* Packing: it unpacks to what was packed, and its bytes do not depend on how that came. */
#include "archive/pack.h"

#include "base/buf.h"
#include "base/mem.h"
#include "unit/core/support.h"

#include <pthread.h>
#include <stdlib.h>

#define BYTES (700u << 10) /* some of zstd's blocks, and no whole number of them */

static char plain[BYTES];

static enum err_code collect(void *ctx, const void *p, size_t n, struct err *e)
{
    (void)e;
    buf_add(ctx, p, n);
    return ERR_OK;
}

static int make_plain(void **state)
{
    unsigned x = 1;

    (void)state;
    for (size_t i = 0; i < BYTES; i++) {
        x = x * 1103515245 + 12345;
        plain[i] = (char)(x >> 16 & (i % 5000 < 3000 ? 0x0f : 0xff));
    }
    return 0;
}

static void pack_pieces(const struct packing_form *form, uint64_t said, size_t piece,
                        struct buf *ret)
{
    struct pack *k = NULL;

    buf_init(ret, 2 * BYTES);
    assert_int_equal(pack_new(form, said, collect, ret, &k, ERR_IGNORED), ERR_OK);
    for (size_t at = 0; at < BYTES; at += piece)
        assert_int_equal(
            pack_feed(k, plain + at, BYTES - at < piece ? BYTES - at : piece, ERR_IGNORED), ERR_OK);
    assert_int_equal(pack_end(k, ERR_IGNORED), ERR_OK);
    pack_free(k);
}

static void unpacks_to_plain(const struct buf *packed, enum packing as)
{
    struct refusal f = {0};
    struct buf out = {0};
    struct unpack *u = unpack_new(true, collect, &out, &f);

    buf_init(&out, BYTES);
    assert_int_equal(unpack_feed(u, packed->p, packed->n, ERR_IGNORED), ERR_OK);
    assert_int_equal(unpack_end(u, ERR_IGNORED), ERR_OK);
    assert_int_equal(unpack_packing(u), as);
    assert_int_equal(out.n, BYTES);
    assert_memory_equal(out.p, plain, BYTES);
    unpack_free(u);
    buf_done(&out);
}

static const struct packing_form forms[] = {{PACKED_GZIP, 0}, {PACKED_GZIP, 1}, {PACKED_GZIP, 9},
                                            {PACKED_ZSTD, 0}, {PACKED_ZSTD, 1}, {PACKED_ZSTD, 9}};

#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

static void what_is_packed_unpacks(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FORMS; i++) {
        struct buf packed;

        pack_pieces(&forms[i], BYTES, 64u << 10, &packed);
        assert_true(packed.n < BYTES);
        unpacks_to_plain(&packed, forms[i].as);
        buf_done(&packed);
    }
}

/* As zstd packs it, when that may take so much to unpack. */
static enum err_code unpack_bounded(uint64_t memory_bytes, struct refusal *ret_refusal)
{
    struct buf packed, out = {0};
    struct unpack *u = unpack_new(true, collect, &out, ret_refusal);
    enum err_code code;

    buf_init(&out, BYTES);
    pack_pieces(&forms[3], BYTES, BYTES, &packed);
    unpack_bound(u, memory_bytes);
    code = unpack_feed(u, packed.p, packed.n, ERR_IGNORED);
    unpack_free(u);
    buf_done(&packed);
    buf_done(&out);
    return code;
}

static void a_window_beyond_the_bound_is_refused(void **state)
{
    struct refusal f = {0};

    (void)state;
    assert_int_equal(unpack_bounded(64u << 10, &f), ERR_IMAGE_TOO_LARGE);
    assert_int_equal(f.code, REFUSAL_DECODER_MEMORY);
    assert_int_equal(unpack_bounded(8u << 20, &f), ERR_OK);
}

static void where_no_bound_is_said_usual_windows_unpack(void **state)
{
    struct refusal f = {0};

    (void)state;
    assert_int_equal(unpack_bounded(0, &f), ERR_OK);
}

static void pieces_change_nothing(void **state)
{
    static const size_t pieces[] = {BYTES, 128u << 10, 65537, 1000, 17};

    (void)state;
    for (size_t i = 0; i < N_FORMS; i++) {
        struct buf one, other;

        pack_pieces(&forms[i], BYTES, 1u << 20, &one);
        for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
            pack_pieces(&forms[i], BYTES, pieces[k], &other);
            assert_int_equal(one.n, other.n);
            assert_memory_equal(one.p, other.p, one.n);
            buf_done(&other);
        }
        buf_done(&one);
    }
}

static void *pack_there(void *ctx)
{
    pack_pieces(&forms[3], BYTES, 4096, ctx);
    return NULL;
}

static void threads_beside_each_other_change_nothing(void **state)
{
    struct buf packed[4];
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pack_there, &packed[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(packed[i].n, packed[0].n);
        assert_memory_equal(packed[i].p, packed[0].p, packed[0].n);
    }
    for (size_t i = 0; i < 4; i++)
        buf_done(&packed[i]);
}

/* zstd notes how many there are, where that is known. */
static void a_length_that_is_not_known_is_no_obstacle(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FORMS; i++) {
        struct buf packed;

        pack_pieces(&forms[i], UINT64_MAX, 5000, &packed);
        unpacks_to_plain(&packed, forms[i].as);
        buf_done(&packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_unpacks),
        cmocka_unit_test(a_window_beyond_the_bound_is_refused),
        cmocka_unit_test(where_no_bound_is_said_usual_windows_unpack),
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(threads_beside_each_other_change_nothing),
        cmocka_unit_test(a_length_that_is_not_known_is_no_obstacle),
    };

    return cmocka_run_group_tests(tests, make_plain, NULL);
}
