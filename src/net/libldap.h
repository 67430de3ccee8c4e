/*
 * The functions of libldap and liblber, for the files of net/ that ask directories. The library is
 * loaded at the first use (library.h).
 */
#pragma once

#include <ldap.h>

#define LIBLDAP_FUNCTIONS(X)                                                                       \
    X(ldap_initialize)                                                                             \
    X(ldap_set_option)                                                                             \
    X(ldap_get_option)                                                                             \
    X(ldap_start_tls_s)                                                                            \
    X(ldap_sasl_bind_s)                                                                            \
    X(ldap_search_ext_s)                                                                           \
    X(ldap_unbind_ext_s)                                                                           \
    X(ldap_err2string)                                                                             \
    X(ldap_first_entry)                                                                            \
    X(ldap_next_entry)                                                                             \
    X(ldap_get_dn)                                                                                 \
    X(ldap_get_values_len)                                                                         \
    X(ldap_value_free_len)                                                                         \
    X(ldap_msgfree)                                                                                \
    X(ldap_memfree)                                                                                \
    X(ldap_str2dn)                                                                                 \
    X(ldap_dn2str)                                                                                 \
    X(ldap_dnfree)                                                                                 \
    X(ber_sockbuf_ctrl)                                                                            \
    X(ber_sockbuf_add_io)

struct libldap {
#define LIBLDAP_POINTER(name) __typeof__(name) *name;
    LIBLDAP_FUNCTIONS(LIBLDAP_POINTER)
#undef LIBLDAP_POINTER
};

/* NULL: it can't be loaded. Any thread. */
const struct libldap *libldap(void);
