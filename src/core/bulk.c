#include "core/bulk.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/pattern.h"
#include "core/event.h"
#include "core/event_log.h"

#include <pthread.h>
#include <stdlib.h>

#define PAGE    256
#define THREADS 8 /* one transaction each: a sync of SQLite serves several */

/* ---- looking */

static enum err_code look_at_tags(struct meta *m, const struct repo_name *repo,
                                  struct bulk_counts *c, struct err *e)
{
    struct tag_name after = {.n = 0};

    for (bool more = true; more;) {
        AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};

        TRY(meta_repo_tags(m, repo, tag_name_str(&after), PAGE, &l, e));
        c->tags += l.n;
        more = l.more && l.n > 0;
        if (more)
            after = l.rows[l.n - 1].name;
    }
    return ERR_OK;
}

static enum err_code look_at_manifests(struct meta *m, const struct repo_name *repo,
                                       struct bulk_counts *c, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    while (after) {
        AUTO(meta_repo_manifests) struct meta_repo_manifest_list l = {0};

        TRY(meta_repo_manifests(m, repo, str_of(after), PAGE, &l, e));
        c->manifests += l.n;
        free(after);
        after = STEAL(l.next);
    }
    return ERR_OK;
}

static void count_blob(struct bulk_counts *c, const struct meta_repo_blob *b)
{
    c->blobs++;
    if (b->shared)
        c->shared_bytes += b->size_bytes;
    else
        c->own_bytes += b->size_bytes;
    if (!b->shared && !b->named)
        c->reclaimable_bytes += b->size_bytes;
}

