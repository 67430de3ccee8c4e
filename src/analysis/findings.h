/* What catches the eye in an image: its largest files, what is in it twice, left-over caches. */
#pragma once

#include "analysis/image_tree.h"

#define FINDINGS_MAX 25u

struct found_file {
    uint32_t node;
    struct image_file at;
    uint64_t size_bytes;
};

/* Files with the same contents. `files` has them together, from `first` on. */
struct found_duplicate {
    size_t first, count;
    uint64_t size_bytes; /* of one */
};

/* What a package manager left in a layer. */
struct found_cache {
    const char *kind; /* "apt" */
    const char *path; /* "var/lib/apt/lists" */
    const char *cure; /* a sentence */
    uint16_t layer;
    uint64_t files, size_bytes;
};

struct findings {
    uint64_t files, folders, size_bytes;     /* of what a container sees */
    struct found_file largest[FINDINGS_MAX]; /* the largest first */
    size_t n_largest;
    struct found_file *files_by_sha256; /* all regular ones that are not empty */
    size_t n_files_by_sha256;
    struct found_duplicate duplicates[FINDINGS_MAX]; /* what costs most first */
    size_t n_duplicates;
    uint64_t duplicate_groups, duplicate_bytes; /* bytes: of all but one of each */
    struct found_cache *caches;                 /* the largest first */
    size_t n_caches;
    uint64_t cache_bytes;
};

/* max_bytes: of memory. Error, told: IMAGE_TOO_LARGE. The caller frees with findings_done(). */
ERR_CHECKED enum err_code findings_make(const struct image_tree *t, uint64_t max_bytes,
                                        struct findings *ret, struct err *e);
void findings_done(struct findings *f);

static inline void auto_findings_(struct findings *f)
{
    findings_done(f);
}
