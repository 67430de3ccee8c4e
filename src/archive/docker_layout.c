/* Docker archives: manifest.json names configs and layers. They have no manifests; one is made,
 * of fixed form, so that its digest is a function of the archive. */
#include "archive/docker_layout.h"

#include "archive/description.h"
#include "archive/image_name.h"
#include "base/buf.h"
#include "base/media.h"
#include "base/mem.h"

#include <strings.h>

#define LAYERS_MAX   1000
#define MANIFEST_MAX (1u << 20)
#define ITEMS_MAX    1000
#define CONFIG_TYPE  "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE   "application/vnd.oci.image.layer.v1.tar"

/* An item of manifest.json. */
struct item {
    const char *config;
    const json_t *tags, *layers; /* lists of texts, or NULL */
};

static enum err_code schema(struct judge *g, const char *what, struct err *e)
{
    return refuse(g->refusal, REFUSAL_SCHEMA, STR("manifest.json"), e, "%s", what);
}

/* Whatever the case of its name: docker, and all that is written in Go, reads keys so, and
 * containerify 4.1 writes "config", "repoTags" and "layers". *ret is NULL when it is not there. */
static enum err_code field(struct judge *g, const json_t *object, const char *name,
                           const json_t **ret, struct err *e)
{
    const char *key;
    json_t *value;

    *ret = NULL;
    json_object_foreach((json_t *)object, key, value)
    {
        if (strcasecmp(key, name) != 0)
            continue;
        if (*ret)
            return refuse(g->refusal, REFUSAL_SCHEMA, STR("manifest.json"), e,
                          "%s stands twice in one item", name);
        *ret = value;
    }
    return ERR_OK;
}

static bool is_texts(const json_t *list)
{
    const json_t *text;
    size_t i;

    if (!json_is_array(list))
        return false;
    json_array_foreach((json_t *)list, i, text)
    {
        if (!json_is_string(text))
            return false;
    }
    return true;
}

/* null and nothing are an empty list, as all programs read them. */
static enum err_code texts(struct judge *g, const json_t *object, const char *name,
                           const json_t **ret_list, struct err *e)
{
    TRY(field(g, object, name, ret_list, e));
    if (json_is_null(*ret_list))
        *ret_list = NULL;
    if (*ret_list && !is_texts(*ret_list))
        return refuse(g->refusal, REFUSAL_SCHEMA, STR("manifest.json"), e, "%s is no list of texts",
                      name);
    return ERR_OK;
}

static enum err_code item_parse(struct judge *g, const json_t *j, struct item *ret, struct err *e)
{
    const json_t *config;

    TRY(field(g, j, "Config", &config, e));
    ret->config = json_string_value(config);
    if (!ret->config || !ret->config[0])
        return schema(g, "an item without a Config", e);
    TRY(texts(g, j, "RepoTags", &ret->tags, e));
    TRY(texts(g, j, "Layers", &ret->layers, e));
    if (json_array_size(ret->layers) > LAYERS_MAX)
        return refuse(g->refusal, REFUSAL_TOO_DEEP, STR("manifest.json"), e,
                      "an image of more than %d layers", LAYERS_MAX);
    return ERR_OK;
}

static const char *layer_type(const struct member *m)
{
    if (m->packing == PACKED_GZIP)
        return LAYER_TYPE "+gzip";
    return m->packing == PACKED_ZSTD ? LAYER_TYPE "+zstd" : LAYER_TYPE;
}

static void add_descriptor(struct buf *b, const char *type, const struct member *m)
{
    buf_addf(b, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu}", type, m->digest.text,
             (unsigned long long)m->size_bytes);
}

/* The members that an item names. */
struct parts {
    struct member *config;
    struct member *layers[LAYERS_MAX];
    size_t n;
};

static enum err_code find_parts(struct judge *g, const struct item *item, struct parts *ret,
                                struct err *e)
{
    const json_t *name;
    size_t i;

    ret->n = 0;
    TRY(members_find(g->members, str_of(item->config), "the config", false, &ret->config,
                     g->refusal, e));
    if (!item->layers)
        return ERR_OK;
    json_array_foreach((json_t *)item->layers, i, name)
    {
        TRY(members_find(g->members, str_of(json_string_value(name)), "a layer", false,
                         &ret->layers[i], g->refusal, e));
        ret->n++;
    }
    return ERR_OK;
}

static void make_manifest(const struct parts *p, struct buf *b)
{
    buf_init(b, MANIFEST_MAX);
    buf_add_text(b, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":");
    add_descriptor(b, CONFIG_TYPE, p->config);
    buf_add_text(b, ",\"layers\":[");
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0)
            buf_add_char(b, ',');
        add_descriptor(b, layer_type(p->layers[i]), p->layers[i]);
    }
    buf_add_text(b, "]}");
}

static enum err_code check_parts(struct judge *g, struct parts *p, struct image_config *c,
                                 json_t **ret_json, struct err *e)
{
    TRY(description_parse(p->config, ret_json, g->refusal, e));
    TRY(config_parse(*ret_json, p->config, p->n, c, g->refusal, e));
    for (size_t i = 0; i < p->n; i++)
        TRY(config_check_layer(c, i, p->layers[i], g->refusal, e));
    p->config->is_blob = true;
    for (size_t i = 0; i < p->n; i++)
        p->layers[i]->is_blob = true;
    return ERR_OK;
}

