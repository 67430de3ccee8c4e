/*
 * What people pin for certificates that name whoever signed: authorities that issue them, logs
 * that witness signatures (Rekor), and authorities that say when something was there (RFC 3161).
 *
 * From PEM, or from a trusted root of sigstore in JSON (sigstore/protobuf-specs, "TrustedRoot",
 * version 0.1), which has all three of them, with the times that each counts for.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <openssl/x509.h>

#define TRUST_ROOTS_MAX      32 /* of each kind */
#define TRUST_ROOTS_FILE_MAX (1u << 20)

/* Wall milliseconds, both of them in it. */
struct trust_period {
    int64_t from_ms, to_ms;
};

struct trust_authority {
    STACK_OF(X509) * all; /* roots, and what stands between them and a certificate */
    struct trust_period period;
};

struct trust_log {
    struct public_key *key;
    struct trust_period period;
};

struct trust_roots {
    struct trust_authority authorities[TRUST_ROOTS_MAX];
    struct trust_authority stamps[TRUST_ROOTS_MAX];
    struct trust_log logs[TRUST_ROOTS_MAX];
    size_t n_authorities, n_stamps, n_logs;
};

/* Of a file; to what is there already. Errors: CONFIG, as people are to read it, and those of
 * file_read_at(). */
ERR_CHECKED enum err_code trust_roots_add(struct trust_roots *r, const char *path, struct err *e);
ERR_CHECKED enum err_code trust_roots_add_logs(struct trust_roots *r, const char *path,
                                               struct err *e);
ERR_CHECKED enum err_code trust_roots_add_stamps(struct trust_roots *r, const char *path,
                                                 struct err *e);
void trust_roots_done(struct trust_roots *r);

static inline bool trust_period_has(const struct trust_period *p, int64_t at_ms)
{
    return p->from_ms <= at_ms && at_ms <= p->to_ms;
}
