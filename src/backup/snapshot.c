#include "backup/snapshot.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "core/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CACHE_BYTES (16u << 20)

void snapshot_init(struct snapshot *s, const char *work)
{
    AUTO(buf) struct buf path = {0};
    struct uuid id;

    uuid_make(&id);
    buf_init(&path, SIZE_MAX / 2);
    buf_addf(&path, "%s/registry-%s.sqlite", work, id.text);
    *s = (struct snapshot){.path = mem_strdup(buf_text(&path))};
}

enum err_code snapshot_open(struct snapshot *s, struct err *e)
{
    const struct meta_sqlite_options o = {
        .path = s->path, .read_connections = 1, .cache_bytes = CACHE_BYTES};

    return meta_sqlite_new(&o, &s->meta, e);
}

void snapshot_close(struct snapshot *s)
{
    meta_free(s->meta);
    s->meta = NULL;
}

static void remove_file(const struct snapshot *s, const char *suffix)
{
    AUTO(buf) struct buf path = {0};

    buf_init(&path, SIZE_MAX / 2);
    buf_add_text(&path, s->path);
    buf_add_text(&path, suffix);
    unlink(buf_text(&path));
}

void snapshot_done(struct snapshot *s)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    if (!s->path)
        return;
    snapshot_close(s);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        remove_file(s, suffixes[i]);
    free(s->path);
    *s = (struct snapshot){0};
}

static bool has_manifest(struct snapshot *s, const struct repo_name *repo, const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_digest(s->meta, repo, d, &m, ERR_IGNORED) == ERR_OK;
}

bool snapshot_wants(struct snapshot *s, enum store_kind kind, const struct repo_name *repo,
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

/* ---- comparing */

struct comparing {
    const struct snapshot_check *check;
    struct inventory there;
    struct backup_counts *counts;
};

static inline void auto_comparing_(struct comparing *c)
{
    inventory_done(&c->there);
}

static enum err_code parse(const struct meta_row *row, struct repo_name *ret_repo,
                           struct digest *ret_digest, struct err *e)
{
    TRY(repo_name_parse(row->texts[0], ret_repo, e));
    return digest_parse(row->texts[1], ret_digest, e);
}

static enum err_code compare_blob(struct comparing *c, const struct meta_row *row, struct err *e)
{
    const struct snapshot_check *check = c->check;
    const struct inventory_item *item;
    struct repo_name repo;
    struct digest d;

    TRY(parse(row, &repo, &d, e));
    item = inventory_find(
        &c->there.blobs,
        store_shared(check->store) ? INVENTORY_SHARED : inventory_repo(&c->there, &repo), &d);
    c->counts->blobs++;
    if (item && item->size_bytes == (uint64_t)row->ints[0])
        return ERR_OK;
    return check->lacks(check->ctx, &repo, &d, (uint64_t)row->ints[0], e);
}

static enum err_code compare_manifest(struct comparing *c, const struct meta_row *row,
                                      struct err *e)
{
    struct store *store = c->check->store;
    const struct inventory_item *item;
    struct repo_name repo;
    struct digest d;

    TRY(parse(row, &repo, &d, e));
    item = inventory_find(&c->there.manifests, inventory_repo(&c->there, &repo), &d);
    c->counts->manifests++;
    if (item && item->size_bytes == row->texts[4].n)
        return ERR_OK;
    c->counts->new_manifests++;
    return store_manifest_put(store, &repo, &d, row->texts[4], e);
}

static enum err_code compare_row(void *ctx, const struct meta_row *row, struct err *e)
{
    struct comparing *c = ctx;

    switch (row->kind) {
    case META_ROW_REPO:
        c->counts->repositories++;
        return ERR_OK;
    case META_ROW_TAG:
        c->counts->tags++;
        return ERR_OK;
    case META_ROW_BLOB:
        return compare_blob(c, row, e);
    default:
        return compare_manifest(c, row, e);
    }
}

enum err_code snapshot_compare(const struct snapshot_check *check, struct backup_counts *ret_counts,
                               struct err *e)
{
    static const enum meta_row_kind kinds[] = {META_ROW_REPO, META_ROW_BLOB, META_ROW_MANIFEST,
                                               META_ROW_TAG};
    AUTO(comparing) struct comparing c = {.check = check, .counts = ret_counts};

    TRY(inventory_load(check->store, NULL, NULL, &c.there, e));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        TRY(meta_rows_each(check->snapshot->meta, kinds[i], compare_row, &c, e));
    return store_sync(check->store, e);
}
