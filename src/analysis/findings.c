#include "analysis/findings.h"

#include "base/mem.h"

#include <stdlib.h>

/* in_home: below /root and each of /home. */
static const struct cache_kind {
    const char *kind, *path, *cure;
    bool in_home;
} kinds[] = {
    {"apt", "var/lib/apt/lists", "end the RUN with 'rm -rf /var/lib/apt/lists/*'", false},
    {"apt", "var/cache/apt", "end the RUN with 'apt-get clean'", false},
    {"apk", "var/cache/apk", "use 'apk add --no-cache'", false},
    {"apk", "etc/apk/cache", "use 'apk add --no-cache'", false},
    {"dnf", "var/cache/dnf", "end the RUN with 'dnf clean all'", false},
    {"dnf", "var/cache/libdnf5", "end the RUN with 'dnf clean all'", false},
    {"yum", "var/cache/yum", "end the RUN with 'yum clean all'", false},
    {"zypper", "var/cache/zypp", "end the RUN with 'zypper clean --all'", false},
    {"pacman", "var/cache/pacman/pkg", "end the RUN with 'pacman -Scc --noconfirm'", false},
    {"pip", ".cache/pip", "use 'pip install --no-cache-dir'", true},
    {"uv", ".cache/uv", "use 'uv --no-cache', or a cache mount", true},
    {"npm", ".npm", "end the RUN with 'npm cache clean --force', or use a cache mount", true},
    {"yarn", "usr/local/share/.cache/yarn", "end the RUN with 'yarn cache clean'", false},
    {"yarn", ".cache/yarn", "end the RUN with 'yarn cache clean'", true},
    {"pnpm", ".local/share/pnpm/store", "use a cache mount for pnpm's store", true},
    {"go", ".cache/go-build", "build in a stage of its own, or use a cache mount", true},
    {"go", "go/pkg/mod/cache", "build in a stage of its own, or use a cache mount", true},
    {"go", "go/pkg/mod/cache", "build in a stage of its own, or use a cache mount", false},
    {"cargo", ".cargo/registry", "build in a stage of its own, or use a cache mount", true},
    {"cargo", "usr/local/cargo/registry", "build in a stage of its own, or use a cache mount",
     false},
    {"maven", ".m2/repository", "build in a stage of its own, or use a cache mount", true},
    {"gradle", ".gradle/caches", "build in a stage of its own, or use a cache mount", true},
    {"composer", ".composer/cache", "end the RUN with 'composer clear-cache'", true},
    {"composer", ".cache/composer", "end the RUN with 'composer clear-cache'", true},
    {"conda", "opt/conda/pkgs", "end the RUN with 'conda clean --all --yes'", false},
    {"tmp", "tmp", "delete temporary files in the RUN that makes them", false},
    {"tmp", "var/tmp", "delete temporary files in the RUN that makes them", false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Below the home of somebody; else empty. */
static struct str in_home(struct str path)
{
    struct str part;

    if (str_starts(path, STR("root/")))
        return str_sub(path, 5, path.n - 5);
    if (!str_starts(path, STR("home/")))
        return STR_NONE;
    path = str_sub(path, 5, path.n - 5);
    return str_cut(&path, '/', &part) ? path : STR_NONE;
}

static bool is_below(struct str path, struct str folder)
{
    return path.n > folder.n && path.p[folder.n] == '/' && str_starts(path, folder);
}

static size_t cache_of(struct str path)
{
    struct str home = in_home(path);

    for (size_t i = 0; i < KINDS; i++) {
        if (is_below(kinds[i].in_home ? home : path, str_of(kinds[i].path)))
            return i;
    }
    return KINDS;
}

/* ---- largest */

static void note_large(struct findings *f, const struct found_file *file)
{
    size_t i = f->n_largest;

    if (i == FINDINGS_MAX && f->largest[i - 1].size_bytes >= file->size_bytes)
        return;
    if (i < FINDINGS_MAX)
        f->n_largest++;
    else
        i--;
    for (; i > 0 && f->largest[i - 1].size_bytes < file->size_bytes; i--)
        f->largest[i] = f->largest[i - 1];
    f->largest[i] = *file;
}

/* ---- duplicates */

static int by_sha256(const void *a, const void *b, void *ctx)
{
    const struct found_file *x = a, *y = b;
    struct layer_file fx, fy;
    int order;

    image_tree_file(ctx, x->at, &fx);
    image_tree_file(ctx, y->at, &fy);
    order = memcmp(fx.sha256, fy.sha256, sizeof(fx.sha256));
    return order ? order : str_cmp(fx.path, fy.path);
}

static uint64_t cost(const struct found_duplicate *d)
{
    return d->size_bytes * (d->count - 1);
}

static void note_duplicate(struct findings *f, const struct found_duplicate *d)
{
    size_t i = f->n_duplicates;

    f->duplicate_groups++;
    f->duplicate_bytes += cost(d);
    if (i == FINDINGS_MAX && cost(&f->duplicates[i - 1]) >= cost(d))
        return;
    if (i < FINDINGS_MAX)
        f->n_duplicates++;
    else
        i--;
    for (; i > 0 && cost(&f->duplicates[i - 1]) < cost(d); i--)
        f->duplicates[i] = f->duplicates[i - 1];
    f->duplicates[i] = *d;
}

static bool same(const struct image_tree *t, const struct found_file *a, const struct found_file *b)
{
    struct layer_file fa, fb;

    image_tree_file(t, a->at, &fa);
    image_tree_file(t, b->at, &fb);
    return memcmp(fa.sha256, fb.sha256, sizeof(fa.sha256)) == 0;
}

static void find_duplicates(const struct image_tree *t, struct findings *f)
{
    struct found_file *files = f->files_by_sha256;
    size_t n = f->n_files_by_sha256, end;

    if (n > 0)
        qsort_r(files, n, sizeof(*files), by_sha256, (void *)t);
    for (size_t i = 0; i < n; i = end) {
        for (end = i + 1; end < n && same(t, &files[i], &files[end]); end++) {
        }
        if (end > i + 1)
            note_duplicate(f, &(struct found_duplicate){i, end - i, files[i].size_bytes});
    }
}

/* ---- caches */

static int by_bytes(const void *a, const void *b)
{
    const struct found_cache *x = a, *y = b;

    if (x->size_bytes != y->size_bytes)
        return x->size_bytes > y->size_bytes ? -1 : 1;
    return x->layer < y->layer ? -1 : x->layer > y->layer;
}

/* counts: of each kind, of each layer. */
static void list_caches(const struct image_tree *t, const struct found_cache *counts,
                        struct findings *f)
{
    size_t layers = image_tree_layers(t);

    f->caches = mem_alloc((KINDS * layers + 1) * sizeof(*f->caches));
    for (size_t i = 0; i < KINDS * layers; i++) {
        if (counts[i].size_bytes == 0)
            continue;
        f->caches[f->n_caches] = counts[i];
        f->caches[f->n_caches].kind = kinds[i / layers].kind;
        f->caches[f->n_caches].path = kinds[i / layers].path;
        f->caches[f->n_caches].cure = kinds[i / layers].cure;
        f->caches[f->n_caches++].layer = (uint16_t)(i % layers);
        f->cache_bytes += counts[i].size_bytes;
    }
    qsort(f->caches, f->n_caches, sizeof(*f->caches), by_bytes);
}

/* ---- all of it */

static void take_file(const struct image_tree *t, const struct found_file *found,
                      const struct layer_file *file, struct found_cache *counts, struct findings *f)
{
    size_t cache = cache_of(file->path);

    f->size_bytes += file->size_bytes;
    note_large(f, found);
    if (file->has_sha256)
        f->files_by_sha256[f->n_files_by_sha256++] = *found;
    if (cache < KINDS) {
        struct found_cache *c = &counts[cache * image_tree_layers(t) + found->at.layer];

        c->files++;
        c->size_bytes += file->size_bytes;
    }
}

static void take_all(const struct image_tree *t, struct found_cache *counts, struct findings *f)
{
    size_t n = path_tree_count(image_tree_paths(t));

    for (uint32_t node = 0; node < n; node++) {
        struct found_file found = {.node = node};
        struct layer_file file;

        if (!image_tree_has(t, node) || node == PATH_ROOT)
            continue;
        if (!image_tree_get(t, node, &found.at)) {
            f->folders++;
            continue;
        }
        image_tree_file(t, found.at, &file);
        if (file.kind == LAYER_FOLDER)
            f->folders++;
        else
            f->files++;
        found.size_bytes = file.size_bytes;
        if (file.kind == LAYER_FILE && file.size_bytes > 0)
            take_file(t, &found, &file, counts, f);
    }
}

enum err_code findings_make(const struct image_tree *t, uint64_t max_bytes, struct findings *ret,
                            struct err *e)
{
    size_t n = path_tree_count(image_tree_paths(t));
    size_t cells = KINDS * image_tree_layers(t) + 1;
    uint64_t bytes = n * sizeof(struct found_file) + 2 * cells * sizeof(struct found_cache);
    AUTO(mem) struct found_cache *counts = NULL;

    if (bytes > max_bytes)
        return err_tell(e, ERR_IMAGE_TOO_LARGE,
                        "too many files: comparing them needs more than %llu bytes of memory",
                        (unsigned long long)max_bytes);
    *ret = (struct findings){.files_by_sha256 = mem_alloc(n * sizeof(struct found_file))};
    counts = mem_zero(cells * sizeof(*counts));
    take_all(t, counts, ret);
    find_duplicates(t, ret);
    list_caches(t, counts, ret);
    return ERR_OK;
}

void findings_done(struct findings *f)
{
    free(f->files_by_sha256);
    free(f->caches);
    *f = (struct findings){0};
}
