#include "auth/providers/ldap_filter.h"

/* RFC 4515 section 3: NUL, '(', ')', '*' and '\' must be escaped, and any other byte may be: so are
 * all that are not printable ASCII. */
void ldap_filter_escape(struct buf *ret_filter, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c < 0x20 || c > 0x7e || strchr("()*\\", c))
            buf_addf(ret_filter, "\\%02x", c);
        else
            buf_add_char(ret_filter, (char)c);
    }
}

static void add_value(struct buf *filter, struct str value)
{
    if (value.p)
        ldap_filter_escape(filter, value);
    else
        buf_add_char(filter, '*');
}

void ldap_filter_fill(struct buf *ret_filter, const char *template,
                      const struct ldap_filter_values *v)
{
    struct str rest = str_of(template);

    while (rest.n > 0) {
        size_t step = 1;

        if (str_starts(rest, STR("{user}"))) {
            add_value(ret_filter, v->user);
            step = strlen("{user}");
        } else if (str_starts(rest, STR("{dn}"))) {
            add_value(ret_filter, v->dn);
            step = strlen("{dn}");
        } else {
            buf_add_char(ret_filter, rest.p[0]);
        }
        rest = str_sub(rest, step, rest.n - step);
    }
}
