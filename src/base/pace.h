/*
 * Work in the background that gives way while requests are served: in pieces that are short, for a
 * piece is what holds something that requests wait for, such as a transaction, and with rests in
 * between. While nobody asks for anything it is as fast as it can be. How much fits into a piece is
 * learned from the one before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_PIECE_MS 5 /* what a request may wait for such work */

struct pace {
    uint64_t share;   /* percent of the time that it takes while requests are served, 1 to 100 */
    size_t fits;      /* into the next piece; 0: nothing is known */
    int64_t since_us; /* it last rested */
};

/* A request is served, now. Costs next to nothing; any thread. */
void pace_request(int64_t now_us);

/* How long requests count after they were served. */
#define PACE_REQUEST_MS 1000

struct pace pace_begin(uint64_t share); /* 0: as 100 */

/* Are requests served, so that it has to? */
bool pace_gives_way(const struct pace *p);

/* How many things the next piece may be of, `most` at most. */
size_t pace_fits(const struct pace *p, size_t most);

/* A piece of n things took so long. */
void pace_took(struct pace *p, size_t n, int64_t us);

/* How long to rest now, for what was done since the last rest; 0: not at all. The rest begins, and
 * ends with pace_rested(). */
int64_t pace_rest_ms(const struct pace *p);
void pace_rested(struct pace *p);
