#include "scan/scan_images.h"

#include "base/mem.h"
#include "core/pull.h"

#include <stdlib.h>

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

        out_platform_print(out_manifest_descriptor(m, i), image.platform);
        if (m->parsed.links[i].kind != LINK_MANIFEST || out_platform_is_statement(image.platform))
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
