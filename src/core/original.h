/*
 * The original of an archive that is uploaded (upload.keep_original): its bytes as they came, for
 * people, beside the image that becomes of it. A plain archive is packed by gzip, always to the
 * same bytes.
 *
 * It comes as an upload of its own, and gets its name in the store when the image is whole and
 * true and its manifests are there, before any tag: an archive that is refused leaves none, and one
 * that can't be kept is no image. Then comes its record. A crash between these leaves a whole
 * original without a record, which gets one by originals_adopt(); one before leaves an upload,
 * which is swept.
 */
#pragma once

#include "core/original_name.h"
#include "core/registry.h"

/* The collection of records: a JSON object each, by ORIGINAL_KEY_SIZE. */
#define ORIGINALS "originals"

struct original; /* one thread at a time */

struct original *original_new(struct registry *r, const char *owner);
void original_close(struct original *o); /* accepts NULL; what was not kept goes */

/* The next bytes. Errors: those of upload_open_alone() and of the store. */
ERR_CHECKED enum err_code original_feed(struct original *o, const void *p, size_t n, struct err *e);

#define ORIGINAL_IMAGES_MAX 16 /* that a record names */
#define ORIGINAL_REPOS_MAX  16

/* What came of it. */
struct original_of {
    const struct repo_name *repos[ORIGINAL_REPOS_MAX];
    size_t n_repos;
    const struct digest *images[ORIGINAL_IMAGES_MAX];
    size_t n_images;
};

struct original_kept {
    char key[ORIGINAL_KEY_SIZE];
    struct store_original_name name;
    uint64_t size_bytes; /* as it is kept */
    struct digest digest;
};

/* All have come: it is there, and so is its record. Errors: the same, those of meta. */
ERR_CHECKED enum err_code original_keep(struct original *o, const struct original_of *of,
                                        struct err *e);

/* Likewise, but for its record: it is there, and listed nowhere until it is published. */
struct original_held {
    struct original_kept kept;
    char *record; /* the caller's */
};
ERR_CHECKED enum err_code original_hold(struct original *o, const struct original_of *of,
                                        struct original_held *ret_held, struct err *e);
ERR_CHECKED enum err_code original_publish(struct registry *r, const struct original_held *h,
                                           struct err *e);
/* Its record goes again. */
ERR_CHECKED enum err_code original_unpublish(struct registry *r, const struct original_held *h,
                                             struct err *e);
/* Its bytes go, and its record, if there is one; done twice it changes nothing. */
ERR_CHECKED enum err_code original_drop(struct registry *r, const struct original_held *h,
                                        struct err *e);
void original_held_done(struct original_held *h);

/* NULL before it is kept. */
const struct original_kept *original_kept(const struct original *o);

/* It was kept for nothing. What fails here stays, whole. */
void original_take_back(struct original *o);

/* The name that a record has. False: it has none. */
bool original_record_name(const struct meta_record *record, struct store_original_name *ret_name);

/* Its bytes and its record go. */
ERR_CHECKED enum err_code original_delete(struct registry *r, const struct meta_record *record,
                                          struct err *e);

/* Deletes those that are older than upload.original_keep. go_on: false ends it, with LATER. */
typedef bool (*original_go_on_fn)(void *ctx);
ERR_CHECKED enum err_code originals_expire(struct registry *r, int64_t now_ms,
                                           original_go_on_fn go_on, void *ctx, struct err *e);

/* Gives a record to each that has none, and was written before that time. */
ERR_CHECKED enum err_code originals_adopt(struct registry *r, int64_t before_ms,
                                          original_go_on_fn go_on, void *ctx, struct err *e);

static inline void auto_original_held_(struct original_held *h)
{
    original_held_done(h);
}
