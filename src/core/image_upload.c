#include "core/image_upload.h"

#include "archive/archive.h"
#include "base/mem.h"
#include "core/held_image.h"
#include "core/image_judge.h"
#include "core/mount.h"
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
    struct repo_name repo; /* n is 0: it is not known yet, or the archive says it */
    char owner[OWNER_MAX];
    struct archive *archive;
    struct upload_record *record; /* borrowed, or NULL */
    struct original *original;    /* NULL: it is not kept */
    struct refusal refusal;       /* of the plan */
    struct image_plan plan;
    struct image_stored stored;
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

/* What was kept in memory. */
static enum err_code upload_small(struct image_upload *u, const struct archive_blob *b,
                                  struct upload **ret_upload, struct err *e)
{
    AUTO(upload) struct upload *upload = NULL;

    TRY(upload_open_alone(u->r, NULL, u->owner, b->digest.algorithm, &upload, e));
    TRY(upload_write(upload, b->bytes, (size_t)b->size_bytes, e));
    upload_written(upload, &(struct digest){0});
    *ret_upload = STEAL(upload);
    return ERR_OK;
}

/* The repository that it was for had it while it came, so it was not stored again. */
static enum err_code bring_there(struct image_upload *u, const struct repo_name *repo,
                                 const struct digest *d, struct err *e)
{
    enum err_code code = ERR_BLOB_UNKNOWN;

    if (!str_eq(repo_name_str(repo), repo_name_str(&u->repo)))
        code = mount_blob(u->r, repo, &u->repo, d, e);
    return code == ERR_BLOB_UNKNOWN ? image_publish_gone(d, e) : code;
}

static enum err_code bring(void *ctx, const struct repo_name *repo, size_t blob, struct err *e)
{
    struct image_upload *u = ctx;
    const struct archive_blob *b = &u->stored.verdict->blobs[blob];
    struct content *c = b->content;
    struct upload *upload = c ? STEAL(c->upload) : NULL;

    if (!upload && c)
        return bring_there(u, repo, &b->digest, e);
    if (!upload)
        TRY(upload_small(u, b, &upload, e));
    upload_set_repo(upload, repo);
    return upload_finish(upload, &b->digest, NULL, e);
}

static void spare(void *ctx, size_t blob)
{
    struct image_upload *u = ctx;
    struct content *c = u->stored.verdict->blobs[blob].content;

    if (c)
        upload_close(STEAL(c->upload));
}

/* ---- the original */

/* The first of them, for the record. */
static void list_images(const struct image_upload *u, struct original_of *of)
{
    for (size_t i = 0; i < u->plan.n && of->n_repos < ORIGINAL_REPOS_MAX; i++)
        of->repos[of->n_repos++] = &u->plan.places[i].repo;
    for (size_t i = 0; i < u->plan.n; i++) {
        const struct image_place *place = &u->plan.places[i];

        for (size_t k = 0; k < place->n && of->n_images < ORIGINAL_IMAGES_MAX; k++)
            of->images[of->n_images++] =
                &u->stored.verdict->manifests[place->items[k].manifest].digest;
    }
}

static void tell_original(const struct image_upload *u, const struct original_kept *kept)
{
    char place[sizeof(STORE_ORIGINALS) + STORE_ORIGINAL_NAME_MAX];

    snprintf(place, sizeof(place), STORE_ORIGINALS "%s", kept->name.text);
    upload_record_set_original(u->record, place);
}

static enum err_code keep_original(void *ctx, struct err *e)
{
    struct image_upload *u = ctx;
    struct original_of of = {.n_repos = 0};

    if (!u->original)
        return ERR_OK;
    list_images(u, &of);
    TRY(original_keep(u->original, &of, e));
    u->stored.original = original_kept(u->original);
    tell_original(u, u->stored.original);
    return ERR_OK;
}

static void take_back_original(void *ctx)
{
    struct image_upload *u = ctx;

    if (u->original)
        original_take_back(u->original);
}

static struct image_source source_of(struct image_upload *u)
{
    return (struct image_source){.bring = bring,
                                 .spare = spare,
                                 .before_tags = keep_original,
                                 .take_back = take_back_original,
                                 .ctx = u};
}

/* ---- all of it */

