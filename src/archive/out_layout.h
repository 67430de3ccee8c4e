/*
 * A tar archive that is to be sent, as what its bytes are before any of them is there: pieces of
 * text (headers, descriptors, padding) and whole blobs between them. So its length is known, and
 * any part of it can be had alone. The same members make the same bytes: times and owners are 0.
 *
 * ustar headers; PAX records where a name or a size is too large for one (POSIX.1-2017, pax,
 * "ustar Interchange Format", "pax Extended Header"). Owned by one thread at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"

#define OUT_TEXT_MAX (8u << 20) /* of all text; memory for as long as the archive is sent */

struct out_piece {
    uint64_t at_bytes, n_bytes; /* of the archive */
    bool is_blob;
    size_t text_at;       /* of out_layout.text, when it is none */
    struct digest digest; /* of the blob */
};

struct out_layout {
    struct buf text;
    struct out_piece *pieces; /* in the order of their bytes, none is empty */
    size_t n_pieces;
    uint64_t n_bytes;
};

void out_layout_init(struct out_layout *l);
void out_layout_done(struct out_layout *l);

void out_layout_file(struct out_layout *l, struct str name, struct str bytes);
void out_layout_blob(struct out_layout *l, struct str name, const struct digest *d,
                     uint64_t n_bytes);

/* The end of the archive. Error: UNSUPPORTED, told, when there is more text than OUT_TEXT_MAX. */
ERR_CHECKED enum err_code out_layout_end(struct out_layout *l, struct err *e);

/* The piece that has the byte at at_bytes, which is one of the archive. */
const struct out_piece *out_layout_find(const struct out_layout *l, uint64_t at_bytes);

/* Two layouts have the same one when their archives are the same bytes. */
void out_layout_digest(const struct out_layout *l, struct digest *ret_digest);

static inline void auto_out_layout_(struct out_layout *l)
{
    out_layout_done(l);
}
