/*
 * What lists of repositories and tags have in common: what is asked for, names that the caller may
 * see, and what is said of a manifest. docs/api.md, "Repositories and tags".
 */
#pragma once

#include "api/req.h"
#include "core/archive_platform.h"
#include "scan/result.h"

#define SHOWN_UNASKED    50 /* entries of a page when it does not say */
#define SHOWN_BODY_MAX   (32u << 20)
#define SHOWN_IMAGES     512 /* images of a page that are looked at: see shown_images() */
#define SHOWN_ANNOTATION STR("org.opencontainers.image.")

/* ---- what is asked for */

struct shown_ask {
    struct meta_ask meta; /* its texts are those below */
    char search[256], sort[16], last[REPO_NAME_MAX + 64];
    bool nothing; /* no name can have that in it */
    size_t n;
};

/* orders: which of enum meta_order there are, as bits. Errors: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code shown_ask_parse(struct req *q, unsigned orders, struct shown_ask *ret,
                                          struct err *e);

/* A page of n names that the caller may see. A Link must not tell of what is hidden: so one more is
 * looked for, as far as it takes. */
struct shown_source {
    enum err_code (*fetch)(struct req *q, const struct meta_ask *ask, size_t limit,
                           struct meta_place_list *ret_list, struct err *e);
    bool (*visible)(const struct req *q, const char *name);
};

ERR_CHECKED enum err_code shown_names(struct req *q, const struct shown_source *s,
                                      const struct shown_ask *a, struct meta_place_list *ret_list,
                                      struct err *e);

/* The Link to what is behind `last`. */
void shown_next(struct req *q, const struct shown_ask *a, const struct meta_place *last);

/* The names alone; the caller's, who frees the list. */
const char **shown_name_list(const struct meta_place_list *l);

/* ---- manifests */

/* A scan's result, as much as is shown. */
struct shown_scan {
    enum scan_status status; /* NOT_SCANNED: there is none */
    uint64_t counts[SEVERITIES];
    int64_t scanned_ms;
};

struct shown_manifest {
    const struct meta_shown *of; /* NULL: there is none */
    struct out_manifest m;       /* its `stored` is NULL */
    bool known;                  /* else its bytes were too many, or are none that are understood */
    struct shown_scan scan;
};

/* of: may be NULL, or of none that is there; outlives the other. */
void shown_manifest_read(const struct meta_shown *of, struct shown_manifest *ret);
void shown_manifests_free(struct shown_manifest *rows, size_t n);

/* Calls fn with the place in m of each image of an index, statements left out, at most SHOWN_IMAGES
 * of them; returns how many. fn may be NULL. */
typedef void (*shown_image_fn)(void *ctx, size_t link, const char *platform);
size_t shown_images(const struct shown_manifest *m, shown_image_fn fn, void *ctx);

/* Finds what scans said of each, of an index the worst of its images. One question. */
ERR_CHECKED enum err_code shown_scans(struct registry *r, struct shown_manifest *rows, size_t n,
                                      struct err *e);

/* ---- as JSON, each with a comma before it */

void shown_add_text(struct buf *b, const char *key, struct str text); /* empty: null */
void shown_add_number(struct buf *b, const char *key, uint64_t value);
void shown_add_types(struct buf *b, const struct shown_manifest *m); /* media, artifact */
void shown_add_scan(struct buf *b, const struct shown_scan *s);
