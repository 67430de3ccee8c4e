/*
 * How a blob is cut into ranges, and how many of them are fetched before they are wanted. Pure, but
 * for the room, which all readers share.
 *
 * A large blob begins with a range that shows whether one connection brings as much as the reader
 * takes, and the line can carry. If it does, or there is no room, the rest is one range more; if
 * not, it comes in ranges of one size, some of them beside the one that is read.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S3_AHEAD_WIDTH_MAX 3

/* Bytes. */
struct s3_ahead_shape {
    uint64_t whole;  /* so much, and less, is one range */
    uint64_t first;  /* else the first range */
    size_t beside;   /* a range that is fetched beside others, and kept */
    unsigned width;  /* so many beside the one that is read; S3_AHEAD_WIDTH_MAX at most */
    uint64_t window; /* how often it is looked what has come of them */
};

extern const struct s3_ahead_shape s3_ahead_usual;

/* What the readers of a process keep together. Any thread. */
struct s3_ahead_room {
    uint64_t max_bytes;
    _Atomic uint64_t bytes;
};

bool s3_ahead_take(struct s3_ahead_room *room, uint64_t n_bytes);
void s3_ahead_give(struct s3_ahead_room *room, uint64_t n_bytes);

/* Of one reader. */
struct s3_ahead {
    const struct s3_ahead_shape *shape;
    bool begun;            /* there was a first range */
    bool wide;             /* one connection is not enough */
    unsigned reads, waits; /* that had something, and that had nothing */
    uint64_t read_bytes;
    int64_t asked_us; /* monotonic; 0: not yet */
};

/* A read of so many bytes; true when it is time to look at what comes beside them. */
bool s3_ahead_read(struct s3_ahead *a, uint64_t n_bytes);
void s3_ahead_wait(struct s3_ahead *a, int64_t now_us); /* one that had nothing */

/* How long the range from at_bytes on is: one that is read at once, or one beside that. */
uint64_t s3_ahead_length(struct s3_ahead *a, uint64_t at_bytes, uint64_t size_bytes, bool beside);
