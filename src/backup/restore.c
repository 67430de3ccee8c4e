#include "backup/restore.h"

#include "backup/backup_image.h"
#include "base/cleanup.h"
#include "core/migrate.h"
#include "core/owner.h"

static void show_rows(void *ctx, enum migrate_step step, enum meta_row_kind kind, uint64_t done)
{
    const struct restore *r = ctx;
    const char *what = step == MIGRATE_COPY ? "restoring the metadata" : "verifying the metadata";

    (void)kind;
    backup_tell(&r->told, what, done, 0);
}

static enum err_code put_tag(void *ctx, const struct meta_row *row, struct err *e)
{
    struct store *to = ctx;
    struct repo_name repo;
    struct tag_name tag;
    struct digest d;

    TRY(repo_name_parse(row->texts[0], &repo, e));
    TRY(tag_name_parse(row->texts[1], &tag, e));
    TRY(digest_parse(row->texts[2], &d, e));
    return store_tag_put(to, &repo, &tag, &d, e);
}

/* By the snapshot: the backup's own are those of its latest one. */
static enum err_code put_tags(const struct snapshot *s, struct store *to, struct err *e)
{
    TRY(meta_rows_each(s->meta, META_ROW_TAG, put_tag, to, e));
    return store_sync(to, e);
}

/* Another registry may serve what is there. */
static enum err_code check_owner(const struct restore *r, struct meta *snapshot, struct err *e)
{
    enum err_code code = r->take_over ? ERR_OK : owner_match(r->to, snapshot, e);

    return code == ERR_CONFIG
               ? err_prefix(e, "the store is not that of the backup (--take-over hands it over)")
               : code;
}

/* As a start of the server would. A store that can't be marked is served without. */
static enum err_code mark_owner(const struct restore *r, struct err *e)
{
    struct owner before, now;
    struct err unmarked;

    return r->take_over ? owner_take(r->to, r->meta, &before, &now, e)
                        : owner_claim(r->to, r->meta, &unmarked, e);
}

enum err_code restore_run(const struct restore *r, struct backup_counts *ret_counts, struct err *e)
{
    AUTO(snapshot) struct snapshot snapshot = {0};
    struct backup_counts counts = {.tag = *r->tag};
    const struct carry carry = {.snapshot = &snapshot,
                                .from = r->from,
                                .to = r->to,
                                .lost = "is not in the backup, or damaged there",
                                .told = &r->told};
    struct migrate_count ignored[META_ROW_KINDS];
    struct migrate m = {.to = r->meta, .progress = show_rows, .ctx = (void *)r};
    bool resumed;

    snapshot_init(&snapshot, r->work);
    TRY(backup_image_get(r->from, r->tag, snapshot.path, e));
    TRY(snapshot_open(&snapshot, e));
    m.from = snapshot.meta;
    TRY(check_owner(r, snapshot.meta, e));
    TRY(migrate_begin(&m, e)); /* from here on no server starts on it */
    TRY(carry_run(&carry, &counts, e));
    TRY(put_tags(&snapshot, r->to, e));
    TRY(migrate_run(&m, &resumed, ignored, e));
    TRY(mark_owner(r, e));
    *ret_counts = counts;
    return ERR_OK;
}
