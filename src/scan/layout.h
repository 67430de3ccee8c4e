/*
 * The OCI layout that a scanner reads. Nothing that a pusher wrote about layers is in it: manifest
 * and config are written here, of the digests that this registry has verified, so that each layer
 * is read, and a scanner's cache is keyed by what is true. Source: image-spec "Image Layout".
 */
#pragma once

#include "core/archive_manifest.h"
#include "scan/scanner.h"

struct layout_limits {
    uint64_t image_bytes;       /* of all layers, as they are stored */
    bool (*goes_on)(void *ctx); /* asked now and then: false ends it; NULL: it does */
    void *ctx;
};

/*
 * Writes the image m of repo into the empty directory dir_fd. Layers in files of the same file
 * system are linked, others copied, and then their digests verified. What can't be had and can be
 * done without (layers of others, "foreign") makes the facts partial, with a note; facts are
 * otherwise left alone. Blocks for as long as the store does; any thread.
 *
 * Errors: NOT_ANALYZABLE, told: no such image can be scanned (encrypted, too large, contradicts
 * itself); UNAVAILABLE, it was told to end; BLOB_UNKNOWN, CORRUPT, STORAGE_FULL and what else a
 * store has.
 */
ERR_CHECKED enum err_code layout_write(struct registry *r, const struct repo_name *repo,
                                       const struct out_manifest *m, int dir_fd,
                                       const struct layout_limits *limits, struct scan_facts *facts,
                                       struct err *e);
