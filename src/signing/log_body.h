/* What transparency logs write of a signature, in each of the forms that cosign has logged
 * (sigstore/rekor, "types"; sigstore/rekor-tiles, "Entry"). Pure. */
#pragma once

#include "base/str.h"

#include <openssl/x509.h>

/* What an entry of a log is to speak of. */
struct log_subject {
    struct str message;   /* that was signed */
    struct str payload;   /* the statement in it; empty: there is none */
    struct str signature; /* bytes */
    X509 *certificate;    /* of who signed */
};

/* Is it about that very signature: of that message or statement, the same bytes, by whom that
 * certificate is of? */
bool log_body_speaks_of(struct str body, const struct log_subject *s);
