#include "analysis/image_diff.h"

#include "base/mem.h"

#include <stdlib.h>

/* A path, and where it is in both; PATH_NONE: it is not. */
struct row {
    struct str path;
    uint32_t before, after;
};

struct image_diff {
    const struct image_tree *before, *after;
    struct row *rows;
    size_t n, cap;
    uint64_t max_bytes;
    struct diff_sum sums[DIFF_CHANGES];
};

void image_diff_free(struct image_diff *d)
{
    if (!d)
        return;
    free(d->rows);
    free(d);
}

/* What a container sees there, but for folders. */
static bool see(const struct image_tree *t, uint32_t node, struct diff_side *ret)
{
    struct image_file at, contents;
    struct layer_file own;

    if (node == PATH_NONE || !image_tree_get(t, node, &at))
        return false;
    image_tree_file(t, at, &own);
    if (own.kind == LAYER_FOLDER)
        return false;
    ret->layer = at.layer;
    ret->file = own;
    if (own.kind == LAYER_HARD_LINK && image_tree_contents(t, node, &contents)) {
        image_tree_file(t, contents, &ret->file);
        ret->file.path = own.path;
    }
    return true;
}

static bool same_bytes(const struct layer_file *a, const struct layer_file *b)
{
    if (a->kind != LAYER_FILE)
        return true;
    if (a->size_bytes != b->size_bytes)
        return false;
    if (!a->has_sha256 || !b->has_sha256) /* with holes: its time is all there is to go by */
        return a->has_sha256 == b->has_sha256 && a->modified_s == b->modified_s;
    return memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}

static unsigned compare(const struct layer_file *a, const struct layer_file *b)
{
    unsigned what = 0;

    if (a->kind != b->kind)
        return DIFF_KIND;
    if (!same_bytes(a, b))
        what |= DIFF_CONTENTS;
    if (a->kind == LAYER_SYMBOLIC_LINK) {
        if (!str_eq(a->link, b->link))
            what |= DIFF_LINK;
    } else if (a->mode != b->mode) {
        what |= DIFF_MODE;
    }
    if (a->uid != b->uid || a->gid != b->gid)
        what |= DIFF_OWNER;
    return what;
}

static enum err_code add_row(struct image_diff *d, struct str path, uint32_t before, uint32_t after,
                             struct err *e)
{
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 256;
        if (d->cap * sizeof(*d->rows) > d->max_bytes)
            return err_tell(e, ERR_IMAGE_TOO_LARGE,
                            "too many files differ: the list of them needs more than %llu bytes of "
                            "memory",
                            (unsigned long long)d->max_bytes);
        d->rows = mem_resize(d->rows, d->cap * sizeof(*d->rows));
    }
    d->rows[d->n++] = (struct row){path, before, after};
    return ERR_OK;
}

static uint64_t bytes_of(const struct diff_side *s)
{
    return s->file.kind == LAYER_FILE ? s->file.size_bytes : 0;
}

static void count(struct image_diff *d, enum diff_change change, const struct diff_side *before,
                  const struct diff_side *after)
{
    d->sums[change].files++;
    d->sums[change].before_bytes += before ? bytes_of(before) : 0;
    d->sums[change].after_bytes += after ? bytes_of(after) : 0;
}

static enum err_code add_new_and_changed(struct image_diff *d, struct err *e)
{
    const struct path_tree *before = image_tree_paths(d->before),
                           *after = image_tree_paths(d->after);

    for (uint32_t node = 0; node < path_tree_count(after); node++) {
        struct diff_side a, b;
        uint32_t old;

        if (!see(d->after, node, &b))
            continue;
        old = path_tree_find(before, b.file.path);
        if (!see(d->before, old, &a)) {
            count(d, DIFF_ADDED, NULL, &b);
            TRY(add_row(d, b.file.path, PATH_NONE, node, e));
        } else if (compare(&a.file, &b.file) != 0) {
            count(d, DIFF_CHANGED, &a, &b);
            TRY(add_row(d, b.file.path, old, node, e));
        }
    }
    return ERR_OK;
}

static enum err_code add_removed(struct image_diff *d, struct err *e)
{
    const struct path_tree *before = image_tree_paths(d->before),
                           *after = image_tree_paths(d->after);

    for (uint32_t node = 0; node < path_tree_count(before); node++) {
        struct diff_side a, b;

        if (!see(d->before, node, &a) || see(d->after, path_tree_find(after, a.file.path), &b))
            continue;
        count(d, DIFF_REMOVED, &a, NULL);
        TRY(add_row(d, a.file.path, node, PATH_NONE, e));
    }
    return ERR_OK;
}

static int by_path(const void *a, const void *b)
{
    return str_cmp(((const struct row *)a)->path, ((const struct row *)b)->path);
}

enum err_code image_diff_new(const struct image_tree *before, const struct image_tree *after,
                             uint64_t max_bytes, struct image_diff **ret_diff, struct err *e)
{
    AUTO(image_diff) struct image_diff *d = NEW(struct image_diff);

    d->before = before;
    d->after = after;
    d->max_bytes = max_bytes;
    TRY(add_new_and_changed(d, e));
    TRY(add_removed(d, e));
    if (d->n > 1)
        qsort(d->rows, d->n, sizeof(*d->rows), by_path);
    *ret_diff = STEAL(d);
    return ERR_OK;
}

size_t image_diff_count(const struct image_diff *d)
{
    return d->n;
}

void image_diff_get(const struct image_diff *d, size_t i, struct diff_file *ret)
{
    const struct row *row = &d->rows[i];
    bool had = see(d->before, row->before, &ret->before);
    bool has = see(d->after, row->after, &ret->after);

    ret->path = row->path;
    ret->change = !had ? DIFF_ADDED : !has ? DIFF_REMOVED : DIFF_CHANGED;
    ret->what = had && has ? compare(&ret->before.file, &ret->after.file) : 0;
}

size_t image_diff_behind(const struct image_diff *d, struct str path)
{
    size_t from = 0, to = d->n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (str_cmp(d->rows[middle].path, path) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const struct diff_sum *image_diff_sum(const struct image_diff *d, enum diff_change change)
{
    return &d->sums[change];
}
