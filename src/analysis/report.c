#include "analysis/report.h"

#include "analysis/findings.h"
#include "analysis/image_packages.h"
#include "analysis/suggestions.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

struct report {
    const struct image_tree *t;
    struct buf *out;
    const struct findings *findings;
    const struct efficiency *efficiency;
};

/* ---- words of JSON */

static void comma(struct buf *b, size_t i)
{
    if (i > 0)
        buf_add_char(b, ',');
}

static void add_number(struct buf *b, const char *key, uint64_t v)
{
    buf_addf(b, "\"%s\":%llu,", key, (unsigned long long)v);
}

static void add_text(struct buf *b, const char *key, struct str text)
{
    buf_addf(b, "\"%s\":", key);
    buf_add_json(b, text);
    buf_add_char(b, ',');
}

/* An object's or list's end, after what ends in a comma. */
static void end(struct buf *b, char c)
{
    if (b->n > 0 && b->p[b->n - 1] == ',')
        b->n--;
    buf_add_char(b, c);
}

static void add_path(struct buf *b, struct str path)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, path.n + 1);
    buf_add_char(&text, '/');
    buf_add_str(&text, path);
    add_text(b, "path", buf_str(&text));
}

static void add_sha256(struct buf *b, const struct layer_file *file)
{
    char hex[65];

    if (!file->has_sha256)
        return;
    hex_encode(file->sha256, sizeof(file->sha256), hex);
    buf_addf(b, "\"sha256\":\"%s\",", hex);
}

static void add_node_path(const struct path_tree *paths, uint32_t node, struct buf *b)
{
    AUTO(mem) char *text = NULL;
    size_t n = 0;

    for (uint32_t at = node; at != PATH_ROOT; at = path_tree_parent(paths, at))
        n += path_tree_name(paths, at).n + 1;
    text = mem_alloc(n + 1);
    buf_addf(b, "\"path\":");
    for (size_t i = n; node != PATH_ROOT; node = path_tree_parent(paths, node)) {
        struct str name = path_tree_name(paths, node);

        i -= name.n;
        memcpy(text + i, name.p, name.n);
        text[--i] = '/';
    }
    buf_add_json(b, (struct str){text, n});
    buf_add_char(b, ',');
}

/* ---- layers */

/* Commands of layers, in the history of the config: those of its entries that have one. */
static struct str command_of(const json_t *config, size_t layer)
{
    const json_t *history = json_object_get(config, "history"), *entry;
    size_t i;

    json_array_foreach(history, i, entry)
    {
        const json_t *by = json_object_get(entry, "created_by");

        if (json_is_true(json_object_get(entry, "empty_layer")))
            continue;
        if (layer-- == 0)
            return str_of(json_is_string(by) ? json_string_value(by) : "");
    }
    return STR("");
}

static void add_command(struct buf *b, struct str command)
{
    static const struct str shell = {"/bin/sh -c ", 11};

    if (str_starts(command, shell))
        command = str_sub(command, shell.n, command.n - shell.n);
    if (command.n > REPORT_COMMAND_MAX)
        command.n = REPORT_COMMAND_MAX;
    add_text(b, "command", command);
}

static void add_layer(const struct report *r, const struct report_image *image, size_t i)
{
    const struct image_layer *l = image_tree_layer(r->t, i);
    const struct layer_files *list = image_tree_list(r->t, i);
    struct buf *b = r->out;

    buf_add_char(b, '{');
    add_number(b, "index", i);
    add_text(b, "digest", str_of(image->digests[i]));
    add_command(b, command_of(image->config, i));
    add_number(b, "packed_bytes", layer_files_packed_bytes(list));
    add_number(b, "unpacked_bytes", layer_files_unpacked_bytes(list));
    add_number(b, "size_bytes", l->size_bytes);
    add_number(b, "files", l->files);
    add_number(b, "folders", l->folders);
    add_number(b, "added", l->added);
    add_number(b, "added_bytes", l->added_bytes);
    add_number(b, "changed", l->changed);
    add_number(b, "changed_bytes", l->changed_bytes);
    add_number(b, "deleted", l->deleted);
    add_number(b, "deleted_bytes", l->deleted_bytes);
    add_number(b, "wasted_bytes", l->wasted_bytes);
    end(b, '}');
}

/* ---- the image */

