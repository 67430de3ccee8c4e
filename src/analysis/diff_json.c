#include "analysis/diff_json.h"

#include "analysis/file_json.h"
#include "analysis/image_packages.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

/* ---- files */

static void add_what(struct buf *b, unsigned what)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{DIFF_KIND, "kind"},
                 {DIFF_CONTENTS, "contents"},
                 {DIFF_MODE, "mode"},
                 {DIFF_OWNER, "owner"},
                 {DIFF_LINK, "link"}};
    bool more = false;

    buf_add_text(b, ",\"what\":[");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!(what & names[i].bit))
            continue;
        buf_addf(b, "%s\"%s\"", more ? "," : "", names[i].name);
        more = true;
    }
    buf_add_char(b, ']');
}

static void add_side(struct buf *b, const char *key, const struct diff_side *s)
{
    buf_addf(b, ",\"%s\":{\"kind\":\"%s\",\"layer\":%zu", key, layer_file_kind_name(s->file.kind),
             s->layer);
    file_json_attributes(b, &s->file);
    buf_add_char(b, '}');
}

static void add_file(struct buf *b, const struct diff_file *f)
{
    static const char *const changes[] = {
        [DIFF_ADDED] = "added", [DIFF_REMOVED] = "removed", [DIFF_CHANGED] = "changed"};

    buf_add_char(b, '{');
    file_json_path(b, "path", f->path);
    buf_addf(b, ",\"change\":\"%s\"", changes[f->change]);
    if (f->change == DIFF_CHANGED)
        add_what(b, f->what);
    if (f->change != DIFF_ADDED)
        add_side(b, "before", &f->before);
    if (f->change != DIFF_REMOVED)
        add_side(b, "after", &f->after);
    buf_add_char(b, '}');
}

static void add_sum(struct buf *b, const char *key, const struct diff_sum *s)
{
    buf_addf(b, "\"%s\":{\"files\":%llu,\"before_bytes\":%llu,\"after_bytes\":%llu},", key,
             (unsigned long long)s->files, (unsigned long long)s->before_bytes,
             (unsigned long long)s->after_bytes);
}

static void add_files(struct buf *b, const struct image_diff *d, struct diff_page *page)
{
    size_t i = page->last.n > 0 ? image_diff_behind(d, page->last) : 0, told = 0;
    struct diff_file f = {.path = STR_NONE};

    buf_add_text(b, ",\"files\":{");
    add_sum(b, "added", image_diff_sum(d, DIFF_ADDED));
    add_sum(b, "removed", image_diff_sum(d, DIFF_REMOVED));
    add_sum(b, "changed", image_diff_sum(d, DIFF_CHANGED));
    buf_add_text(b, "\"list\":[");
    for (; i < image_diff_count(d) && told < page->n; i++, told++) {
        image_diff_get(d, i, &f);
        if (told > 0)
            buf_add_char(b, ',');
        add_file(b, &f);
    }
    buf_addf(b, "],\"more\":%s}", i < image_diff_count(d) ? "true" : "false");
    page->next = told > 0 && i < image_diff_count(d) ? f.path : STR("");
}

/* ---- config */

static void add_value(struct buf *b, const json_t *v)
{
    AUTO(mem) char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    buf_add_text(b, text ? text : "null");
}

static void add_setting(struct buf *b, const char *outer, const char *key, const json_t *before,
                        const json_t *after, bool *more)
{
    AUTO(buf) struct buf name = {0};

    if (before == after || (before && after && json_equal(before, after)))
        return;
    buf_init(&name, 64u << 10);
    buf_addf(&name, "%s%s%s", outer, *outer ? "." : "", key);
    buf_add_text(b, *more ? ",{\"key\":" : "{\"key\":");
    buf_add_json(b, buf_str(&name));
    buf_add_text(b, ",\"before\":");
    add_value(b, before);
    buf_add_text(b, ",\"after\":");
    add_value(b, after);
    buf_add_char(b, '}');
    *more = true;
}

/* ["A=1"] as {"A": "1"}. */
static json_t *variables(const json_t *list)
{
    json_t *found = json_object();
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        struct str value = str_of(json_is_string(item) ? json_string_value(item) : ""), name;
        AUTO(mem) char *key = NULL;

        str_cut(&value, '=', &name);
        key = str_dup(name);
        json_object_set_new(found, key, json_stringn(value.p ? value.p : "", value.n));
    }
    return found;
}

static void add_members(struct buf *b, const char *outer, const json_t *before, const json_t *after,
                        bool *more)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)before, key, value)
    {
        add_setting(b, outer, key, value, json_object_get(after, key), more);
    }
    json_object_foreach((json_t *)after, key, value)
    {
        if (!json_object_get(before, key))
            add_setting(b, outer, key, NULL, value, more);
    }
}

