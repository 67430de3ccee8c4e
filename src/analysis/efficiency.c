#include "analysis/efficiency.h"

#include "base/mem.h"

#include <stdlib.h>

#define NONE     UINT32_MAX
#define WHITEOUT ".wh."

/* A path as one layer has it. All above it are there as well, without size when the layer's tar has
 * no member for them. */
struct item {
    uint32_t node; /* of a whiteout, of what it deletes */
    uint32_t parent, first, next;
    bool whiteout, folder;
    uint64_t size_bytes;
};

/* Of a node. */
struct state {
    uint32_t layer, item;    /* the item of that layer (counted from 1) */
    uint32_t whiteout_layer; /* which deletes it, last */
    uint32_t count;
    bool present, folder, counted;    /* the first two: in the layers so far, on each other */
    uint64_t size_bytes, below_bytes; /* below: itself and all beneath it */
    uint64_t all_bytes;
    int64_t least_bytes; /* of the layers; -1: nothing was counted */
};

struct counting {
    const struct path_tree *tree;
    uint64_t max_bytes;
    struct state *states;
    size_t n_states;
    struct item *items; /* of a layer; 0 is the root */
    size_t n_items, cap_items;
    struct item **sorted; /* room for the children of one */
    size_t cap_sorted;
    uint32_t layer; /* counted from 1 */
};

typedef bool (*item_fn)(struct counting *c, const struct item *item);

/* ---- a layer as items */

static enum err_code add_item(struct counting *c, const struct item *item, uint32_t *ret,
                              struct err *e)
{
    if (c->n_items == c->cap_items) {
        size_t cap = c->cap_items ? 2 * c->cap_items : 256;

        if (cap * sizeof(*c->items) > c->max_bytes || cap > UINT32_MAX / 2)
            return err_tell(e, ERR_IMAGE_TOO_LARGE,
                            "too many files: counting them needs more than %llu bytes of memory",
                            (unsigned long long)c->max_bytes);
        c->items = mem_resize(c->items, cap * sizeof(*c->items));
        c->cap_items = cap;
    }
    *ret = (uint32_t)c->n_items;
    c->items[c->n_items++] = *item;
    if (item->parent != NONE) {
        c->items[*ret].next = c->items[item->parent].first;
        c->items[item->parent].first = *ret;
    }
    return ERR_OK;
}

/* The item of a node, and of all above it. */
static enum err_code item_of(struct counting *c, uint32_t node, uint32_t *ret, struct err *e)
{
    uint32_t missing[4096 / 2 + 1]; /* a path is of TAR_NAME_MAX bytes */
    size_t n = 0;
    uint32_t at = node;

    for (; c->states[at].layer != c->layer; at = path_tree_parent(c->tree, at))
        missing[n++] = at;
    *ret = c->states[at].item;
    while (n > 0) {
        struct item item = {missing[--n], *ret, NONE, NONE, .size_bytes = 0};

        TRY(add_item(c, &item, ret, e));
        c->states[item.node].layer = c->layer;
        c->states[item.node].item = *ret;
    }
    return ERR_OK;
}

static enum err_code add_whiteout(struct counting *c, uint32_t node, struct err *e)
{
    struct item item = {node, NONE, NONE, NONE, .whiteout = true};
    uint32_t unused;

    if (c->states[node].whiteout_layer == c->layer)
        return ERR_OK;
    c->states[node].whiteout_layer = c->layer;
    TRY(item_of(c, path_tree_parent(c->tree, node), &item.parent, e));
    return add_item(c, &item, &unused, e);
}

static enum err_code add_file(struct counting *c, const struct layer_file *file, struct err *e)
{
    uint32_t node = path_tree_find(c->tree, file->path), item;

    if (file->kind == LAYER_WHITEOUT)
        return add_whiteout(c, node, e);
    TRY(item_of(c, node, &item, e));
    if (file->kind == LAYER_OPAQUE || node == PATH_ROOT)
        return ERR_OK;
    c->items[item].folder = file->kind == LAYER_FOLDER;
    c->items[item].size_bytes = file->size_bytes;
    return ERR_OK;
}

static unsigned char char_of(const struct item *item, struct str name, size_t i)
{
    size_t skip = item->whiteout ? strlen(WHITEOUT) : 0;

    return (unsigned char)(i < skip ? WHITEOUT[i] : name.p[i - skip]);
}

