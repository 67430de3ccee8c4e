#include "analysis/image_tree.h"

#include "base/mem.h"

#include <stdlib.h>

#define NO_ENTRY UINT32_MAX

/* Of a node: what is there now. */
struct spot {
    bool present;
    uint32_t entry;          /* NO_ENTRY: a folder without a member */
    uint16_t layer;          /* of the entry */
    uint16_t contents_layer; /* of a file or hard link */
    uint32_t contents;       /* the entry of the regular file; NO_ENTRY: none */
    uint16_t deleted_by;     /* the last layer that deleted it, counted from 1 */
};

struct image_tree {
    const struct layer_files *const *lists;
    size_t n;
    struct path_tree *paths;
    struct spot *spots;
    uint32_t *names[IMAGE_LAYERS_MAX]; /* of each entry: how many paths lead to its contents */
    struct image_layer layers[IMAGE_LAYERS_MAX];
    struct image_loss *losses; /* n * n */
    uint64_t memory_bytes;
};

void image_tree_free(struct image_tree *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->names[i]);
    path_tree_free(t->paths);
    free(t->spots);
    free(t->losses);
    free(t);
}

static void read_entry(const struct image_tree *t, size_t layer, size_t entry,
                       struct layer_file *ret)
{
    layer_files_get(t->lists[layer], entry, ret);
}

static bool is_folder(const struct image_tree *t, const struct spot *s)
{
    struct layer_file file;

    if (s->entry == NO_ENTRY)
        return true;
    read_entry(t, s->layer, s->entry, &file);
    return file.kind == LAYER_FOLDER;
}

/* ---- losing */

/* One path less leads to its contents. Their bytes are lost when it was the last one. */
static uint64_t let_go(struct image_tree *t, const struct spot *s)
{
    struct layer_file file;

    if (s->contents == NO_ENTRY || --t->names[s->contents_layer][s->contents] > 0)
        return 0;
    read_entry(t, s->contents_layer, s->contents, &file);
    t->layers[s->contents_layer].wasted_bytes += file.size_bytes;
    return file.size_bytes;
}

static void delete_one(struct image_tree *t, size_t by, struct spot *s)
{
    bool folder = is_folder(t, s);
    uint64_t bytes = let_go(t, s);

    if (bytes > 0)
        t->losses[by * t->n + s->contents_layer].deleted_bytes += bytes;
    if (!folder) {
        t->layers[by].deleted++;
        t->layers[by].deleted_bytes += bytes;
        s->deleted_by = (uint16_t)(by + 1);
    }
    s->present = false;
    s->contents = NO_ENTRY;
}

/* What is present beneath top, and with `itself` top as well. */
static void delete_tree(struct image_tree *t, size_t by, uint32_t top, bool itself)
{
    uint32_t at = top;

    if (!t->spots[top].present)
        return;
    for (;;) {
        uint32_t next = t->spots[at].present ? path_tree_first(t->paths, at) : PATH_NONE;

        if (t->spots[at].present && (at != top || itself))
            delete_one(t, by, &t->spots[at]);
        while (next == PATH_NONE && at != top) {
            next = path_tree_next(t->paths, at);
            at = path_tree_parent(t->paths, at);
        }
        if (next == PATH_NONE)
            return;
        at = next;
    }
}

/* ---- adding */

static bool same_contents(const struct layer_file *a, const struct layer_file *b)
{
    return a->kind == LAYER_FILE && b->kind == LAYER_FILE && a->has_sha256 && b->has_sha256 &&
           memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}

/* Folders above are there, whatever was there before. */
static void make_way(struct image_tree *t, size_t layer, uint32_t node)
{
    for (node = path_tree_parent(t->paths, node); node != PATH_NONE;
         node = path_tree_parent(t->paths, node)) {
        struct spot *s = &t->spots[node];

        if (s->present && is_folder(t, s))
            return;
        if (s->present)
            delete_one(t, layer, s);
        s->present = true;
        s->entry = NO_ENTRY;
        s->contents = NO_ENTRY;
    }
}

