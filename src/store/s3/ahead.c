#include "store/s3/ahead.h"

#define MIB (1u << 20)

const struct s3_ahead_shape s3_ahead_usual = {
    .whole = 16 * MIB,
    .first = 8 * MIB,
    .beside = 8 * MIB,
    .width = S3_AHEAD_WIDTH_MAX,
    .window = MIB / 2,
};

/* With less of them for each read that has nothing, it is the reader that waits. */
#define READS_PER_WAIT 3

/* Bytes in a microsecond, from the request on. A connection that brings so much fills its line, and
 * where the server is on the same machine others would only take its processors. */
#define FULL_LINE 500

bool s3_ahead_take(struct s3_ahead_room *room, uint64_t n_bytes)
{
    if (atomic_fetch_add(&room->bytes, n_bytes) + n_bytes <= room->max_bytes)
        return true;
    s3_ahead_give(room, n_bytes);
    return false;
}

void s3_ahead_give(struct s3_ahead_room *room, uint64_t n_bytes)
{
    atomic_fetch_sub(&room->bytes, n_bytes);
}

static bool is_slow(const struct s3_ahead *a, int64_t now_us)
{
    return a->read_bytes >= a->shape->first / 2 && a->waits * READS_PER_WAIT >= a->reads &&
           a->read_bytes < FULL_LINE * (uint64_t)(now_us - a->asked_us);
}

void s3_ahead_wait(struct s3_ahead *a, int64_t now_us)
{
    a->waits++;
    if (a->asked_us == 0)
        a->asked_us = now_us;
    a->wide = a->wide || is_slow(a, now_us);
}

bool s3_ahead_read(struct s3_ahead *a, uint64_t n_bytes)
{
    uint64_t windows = a->read_bytes / a->shape->window;

    a->reads++;
    a->read_bytes += n_bytes;
    return a->read_bytes / a->shape->window > windows;
}

uint64_t s3_ahead_length(struct s3_ahead *a, uint64_t at_bytes, uint64_t size_bytes, bool beside)
{
    uint64_t rest_bytes = size_bytes - at_bytes, n_bytes = rest_bytes;

    if (beside)
        n_bytes = a->shape->beside;
    else if (!a->begun && rest_bytes > a->shape->whole)
        n_bytes = a->shape->first;
    a->begun = true;
    return n_bytes < rest_bytes ? n_bytes : rest_bytes;
}
