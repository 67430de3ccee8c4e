/*
 * Looks whether an archive that came from a registry is what it left there: that it is whole, and
 * each blob in it is what its name says. Of the form alone that out_layout.h writes: whatever else
 * there is in tar is an error. One thread at a time.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct out_check;

struct out_check *out_check_new(void);
void out_check_free(struct out_check *c); /* accepts NULL */

/* The next bytes. Error: CORRUPT. */
ERR_CHECKED enum err_code out_check_feed(struct out_check *c, struct str bytes, struct err *e);

/* There are no more. Error: CORRUPT, when there should be. */
ERR_CHECKED enum err_code out_check_end(const struct out_check *c, unsigned *ret_blobs,
                                        struct err *e);

static inline void auto_out_check_(struct out_check **c)
{
    out_check_free(*c);
}
