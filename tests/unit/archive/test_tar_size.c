#include "archive/tar.h"

#include "base/mem.h"

#include "unit/core/support.h"

#define BLOCK    512
#define MIB      (1ull << 20)
#define LARGE    (9ull << 30)
#define SIZE_AT  124
#define SUM_AT   148
#define TYPE_AT  156
#define FIRST    "layer.tar"
#define SECOND   "manifest.json"
#define PAX_SIZE "19 size=9663676416\n" /* LARGE */

/* What was told of the members. */
struct told {
    unsigned n_begun, n_ended;
    uint64_t sizes[2], bytes[2];
};

static enum err_code begin(void *ctx, const struct tar_entry *t, struct err *e)
{
    struct told *told = ctx;

    (void)e;
    assert_true(told->n_begun < 2);
    assert_true(str_eq(t->name, told->n_begun == 0 ? STR(FIRST) : STR(SECOND)));
    told->sizes[told->n_begun++] = t->size_bytes;
    return ERR_OK;
}

static enum err_code data(void *ctx, const void *p, size_t n, struct err *e)
{
    struct told *told = ctx;

    (void)p;
    (void)e;
    told->bytes[told->n_ended] += n;
    return ERR_OK;
}

static enum err_code end(void *ctx, struct err *e)
{
    struct told *told = ctx;

    (void)e;
    told->n_ended++;
    return ERR_OK;
}

static const struct tar_events events = {begin, data, end};

/* Base 256, big endian, its first bit set: GNU tar, "Basic Tar Format". */
static void write_base_256(unsigned char *field, uint64_t value)
{
    field[0] = 0x80;
    for (int i = 11; i > 3; i--, value >>= 8)
        field[i] = (unsigned char)value;
}

static void feed(struct tar *t, const void *p, size_t n)
{
    assert_ok(tar_feed(t, p, n, ERR_IGNORED));
}

static void feed_header(struct tar *t, const char *name, char type, uint64_t size, bool base_256)
{
    unsigned char block[BLOCK] = {0};
    unsigned sum = 0;

    memcpy(block, name, strlen(name));
    block[TYPE_AT] = (unsigned char)type;
    if (base_256)
        write_base_256(block + SIZE_AT, size);
    else
        snprintf((char *)block + SIZE_AT, 12, "%011o", (unsigned)size);
    memset(block + SUM_AT, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += block[i];
    snprintf((char *)block + SUM_AT, 8, "%06o", sum);
    feed(t, block, BLOCK);
}

/* The bytes of the large member, a small one, and the end. */
static void feed_rest(struct tar *t)
{
    AUTO(mem) unsigned char *zeros = mem_zero(MIB);

    for (uint64_t at = 0; at < LARGE; at += MIB)
        feed(t, zeros, MIB);
    feed_header(t, SECOND, '0', BLOCK, false);
    feed(t, zeros, 3 * BLOCK);
    assert_ok(tar_end(t, ERR_IGNORED));
}

static void assert_both_came(const struct told *told)
{
    assert_int_equal(told->n_begun, 2);
    assert_int_equal(told->n_ended, 2);
    assert_int_equal(told->sizes[0], LARGE);
    assert_int_equal(told->bytes[0], LARGE);
    assert_int_equal(told->sizes[1], BLOCK);
    assert_int_equal(told->bytes[1], BLOCK);
}

static void a_size_beyond_octal_digits_is_read_in_base_256(void **state)
{
    struct told told = {0};
    struct refusal why = {0};
    struct tar *t = tar_new(&events, &told, &why);

    (void)state;
    feed_header(t, FIRST, '0', LARGE, true);
    feed_rest(t);
    assert_both_came(&told);
    tar_free(t);
}

static void a_size_beyond_octal_digits_is_read_in_a_pax_header(void **state)
{
    static const char records[BLOCK] = PAX_SIZE;
    struct told told = {0};
    struct refusal why = {0};
    struct tar *t = tar_new(&events, &told, &why);

    (void)state;
    feed_header(t, "pax", 'x', strlen(PAX_SIZE), false);
    feed(t, records, BLOCK);
    feed_header(t, FIRST, '0', 0, false);
    feed_rest(t);
    assert_both_came(&told);
    tar_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_beyond_octal_digits_is_read_in_base_256),
        cmocka_unit_test(a_size_beyond_octal_digits_is_read_in_a_pax_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
