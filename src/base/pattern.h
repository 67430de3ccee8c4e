/*
 * Patterns of names: one star is any run of characters but '/', two are any run, '?' is one
 * character but '/', everything else stands for itself. A pattern that ends in a slash and two
 * stars matches what stands before the slash as well. Matching takes time proportional to pattern
 * times name, whatever the pattern.
 */
#pragma once

#include "base/str.h"

/* It is well-formed: 1 to 512 bytes of name characters and wildcards. */
bool pattern_valid(struct str pattern);

/* A text of more than 1,024 bytes matches nothing. */
bool pattern_matches(struct str pattern, struct str text);
