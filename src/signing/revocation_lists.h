/*
 * Lists of certificates that were revoked (CRL, RFC 5280, 5), from files that somebody configured:
 * nothing is fetched. Never change; any thread.
 */
#pragma once

#include "signing/certificates.h"

#define REVOCATION_LISTS_MAX     256         /* of all files */
#define REVOCATION_LIST_FILE_MAX (16u << 20) /* bytes */

struct revocation_lists;

struct revocation_lists *revocation_lists_new(void);    /* none yet */
void revocation_lists_free(struct revocation_lists *l); /* accepts NULL */

/* All of a file: PEM, or one in DER. Errors: CONFIG, as people are to read it, and those of
 * file_read_at(). */
ERR_CHECKED enum err_code revocation_lists_read(struct revocation_lists *l, const char *path,
                                                struct err *e);

enum revocation { NOT_REVOKED, REVOKED, REVOCATION_UNKNOWN };

struct revocation_question {
    const STACK_OF(X509) * chain; /* each issued by the next, the last by itself */
    int64_t now_ms;               /* wall time */
    int64_t signed_ms; /* when, as one who is believed says; a key that was lost later is none.
                          INT64_MAX: nobody says */
};

/*
 * Of all of the chain but its root. A certificate which names no place where revocation could be
 * asked for is not revoked unless a list says so; of one that does there has to be a list of its
 * issuer that is not out of date. *ret_until_ms is when the lists are next due; INT64_MAX: there
 * are none. *e says why, unless it is NOT_REVOKED.
 */
enum revocation revocation_ask(const struct revocation_lists *l,
                               const struct revocation_question *q, int64_t *ret_until_ms,
                               struct err *e);
