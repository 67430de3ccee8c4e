#include "core/stray.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/project.h"

struct walk {
    struct registry *r;
    const struct stray_walk *w;
    int64_t before_ms;
};

static enum err_code is_stray(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, bool *ret_is, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(r->meta, repo, d, &m, e);

    *ret_is = code == ERR_MANIFEST_UNKNOWN;
    return *ret_is ? ERR_OK : code;
}

static bool may_be(const struct walk *walk, const struct store_item *item)
{
    if (item->kind == STORE_TAG)
        return item->digest.n > 0;
    return item->modified_ms < walk->before_ms;
}

static enum err_code look_at(void *ctx, const struct store_item *item, struct err *e)
{
    const struct walk *walk = ctx;
    const struct stray_walk *w = walk->w;
    bool stray = may_be(walk, item);

    if (stray)
        TRY(is_stray(walk->r, &item->repo, &item->digest, &stray, e));
    if (stray)
        TRY(w->found(w->ctx, item, e));
    return w->looked ? w->looked(w->ctx, e) : ERR_OK;
}

enum err_code stray_each(struct registry *r, const struct stray_walk *w, struct err *e)
{
    struct walk walk = {
        .r = r,
        .w = w,
        .before_ms = clock_wall_ms() - (int64_t)conf_u64(&r->options->upload_timeout_ms),
    };

    return store_each(r->store, w->tags ? STORE_MANIFEST | STORE_TAG : STORE_MANIFEST, look_at,
                      &walk, e);
}

enum err_code stray_remove(struct registry *r, const struct store_item *item, struct err *e)
{
    AUTO(held) pthread_mutex_t *held = NULL;
    bool stray;

    if (item->kind == STORE_TAG) {
        project_tag(r, &item->repo, &item->tag);
        return ERR_OK;
    }
    held = locks_hold(&r->manifest_locks, STR_NONE, digest_str(&item->digest));
    TRY(is_stray(r, &item->repo, &item->digest, &stray, e));
    return stray ? store_manifest_delete(r->store, &item->repo, &item->digest, e) : ERR_OK;
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
