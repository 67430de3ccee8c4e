/* Hexadecimal digits: ours are lower-case; of what others write, capitals may count too. */
#pragma once

#include "base/str.h"

/* The value of a digit; of one that may be a capital; -1: it is none. */
static inline int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline int hex_value_any(char c)
{
    return hex_value(c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c);
}

/* Nothing but digits, no capitals. */
bool hex_valid(struct str s);

/* 2 * n digits and a closing NUL. */
void hex_encode(const void *bytes, size_t n, char *dst);

/* False when s is not exactly 2 * n digits; dst is then undefined. Capitals are refused. */
bool hex_decode(struct str s, void *dst, size_t n);
