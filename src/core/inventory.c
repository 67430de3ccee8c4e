#include "core/inventory.h"

#include "base/hex.h"
#include "base/mem.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLD_EVERY 1000

/* A repository met while listing; its number says when. */
struct met {
    struct repo_name name;
    uint32_t number;
};

struct listing {
    struct inventory *inv;
    void *met; /* a tree of struct met, by name */
    struct met *last;
    size_t cap_blobs, cap_manifests, cap_tags;
    uint64_t told;
    void (*listed)(void *ctx, uint64_t n);
    void *ctx;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct met *)a)->name.text, ((const struct met *)b)->name.text);
}

static size_t hash_bytes(unsigned char algorithm)
{
    return algorithm == DIGEST_SHA256 ? 32 : 64;
}

static int by_digest(const struct inventory_item *a, const struct inventory_item *b)
{
    if (a->algorithm != b->algorithm)
        return a->algorithm < b->algorithm ? -1 : 1;
    return memcmp(a->hash, b->hash, hash_bytes(a->algorithm));
}

static int by_place(const void *a, const void *b)
{
    const struct inventory_item *ia = a, *ib = b;

    if (ia->repo != ib->repo)
        return ia->repo < ib->repo ? -1 : 1;
    return by_digest(ia, ib);
}

static int by_tag(const void *a, const void *b)
{
    const struct inventory_tag *ta = a, *tb = b;

    if (ta->repo != tb->repo)
        return ta->repo < tb->repo ? -1 : 1;
    return strcmp(ta->name, tb->name);
}

/* What the store tells is grouped by repository, mostly. */
static uint32_t number_of(struct listing *l, const struct repo_name *name)
{
    struct met *fresh;
    struct met **at;

    if (name->n == 0)
        return INVENTORY_SHARED;
    if (l->last && str_eq(repo_name_str(&l->last->name), repo_name_str(name)))
        return l->last->number;
    fresh = NEW(struct met);
    fresh->name = *name;
    fresh->number = (uint32_t)l->inv->n_repos;
    at = tsearch(fresh, &l->met, by_name);
    if (!at)
        abort(); /* as any small allocation that fails */
    l->last = *at;
    if (l->last == fresh)
        l->inv->n_repos++;
    else
        free(fresh);
    return l->last->number;
}

static struct inventory_item item_of(uint32_t repo, const struct digest *d, uint64_t size_bytes)
{
    struct inventory_item item = {.repo = repo, .size_bytes = size_bytes};

    item.algorithm = d->n ? (unsigned char)d->algorithm : INVENTORY_NOWHERE;
    if (d->n && !hex_decode(digest_hex(d), item.hash, hash_bytes(item.algorithm)))
        abort(); /* a struct digest exists only validated */
    return item;
}

/* Room for one more of so many bytes each. */
static void *grown(void *list, size_t n, size_t *cap, size_t bytes)
{
    if (n < *cap)
        return list;
    *cap = *cap ? 2 * *cap : 64;
    return mem_resize(list, *cap * bytes);
}

static void add(struct inventory_list *l, size_t *cap, struct inventory_item item)
{
    l->items = grown(l->items, l->n, cap, sizeof(*l->items));
    l->items[l->n++] = item;
}

static void add_tag(struct listing *l, const struct store_item *item, uint32_t repo)
{
    struct inventory *inv = l->inv;

    inv->tags = grown(inv->tags, inv->n_tags, &l->cap_tags, sizeof(*inv->tags));
    inv->tags[inv->n_tags++] = (struct inventory_tag){
        .repo = repo,
        .name = str_dup(tag_name_str(&item->tag)),
        .to = item_of(repo, &item->digest, 0),
    };
}

static enum err_code take(void *ctx, const struct store_item *item, struct err *e)
{
    struct listing *l = ctx;
    uint32_t repo = number_of(l, &item->repo);

    (void)e;
    if (item->kind == STORE_TAG)
        add_tag(l, item, repo);
    else if (item->kind == STORE_BLOB)
        add(&l->inv->blobs, &l->cap_blobs, item_of(repo, &item->digest, item->size_bytes));
    else
        add(&l->inv->manifests, &l->cap_manifests, item_of(repo, &item->digest, item->size_bytes));
    if (++l->told % TOLD_EVERY == 0 && l->listed)
        l->listed(l->ctx, l->told);
    return ERR_OK;
}

