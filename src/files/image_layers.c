#include "files/image_layers.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static struct str text_of(const json_t *of, const char *key)
{
    return str_of(json_string_value(json_object_get(of, key)) ?: "");
}

void image_layers_done(struct image_layers *l)
{
    free(l->digests);
    free(l->platforms);
}

void image_platform_text(const json_t *of, char dst[static 96])
{
    struct str os = text_of(of, "os"), architecture = text_of(of, "architecture");
    struct str variant = text_of(of, "variant");
    int n = os.n > 0 && architecture.n > 0
                ? snprintf(dst, 96, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(os),
                           STR_ARG(architecture), variant.n > 0 ? "/" : "", STR_ARG(variant))
                : -1;

    if (n < 0 || n >= 96 || !str_is_text(str_of(dst)))
        dst[0] = '\0';
}

/* image-spec "Image Manifest", "layers": those that are a tar, and so those of docker. */
static bool is_layer(struct str media_type)
{
    return str_starts(media_type, STR("application/vnd.oci.image.layer.")) ||
           str_starts(media_type, STR("application/vnd.docker.image.rootfs."));
}

static bool is_config(struct str media_type)
{
    return str_eq(media_type, STR("application/vnd.oci.image.config.v1+json")) ||
           str_eq(media_type, STR("application/vnd.docker.container.image.v1+json"));
}

static void take_all(const json_t *list, struct image_layers *l)
{
    size_t i;
    const json_t *item;
    char platform[96];

    l->digests = mem_zero((json_array_size(list) + 1) * sizeof(*l->digests));
    l->platforms = mem_zero((json_array_size(list) + 1) * sizeof(*l->platforms));
    json_array_foreach(list, i, item)
    {
        if ((l->is_index || is_layer(text_of(item, "mediaType"))) &&
            digest_parse(text_of(item, "digest"), &l->digests[l->n], ERR_IGNORED) == ERR_OK) {
            image_platform_text(json_object_get(item, "platform"), platform);
            memcpy(l->platforms[l->n++], platform, sizeof(platform));
        }
    }
}

enum err_code image_layers_read(struct str manifest, struct image_layers *ret, struct err *e)
{
    AUTO(json) json_t *root = NULL;
    const json_t *config;

    *ret = (struct image_layers){.n = 0};
    if (json_shallow(manifest))
        root = json_loadb(manifest.p, manifest.n, 0, NULL);
    if (!json_is_object(root))
        return err_set(e, ERR_CORRUPT, "a manifest is no JSON object");
    ret->is_index = json_is_array(json_object_get(root, "manifests"));
    take_all(json_object_get(root, ret->is_index ? "manifests" : "layers"), ret);
    config = json_object_get(root, "config");
    if (is_config(text_of(config, "mediaType")) &&
        digest_parse(text_of(config, "digest"), &ret->config, ERR_IGNORED) != ERR_OK)
        ret->config.n = 0;
    return ERR_OK;
}
