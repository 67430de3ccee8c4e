/*
 * Inside of cache/disk: blobs on their way from the store that is wrapped into the directory, and
 * the readers of them.
 */
#pragma once

#include "cache/disk/inside.h"

/* A reader of repo's blob d. Nothing is fetched before its first read. Takes inner, a reader of the
 * store that is wrapped. */
struct reader *intake_reader_new(struct disk *c, const struct repo_name *repo,
                                 const struct digest *d, struct reader *inner, uint64_t size_bytes);

/* d is deleted: what is under way of it is not kept. With the lock. */
void intake_spoil(struct disk *c, const struct digest *d);

void intake_end(struct disk *c); /* no reader may be left */
