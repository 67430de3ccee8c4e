/* Whom a certificate that signs is of. Foreign texts: whoever shows them escapes them. Pure. */
#pragma once

#include "base/str.h"

#include <openssl/x509.h>

#define CERTIFICATE_NAMES_MAX     16
#define CERTIFICATE_NAME_TEXT_MAX 1024 /* bytes of one; a longer one is none */

/* Texts of the heap. */
struct certificate_names {
    char *identities[CERTIFICATE_NAMES_MAX];
    size_t n;
    char *issuer; /* NULL: it names none */
};

void certificate_names_of(X509 *c, struct certificate_names *ret);
void certificate_names_done(struct certificate_names *n);

static inline void auto_certificate_names_(struct certificate_names *n)
{
    certificate_names_done(n);
}
