/*
 * Images as files: from the registry to an archive.
 *
 * An archive is laid out before it is sent: out_plan() looks up what is in it, and gives the layout
 * (archive/out_layout.h), out of which any part can be read (archive/out_reader.h). Its members, in
 * order: `oci-layout`, `index.json`, `manifest.json` (of the docker format), then
 * `blobs/<algorithm>/<hex>` of each manifest, config and layer once, as stored, a manifest before
 * what it names. So it is an OCI image layout (image-spec "image layout"); with `manifest.json` it
 * is what `docker save` writes, too. No folders, no links. The same image asked for in the same way
 * gives the same bytes.
 */
#pragma once

#include "archive/out_layout.h"
#include "archive/out_reader.h"
#include "core/reference.h"
#include "core/registry.h"

/* What a layer that was left out is listed in: an annotation of index.json. */
#define OUT_LEFT_OUT "io.cyberdock.archive.left-out"

enum out_format {
    OUT_DOCKER, /* one image, in both layouts at once: what every engine loads */
    OUT_OCI,    /* an OCI image layout alone: all that has a manifest, and whole indexes */
};

struct out_request {
    const struct repo_name *repo;
    const struct reference *ref;
    enum out_format format;
    const char *platform; /* "os/architecture[/variant]", "all"; "": what the format does by itself:
                             docker the only one there is, oci all */
    const char *name; /* what the image is called in the archive; "": what it was asked for by */
    const struct digest *have; /* layers that are left out, in any order */
    size_t n_have;
};

struct out_planned {
    struct out_layout layout;
    struct digest manifest; /* the one that index.json names */
};

/*
 * Blocks; any thread. Looks at every blob in meta, opens none but the config of an image whose
 * platform is asked for. *ret_planned is the caller's. Errors: MANIFEST_UNKNOWN; told: NOT_FOUND,
 * when there is no such platform; BLOB_UNKNOWN; REQUEST_INVALID; UNSUPPORTED, when the format can't
 * hold it, or it is too large to lay out.
 */
ERR_CHECKED enum err_code out_plan(struct registry *r, const struct out_request *q,
                                   struct out_planned *ret_planned, struct err *e);

/* The blobs of a repository, for out_reader_new(). */
struct out_blobs *out_blobs_of(struct registry *r, const struct repo_name *repo);
