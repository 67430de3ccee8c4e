#include "core/archive_out.h"

#include "archive/out_name.h"
#include "base/mem.h"
#include "core/archive_members.h"
#include "core/archive_platform.h"

/* image-spec "image layout", oci-layout file. */
static const char layout_file[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

static void add_annotations(const struct out_name *name, struct buf *json)
{
    if (!name->given[0])
        return;
    buf_add_text(json, ",\"annotations\":{\"io.containerd.image.name\":");
    buf_add_json(json, str_of(name->full));
    buf_add_text(json, ",\"org.opencontainers.image.ref.name\":");
    buf_add_json(json, tag_name_str(&name->tag));
    buf_add_char(json, '}');
}

static void add_platform(const json_t *platform, struct buf *json)
{
    AUTO(mem) char *text = platform ? json_dumps(platform, JSON_COMPACT) : NULL;

    if (text)
        buf_addf(json, ",\"platform\":%s", text);
}

/* image-spec "image layout", index.json file. */
static void write_index(const struct out_manifest *m, const json_t *platform,
                        const struct out_name *name, const struct out_members *members,
                        struct buf *ret_json)
{
    buf_init(ret_json, OUT_TEXT_MAX);
    buf_addf(ret_json,
             "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[{\"mediaType\":\"%s\","
             "\"digest\":\"%s\",\"size\":%zu",
             MEDIA_OCI_INDEX, m->parsed.media_type, m->stored->digest.text, m->stored->bytes.n);
    add_platform(platform, ret_json);
    add_annotations(name, ret_json);
    buf_add_text(ret_json, "}]");
    if (members->n_left_out > 0) {
        buf_add_text(ret_json, ",\"annotations\":{\"" OUT_LEFT_OUT "\":\"");
        for (size_t i = 0; i < members->n_left_out; i++)
            buf_addf(ret_json, "%s%s", i ? "," : "", members->left_out[i].text);
        buf_add_text(ret_json, "\"}");
    }
    buf_add_char(ret_json, '}');
}

/* What `docker load` reads; layers in the order of the manifest, one that comes again again. */
static void write_docker_manifest(const struct out_manifest *m, const struct out_name *name,
                                  struct buf *ret_json)
{
    char path[OUT_PATH_MAX];

    buf_init(ret_json, OUT_TEXT_MAX);
    out_members_path(&m->parsed.links[0].digest, path);
    buf_addf(ret_json, "[{\"Config\":\"%s\",\"RepoTags\":", path);
    if (name->given[0]) {
        buf_add_char(ret_json, '[');
        buf_add_json(ret_json, str_of(name->given));
        buf_add_char(ret_json, ']');
    } else {
        buf_add_text(ret_json, "null");
    }
    buf_add_text(ret_json, ",\"Layers\":[");
    for (size_t i = 1; i < m->parsed.n_links; i++) {
        out_members_path(&m->parsed.links[i].digest, path);
        buf_addf(ret_json, "%s\"%s\"", i > 1 ? "," : "", path);
    }
    buf_add_text(ret_json, "]}]");
}

/* An image that engines can load: a config of an image, and layers that are file systems. */
static enum err_code check_docker(const struct out_manifest *m, struct err *e)
{
    struct str type = out_json_text(out_manifest_descriptor(m, 0), "mediaType");

    if (!str_eq(type, STR("application/vnd.docker.container.image.v1+json")) &&
        !str_eq(type, STR("application/vnd.oci.image.config.v1+json")))
        return err_tell(e, ERR_UNSUPPORTED,
                        "it is no container image (its config is of type '" STR_FMT
                        "'); format=oci holds it",
                        (int)(type.n < 120 ? type.n : 120), type.p);
    for (size_t i = 1; i < m->parsed.n_links; i++) {
        const char *layer =
            json_string_value(json_object_get(out_manifest_descriptor(m, i), "mediaType"));

        if (!layer || !strstr(layer, "tar"))
            return err_tell(e, ERR_UNSUPPORTED,
                            "layer %zu is of type '%.120s', which no engine loads; format=oci "
                            "holds it",
                            i, layer ? layer : "");
    }
    return ERR_OK;
}

/* Which manifest the archive is of. */
static enum err_code choose(struct registry *r, const struct out_request *q, struct out_manifest *m,
                            json_t **ret_platform, struct err *e)
{
    bool all = strcmp(q->platform, "all") == 0;
    struct out_platform wanted;

    if (all && q->format == OUT_DOCKER)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "format=docker holds one platform; format=oci holds all");
    if (q->platform[0] && !all) {
        TRY(out_platform_parse(str_of(q->platform), &wanted, e));
        return out_platform_choose(r, q->repo, m, &wanted, ret_platform, e);
    }
    if (q->format == OUT_DOCKER)
        return out_platform_choose(r, q->repo, m, NULL, ret_platform, e);
    return ERR_OK;
}