/* What is a list or a map of small things is compared thing by thing. */
static bool is_apart(const char *key)
{
    static const char *const keys[] = {"Env", "Labels", "ExposedPorts", "Volumes"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

static void add_apart(struct buf *b, const char *key, const json_t *before, const json_t *after,
                      bool *more)
{
    AUTO(json) json_t *a = json_is_array(before) ? variables(before) : NULL;
    AUTO(json) json_t *c = json_is_array(after) ? variables(after) : NULL;

    add_members(b, key, a ? a : before, c ? c : after, more);
}

static json_t *without_apart(const json_t *config)
{
    json_t *rest = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(config, "config"), key, value)
    {
        if (!is_apart(key))
            json_object_set(rest, key, value);
    }
    return rest;
}

static void add_config(struct buf *b, const json_t *before, const json_t *after)
{
    static const char *const outside[] = {"architecture", "os", "variant", "author"};
    static const char *const apart[] = {"Env", "ExposedPorts", "Labels", "Volumes"};
    AUTO(json) json_t *a = without_apart(before);
    AUTO(json) json_t *c = without_apart(after);
    bool more = false;

    buf_add_text(b, ",\"config\":[");
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
        add_setting(b, "", outside[i], json_object_get(before, outside[i]),
                    json_object_get(after, outside[i]), &more);
    add_members(b, "", a, c, &more);
    for (size_t i = 0; i < sizeof(apart) / sizeof(*apart); i++)
        add_apart(b, apart[i], json_object_get(json_object_get(before, "config"), apart[i]),
                  json_object_get(json_object_get(after, "config"), apart[i]), &more);
    buf_add_char(b, ']');
}

/* ---- packages */

static int compare_packages(const struct image_package *x, const struct image_package *y)
{
    int order;

    if (x->package.kind != y->package.kind)
        return x->package.kind < y->package.kind ? -1 : 1;
    order = str_cmp(x->package.name, y->package.name);
    return order ? order : str_cmp(x->package.version, y->package.version);
}

/* Each once, wherever it says so. */
static size_t once(struct image_package *all, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare_packages(&all[kept - 1], &all[i]) != 0)
            all[kept++] = all[i];
    }
    return kept;
}

static void add_package(struct buf *b, const struct image_package *p)
{
    buf_addf(b, "%s{\"kind\":\"%s\",\"name\":", b->p[b->n - 1] == '}' ? "," : "",
             layer_package_kind_name(p->package.kind));
    buf_add_json(b, p->package.name);
    buf_add_text(b, ",\"version\":");
    buf_add_json(b, p->package.version);
    buf_add_char(b, '}');
}

/* Those of x that y has not. */
static void add_only(struct buf *b, const char *key, const struct image_package *x, size_t n_x,
                     const struct image_package *y, size_t n_y)
{
    buf_addf(b, "\"%s\":[", key);
    for (size_t i = 0, j = 0; i < n_x; i++) {
        while (j < n_y && compare_packages(&y[j], &x[i]) < 0)
            j++;
        if (j == n_y || compare_packages(&y[j], &x[i]) != 0)
            add_package(b, &x[i]);
    }
    buf_add_char(b, ']');
}

static void add_packages(struct buf *b, const struct image_tree *before,
                         const struct image_tree *after)
{
    size_t n_before, n_after;
    AUTO(mem) struct image_package *x = image_packages(before, &n_before);
    AUTO(mem) struct image_package *y = image_packages(after, &n_after);

    n_before = once(x, n_before);
    n_after = once(y, n_after);
    buf_add_text(b, ",\"packages\":{");
    add_only(b, "added", y, n_after, x, n_before);
    buf_add_char(b, ',');
    add_only(b, "removed", x, n_before, y, n_after);
    buf_add_char(b, '}');
}

/* ---- the whole */

static void add_image(struct buf *b, const char *key, const struct diff_image *x)
{
    const struct image_tree *t = x->tree;
    uint64_t files = 0, size_bytes = 0;

    for (uint32_t node = 0; node < path_tree_count(image_tree_paths(t)); node++) {
        struct image_file at;
        struct layer_file f;

        if (!image_tree_get(t, node, &at))
            continue;
        image_tree_file(t, at, &f);
        files += f.kind != LAYER_FOLDER;
        size_bytes += f.kind == LAYER_FILE ? f.size_bytes : 0;
    }
    buf_addf(b, "\"%s\":{", key);
    if (x->digest)
        buf_addf(b, "\"digest\":\"%s\",", x->digest);
    buf_addf(b, "\"layers\":%zu,\"files\":%llu,\"size_bytes\":%llu},", image_tree_layers(t),
             (unsigned long long)files, (unsigned long long)size_bytes);
}

/* From the lowest on. */
static size_t common_layers(const struct diff_image *x, const struct diff_image *y)
{
    size_t n = 0;

    while (n < image_tree_layers(x->tree) && n < image_tree_layers(y->tree) &&
           strcmp(x->digests[n], y->digests[n]) == 0)
        n++;
    return n;
}

enum err_code diff_json(const struct diff_image *before, const struct diff_image *after,
                        uint64_t max_bytes, struct diff_page *page, struct buf *ret_json,
                        struct err *e)
{
    AUTO(image_diff) struct image_diff *d = NULL;

    TRY(image_diff_new(before->tree, after->tree, max_bytes, &d, e));
    buf_add_char(ret_json, '{');
    add_image(ret_json, "before", before);
    add_image(ret_json, "after", after);
    buf_addf(ret_json, "\"common_layers\":%zu", common_layers(before, after));
    add_config(ret_json, before->config, after->config);
    add_packages(ret_json, before->tree, after->tree);
    add_files(ret_json, d, page);
    buf_add_char(ret_json, '}');
    if (ret_json->full)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the comparison is larger than %zu bytes",
                        ret_json->max);
    return ERR_OK;
}
