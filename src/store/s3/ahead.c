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

static void begin_window(struct s3_ahead *a)
{
    a->reads = a->waits = 0;
    a->window_bytes = 0;
}

static bool is_slow(const struct s3_ahead *a)
{
    return a->waits * READS_PER_WAIT >= a->reads;
}

/* A connection that was too slow remains so, though what is kept hides it from then on. */
void s3_ahead_wait(struct s3_ahead *a)
{
    a->waits++;
    if (a->window_bytes < a->shape->window || !is_slow(a))
        return;
    if (a->width < a->shape->width)
        a->width++;
    begin_window(a);
}

/* A wait decides, so a window without one is over only with the next. */
bool s3_ahead_read(struct s3_ahead *a, uint64_t n_bytes)
{
    uint64_t windows = a->window_bytes / a->shape->window;
    bool over;

    a->reads++;
    a->window_bytes += n_bytes;
    over = a->window_bytes / a->shape->window > windows;
    if (a->window_bytes >= 2 * a->shape->window && !is_slow(a))
        begin_window(a);
    return over;
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
