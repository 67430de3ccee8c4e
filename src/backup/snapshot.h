/* A snapshot of the metadata as a file, which goes away with it. */
#pragma once

#include "meta/meta.h"

struct snapshot {
    char *path;
    struct meta *meta; /* of the file; NULL: it is closed */
};

/* A name in the directory; there is no file yet. */
void snapshot_init(struct snapshot *s, const char *work);
ERR_CHECKED enum err_code snapshot_open(struct snapshot *s, struct err *e);

/* The file is whole then, without a log beside it. */
void snapshot_close(struct snapshot *s);
void snapshot_done(struct snapshot *s);

static inline void auto_snapshot_(struct snapshot *s)
{
    snapshot_done(s);
}
