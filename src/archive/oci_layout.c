/* OCI layouts: index.json names manifests and indexes, by digest. Their bytes are kept, so that
 * digests and signatures stay true. */
#include "archive/oci_layout.h"

#include "archive/description.h"
#include "archive/image_name.h"
#include "base/media.h"
#include "base/mem.h"

/* Indexes in indexes. */
#define DEPTH_MAX 8

/* Of the whole archive, each as often as it is named. */
#define DESCRIPTORS_MAX 20000

static bool is_config_type(const char *type)
{
    return strcmp(type, "application/vnd.oci.image.config.v1+json") == 0 ||
           strcmp(type, "application/vnd.docker.container.image.v1+json") == 0;
}

static enum err_code schema(struct judge *g, const struct member *m, const char *what,
                            struct err *e)
{
    return refuse(g->refusal, REFUSAL_SCHEMA, str_of(m->name), e, "%s", what);
}

static enum err_code find_blob(struct judge *g, const struct descriptor *d, const char *what,
                               bool may_miss, struct member **ret, struct err *e)
{
    char name[DIGEST_TEXT_MAX + 8];

    if (++g->n_descriptors > DESCRIPTORS_MAX)
        return refuse(g->refusal, REFUSAL_TOO_DEEP, STR_NONE, e, "more than %d descriptors",
                      DESCRIPTORS_MAX);
    snprintf(name, sizeof(name), "blobs/%s/" STR_FMT, digest_algorithm_name(d->digest.algorithm),
             STR_ARG(digest_hex(&d->digest)));
    TRY(members_find(g->members, str_of(name), what, may_miss, ret, g->refusal, e));
    if (!*ret)
        return ERR_OK;
    if (!digest_eq(&(*ret)->digest, &d->digest)) /* a link may lead to any file */
        return refuse(g->refusal, REFUSAL_DIGEST, str_of(name), e, "%s has the digest %s", what,
                      (*ret)->digest.text);
    if ((*ret)->size_bytes != d->size_bytes)
        return refuse(g->refusal, REFUSAL_SIZE, str_of(name), e,
                      "%s has %llu bytes, its descriptor says %llu", what,
                      (unsigned long long)(*ret)->size_bytes, (unsigned long long)d->size_bytes);
    return ERR_OK;
}

/* A manifest while it is judged. */
struct image {
    struct member *member;
    const json_t *json;
    struct descriptor config;
    const json_t *layers; /* list, or NULL */
    struct image_config says;
    bool checked; /* it is an image, whose layers have diff_ids */
};

static bool is_foreign(const struct descriptor *d)
{
    return d->has_urls &&
           (strstr(d->media_type, "nondistributable") || strstr(d->media_type, ".rootfs.foreign."));
}

static enum err_code judge_layer(struct judge *g, const struct image *im, size_t i, struct err *e)
{
    struct descriptor d = {0};
    struct member *m = NULL;

    TRY(descriptor_parse(json_array_get(im->layers, i), im->member, &d, g->refusal, e));
    TRY(find_blob(g, &d, "a layer", is_foreign(&d), &m, e));
    if (!m)
        return ERR_OK;
    m->is_blob = true;
    return im->checked ? config_check_layer(&im->says, i, m, g->refusal, e) : ERR_OK;
}

/* Attestations have image configs whose diff_ids are those of statements. */
static bool is_attestation(const json_t *layers)
{
    const json_t *layer;
    size_t i;

    json_array_foreach((json_t *)layers, i, layer)
    {
        const char *type = json_string_value(json_object_get(layer, "mediaType"));

        if (type && strstr(type, "in-toto"))
            return true;
    }
    return false;
}

static enum err_code judge_layers(struct judge *g, struct image *im, struct err *e)
{
    AUTO(json) json_t *json = NULL;
    struct member *config = NULL;

    TRY(descriptor_parse(json_object_get(im->json, "config"), im->member, &im->config, g->refusal,
                         e));
    TRY(find_blob(g, &im->config, "the config", false, &config, e));
    config->is_blob = true;
    im->checked = is_config_type(im->config.media_type) && !is_attestation(im->layers);
    if (im->checked) {
        TRY(description_parse(config, &json, g->refusal, e));
        TRY(config_parse(json, config, json_array_size(im->layers), &im->says, g->refusal, e));
    }
    for (size_t i = 0; i < json_array_size(im->layers); i++)
        TRY(judge_layer(g, im, i, e));
    if (im->checked) {
        struct archive_manifest *m = &g->verdict->manifests[g->verdict->n_manifests - 1];

        snprintf(m->os, sizeof(m->os), "%s", im->says.os);
        snprintf(m->architecture, sizeof(m->architecture), "%s", im->says.architecture);
        m->config = im->config.digest;
    }
    return ERR_OK;
}

/* The manifest's place in the verdict, its own fields set. */
static size_t add_manifest(struct judge *g, struct member *member, const char *type, bool is_index,
                           const json_t *j)
{
    struct archive_manifest *m = judge_add_manifest(g);
    const char *own = json_string_value(json_object_get(j, "mediaType"));
    struct str bytes = {member->bytes, (size_t)member->size_bytes};

    m->digest = member->digest;
    m->media_type = mem_strdup(own ? own : type);
    m->bytes = (struct str){str_dup(bytes), bytes.n};
    m->is_index = is_index;
    m->is_referrer = json_is_object(json_object_get(j, "subject"));
    member->manifest = g->verdict->n_manifests;
    return g->verdict->n_manifests - 1;
}

