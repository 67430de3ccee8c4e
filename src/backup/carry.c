#include "backup/carry.h"

#include "base/cleanup.h"
#include "core/copy.h"
#include "core/inventory.h"

#include <stdio.h>

static bool has_manifest(struct snapshot *s, const struct repo_name *repo, const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_digest(s->meta, repo, d, &m, ERR_IGNORED) == ERR_OK;
}

static bool names(struct snapshot *s, enum store_kind kind, const struct repo_name *repo,
                  const struct digest *d)
{
    struct repo_name any;
    uint64_t size;

    if (d->n == 0)
        return false;
    if (kind != STORE_BLOB)
        return has_manifest(s, repo, d);
    return (repo ? meta_blob_stat(s->meta, repo, d, &size, ERR_IGNORED)
                 : meta_blob_find(s->meta, d, &any, &size, ERR_IGNORED)) == ERR_OK;
}

struct state {
    const struct carry *c;
    struct inventory there; /* what `to` has once all was copied */
    struct backup_counts *counts;
};

static inline void auto_state_(struct state *s)
{
    inventory_done(&s->there);
}

static bool wanted(void *ctx, enum store_kind kind, const struct repo_name *repo,
                   const struct digest *d)
{
    const struct state *s = ctx;

    return (kind != STORE_TAG || s->c->tags) && names(s->c->snapshot, kind, repo, d);
}

void backup_tell(const struct backup_told *told, const char *what, uint64_t done, uint64_t all)
{
    if (told->progress)
        told->progress(told->ctx, what, done, all);
}

static void show_copy(void *ctx, const struct copy_counts *c)
{
    const struct state *s = ctx;

    backup_tell(s->c->told, c->manifests ? "copying" : "listing", c->done, c->listed);
}

/* What can't be read is missing in the end, and told then. */
static enum err_code copy_content(struct state *s, struct err *e)
{
    const struct copy copy = {.from = s->c->from,
                              .to = s->c->to,
                              .move_tags = s->c->tags,
                              .wanted = wanted,
                              .progress = show_copy,
                              .ctx = s};
    struct copy_counts copied;

    TRY(copy_run(&copy, &copied, e));
    s->counts->new_blobs += copied.new_blobs;
    s->counts->new_manifests += copied.new_manifests;
    return ERR_OK;
}

static void tell_missing(struct state *s, const struct repo_name *repo, const struct digest *d,
                         const struct err *why)
{
    const struct backup_told *told = s->c->told;
    char text[REPO_NAME_MAX + DIGEST_TEXT_MAX + sizeof(why->detail) + 64];

    s->counts->missing++;
    snprintf(text, sizeof(text), "%s: blob %s %s%s%s", repo->text, d->text, s->c->lost,
             s->c->say_why ? ": " : "", s->c->say_why ? why->detail : "");
    if (told->problem)
        told->problem(told->ctx, text);
}

/* It is not listed, for no manifest names it or it waits to be moved to its place; or it is lost.
 */
static enum err_code take_missing(struct state *s, const struct repo_name *repo,
                                  const struct digest *d, uint64_t size_bytes, struct err *e)
{
    const struct copy copy = {.from = s->c->from, .to = s->c->to};
    bool gone = false, source;
    enum err_code code;

    if (s->c->gone)
        TRY(s->c->gone(s->c->ctx, repo, d, &gone, e));
    if (gone)
        return ERR_OK;
    code = copy_blob(&copy, repo, d, size_bytes, &source, e);
    if (code != ERR_OK && (!source || code == ERR_UNAVAILABLE))
        return code;
    if (code == ERR_OK)
        s->counts->new_blobs++;
    else
        tell_missing(s, repo, d, e);
    return ERR_OK;
}

static enum err_code parse(const struct meta_row *row, struct repo_name *ret_repo,
                           struct digest *ret_digest, struct err *e)
{
    TRY(repo_name_parse(row->texts[0], ret_repo, e));
    return digest_parse(row->texts[1], ret_digest, e);
}

static enum err_code compare_blob(struct state *s, const struct meta_row *row, struct err *e)
{
    uint64_t size_bytes = (uint64_t)row->ints[0];
    const struct inventory_item *item;
    struct repo_name repo;
    struct digest d;

    TRY(parse(row, &repo, &d, e));
    item = inventory_find(
        &s->there.blobs,
        store_shared(s->c->to) ? INVENTORY_SHARED : inventory_repo(&s->there, &repo), &d);
    s->counts->blobs++;
    return item && item->size_bytes == size_bytes ? ERR_OK
                                                  : take_missing(s, &repo, &d, size_bytes, e);
}

static enum err_code compare_manifest(struct state *s, const struct meta_row *row, struct err *e)
{
    const struct inventory_item *item;
    struct repo_name repo;
    struct digest d;

    TRY(parse(row, &repo, &d, e));
    item = inventory_find(&s->there.manifests, inventory_repo(&s->there, &repo), &d);
    s->counts->manifests++;
    if (item && item->size_bytes == row->texts[4].n)
        return ERR_OK;
    s->counts->new_manifests++;
    return store_manifest_put(s->c->to, &repo, &d, row->texts[4], e);
}

static enum err_code compare_row(void *ctx, const struct meta_row *row, struct err *e)
{
    struct state *s = ctx;

    switch (row->kind) {
    case META_ROW_REPO:
        s->counts->repositories++;
        return ERR_OK;
    case META_ROW_TAG:
        s->counts->tags++;
        return ERR_OK;
    case META_ROW_BLOB:
        return compare_blob(s, row, e);
    default:
        return compare_manifest(s, row, e);
    }
}

enum err_code carry_run(const struct carry *c, struct backup_counts *counts, struct err *e)
{
    static const enum meta_row_kind kinds[] = {META_ROW_REPO, META_ROW_BLOB, META_ROW_MANIFEST,
                                               META_ROW_TAG};
    AUTO(state) struct state s = {.c = c, .counts = counts};

    TRY(copy_content(&s, e));
    TRY(inventory_load(c->to, NULL, NULL, &s.there, e));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        TRY(meta_rows_each(c->snapshot->meta, kinds[i], compare_row, &s, e));
    return store_sync(c->to, e);
}
