#include "core/runnable.h"

#include "archive/tar.h"
#include "archive/unpack.h"
#include "base/reader.h"

static struct str type_of(const struct out_manifest *m, size_t i)
{
    return out_json_text(out_manifest_descriptor(m, i), "mediaType");
}

static bool is_plugin(struct str config_type)
{
    return str_eq(config_type, STR("application/vnd.docker.plugin.v1+json"));
}

bool runnable_config(struct str manifest_type, struct str config_type)
{
    static const char *const types[] = {"",
                                        "application/vnd.oci.image.config.v1+json",
                                        "application/vnd.docker.container.image.v1+json",
                                        "application/octet-stream",
                                        "application/json",
                                        "text/html"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(config_type, str_of(types[i])))
            return true;
    }
    return str_eq(manifest_type, STR(MEDIA_DOCKER_MANIFEST)) && !is_plugin(config_type);
}

/* ---- layers */

/* Whatever it is packed as: there are engines for images of EROFS, SquashFS, Nydus. */
static bool is_labelled(struct str type)
{
    return type.n == 0 || str_eq(type, STR("application/octet-stream")) ||
           str_contains(type, STR(".tar")) ||
           str_starts(type, STR("application/vnd.oci.image.layer.")) ||
           str_starts(type, STR("application/vnd.docker.image.rootfs.")) ||
           str_contains(type, STR("erofs")) || str_contains(type, STR("squashfs")) ||
           str_contains(type, STR("nydus"));
}

static enum err_code read_head(struct reader *in, char *head, size_t cap, size_t *ret_n,
                               struct err *e)
{
    size_t n = 1;

    for (*ret_n = 0; *ret_n < cap && n > 0; *ret_n += n)
        TRY(reader_read_waiting(in, head + *ret_n, cap - *ret_n, &n, e));
    return ERR_OK;
}

enum err_code runnable_layer(struct registry *r, const struct repo_name *repo,
                             const struct out_manifest *m, size_t i, bool *ret_unpacks,
                             struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    char head[TAR_HEAD_BYTES];
    uint64_t unused;
    size_t n;
    enum err_code code;

    *ret_unpacks = true;
    if (is_labelled(type_of(m, i)))
        return ERR_OK;
    code = pull_blob(r, repo, &m->parsed.links[i].digest, &in, &unused, e);
    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK;
    TRY(code);
    TRY(read_head(in, head, sizeof(head), &n, e));
    *ret_unpacks = tar_begins(head, n) || packing_of(head, n, false) != PACKED_NOT;
    return ERR_OK;
}

/* ---- images */

enum err_code runnable_image(struct registry *r, const struct repo_name *repo,
                             const struct out_manifest *m, bool *ret_runs, struct str *ret_why,
                             struct err *e)
{
    size_t n = m->parsed.n_links;

    *ret_runs = false;
    *ret_why = STR("an index of images");
    if (m->parsed.shape == MANIFEST_INDEX)
        return ERR_OK;
    *ret_why = STR("an artifact without a config");
    if (n == 0)
        return ERR_OK;
    *ret_why = m->parsed.artifact_type && *m->parsed.artifact_type ? str_of(m->parsed.artifact_type)
                                                                   : type_of(m, 0);
    if (!runnable_config(str_of(m->parsed.media_type), type_of(m, 0)))
        return ERR_OK;
    *ret_runs = n == 1;
    for (size_t i = 1; i < n && !*ret_runs; i++)
        TRY(runnable_layer(r, repo, m, i, ret_runs, e));
    if (!*ret_runs)
        *ret_why = type_of(m, 1);
    return ERR_OK;
}
