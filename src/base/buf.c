#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->full = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->full || n > b->max || b->n > b->max - n) {
        b->full = true;
        return NULL;
    }
    if (b->cap - b->n < n) {
        size_t cap = b->cap ? b->cap : 128;

        while (cap < b->n + n)
            cap *= 2;
        b->p = mem_resize(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *at;

    if (n == 0)
        return;
    at = buf_reserve(b, n);
    if (!at)
        return;
    memcpy(at, p, n);
    b->n += n;
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int n;
    char *at;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        return;
    at = buf_reserve(b, (size_t)n + 1); /* vsnprintf writes a NUL; it is not counted */
    if (!at)
        return;
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[STR_DECIMAL_MAX];

    buf_add_str(b, str_decimal(v, digits));
}

static void add_json_byte(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add_text(b, "\\\"");
        break;
    case '\\':
        buf_add_text(b, "\\\\");
        break;
    case '\n':
        buf_add_text(b, "\\n");
        break;
    default:
        buf_addf(b, "\\u%04x", c);
    }
}

void buf_add_json(struct buf *b, struct str s)
{
    size_t plain = 0, i = 0;

    buf_add_char(b, '"');
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        size_t n = str_utf8_step(str_sub(s, i, s.n - i));

        if (n > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += n;
            continue;
        }
        buf_add_str(b, str_sub(s, plain, i - plain));
        if (n == 0)
            buf_add_text(b, "\\ufffd");
        else
            add_json_byte(b, c);
        plain = ++i;
    }
    buf_add_str(b, str_sub(s, plain, i - plain));
    buf_add_char(b, '"');
}

void buf_add_percent(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';

        if (plain)
            buf_add_char(b, (char)c);
        else
            buf_addf(b, "%%%02X", c);
    }
}

struct str buf_str(const struct buf *b)
{
    return (struct str){b->p, b->n};
}

const char *buf_text(struct buf *b)
{
    if (b->cap == b->n) {
        b->cap = b->n + 1;
        b->p = mem_resize(b->p, b->cap);
    }
    b->p[b->n] = '\0';
    return b->p;
}

void buf_add_markup(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<':
            buf_add_text(b, "&lt;");
            break;
        case '>':
            buf_add_text(b, "&gt;");
            break;
        case '&':
            buf_add_text(b, "&amp;");
            break;
        case '"':
            buf_add_text(b, "&quot;");
            break;
        default:
            buf_add_char(b, s.p[i]);
        }
    }
}
