/* What a row of the table (rows.h) says of a key of the reference registry. */
#pragma once

#include "conf/distribution/flat.h"
#include "conf/source.h"

struct distribution_row;

/* A configuration on its way. */
struct taking {
    struct conf_source *source;
    const struct flat *flat;
};

/* Takes over what stands there. Error: CONFIG, with its place. */
typedef enum err_code distribution_take(struct taking *t, const struct distribution_row *row,
                                        const struct flat_entry *entry, struct err *e);

enum distribution_verdict {
    DISTRIBUTION_TAKEN,   /* it becomes a key of ours */
    DISTRIBUTION_ALWAYS,  /* nothing to be set: it is so here in any case, or is not needed */
    DISTRIBUTION_WARNED,  /* what it asks for is lost */
    DISTRIBUTION_REFUSED, /* the registry does not start, for it would be unsafe or wrong */
};

enum distribution_shape {
    DISTRIBUTION_ONE,   /* a value */
    DISTRIBUTION_LIST,  /* a list of values */
    DISTRIBUTION_BELOW, /* all that stands there and below */
    DISTRIBUTION_OTHER, /* kinds that no other row names */
};

struct distribution_row {
    const char *path;
    enum distribution_shape shape;
    enum distribution_verdict verdict;
    const char *to; /* our key; NULL: none */
    distribution_take *take;
    const char *harmless; /* of WARNED and REFUSED: with this value nothing is lost; NULL: none */
    const char *note;     /* a sentence's part: what changes, is lost, or why */
};
