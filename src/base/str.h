/*
 * struct str borrows bytes it does not own; they need not end in NUL and may hold any byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
#define STR_FMT      "%.*s" /* with STR_ARG(s) */
#define STR_ARG(s)   (int)(s).n, (s).p

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_sub(struct str s, size_t from, size_t n)
{
    return (struct str){s.p ? s.p + from : NULL, n};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII, whatever the locale. */
static inline char str_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static inline bool str_is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (str_lower(c) >= 'a' && str_lower(c) <= 'z');
}

bool str_istarts(struct str s, struct str prefix); /* str_starts(), letters without case */
int str_cmp(struct str a, struct str b);           /* bytewise, as memcmp() and strcmp() order */
bool str_ieq(struct str a, struct str b);          /* ASCII letters without case */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_contains(struct str s, struct str part);
struct str str_trim(struct str s); /* spaces and tabs off both ends (RFC 9110 OWS) */

/* Cuts s at the first c: the part before goes to *ret_head, s becomes the part after.
 * False, and *ret_head is all of s and s empty, when there is no c. */
bool str_cut(struct str *s, char c, struct str *ret_head);

/* Decimal digits only, no sign, no blanks, no overflow past max; false otherwise. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *ret_value);

/* The same, but a number past max is max: for positions and counts that may be any decimal. */
bool str_to_u64_up_to(struct str s, uint64_t max, uint64_t *ret_value);

/* v in decimal digits, written at the end of dst, which the result borrows. */
#define STR_DECIMAL_MAX 20
static inline struct str str_decimal(uint64_t v, char dst[static STR_DECIMAL_MAX])
{
    size_t i = STR_DECIMAL_MAX;

    do {
        dst[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return (struct str){dst + i, STR_DECIMAL_MAX - i};
}

/* Copies s with a closing NUL; false, and dst untouched, when it does not fit or holds a NUL. */
bool str_copy(struct str s, char *dst, size_t cap);

/* Copy on the heap with a closing NUL; the caller frees. */
char *str_dup(struct str s);

/* Length of the well-formed UTF-8 sequence (RFC 3629) that s starts with; 0 when there is none. */
size_t str_utf8_step(struct str s);

/* UTF-8 without control characters of ASCII: one line, which can be typed and shown. */
bool str_is_text(struct str s);

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b, without case; SIZE_MAX
 * when either is longer than 64 bytes. */
size_t str_distance(struct str a, struct str b);