void image_stored_tell(const struct image_stored *s, struct upload_record *record)
{
    const struct archive_verdict *v = s->verdict;

    upload_record_set_format(record, v->is_oci ? "oci" : "docker");
    for (size_t i = 0; i < s->plan->n; i++) {
        const struct image_place *place = &s->plan->places[i];

        for (size_t k = 0; k < place->n; k++)
            upload_record_add_image(record, &place->repo,
                                    &v->manifests[place->items[k].manifest].digest,
                                    place->items[k].tags, place->items[k].n_tags);
    }
}

static enum err_code make_plan(struct image_upload *u, const struct image_wish *wish, struct err *e)
{
    const struct image_plan_rules rules = {
        .sparse_indexes = conf_bool(&u->r->options->sparse_indexes),
        .manifest_bytes = conf_u64(&u->r->limits->manifest_bytes),
        .manifest_references = conf_u64(&u->r->limits->manifest_references),
        .repositories = conf_u64(&u->r->options->archives.repositories),
        .name_bytes = conf_u64(&u->r->limits->repository_name_bytes),
    };
    struct image_wish placed = *wish;

    placed.repo = u->repo.n > 0 ? &u->repo : NULL;
    return image_plan_make(&rules, u->stored.verdict, &placed, &u->plan, &u->refusal, e);
}

enum err_code image_upload_check(struct image_upload *u, const struct image_wish *wish,
                                 const struct image_rights *rights, struct err *e)
{
    struct publishing p = {.r = u->r, .plan = &u->plan, .rights = rights};

    upload_record_set_phase(u->record, UPLOAD_VERIFYING);
    TRY(archive_end(u->archive, &u->stored.verdict, e));
    TRY(make_plan(u, wish, e));
    p.verdict = u->stored.verdict;
    return image_publish_check(&p, e);
}

bool image_upload_waits(const struct image_upload *u)
{
    const struct image_judge *judge = u->r->judge;

    if (!judge || u->r->options->archives.scan != CONF_UPLOAD_SCAN_BLOCK)
        return false;
    for (size_t i = 0; i < u->plan.n; i++) {
        if (judge->judges(judge->ctx, &u->plan.places[i].repo))
            return true;
    }
    return false;
}

/* Where it is kept, before anything says so. */
static enum err_code hold_original(struct image_upload *u, struct original_held *ret_held,
                                   struct err *e)
{
    struct original_of of = {.n_repos = 0};

    if (!u->original)
        return ERR_OK;
    list_images(u, &of);
    return original_hold(u->original, &of, ret_held, e);
}

enum err_code image_upload_hold(struct image_upload *u, const char *key, struct digest *ret_plan,
                                struct err *e)
{
    AUTO(original_held) struct original_held original = {.record = NULL};
    struct image_source source = source_of(u);

    source.before_tags = NULL;
    source.take_back = NULL;
    upload_record_set_phase(u->record, UPLOAD_STORING);
    TRY(hold_original(u, &original, e));
    return held_image_put(u->r, key, u->stored.verdict, &u->plan,
                          original.record ? &original : NULL, &source, ret_plan, e);
}

void image_upload_unhold(struct image_upload *u, const char *key)
{
    take_back_original(u);
    (void)!held_image_remove(u->r, key, ERR_IGNORED); /* else the sweep does */
}

enum err_code image_upload_store(struct image_upload *u, const char *actor,
                                 const struct image_rights *rights, struct image_stored *ret,
                                 struct err *e)
{
    const struct image_source source = source_of(u);
    struct publishing p = {.r = u->r,
                           .verdict = u->stored.verdict,
                           .plan = &u->plan,
                           .actor = actor,
                           .rights = rights,
                           .source = &source,
                           .scan = u->r->judge != NULL &&
                                   u->r->options->archives.scan != CONF_UPLOAD_SCAN_OFF};

    upload_record_set_phase(u->record, UPLOAD_STORING);
    TRY(image_publish(&p, e));
    u->stored.plan = &u->plan;
    u->stored.n_blobs = p.n_blobs;
    u->stored.n_new_blobs = p.n_new_blobs;
    u->stored.new_bytes = p.new_bytes;
    u->stored.scan_asked = p.scan;
    *ret = u->stored;
    image_stored_tell(ret, u->record);
    return ERR_OK;
}
