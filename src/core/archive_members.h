/* The blobs of an archive: manifests with their text, and configs and layers with their sizes. */
#pragma once

#include "archive/out_layout.h"
#include "core/archive_manifest.h"

#define OUT_MEMBERS_MAX 4096u                 /* of one archive */
#define OUT_PATH_MAX    (DIGEST_TEXT_MAX + 8) /* "blobs/sha256/..." */

struct out_member {
    struct digest digest;
    uint64_t n_bytes;
    struct meta_manifest *text; /* of a manifest; NULL: the bytes are in the store */
};

struct out_members {
    struct registry *r;
    const struct repo_name *repo;
    const struct digest *have; /* layers that are left out */
    size_t n_have;
    bool need_all; /* also layers that need not be here */
    struct out_member *list;
    size_t n;
    uint64_t text_bytes;
    struct digest *left_out; /* of `have`, those that would be in the list; in its order */
    size_t n_left_out;
};

void out_members_done(struct out_members *m);

/* Adds a manifest and all that it names, and what that names; each once. Of an index, only what is
 * in the repository. Errors, told: BLOB_UNKNOWN; UNSUPPORTED, when it is too much for an archive.
 */
ERR_CHECKED enum err_code out_members_add(struct out_members *m, const struct out_manifest *root,
                                          struct err *e);

void out_members_lay_out(const struct out_members *m, struct out_layout *l);

/* Where a blob is in the archive. */
void out_members_path(const struct digest *d, char dst[static OUT_PATH_MAX]);

static inline void auto_out_members_(struct out_members *m)
{
    out_members_done(m);
}
