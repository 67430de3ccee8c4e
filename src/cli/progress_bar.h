/* A bar on the terminal of who waits; nothing where standard error is none. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct progress_bar {
    FILE *file;
    uint64_t all_bytes;
    uint64_t begun_bytes; /* that were there before */
    int64_t begun_ms, shown_ms;
    int drawn; /* a line is there */
};

void progress_bar_begin(struct progress_bar *b, FILE *file, uint64_t begun_bytes,
                        uint64_t all_bytes);
void progress_bar_show(struct progress_bar *b, uint64_t done_bytes); /* a few times a second */
/* Of what has no size, for how long it has been going on; begun with 0 of 0 bytes. */
void progress_bar_wait(struct progress_bar *b, const char *for_what);
void progress_bar_end(struct progress_bar *b); /* takes it away */
