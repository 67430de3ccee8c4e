/* Segments of the index of files: a letter for the road, then the segment. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "files/stream.h"

#include <stdint.h>

#define STEPS 20000

struct input {
    const uint8_t *p;
    size_t n;
};

static enum err_code read_input(void *ctx, uint64_t at_bytes, void *p, size_t n_bytes,
                                struct err *e)
{
    const struct input *in = ctx;

    if (at_bytes > in->n || n_bytes > in->n - at_bytes)
        return err_set(e, ERR_CORRUPT, "past the end");
    memcpy(p, in->p + at_bytes, n_bytes);
    return ERR_OK;
}

static void plan_of(uint8_t letter, struct files_plan *ret)
{
    static const char *const patterns[] = {"*", "*a", "/**", "a*", "b.jar"};
    static const char hash[] = "6162636465666768000000000000000000000000000000000000000000000000";

    if (letter % 6 == 5)
        (void)!files_plan_hash(str_of(hash), ret, ERR_IGNORED);
    else
        (void)!files_plan_path(str_of(patterns[letter % 6]), ret, ERR_IGNORED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data + 1, size - 1};
    struct files_place from = {.n_order = 0};
    struct files_segment segment;
    struct files_plan plan;
    struct files_stream s;
    enum err_code code;

    if (size == 0 || files_segment_open(&segment, (struct files_bytes){read_input, &in, in.n},
                                        ERR_IGNORED) != ERR_OK)
        return 0;
    plan_of(data[0], &plan);
    files_stream_init(&s, &segment, &plan);
    s.budget = STEPS;
    code = files_stream_seek(&s, &from, ERR_IGNORED);
    while (code == ERR_OK && !s.end && !s.paused)
        code = files_stream_next(&s, ERR_IGNORED);
    files_stream_done(&s);
    return 0;
}