static enum err_code judge_image(struct judge *g, struct member *member, const char *type,
                                 const json_t *j, struct err *e)
{
    struct image im = {.member = member, .json = j, .layers = json_object_get(j, "layers")};

    if (json_is_null(im.layers)) /* docker writes that for an image without any */
        im.layers = NULL;
    if (im.layers && !json_is_array(im.layers))
        return schema(g, member, "layers is no list", e);
    add_manifest(g, member, type, false, j);
    return judge_layers(g, &im, e);
}

static enum err_code judge_manifest(struct judge *g, const struct descriptor *d, bool may_miss,
                                    unsigned depth, size_t *ret_at, struct err *e);

/* What an index is told of one that it names. */
static void count_child(struct judge *g, struct archive_manifest *index, size_t at)
{
    struct archive_manifest *child = &g->verdict->manifests[at];

    child->is_child = true;
    if (child->config.n == 0)
        return; /* an attestation, say */
    index->platform = at;
    index->n_platforms++;
}

static enum err_code judge_index(struct judge *g, struct member *member, const char *type,
                                 const json_t *j, unsigned depth, struct err *e)
{
    const json_t *list = json_object_get(j, "manifests");
    struct archive_manifest found = {.platform = SIZE_MAX}, *m;
    struct descriptor d = {0};
    size_t at = 0;

    if (!json_is_array(list))
        return schema(g, member, "manifests is no list", e);
    for (size_t i = 0; i < json_array_size(list); i++) {
        TRY(descriptor_parse(json_array_get(list, i), member, &d, g->refusal, e));
        TRY(judge_manifest(g, &d, true, depth + 1, &at, e));
        found.n_named++;
        if (at != SIZE_MAX) {
            count_child(g, &found, at);
            continue;
        }
        found.n_missing++;
        memcpy(found.missing, d.digest.text, sizeof(found.missing));
    }
    if (found.n_named > 0 && found.n_missing == found.n_named)
        return refuse(g->refusal, REFUSAL_MISSING, str_of(member->name), e,
                      "of the manifests that it names, none is in the archive");
    at = add_manifest(g, member, type, true, j);
    m = &g->verdict->manifests[at];
    m->n_named = found.n_named;
    m->n_missing = found.n_missing;
    m->platform = found.platform;
    m->n_platforms = found.n_platforms;
    memcpy(m->missing, found.missing, sizeof(m->missing));
    return ERR_OK;
}

/* *ret_at is its place in the verdict; SIZE_MAX when it is not there, and may miss. */
static enum err_code judge_manifest(struct judge *g, const struct descriptor *d, bool may_miss,
                                    unsigned depth, size_t *ret_at, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    struct member *m = NULL;
    bool is_index;

    *ret_at = SIZE_MAX;
    TRY(find_blob(g, d, "a manifest", may_miss, &m, e));
    if (!m)
        return ERR_OK;
    if (m->manifest == 0) {
        if (depth > DEPTH_MAX)
            return refuse(g->refusal, REFUSAL_TOO_DEEP, str_of(m->name), e,
                          "indexes more than %d deep", DEPTH_MAX);
        TRY(description_parse(m, &j, g->refusal, e));
        if (!json_is_object(j))
            return schema(g, m, "the manifest is no object", e);
        is_index = json_object_get(j, "manifests") != NULL;
        if (is_index != media_type_is_index(d->media_type) &&
            (media_type_is_index(d->media_type) || media_type_is_image(d->media_type)))
            return schema(g, m, "it is not what its descriptor's mediaType says", e);
        if (is_index)
            TRY(judge_index(g, m, d->media_type, j, depth, e));
        else
            TRY(judge_image(g, m, d->media_type, j, e));
    }
    *ret_at = m->manifest - 1;
    return ERR_OK;
}

/* containerd's annotation has the whole name where there is one; image-spec's, a tag or a name. */
static const char *name_of(const struct descriptor *d)
{
    const char *name = descriptor_annotation(d, "io.containerd.image.name");
    struct str repository, tag;

    if (!name[0])
        name = descriptor_annotation(d, "org.opencontainers.image.ref.name");
    return image_name_split(str_of(name), true, &repository, &tag) ? name : NULL;
}

static enum err_code judge_list(struct judge *g, const struct member *index, const json_t *list,
                                struct err *e)
{
    struct descriptor d = {0};
    size_t at = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        TRY(descriptor_parse(json_array_get(list, i), index, &d, g->refusal, e));
        TRY(judge_manifest(g, &d, false, 1, &at, e));
        judge_name_image(g, at, name_of(&d));
    }
    return ERR_OK;
}

static enum err_code check_version(struct judge *g, const struct member *layout, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    const char *version;

    TRY(description_parse(layout, &j, g->refusal, e));
    version = json_string_value(json_object_get(j, "imageLayoutVersion"));
    if (!version || strcmp(version, "1.0.0") != 0)
        return refuse(g->refusal, REFUSAL_LAYOUT_VERSION, str_of(layout->name), e,
                      "imageLayoutVersion is %.40s", version ? version : "not there");
    return ERR_OK;
}

enum err_code judge_oci(struct judge *g, struct member *layout, struct member *index, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    const json_t *list;
    const char *type;

    TRY(check_version(g, layout, e));
    TRY(description_parse(index, &j, g->refusal, e));
    list = json_object_get(j, "manifests");
    type = json_string_value(json_object_get(j, "mediaType"));
    if (json_integer_value(json_object_get(j, "schemaVersion")) != 2)
        return schema(g, index, "schemaVersion is not 2", e);
    if (type && !media_type_is_index(type))
        return schema(g, index, "its mediaType is not that of an index", e);
    if (!json_is_array(list))
        return schema(g, index, "manifests is no list", e);
    if (json_array_size(list) == 0)
        return refuse(g->refusal, REFUSAL_NO_IMAGE, str_of(index->name), e,
                      "its list of manifests is empty");
    g->verdict->is_oci = true;
    return judge_list(g, index, list, e);
}
