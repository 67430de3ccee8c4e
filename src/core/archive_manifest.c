#include "core/archive_manifest.h"

#include "base/mem.h"

/* As in core/manifest.c: what an object or list and what a value takes at most. */
#define CONTAINER_BYTES 256
#define VALUE_BYTES     192

#define CONFIG_BYTES (4u << 20)

struct str out_json_text(const json_t *j, const char *key)
{
    const json_t *value = json_object_get(j, key);

    return (struct str){json_string_value(value), json_string_length(value)};
}

json_t *out_json_parse(struct str text)
{
    struct json_extent x = json_extent(text, JSON_DEPTH_MAX);
    AUTO(json) json_t *j = NULL;

    if (x.depth > JSON_DEPTH_MAX ||
        text.n + (1 + x.containers) * CONTAINER_BYTES + (1 + x.separators) * VALUE_BYTES >
            OUT_TREE_MAX)
        return NULL;
    j = json_loadb(text.p, text.n, 0, NULL);
    return json_is_object(j) ? STEAL(j) : NULL;
}

void out_manifest_done(struct out_manifest *m)
{
    meta_manifest_unref(m->stored);
    manifest_done(&m->parsed);
    json_decref(m->json);
    *m = (struct out_manifest){0};
}

enum err_code out_manifest_get(struct registry *r, const struct repo_name *repo,
                               const struct reference *ref, struct out_manifest *ret_manifest,
                               struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};

    TRY(pull_manifest(r, repo, ref, &m.stored, e));
    TRY(manifest_parse(m.stored->bytes, m.stored->media_type, SIZE_MAX, &m.parsed, e));
    m.json = out_json_parse(m.stored->bytes);
    if (!m.json)
        return err_tell(e, ERR_UNSUPPORTED, "manifest %s is too large for an archive",
                        m.stored->digest.text);
    *ret_manifest = m;
    m = (struct out_manifest){0};
    return ERR_OK;
}

enum err_code out_manifest_by_digest(struct registry *r, const struct repo_name *repo,
                                     const struct digest *d, struct out_manifest *ret_manifest,
                                     struct err *e)
{
    struct reference ref = {.is_digest = true, .digest = *d};

    return out_manifest_get(r, repo, &ref, ret_manifest, e);
}

const json_t *out_manifest_descriptor(const struct out_manifest *m, size_t i)
{
    if (m->parsed.shape == MANIFEST_INDEX)
        return json_array_get(json_object_get(m->json, "manifests"), i);
    if (i == 0)
        return json_object_get(m->json, "config");
    return json_array_get(json_object_get(m->json, "layers"), i - 1);
}

enum err_code out_manifest_config(struct registry *r, const struct repo_name *repo,
                                  const struct out_manifest *m, json_t **ret_config, struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    AUTO(mem) char *bytes = NULL;
    uint64_t size;
    size_t at = 0, n;

    TRY(pull_blob(r, repo, &m->parsed.links[0].digest, &in, &size, e));
    if (size > CONFIG_BYTES)
        return err_tell(e, ERR_NOT_ANALYZABLE, "its config is larger than %u bytes", CONFIG_BYTES);
    bytes = mem_alloc((size_t)size + 1);
    do {
        TRY(reader_read_waiting(in, bytes + at, (size_t)size - at, &n, e));
        at += n;
    } while (n > 0 && at < size);
    *ret_config = out_json_parse((struct str){bytes, at});
    return ERR_OK;
}
