#include "analysis/image_folder.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

#define SHOWN 200u /* bytes of a path in a message */

struct place {
    struct str name;
    uint32_t node; /* PATH_NONE: what a layer deletes, and which entry says so */
    uint32_t entry;
};

struct image_folder {
    struct layer_files **lists;
    size_t n_lists;
    struct image_tree *tree;
    struct buf path; /* clean */
    uint32_t node;
    struct place *places;
    size_t n_places;
};

void image_folder_free(struct image_folder *f)
{
    if (!f)
        return;
    image_tree_free(f->tree);
    for (size_t i = 0; i < f->n_lists; i++)
        layer_files_free(f->lists[i]);
    free(f->lists);
    free(f->places);
    buf_done(&f->path);
    free(f);
}

/* ---- paths */

static void go_up(struct buf *path)
{
    while (path->n > 0 && path->p[path->n - 1] != '/')
        path->n--;
    if (path->n > 0)
        path->n--;
}

/* Goes on from the folder in *path; ".." of the root is the root. */
static enum err_code walk(struct buf *path, struct str way, struct err *e)
{
    bool more = true;
    struct str part;

    if (str_starts(way, STR("/")))
        buf_clear(path);
    while (more) {
        more = str_cut(&way, '/', &part);
        if (part.n == 0 || str_eq(part, STR(".")))
            continue;
        if (str_eq(part, STR(".."))) {
            go_up(path);
            continue;
        }
        if (path->n > 0)
            buf_add_char(path, '/');
        buf_add_str(path, part);
    }
    return path->full
               ? err_tell(e, ERR_REQUEST_INVALID, "a path of more than %d bytes", FOLDER_PATH_MAX)
               : ERR_OK;
}

static struct str shown(struct str path)
{
    return str_sub(path, 0, path.n < SHOWN ? path.n : SHOWN);
}

/* ---- what is wanted of a list */

struct wanted {
    struct str path;
    struct buf child; /* that has something in it, as was said last */
};

/* What of b is below a; *ret_rest is it, without '/' in front. */
static bool is_below(struct str a, struct str b, struct str *ret_rest)
{
    if (a.n > 0 && !(b.n > a.n && str_starts(b, a) && b.p[a.n] == '/'))
        return false;
    *ret_rest = a.n > 0 ? str_sub(b, a.n + 1, b.n - a.n - 1) : b;
    return b.n > a.n;
}

/* All on the way to it; what stands in it; and of what stands deeper one file of each folder, which
 * says that the folder is there. */
static bool want(void *ctx, const struct layer_file *file)
{
    struct wanted *w = ctx;
    struct str rest, child;

    if (str_eq(file->path, w->path) || is_below(file->path, w->path, &rest))
        return true;
    if (!is_below(w->path, file->path, &rest))
        return false;
    if (!str_cut(&rest, '/', &child))
        return true;
    if (file->kind == LAYER_WHITEOUT || file->kind == LAYER_OPAQUE ||
        str_eq(child, buf_str(&w->child)))
        return false;
    buf_clear(&w->child);
    buf_add_str(&w->child, child);
    return true;
}

static enum err_code load(struct image_folder *f, const struct folder_source *s, uint64_t max_bytes,
                          struct err *e)
{
    struct wanted w = {.path = buf_str(&f->path)};
    AUTO(buf) struct buf child = {0};
    enum err_code code = ERR_OK;

    f->lists = mem_zero((s->n_layers + 1) * sizeof(struct layer_files *));
    for (; f->n_lists < s->n_layers && code == ERR_OK; f->n_lists++) {
        buf_init(&w.child, FOLDER_PATH_MAX);
        code = s->load(s->ctx, f->n_lists, want, &w, &f->lists[f->n_lists], e);
        buf_done(&w.child);
    }
    TRY(code);
    return image_tree_new((const struct layer_files *const *)f->lists, f->n_lists, max_bytes,
                          &f->tree, e);
}

/* ---- the way there */

static enum err_code not_there(struct str path, struct err *e)
{
    path = shown(path);
    return err_tell(e, ERR_NOT_FOUND, "there is no '/" STR_FMT "' in it", STR_ARG(path));
}

