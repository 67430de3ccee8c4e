/*
 * struct buf: bytes that grow up to a maximum given at init. Going past it does not fail at once:
 * the buf is marked `full`, later appends are ignored, and the caller checks once at the end.
 */
#pragma once

#include "base/cleanup.h"
#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p; /* owned; not NUL-terminated unless buf_text() was called */
    size_t n, cap, max;
    bool full; /* an append did not fit in max */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_add_u64(struct buf *b, uint64_t v);

/* s as text of HTML and XML: right in elements and in attributes in double quotes. */
void buf_add_markup(struct buf *b, struct str s);

/* s as a JSON string with its quotes: control bytes escaped, bytes that are not UTF-8 replaced. */
void buf_add_json(struct buf *b, struct str s);

/* s as a component of a URL: all but RFC 3986 unreserved characters percent-encoded. */
void buf_add_percent(struct buf *b, struct str s);

/* Room for n bytes at the end, to be filled by the caller, who then adds to b->n.
 * NULL when that would pass max. */
char *buf_reserve(struct buf *b, size_t n);

struct str buf_str(const struct buf *b);
const char *buf_text(struct buf *b); /* NUL-terminated view */

static inline void auto_buf_(struct buf *b)
{
    buf_done(b);
}
