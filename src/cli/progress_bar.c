#include "cli/progress_bar.h"

#include "base/clock.h"

#include <string.h>
#include <unistd.h>

#define WIDTH         30
#define SHOW_EVERY_MS 250

void progress_bar_begin(struct progress_bar *b, FILE *file, uint64_t begun_bytes,
                        uint64_t all_bytes)
{
    *b = (struct progress_bar){.file = isatty(fileno(file)) ? file : NULL,
                               .all_bytes = all_bytes,
                               .begun_bytes = begun_bytes,
                               .begun_ms = clock_mono_ms()};
}

static double mb(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

void progress_bar_show(struct progress_bar *b, uint64_t done_bytes)
{
    int64_t now_ms = clock_mono_ms();
    int filled = b->all_bytes ? (int)(done_bytes * WIDTH / b->all_bytes) : WIDTH;
    double s = (double)(now_ms - b->begun_ms) / 1000, rate;
    char bar[WIDTH + 1];

    if (!b->file || now_ms - b->shown_ms < SHOW_EVERY_MS)
        return;
    b->shown_ms = now_ms;
    b->drawn = 1;
    memset(bar, ' ', WIDTH);
    memset(bar, '=', (size_t)filled);
    bar[WIDTH] = '\0';
    rate = s > 0 ? mb(done_bytes - b->begun_bytes) / s : 0;
    fprintf(b->file, "\r\033[K[%s] %.1f of %.1f MB, %.1f MB/s", bar, mb(done_bytes),
            mb(b->all_bytes), rate);
    if (rate > 0)
        fprintf(b->file, ", %.0f s left", mb(b->all_bytes - done_bytes) / rate);
    fflush(b->file);
}

void progress_bar_wait(struct progress_bar *b, const char *for_what)
{
    int64_t now_ms = clock_mono_ms();

    if (!b->file || now_ms - b->shown_ms < SHOW_EVERY_MS)
        return;
    b->shown_ms = now_ms;
    b->drawn = 1;
    fprintf(b->file, "\r\033[K%.60s, %lld s", for_what, (long long)(now_ms - b->begun_ms) / 1000);
    fflush(b->file);
}

void progress_bar_end(struct progress_bar *b)
{
    if (b->drawn)
        fputs("\r\033[K", b->file);
    b->drawn = 0;
}
