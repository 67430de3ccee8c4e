/*
 * Searching the index of files: which images have files that match. Any thread; blocks.
 */
#pragma once

#include "files/index.h"
#include "files/pattern_plan.h"

#define FILES_PLATFORM_MAX 96
#define FILES_TAGS_MOST    20   /* of an image that are shown */
#define FILES_TOKEN_MAX    4096 /* where a page ended, as text */

/* A file of an image. Borrowed during the call. */
struct files_found {
    struct str path; /* without '/' at its beginning */
    const struct files_file *file;
    const struct digest *layer;
    const struct repo_name *repo;
    const struct digest *manifest;
    const char *platform; /* "linux/amd64"; "": not known */
    const struct tag_name *tags;
    size_t n_tags;
    bool more_tags;
};

struct files_search {
    struct files_index *index;
    const struct files_plan *plan;
    struct str after; /* the token of the page before; empty: from the start */
    size_t limit;     /* files of images */
    /* May the caller pull this? tag is NULL: anything of the repository. */
    bool (*may)(void *ctx, const struct repo_name *repo, const struct tag_name *tag);
    void (*found)(void *ctx, const struct files_found *f);
    void *ctx;
};

struct files_page {
    size_t n; /* that were found */
    bool more;
    char next[FILES_TOKEN_MAX]; /* then: where to go on */
    bool complete;              /* there is nothing that is not indexed yet, or can't be read */
    size_t waiting, unread;     /* struct files_set */
    bool scanned;
};

/* A page may end early, with `more` set, even an empty one, when it has looked at a lot.
 * Errors: REQUEST_INVALID (the token), CORRUPT, those of the store and of meta. */
ERR_CHECKED enum err_code files_search(const struct files_search *s, struct files_page *ret_page,
                                       struct err *e);
