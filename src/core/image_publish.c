#include "core/image_publish.h"

#include "base/mem.h"
#include "core/blob.h"
#include "core/mount.h"
#include "core/push.h"
#include "core/quota.h"
#include "core/remove.h"

#include <stdlib.h>

/* A tag that was set, and what it pointed to before. */
struct moved_tag {
    struct tag_name tag;
    size_t manifest;              /* of the verdict */
    struct meta_manifest *before; /* NULL: it was not there */
    bool lost;                    /* that can't be read, so there is no way back */
};

/* What is new in a repository, to be taken back when it fails. */
struct change {
    struct moved_tag *tags;
    size_t n_tags;
    size_t *new_blobs, *new_manifests; /* of the verdict */
    size_t n_new_blobs, n_new_manifests;
};

struct work {
    struct publishing *p;
    struct change *changes; /* of each place of the plan */
    size_t *linked;         /* of each blob, the place that has it and one; 0: none yet */
};

static void change_done(struct change *c)
{
    for (size_t i = 0; i < c->n_tags; i++)
        meta_manifest_unref(c->tags[i].before);
    free(c->tags);
    free(c->new_blobs);
    free(c->new_manifests);
}

static inline void auto_work_(struct work *w)
{
    for (size_t i = 0; w->changes && i < w->p->plan->n; i++)
        change_done(&w->changes[i]);
    free(w->changes);
    free(w->linked);
}

enum err_code image_publish_gone(const struct digest *d, struct err *e)
{
    return err_tell(e, ERR_UNAVAILABLE, "%s was deleted meanwhile; try again", d->text);
}

/* ---- blobs */

/* Its bytes are stored already. */
static enum err_code link_from(struct work *w, const struct repo_name *repo,
                               const struct repo_name *from, const struct archive_blob *b,
                               struct err *e)
{
    enum err_code code = mount_blob(w->p->r, repo, from, &b->digest, e);

    return code == ERR_BLOB_UNKNOWN ? image_publish_gone(&b->digest, e) : code;
}

static enum err_code link_new(struct work *w, const struct repo_name *repo, size_t blob,
                              struct err *e)
{
    struct publishing *p = w->p;

    TRY(p->source->bring(p->source->ctx, repo, blob, e));
    p->n_new_blobs++;
    p->new_bytes += p->verdict->blobs[blob].size_bytes;
    return ERR_OK;
}

static enum err_code link_content(struct work *w, size_t place, size_t blob, struct err *e)
{
    const struct publishing *p = w->p;
    const struct archive_blob *b = &p->verdict->blobs[blob];
    const struct repo_name *repo = &p->plan->places[place].repo;
    struct change *change = &w->changes[place];
    uint64_t size_bytes;
    enum err_code code = blob_look(p->r, repo, &b->digest, &size_bytes, e);

    if (code == ERR_OK) {
        if (p->source->spare)
            p->source->spare(p->source->ctx, blob);
    } else {
        if (code != ERR_BLOB_UNKNOWN)
            return code;
        TRY(w->linked[blob] ? link_from(w, repo, &p->plan->places[w->linked[blob] - 1].repo, b, e)
                            : link_new(w, repo, blob, e));
        change->new_blobs[change->n_new_blobs++] = blob;
    }
    if (!w->linked[blob])
        w->p->n_blobs++;
    w->linked[blob] = place + 1;
    return ERR_OK;
}

static enum err_code link_blobs(struct work *w, size_t place, struct err *e)
{
    size_t n = w->p->verdict->n_blobs;

