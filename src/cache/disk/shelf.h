/*
 * The shelf of the disk cache: which blobs are in the directory, and which go first. Has no lock:
 * its caller does.
 */
#pragma once

#include "base/digest.h"
#include "base/err.h"

#define SHELF_BUCKETS 4096

struct shelf_blob {
    struct shelf_blob *chain, *newer, *older;
    uint64_t size_bytes;
    int64_t used_ms; /* wall clock, as the file has it */
    bool again;      /* the list it is in */
    struct digest digest;
};

struct shelf_list {
    struct shelf_blob *newest, *oldest;
    uint64_t bytes;
};

struct shelf {
    int dir_fd;
    uint64_t max_bytes, reserved_bytes;
    uint64_t seed;
    struct shelf_list lists[2]; /* asked for once, and again */
    struct shelf_blob *buckets[SHELF_BUCKETS];
};

/* Opens the directory, made if missing, and looks at what is in it. Errors: INTERNAL, UNAVAILABLE
 * when another process has it. */
ERR_CHECKED enum err_code shelf_open(struct shelf *s, const char *path, uint64_t max_bytes,
                                     struct err *e);
void shelf_close(struct shelf *s); /* what is on it stays in the directory */

/* NULL: not there. */
struct shelf_blob *shelf_find(struct shelf *s, const struct digest *d);

/* Opens b's file, and notes its use. -1: it is not as it should be, and gone from the shelf. */
int shelf_take(struct shelf *s, struct shelf_blob *b);

void shelf_drop(struct shelf *s, struct shelf_blob *b); /* with its file */

/* Room for a blob that is on its way, until shelf_release() or shelf_put(). */
bool shelf_reserve(struct shelf *s, uint64_t bytes);
void shelf_release(struct shelf *s, uint64_t bytes);

/* Moves the file at `part`, of reserved bytes, to its place. False: it could not be, and is
 * removed. */
bool shelf_put(struct shelf *s, const char *part, const struct digest *d, uint64_t size_bytes);