/* What is at the first n bytes of the path. */
static enum err_code look_at(struct image_folder *f, size_t n, struct layer_file *ret,
                             struct err *e)
{
    struct str path = str_sub(buf_str(&f->path), 0, n);
    struct image_file at;

    f->node = path_tree_find(image_tree_paths(f->tree), path);
    if (f->node == PATH_NONE || !image_tree_has(f->tree, f->node))
        return not_there(path, e);
    *ret = (struct layer_file){.kind = LAYER_FOLDER};
    if (image_tree_get(f->tree, f->node, &at))
        image_tree_file(f->tree, at, ret);
    return ERR_OK;
}

/* From the root on to the first symbolic link; *ret_n is 0 when none is in the way. */
static enum err_code find_link(struct image_folder *f, enum folder_links links, size_t *ret_n,
                               struct layer_file *ret_link, struct err *e)
{
    struct str path = buf_str(&f->path);

    *ret_n = 0;
    TRY(look_at(f, 0, ret_link, e));
    for (size_t n = 1; n <= path.n; n++) {
        bool last = n == path.n;

        if (!last && path.p[n] != '/')
            continue;
        TRY(look_at(f, n, ret_link, e));
        if (ret_link->kind == LAYER_SYMBOLIC_LINK && (!last || links == FOLDER_FOLLOW)) {
            *ret_n = n;
            return ERR_OK;
        }
        if (!last && ret_link->kind != LAYER_FOLDER)
            return not_there(path, e);
    }
    return ERR_OK;
}

/* To where the link in the first n bytes leads, and on from there. */
static enum err_code follow(const struct image_folder *f, size_t n, const struct layer_file *link,
                            struct buf *path, struct err *e)
{
    struct str before = buf_str(&f->path);

    buf_clear(path);
    TRY(walk(path, str_sub(before, 0, n), e));
    go_up(path);
    TRY(walk(path, link->link, e));
    before = str_sub(before, n, before.n - n);
    while (str_starts(before, STR("/")))
        before = str_sub(before, 1, before.n - 1);
    return walk(path, before, e);
}

/* ---- what stands in it */

