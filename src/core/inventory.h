/*
 * What a store holds, listed once and kept in memory: about 100 bytes for each blob, manifest and
 * tag. For the commands that look at all of it (reindex, copy); a server never does.
 */
#pragma once

#include "store/store.h"

#define INVENTORY_SHARED UINT32_MAX /* the repository of a blob that is kept once for all */

struct inventory_item {
    uint32_t repo; /* index into inventory.repos, or INVENTORY_SHARED */
    uint32_t mark; /* 0 at first; for the use of whoever goes through the list */
    unsigned char algorithm;
    unsigned char hash[DIGEST_BYTES_MAX];
    uint64_t size_bytes;
};

struct inventory_tag {
    uint32_t repo;
    char *name;
    struct inventory_item to; /* size_bytes is unused; algorithm is INVENTORY_NOWHERE: no digest */
};

#define INVENTORY_NOWHERE 0xff

/* Sorted by repository, then by digest. */
struct inventory_list {
    struct inventory_item *items;
    size_t n;
};

struct inventory {
    struct repo_name *repos; /* sorted by name */
    size_t n_repos;
    struct inventory_list blobs, manifests;
    struct inventory_tag *tags; /* sorted by repository, then by name */
    size_t n_tags;
};

/* *ret is released with inventory_done(). `listed` may be NULL; it is told now and then how many
 * there are so far. */
ERR_CHECKED enum err_code inventory_load(struct store *s, void (*listed)(void *ctx, uint64_t n),
                                         void *ctx, struct inventory *ret, struct err *e);
void inventory_done(struct inventory *inv);

static inline void auto_inventory_(struct inventory *inv)
{
    inventory_done(inv);
}

/* NULL: it is not there. */
struct inventory_item *inventory_find(const struct inventory_list *l, uint32_t repo,
                                      const struct digest *d);

/* The repository of that name in another inventory; INVENTORY_SHARED when there is none. */
uint32_t inventory_repo(const struct inventory *inv, const struct repo_name *name);

/* NULL: it is not there. */
const struct inventory_tag *inventory_find_tag(const struct inventory *inv, uint32_t repo,
                                               const char *name);

void inventory_digest(const struct inventory_item *item, struct digest *ret_digest);
