/* Bytes as lower-case hexadecimal digits. */
#pragma once

#include "base/str.h"

/* 2 * n digits and a closing NUL. */
void hex_encode(const void *bytes, size_t n, char *dst);

/* False when s is not exactly 2 * n digits; dst is then undefined. Capitals are refused. */
bool hex_decode(struct str s, void *dst, size_t n);