struct renumbering {
    struct inventory *inv;
    uint32_t *rank; /* by number: the place among the sorted names */
    uint32_t next;
};

static void number_anew(const void *node, VISIT visit, void *closure)
{
    const struct met *m = *(struct met *const *)node;
    struct renumbering *r = closure;

    if (visit != postorder && visit != leaf) /* twoleaf's names: in the order of the tree */
        return;
    r->inv->repos[r->next] = m->name;
    r->rank[m->number] = r->next++;
}

static void renumber(const struct renumbering *r, struct inventory_item *item)
{
    if (item->repo != INVENTORY_SHARED)
        item->repo = r->rank[item->repo];
}

static void sort(struct inventory_list *l)
{
    if (l->n > 1)
        qsort(l->items, l->n, sizeof(*l->items), by_place);
}

/* Numbers of repositories become places in the sorted list of names. */
static void settle(struct listing *l)
{
    struct inventory *inv = l->inv;
    struct renumbering r = {.inv = inv};

    inv->repos = mem_alloc((inv->n_repos + 1) * sizeof(*inv->repos));
    r.rank = mem_alloc((inv->n_repos + 1) * sizeof(*r.rank));
    twalk_r(l->met, number_anew, &r);
    for (size_t i = 0; i < inv->blobs.n; i++)
        renumber(&r, &inv->blobs.items[i]);
    for (size_t i = 0; i < inv->manifests.n; i++)
        renumber(&r, &inv->manifests.items[i]);
    for (size_t i = 0; i < inv->n_tags; i++) {
        renumber(&r, &inv->tags[i].to);
        inv->tags[i].repo = inv->tags[i].to.repo;
    }
    free(r.rank);
    sort(&inv->blobs);
    sort(&inv->manifests);
    if (inv->n_tags > 1)
        qsort(inv->tags, inv->n_tags, sizeof(*inv->tags), by_tag);
}

enum err_code inventory_load(struct store *s, void (*listed)(void *ctx, uint64_t n), void *ctx,
                             struct inventory *ret, struct err *e)
{
    struct inventory inv = {0};
    struct listing l = {.inv = &inv, .listed = listed, .ctx = ctx};
    enum err_code code = store_each(s, STORE_BLOB | STORE_MANIFEST | STORE_TAG, take, &l, e);

    settle(&l);
    tdestroy(l.met, free);
    if (code != ERR_OK) {
        inventory_done(&inv);
        return code;
    }
    *ret = inv;
    return ERR_OK;
}

void inventory_done(struct inventory *inv)
{
    for (size_t i = 0; i < inv->n_tags; i++)
        free(inv->tags[i].name);
    free(inv->tags);
    free(inv->blobs.items);
    free(inv->manifests.items);
    free(inv->repos);
    *inv = (struct inventory){0};
}

struct inventory_item *inventory_find(const struct inventory_list *l, uint32_t repo,
                                      const struct digest *d)
{
    struct inventory_item key = item_of(repo, d, 0);

    return l->n ? bsearch(&key, l->items, l->n, sizeof(key), by_place) : NULL;
}

const struct inventory_tag *inventory_find_tag(const struct inventory *inv, uint32_t repo,
                                               const char *name)
{
    struct inventory_tag key = {.repo = repo, .name = (char *)name};

    return inv->n_tags ? bsearch(&key, inv->tags, inv->n_tags, sizeof(key), by_tag) : NULL;
}

static int repo_by_name(const void *a, const void *b)
{
    return strcmp(((const struct repo_name *)a)->text, ((const struct repo_name *)b)->text);
}

uint32_t inventory_repo(const struct inventory *inv, const struct repo_name *name)
{
    const struct repo_name *at =
        inv->n_repos ? bsearch(name, inv->repos, inv->n_repos, sizeof(*name), repo_by_name) : NULL;

    return at ? (uint32_t)(at - inv->repos) : INVENTORY_SHARED;
}

void inventory_digest(const struct inventory_item *item, struct digest *ret_digest)
{
    enum digest_algorithm a = (enum digest_algorithm)item->algorithm;
    int n = snprintf(ret_digest->text, sizeof(ret_digest->text), "%s:", digest_algorithm_name(a));

    hex_encode(item->hash, hash_bytes(item->algorithm), ret_digest->text + n);
    ret_digest->algorithm = a;
    ret_digest->n = (size_t)n + 2 * hash_bytes(item->algorithm);
}
