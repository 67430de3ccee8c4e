#include "gc/orphans.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/manifest.h"
#include "core/stray.h"

#define BATCH        64 /* of one record of the journal */
#define BATCH_BYTES  (1u << 20)
#define ASK_EVERY    256
#define MANIFEST_MAX (64u << 20) /* the most that limits.manifest_bytes may be */

struct walk {
    const struct gc_orphans *o;
    struct store_item items[BATCH]; /* of one repository */
    size_t n, bytes;
    uint64_t looked;
    struct gc_entry entry;
};

/* ---- the journal */

/* With its bytes, for an undo, if they are those of a manifest. */
static bool write_bytes(struct walk *w, const struct store_item *item)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(manifest) struct manifest parsed = {0};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    const struct meta_name_list no_tags = {0};
    struct digest is;

    buf_init(&bytes, MANIFEST_MAX);
    if (store_manifest_get(w->o->registry->store, &item->repo, &item->digest, &bytes,
                           ERR_IGNORED) != ERR_OK)
        return false;
    digest_of(item->digest.algorithm, bytes.p, bytes.n, &is);
    if (!digest_eq(&is, &item->digest) ||
        manifest_parse(buf_str(&bytes), STR_NONE, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return false;
    m = meta_manifest_new(&item->digest, str_of(parsed.media_type), buf_str(&bytes));
    return gc_entry_manifest(&w->entry, m, &no_tags, META_WHY_UNKNOWN);
}

static enum err_code write_down(struct walk *w, struct err *e)
{
    char key[GC_KEY_SIZE];
    struct meta_op ops[2];
    size_t n = 1;

    gc_entry_begin(&w->entry, &w->items[0].repo);
    for (size_t i = 0; i < w->n; i++) {
        const struct store_item *item = &w->items[i];

        if (item->kind == STORE_BLOB)
            gc_entry_blob(&w->entry, &item->digest, item->size_bytes, META_WHY_UNKNOWN);
        else if (!write_bytes(w, item))
            gc_entry_lost(&w->entry, &item->digest, item->size_bytes, META_WHY_UNKNOWN);
    }
    w->o->next_key(w->o->ctx, key);
    ops[0] = meta_op_record_put(GC_JOURNAL, str_of(key), gc_entry_end(&w->entry), META_ABSENT);
    if (w->o->check)
        ops[n++] = *w->o->check;
    return meta_commit(w->o->registry->meta, ops, n, 0, NULL, e);
}

/* ---- taking away */

static enum err_code take_away(struct walk *w, const struct store_item *item, struct err *e)
{
    struct registry *r = w->o->registry;

    return item->kind == STORE_BLOB
               ? stray_condemn(r, item, gc_why_text(META_WHY_UNKNOWN), w->o->at_once, e)
               : stray_remove(r, item, e);
}

static enum err_code flush(struct walk *w, struct err *e)
{
    size_t n = w->n;

    if (n == 0)
        return ERR_OK;
    if (!w->o->dry_run)
        TRY(write_down(w, e));
    w->n = w->bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (!w->o->dry_run)
            TRY(take_away(w, &w->items[i], e));
        w->o->gone(w->o->ctx, &w->items[i]);
    }
    return w->o->go_on(w->o->ctx, e);
}

static enum err_code found(void *ctx, const struct store_item *item, struct err *e)
{
    struct walk *w = ctx;

    if (item->kind == STORE_TAG)
        return stray_remove(w->o->registry, item, e);
    if (w->n == BATCH || w->bytes > BATCH_BYTES ||
        (w->n > 0 && !str_eq(repo_name_str(&w->items[0].repo), repo_name_str(&item->repo))))
        TRY(flush(w, e));
    w->items[w->n++] = *item;
    w->bytes += item->kind == STORE_MANIFEST ? item->size_bytes : 0;
    return ERR_OK;
}

static enum err_code looked(void *ctx, struct err *e)
{
    struct walk *w = ctx;

    return ++w->looked % ASK_EVERY == 0 ? w->o->go_on(w->o->ctx, e) : ERR_OK;
}

/* What the server deletes by itself waits for gc.grace. */
static int64_t age_of(const struct gc_orphans *o)
{
    int64_t grace_ms = (int64_t)conf_u64(&o->registry->gc->grace_ms);

    return grace_ms > o->age_ms ? grace_ms : o->age_ms;
}

enum err_code gc_orphans(const struct gc_orphans *o, struct err *e)
{
    AUTO(mem) struct walk *w = NEW(struct walk);
    const struct stray_walk strays = {.blobs = true,
                                      .tags = !o->dry_run && !store_shared(o->registry->store),
                                      .age_ms = age_of(o),
                                      .repo = o->repo,
                                      .found = found,
                                      .looked = looked,
                                      .ctx = w};
    enum err_code code;

    w->o = o;
    code = stray_each(o->registry, &strays, e);
    if (code == ERR_OK)
        code = flush(w, e);
    buf_done(&w->entry.text);
    return code;
}