    w->changes[place].new_blobs = mem_alloc((n + 1) * sizeof(*w->changes[place].new_blobs));
    for (size_t i = 0; i < n; i++) {
        if (w->p->plan->places[place].blobs[i])
            TRY(link_content(w, place, i, e));
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

static enum err_code push_one(struct work *w, const struct image_place *place, size_t manifest,
                              struct push p, struct err *e)
{
    const struct archive_manifest *m = &w->p->verdict->manifests[manifest];
    struct pushed done;

    p.repo = &place->repo;
    p.actor = w->p->actor;
    p.own = !w->p->rights;
    p.bytes = m->bytes;
    p.content_type = str_of(m->media_type);
    p.digest = &m->digest;
    return gone_meanwhile(push_manifest(w->p->r, &p, &done, e), e);
}

/* One whose bytes are damaged is there. */
static enum err_code is_new(struct work *w, const struct repo_name *repo, const struct digest *d,
                            bool *ret_new, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *there = NULL;
    enum err_code code = meta_manifest_by_digest(w->p->r->meta, repo, d, &there, e);

    *ret_new = code == ERR_MANIFEST_UNKNOWN;
    return *ret_new || code == ERR_CORRUPT ? ERR_OK : code;
}

static enum err_code push_manifests(struct work *w, size_t at, struct err *e)
{
    const struct archive_verdict *v = w->p->verdict;
    const struct image_place *place = &w->p->plan->places[at];
    struct change *change = &w->changes[at];

    change->new_manifests = mem_alloc((v->n_manifests + 1) * sizeof(*change->new_manifests));
    for (size_t i = 0; i < v->n_manifests; i++) {
        bool new;

        if (!place->manifests[i])
            continue;
        TRY(is_new(w, &place->repo, &v->manifests[i].digest, &new, e));
        if (new)
            change->new_manifests[change->n_new_manifests++] = i;
        TRY(push_one(w, place, i, (struct push){.scan = w->p->scan}, e));
    }
    return ERR_OK;
}

/* ---- tags */

/* As they are before they are moved. */
static enum err_code note_tags(struct work *w, const struct image_place *place,
                               const struct image_plan_item *item, struct change *c, struct err *e)
{
    c->tags = mem_resize(c->tags, (c->n_tags + item->n_tags) * sizeof(*c->tags));
    for (size_t i = 0; i < item->n_tags; i++) {
        struct moved_tag t = {.tag = item->tags[i], .manifest = item->manifest};
        enum err_code code =
            meta_manifest_by_tag(w->p->r->meta, &place->repo, &t.tag, &t.before, NULL, e);

        t.lost = code == ERR_CORRUPT;
        if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN && !t.lost)
            return code;
        c->tags[c->n_tags++] = t;
    }
    return ERR_OK;
}

/* All tags of an image at once; an image after the other. */
static enum err_code tag_image(struct work *w, size_t at, const struct image_plan_item *item,
                               struct err *e)
{
    const struct image_place *place = &w->p->plan->places[at];
    const struct image_rights *rights = w->p->rights;
    AUTO(mem) bool *create_only = mem_zero(item->n_tags + 1);

    for (size_t i = 0; i < item->n_tags; i++)
        TRY(rights->may_tag(rights->ctx, &place->repo, &item->tags[i], &create_only[i], e));
    if (item->n_tags == 0)
        return ERR_OK;
    if (w->p->plan->n > 1 || place->n > 1) /* something may come behind them, and fail */
        TRY(note_tags(w, place, item, &w->changes[at], e));
    return push_one(
        w, place, item->manifest,
        (struct push){.tags = item->tags, .n_tags = item->n_tags, .create_only = create_only}, e);
}

static enum err_code set_tags(struct work *w, size_t at, struct err *e)
{
    const struct image_place *place = &w->p->plan->places[at];

    for (size_t i = 0; i < place->n; i++)
        TRY(tag_image(w, at, &place->items[i], e));
    return ERR_OK;
}

/* What somebody else has set since stays. */
static void put_tag_back(struct work *w, const struct repo_name *repo, const struct moved_tag *t)
{
    const struct digest *ours = &w->p->verdict->manifests[t->manifest].digest;
    AUTO(meta_manifest) struct meta_manifest *now = NULL;
    struct pushed done;
    int64_t version;

    if (t->lost ||
        meta_manifest_by_tag(w->p->r->meta, repo, &t->tag, &now, &version, ERR_IGNORED) != ERR_OK ||
        !digest_eq(&now->digest, ours))
        return;
    if (!t->before)
        (void)!remove_tag_at(w->p->r, repo, &t->tag, version, w->p->actor, ERR_IGNORED);
    else if (!digest_eq(&t->before->digest, ours))
        (void)!push_manifest(w->p->r,
                             &(struct push){.repo = repo,
                                            .bytes = t->before->bytes,
                                            .content_type = t->before->media_type,
                                            .digest = &t->before->digest,
                                            .tags = &t->tag,
                                            .n_tags = 1,
                                            .actor = w->p->actor,
                                            .match = {.given = true, .digests = ours, .n = 1}},
                             &done, ERR_IGNORED);
}

/* ---- before anything is linked */

/* A tag that may only be made, and is there. */
static enum err_code check_tag(struct work *w, const struct image_place *place,
                               const struct image_plan_item *item, const struct tag_name *tag,
                               bool create_only, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t version;

    if (!create_only ||
        meta_manifest_by_tag(w->p->r->meta, &place->repo, tag, &m, &version, ERR_IGNORED) !=
            ERR_OK ||
        digest_eq(&m->digest, &w->p->verdict->manifests[item->manifest].digest))
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "tag '%s' of %s exists, and you may not move it", tag->text,
                    place->repo.text);
}

