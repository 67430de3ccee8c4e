#include "analysis/path_tree.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/random.h>

#define NODES_AT_FIRST 256u

struct node {
    const char *name; /* borrowed */
    uint32_t name_n;
    uint32_t parent, first, next;
    uint32_t hash;
};

struct path_tree {
    uint64_t max_bytes, seed;
    struct node *nodes;
    uint32_t n, cap;
    uint32_t
        *slots; /* twice as many as there is room for nodes; 0: empty (nobody finds the root) */
};

struct path_tree *path_tree_new(uint64_t max_bytes)
{
    struct path_tree *t = NEW(struct path_tree);

    t->max_bytes = max_bytes;
    (void)!getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK);
    t->cap = NODES_AT_FIRST;
    t->nodes = mem_alloc(t->cap * sizeof(*t->nodes));
    t->slots = mem_zero(2 * t->cap * sizeof(*t->slots));
    t->nodes[0] = (struct node){"", 0, PATH_NONE, PATH_NONE, PATH_NONE, 0};
    t->n = 1;
    return t;
}

void path_tree_free(struct path_tree *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->slots);
    free(t);
}

/* Begun with a secret, so that nobody can choose names that meet. */
static uint32_t hash_of(const struct path_tree *t, uint32_t parent, struct str name)
{
    uint64_t h = t->seed + parent * 0x9e3779b97f4a7c15ull;

    for (size_t i = 0; i < name.n; i++) {
        h = (h ^ (unsigned char)name.p[i]) * 0xd6e8feb86659fd93ull;
        h ^= h >> 32;
    }
    return (uint32_t)(h ^ h >> 29);
}

static uint32_t *slot_of(const struct path_tree *t, uint32_t parent, struct str name, uint32_t hash)
{
    uint32_t mask = 2 * t->cap - 1, at = hash & mask;

    for (; t->slots[at] != 0; at = (at + 1) & mask) {
        const struct node *node = &t->nodes[t->slots[at]];

        if (node->hash == hash && node->parent == parent &&
            str_eq((struct str){node->name, node->name_n}, name))
            break;
    }
    return &t->slots[at];
}

static enum err_code grow(struct path_tree *t, struct err *e)
{
    uint64_t bytes = 2ull * t->cap * (sizeof(*t->nodes) + 2 * sizeof(*t->slots));

    if (bytes > t->max_bytes || t->cap > UINT32_MAX / 8)
        return err_tell(e, ERR_IMAGE_TOO_LARGE,
                        "too many files: the tree of them needs more than %llu bytes of memory",
                        (unsigned long long)t->max_bytes);
    t->cap *= 2;
    t->nodes = mem_resize(t->nodes, t->cap * sizeof(*t->nodes));
    free(t->slots);
    t->slots = mem_zero(2 * (size_t)t->cap * sizeof(*t->slots));
    for (uint32_t i = 1; i < t->n; i++) {
        const struct node *node = &t->nodes[i];

        *slot_of(t, node->parent, (struct str){node->name, node->name_n}, node->hash) = i;
    }
    return ERR_OK;
}

static enum err_code add_child(struct path_tree *t, uint32_t parent, struct str name,
                               uint32_t *ret_node, struct err *e)
{
    uint32_t hash = hash_of(t, parent, name), *slot;

    if (t->n == t->cap)
        TRY(grow(t, e));
    slot = slot_of(t, parent, name, hash);
    if (*slot == 0) {
        *slot = t->n;
        t->nodes[t->n] = (struct node){name.p,    (uint32_t)name.n,       parent,
                                       PATH_NONE, t->nodes[parent].first, hash};
        t->nodes[parent].first = t->n++;
    }
    *ret_node = *slot;
    return ERR_OK;
}

enum err_code path_tree_add(struct path_tree *t, struct str path, uint32_t *ret_node, struct err *e)
{
    uint32_t node = PATH_ROOT;
    struct str name;
    bool more = path.n > 0;

    while (more) {
        more = str_cut(&path, '/', &name);
        TRY(add_child(t, node, name, &node, e));
    }
    *ret_node = node;
    return ERR_OK;
}

uint32_t path_tree_find(const struct path_tree *t, struct str path)
{
    uint32_t node = PATH_ROOT;
    struct str name;
    bool more = path.n > 0;

    while (more) {
        more = str_cut(&path, '/', &name);
        node = *slot_of(t, node, name, hash_of(t, node, name));
        if (node == 0)
            return PATH_NONE;
    }
    return node;
}

size_t path_tree_count(const struct path_tree *t)
{
    return t->n;
}

uint32_t path_tree_parent(const struct path_tree *t, uint32_t node)
{
    return t->nodes[node].parent;
}

struct str path_tree_name(const struct path_tree *t, uint32_t node)
{
    return (struct str){t->nodes[node].name, t->nodes[node].name_n};
}

uint32_t path_tree_first(const struct path_tree *t, uint32_t node)
{
    return t->nodes[node].first;
}

uint32_t path_tree_next(const struct path_tree *t, uint32_t node)
{
    return t->nodes[node].next;
}

uint64_t path_tree_memory(const struct path_tree *t)
{
    return t->cap * (sizeof(*t->nodes) + 2 * sizeof(*t->slots));
}
