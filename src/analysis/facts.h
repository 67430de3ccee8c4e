/*
 * What some files of a layer say: os-release, the databases of package managers, manifests of
 * language packages. Read while the layer is read; whatever can't be read says nothing.
 * Sources: os-release(5); deb-control(5) and /var/lib/dpkg/status; apk's installed database; npm's
 * package.json; go_modules.h; "Recording installed projects" of Python packages; names of jars.
 */
#pragma once

#include "analysis/layer_files.h"

struct facts; /* one thread */

struct facts *facts_new(void);
void facts_free(struct facts *x); /* accepts NULL */

/* The file that was added to the list last begins; false when nothing in it is of interest, and its
 * bytes are not wanted. Names of files that say something by themselves are packages at once.
 * Error: IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code facts_begin(struct facts *x, struct layer_files *list,
                                      const struct layer_file *file, bool *ret_wanted,
                                      struct err *e);

/* Error: the same. */
ERR_CHECKED enum err_code facts_data(struct facts *x, const void *p, size_t n, struct err *e);
ERR_CHECKED enum err_code facts_end(struct facts *x, struct err *e);