/* Two items may be one image. */
static size_t place_of(struct judge *g, const struct digest *d)
{
    for (size_t i = 0; i < g->verdict->n_manifests; i++) {
        if (digest_eq(&g->verdict->manifests[i].digest, d))
            return i;
    }
    return SIZE_MAX;
}

static size_t add_manifest(struct judge *g, const struct parts *p, const struct image_config *c)
{
    AUTO(buf) struct buf b = {0};
    struct archive_manifest *m;
    struct digest d;
    size_t at;

    make_manifest(p, &b);
    digest_of(DIGEST_SHA256, b.p, b.n, &d);
    at = place_of(g, &d);
    if (at != SIZE_MAX)
        return at;
    m = judge_add_manifest(g);
    m->digest = d;
    m->config = p->config->digest;
    m->media_type = mem_strdup(MEDIA_OCI_MANIFEST);
    m->bytes = (struct str){str_dup(buf_str(&b)), b.n};
    snprintf(m->os, sizeof(m->os), "%s", c->os);
    snprintf(m->architecture, sizeof(m->architecture), "%s", c->architecture);
    return g->verdict->n_manifests - 1;
}

static enum err_code add_names(struct judge *g, const struct item *item, size_t manifest,
                               struct err *e)
{
    struct str repository, tag;
    const json_t *name;
    size_t i;

    judge_name_image(g, manifest, NULL);
    if (!item->tags)
        return ERR_OK;
    json_array_foreach((json_t *)item->tags, i, name)
    {
        const char *text = json_string_value(name);

        if (!image_name_split(str_of(text), false, &repository, &tag) || tag.n == 0)
            return refuse(g->refusal, REFUSAL_NAME, STR("manifest.json"), e,
                          "'%.100s' is no name with a tag", text);
        judge_name_image(g, manifest, text);
    }
    return ERR_OK;
}

static enum err_code judge_item(struct judge *g, const json_t *j, struct err *e)
{
    AUTO(mem) struct parts *p = NEW(struct parts);
    AUTO(json) json_t *config = NULL;
    struct image_config c = {0};
    struct item item = {0};

    TRY(item_parse(g, j, &item, e));
    TRY(find_parts(g, &item, p, e));
    TRY(check_parts(g, p, &c, &config, e));
    return add_names(g, &item, add_manifest(g, p, &c), e);
}

static enum err_code parse(struct judge *g, const struct member *m, json_t **ret_list,
                           struct err *e)
{
    TRY(description_parse(m, ret_list, g->refusal, e));
    if (!json_is_array(*ret_list))
        return schema(g, "it is no list", e);
    if (json_array_size(*ret_list) == 0)
        return refuse(g->refusal, REFUSAL_NO_IMAGE, STR("manifest.json"), e, "its list is empty");
    if (json_array_size(*ret_list) > ITEMS_MAX)
        return refuse(g->refusal, REFUSAL_TOO_DEEP, STR("manifest.json"), e,
                      "it lists more than %d images", ITEMS_MAX);
    return ERR_OK;
}

typedef enum err_code (*item_fn)(struct judge *g, const json_t *j, struct err *e);

static enum err_code each_item(struct judge *g, struct member *manifest_json, item_fn fn,
                               struct err *e)
{
    AUTO(json) json_t *list = NULL;
    const json_t *item;
    size_t i;

    TRY(parse(g, manifest_json, &list, e));
    json_array_foreach(list, i, item)
    {
        TRY(fn(g, item, e));
    }
    return ERR_OK;
}

enum err_code judge_docker(struct judge *g, struct member *manifest_json, struct err *e)
{
    return each_item(g, manifest_json, judge_item, e);
}

/* Do the layers of a manifest have these digests? */
static bool same_layers(const struct archive_manifest *m, const struct parts *p)
{
    AUTO(json) json_t *j = json_loadb(m->bytes.p, m->bytes.n, 0, NULL);
    const json_t *layers = json_object_get(j, "layers");

    if (json_array_size(layers) != p->n)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        const char *digest =
            json_string_value(json_object_get(json_array_get(layers, i), "digest"));

        if (!digest || !str_eq(str_of(digest), digest_str(&p->layers[i]->digest)))
            return false;
    }
    return true;
}

static enum err_code compare_item(struct judge *g, const json_t *j, struct err *e)
{
    AUTO(mem) struct parts *p = NEW(struct parts);
    struct item item = {0};

    TRY(item_parse(g, j, &item, e));
    TRY(find_parts(g, &item, p, e));
    for (size_t i = 0; i < g->verdict->n_manifests; i++) {
        const struct archive_manifest *m = &g->verdict->manifests[i];

        if (m->config.n > 0 && digest_eq(&m->config, &p->config->digest) && same_layers(m, p))
            return ERR_OK;
    }
    return refuse(g->refusal, REFUSAL_LAYOUTS_DISAGREE, STR("manifest.json"), e,
                  "index.json has no image with the config %.100s and these layers", item.config);
}

enum err_code judge_both(struct judge *g, struct member *manifest_json, struct err *e)
{
    return each_item(g, manifest_json, compare_item, e);
}
