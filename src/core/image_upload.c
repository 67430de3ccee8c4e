#include "core/image_upload.h"

#include "archive/archive.h"
#include "base/mem.h"
#include "core/blob.h"
#include "core/push.h"
#include "core/remove.h"
#include "core/upload.h"

#include <stdlib.h>

#define OWNER_MAX 160

/* A file of the archive. */
struct content {
    struct upload *upload; /* NULL: the repository has it already, or it was linked */
    struct hasher *hasher; /* of what is not stored again */
    size_t layer;          /* of the record */
};

struct image_upload {
    struct registry *r;
    struct repo_name repo; /* n is 0: it is not known yet */
    char owner[OWNER_MAX];
    struct archive *archive;
    struct upload_record *record; /* borrowed, or NULL */
    struct original *original;    /* NULL: it is not kept */
    struct refusal refusal;       /* of the plan */
    struct image_plan plan;
    struct image_stored stored;
    /* What is new, to be taken back when it fails. */
    size_t *new_blobs, *new_manifests;
    size_t n_new_blobs, n_new_manifests;
};

static bool has_blob(struct image_upload *u, const struct digest *d)
{
    uint64_t size_bytes;

    return u->repo.n > 0 &&
           meta_blob_stat(u->r->meta, &u->repo, d, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static enum err_code content_begin(void *ctx, enum digest_algorithm algorithm,
                                   const struct digest *said, uint64_t size_bytes,
                                   void **ret_content, struct err *e)
{
    struct image_upload *u = ctx;
    struct upload *upload = NULL;
    struct content *c;

    if (!said || !has_blob(u, said))
        TRY(upload_open_alone(u->r, NULL, u->owner, algorithm, &upload, e));
    c = NEW(struct content);
    c->upload = upload;
    if (!upload)
        c->hasher = hasher_new(algorithm);
    c->layer = upload_record_add_layer(u->record, said, size_bytes);
    *ret_content = c;
    return ERR_OK;
}

static enum err_code content_write(void *ctx, void *content, const void *p, size_t n, struct err *e)
{
    struct content *c = content;
    const struct image_upload *u = ctx;

    upload_record_layer_received(u->record, c->layer, n);
    if (c->upload)
        return upload_write(c->upload, p, n, e);
    hasher_update(c->hasher, p, n);
    return ERR_OK;
}

static enum err_code content_finish(void *ctx, void *content, struct digest *ret_digest,
                                    struct err *e)
{
    struct content *c = content;
    struct image_upload *u = ctx;

    (void)e;
    if (c->upload)
        upload_written(c->upload, ret_digest);
    else
        hasher_digest(c->hasher, ret_digest);
    upload_record_layer_is(u->record, c->layer, ret_digest);
    if (c->upload && has_blob(u, ret_digest))
        upload_close(STEAL(c->upload)); /* its room is of more use to what comes next */
    return ERR_OK;
}

static void content_release(void *ctx, void *content)
{
    struct content *c = content;

    (void)ctx;
    upload_close(c->upload);
    hasher_free(c->hasher);
    free(c);
}

static const struct archive_sink sink = {content_begin, content_write, content_finish,
                                         content_release};

static enum err_code take_place(struct registry *r, struct err *e)
{
    if (atomic_fetch_add(&r->image_uploads, 1) < conf_u64(&r->options->archives.concurrent))
        return ERR_OK;
    atomic_fetch_sub(&r->image_uploads, 1);
    return err_tell(e, ERR_TOO_MANY_REQUESTS,
                    "too many archives are being uploaded; try again later");
}

static const enum packing forms[] = {[CONF_COMPRESS_NONE] = PACKED_NOT,
                                     [CONF_COMPRESS_GZIP] = PACKED_GZIP,
                                     [CONF_COMPRESS_ZSTD] = PACKED_ZSTD};

enum err_code image_upload_open(struct registry *r, const struct repo_name *repo, const char *owner,
                                struct image_upload **ret_upload, struct err *e)
{
    const struct conf_archives *c = &r->options->archives;
    const struct archive_limits limits = {
        .max_bytes = conf_u64(&c->bytes),
        .max_unpacked_bytes = conf_u64(&c->unpacked_bytes),
        .max_ratio = conf_u64(&c->ratio),
        .max_members = conf_u64(&c->members),
        .json_bytes = conf_u64(&c->json_bytes),
        .memory_bytes = conf_u64(&c->memory_bytes),
        .decoder_bytes = conf_u64(&c->decoder_bytes),
    };
    const struct packing_form form = {.as = forms[conf_u64(&c->compress)],
                                      .level = (int)conf_u64(&c->compress_level)};
    struct image_upload *u;

    TRY(registry_has_room(r, e));
    TRY(take_place(r, e));
    u = NEW(struct image_upload);
    u->r = r;
    if (repo)
        u->repo = *repo;
    snprintf(u->owner, sizeof(u->owner), "%s", owner);
    u->archive = archive_new(&limits, &sink, u);
    archive_pack(u->archive, &form);
    if (conf_bool(&c->keep_original))
        u->original = original_new(r, owner);
    *ret_upload = u;
    return ERR_OK;
}

void image_upload_set_repo(struct image_upload *u, const struct repo_name *repo)
{
    u->repo = *repo;
}

void image_upload_tell(struct image_upload *u, struct upload_record *record)
{
    u->record = record;
}

void image_upload_close(struct image_upload *u)
{
    if (!u)
        return;
    archive_free(u->archive);
    original_close(u->original);
    image_plan_done(&u->plan);
    free(u->new_blobs);
    free(u->new_manifests);
    atomic_fetch_sub(&u->r->image_uploads, 1);
    free(u);
}

const struct refusal *image_upload_refusal(const struct image_upload *u)
{
    return u->refusal.code ? &u->refusal : archive_refusal(u->archive);
}

enum err_code image_upload_feed(struct image_upload *u, const void *p, size_t n, struct err *e)
{
    upload_record_add_received(u->record, n);
    TRY(archive_feed(u->archive, p, n, e));
    return u->original ? original_feed(u->original, p, n, e) : ERR_OK;
}

/* Error: BLOB_UNKNOWN, it was there and went meanwhile. */
static enum err_code link_content(struct image_upload *u, const struct archive_blob *b,
                                  bool *ret_new, struct err *e)
{
    struct content *c = b->content;
    struct upload *upload = c ? STEAL(c->upload) : NULL;
    enum err_code code = ERR_OK;
    uint64_t size_bytes;

    *ret_new = false;
    if (blob_look(u->r, &u->repo, &b->digest, &size_bytes, e) == ERR_OK) {
        upload_close(upload);
        return ERR_OK;
    }
    if (!upload && c)
        return err_tell(e, ERR_UNAVAILABLE, "%s was deleted meanwhile; try again", b->digest.text);
    if (!upload) {
        TRY(upload_open_alone(u->r, NULL, u->owner, b->digest.algorithm, &upload, e));
        code = upload_write(upload, b->bytes, (size_t)b->size_bytes, e);
        if (code == ERR_OK)
            upload_written(upload, &(struct digest){0});
    }
    if (code != ERR_OK) {
        upload_close(upload);
        return code;
    }
    upload_set_repo(upload, &u->repo);
    TRY(upload_finish(upload, &b->digest, NULL, e));
    *ret_new = true;
    return ERR_OK;
}

static enum err_code link_blobs(struct image_upload *u, struct err *e)
{
    const struct archive_verdict *v = u->stored.verdict;
    bool is_new;

    u->new_blobs = mem_alloc((v->n_blobs + 1) * sizeof(*u->new_blobs));
    for (size_t i = 0; i < v->n_blobs; i++) {
        if (!u->plan.blobs[i])
            continue;
        TRY(link_content(u, &v->blobs[i], &is_new, e));
        u->stored.n_blobs++;
        if (!is_new)
            continue;
        u->stored.new_bytes += v->blobs[i].size_bytes;
        u->new_blobs[u->n_new_blobs++] = i;
    }
    u->stored.n_new_blobs = u->n_new_blobs;
    return ERR_OK;
}

/* All that a manifest names was there a moment ago: collection without a grace has taken it. */
static enum err_code gone_meanwhile(enum err_code code, struct err *e)
{
    if (code != ERR_MANIFEST_BLOB_UNKNOWN && code != ERR_MANIFEST_UNKNOWN)
        return code;
    return err_tell(e, ERR_UNAVAILABLE, "what was uploaded was deleted meanwhile; try again");
}

static enum err_code push_one(struct image_upload *u, const struct archive_manifest *m,
                              struct push p, struct err *e)
{
    struct pushed done;

    p.repo = &u->repo;
    p.bytes = m->bytes;
    p.content_type = str_of(m->media_type);
    p.digest = &m->digest;
    return gone_meanwhile(push_manifest(u->r, &p, &done, e), e);
}

static enum err_code push_manifests(struct image_upload *u, const char *actor, struct err *e)
{
    const struct archive_verdict *v = u->stored.verdict;

    u->new_manifests = mem_alloc((v->n_manifests + 1) * sizeof(*u->new_manifests));
    for (size_t i = 0; i < v->n_manifests; i++) {
        AUTO(meta_manifest) struct meta_manifest *there = NULL;

        if (!u->plan.manifests[i])
            continue;
        if (meta_manifest_by_digest(u->r->meta, &u->repo, &v->manifests[i].digest, &there,
                                    ERR_IGNORED) != ERR_OK)
            u->new_manifests[u->n_new_manifests++] = i;
        TRY(push_one(u, &v->manifests[i], (struct push){.actor = actor}, e));
    }
    return ERR_OK;
}

/* All tags of an image at once; an image after the other. */
static enum err_code set_tags(struct image_upload *u, const struct image_plan_item *item,
                              const char *actor, image_tag_fn may_tag, void *ctx, struct err *e)
{
    AUTO(mem) bool *create_only = mem_zero(item->n_tags + 1);

    for (size_t i = 0; i < item->n_tags; i++)
        TRY(may_tag(ctx, &item->tags[i], &create_only[i], e));
    if (item->n_tags == 0)
        return ERR_OK;
    return push_one(
        u, &u->stored.verdict->manifests[item->manifest],
        (struct push){
            .actor = actor, .tags = item->tags, .n_tags = item->n_tags, .create_only = create_only},
        e);
}

/* Before anything is linked: a tag that may only be made, and is there. */
static enum err_code check_tag(struct image_upload *u, const struct image_plan_item *item,
                               const struct tag_name *tag, bool create_only, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t version;

    if (!create_only ||
        meta_manifest_by_tag(u->r->meta, &u->repo, tag, &m, &version, ERR_IGNORED) != ERR_OK ||
        digest_eq(&m->digest, &u->stored.verdict->manifests[item->manifest].digest))
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "tag '%s' exists, and you may not move it", tag->text);
}

static enum err_code check_tags(struct image_upload *u, image_tag_fn may_tag, void *ctx,
                                struct err *e)
{
    bool create_only;

    for (size_t i = 0; i < u->plan.n; i++) {
        const struct image_plan_item *item = &u->plan.items[i];

        for (size_t t = 0; t < item->n_tags; t++) {
            TRY(may_tag(ctx, &item->tags[t], &create_only, e));
            TRY(check_tag(u, item, &item->tags[t], create_only, e));
        }
    }
    return ERR_OK;
}

/* Somebody else has given it a tag meanwhile, or this upload has: then it stays. */
static enum err_code keep_tagged(void *ctx, const struct tag_name *tag, struct err *e)
{
    (void)ctx;
    return err_set(e, ERR_DENIED, "tag '%s' points to it", tag->text);
}

/* What others use meanwhile stays: the manifest that names it is there, or the tag. */
static void take_back(struct image_upload *u, const char *actor)
{
    const struct archive_verdict *v = u->stored.verdict;

    if (u->original)
        original_take_back(u->original);
    while (u->n_new_manifests > 0) {
        const struct archive_manifest *m = &v->manifests[u->new_manifests[--u->n_new_manifests]];

        (void)!remove_digest_by(u->r, &u->repo, &m->digest, actor, keep_tagged, NULL, ERR_IGNORED);
    }
    while (u->n_new_blobs > 0)
        (void)!remove_link(u->r, &u->repo, &v->blobs[u->new_blobs[--u->n_new_blobs]].digest,
                           ERR_IGNORED);
}

static enum err_code keep_original(struct image_upload *u, struct err *e)
{
    const struct digest *images[ORIGINAL_IMAGES_MAX];
    struct original_of of = {.repo = &u->repo, .images = images};
    char place[sizeof(STORE_ORIGINALS) + STORE_ORIGINAL_NAME_MAX];

    if (!u->original)
        return ERR_OK;
    for (size_t i = 0; i < u->plan.n && i < ORIGINAL_IMAGES_MAX; i++)
        images[of.n_images++] = &u->stored.verdict->manifests[u->plan.items[i].manifest].digest;
    TRY(original_keep(u->original, &of, e));
    u->stored.original = original_kept(u->original);
    snprintf(place, sizeof(place), STORE_ORIGINALS "%s", u->stored.original->name.text);
    upload_record_set_original(u->record, place);
    return ERR_OK;
}

static enum err_code store(struct image_upload *u, const char *actor, image_tag_fn may_tag,
                           void *ctx, struct err *e)
{
    TRY(link_blobs(u, e));
    TRY(push_manifests(u, actor, e));
    TRY(keep_original(u, e));
    for (size_t i = 0; i < u->plan.n; i++)
        TRY(set_tags(u, &u->plan.items[i], actor, may_tag, ctx, e));
    return ERR_OK;
}

static void tell_stored(struct image_upload *u)
{
    const struct archive_verdict *v = u->stored.verdict;

    upload_record_set_format(u->record, v->is_oci ? "oci" : "docker");
    for (size_t i = 0; i < u->plan.n; i++) {
        const struct image_plan_item *item = &u->plan.items[i];

        upload_record_add_image(u->record, &u->repo, &v->manifests[item->manifest].digest,
                                item->tags, item->n_tags);
    }
}

enum err_code image_upload_finish(struct image_upload *u, const struct image_wish *wish,
                                  const char *actor, image_tag_fn may_tag, void *ctx,
                                  struct image_stored *ret, struct err *e)
{
    const struct image_plan_rules rules = {
        .sparse_indexes = conf_bool(&u->r->options->sparse_indexes),
        .manifest_bytes = conf_u64(&u->r->limits->manifest_bytes),
        .manifest_references = conf_u64(&u->r->limits->manifest_references),
    };
    enum err_code code;

    upload_record_set_phase(u->record, UPLOAD_VERIFYING);
    TRY(archive_end(u->archive, &u->stored.verdict, e));
    TRY(image_plan_make(&rules, u->stored.verdict, wish, &u->plan, &u->refusal, e));
    TRY(check_tags(u, may_tag, ctx, e));
    upload_record_set_phase(u->record, UPLOAD_STORING);
    code = store(u, actor, may_tag, ctx, e);
    if (code != ERR_OK) {
        take_back(u, actor);
        return code;
    }
    tell_stored(u);
    u->stored.plan = &u->plan;
    *ret = u->stored;
    return ERR_OK;
}
