/*
 * X.509 certificates (RFC 5280) that speak for signatures: read from files that somebody
 * configured, compared, shown. Pure but for the reading; any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define CERTIFICATES_MAX      256        /* of a file */
#define CERTIFICATES_FILE_MAX (1u << 20) /* bytes */

/* All of a file: PEM, or one in DER. *ret_all is never empty. Errors: CONFIG, as people are to read
 * it, and those of file_read_at(). */
ERR_CHECKED enum err_code certificates_read(const char *path, STACK_OF(X509) * *ret_all,
                                            struct err *e);
void certificates_free(STACK_OF(X509) * all); /* accepts NULL */

/* One in DER, nothing behind it; NULL: it is none. */
X509 *certificate_parse(struct str der);

/* The subject as RFC 2253 has it, in ASCII, all else escaped; cut at room. */
void certificate_subject(const X509 *c, char *dst, size_t room);

/* Is that the very same certificate as one of them? */
bool certificates_have(const STACK_OF(X509) * all, const X509 *c);

/* Both ends of its validity, in wall milliseconds. False: one is no time. */
bool certificate_validity(const X509 *c, int64_t *ret_from_ms, int64_t *ret_to_ms);

/* A time of ASN.1 in wall milliseconds, fractions of a second left out. */
bool certificate_time(const ASN1_TIME *t, int64_t *ret_wall_ms);

static inline void auto_certificates_(STACK_OF(X509) * *all)
{
    certificates_free(*all);
}

static inline void auto_X509_(X509 **c)
{
    X509_free(*c);
}
