#include "analysis/archive_analysis.h"

#include "analysis/report.h"
#include "archive/archive.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* What comes of a member that is not kept in memory: all that might be a layer. */
struct content {
    struct hasher *hasher;
    struct layer_reader *reader; /* NULL: it is read, or is no layer: why */
    struct layer_files *list;
    uint64_t n_bytes;
    struct err why;
};

struct archive_analysis {
    struct archive *archive;
    struct analysis_limits limits;
    uint64_t list_bytes; /* of the lists so far */
};

/* ---- the archive's sink */

static struct layer_reader *new_reader(const struct archive_analysis *a, bool unpacked)
{
    struct layer_limits limits = a->limits.layer;
    uint64_t left = a->limits.memory_bytes - a->list_bytes;

    if (left < limits.memory_bytes)
        limits.memory_bytes = left;
    return layer_reader_new(&limits, unpacked);
}

static enum err_code begin(void *ctx, enum digest_algorithm algorithm, const struct digest *said,
                           uint64_t size_bytes, void **ret_content, struct err *e)
{
    struct archive_analysis *a = ctx;
    struct content *c = NEW(struct content);

    (void)said;
    (void)size_bytes;
    (void)e;
    c->hasher = hasher_new(algorithm);
    c->reader = new_reader(a, true);
    *ret_content = c;
    return ERR_OK;
}

static enum err_code write_packed(void *ctx, void *content, const void *p, size_t n, struct err *e)
{
    struct content *c = content;

    (void)ctx;
    (void)e;
    hasher_update(c->hasher, p, n);
    c->n_bytes += n;
    return ERR_OK;
}

static void give_up(struct content *c, enum err_code code)
{
    if (code != ERR_OK)
        layer_reader_free(STEAL(c->reader));
}

/* What is no layer may be of an image that is not asked for: it is told of in the end. */
static enum err_code write_unpacked(void *ctx, void *content, const void *p, size_t n,
                                    struct err *e)
{
    struct content *c = content;

    (void)ctx;
    (void)e;
    if (c->reader)
        give_up(c, layer_reader_feed(c->reader, p, n, &c->why));
    return ERR_OK;
}

static enum err_code finish(void *ctx, void *content, struct digest *ret_digest, struct err *e)
{
    struct archive_analysis *a = ctx;
    struct content *c = content;

    (void)e;
    hasher_digest(c->hasher, ret_digest);
    if (c->reader)
        give_up(c, layer_reader_end(c->reader, c->n_bytes, &c->list, &c->why));
    layer_reader_free(STEAL(c->reader));
    if (c->list)
        a->list_bytes += layer_files_memory(c->list);
    return ERR_OK;
}

static void release(void *ctx, void *content)
{
    struct content *c = content;

    (void)ctx;
    hasher_free(c->hasher);
    layer_reader_free(c->reader);
    layer_files_free(c->list);
    free(c);
}

static const struct archive_sink sink = {
    .begin = begin,
    .write = write_packed,
    .unpacked = write_unpacked,
    .finish = finish,
    .release = release,
};

struct archive_analysis *archive_analysis_new(const struct archive_limits *archive,
                                              const struct analysis_limits *limits)
{
    struct archive_analysis *a = NEW(struct archive_analysis);

    a->limits = *limits;
    a->archive = archive_new(archive, &sink, a);
    return a;
}

void archive_analysis_free(struct archive_analysis *a)
{
    if (!a)
        return;
    archive_free(a->archive);
    free(a);
}

enum err_code archive_analysis_feed(struct archive_analysis *a, const void *p, size_t n,
                                    struct err *e)
{
    return archive_feed(a->archive, p, n, e);
}

/* ---- which image */

static enum err_code several(const struct archive_verdict *v, struct err *e)
{
    char there[240];

    verdict_list_images(v, there, sizeof(there));
    return err_tell(e, ERR_REQUEST_INVALID,
                    "the archive holds %zu images, none or several of that name; there are: %s",
                    v->n_images, there);
}

static enum err_code choose_image(const struct archive_verdict *v, struct str name, size_t *ret,
                                  struct err *e)
{
    size_t found = 0, at = 0;

    for (size_t i = 0; i < v->n_images; i++) {
        if (name.n > 0 && !verdict_is_called(v, i, name))
            continue;
        found++;
        at = v->images[i].manifest;
    }
    if (found != 1)
        return several(v, e);
    *ret = at;
    return ERR_OK;
}

static bool is_of_platform(const struct archive_manifest *m, struct str platform)
{
    char text[140];

    snprintf(text, sizeof(text), "%s/%s", m->os, m->architecture);
    return platform.n == 0 || str_eq(platform, str_of(text));
}

/* Of what an index names, for the manifests that are there are its children. */
static enum err_code choose_platform(const struct archive_verdict *v, size_t index,
                                     struct str platform, size_t *ret, struct err *e)
{
    AUTO(buf) struct buf there = {0};
    size_t found = 0, at = 0;

