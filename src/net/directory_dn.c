#include "net/directory_dn.h"

#include "base/str.h"
#include "net/libldap.h"

#include <stdlib.h>

/* Written the one way in which all ways to write it can be compared. NULL: it is none. */
static char *canonical(LDAPDN dn)
{
    char *text = NULL;

    return libldap()->ldap_dn2str(dn, &text, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS ? text : NULL;
}

/* Names of entries are compared without case, as most attributes in them are. */
static bool below(LDAPDN dn, const char *base)
{
    char *own = canonical(dn), *top = NULL;
    LDAPDN parsed = NULL;
    bool yes = false;

    if (libldap()->ldap_str2dn(base, &parsed, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS)
        top = canonical(parsed);
    if (own && top) {
        struct str a = str_of(own), b = str_of(top);

        yes = b.n == 0 ||
              (a.n > b.n && a.p[a.n - b.n - 1] == ',' && str_ieq(str_sub(a, a.n - b.n, b.n), b));
    }
    libldap()->ldap_dnfree(parsed);
    libldap()->ldap_memfree(own);
    libldap()->ldap_memfree(top);
    return yes;
}

static bool leaf(LDAPRDN first, const char *attribute, char *dst, size_t cap)
{
    for (size_t i = 0; first && first[i]; i++) {
        const LDAPAVA *part = first[i];

        if (str_ieq((struct str){part->la_attr.bv_val, part->la_attr.bv_len}, str_of(attribute)))
            return str_copy((struct str){part->la_value.bv_val, part->la_value.bv_len}, dst, cap);
    }
    return false;
}

bool directory_dn_leaf(const char *dn, const char *base, const char *attribute, char *dst,
                       size_t cap)
{
    LDAPDN parsed = NULL;
    bool found;

    if (!libldap() || libldap()->ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return false;
    found = parsed && below(parsed, base) && leaf(parsed[0], attribute, dst, cap);
    libldap()->ldap_dnfree(parsed);
    return found;
}