static enum err_code check_tags(struct work *w, const struct image_place *place, struct err *e)
{
    const struct image_rights *rights = w->p->rights;
    bool create_only;

    for (size_t i = 0; i < place->n; i++) {
        const struct image_plan_item *item = &place->items[i];

        for (size_t t = 0; t < item->n_tags; t++) {
            TRY(rights->may_tag(rights->ctx, &place->repo, &item->tags[t], &create_only, e));
            TRY(check_tag(w, place, item, &item->tags[t], create_only, e));
        }
    }
    return ERR_OK;
}

/* Of contents that the repository does not have. */
static uint64_t needed_bytes(struct work *w, const struct image_place *place)
{
    const struct archive_verdict *v = w->p->verdict;
    uint64_t bytes = 0, size_bytes;

    for (size_t i = 0; i < v->n_blobs; i++) {
        if (place->blobs[i] && blob_look(w->p->r, &place->repo, &v->blobs[i].digest, &size_bytes,
                                         ERR_IGNORED) != ERR_OK)
            bytes += v->blobs[i].size_bytes;
    }
    return bytes;
}

/* Together: a namespace may have several of the repositories. */
static enum err_code check_quotas(struct work *w, struct err *e)
{
    AUTO(mem) struct quota_need *needs = mem_alloc((w->p->plan->n + 1) * sizeof(*needs));

    if (w->p->r->quotas->n == 0)
        return ERR_OK;
    for (size_t i = 0; i < w->p->plan->n; i++)
        needs[i] = (struct quota_need){.repo = &w->p->plan->places[i].repo,
                                       .bytes = needed_bytes(w, &w->p->plan->places[i])};
    return quota_has_room(w->p->r, needs, w->p->plan->n, e);
}

static enum err_code check_places(struct work *w, struct err *e)
{
    const struct image_rights *rights = w->p->rights;

    for (size_t i = 0; i < w->p->plan->n; i++)
        TRY(rights->may_push(rights->ctx, &w->p->plan->places[i].repo, e));
    for (size_t i = 0; i < w->p->plan->n; i++)
        TRY(check_tags(w, &w->p->plan->places[i], e));
    return check_quotas(w, e);
}

/* ---- all of it */

/* What others use meanwhile stays: the manifest that names it is there, or the tag. */
static void take_back_from(struct work *w, const struct repo_name *repo, struct change *c)
{
    const struct archive_verdict *v = w->p->verdict;

    for (size_t i = c->n_tags; i-- > 0;)
        put_tag_back(w, repo, &c->tags[i]);
    while (c->n_new_manifests > 0) {
        const struct archive_manifest *m = &v->manifests[c->new_manifests[--c->n_new_manifests]];

        (void)!remove_untagged(w->p->r, repo, &m->digest, w->p->actor, ERR_IGNORED);
    }
    while (c->n_new_blobs > 0)
        (void)!remove_link(w->p->r, repo, &v->blobs[c->new_blobs[--c->n_new_blobs]].digest,
                           ERR_IGNORED);
}

static void take_back(struct work *w)
{
    const struct image_source *source = w->p->source;

    if (source->take_back)
        source->take_back(source->ctx);
    for (size_t i = w->p->plan->n; i-- > 0;)
        take_back_from(w, &w->p->plan->places[i].repo, &w->changes[i]);
}

/* The tags last, of all repositories. */
static enum err_code store(struct work *w, struct err *e)
{
    for (size_t i = 0; i < w->p->plan->n; i++)
        TRY(link_blobs(w, i, e));
    for (size_t i = 0; i < w->p->plan->n; i++)
        TRY(push_manifests(w, i, e));
    if (w->p->source->before_tags)
        TRY(w->p->source->before_tags(w->p->source->ctx, e));
    for (size_t i = 0; i < w->p->plan->n; i++)
        TRY(set_tags(w, i, e));
    return ERR_OK;
}

enum err_code image_publish_check(const struct publishing *p, struct err *e)
{
    struct publishing copy = *p;
    struct work w = {.p = &copy};

    return check_places(&w, e);
}

enum err_code image_publish(struct publishing *p, struct err *e)
{
    AUTO(work) struct work w = {.p = p};
    enum err_code code;

    w.changes = mem_zero((p->plan->n + 1) * sizeof(*w.changes));
    w.linked = mem_zero((p->verdict->n_blobs + 1) * sizeof(*w.linked));
    code = store(&w, e);
    if (code != ERR_OK)
        take_back(&w);
    return code;
}