static enum err_code lay_out(const struct out_request *q, const struct out_manifest *m,
                             const json_t *platform, const struct out_name *name,
                             const struct out_members *members, struct out_layout *l, struct err *e)
{
    AUTO(buf) struct buf index = {0};
    AUTO(buf) struct buf docker = {0};

    out_layout_file(l, STR("oci-layout"), str_of(layout_file));
    write_index(m, platform, name, members, &index);
    out_layout_file(l, STR("index.json"), buf_str(&index));
    if (q->format == OUT_DOCKER) {
        write_docker_manifest(m, name, &docker);
        out_layout_file(l, STR("manifest.json"), buf_str(&docker));
    }
    out_members_lay_out(members, l);
    return out_layout_end(l, e);
}

static enum err_code name_of(const struct out_request *q, struct out_name *ret_name, struct err *e)
{
    if (q->name[0])
        return out_name_parse(str_of(q->name), ret_name, e);
    out_name_of(q->repo, q->ref->is_digest ? NULL : &q->ref->tag, ret_name);
    return ERR_OK;
}

enum err_code out_plan(struct registry *r, const struct out_request *q,
                       struct out_planned *ret_planned, struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    AUTO(out_members)
    struct out_members members = {.have = q->have, .n_have = q->n_have, .r = r, .repo = q->repo};
    AUTO(out_layout) struct out_layout l = {0};
    AUTO(json) json_t *platform = NULL;
    struct out_name name;

    TRY(name_of(q, &name, e));
    TRY(out_manifest_get(r, q->repo, q->ref, &m, e));
    TRY(choose(r, q, &m, &platform, e));
    if (q->format == OUT_DOCKER)
        TRY(check_docker(&m, e));
    members.need_all = q->format == OUT_DOCKER;
    TRY(out_members_add(&members, &m, e));
    out_layout_init(&l);
    TRY(lay_out(q, &m, platform, &name, &members, &l, e));
    ret_planned->layout = l;
    ret_planned->manifest = m.stored->digest;
    l = (struct out_layout){0};
    return ERR_OK;
}

/* ---- blobs */

struct repo_blobs {
    struct out_blobs blobs;
    struct registry *r;
    struct repo_name repo;
};

static enum err_code open_blob(struct out_blobs *blobs, const struct digest *d, uint64_t n_bytes,
                               struct reader **ret_reader, struct err *e)
{
    struct repo_blobs *b = (struct repo_blobs *)blobs;

    return pull_blob_again(b->r, &b->repo, d, n_bytes, ret_reader, e);
}

static void free_blobs(struct out_blobs *blobs)
{
    free(blobs);
}

struct out_blobs *out_blobs_of(struct registry *r, const struct repo_name *repo)
{
    struct repo_blobs *b = NEW(struct repo_blobs);

    b->blobs = (struct out_blobs){.open = open_blob, .free = free_blobs};
    b->r = r;
    b->repo = *repo;
    return &b->blobs;
}
