/*
 * Entries of a transparency log (Rekor, of either version): that a signature was seen, and when.
 *
 * What is logged is a body, which says whose signature of what it is. An entry comes with a
 * promise of the log, which has the time, or with a proof that a tree of the log has it, or both.
 * sigstore/protobuf-specs, "TransparencyLogEntry"; sigstore/cosign, "Bundle"; RFC 6962, 2.1.1;
 * C2SP, "tlog-checkpoint" and "signed-note".
 *
 * All of it is foreign. Pure; any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "signing/log_body.h"

#define LOG_ENTRY_HASHES_MAX 64
#define LOG_ENTRY_HASH       32 /* bytes of SHA-256 */

struct trust_log;
struct trust_roots;

struct log_entry {
    struct buf body;
    struct buf promise; /* a signature of the log; empty: there is none */
    char log[2 * LOG_ENTRY_HASH + 1];
    int64_t index, time_s;

    bool has_proof;
    int64_t proof_index, proof_size;
    unsigned char hashes[LOG_ENTRY_HASHES_MAX][LOG_ENTRY_HASH];
    size_t n_hashes;
    struct buf checkpoint;
};

/* From a bundle, and from the annotation of cosign. False: it is damaged. log_entry_done() in
 * either case. */
bool log_entry_read(const json_t *of, struct log_entry *ret);
bool log_entry_read_annotation(const json_t *of, struct log_entry *ret);
void log_entry_done(struct log_entry *l);

/* Is it about that very signature? */
bool log_entry_speaks_of(const struct log_entry *l, const struct log_subject *s);

#define LOG_ENTRY_NO_TIME INT64_MIN

/* Is it in one of the logs: does all it comes with hold? *ret_ms is the wall time that the log
 * promises, or LOG_ENTRY_NO_TIME; *ret_log the log, whose period that time is in: without it, for
 * the caller to see. */
bool log_entry_is_logged(const struct log_entry *l, const struct trust_roots *roots,
                         int64_t *ret_ms, const struct trust_log **ret_log);
