/*
 * Whose certificates count: those of an identity, which an issuer vouched for, below pinned roots.
 *
 * An identity is one of the certificate's alternative names: an e-mail address, a URI, a DNS name,
 * or the name that Fulcio gives to users without either. Its issuer is what Fulcio writes of the
 * identity provider (OIDs 1.3.6.1.4.1.57264.1.8, before: .1). A rule without an issuer is for one's
 * own authority, and takes only certificates that name none.
 *
 * Certificates of Fulcio live for ten minutes, and signatures for years. So somebody who is pinned
 * has to say when the signature was made: a transparency log or a time-stamping authority. Without
 * either, where a rule says that it may be so, the certificate has to be valid now.
 */
#pragma once

#include "base/err.h"
#include "signing/evidence.h"
#include "signing/signature_trust.h"

/* As people write it; NULL: not said. Each may be given exactly or as a pattern: a POSIX extended
 * regular expression of the whole text. */
struct certificate_terms {
    const char *identity, *identity_pattern; /* one of them */
    const char *issuer, *issuer_pattern;     /* at most one of them */
    const char *roots;                       /* file: PEM, or a trusted root of sigstore */
    const char *const *logs;                 /* files of PEM with public keys, NULL behind them */
    const char *const *stamps;               /* files of PEM with certificates, likewise */
    bool no_log;                             /* no entry of a log is demanded */
};

struct certificate_rule; /* never changes; any thread */

/* Errors: CONFIG, as people are to read it, and those of reading files. */
ERR_CHECKED enum err_code certificate_rule_read(const struct certificate_terms *t,
                                                struct certificate_rule **ret_rule, struct err *e);
void certificate_rule_free(struct certificate_rule *r); /* accepts NULL */

/* Is whoever `then` is about surely one of first, too? By names alone. */
bool certificate_rule_covers(const struct certificate_rule *first,
                             const struct certificate_rule *then);

/* The identity as it was written, for people. */
const char *certificate_rule_name(const struct certificate_rule *r);

/* What is to be said of a signature that was made with the evidence's certificate, at best GOOD.
 * Of *ret: identity, issuer, why, until_ms. */
enum signature_verdict certificate_rule_judge(const struct certificate_rule *r,
                                              const struct evidence *v, const struct log_subject *s,
                                              int64_t now_ms, struct signature *ret);

static inline void auto_certificate_rule_(struct certificate_rule **r)
{
    certificate_rule_free(*r);
}
