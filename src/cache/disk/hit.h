/*
 * A reader of a blob that is on the shelf. What its file does not give, because the disk is broken
 * or somebody cut it short, comes from the store that is wrapped, and the blob leaves the shelf.
 */
#pragma once

#include "cache/disk/inside.h"

/* Of repo's blob d, from its file, which becomes the reader's. */
struct reader *hit_reader_new(struct disk *c, const struct repo_name *repo, const struct digest *d,
                              uint64_t size_bytes, int fd);
