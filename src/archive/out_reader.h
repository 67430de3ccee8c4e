/* The bytes of an archive, any part of them, out of its layout and its blobs. */
#pragma once

#include "archive/out_layout.h"
#include "base/reader.h"

/* Where blobs come from. */
struct out_blobs {
    /* *ret_reader has the n_bytes of the blob, and is the caller's. */
    enum err_code (*open)(struct out_blobs *b, const struct digest *d, uint64_t n_bytes,
                          struct reader **ret_reader, struct err *e);
    void (*free)(struct out_blobs *b);
};

/*
 * Takes the layout's contents, which leaves it empty, and blobs. One blob is open at a time, from
 * the first of its bytes that is read on. The reader can seek, has spans where blobs have an fd,
 * and waits as they do. Errors: theirs.
 */
struct reader *out_reader_new(struct out_layout *l, struct out_blobs *blobs);
