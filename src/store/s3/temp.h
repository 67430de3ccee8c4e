/*
 * Room for what is on its way to the server: files without a name in one directory, of all uploads
 * together. It has an end, which leaves some of the disk to others: who finds no room waits for it.
 *
 * Whoever waits should have none, or they may all wait for each other. Any thread.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct s3_temp;

/* Of one file; all 0 at first. Its owner's. */
struct s3_room {
    uint64_t taken_bytes;
    uint64_t filled_bytes; /* what the file has */
};

/* The directory is made if missing. max_bytes: of all files; 0: what the disk has. Room is made by
 * free_some(), if it can: it frees what nobody is at, and says whether there was something. */
ERR_CHECKED enum err_code s3_temp_new(const char *path, uint64_t max_bytes,
                                      bool (*free_some)(void *ctx), void *ctx,
                                      struct s3_temp **ret_temp, struct err *e);
void s3_temp_free(struct s3_temp *t); /* accepts NULL */

/* A file that goes with its descriptor. */
ERR_CHECKED enum err_code s3_temp_open(struct s3_temp *t, int *ret_fd, struct err *e);

/* Room for so many bytes in all, without waiting. */
bool s3_temp_grow(struct s3_temp *t, struct s3_room *r, uint64_t bytes);

/* The same, waiting. Errors: UNAVAILABLE, when there was none for some seconds; STORAGE_FULL, when
 * there is none though nobody has any. */
ERR_CHECKED enum err_code s3_temp_wait(struct s3_temp *t, struct s3_room *r, uint64_t bytes,
                                       struct err *e);

/* The file has so many bytes now. */
void s3_temp_fill(struct s3_temp *t, struct s3_room *r, uint64_t bytes);
void s3_temp_give(struct s3_temp *t, struct s3_room *r); /* it is closed */

/* Is there room, once all that is on its way has gone? Error: STORAGE_FULL. */
ERR_CHECKED enum err_code s3_temp_health(struct s3_temp *t, struct err *e);

/* The program ends: nobody waits for longer than that. */
void s3_temp_hurry(struct s3_temp *t, uint64_t ms);