enum err_code bulk_look(struct meta *m, const struct repo_name *repo,
                        struct bulk_counts *ret_counts, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");
    struct bulk_counts c = {0};

    TRY(look_at_tags(m, repo, &c, e));
    TRY(look_at_manifests(m, repo, &c, e));
    while (after) {
        AUTO(meta_repo_blobs) struct meta_repo_blob_list l = {0};

        TRY(meta_repo_blobs(m, repo, str_of(after), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++)
            count_blob(&c, &l.rows[i]);
        free(after);
        after = STEAL(l.next);
    }
    *ret_counts = c;
    return ERR_OK;
}

/* ---- steps, side by side */

struct work {
    const struct bulk *b;
    const struct meta_repo_tag *tags; /* one of the three */
    const struct meta_repo_manifest *manifests;
    const struct meta_repo_blob *blobs;
    pthread_mutex_t lock; /* for what follows */
    struct bulk_counts done;
    uint64_t stayed; /* what is in use, or was changed meanwhile */
    enum err_code code;
    struct err first;
};

static void auto_work_(struct work *w)
{
    pthread_mutex_destroy(&w->lock);
}

static bool is_gone(enum err_code code)
{
    return code == ERR_OK || code == ERR_MANIFEST_UNKNOWN || code == ERR_BLOB_UNKNOWN;
}

static enum err_code remove_one(const struct work *w, size_t i, struct err *e)
{
    const struct bulk *b = w->b;

    if (w->tags)
        return remove_tag_at(b->registry, b->repo, &w->tags[i].name, w->tags[i].version, b->actor,
                             e);
    if (w->manifests)
        return remove_digest_by(b->registry, b->repo, &w->manifests[i].digest, b->actor,
                                b->may_untag, b->ctx, e);
    return b->soon ? remove_link_soon(b->registry, b->repo, &w->blobs[i].digest, e)
                   : remove_link(b->registry, b->repo, &w->blobs[i].digest, e);
}

static void step(void *ctx, size_t i)
{
    struct work *w = ctx;
    struct err e = {0};
    enum err_code code = remove_one(w, i, &e);

    pthread_mutex_lock(&w->lock);
    if (code == ERR_OK) {
        w->done.tags += w->tags != NULL;
        w->done.manifests += w->manifests != NULL;
        if (w->blobs)
            count_blob(&w->done, &w->blobs[i]);
    } else if (code == ERR_IN_USE || code == ERR_CONFLICT) {
        w->stayed++;
    } else if (!is_gone(code) && w->code == ERR_OK) {
        w->code = code;
        w->first = e;
    }
    pthread_mutex_unlock(&w->lock);
}

static enum err_code run_page(struct work *w, size_t n, struct err *e)
{
    parallel_each(n, THREADS, step, w);
    if (w->code != ERR_OK) {
        *e = w->first;
        return w->code;
    }
    if (w->b->go_on && !w->b->go_on(w->b->ctx, &w->done))
        return err_set(e, ERR_LATER, "stopped before all was deleted");
    return ERR_OK;
}

/* ---- a repository */

enum err_code bulk_may_untag(struct meta *m, const struct repo_name *repo, remove_tag_fn may_untag,
                             void *ctx, struct err *e)
{
    struct tag_name after = {.n = 0};

    for (bool more = may_untag != NULL; more;) {
        AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};

        TRY(meta_repo_tags(m, repo, tag_name_str(&after), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++)
            TRY(may_untag(ctx, &l.rows[i].name, e));
        more = l.more && l.n > 0;
        if (more)
            after = l.rows[l.n - 1].name;
    }
    return ERR_OK;
}

/* One look at all. An index goes before what it names, which is looked at again then. */
static enum err_code remove_manifests(struct work *w, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    while (after) {
        AUTO(meta_repo_manifests) struct meta_repo_manifest_list l = {0};

        TRY(meta_repo_manifests(w->b->registry->meta, w->b->repo, str_of(after), PAGE, &l, e));
        w->manifests = l.rows;
        TRY(run_page(w, l.n, e));
        free(after);
        after = STEAL(l.next);
    }
    w->manifests = NULL;
    return ERR_OK;
}

static enum err_code remove_blobs(struct work *w, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    while (after) {
        AUTO(meta_repo_blobs) struct meta_repo_blob_list l = {0};

        TRY(meta_repo_blobs(w->b->registry->meta, w->b->repo, str_of(after), PAGE, &l, e));
        w->blobs = l.rows;
        TRY(run_page(w, l.n, e));
        free(after);
        after = STEAL(l.next);
    }
    w->blobs = NULL;
    return ERR_OK;
}

static enum err_code remove_all(struct work *w, struct err *e)
{
    uint64_t before;

    do {
        before = w->done.manifests;
        w->stayed = 0;
        TRY(remove_manifests(w, e));
    } while (w->stayed > 0 && w->done.manifests > before);
    return remove_blobs(w, e);
}

static enum err_code check_exists(const struct bulk *b, struct err *e)
{
    bool exists;

    TRY(meta_repo_exists(b->registry->meta, b->repo, &exists, e));
    return exists ? ERR_OK : err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", b->repo->text);
}

/* Tags go with their manifests: so many did. */
static uint64_t tags_gone(const struct bulk *b, uint64_t before)
{
    struct bulk_counts now = {0};

    if (look_at_tags(b->registry->meta, b->repo, &now, ERR_IGNORED) != ERR_OK)
        return 0;
    return before > now.tags ? before - now.tags : 0;
}

/* Its parts went one by one, so this is told behind all of them. Nobody hears that it is gone
 * before: when it can't be told, who asked gets the error, and does the rest, this, again. */
static enum err_code tell_gone(const struct bulk *b, struct err *e)
{
    const struct event_origin by = {.actor = b->actor};
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;

    if (!events_of_pushes(b->registry, b->repo))
        return ERR_OK;
    op = event_repository_deleted(&ev, b->repo, &by);
    TRY(meta_commit(b->registry->meta, &op, 1, 0, NULL, e));
    event_log_wake(b->registry);
    return ERR_OK;
}

enum err_code bulk_remove_repo(const struct bulk *b, struct bulk_counts *ret_done, bool *ret_left,
                               struct err *e)
{
    AUTO(work) struct work w = {.b = b, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct bulk_counts before = {0};
    enum err_code code;

    TRY(check_exists(b, e));
    /* Before anything goes: nothing does when one of them may not. */
    TRY(bulk_may_untag(b->registry->meta, b->repo, b->may_untag, b->ctx, e));
    TRY(look_at_tags(b->registry->meta, b->repo, &before, e));
    code = remove_all(&w, e);
    w.done.tags = tags_gone(b, before.tags);
    *ret_done = w.done;
    *ret_left = w.stayed > 0 || code != ERR_OK;
    return *ret_left ? code : tell_gone(b, e);
}

/* ---- tags */

static bool is_meant(const struct bulk_tags *which, const struct meta_repo_tag *t)
{
    if (!pattern_matches(which->pattern, tag_name_str(&t->name)))
        return false;
    return which->before_ms == 0 || (t->pushed_ms > 0 && t->pushed_ms < which->before_ms);
}

static bool may_go(const struct bulk_tags *which, const struct meta_repo_tag *t)
{
    return !which->may_untag || which->may_untag(which->ctx, &t->name, ERR_IGNORED) == ERR_OK;
}

enum err_code bulk_tags_each(struct meta *m, const struct repo_name *repo,
                             const struct bulk_tags *which, bulk_tag_fn fn, void *ctx,
                             struct err *e)
{
    struct tag_name after = {.n = 0};

    for (bool more = true; more;) {
        AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};

        TRY(meta_repo_tags(m, repo, tag_name_str(&after), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++) {
            if (is_meant(which, &l.rows[i]))
                fn(ctx, &l.rows[i], may_go(which, &l.rows[i]));
        }
        more = l.more && l.n > 0;
        if (more)
            after = l.rows[l.n - 1].name;
    }
    return ERR_OK;
}

/* Those of a page that go come first; returns how many they are. */
static size_t pick(const struct bulk_tags *which, struct meta_repo_tag_list *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (is_meant(which, &l->rows[i]) && may_go(which, &l->rows[i]))
            l->rows[n++] = l->rows[i];
    }
    return n;
}

enum err_code bulk_remove_these(const struct bulk *b, const struct meta_repo_tag *tags, size_t n,
                                struct err *e)
{
    AUTO(work) struct work w = {.b = b, .lock = PTHREAD_MUTEX_INITIALIZER};

    for (size_t i = 0; i < n; i += PAGE) {
        w.tags = tags + i;
        TRY(run_page(&w, n - i < PAGE ? n - i : PAGE, e));
    }
    return ERR_OK;
}

enum err_code bulk_remove_tags(const struct bulk *b, const struct bulk_tags *which,
                               struct bulk_counts *ret_done, struct err *e)
{
    AUTO(work) struct work w = {.b = b, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct tag_name after = {.n = 0};
    enum err_code code = ERR_OK;

    for (bool more = true; more && code == ERR_OK;) {
        AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};

        TRY(meta_repo_tags(b->registry->meta, b->repo, tag_name_str(&after), PAGE, &l, e));
        more = l.more && l.n > 0;
        if (more)
            after = l.rows[l.n - 1].name;
        w.tags = l.rows;
        code = run_page(&w, pick(which, &l), e);
    }
    *ret_done = w.done;
    return code;
}
