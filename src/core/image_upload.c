#include "core/image_upload.h"

#include "archive/archive.h"
#include "base/mem.h"
#include "core/blob.h"
#include "core/mount.h"
#include "core/push.h"
#include "core/quota.h"
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

/* A tag that was set, and what it pointed to before. */
struct moved_tag {
    struct tag_name tag;
    size_t manifest;              /* of the verdict */
    struct meta_manifest *before; /* NULL: it was not there */
};

/* What is new in a repository, to be taken back when it fails. */
struct change {
    struct moved_tag *tags;
    size_t n_tags;
    size_t *new_blobs, *new_manifests; /* of the verdict */
    size_t n_new_blobs, n_new_manifests;
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
    struct change *changes; /* of each place of the plan */
    size_t *linked;         /* of each blob, the place that has it and one; 0: none yet */
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

static void change_done(struct change *c)
{
    for (size_t i = 0; i < c->n_tags; i++)
        meta_manifest_unref(c->tags[i].before);
    free(c->tags);
    free(c->new_blobs);
    free(c->new_manifests);
}

void image_upload_close(struct image_upload *u)
{
    if (!u)
        return;
    archive_free(u->archive);
    original_close(u->original);
    for (size_t i = 0; u->changes && i < u->plan.n; i++)
        change_done(&u->changes[i]);
    image_plan_done(&u->plan);
    free(u->changes);
    free(u->linked);
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

static enum err_code gone(const struct archive_blob *b, struct err *e)
{
    return err_tell(e, ERR_UNAVAILABLE, "%s was deleted meanwhile; try again", b->digest.text);
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

static enum err_code link_new(struct image_upload *u, const struct repo_name *repo,
                              const struct archive_blob *b, struct err *e)
{
    struct content *c = b->content;
    struct upload *upload = c ? STEAL(c->upload) : NULL;

    if (!upload && c)
        return gone(b, e);
    if (!upload)
        TRY(upload_small(u, b, &upload, e));
    upload_set_repo(upload, repo);
    TRY(upload_finish(upload, &b->digest, NULL, e));
    u->stored.n_new_blobs++;
    u->stored.new_bytes += b->size_bytes;
    return ERR_OK;
}

/* Its bytes are stored already. */
static enum err_code link_from(struct image_upload *u, const struct repo_name *repo,
                               const struct repo_name *from, const struct archive_blob *b,
                               struct err *e)
{
    enum err_code code = mount_blob(u->r, repo, from, &b->digest, e);

    return code == ERR_BLOB_UNKNOWN ? gone(b, e) : code;
}

static enum err_code link_content(struct image_upload *u, size_t place, size_t blob, struct err *e)
{
    const struct archive_blob *b = &u->stored.verdict->blobs[blob];
    const struct repo_name *repo = &u->plan.places[place].repo;
    struct content *c = b->content;
    struct change *change = &u->changes[place];
    uint64_t size_bytes;

    if (blob_look(u->r, repo, &b->digest, &size_bytes, e) == ERR_OK) {
        if (c)
            upload_close(STEAL(c->upload));
    } else {
        TRY(u->linked[blob] ? link_from(u, repo, &u->plan.places[u->linked[blob] - 1].repo, b, e)
                            : link_new(u, repo, b, e));
        change->new_blobs[change->n_new_blobs++] = blob;
    }
    if (!u->linked[blob])
        u->stored.n_blobs++;
    u->linked[blob] = place + 1;
    return ERR_OK;
}

static enum err_code link_blobs(struct image_upload *u, size_t place, struct err *e)
{
    size_t n = u->stored.verdict->n_blobs;

    u->changes[place].new_blobs = mem_alloc((n + 1) * sizeof(*u->changes[place].new_blobs));
    for (size_t i = 0; i < n; i++) {
        if (u->plan.places[place].blobs[i])
            TRY(link_content(u, place, i, e));
    }
    return ERR_OK;
}

/* All that a manifest names was there a moment ago: collection without a grace has taken it. */
static enum err_code gone_meanwhile(enum err_code code, struct err *e)
{
    if (code != ERR_MANIFEST_BLOB_UNKNOWN && code != ERR_MANIFEST_UNKNOWN)
        return code;
    return err_tell(e, ERR_UNAVAILABLE, "what was uploaded was deleted meanwhile; try again");
}

static enum err_code push_one(struct image_upload *u, const struct image_place *place,
                              size_t manifest, struct push p, struct err *e)
{
    const struct archive_manifest *m = &u->stored.verdict->manifests[manifest];
    struct pushed done;

    p.repo = &place->repo;
    p.bytes = m->bytes;
    p.content_type = str_of(m->media_type);
    p.digest = &m->digest;
    return gone_meanwhile(push_manifest(u->r, &p, &done, e), e);
}

static enum err_code push_manifests(struct image_upload *u, size_t at, const char *actor,
                                    struct err *e)
{
    const struct archive_verdict *v = u->stored.verdict;
    const struct image_place *place = &u->plan.places[at];
    struct change *change = &u->changes[at];

    change->new_manifests = mem_alloc((v->n_manifests + 1) * sizeof(*change->new_manifests));
    for (size_t i = 0; i < v->n_manifests; i++) {
        AUTO(meta_manifest) struct meta_manifest *there = NULL;

        if (!place->manifests[i])
            continue;
        if (meta_manifest_by_digest(u->r->meta, &place->repo, &v->manifests[i].digest, &there,
                                    ERR_IGNORED) != ERR_OK)
            change->new_manifests[change->n_new_manifests++] = i;
        TRY(push_one(u, place, i, (struct push){.actor = actor}, e));
    }
    return ERR_OK;
}

/* ---- tags */

/* As they are before they are moved. */
static void note_tags(struct image_upload *u, const struct image_place *place,
                      const struct image_plan_item *item, struct change *c)
{
    c->tags = mem_resize(c->tags, (c->n_tags + item->n_tags) * sizeof(*c->tags));
    for (size_t i = 0; i < item->n_tags; i++) {
        struct moved_tag *t = &c->tags[c->n_tags++];
        int64_t version;

        *t = (struct moved_tag){.tag = item->tags[i], .manifest = item->manifest};
        if (meta_manifest_by_tag(u->r->meta, &place->repo, &t->tag, &t->before, &version,
                                 ERR_IGNORED) != ERR_OK)
            t->before = NULL;
    }
}

/* All tags of an image at once; an image after the other. */
static enum err_code tag_image(struct image_upload *u, size_t at,
                               const struct image_plan_item *item, const char *actor,
                               const struct image_rights *rights, struct err *e)
{
    const struct image_place *place = &u->plan.places[at];
    AUTO(mem) bool *create_only = mem_zero(item->n_tags + 1);

    for (size_t i = 0; i < item->n_tags; i++)
        TRY(rights->may_tag(rights->ctx, &place->repo, &item->tags[i], &create_only[i], e));
    if (item->n_tags == 0)
        return ERR_OK;
    if (u->plan.n > 1 || place->n > 1) /* something may come behind them, and fail */
        note_tags(u, place, item, &u->changes[at]);
    return push_one(
        u, place, item->manifest,
        (struct push){
            .actor = actor, .tags = item->tags, .n_tags = item->n_tags, .create_only = create_only},
        e);
}

static enum err_code set_tags(struct image_upload *u, size_t at, const char *actor,
                              const struct image_rights *rights, struct err *e)
{
    const struct image_place *place = &u->plan.places[at];

    for (size_t i = 0; i < place->n; i++)
        TRY(tag_image(u, at, &place->items[i], actor, rights, e));
    return ERR_OK;
}

/* What somebody else has set since stays. */
static void put_tag_back(struct image_upload *u, const struct repo_name *repo,
                         const struct moved_tag *t, const char *actor)
{
    const struct digest *ours = &u->stored.verdict->manifests[t->manifest].digest;
    AUTO(meta_manifest) struct meta_manifest *now = NULL;
    struct pushed done;
    int64_t version;

    if (meta_manifest_by_tag(u->r->meta, repo, &t->tag, &now, &version, ERR_IGNORED) != ERR_OK ||
        !digest_eq(&now->digest, ours))
        return;
    if (!t->before)
        (void)!remove_tag_at(u->r, repo, &t->tag, version, actor, ERR_IGNORED);
    else if (!digest_eq(&t->before->digest, ours))
        (void)!push_manifest(u->r,
                             &(struct push){.repo = repo,
                                            .bytes = t->before->bytes,
                                            .content_type = t->before->media_type,
                                            .digest = &t->before->digest,
                                            .tags = &t->tag,
                                            .n_tags = 1,
                                            .actor = actor,
                                            .match = {.given = true, .digests = ours, .n = 1}},
                             &done, ERR_IGNORED);
}

/* ---- before anything is linked */

/* A tag that may only be made, and is there. */
static enum err_code check_tag(struct image_upload *u, const struct image_place *place,
                               const struct image_plan_item *item, const struct tag_name *tag,
                               bool create_only, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t version;

    if (!create_only ||
        meta_manifest_by_tag(u->r->meta, &place->repo, tag, &m, &version, ERR_IGNORED) != ERR_OK ||
        digest_eq(&m->digest, &u->stored.verdict->manifests[item->manifest].digest))
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "tag '%s' of %s exists, and you may not move it", tag->text,
                    place->repo.text);
}

static enum err_code check_tags(struct image_upload *u, const struct image_place *place,
                                const struct image_rights *rights, struct err *e)
{
    bool create_only;

    for (size_t i = 0; i < place->n; i++) {
        const struct image_plan_item *item = &place->items[i];

        for (size_t t = 0; t < item->n_tags; t++) {
            TRY(rights->may_tag(rights->ctx, &place->repo, &item->tags[t], &create_only, e));
            TRY(check_tag(u, place, item, &item->tags[t], create_only, e));
        }
    }
    return ERR_OK;
}

/* Of contents that the repository does not have. */
static uint64_t needed_bytes(struct image_upload *u, const struct image_place *place)
{
    const struct archive_verdict *v = u->stored.verdict;
    uint64_t bytes = 0, size_bytes;

    for (size_t i = 0; i < v->n_blobs; i++) {
        if (place->blobs[i] &&
            blob_look(u->r, &place->repo, &v->blobs[i].digest, &size_bytes, ERR_IGNORED) != ERR_OK)
            bytes += v->blobs[i].size_bytes;
    }
    return bytes;
}

/* Together: a namespace may have several of the repositories. */
static enum err_code check_quotas(struct image_upload *u, struct err *e)
{
    AUTO(mem) struct quota_need *needs = mem_alloc((u->plan.n + 1) * sizeof(*needs));

    if (u->r->quotas->n == 0)
        return ERR_OK;
    for (size_t i = 0; i < u->plan.n; i++)
        needs[i] = (struct quota_need){.repo = &u->plan.places[i].repo,
                                       .bytes = needed_bytes(u, &u->plan.places[i])};
    return quota_has_room(u->r, needs, u->plan.n, e);
}

static enum err_code check_places(struct image_upload *u, const struct image_rights *rights,
                                  struct err *e)
{
    for (size_t i = 0; i < u->plan.n; i++)
        TRY(rights->may_push(rights->ctx, &u->plan.places[i].repo, e));
    for (size_t i = 0; i < u->plan.n; i++)
        TRY(check_tags(u, &u->plan.places[i], rights, e));
    return check_quotas(u, e);
}

/* ---- all of it */

/* Somebody else has given it a tag meanwhile: then it stays. */
static enum err_code keep_tagged(void *ctx, const struct tag_name *tag, struct err *e)
{
    (void)ctx;
    return err_set(e, ERR_DENIED, "tag '%s' points to it", tag->text);
}

/* What others use meanwhile stays: the manifest that names it is there, or the tag. */
static void take_back_from(struct image_upload *u, const struct repo_name *repo, struct change *c,
                           const char *actor)
{
    const struct archive_verdict *v = u->stored.verdict;

    for (size_t i = c->n_tags; i-- > 0;)
        put_tag_back(u, repo, &c->tags[i], actor);
    while (c->n_new_manifests > 0) {
        const struct archive_manifest *m = &v->manifests[c->new_manifests[--c->n_new_manifests]];

        (void)!remove_digest_by(u->r, repo, &m->digest, actor, keep_tagged, NULL, ERR_IGNORED);
    }
    while (c->n_new_blobs > 0)
        (void)!remove_link(u->r, repo, &v->blobs[c->new_blobs[--c->n_new_blobs]].digest,
                           ERR_IGNORED);
}

static void take_back(struct image_upload *u, const char *actor)
{
    if (u->original)
        original_take_back(u->original);
    for (size_t i = u->plan.n; i-- > 0;)
        take_back_from(u, &u->plan.places[i].repo, &u->changes[i], actor);
}

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

static enum err_code keep_original(struct image_upload *u, struct err *e)
{
    struct original_of of = {.n_repos = 0};
    char place[sizeof(STORE_ORIGINALS) + STORE_ORIGINAL_NAME_MAX];

    if (!u->original)
        return ERR_OK;
    list_images(u, &of);
    TRY(original_keep(u->original, &of, e));
    u->stored.original = original_kept(u->original);
    snprintf(place, sizeof(place), STORE_ORIGINALS "%s", u->stored.original->name.text);
    upload_record_set_original(u->record, place);
    return ERR_OK;
}

/* The tags last, of all repositories. */
static enum err_code store(struct image_upload *u, const char *actor,
                           const struct image_rights *rights, struct err *e)
{
    u->changes = mem_zero((u->plan.n + 1) * sizeof(*u->changes));
    u->linked = mem_zero((u->stored.verdict->n_blobs + 1) * sizeof(*u->linked));
    for (size_t i = 0; i < u->plan.n; i++)
        TRY(link_blobs(u, i, e));
    for (size_t i = 0; i < u->plan.n; i++)
        TRY(push_manifests(u, i, actor, e));
    TRY(keep_original(u, e));
    for (size_t i = 0; i < u->plan.n; i++)
        TRY(set_tags(u, i, actor, rights, e));
    return ERR_OK;
}

static void tell_stored(struct image_upload *u)
{
    const struct archive_verdict *v = u->stored.verdict;

    upload_record_set_format(u->record, v->is_oci ? "oci" : "docker");
    for (size_t i = 0; i < u->plan.n; i++) {
        const struct image_place *place = &u->plan.places[i];

        for (size_t k = 0; k < place->n; k++)
            upload_record_add_image(u->record, &place->repo,
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

enum err_code image_upload_finish(struct image_upload *u, const struct image_wish *wish,
                                  const char *actor, const struct image_rights *rights,
                                  struct image_stored *ret, struct err *e)
{
    enum err_code code;

    upload_record_set_phase(u->record, UPLOAD_VERIFYING);
    TRY(archive_end(u->archive, &u->stored.verdict, e));
    TRY(make_plan(u, wish, e));
    TRY(check_places(u, rights, e));
    upload_record_set_phase(u->record, UPLOAD_STORING);
    code = store(u, actor, rights, e);
    if (code != ERR_OK) {
        take_back(u, actor);
        return code;
    }
    tell_stored(u);
    u->stored.plan = &u->plan;
    *ret = u->stored;
    return ERR_OK;
}
