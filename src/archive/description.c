#include "archive/description.h"

#include "base/cleanup.h"

/* Of a description: jansson takes some hundred bytes for each value. */
#define VALUES_MAX 100000

#define PLATFORM_MAX 64

enum err_code description_parse(const struct member *m, json_t **ret_json, struct refusal *f,
                                struct err *e)
{
    struct str text = {m->bytes, (size_t)m->size_bytes};
    struct json_extent extent;
    json_error_t why;

    if (!m->bytes)
        return refuse(f, REFUSAL_JSON_TOO_LARGE, str_of(m->name), e,
                      "a description of %llu bytes, or no JSON", (unsigned long long)m->size_bytes);
    extent = json_extent(text, JSON_DEPTH_MAX);
    if (extent.containers + extent.separators > VALUES_MAX)
        return refuse(f, REFUSAL_JSON_TOO_LARGE, str_of(m->name), e, "more than %d values",
                      VALUES_MAX);
    if (extent.depth > JSON_DEPTH_MAX)
        return refuse(f, REFUSAL_NOT_JSON, str_of(m->name), e, "nested more than %d deep",
                      JSON_DEPTH_MAX);
    *ret_json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
    if (!*ret_json)
        return refuse(f, REFUSAL_NOT_JSON, str_of(m->name), e, "line %d: %.120s", why.line,
                      why.text);
    return ERR_OK;
}

static enum err_code bad_descriptor(const struct member *in, const char *what, struct refusal *f,
                                    struct err *e)
{
    return refuse(f, REFUSAL_SCHEMA, str_of(in->name), e, "a descriptor %s", what);
}

static bool all_texts(const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (!json_is_string(value))
            return false;
    }
    return true;
}

enum err_code descriptor_parse(const json_t *j, const struct member *in, struct descriptor *ret,
                               struct refusal *f, struct err *e)
{
    const json_t *size = json_object_get(j, "size");
    const char *digest = json_string_value(json_object_get(j, "digest"));

    ret->media_type = json_string_value(json_object_get(j, "mediaType"));
    ret->annotations = json_object_get(j, "annotations");
    ret->has_urls = json_array_size(json_object_get(j, "urls")) > 0;
    if (!ret->media_type || !ret->media_type[0])
        return bad_descriptor(in, "without a mediaType", f, e);
    if (!digest || digest_parse(str_of(digest), &ret->digest, ERR_IGNORED) != ERR_OK)
        return bad_descriptor(in, "without a digest of sha256 or sha512", f, e);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return bad_descriptor(in, "without a size", f, e);
    ret->size_bytes = (uint64_t)json_integer_value(size);
    if (json_is_null(ret->annotations))
        ret->annotations = NULL;
    if (ret->annotations && (!json_is_object(ret->annotations) || !all_texts(ret->annotations)))
        return bad_descriptor(in, "whose annotations are not texts", f, e);
    return ERR_OK;
}

const char *descriptor_annotation(const struct descriptor *d, const char *key)
{
    const char *text = json_string_value(json_object_get(d->annotations, key));

    return text ? text : "";
}

static bool platform_valid(const char *text)
{
    struct str s = str_of(text);

    for (size_t i = 0; i < s.n; i++) {
        if (s.n > PLATFORM_MAX || (!str_is_alphanumeric(s.p[i]) && !strchr("._-", s.p[i])) ||
            s.p[i] != str_lower(s.p[i]))
            return false;
    }
    return true;
}

/* The text; "" when absent or null; NULL when it is something else. */
static const char *text_or_none(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return !value || json_is_null(value) ? "" : json_string_value(value);
}

static enum err_code check_platform(const json_t *j, const struct member *in,
                                    struct image_config *c, struct refusal *f, struct err *e)
{
    c->os = text_or_none(j, "os");
    c->architecture = text_or_none(j, "architecture");
    if (!c->os || !c->architecture || !platform_valid(c->os) || !platform_valid(c->architecture))
        return refuse(f, REFUSAL_PLATFORM, str_of(in->name), e,
                      "the config's os or architecture is no such word");
    return ERR_OK;
}

static enum err_code check_history(const json_t *j, const struct member *in, size_t n_layers,
                                   struct refusal *f, struct err *e)
{
    const json_t *history = json_object_get(j, "history"), *entry;
    size_t i, n = 0;

    if (!history || json_is_null(history))
        return ERR_OK;
    if (!json_is_array(history))
        return refuse(f, REFUSAL_SCHEMA, str_of(in->name), e, "history is no list");
    json_array_foreach((json_t *)history, i, entry)
    {
        if (!json_is_object(entry))
            return refuse(f, REFUSAL_SCHEMA, str_of(in->name), e, "history has no objects");
        n += !json_is_true(json_object_get(entry, "empty_layer"));
    }
    if (i > 0 && n != n_layers)
        return refuse(f, REFUSAL_HISTORY, str_of(in->name), e,
                      "history of %zu layers, and %zu layers", n, n_layers);
    return ERR_OK;
}

enum err_code config_parse(const json_t *j, const struct member *in, size_t n_layers,
                           struct image_config *ret, struct refusal *f, struct err *e)
{
    const json_t *rootfs = json_object_get(j, "rootfs");

    if (!json_is_object(j))
        return refuse(f, REFUSAL_SCHEMA, str_of(in->name), e, "the config is no object");
    TRY(check_platform(j, in, ret, f, e));
    if (rootfs && !json_is_object(rootfs))
        return refuse(f, REFUSAL_SCHEMA, str_of(in->name), e, "rootfs is no object");
    ret->diff_ids = json_object_get(rootfs, "diff_ids");
    if (ret->diff_ids && !json_is_array(ret->diff_ids) && !json_is_null(ret->diff_ids))
        return refuse(f, REFUSAL_SCHEMA, str_of(in->name), e, "diff_ids is no list");
    ret->n_diff_ids = json_array_size(ret->diff_ids);
    if (ret->n_diff_ids != n_layers)
        return refuse(f, REFUSAL_DIFF_ID_COUNT, str_of(in->name), e, "%zu layers, %zu diff_ids",
                      n_layers, ret->n_diff_ids);
    return check_history(j, in, n_layers, f, e);
}

enum err_code config_check_layer(const struct image_config *c, size_t i, const struct member *layer,
                                 struct refusal *f, struct err *e)
{
    const char *said = json_string_value(json_array_get(c->diff_ids, i));

    if (layer->diff_id.n == 0)
        return refuse(f, layer->why.code, str_of(layer->name), e, "%s", layer->why.wrong);
    if (!said || !str_eq(str_of(said), digest_str(&layer->diff_id)))
        return refuse(f, REFUSAL_DIFF_ID, str_of(layer->name), e,
                      "layer %zu unpacks to %s, its diff_id is %.80s", i, layer->diff_id.text,
                      said ? said : "no text");
    return ERR_OK;
}
