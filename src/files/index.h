/*
 * files: which images have a file. May include core/, analysis/, jobs/, store/, meta/, replicas/,
 * conf/ and base/.
 *
 * What files a layer has is in immutable segments (segment.h), blobs of the repository INDEX_REPO,
 * whose list is in the database; each layer is in one of them, whatever images have it. Which
 * images have a layer is in records of the database. One job, of all processes, adds segments and
 * merges them (feed.h); any process searches (search.h). What it finds is looked up in the
 * database before it is shown, so an image that is gone is never found, whatever the index has.
 *
 *     files.waiting   REPOSITORY@DIGEST        a manifest that was pushed (core/index_wish.h)
 *     files.done      REPOSITORY@DIGEST        all of it is in the index: what it names
 *     files.images    LAYER/REPOSITORY@DIGEST  an image that has the layer: its platform
 *     files.parents   REPOSITORY@DIGEST/INDEX  an index that has the image
 *     files.segments  DIGEST                   {"files", "layers", "bytes"}
 *     files.unread    LAYER                    why it could not be read
 *     files.state     scan                     how far the look at all manifests is
 */
#pragma once

#include "files/opened.h"
#include "files/segment_out.h"

#define FILES_DONE     STR("files.done")
#define FILES_IMAGES   STR("files.images")
#define FILES_PARENTS  STR("files.parents")
#define FILES_SEGMENTS STR("files.segments")
#define FILES_UNREAD   STR("files.unread")
#define FILES_STATE    STR("files.state")
#define FILES_SCAN     STR("scan")
#define FILES_SCANNED  "done " /* then when that was, wall clock in ms; else it goes on */

struct files_index; /* any thread */

/* dir: for files without names. Both are borrowed. */
struct files_index *files_index_new(struct registry *r, const char *dir);
void files_index_free(struct files_index *x); /* accepts NULL */
struct registry *files_index_registry(const struct files_index *x);
const char *files_index_dir(const struct files_index *x);

#define FILES_SEGMENTS_MOST 256
#define FILES_WAITING_MOST  1000 /* more are not counted */

/* The segments that there are. */
struct files_set {
    struct files_opened **list;
    size_t n;
    uint64_t n_files;
    size_t waiting; /* manifests that were pushed and are not indexed */
    bool scanned;   /* all that was there before is indexed */
    size_t unread;  /* layers that could not be read */
};

/* fresh: as they are now, not of up to a second ago. */
ERR_CHECKED enum err_code files_index_set(struct files_index *x, bool fresh,
                                          struct files_set **ret_set, struct err *e);
void files_set_unref(struct files_set *s); /* accepts NULL */

static inline void auto_files_set_(struct files_set **s)
{
    files_set_unref(*s);
}

/* A segment to be: the file that it was written to. */
struct files_new {
    int fd;
    struct files_segment_size size;
    uint32_t n_layers;
};

/* New ones in the place of old ones, all or none; check goes with the transaction. */
ERR_CHECKED enum err_code files_index_change(struct files_index *x, const struct meta_op *check,
                                             const struct files_new *new, size_t n_new,
                                             struct files_opened *const *old, size_t n_old,
                                             struct err *e);

/* Removes segments that are on no list: what a crash has left. For the one who changes it. */
ERR_CHECKED enum err_code files_index_tidy(struct files_index *x, struct err *e);
