/*
 * Signatures of the Notary Project: whose count, by a trust policy, trust stores and lists of
 * revoked certificates that somebody configured, and what is to be said of one. Nothing is fetched.
 * What is here never changes; any thread.
 */
#pragma once

#include "signing/notation_envelope.h"
#include "signing/signature_trust.h"

/* Paths. */
struct notation_files {
    const char *policy; /* trustpolicy.json */
    /* A file, which is then every store that the policy names; or a folder as notation has it:
     * x509/TYPE/NAME/ with the files of a store. */
    const char *certificates;
    const char *const *crls; /* lists of revoked certificates */
    size_t n_crls;
};

/* Errors: CONFIG, as people are to read it, with the path. */
ERR_CHECKED enum err_code notation_trust_read(const struct notation_files *files,
                                              struct notation_trust **ret, struct err *e);
void notation_trust_free(struct notation_trust *t); /* accepts NULL */

enum notation_form_of { NOTATION_JWS, NOTATION_COSE };

/* One that stands beside an image. */
struct notation_signature {
    enum notation_form_of form;
    struct str bytes;
    struct str repository; /* of the image, as notation_policy_for() has it */
    struct notation_target target;
    int64_t now_ms; /* wall time */
};

/* All of *ret but what says where it stands. nth is of the policy's statements. */
void notation_judge(const struct notation_trust *t, const struct notation_signature *s,
                    struct signature *ret);

/* The name of the statement which says that signatures of that repository are not looked at (level
 * skip); NULL: they are. */
const char *notation_trust_skips(const struct notation_trust *t, struct str repository);

static inline void auto_notation_trust_(struct notation_trust **t)
{
    notation_trust_free(*t);
}
