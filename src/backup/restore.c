#include "backup/restore.h"

#include "backup/backup_image.h"
#include "base/cleanup.h"
#include "core/copy.h"
#include "core/migrate.h"

#include <stdio.h>

struct state {
    const struct restore *r;
    struct snapshot *snapshot;
    struct copy_counts copied;
    struct backup_counts counts;
};

static void show_rows(void *ctx, enum migrate_step step, enum meta_row_kind kind, uint64_t done)
{
    const struct state *s = ctx;
    const char *what = step == MIGRATE_COPY ? "restoring the metadata" : "verifying the metadata";

    (void)kind;
    if (s->r->progress)
        s->r->progress(s->r->ctx, what, done, 0);
}

/* Tags are put by the snapshot: the backup's own are those of its latest one. */
static bool wanted(void *ctx, enum store_kind kind, const struct repo_name *repo,
                   const struct digest *d)
{
    const struct state *s = ctx;

    return kind != STORE_TAG && snapshot_wants(s->snapshot, kind, repo, d);
}

static void show_copy(void *ctx, const struct copy_counts *c)
{
    const struct state *s = ctx;

    if (s->r->progress)
        s->r->progress(s->r->ctx, c->manifests ? "copying" : "listing", c->done, c->listed);
}

static enum err_code copy_content(struct state *s, struct err *e)
{
    const struct copy c = {.from = s->r->from,
                           .to = s->r->to,
                           .wanted = wanted,
                           .problem = NULL, /* what is left out is missing in the end */
                           .progress = show_copy,
                           .ctx = s};

    return copy_run(&c, &s->copied, e);
}

/* Not listed there by any manifest, or not there at all. */
static enum err_code take_missing(void *ctx, const struct repo_name *repo, const struct digest *d,
                                  uint64_t size_bytes, struct err *e)
{
    struct state *s = ctx;
    const struct copy c = {.from = s->r->from, .to = s->r->to};
    bool source;
    enum err_code code = copy_blob(&c, repo, d, size_bytes, &source, e);
    char text[REPO_NAME_MAX + DIGEST_TEXT_MAX + 64];

    if (code == ERR_OK) {
        s->copied.new_blobs++;
        return ERR_OK;
    }
    if (!source || code == ERR_UNAVAILABLE)
        return code;
    s->counts.missing++;
    snprintf(text, sizeof(text), "%s: blob %s is not in the backup, or damaged there", repo->text,
             d->text);
    if (s->r->problem)
        s->r->problem(s->r->ctx, text);
    return ERR_OK;
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

static enum err_code put_tags(struct state *s, struct err *e)
{
    TRY(meta_rows_each(s->snapshot->meta, META_ROW_TAG, put_tag, s->r->to, e));
    return store_sync(s->r->to, e);
}

enum err_code restore_run(const struct restore *r, struct backup_counts *ret_counts, struct err *e)
{
    AUTO(snapshot) struct snapshot snapshot = {0};
    struct state s = {.r = r, .snapshot = &snapshot, .counts = {.tag = *r->tag}};
    const struct snapshot_check check = {
        .snapshot = &snapshot, .store = r->to, .lacks = take_missing, .ctx = &s};
    struct migrate_count ignored[META_ROW_KINDS];
    struct migrate m = {.to = r->meta, .progress = show_rows, .ctx = &s};
    bool resumed;

    snapshot_init(&snapshot, r->work);
    TRY(backup_image_get(r->from, r->tag, snapshot.path, e));
    TRY(snapshot_open(&snapshot, e));
    m.from = snapshot.meta;
    TRY(migrate_begin(&m, e)); /* from here on no server starts on it */
    TRY(copy_content(&s, e));
    TRY(snapshot_compare(&check, &s.counts, e));
    TRY(put_tags(&s, e));
    TRY(migrate_run(&m, &resumed, ignored, e));
    *ret_counts = s.counts;
    ret_counts->new_blobs = s.copied.new_blobs;
    ret_counts->new_manifests += s.copied.new_manifests;
    return ERR_OK;
}
