/*
 * Receiving bytes into an upload: read, write and hash, with the hashing on a second thread while
 * the machine has cores for it and the body is large enough to gain by it.
 */
#pragma once

#include "base/digest.h"
#include "base/reader.h"
#include "base/reserve.h"
#include "store/store.h"

struct ingest {
    struct store *store;
    struct store_upload *upload;
    struct hasher *hasher;  /* has seen the first offset_bytes of the upload */
    struct hash_line *line; /* of it, for ingest_write(); or NULL */
    uint64_t offset_bytes;  /* grows with what was written and hashed */
    uint64_t limit_bytes;   /* largest offset allowed */
    uint64_t buffer_bytes;
    const struct reserve *reserve; /* nothing is written while it is given up; may be NULL */
    enum err_code (*may_go_on)(void *ctx, struct err *e); /* asked before each write; or NULL */
    void *ctx;
};

/*
 * Until the reader ends. expected_bytes is how many it will give, UINT64_MAX when unknown; it only
 * sizes buffers. On an error the ingest is as far as offset_bytes says; what was written past it
 * must be truncated. Errors: those of the reader and the store; BLOB_TOO_LARGE, STORAGE_FULL.
 */
ERR_CHECKED enum err_code ingest_run(struct ingest *in, struct reader *from,
                                     uint64_t expected_bytes, struct err *e);

/* Bytes that are at hand. Errors: those of the store; BLOB_TOO_LARGE, STORAGE_FULL. */
ERR_CHECKED enum err_code ingest_write(struct ingest *in, const void *p, size_t n, struct err *e);
