#include "cli/analysis_diff.h"

#include "base/buf.h"

#define KEY_BYTES 2048

static json_t *numbers(const json_t *before, const json_t *after)
{
    json_t *both = json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)json_object_get(before, "image"), key, value)
    {
        json_t *other = json_object_get(json_object_get(after, "image"), key);

        json_object_set_new(both, key, json_pack("[O,O?]", value, other));
    }
    return both;
}

static json_t *digests_of(const json_t *report)
{
    json_t *set = json_object();
    const json_t *layer;
    size_t i;

    json_array_foreach(json_object_get(report, "layers"), i, layer)
    {
        json_object_set_new(set, json_string_value(json_object_get(layer, "digest")), json_true());
    }
    return set;
}

static json_t *layers(const json_t *before, const json_t *after)
{
    AUTO(json) json_t *a = digests_of(before);
    AUTO(json) json_t *b = digests_of(after);
    json_int_t common = 0;
    const char *digest;
    json_t *unused;

    json_object_foreach(a, digest, unused)
    {
        common += json_object_get(b, digest) != NULL;
    }
    return json_pack("{s:I}", "common", common);
}

static const char *text_of(const json_t *package, const char *key)
{
    const char *text = json_string_value(json_object_get(package, key));

    return text ? text : "";
}

/* {"kind name version": package} */
static json_t *packages_of(const json_t *report)
{
    const json_t *list = json_object_get(json_object_get(report, "packages"), "list"), *package;
    json_t *set = json_object();
    size_t i;

    json_array_foreach(list, i, package)
    {
        AUTO(buf) struct buf key = {0};
        const char *kind = text_of(package, "kind"), *name = text_of(package, "name");
        const char *version = text_of(package, "version");

        buf_init(&key, KEY_BYTES);
        buf_addf(&key, "%s %s %s", kind, name, version);
        json_object_set_new(
            set, buf_text(&key),
            json_pack("{s:s,s:s,s:s}", "kind", kind, "name", name, "version", version));
    }
    return set;
}

/* Those of a that b has not. */
static json_t *only_in(json_t *a, const json_t *b)
{
    json_t *list = json_array(), *package;
    const char *key;

    json_object_foreach(a, key, package)
    {
        if (!json_object_get(b, key))
            json_array_append(list, package);
    }
    return list;
}

json_t *analysis_diff(const json_t *before, const json_t *after)
{
    AUTO(json) json_t *a = packages_of(before);
    AUTO(json) json_t *b = packages_of(after);

    return json_pack("{s:o,s:o,s:{s:o,s:o}}", "image", numbers(before, after), "layers",
                     layers(before, after), "packages", "added", only_in(b, a), "removed",
                     only_in(a, b));
}
