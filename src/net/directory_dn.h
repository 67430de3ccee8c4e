/* Distinguished names (RFC 4514), which libldap parses. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* When dn is below base: its value of the attribute (which must be in its first part), with a
 * closing NUL. False when not, or when it does not fit. Blocks no longer than loading libldap. */
bool directory_dn_leaf(const char *dn, const char *base, const char *attribute, char *dst,
                       size_t cap);