static int by_name(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = str_cmp(x->name, y->name);

    return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

static size_t count_children(const struct image_folder *f)
{
    const struct path_tree *paths = image_tree_paths(f->tree);
    size_t n = 0;

    for (uint32_t at = path_tree_first(paths, f->node); at != PATH_NONE;
         at = path_tree_next(paths, at))
        n++;
    return n;
}

static void add_whiteouts(struct image_folder *f)
{
    for (uint32_t i = 0; i < layer_files_count(f->lists[0]); i++) {
        struct layer_file file;
        struct str name;

        layer_files_get(f->lists[0], i, &file);
        if (file.kind == LAYER_WHITEOUT && is_below(buf_str(&f->path), file.path, &name))
            f->places[f->n_places++] = (struct place){name, PATH_NONE, i};
    }
}

static void list(struct image_folder *f, enum folder_links links)
{
    const struct path_tree *paths = image_tree_paths(f->tree);
    bool whiteouts = links == FOLDER_WHITEOUTS && f->n_lists == 1;
    size_t most = count_children(f) + (whiteouts ? layer_files_count(f->lists[0]) : 0);

    f->places = mem_alloc((most + 1) * sizeof(*f->places));
    for (uint32_t at = path_tree_first(paths, f->node); at != PATH_NONE;
         at = path_tree_next(paths, at)) {
        if (image_tree_has(f->tree, at))
            f->places[f->n_places++] = (struct place){path_tree_name(paths, at), at, 0};
    }
    if (whiteouts)
        add_whiteouts(f);
    if (f->n_places > 1)
        qsort(f->places, f->n_places, sizeof(*f->places), by_name);
}

/* ---- the whole */

static enum err_code open_once(const struct folder_source *s, struct buf *path,
                               enum folder_links links, uint64_t max_bytes,
                               struct image_folder **ret_folder, struct err *e)
{
    AUTO(image_folder) struct image_folder *f = NEW(struct image_folder);
    struct layer_file link;
    size_t n;

    buf_init(&f->path, FOLDER_PATH_MAX);
    buf_add_str(&f->path, buf_str(path));
    TRY(load(f, s, max_bytes, e));
    TRY(find_link(f, links, &n, &link, e));
    if (n > 0)
        return follow(f, n, &link, path, e);
    list(f, links);
    *ret_folder = STEAL(f);
    return ERR_OK;
}

enum err_code image_folder_open(const struct folder_source *s, struct str path,
                                enum folder_links links, uint64_t max_bytes,
                                struct image_folder **ret_folder, struct err *e)
{
    AUTO(image_folder) struct image_folder *f = NULL;
    AUTO(buf) struct buf at = {0};

    buf_init(&at, FOLDER_PATH_MAX);
    TRY(walk(&at, path, e));
    for (unsigned i = 0; !f; i++) {
        if (i > FOLDER_LINKS_MAX)
            return err_tell(e, ERR_REQUEST_INVALID, "the path leads through more than %d links",
                            FOLDER_LINKS_MAX);
        TRY(open_once(s, &at, links, max_bytes, &f, e));
    }
    *ret_folder = STEAL(f);
    return ERR_OK;
}

struct str image_folder_path(const struct image_folder *f)
{
    return buf_str(&f->path);
}

static void fill(const struct image_folder *f, uint32_t node, struct folder_entry *ret)
{
    struct image_file at;

    *ret = (struct folder_entry){.name = path_tree_name(image_tree_paths(f->tree), node),
                                 .file = {.kind = LAYER_FOLDER}};
    if (!image_tree_get(f->tree, node, &at))
        return;
    ret->has_member = true;
    ret->layer = at.layer;
    image_tree_file(f->tree, at, &ret->file);
}

void image_folder_itself(const struct image_folder *f, struct folder_entry *ret)
{
    fill(f, f->node, ret);
}

bool image_folder_is_opaque(const struct image_folder *f)
{
    struct layer_file file;
    bool opaque = false;

    for (size_t i = 0; f->n_lists == 1 && !opaque && i < layer_files_count(f->lists[0]); i++) {
        layer_files_get(f->lists[0], i, &file);
        opaque = file.kind == LAYER_OPAQUE && str_eq(file.path, buf_str(&f->path));
    }
    return opaque;
}

size_t image_folder_count(const struct image_folder *f)
{
    return f->n_places;
}

void image_folder_get(const struct image_folder *f, size_t i, struct folder_entry *ret)
{
    const struct place *p = &f->places[i];

    if (p->node != PATH_NONE) {
        fill(f, p->node, ret);
        return;
    }
    *ret = (struct folder_entry){.name = p->name, .has_member = true};
    layer_files_get(f->lists[0], p->entry, &ret->file);
}

/* A hard link leads to what was at its path when its layer was made. */
enum err_code image_folder_find_file(const struct folder_source *s, struct str path,
                                     uint64_t max_bytes, struct image_folder **ret_folder,
                                     struct err *e)
{
    struct folder_source below = *s;
    AUTO(image_folder) struct image_folder *f = NULL;
    AUTO(buf) struct buf link = {0};
    enum folder_links links = FOLDER_FOLLOW;
    struct folder_entry x;

    buf_init(&link, FOLDER_PATH_MAX + 1);
    for (unsigned i = 0; i <= FOLDER_LINKS_MAX; i++) {
        TRY(image_folder_open(&below, path, links, max_bytes, &f, e));
        image_folder_itself(f, &x);
        if (x.file.kind == LAYER_FILE) {
            *ret_folder = STEAL(f);
            return ERR_OK;
        }
        path = shown(path);
        if (x.file.kind != LAYER_HARD_LINK)
            return err_tell(e, ERR_REQUEST_INVALID, "'" STR_FMT "' is a %s, not a file",
                            STR_ARG(path), layer_file_kind_name(x.file.kind));
        buf_clear(&link);
        buf_add_str(&link, x.file.link);
        path = buf_str(&link);
        below.n_layers = x.layer + 1;
        links = FOLDER_LINK;
        image_folder_free(STEAL(f));
    }
    return err_tell(e, ERR_REQUEST_INVALID, "the path leads through more than %d links",
                    FOLDER_LINKS_MAX);
}
