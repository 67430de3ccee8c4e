#include "archive/out_check.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK    512u
#define PAX_MAX  4096u
#define NAME_CAP 256u

/* Of a header. */
enum {
    NAME_AT = 0,
    NAME_N = 100,
    SIZE_AT = 124,
    SIZE_N = 12,
    SUM_AT = 148,
    SUM_N = 8,
    TYPE_AT = 156
};

struct out_check {
    enum { IN_HEADER, IN_BYTES, IN_PADDING, AT_END } state;
    char header[BLOCK];
    size_t header_n;
    uint64_t left_bytes; /* of a member's bytes, or of its padding */
    size_t padding;
    bool is_pax;
    struct buf pax;        /* records of the next member, until it comes */
    char name[NAME_CAP];   /* of this one */
    struct digest digest;  /* that a blob should have */
    struct hasher *hasher; /* of a blob; else NULL */
    unsigned n_blobs;
};

struct out_check *out_check_new(void)
{
    struct out_check *c = NEW(struct out_check);

    buf_init(&c->pax, PAX_MAX);
    return c;
}

void out_check_free(struct out_check *c)
{
    if (!c)
        return;
    hasher_free(c->hasher);
    buf_done(&c->pax);
    free(c);
}

static bool is_zero(const char *block)
{
    for (size_t i = 0; i < BLOCK; i++) {
        if (block[i])
            return false;
    }
    return true;
}

/* Octal digits up to a NUL or a blank. */
static uint64_t octal(const char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && p[i] >= '0' && p[i] <= '7'; i++)
        v = v * 8 + (uint64_t)(p[i] - '0');
    return v;
}

static bool sum_is_right(const char *header)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_N ? ' ' : (unsigned char)header[i];
    return sum == octal(header + SUM_AT, SUM_N);
}

/* The value of a record ("19 size=8589934592\n"); STR_NONE: there is none such. */
static struct str pax_value(const struct out_check *c, struct str key)
{
    struct str rest = buf_str(&c->pax), line, length, name;

    while (rest.n > 0) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, ' ', &length);
        str_cut(&line, '=', &name);
        if (str_eq(name, key))
            return line;
    }
    return STR_NONE;
}

static enum err_code settle_name(struct out_check *c, struct err *e)
{
    struct str name = pax_value(c, STR("path"));

    if (!name.p)
        name = (struct str){c->header + NAME_AT, strnlen(c->header + NAME_AT, NAME_N)};
    if (!str_copy(name, c->name, sizeof(c->name)))
        return err_set(e, ERR_CORRUPT, "a member of the archive has a name that is too long");
    return ERR_OK;
}

static enum err_code settle_size(struct out_check *c, struct err *e)
{
    struct str size = pax_value(c, STR("size"));

    c->left_bytes = octal(c->header + SIZE_AT, SIZE_N);
    if (size.p && !str_to_u64(size, INT64_MAX, &c->left_bytes))
        return err_set(e, ERR_CORRUPT, "'%s' has no size", c->name);
    c->padding = (size_t)((BLOCK - c->left_bytes % BLOCK) % BLOCK);
    return ERR_OK;
}

/* blobs/<algorithm>/<hex> */
static enum err_code settle_blob(struct out_check *c, struct err *e)
{
    struct str rest = str_of(c->name), folder, algorithm;
    char text[NAME_CAP + 1];

    str_cut(&rest, '/', &folder);
    if (!str_eq(folder, STR("blobs")))
        return ERR_OK;
    str_cut(&rest, '/', &algorithm);
    snprintf(text, sizeof(text), STR_FMT ":" STR_FMT, STR_ARG(algorithm), STR_ARG(rest));
    if (digest_parse(str_of(text), &c->digest, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "'%s' is not the name of a blob", c->name);
    c->hasher = hasher_new(c->digest.algorithm);
    return ERR_OK;
}

static enum err_code begin_member(struct out_check *c, struct err *e)
{
    c->header_n = 0;
    if (is_zero(c->header)) {
        c->state = AT_END;
        return ERR_OK;
    }
    if (!sum_is_right(c->header))
        return err_set(e, ERR_CORRUPT, "behind '%s' there is no member of an archive", c->name);
    c->is_pax = c->header[TYPE_AT] == 'x';
    TRY(settle_name(c, e));
    TRY(settle_size(c, e));
    buf_clear(&c->pax);
    if (c->header[TYPE_AT] == '0')
        TRY(settle_blob(c, e));
    else if (!c->is_pax)
        return err_set(e, ERR_CORRUPT, "'%s' is no file", c->name);
    c->state = IN_BYTES;
    return ERR_OK;
}

static enum err_code end_member(struct out_check *c, struct err *e)
{
    struct digest actual;

    c->state = IN_PADDING;
    c->left_bytes = c->padding;
    if (c->pax.full)
        return err_set(e, ERR_CORRUPT, "'%s' is too long", c->name);
    if (!c->hasher)
        return ERR_OK;
    hasher_digest(c->hasher, &actual);
    hasher_free(STEAL(c->hasher));
    if (!digest_eq(&actual, &c->digest))
        return err_set(e, ERR_CORRUPT, "%s came as %s", c->digest.text, actual.text);
    c->n_blobs++;
    return ERR_OK;
}

static void take_header(struct out_check *c, struct str *bytes)
{
    size_t n = BLOCK - c->header_n < bytes->n ? BLOCK - c->header_n : bytes->n;

    memcpy(c->header + c->header_n, bytes->p, n);
    c->header_n += n;
    *bytes = str_sub(*bytes, n, bytes->n - n);
}

static void take_bytes(struct out_check *c, struct str *bytes)
{
    size_t n = c->left_bytes < bytes->n ? (size_t)c->left_bytes : bytes->n;

    if (c->state == IN_BYTES && c->is_pax)
        buf_add(&c->pax, bytes->p, n);
    else if (c->state == IN_BYTES && c->hasher)
        hasher_update(c->hasher, bytes->p, n);
    c->left_bytes -= n;
    *bytes = str_sub(*bytes, n, bytes->n - n);
}

/* A state that needs no more bytes ends, also when there are none: so the last one does. */
static enum err_code go_on(struct out_check *c, struct err *e)
{
    if (c->state == IN_HEADER && c->header_n == BLOCK)
        TRY(begin_member(c, e));
    if (c->state == IN_BYTES && c->left_bytes == 0)
        TRY(end_member(c, e));
    if (c->state == IN_PADDING && c->left_bytes == 0)
        c->state = IN_HEADER;
    return ERR_OK;
}

enum err_code out_check_feed(struct out_check *c, struct str bytes, struct err *e)
{
    while (bytes.n > 0 && c->state != AT_END) {
        if (c->state == IN_HEADER)
            take_header(c, &bytes);
        else
            take_bytes(c, &bytes);
        TRY(go_on(c, e));
    }
    return ERR_OK;
}

enum err_code out_check_end(const struct out_check *c, unsigned *ret_blobs, struct err *e)
{
    if (c->state != AT_END)
        return err_set(e, ERR_CORRUPT, "the archive is cut");
    *ret_blobs = c->n_blobs;
    return ERR_OK;
}