static void add_image(const struct report *r)
{
    const struct findings *f = r->findings;
    uint64_t packed_bytes = 0, layers_bytes = 0, wasted_bytes = 0;

    for (size_t i = 0; i < image_tree_layers(r->t); i++) {
        packed_bytes += layer_files_packed_bytes(image_tree_list(r->t, i));
        layers_bytes += image_tree_layer(r->t, i)->size_bytes;
        wasted_bytes += image_tree_layer(r->t, i)->wasted_bytes;
    }
    buf_addf(r->out, "\"image\":{");
    add_number(r->out, "layers", image_tree_layers(r->t));
    add_number(r->out, "files", f->files);
    add_number(r->out, "folders", f->folders);
    add_number(r->out, "size_bytes", f->size_bytes);
    add_number(r->out, "layers_size_bytes", layers_bytes);
    add_number(r->out, "packed_bytes", packed_bytes);
    add_number(r->out, "wasted_bytes", wasted_bytes);
    add_number(r->out, "duplicate_bytes", f->duplicate_bytes);
    add_number(r->out, "cache_bytes", f->cache_bytes);
    end(r->out, '}');
}

static void add_efficiency(const struct report *r)
{
    const struct efficiency *x = r->efficiency;
    struct buf *b = r->out;

    buf_addf(b, ",\"efficiency\":{\"score\":%.17g,", x->score);
    add_number(b, "size_bytes", x->size_bytes);
    add_number(b, "inefficient_bytes", x->inefficient_bytes);
    add_number(b, "inefficient_paths", x->n_paths);
    buf_addf(b, "\"paths\":[");
    for (size_t i = 0; i < x->n_paths && i < REPORT_INEFFICIENT; i++) {
        comma(b, i);
        buf_add_char(b, '{');
        add_node_path(image_tree_paths(r->t), x->paths[i].node, b);
        add_number(b, "count", x->paths[i].count);
        add_number(b, "size_bytes", x->paths[i].size_bytes);
        end(b, '}');
    }
    buf_addf(b, "]}");
}

static void add_largest(const struct report *r)
{
    buf_addf(r->out, ",\"largest\":[");
    for (size_t i = 0; i < r->findings->n_largest; i++) {
        const struct found_file *found = &r->findings->largest[i];
        struct layer_file file;

        image_tree_file(r->t, found->at, &file);
        comma(r->out, i);
        buf_add_char(r->out, '{');
        add_path(r->out, file.path);
        add_number(r->out, "size_bytes", file.size_bytes);
        add_number(r->out, "layer", found->at.layer);
        add_sha256(r->out, &file);
        end(r->out, '}');
    }
    buf_add_char(r->out, ']');
}

static void add_duplicate(const struct report *r, const struct found_duplicate *d)
{
    struct buf *b = r->out;
    struct layer_file file;

    image_tree_file(r->t, r->findings->files_by_sha256[d->first].at, &file);
    buf_add_char(b, '{');
    add_sha256(b, &file);
    add_number(b, "count", d->count);
    add_number(b, "size_bytes", d->size_bytes);
    add_number(b, "wasted_bytes", d->size_bytes * (d->count - 1));
    buf_addf(b, "\"paths\":[");
    for (size_t i = 0; i < d->count && i < REPORT_PATHS; i++) {
        AUTO(buf) struct buf path = {0};

        image_tree_file(r->t, r->findings->files_by_sha256[d->first + i].at, &file);
        buf_init(&path, file.path.n + 1);
        buf_add_char(&path, '/');
        buf_add_str(&path, file.path);
        comma(b, i);
        buf_add_json(b, buf_str(&path));
    }
    buf_addf(b, "]}");
}

static void add_duplicates(const struct report *r)
{
    buf_addf(r->out, ",\"duplicates\":[");
    for (size_t i = 0; i < r->findings->n_duplicates; i++) {
        comma(r->out, i);
        add_duplicate(r, &r->findings->duplicates[i]);
    }
    buf_add_char(r->out, ']');
}

static void add_caches(const struct report *r)
{
    buf_addf(r->out, ",\"caches\":[");
    for (size_t i = 0; i < r->findings->n_caches; i++) {
        const struct found_cache *c = &r->findings->caches[i];

        comma(r->out, i);
        buf_add_char(r->out, '{');
        add_text(r->out, "kind", str_of(c->kind));
        add_text(r->out, "path", str_of(c->path));
        add_number(r->out, "layer", c->layer);
        add_number(r->out, "files", c->files);
        add_number(r->out, "size_bytes", c->size_bytes);
        end(r->out, '}');
    }
    buf_add_char(r->out, ']');
}

