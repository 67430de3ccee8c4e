/* What an archive holds. */
#pragma once

#include "base/digest.h"

/* A config or layer that an image names; each digest once. */
struct archive_blob {
    struct digest digest;
    uint64_t size_bytes;
    uint64_t at_bytes; /* in the tar, as it is when nothing packs it */
    const char *bytes; /* in memory, or NULL: */
    void *content;     /* of the sink */
};

struct archive_manifest {
    struct digest digest;
    const char *media_type;
    struct str bytes;
    bool is_index;
    bool is_child;      /* an index of the archive names it */
    bool is_referrer;   /* it has a subject */
    size_t n_named;     /* of an index: manifests that it names */
    size_t n_missing;   /* of these, those that are not in the archive */
    size_t platform;    /* of an index: the one manifest of an image that is there, or SIZE_MAX */
    size_t n_platforms; /* of an index: how many are there */
    char os[65], architecture[65];     /* of an image, as its config says */
    char missing[DIGEST_TEXT_MAX + 1]; /* one of those */
    struct digest config;              /* of an image; n is 0: none */
};

/* What the archive lists. */
struct archive_image {
    size_t manifest; /* of archive_verdict */
    char **names;    /* "name:tag", "host:5000/name:tag"; of OCI layouts also "tag" alone, and
                      * "team/app",    "team/app@sha256:..." */
    size_t n_names;
};

struct archive_verdict {
    bool is_oci; /* manifests are the archive's own; else made of it, always the same */
    struct archive_blob *blobs;
    size_t n_blobs;
    struct archive_manifest *manifests; /* children before what names them */
    size_t n_manifests;
    struct archive_image *images;
    size_t n_images;
};

void verdict_done(struct archive_verdict *v);

bool archive_image_has_name(const struct archive_image *image, struct str name);

/* Whether image i is called so: by one of its names, or its manifest's digest. */
bool verdict_is_called(const struct archive_verdict *v, size_t i, struct str name);

/* For whoever has to choose one: of each image its first name, or its digest when it has none or
 * another image is called so too. What does not fit is counted: "app:1, app:2 and 7 more". */
void verdict_list_images(const struct archive_verdict *v, char *dst, size_t cap);

/* The platforms of its images, likewise: "linux/amd64, linux/arm64". */
void verdict_list_platforms(const struct archive_verdict *v, char *dst, size_t cap);
