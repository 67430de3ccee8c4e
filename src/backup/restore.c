#include "backup/restore.h"

#include "backup/backup_image.h"
#include "base/cleanup.h"
#include "core/migrate.h"

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
    TRY(migrate_begin(&m, e)); /* from here on no server starts on it */
    TRY(carry_run(&carry, &counts, e));
    TRY(put_tags(&snapshot, r->to, e));
    TRY(migrate_run(&m, &resumed, ignored, e));
    *ret_counts = counts;
    return ERR_OK;
}
