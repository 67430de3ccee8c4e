#include "cli/analysis_text.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/visible.h"

#define COMMAND_COLUMNS 60

static void print_visible(FILE *out, const char *text)
{
    AUTO(buf) struct buf line = {0};

    buf_init(&line, 64u << 10);
    cli_add_visible(&line, text);
    fprintf(out, "%s", buf_text(&line));
}

/* Bytes in ten columns. */
static const char *size_text(json_int_t bytes, char dst[static 16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t unit = 0;

    for (; v >= 1000 && unit < 4; unit++)
        v /= 1000;
    snprintf(dst, 16, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
    return dst;
}

static const char *size_of(const json_t *object, const char *key, char dst[static 16])
{
    return size_text(json_integer_value(json_object_get(object, key)), dst);
}

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void image_text(const json_t *report, FILE *out)
{
    const json_t *image = json_object_get(report, "image"), *os = json_object_get(report, "os");
    char a[16], b[16];

    if (json_is_object(os)) {
        fprintf(out, "system      ");
        print_visible(out, text_of(os, "name"));
        fprintf(out, "\n");
    }
    fprintf(out, "files       %lld, %s\n", number_of(image, "files"),
            size_of(image, "size_bytes", a));
    fprintf(out, "layers      %lld, %s, %s packed\n", number_of(image, "layers"),
            size_of(image, "layers_size_bytes", a), size_of(image, "packed_bytes", b));
    fprintf(out, "wasted      %s\n", size_of(image, "wasted_bytes", a));
    fprintf(out, "duplicates  %s\n", size_of(image, "duplicate_bytes", a));
    fprintf(out, "caches      %s\n", size_of(image, "cache_bytes", a));
    fprintf(out, "efficiency  %.2f %%\n",
            100 *
                json_number_value(json_object_get(json_object_get(report, "efficiency"), "score")));
    fprintf(out, "packages    %lld\n", number_of(json_object_get(report, "packages"), "count"));
}

static void layers_text(const json_t *report, FILE *out)
{
    const json_t *layer;
    size_t i;

    fprintf(out, "\n%5s %10s %10s %8s %7s %7s %7s  %s\n", "layer", "size", "wasted", "files",
            "added", "changed", "deleted", "command");
    json_array_foreach(json_object_get(report, "layers"), i, layer)
    {
        char command[COMMAND_COLUMNS + 1], a[16], b[16];

        snprintf(command, sizeof(command), "%s", text_of(layer, "command"));
        fprintf(out, "%5zu %10s %10s %8lld %7lld %7lld %7lld  ", i, size_of(layer, "size_bytes", a),
                size_of(layer, "wasted_bytes", b), number_of(layer, "files"),
                number_of(layer, "added"), number_of(layer, "changed"),
                number_of(layer, "deleted"));
        print_visible(out, command);
        fprintf(out, "\n");
    }
}

static void largest_text(const json_t *report, FILE *out)
{
    const json_t *file;
    size_t i;

    fprintf(out, "\nlargest files\n");
    json_array_foreach(json_object_get(report, "largest"), i, file)
    {
        char a[16];

        if (i == 10)
            break;
        fprintf(out, "%10s  layer %lld  ", size_of(file, "size_bytes", a),
                number_of(file, "layer"));
        print_visible(out, text_of(file, "path"));
        fprintf(out, "\n");
    }
}

static void suggestions_text(const json_t *report, FILE *out)
{
    const json_t *suggestion;
    size_t i;

    if (json_array_size(json_object_get(report, "suggestions")) > 0)
        fprintf(out, "\nsuggestions\n");
    json_array_foreach(json_object_get(report, "suggestions"), i, suggestion)
    {
        fprintf(out, "  ");
        print_visible(out, text_of(suggestion, "text"));
        fprintf(out, "\n");
    }
}

void analysis_text(struct str json, FILE *out)
{
    AUTO(json) json_t *report = json_loadb(json.p, json.n, 0, NULL);

    image_text(report, out);
    layers_text(report, out);
    largest_text(report, out);
    suggestions_text(report, out);
}

static void pair_text(const json_t *diff, const char *label, const char *key, bool bytes, FILE *out)
{
    const json_t *pair = json_object_get(json_object_get(diff, "image"), key);
    json_int_t before = json_integer_value(json_array_get(pair, 0));
    json_int_t after = json_integer_value(json_array_get(pair, 1));
    char a[16], b[16];

    if (bytes)
        fprintf(out, "%-11s %s -> %s\n", label, size_text(before, a), size_text(after, b));
    else
        fprintf(out, "%-11s %lld -> %lld\n", label, (long long)before, (long long)after);
}

static void changes_text(const json_t *list, char sign, FILE *out)
{
    const json_t *package;
    size_t i;

    json_array_foreach(list, i, package)
    {
        fprintf(out, "%c %s ", sign, text_of(package, "kind"));
        print_visible(out, text_of(package, "name"));
        fprintf(out, " ");
        print_visible(out, text_of(package, "version"));
        fprintf(out, "\n");
    }
}

void analysis_diff_text(const json_t *diff, FILE *out)
{
    const json_t *packages = json_object_get(diff, "packages");

    pair_text(diff, "files", "files", false, out);
    pair_text(diff, "size", "size_bytes", true, out);
    pair_text(diff, "packed", "packed_bytes", true, out);
    pair_text(diff, "wasted", "wasted_bytes", true, out);
    pair_text(diff, "layers", "layers", false, out);
    fprintf(out, "in common   %lld\n", number_of(json_object_get(diff, "layers"), "common"));
    changes_text(json_object_get(packages, "removed"), '-', out);
    changes_text(json_object_get(packages, "added"), '+', out);
}

/* ---- two images of a server (analysis/diff_json.h) */

static void sides_text(const json_t *diff, const char *label, const char *key, bool bytes,
                       FILE *out)
{
    const json_t *before = json_object_get(diff, "before"), *after = json_object_get(diff, "after");
    char a[16], b[16];

    if (bytes)
        fprintf(out, "%-11s %s -> %s\n", label, size_of(before, key, a), size_of(after, key, b));
    else
        fprintf(out, "%-11s %lld -> %lld\n", label, number_of(before, key), number_of(after, key));
}

static void sum_text(const json_t *files, const char *key, FILE *out)
{
    const json_t *sum = json_object_get(files, key);
    char a[16], b[16];

    fprintf(out, "%-11s %lld files, %s -> %s\n", key, number_of(sum, "files"),
            size_of(sum, "before_bytes", a), size_of(sum, "after_bytes", b));
}

static void print_value(const json_t *v, FILE *out)
{
    AUTO(mem) char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

    print_visible(out, text ? text : "null");
}

static void config_text(const json_t *config, FILE *out)
{
    const json_t *setting;
    size_t i;

    if (json_array_size(config) > 0)
        fprintf(out, "\nconfig\n");
    json_array_foreach(config, i, setting)
    {
        fprintf(out, "~ ");
        print_visible(out, text_of(setting, "key"));
        fprintf(out, "  ");
        print_value(json_object_get(setting, "before"), out);
        fprintf(out, " -> ");
        print_value(json_object_get(setting, "after"), out);
        fprintf(out, "\n");
    }
}

static void what_text(const json_t *file, FILE *out)
{
    const json_t *what = json_object_get(file, "what"), *word;
    size_t i;

    json_array_foreach(what, i, word)
    {
        fprintf(out, "%s%s", i > 0 ? ", " : "  ", json_string_value(word));
    }
}

static void file_text(const json_t *file, FILE *out)
{
    const json_t *before = json_object_get(file, "before"), *after = json_object_get(file, "after");
    char a[16], b[16];

    fprintf(out, "%c ", !before ? '+' : !after ? '-' : '~');
    print_visible(out, text_of(file, "path"));
    if (before && after)
        fprintf(out, "  %s -> %s", size_of(before, "size", a), size_of(after, "size", b));
    else
        fprintf(out, "  %s", size_of(before ? before : after, "size", a));
    what_text(file, out);
    fprintf(out, "\n");
}

static void files_text(const json_t *files, FILE *out)
{
    const json_t *list = json_object_get(files, "list"), *file;
    long long all = 0;
    size_t i;

    for (i = 0; i < 3; i++)
        all += number_of(json_object_get(files, (const char *[]){"added", "removed", "changed"}[i]),
                         "files");
    if (all > 0)
        fprintf(out, "\nfiles\n");
    json_array_foreach(list, i, file)
    {
        file_text(file, out);
    }
    if (all > (long long)i)
        fprintf(out, "and %lld more\n", all - (long long)i);
}

void image_diff_text(const json_t *diff, FILE *out)
{
    const json_t *files = json_object_get(diff, "files");
    const json_t *packages = json_object_get(diff, "packages");

    sides_text(diff, "files", "files", false, out);
    sides_text(diff, "size", "size_bytes", true, out);
    sides_text(diff, "layers", "layers", false, out);
    fprintf(out, "in common   %lld\n", number_of(diff, "common_layers"));
    sum_text(files, "added", out);
    sum_text(files, "removed", out);
    sum_text(files, "changed", out);
    config_text(json_object_get(diff, "config"), out);
    changes_text(json_object_get(packages, "removed"), '-', out);
    changes_text(json_object_get(packages, "added"), '+', out);
    files_text(files, out);
}
