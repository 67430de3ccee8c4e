#include "signing/cbor_value.h"

#include <cbor.h>

static void take(void *ctx, enum cbor_kind kind, uint64_t number)
{
    struct cbor_value *v = ctx;

    *v = (struct cbor_value){.kind = number <= INT64_MAX ? kind : CBOR_OTHER,
                             .number = number <= INT64_MAX ? (int64_t)number : 0};
}

/* RFC 8949, 3.1: -1 minus what stands there. */
static void take_negative(void *ctx, uint64_t number)
{
    struct cbor_value *v = ctx;

    take(ctx, CBOR_NUMBER, number);
    if (v->kind == CBOR_NUMBER)
        v->number = -1 - v->number;
}

static void uint8(void *ctx, uint8_t n)
{
    take(ctx, CBOR_NUMBER, n);
}

static void uint16(void *ctx, uint16_t n)
{
    take(ctx, CBOR_NUMBER, n);
}

static void uint32(void *ctx, uint32_t n)
{
    take(ctx, CBOR_NUMBER, n);
}

static void uint64(void *ctx, uint64_t n)
{
    take(ctx, CBOR_NUMBER, n);
}

static void negint8(void *ctx, uint8_t n)
{
    take_negative(ctx, n);
}

static void negint16(void *ctx, uint16_t n)
{
    take_negative(ctx, n);
}

static void negint32(void *ctx, uint32_t n)
{
    take_negative(ctx, n);
}

static void list(void *ctx, size_t n)
{
    take(ctx, CBOR_LIST, n);
}

static void map(void *ctx, size_t n)
{
    take(ctx, CBOR_MAP, n);
}

static void tag(void *ctx, uint64_t n)
{
    take(ctx, CBOR_TAG, n);
}

static void bytes(void *ctx, cbor_data p, size_t n)
{
    *(struct cbor_value *)ctx =
        (struct cbor_value){.kind = CBOR_BYTES, .bytes = {(const char *)p, n}};
}

static void text(void *ctx, cbor_data p, size_t n)
{
    *(struct cbor_value *)ctx =
        (struct cbor_value){.kind = CBOR_TEXT, .bytes = {(const char *)p, n}};
}

static void endless(void *ctx)
{
    take(ctx, CBOR_LIST, INT64_MAX); /* more than there can be */
}

static struct cbor_callbacks callbacks(void)
{
    struct cbor_callbacks c = cbor_empty_callbacks;

    c.uint8 = uint8;
    c.uint16 = uint16;
    c.uint32 = uint32;
    c.uint64 = uint64;
    c.negint8 = negint8;
    c.negint16 = negint16;
    c.negint32 = negint32;
    c.negint64 = take_negative;
    c.array_start = list;
    c.map_start = map;
    c.tag = tag;
    c.byte_string = bytes;
    c.string = text;
    c.byte_string_start = c.string_start = c.indef_array_start = c.indef_map_start = endless;
    return c;
}

/* Each value takes a byte at least. */
static bool fits(const struct cbor_value *v, struct str rest)
{
    switch (v->kind) {
    case CBOR_LIST:
        return (uint64_t)v->number <= rest.n;
    case CBOR_MAP:
        return (uint64_t)v->number <= rest.n / 2;
    default:
        return true;
    }
}

bool cbor_next(struct str *rest, struct cbor_value *ret)
{
    const struct cbor_callbacks how = callbacks();
    struct cbor_decoder_result r;

    *ret = (struct cbor_value){.kind = CBOR_OTHER};
    if (rest->n == 0)
        return false;
    r = cbor_stream_decode((cbor_data)rest->p, rest->n, &how, ret);
    if (r.status != CBOR_DECODER_FINISHED)
        return false;
    *rest = str_sub(*rest, r.read, rest->n - r.read);
    return fits(ret, *rest);
}

bool cbor_next_of(struct str *rest, enum cbor_kind kind, struct cbor_value *ret)
{
    return cbor_next(rest, ret) && ret->kind == kind;
}

bool cbor_skip(struct str *rest)
{
    struct cbor_value v;
    uint64_t open = 1;

    for (; open > 0; open--) {
        if (!cbor_next(rest, &v))
            return false;
        if (v.kind == CBOR_LIST)
            open += (uint64_t)v.number;
        else if (v.kind == CBOR_MAP)
            open += 2 * (uint64_t)v.number;
        else if (v.kind == CBOR_TAG)
            open++;
    }
    return true;
}
