/*
 * What is done with each member while it comes: where its bytes go, its digest, what it unpacks to.
 */
#pragma once

#include "archive/member.h"
#include "archive/pack.h"
#include "archive/sink.h"

/* So much of a member is looked at, whether it is a tar: its first header. */
#define ARRIVAL_HEAD_BYTES 512

/* What came in and what was unpacked, against the limits. */
struct budget {
    const struct archive_limits *limits;
    struct refusal *refusal;
    uint64_t in_bytes, out_bytes;
};

/* Errors: IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code budget_in(struct budget *b, size_t n, struct err *e);
ERR_CHECKED enum err_code budget_out(struct budget *b, size_t n, struct err *e);

struct arrival {
    const struct archive_limits *limits;
    const struct archive_sink *sink;
    void *sink_ctx;
    struct budget *budget;
    struct refusal *refusal;
    struct members members;
    uint64_t kept_bytes;         /* in memory */
    uint64_t n_members;          /* also those without a good name */
    struct packing_form pack_as; /* plain tars */

    /* Of the member that comes now. */
    struct member *now; /* NULL: it is passed over */
    bool placed;        /* it is known where its bytes go */
    enum digest_algorithm algorithm;
    bool has_said;
    struct digest said;
    uint64_t filled_bytes; /* of now->bytes */
    struct unpack *unpack; /* NULL: it has failed to unpack */
    struct hasher *diff;
    struct hash_line *diff_line; /* of it; NULL: not yet, or not any more */
    struct pack *pack;           /* what packs it; NULL: it stays as it is */
    uint64_t packed_bytes;
    char head[ARRIVAL_HEAD_BYTES];
    size_t n_head;
};

/* Of the reader of tar; ctx is a struct arrival. */
extern const struct tar_events arrival_events;

void arrival_done(struct arrival *in);