/* ---- os and packages */

/* os-release(5): KEY=VALUE, the value perhaps in quotes. */
static struct str os_value(struct str text, const char *key)
{
    struct str line, name;

    while (text.n > 0) {
        str_cut(&text, '\n', &line);
        str_cut(&line, '=', &name);
        if (!str_eq(str_trim(name), str_of(key)))
            continue;
        line = str_trim(line);
        if (line.n >= 2 && (line.p[0] == '"' || line.p[0] == '\'') &&
            line.p[line.n - 1] == line.p[0])
            line = str_sub(line, 1, line.n - 2);
        return line;
    }
    return STR_NONE;
}

static struct str os_release_of(const struct image_tree *t)
{
    static const char *const places[] = {"etc/os-release", "usr/lib/os-release"};

    for (size_t i = 0; i < 2; i++) {
        uint32_t node = path_tree_find(image_tree_paths(t), str_of(places[i]));
        struct image_file at;
        struct layer_file file;

        if (node == PATH_NONE || !image_tree_get(t, node, &at))
            continue;
        image_tree_file(t, at, &file);
        if (file.kind == LAYER_FILE)
            return layer_files_os_release(image_tree_list(t, at.layer));
    }
    return STR_NONE;
}

static void add_os(const struct report *r)
{
    struct str text = os_release_of(r->t);

    if (text.n == 0) {
        buf_addf(r->out, ",\"os\":null");
        return;
    }
    buf_addf(r->out, ",\"os\":{");
    add_text(r->out, "id", os_value(text, "ID"));
    add_text(r->out, "version", os_value(text, "VERSION_ID"));
    add_text(r->out, "name", os_value(text, "PRETTY_NAME"));
    end(r->out, '}');
}

static void add_packages(const struct report *r)
{
    size_t n;
    AUTO(mem) struct image_package *all = image_packages(r->t, &n);

    buf_addf(r->out, ",\"packages\":{\"count\":%zu,\"list\":[", n);
    for (size_t i = 0; i < n && i < REPORT_PACKAGES; i++) {
        comma(r->out, i);
        buf_add_char(r->out, '{');
        add_text(r->out, "kind", str_of(layer_package_kind_name(all[i].package.kind)));
        add_text(r->out, "name", all[i].package.name);
        add_text(r->out, "version", all[i].package.version);
        add_number(r->out, "layer", all[i].layer);
        add_path(r->out, all[i].path);
        end(r->out, '}');
    }
    buf_addf(r->out, "]}");
}

/* ---- all of it */

static void add_all(const struct report *r, const struct report_image *image)
{
    buf_add_char(r->out, '{');
    add_image(r);
    add_efficiency(r);
    buf_addf(r->out, ",\"suggestions\":");
    suggestions_json(r->t, r->findings, REPORT_SUGGESTIONS, r->out);
    buf_addf(r->out, ",\"layers\":[");
    for (size_t i = 0; i < image_tree_layers(r->t); i++) {
        comma(r->out, i);
        add_layer(r, image, i);
    }
    buf_add_char(r->out, ']');
    add_largest(r);
    add_duplicates(r);
    add_caches(r);
    add_os(r);
    add_packages(r);
    buf_add_char(r->out, '}');
}

static enum err_code count(const struct image_tree *t, uint64_t max_bytes, struct efficiency *ret,
                           struct err *e)
{
    size_t n = image_tree_layers(t);
    AUTO(mem) const struct layer_files **lists = mem_alloc((n + 1) * sizeof(*lists));

    for (size_t i = 0; i < n; i++)
        lists[i] = image_tree_list(t, i);
    return efficiency_count(lists, n, image_tree_paths(t), max_bytes, ret, e);
}

enum err_code report_json(const struct image_tree *t, const struct report_image *image,
                          uint64_t max_bytes, struct buf *ret_json, struct err *e)
{
    AUTO(findings) struct findings findings = {0};
    AUTO(efficiency) struct efficiency efficiency = {0};
    struct report r = {t, ret_json, &findings, &efficiency};

    TRY(count(t, max_bytes, &efficiency, e)); /* what it took to count is free again */
    TRY(findings_make(t, max_bytes, &findings, e));
    add_all(&r, image);
    if (ret_json->full)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the analysis is larger than %zu bytes",
                        ret_json->max);
    return ERR_OK;
}
