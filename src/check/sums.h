/*
 * What was seen, as numbers: a table from a hash of 64 bits to a value and a mark, 16 bytes a row,
 * so that a million of objects fit in memory. Hashes are keyed anew each time. That two things have
 * one hash is as likely as not in four thousand million, and then one of them is not looked at;
 * what is found is looked at again by name. One thread at a time.
 */
#pragma once

#include "base/str.h"

struct sums_row {
    uint64_t hash; /* 0: the row is free */
    uint64_t value : 63;
    uint64_t mark : 1;
};

struct sums {
    struct sums_row *rows;
    size_t n, cap; /* cap is 0 at first, or a power of 2 */
    uint64_t key[2];
};

#define SUMS_VALUE_MAX ((1ull << 63) - 1)

void sums_init(struct sums *s);
void sums_done(struct sums *s);

static inline void auto_sums_(struct sums *s)
{
    sums_done(s);
}

/* Of a thing of that kind, named by both texts. */
uint64_t sums_hash(const struct sums *s, char kind, struct str a, struct str b);

/* The row of that hash, made if missing with the value 0. Good until the next that is made. */
struct sums_row *sums_add(struct sums *s, uint64_t hash);
struct sums_row *sums_find(const struct sums *s, uint64_t hash); /* NULL: there is none */
