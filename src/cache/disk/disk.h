/*
 * cache/disk keeps hot blobs in a directory, before a store that is far away. A decorator: it
 * answers store_blob_open() and looks at store_blob_delete(); every other call goes to the store it
 * wraps. Any thread.
 *
 * A blob that is not there is fetched by one thread, however many want it; all of them read from
 * the growing file, by readers whose reads fail with LATER. Its digest is checked before the last
 * piece is shown to anybody, and before it is kept. A fetch that breaks off goes on where it was;
 * if that fails, it fails for all. When nobody is left and less than half has come, it ends.
 *
 * Who begins to read far from what there is, and whoever finds the cache's disk full or broken, or
 * too many fetches under way, has the store that is wrapped: slower, never wrong.
 *
 * Which blobs stay is segmented LRU by bytes: what was asked for once, and what was again. A scan
 * pushes out only the former, for the latter has up to four fifths of the room. The directory:
 *
 *     once/<digest>, again/<digest>   a blob each; the time of last use is the file's
 *     part/<n>                        being fetched; removed at start
 */
#pragma once

#include "store/store.h"

struct cache_disk_options {
    const char *path;   /* made if missing; for this process alone */
    uint64_t max_bytes; /* of the blobs in it, with those on their way; larger ones than half of it
                           are never kept */
    const char *from;   /* what records call the store; static; NULL: "the store" */
};

/* Takes ownership of inner if it succeeds. Errors: INTERNAL, UNAVAILABLE when another process has
 * the directory. */
ERR_CHECKED enum err_code cache_disk_new(struct store *inner, const struct cache_disk_options *o,
                                         struct store **ret_store, struct err *e);

/* For tests: waits until no fetch is under way; what is kept, in bytes. */
uint64_t cache_disk_settle(struct store *cache);