/* By the names that stand in the tar. */
static int by_name(const void *a, const void *b, void *ctx)
{
    const struct counting *c = ctx;
    const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;
    struct str nx = path_tree_name(c->tree, x->node), ny = path_tree_name(c->tree, y->node);
    size_t n = nx.n + (x->whiteout ? strlen(WHITEOUT) : 0);
    size_t m = ny.n + (y->whiteout ? strlen(WHITEOUT) : 0);

    for (size_t i = 0; i < n && i < m; i++) {
        if (char_of(x, nx, i) != char_of(y, ny, i))
            return char_of(x, nx, i) < char_of(y, ny, i) ? -1 : 1;
    }
    return n < m ? -1 : n > m;
}

static void sort_children(struct counting *c, struct item *parent)
{
    size_t n = 0;

    for (uint32_t i = parent->first; i != NONE; i = c->items[i].next) {
        if (n == c->cap_sorted) {
            c->cap_sorted = c->cap_sorted ? 2 * c->cap_sorted : 64;
            c->sorted = mem_resize(c->sorted, c->cap_sorted * sizeof(struct item *));
        }
        c->sorted[n++] = &c->items[i];
    }
    if (n == 0)
        return;
    qsort_r(c->sorted, n, sizeof(struct item *), by_name, c);
    parent->first = (uint32_t)(c->sorted[0] - c->items);
    for (size_t i = 0; i < n; i++)
        c->sorted[i]->next = i + 1 < n ? (uint32_t)(c->sorted[i + 1] - c->items) : NONE;
}

static enum err_code take_layer(struct counting *c, const struct layer_files *list, struct err *e)
{
    const struct item root = {PATH_ROOT, NONE, NONE, NONE, .folder = true};
    size_t n = layer_files_count(list);
    uint32_t unused;

    c->layer++;
    c->n_items = 0;
    TRY(add_item(c, &root, &unused, e));
    c->states[PATH_ROOT].layer = c->layer;
    c->states[PATH_ROOT].item = 0;
    for (size_t i = 0; i < n; i++) {
        struct layer_file file;

        layer_files_get(list, i, &file);
        TRY(add_file(c, &file, e));
    }
    for (size_t i = 0; i < c->n_items; i++)
        sort_children(c, &c->items[i]);
    return ERR_OK;
}

/* All but the root, children before what they are in, until fn says no. */
static void walk(struct counting *c, item_fn fn)
{
    uint32_t at = 0;

    for (;;) {
        while (c->items[at].first != NONE)
            at = c->items[at].first;
        while (at != 0 && c->items[at].next == NONE) {
            if (!fn(c, &c->items[at]))
                return;
            at = c->items[at].parent;
        }
        if (at == 0 || !fn(c, &c->items[at]))
            return;
        at = c->items[at].next;
    }
}

/* ---- layers on each other */

static void add_below(struct counting *c, uint32_t node, uint64_t bytes)
{
    for (; node != PATH_NONE; node = path_tree_parent(c->tree, node))
        c->states[node].below_bytes += bytes; /* also less: it wraps around */
}

static void put(struct counting *c, uint32_t node, uint64_t bytes, bool folder)
{
    struct state *s = &c->states[node];

    add_below(c, node, bytes - s->size_bytes);
    s->present = true;
    s->size_bytes = bytes;
    s->folder = folder;
    for (node = path_tree_parent(c->tree, node); node != PATH_NONE && !c->states[node].present;
         node = path_tree_parent(c->tree, node))
        c->states[node].present = true;
}

static void forget(struct counting *c, uint32_t node)
{
    struct state *s = &c->states[node];

    s->present = s->folder = false;
    s->size_bytes = s->below_bytes = 0;
}

/* All that is there beneath it, and it. */
static void take_off(struct counting *c, uint32_t top)
{
    uint32_t at = top;

    if (!c->states[top].present)
        return;
    add_below(c, top, -c->states[top].below_bytes);
    for (;;) {
        uint32_t next = c->states[at].present ? path_tree_first(c->tree, at) : PATH_NONE;

        forget(c, at);
        while (next == PATH_NONE && at != top) {
            next = path_tree_next(c->tree, at);
            at = path_tree_parent(c->tree, at);
        }
        if (next == PATH_NONE)
            return;
        at = next;
    }
}

