/*
 * A manifest's bytes understood: its type, what it names, its subject. Pure functions.
 * Source: image-spec "manifest", "image-index", "descriptor"; Docker "Image Manifest V 2, Schema
 * 2".
 */
#pragma once

#include "base/digest.h"
#include "base/err.h"
#include "base/media.h"

enum manifest_shape { MANIFEST_IMAGE, MANIFEST_INDEX };

/* One descriptor of a manifest. */
struct manifest_link {
    enum {
        LINK_BLOB,         /* config or layer */
        LINK_FOREIGN_BLOB, /* non-distributable layer: need not be here */
        LINK_MANIFEST,     /* child of an index */
        LINK_UNKNOWN       /* child of an index of a foreign media type: a blob or a manifest */
    } kind;
    struct digest digest;
    uint64_t size_bytes;
};

struct manifest {
    const char *media_type; /* one of MEDIA_*; static */
    enum manifest_shape shape;
    struct manifest_link *links;
    size_t n_links;
    bool has_subject;
    struct digest subject;
    char *artifact_type;    /* as dist-spec "Listing Referrers" shows it; "" when none */
    char *config_type;      /* media type of an image's config; "" when none */
    char *annotations_json; /* JSON object; "" when none */
    char **urls;            /* of all its descriptors */
    size_t n_urls;
};

/*
 * Parses and validates. content_type is the header's value, parameters and all, or empty: then the
 * type is taken from the mediaType field or the shape. A manifest whose mediaType contradicts
 * content_type or its shape is refused. Error: MANIFEST_INVALID, told to the client.
 * *ret_manifest is released with manifest_done().
 */
ERR_CHECKED enum err_code manifest_parse(struct str bytes, struct str content_type,
                                         size_t max_links, struct manifest *ret_manifest,
                                         struct err *e);
void manifest_done(struct manifest *m);

static inline void auto_manifest_(struct manifest *m)
{
    manifest_done(m);
}

/* A child of an index, as a referrers list shows it; what it points to lives during the call. */
struct manifest_child {
    struct digest digest;
    uint64_t size_bytes;
    struct str media_type, artifact_type;
    const char *annotations_json; /* JSON object; "" when none */
};

typedef void (*manifest_child_fn)(void *ctx, const struct manifest_child *c);

/* Calls fn for every child of an index that manifest_parse() accepted. */
void manifest_children(struct str bytes, manifest_child_fn fn, void *ctx);

/* Is it the media type of a manifest that this registry stores? */
bool manifest_media_type_known(struct str media_type);
