/*
 * A segment of the store, open for reading by any number of threads. Where the store gives no file,
 * what is read is fetched in pieces and kept in a file without a name, so that each piece is
 * fetched once.
 */
#pragma once

#include "core/registry.h"
#include "files/segment.h"

struct files_opened {
    struct digest digest;
    uint64_t n_files;
    struct files_segment segment;
};

/* dir is where the file without a name is made. Errors: BLOB_UNKNOWN, CORRUPT, those of the store.
 */
ERR_CHECKED enum err_code files_open(struct store *s, const char *dir, const struct digest *d,
                                     uint64_t n_files, struct files_opened **ret_opened,
                                     struct err *e);
struct files_opened *files_opened_ref(struct files_opened *o);
void files_opened_unref(struct files_opened *o); /* accepts NULL */

/* An empty file without a name, for reading and writing. */
ERR_CHECKED enum err_code files_temp(const char *dir, int *ret_fd, struct err *e);

/* INDEX_REPO. */
const struct repo_name *files_repo(void);
