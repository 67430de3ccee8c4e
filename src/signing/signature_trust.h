/*
 * Whose signatures count, and what can be said of a signature.
 *
 * Nothing of it changes once it is there; any thread may judge by it.
 */
#pragma once

#include "base/digest.h"

struct public_key;       /* public_key.h */
struct certificate_rule; /* certificate_rule.h */
struct notation_trust;   /* notation_trust.h */

/* Borrowed, all of it. */
struct trust {
    struct public_key *const *keys;
    size_t n_keys;
    struct certificate_rule *const *certificates;
    size_t n_certificates;
    const struct notation_trust *notation; /* NULL: notation's signatures are passed over */
};

/* Name for machines, text for people. The first is the best, and of several things that are wrong
 * with a signature the one that comes first here is told. */
#define SIGNATURE_VERDICTS_TABLE(X)                                                                \
    X(GOOD, "good", "good")                                                                        \
    X(OTHER_IMAGE, "other_image", "by somebody who is trusted, but of another image")              \
    X(EXPIRED, "expired", "its certificate was not valid at the time, or it has expired itself")   \
    X(REVOKED, "revoked", "its certificate has been revoked")                                      \
    X(REVOCATION_UNKNOWN, "revocation_unknown",                                                    \
      "nobody can say whether its certificate has been revoked")                                   \
    X(NO_TIME, "no_time",                                                                          \
      "nobody who is trusted says when it was made: no good entry of a log, no good timestamp")    \
    X(OTHER_IDENTITY, "other_identity", "its certificate is of somebody who is not trusted")       \
    X(UNTRUSTED_CHAIN, "untrusted_chain",                                                          \
      "its certificate does not lead to a root that is trusted, or may not sign code")             \
    X(OTHER_KEY, "other_key", "not by any of the keys, or tampered with")                          \
    X(UNKNOWN, "unknown", "not understood")

enum signature_verdict {
#define SIGNATURE_ENUM(verdict, name, text) SIGNATURE_##verdict,
    SIGNATURE_VERDICTS_TABLE(SIGNATURE_ENUM)
#undef SIGNATURE_ENUM
        SIGNATURE_VERDICTS
};

const char *signature_verdict_name(enum signature_verdict v); /* "other_key" */
const char *signature_verdict_text(enum signature_verdict v);

enum signer_kind {
    SIGNER_NONE, /* nobody knows */
    SIGNER_KEY,
    SIGNER_CERTIFICATE,
    SIGNER_NOTATION
};

#define SIGNATURE_FOR_EVER INT64_MAX

/* One of an image, and what is to be said of it. */
struct signature {
    enum signature_verdict verdict;
    struct digest manifest; /* that it stands in */
    const char *form;       /* "simple signing", "sigstore bundle", "envelope"; a constant */

    /* By whom, where the verdict is GOOD or OTHER_IMAGE: trust's keys[nth], certificates[nth]. */
    enum signer_kind signer;
    size_t nth;

    /* Texts of the heap, or NULL. They are foreign: whoever shows them escapes them. */
    char *identity;  /* of the certificate, whatever the verdict */
    char *issuer;    /* who vouched for that identity, where the certificate says so */
    char *why;       /* more about a verdict, for people */
    char *predicate; /* what an attestation states: its type; NULL for a signature */
    char *builder;   /* of a provenance (SLSA): who built it */

    int64_t until_ms; /* wall time from which on the verdict may be another; SIGNATURE_FOR_EVER */
};

/* The texts. */
void signature_done(struct signature *s);
