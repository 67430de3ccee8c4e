/* Search filters of LDAP (RFC 4515) from the templates of the configuration. Pure; any thread. */
#pragma once

#include "base/buf.h"

/* What stands for "{user}" and "{dn}". .p NULL: a wildcard, which matches any value. */
struct ldap_filter_values {
    struct str user, dn;
};

/* Appends value so that it is one assertion value, whatever bytes it has. */
void ldap_filter_escape(struct buf *ret_filter, struct str value);

/* Appends the template with its placeholders replaced, each by an escaped value. */
void ldap_filter_fill(struct buf *ret_filter, const char *template,
                      const struct ldap_filter_values *v);
