#include "http/chunk.h"

#include "base/hex.h"

enum {
    SIZE,         /* first digit of a chunk-size */
    SIZE_MORE,    /* further digits */
    BLANK,        /* blanks behind the size: an extension must follow (BWS) */
    EXTENSION,    /* ';' was seen */
    SIZE_LF,      /* CR was seen at the end of the size line */
    DATA,         /* inside the data */
    DATA_CR,      /* behind the data */
    DATA_LF,      /* */
    TRAILER,      /* at the start of a trailer line */
    TRAILER_NAME, /* */
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF, /* CR of the empty line that ends the body was seen */
    END,
    BROKEN,
};

static bool token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool value_char(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

void http_chunk_init(struct http_chunk *d)
{
    *d = (struct http_chunk){.state = SIZE};
}

/* 15 digits hold any size that exists and cannot overflow; more, even zeros, are refused. */
static unsigned size_digit(struct http_chunk *d, unsigned char c)
{
    int v = hex_value_any((char)c);

    if (v < 0 || d->digits == 15)
        return BROKEN;
    d->left = d->left * 16 + (uint64_t)v;
    d->digits++;
    return SIZE_MORE;
}

static unsigned after_size(struct http_chunk *d, unsigned char c)
{
    switch (c) {
    case '\r': /* RFC 9112, 7.1.1: blanks belong to an extension; without one they are wrong */
        return d->state == SIZE_MORE ? SIZE_LF : BROKEN;
    case ';':
        return EXTENSION;
    case ' ':
    case '\t':
        return BLANK;
    default:
        return d->state == SIZE_MORE ? size_digit(d, c) : BROKEN;
    }
}

static unsigned in_trailer(const struct http_chunk *d, unsigned char c)
{
    switch (d->state) {
    case TRAILER:
        if (c == '\r')
            return END_LF;
        return token_char(c) ? TRAILER_NAME : BROKEN;
    case TRAILER_NAME:
        if (c == ':')
            return TRAILER_VALUE;
        return token_char(c) ? TRAILER_NAME : BROKEN;
    default:
        if (c == '\r')
            return TRAILER_LF;
        return value_char(c) ? TRAILER_VALUE : BROKEN;
    }
}

/* One byte that is not data. */
static unsigned step(struct http_chunk *d, unsigned char c)
{
    switch (d->state) {
    case SIZE:
        d->left = 0;
        d->digits = 0;
        return size_digit(d, c);
    case SIZE_MORE:
    case BLANK:
        return after_size(d, c);
    case EXTENSION:
        if (c == '\r')
            return SIZE_LF;
        return value_char(c) ? EXTENSION : BROKEN;
    case SIZE_LF:
        if (c != '\n')
            return BROKEN;
        return d->left > 0 ? DATA : TRAILER; /* the last-chunk has size 0 */
    case DATA_CR:
        return c == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return c == '\n' ? SIZE : BROKEN;
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return in_trailer(d, c);
    case TRAILER_LF:
        return c == '\n' ? TRAILER : BROKEN;
    case END_LF:
        return c == '\n' ? END : BROKEN;
    default:
        return BROKEN;
    }
}

static bool counts_as_extra(unsigned state)
{
    return state == BLANK || state == EXTENSION || (state >= TRAILER && state <= TRAILER_LF);
}

enum http_parse http_chunk_decode(struct http_chunk *d, const char *src, size_t n, char *dst,
                                  size_t cap, size_t *ret_used, size_t *ret_n)
{
    size_t i = 0, out = 0;

    while (i < n && d->state != END && d->state != BROKEN) {
        if (d->state == DATA) {
            size_t take = d->left < n - i ? (size_t)d->left : n - i;

            if (take > cap - out)
                take = cap - out;
            if (take == 0)
                break;
            if (dst && dst + out != src + i)
                memmove(dst + out, src + i, take);
            i += take;
            out += take;
            d->left -= take;
            if (d->left == 0)
                d->state = DATA_CR;
            continue;
        }
        d->state = step(d, (unsigned char)src[i++]);
        if (counts_as_extra(d->state) && ++d->extra_bytes > HTTP_CHUNK_EXTRA_MAX)
            d->state = BROKEN;
    }
    *ret_used = i;
    *ret_n = out;
    if (d->state == BROKEN)
        return HTTP_PARSE_BAD;
    return d->state == END ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
}
