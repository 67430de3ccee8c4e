#include "core/stray.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/project.h"
#include "core/removal.h"
#include "core/remove.h"

struct walk {
    struct registry *r;
    const struct stray_walk *w;
    int64_t before_ms;
};

static enum err_code is_unknown(struct registry *r, const struct store_item *item, bool *ret_is,
                                struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(r->meta, &item->repo, &item->digest, &m, e);

    *ret_is = code == ERR_MANIFEST_UNKNOWN;
    return *ret_is ? ERR_OK : code;
}

static enum err_code is_unlinked(struct registry *r, const struct store_item *item, bool *ret_is,
                                 struct err *e)
{
    const struct repo_name *repo = item->repo.n > 0 ? &item->repo : NULL;
    struct repo_name any;
    uint64_t size_bytes;
    bool waits;
    enum err_code code = repo ? meta_blob_stat(r->meta, repo, &item->digest, &size_bytes, e)
                              : meta_blob_find(r->meta, &item->digest, &any, &size_bytes, e);

    *ret_is = code == ERR_BLOB_UNKNOWN;
    if (!*ret_is)
        return code;
    TRY(removal_waits(r->meta, (struct meta_content){repo, &item->digest}, &waits, e));
    *ret_is = !waits;
    return ERR_OK;
}

static bool may_be(const struct walk *walk, const struct store_item *item)
{
    const struct stray_walk *w = walk->w;

    if (w->repo && !str_eq(repo_name_str(w->repo), repo_name_str(&item->repo)))
        return false;
    if (item->kind == STORE_TAG && item->digest.n == 0)
        return false;
    return item->modified_ms < walk->before_ms || (item->kind == STORE_TAG && w->age_ms == 0);
}

static enum err_code look_at(void *ctx, const struct store_item *item, struct err *e)
{
    const struct walk *walk = ctx;
    const struct stray_walk *w = walk->w;
    bool stray = may_be(walk, item);

    if (stray && item->kind == STORE_BLOB)
        TRY(is_unlinked(walk->r, item, &stray, e));
    else if (stray)
        TRY(is_unknown(walk->r, item, &stray, e));
    if (stray)
        TRY(w->found(w->ctx, item, e));
    return w->looked ? w->looked(w->ctx, e) : ERR_OK;
}

enum err_code stray_each(struct registry *r, const struct stray_walk *w, struct err *e)
{
    int64_t age_ms = (int64_t)conf_u64(&r->options->upload_timeout_ms);
    struct walk walk = {.r = r, .w = w};
    unsigned kinds = STORE_MANIFEST;

    if (w->age_ms > 0 && w->age_ms > age_ms)
        age_ms = w->age_ms;
    walk.before_ms = clock_wall_ms() - age_ms;
    if (w->blobs)
        kinds |= STORE_BLOB;
    if (w->tags)
        kinds |= STORE_TAG;
    return store_each(r->store, kinds, look_at, &walk, e);
}

enum err_code stray_remove(struct registry *r, const struct store_item *item, struct err *e)
{
    if (item->kind == STORE_TAG) {
        project_tag(r, &item->repo, &item->tag);
        return ERR_OK;
    }
    TRY(remove_manifest_content(r, &item->repo, &item->digest, e));
    return store_dropped(r->store, STORE_MANIFEST, &item->repo, e);
}

enum err_code stray_condemn(struct registry *r, const struct store_item *item, const char *why,
                            bool at_once, struct err *e)
{
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(&item->digest));
    struct meta_removal removal = removal_of(r, why, at_once);

    removal.size_bytes = item->size_bytes;
    return removal_condemn(r, &item->repo, &item->digest, removal, e);
}

static bool is_named(const struct stray_count *c, const struct repo_name *repo)
{
    for (size_t i = 0; i < c->n_repos; i++) {
        if (str_eq(repo_name_str(&c->repos[i]), repo_name_str(repo)))
            return true;
    }
    return false;
}

void stray_count_add(struct stray_count *c, const struct store_item *manifest)
{
    c->manifests++;
    c->bytes += manifest->size_bytes;
    if (is_named(c, &manifest->repo))
        return;
    if (c->n_repos < STRAY_REPOS_NAMED)
        c->repos[c->n_repos++] = manifest->repo;
    else
        c->more_repos = true;
}