static bool copy_item(struct counting *c, const struct item *item)
{
    if (!item->whiteout)
        put(c, item->node, item->size_bytes, item->folder);
    return true;
}

static bool stack_item(struct counting *c, const struct item *item)
{
    if (item->whiteout)
        take_off(c, item->node);
    else
        put(c, item->node, item->size_bytes, item->folder);
    return true;
}

/* ---- counting */

static bool count_item(struct counting *c, const struct item *item)
{
    struct state *s = &c->states[item->node];
    uint64_t bytes = item->size_bytes;

    if (item->first != NONE)
        return true;
    if (!s->counted)
        s->least_bytes = -1;
    s->counted = true;
    if (item->whiteout && !s->present)
        return false;
    if (item->whiteout)
        bytes = s->folder ? s->below_bytes : 0;
    s->all_bytes += bytes;
    if (s->least_bytes < 0 || (int64_t)bytes < s->least_bytes)
        s->least_bytes = (int64_t)bytes;
    s->count++;
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct efficiency_path *x = a, *y = b;

    if (x->size_bytes != y->size_bytes)
        return x->size_bytes > y->size_bytes ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static void add_path(struct counting *c, uint32_t node, struct efficiency *ret)
{
    const struct state *s = &c->states[node];

    ret->inefficient_bytes += s->all_bytes;
    ret->paths[ret->n_paths++] = (struct efficiency_path){node, s->count, s->all_bytes};
}

static void conclude(struct counting *c, struct efficiency *ret)
{
    int64_t least_bytes = 0;
    uint64_t all_bytes = 0;
    size_t n = 0;

    for (size_t i = 0; i < c->n_states; i++)
        n += c->states[i].count >= 2;
    ret->paths = mem_alloc((n + 1) * sizeof(*ret->paths));
    for (size_t i = 0; i < c->n_states; i++) {
        const struct state *s = &c->states[i];

        if (s->counted) {
            least_bytes += s->least_bytes;
            all_bytes += s->all_bytes;
        }
        if (s->count >= 2)
            add_path(c, (uint32_t)i, ret);
    }
    ret->score = all_bytes == 0 ? 1 : (double)least_bytes / (double)all_bytes;
    qsort(ret->paths, ret->n_paths, sizeof(*ret->paths), by_size);
}

static enum err_code count_layer(struct counting *c, const struct layer_files *list, struct err *e)
{
    TRY(take_layer(c, list, e));
    if (c->layer == 1)
        walk(c, copy_item); /* deletions in the first layer are looked up in itself */
    walk(c, count_item);
    walk(c, stack_item);
    return ERR_OK;
}

static uint64_t size_of(const struct layer_files *list)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < layer_files_count(list); i++) {
        struct layer_file file;

        layer_files_get(list, i, &file);
        if (file.path.n > 0)
            bytes += file.size_bytes;
    }
    return bytes;
}

static enum err_code count_all(struct counting *c, const struct layer_files *const *lists, size_t n,
                               struct efficiency *ret, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        ret->size_bytes += size_of(lists[i]);
        TRY(count_layer(c, lists[i], e));
    }
    conclude(c, ret);
    return ERR_OK;
}

enum err_code efficiency_count(const struct layer_files *const *lists, size_t n,
                               const struct path_tree *tree, uint64_t max_bytes,
                               struct efficiency *ret, struct err *e)
{
    struct counting c = {.tree = tree, .max_bytes = max_bytes, .n_states = path_tree_count(tree)};
    enum err_code code;

    if (c.n_states * sizeof(*c.states) > max_bytes)
        return err_tell(e, ERR_IMAGE_TOO_LARGE,
                        "too many files: counting them needs more than %llu bytes of memory",
                        (unsigned long long)max_bytes);
    c.max_bytes -= c.n_states * sizeof(*c.states);
    c.states = mem_zero(c.n_states * sizeof(*c.states));
    *ret = (struct efficiency){0};
    code = count_all(&c, lists, n, ret, e);
    free(c.states);
    free(c.items);
    free(c.sorted);
    return code;
}

void efficiency_done(struct efficiency *x)
{
    free(x->paths);
    *x = (struct efficiency){0};
}