    if (platform.n == 0 && v->manifests[index].platform != SIZE_MAX) {
        *ret = v->manifests[index].platform;
        return ERR_OK;
    }
    buf_init(&there, 200);
    for (size_t i = 0; i < v->n_manifests; i++) {
        const struct archive_manifest *m = &v->manifests[i];

        if (m->is_index || !m->is_child || m->is_referrer || !m->architecture[0])
            continue;
        buf_addf(&there, "%s%s/%s", there.n > 0 ? ", " : "", m->os, m->architecture);
        if (!is_of_platform(m, platform))
            continue;
        found++;
        at = i;
    }
    if (found != 1)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "the image is of several platforms, choose one of: %s", buf_text(&there));
    *ret = at;
    return ERR_OK;
}

/* ---- its layers */

static const struct archive_blob *blob_of(const struct archive_verdict *v, const char *digest)
{
    for (size_t i = 0; i < v->n_blobs; i++) {
        if (strcmp(v->blobs[i].digest.text, digest) == 0)
            return &v->blobs[i];
    }
    return NULL;
}

/* Of a layer that was small enough for memory. *ret_own is the caller's. */
static enum err_code read_small(struct archive_analysis *a, const struct archive_blob *b,
                                struct layer_files **ret_own, struct err *e)
{
    AUTO(layer_reader) struct layer_reader *r = new_reader(a, false);

    TRY(layer_reader_feed(r, b->bytes, (size_t)b->size_bytes, e));
    TRY(layer_reader_end(r, 0, ret_own, e));
    a->list_bytes += layer_files_memory(*ret_own);
    return ERR_OK;
}

struct image_lists {
    size_t n;
    const char **digests;
    const struct layer_files **lists;
    struct layer_files **own; /* NULL where the archive has it */
};

static void image_lists_done(struct image_lists *l)
{
    for (size_t i = 0; i < l->n; i++)
        layer_files_free(l->own[i]);
    free(l->digests);
    free(l->lists);
    free(l->own);
}

static inline void auto_image_lists_(struct image_lists *l)
{
    image_lists_done(l);
}

static enum err_code find_layer(struct archive_analysis *a, const struct archive_verdict *v,
                                struct image_lists *l, size_t i, struct err *e)
{
    const struct archive_blob *b = blob_of(v, l->digests[i]);
    const struct content *c;

    if (!b)
        return err_tell(e, ERR_IMAGE_INVALID, "layer %s is not in the archive", l->digests[i]);
    c = b->content;
    if (!c) {
        TRY(read_small(a, b, &l->own[i], e));
        l->lists[i] = l->own[i];
        return ERR_OK;
    }
    if (!c->list) {
        *e = c->why;
        return err_prefix(e, "layer %zu (%s)", i, l->digests[i]);
    }
    l->lists[i] = c->list;
    return ERR_OK;
}

static enum err_code find_layers(struct archive_analysis *a, const struct archive_verdict *v,
                                 const json_t *layers, struct image_lists *l, struct err *e)
{
    l->n = json_array_size(layers);
    l->digests = mem_zero((l->n + 1) * sizeof(*l->digests));
    l->lists = mem_zero((l->n + 1) * sizeof(*l->lists));
    l->own = mem_zero((l->n + 1) * sizeof(*l->own));
    for (size_t i = 0; i < l->n; i++) {
        const json_t *digest = json_object_get(json_array_get(layers, i), "digest");

        l->digests[i] = json_is_string(digest) ? json_string_value(digest) : "";
        TRY(find_layer(a, v, l, i, e));
    }
    return ERR_OK;
}

static enum err_code report(struct archive_analysis *a, const struct archive_verdict *v,
                            const struct archive_manifest *m, struct buf *ret_json, struct err *e)
{
    AUTO(json) json_t *manifest = json_loadb(m->bytes.p, m->bytes.n, 0, NULL);
    const struct archive_blob *b = m->config.n > 0 ? blob_of(v, m->config.text) : NULL;
    AUTO(json)
    json_t *config = b && b->bytes ? json_loadb(b->bytes, (size_t)b->size_bytes, 0, NULL) : NULL;
    AUTO(image_lists) struct image_lists l = {0};
    AUTO(image_tree) struct image_tree *t = NULL;
    struct report_image image;

    TRY(find_layers(a, v, json_object_get(manifest, "layers"), &l, e));
    TRY(image_tree_new(l.lists, l.n, a->limits.memory_bytes, &t, e));
    image = (struct report_image){l.digests, config};
    return report_json(t, &image, a->limits.memory_bytes, ret_json, e);
}

enum err_code archive_analysis_end(struct archive_analysis *a, struct str name, struct str platform,
                                   struct buf *ret_json, struct err *e)
{
    const struct archive_verdict *v;
    size_t at = 0;

    TRY(archive_end(a->archive, &v, e));
    TRY(choose_image(v, name, &at, e));
    if (v->manifests[at].is_index)
        TRY(choose_platform(v, at, platform, &at, e));
    return report(a, v, &v->manifests[at], ret_json, e);
}