static void replace(struct image_tree *t, size_t layer, struct spot *s,
                    const struct layer_file *file)
{
    struct image_layer *l = &t->layers[layer];
    struct layer_file before;
    bool below = s->layer != layer;
    uint16_t of = s->contents_layer;
    uint64_t bytes;

    read_entry(t, s->layer, s->entry, &before);
    bytes = let_go(t, s);
    if (bytes > 0)
        t->losses[layer * t->n + of].replaced_bytes += bytes;
    if (!below)
        return;
    l->changed++;
    l->changed_bytes += file->size_bytes;
    if (same_contents(&before, file)) {
        l->repeated++;
        l->repeated_bytes += file->size_bytes;
    }
}

/* Deleted and made anew is changed. */
static void add_new(struct image_tree *t, size_t layer, struct spot *s,
                    const struct layer_file *file)
{
    struct image_layer *l = &t->layers[layer];

    if (s->deleted_by == layer + 1) {
        l->deleted--;
        l->changed++;
        l->changed_bytes += file->size_bytes;
        s->deleted_by = 0;
        return;
    }
    l->added++;
    l->added_bytes += file->size_bytes;
}

static void find_contents(struct image_tree *t, size_t layer, size_t entry,
                          const struct layer_file *file, struct spot *s)
{
    uint32_t target;

    s->contents = NO_ENTRY;
    if (file->kind == LAYER_FILE) {
        s->contents_layer = (uint16_t)layer;
        s->contents = (uint32_t)entry;
    } else if (file->kind == LAYER_HARD_LINK) {
        target = path_tree_find(t->paths, file->link);
        if (target != PATH_NONE && t->spots[target].present) {
            s->contents_layer = t->spots[target].contents_layer;
            s->contents = t->spots[target].contents;
        }
    }
    if (s->contents != NO_ENTRY)
        t->names[s->contents_layer][s->contents]++;
}

static void put_file(struct image_tree *t, size_t layer, size_t entry,
                     const struct layer_file *file)
{
    uint32_t node = path_tree_find(t->paths, file->path);
    struct spot *s = &t->spots[node], before;

    make_way(t, layer, node);
    if (s->present && is_folder(t, s))
        delete_tree(t, layer, node, true);
    before = *s;
    find_contents(t, layer, entry, file, s); /* before those that are replaced go */
    if (before.present)
        replace(t, layer, &before, file);
    else
        add_new(t, layer, s, file);
    s->present = true;
    s->layer = (uint16_t)layer;
    s->entry = (uint32_t)entry;
}

static void put_folder(struct image_tree *t, size_t layer, size_t entry,
                       const struct layer_file *file)
{
    uint32_t node = path_tree_find(t->paths, file->path);
    struct spot *s = &t->spots[node];

    make_way(t, layer, node);
    if (s->present && !is_folder(t, s))
        delete_one(t, layer, s);
    s->present = true;
    s->layer = (uint16_t)layer;
    s->entry = (uint32_t)entry;
    s->contents = NO_ENTRY;
}

/* ---- layers */

static void delete_all(struct image_tree *t, size_t layer)
{
    size_t n = layer_files_count(t->lists[layer]);

    for (size_t i = 0; i < n; i++) {
        struct layer_file file;

        read_entry(t, layer, i, &file);
        if (file.kind == LAYER_WHITEOUT || file.kind == LAYER_OPAQUE)
            delete_tree(t, layer, path_tree_find(t->paths, file.path), file.kind == LAYER_WHITEOUT);
    }
}

/* Of several members of one path the last one counts; the bytes of the others are lost at once. */
static void put_all(struct image_tree *t, size_t layer)
{
    struct image_layer *l = &t->layers[layer];
    size_t n = layer_files_count(t->lists[layer]);

    for (size_t i = 0; i < n; i++) {
        struct layer_file file;

        read_entry(t, layer, i, &file);
        if (file.kind == LAYER_WHITEOUT || file.kind == LAYER_OPAQUE)
            continue;
        if (file.kind == LAYER_FOLDER) {
            l->folders++;
            put_folder(t, layer, i, &file);
            continue;
        }
        l->files++;
        l->size_bytes += file.size_bytes;
        put_file(t, layer, i, &file);
    }
}

