#include "backup/prune.h"

#include "backup/backup_image.h"
#include "base/cleanup.h"
#include "core/inventory.h"

#include <stdlib.h>

/* Marks of items. */
enum { UNNAMED, NAMED };

struct state {
    const struct prune *p;
    struct inventory there;
    char **tags;
    size_t n_tags;
    struct prune_counts counts;
};

static inline void auto_state_(struct state *s)
{
    inventory_done(&s->there);
    while (s->n_tags > 0)
        free(s->tags[--s->n_tags]);
    free(s->tags);
}

static const struct repo_name ours = {sizeof(BACKUP_REPOSITORY) - 1, BACKUP_REPOSITORY};

/* ---- what is named */

static void name(struct inventory_list *l, uint32_t repo, const struct digest *d)
{
    struct inventory_item *item = inventory_find(l, repo, d);

    if (item)
        item->mark = NAMED;
}

static void name_blob(struct state *s, const struct repo_name *repo, const struct digest *d)
{
    name(&s->there.blobs,
         store_shared(s->p->place) ? INVENTORY_SHARED : inventory_repo(&s->there, repo), d);
}

static enum err_code name_row(void *ctx, const struct meta_row *row, struct err *e)
{
    struct state *s = ctx;
    struct repo_name repo;
    struct digest d;

    TRY(repo_name_parse(row->texts[0], &repo, e));
    TRY(digest_parse(row->texts[1], &d, e));
    if (row->kind == META_ROW_BLOB)
        name_blob(s, &repo, &d);
    else
        name(&s->there.manifests, inventory_repo(&s->there, &repo), &d);
    return ERR_OK;
}

/* The image of the snapshot itself. */
static void name_image(struct state *s, const struct manifest *m, const struct digest *d)
{
    name(&s->there.manifests, inventory_repo(&s->there, &ours), d);
    for (size_t i = 0; i < m->n_links; i++)
        name_blob(s, &ours, &m->links[i].digest);
}

static enum err_code name_all(struct state *s, const char *text, struct err *e)
{
    AUTO(snapshot) struct snapshot snapshot = {0};
    AUTO(manifest) struct manifest m = {0};
    struct tag_name tag;
    struct digest d;

    TRY(tag_name_parse(str_of(text), &tag, e));
    TRY(backup_image_look(s->p->place, &tag, &m, &d, e));
    name_image(s, &m, &d);
    snapshot_init(&snapshot, s->p->work);
    TRY(backup_image_read(s->p->place, &m, snapshot.path, e));
    TRY(snapshot_open(&snapshot, e));
    TRY(meta_rows_each(snapshot.meta, META_ROW_BLOB, name_row, s, e));
    return meta_rows_each(snapshot.meta, META_ROW_MANIFEST, name_row, s, e);
}

/* ---- removing the rest */

static enum err_code remove_backups(struct state *s, size_t n, struct err *e)
{
    struct tag_name tag;

    for (size_t i = 0; i < n; i++) {
        TRY(tag_name_parse(str_of(s->tags[i]), &tag, e));
        TRY(store_tag_delete(s->p->place, &ours, &tag, e));
        s->counts.backups++;
    }
    return store_tag_sync(s->p->place, &ours, e);
}

/* Tags that the registry had, which lead to what goes. */
static enum err_code remove_tags(struct state *s, struct err *e)
{
    const struct inventory *inv = &s->there;

    for (size_t i = 0; i < inv->n_tags; i++) {
        const struct repo_name *repo = &inv->repos[inv->tags[i].repo];
        const struct inventory_item *to = NULL;
        struct tag_name tag;
        struct digest d;

        if (inv->tags[i].to.algorithm != INVENTORY_NOWHERE) {
            inventory_digest(&inv->tags[i].to, &d);
            to = inventory_find(&inv->manifests, inv->tags[i].repo, &d);
        }
        if ((to && to->mark == NAMED) || str_eq(repo_name_str(repo), repo_name_str(&ours)))
            continue;
        TRY(tag_name_parse(str_of(inv->tags[i].name), &tag, e));
        TRY(store_tag_delete(s->p->place, repo, &tag, e));
    }
    return ERR_OK;
}

static enum err_code remove_manifests(struct state *s, struct err *e)
{
    const struct inventory_list *l = &s->there.manifests;

    for (size_t i = 0; i < l->n; i++) {
        struct digest d;

        backup_tell(&s->p->told, "removing manifests", i, l->n);
        if (l->items[i].mark == NAMED)
            continue;
        inventory_digest(&l->items[i], &d);
        TRY(store_manifest_delete(s->p->place, &s->there.repos[l->items[i].repo], &d, e));
        s->counts.manifests++;
    }
    return ERR_OK;
}

static enum err_code remove_blobs(struct state *s, struct err *e)
{
    const struct inventory_list *l = &s->there.blobs;

    for (size_t i = 0; i < l->n; i++) {
        const struct inventory_item *b = &l->items[i];
        struct digest d;

        backup_tell(&s->p->told, "removing blobs", i, l->n);
        if (b->mark == NAMED)
            continue;
        inventory_digest(b, &d);
        TRY(store_blob_delete(s->p->place,
                              b->repo == INVENTORY_SHARED ? &ours : &s->there.repos[b->repo], &d,
                              false, e));
        s->counts.blobs++;
        s->counts.bytes += b->size_bytes;
    }
    return ERR_OK;
}

enum err_code prune_run(const struct prune *p, struct prune_counts *ret_counts, struct err *e)
{
    AUTO(state) struct state s = {.p = p};
    size_t go;

    TRY(backup_image_list(p->place, &s.tags, &s.n_tags, e));
    go = s.n_tags > p->keep ? s.n_tags - p->keep : 0;
    TRY(inventory_load(p->place, NULL, NULL, &s.there, e));
    for (size_t i = go; i < s.n_tags; i++) {
        backup_tell(&p->told, "reading backups", i - go, s.n_tags - go);
        TRY(name_all(&s, s.tags[i], e));
    }
    TRY(remove_backups(&s, go, e));
    TRY(remove_tags(&s, e));
    TRY(remove_manifests(&s, e));
    TRY(remove_blobs(&s, e));
    *ret_counts = s.counts;
    return ERR_OK;
}
