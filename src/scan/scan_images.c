#include "scan/scan_images.h"

#include "base/mem.h"
#include "core/pull.h"

#include <stdio.h>
#include <stdlib.h>

static void print_platform(const json_t *descriptor, char *dst, size_t cap)
{
    struct out_platform p;

    dst[0] = '\0';
    if (out_platform_of_json(json_object_get(descriptor, "platform"), &p))
        snprintf(dst, cap, "%s/%s%s%s", p.os, p.architecture, p.variant[0] ? "/" : "", p.variant);
}

/* Statements about other images have this platform. */
static bool is_statement(const char *platform)
{
    return strcmp(platform, "unknown/unknown") == 0;
}

static enum err_code has(struct registry *r, const struct repo_name *repo, const struct digest *d,
                         bool *ret_has, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(r->meta, repo, d, &m, e);

    *ret_has = code == ERR_OK && (str_eq(m->media_type, STR(MEDIA_OCI_MANIFEST)) ||
                                  str_eq(m->media_type, STR(MEDIA_DOCKER_MANIFEST)));
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code children(struct registry *r, const struct repo_name *repo,
                              const struct out_manifest *m, struct scan_image *list, size_t *n,
                              struct err *e)
{
    for (size_t i = 0; i < m->parsed.n_links; i++) {
        struct scan_image image = {.digest = m->parsed.links[i].digest};
        bool there;

        print_platform(out_manifest_descriptor(m, i), image.platform, sizeof(image.platform));
        if (m->parsed.links[i].kind != LINK_MANIFEST || is_statement(image.platform))
            continue;
        TRY(has(r, repo, &image.digest, &there, e));
        if (!there)
            continue;
        if (*n == SCAN_IMAGES_MAX)
            return err_tell(e, ERR_UNSUPPORTED, "the index has more than %d images",
                            SCAN_IMAGES_MAX);
        list[(*n)++] = image;
    }
    return ERR_OK;
}

enum err_code scans_images(struct registry *r, const struct repo_name *repo,
                           const struct reference *ref, struct digest *ret_digest, bool *ret_index,
                           struct scan_image **ret, size_t *ret_n, struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    AUTO(mem) struct scan_image *list = NULL;
    size_t n = 0;

    TRY(out_manifest_get(r, repo, ref, &m, e));
    list = mem_zero(SCAN_IMAGES_MAX * sizeof(*list));
    *ret_index = m.parsed.shape == MANIFEST_INDEX;
    if (*ret_index)
        TRY(children(r, repo, &m, list, &n, e));
    else
        list[n++].digest = m.stored->digest;
    *ret_digest = m.stored->digest;
    *ret = STEAL(list);
    *ret_n = n;
    return ERR_OK;
}