/* ---- the whole */

static enum err_code too_many(uint64_t max_bytes, struct err *e)
{
    return err_tell(e, ERR_IMAGE_TOO_LARGE,
                    "too many files: the tree of them needs more than %llu bytes of memory",
                    (unsigned long long)max_bytes);
}

static enum err_code add_paths(struct image_tree *t, struct err *e)
{
    for (size_t layer = 0; layer < t->n; layer++) {
        size_t n = layer_files_count(t->lists[layer]);

        for (size_t i = 0; i < n; i++) {
            struct layer_file file;
            uint32_t unused;

            read_entry(t, layer, i, &file);
            TRY(path_tree_add(t->paths, file.path, &unused, e));
        }
    }
    return ERR_OK;
}

static enum err_code make_room(struct image_tree *t, uint64_t max_bytes, struct err *e)
{
    uint64_t bytes = path_tree_memory(t->paths) + sizeof(*t);

    bytes += path_tree_count(t->paths) * sizeof(*t->spots) + t->n * t->n * sizeof(*t->losses);
    for (size_t i = 0; i < t->n; i++)
        bytes += layer_files_count(t->lists[i]) * sizeof(uint32_t);
    if (bytes > max_bytes)
        return too_many(max_bytes, e);
    t->memory_bytes = bytes;
    t->spots = mem_zero(path_tree_count(t->paths) * sizeof(*t->spots));
    t->losses = mem_zero((t->n * t->n + 1) * sizeof(*t->losses));
    for (size_t i = 0; i < t->n; i++)
        t->names[i] = mem_zero((layer_files_count(t->lists[i]) + 1) * sizeof(uint32_t));
    return ERR_OK;
}

enum err_code image_tree_new(const struct layer_files *const *lists, size_t n, uint64_t max_bytes,
                             struct image_tree **ret_tree, struct err *e)
{
    AUTO(image_tree) struct image_tree *t = NULL;

    if (n > IMAGE_LAYERS_MAX)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "more than %d layers", IMAGE_LAYERS_MAX);
    t = NEW(struct image_tree);
    t->lists = lists;
    t->n = n;
    t->paths = path_tree_new(max_bytes);
    TRY(add_paths(t, e));
    TRY(make_room(t, max_bytes, e));
    t->spots[PATH_ROOT] = (struct spot){.present = true, .entry = NO_ENTRY, .contents = NO_ENTRY};
    for (size_t i = 0; i < n; i++) {
        delete_all(t, i);
        put_all(t, i);
    }
    *ret_tree = STEAL(t);
    return ERR_OK;
}

size_t image_tree_layers(const struct image_tree *t)
{
    return t->n;
}

const struct image_layer *image_tree_layer(const struct image_tree *t, size_t layer)
{
    return &t->layers[layer];
}

const struct layer_files *image_tree_list(const struct image_tree *t, size_t layer)
{
    return t->lists[layer];
}

const struct image_loss *image_tree_loss(const struct image_tree *t, size_t by, size_t of)
{
    return &t->losses[by * t->n + of];
}

const struct path_tree *image_tree_paths(const struct image_tree *t)
{
    return t->paths;
}

uint64_t image_tree_memory(const struct image_tree *t)
{
    return t->memory_bytes;
}

bool image_tree_has(const struct image_tree *t, uint32_t node)
{
    return t->spots[node].present;
}

bool image_tree_get(const struct image_tree *t, uint32_t node, struct image_file *ret)
{
    const struct spot *s = &t->spots[node];

    if (!s->present || s->entry == NO_ENTRY)
        return false;
    *ret = (struct image_file){s->layer, s->entry};
    return true;
}

bool image_tree_contents(const struct image_tree *t, uint32_t node, struct image_file *ret)
{
    const struct spot *s = &t->spots[node];

    if (s->present && s->contents != NO_ENTRY) {
        *ret = (struct image_file){s->contents_layer, s->contents};
        return true;
    }
    return image_tree_get(t, node, ret);
}

void image_tree_file(const struct image_tree *t, struct image_file at, struct layer_file *ret)
{
    read_entry(t, at.layer, at.entry, ret);
}
