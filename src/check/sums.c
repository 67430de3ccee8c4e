#include "check/sums.h"

#include "base/mem.h"
#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 1024

void sums_init(struct sums *s)
{
    *s = (struct sums){0};
    random_bytes(s->key, sizeof(s->key));
}

void sums_done(struct sums *s)
{
    free(s->rows);
    s->rows = NULL;
    s->n = s->cap = 0;
}

/* The halves of a product of 64 by 64 bits, folded: each bit of both comes into each of the result.
 */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t add_text(uint64_t h, uint64_t key, struct str text)
{
    for (size_t i = 0; i < text.n; i += 8) {
        uint64_t word = 0;

        memcpy(&word, text.p + i, text.n - i < 8 ? text.n - i : 8);
        h = fold(h ^ word, key);
    }
    return fold(h ^ text.n, key);
}

uint64_t sums_hash(const struct sums *s, char kind, struct str a, struct str b)
{
    uint64_t odd = s->key[0] | 1;
    uint64_t h = add_text(add_text(s->key[1] ^ (unsigned char)kind, odd, a), odd, b);

    return h ? h : 1;
}

static struct sums_row *place_of(struct sums_row *rows, size_t cap, uint64_t hash)
{
    size_t i = (size_t)hash & (cap - 1);

    while (rows[i].hash != 0 && rows[i].hash != hash)
        i = (i + 1) & (cap - 1);
    return &rows[i];
}

static void grow(struct sums *s)
{
    size_t cap = s->cap ? 2 * s->cap : FIRST_ROWS;
    struct sums_row *rows = mem_zero(cap * sizeof(*rows));

    for (size_t i = 0; i < s->cap; i++) {
        if (s->rows[i].hash != 0)
            *place_of(rows, cap, s->rows[i].hash) = s->rows[i];
    }
    free(s->rows);
    s->rows = rows;
    s->cap = cap;
}

struct sums_row *sums_add(struct sums *s, uint64_t hash)
{
    struct sums_row *row;

    if (s->n >= s->cap / 4 * 3)
        grow(s);
    row = place_of(s->rows, s->cap, hash);
    if (row->hash == 0) {
        row->hash = hash;
        s->n++;
    }
    return row;
}

struct sums_row *sums_find(const struct sums *s, uint64_t hash)
{
    struct sums_row *row = s->cap ? place_of(s->rows, s->cap, hash) : NULL;

    return row && row->hash != 0 ? row : NULL;
}
