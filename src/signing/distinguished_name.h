/*
 * Names of X.509 subjects as people write them (RFC 4514: "C=US, ST=WA, O=wabbit-networks.io"), and
 * whether a certificate is of such a one. As the Notary Project wants it:
 * notaryproject/specifications, "Trust Store and Trust Policy Specification", "Trusted Identities".
 * Pure; any thread.
 */
#pragma once

#include "signing/certificates.h"

#define DISTINGUISHED_NAME_MAX 1024 /* bytes */

struct distinguished_name; /* attributes, each once */

/* Error: CONFIG, with what is wrong. C, ST and O have to be there. */
ERR_CHECKED enum err_code distinguished_name_parse(struct str text, struct distinguished_name **ret,
                                                   struct err *e);
void distinguished_name_free(struct distinguished_name *n); /* accepts NULL */

/* Has the certificate's subject all of these, each once, and no two attributes in one place? */
bool distinguished_name_fits(const struct distinguished_name *n, const X509 *c);

/* Does all that a says stand in b as well? */
bool distinguished_name_within(const struct distinguished_name *a,
                               const struct distinguished_name *b);

static inline void auto_distinguished_name_(struct distinguished_name **n)
{
    distinguished_name_free(*n);
}
