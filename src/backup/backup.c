#include "backup/backup.h"

#include "backup/backup_image.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/copy.h"
#include "core/migrate.h"

#include <stdio.h>
#include <time.h>

#define TRIES 10 /* while what was removed meanwhile is missing */

struct state {
    const struct backup *b;
    struct snapshot *snapshot; /* of this try */
    struct copy_counts copied;
    struct backup_counts counts;
    uint64_t removed; /* content that was removed since the snapshot was taken */
};

/* Sorts as it is later. */
static void name_of_now(struct tag_name *ret_tag)
{
    int64_t now_ms = clock_wall_ms();
    time_t now = (time_t)(now_ms / 1000);
    struct tm utc;
    char day[32];

    gmtime_r(&now, &utc);
    strftime(day, sizeof(day), "%Y%m%dT%H%M%S", &utc);
    ret_tag->n = (size_t)snprintf(ret_tag->text, sizeof(ret_tag->text), "%s.%03dZ", day,
                                  (int)(now_ms % 1000));
}

static void show_rows(void *ctx, enum migrate_step step, enum meta_row_kind kind, uint64_t done)
{
    const struct state *s = ctx;
    const char *what = step == MIGRATE_COPY ? "reading the metadata" : "verifying the metadata";

    (void)kind;
    if (s->b->progress)
        s->b->progress(s->b->ctx, what, done, 0);
}

static enum err_code take_metadata(struct state *s, struct err *e)
{
    struct migrate_count ignored[META_ROW_KINDS];
    struct migrate m = {.to = s->snapshot->meta, .progress = show_rows, .ctx = s};
    enum err_code code;
    bool resumed;

    TRY(migrate_name(s->b->meta, e));
    TRY(meta_snapshot(s->b->meta, &m.from, e));
    name_of_now(&s->counts.tag);
    code = migrate_run(&m, &resumed, ignored, e);
    meta_free(m.from);
    TRY(code);
    return migrate_name(s->snapshot->meta, e); /* so that a restore that was stopped goes on */
}

/* Its snapshots would lie among the registry's own images. */
static enum err_code check_name(const struct state *s, struct err *e)
{
    const struct repo_name ours = {sizeof(BACKUP_REPOSITORY) - 1, BACKUP_REPOSITORY};
    bool exists;

    TRY(meta_repo_exists(s->snapshot->meta, &ours, &exists, e));
    if (!exists)
        return ERR_OK;
    return err_set(e, ERR_CONFIG,
                   "the registry has a repository '" BACKUP_REPOSITORY
                   "', which is where a backup keeps its metadata: give that one another name");
}

static bool wanted(void *ctx, enum store_kind kind, const struct repo_name *repo,
                   const struct digest *d)
{
    const struct state *s = ctx;

    return snapshot_wants(s->snapshot, kind, repo, d);
}

static void show_copy(void *ctx, const struct copy_counts *c)
{
    const struct state *s = ctx;

    if (s->b->progress)
        s->b->progress(s->b->ctx, c->manifests ? "copying" : "listing", c->done, c->listed);
}

/* What can't be read is missing in the end, and told then. */
static enum err_code copy_content(struct state *s, struct err *e)
{
    const struct copy c = {.from = s->b->store,
                           .to = s->b->to,
                           .move_tags = true,
                           .wanted = wanted,
                           .progress = show_copy,
                           .ctx = s};
    struct copy_counts now;

    TRY(copy_run(&c, &now, e));
    s->copied.new_blobs += now.new_blobs;
    s->copied.new_manifests += now.new_manifests;
    return ERR_OK;
}

static enum err_code tell_missing(struct state *s, const struct repo_name *repo,
                                  const struct digest *d, const char *why)
{
    char text[REPO_NAME_MAX + DIGEST_TEXT_MAX + sizeof(((struct err *)0)->detail) + 64];

    s->counts.missing++;
    snprintf(text, sizeof(text), "%s: blob %s could not be saved: %s", repo->text, d->text, why);
    if (s->b->problem)
        s->b->problem(s->b->ctx, text);
    return ERR_OK;
}

/* It was removed since; or it is not listed, for no manifest names it or it waits to be moved to
 * its place; or the store has lost it. */
static enum err_code take_missing(void *ctx, const struct repo_name *repo, const struct digest *d,
                                  uint64_t size_bytes, struct err *e)
{
    struct state *s = ctx;
    const struct copy c = {.from = s->b->store, .to = s->b->to};
    enum err_code code = meta_blob_stat(s->b->meta, repo, d, &size_bytes, e);
    bool source;

    if (code == ERR_BLOB_UNKNOWN) {
        s->removed++;
        return ERR_OK;
    }
    TRY(code);
    code = copy_blob(&c, repo, d, size_bytes, &source, e);
    if (code != ERR_OK)
        return source && code != ERR_UNAVAILABLE ? tell_missing(s, repo, d, e->detail) : code;
    s->copied.new_blobs++;
    return ERR_OK;
}

static enum err_code try_backup(struct state *s, struct err *e)
{
    const struct snapshot_check check = {
        .snapshot = s->snapshot, .store = s->b->to, .lacks = take_missing, .ctx = s};

    s->counts = (struct backup_counts){.missing = 0};
    s->removed = 0;
    TRY(snapshot_open(s->snapshot, e));
    TRY(take_metadata(s, e));
    TRY(check_name(s, e));
    TRY(copy_content(s, e));
    TRY(snapshot_compare(&check, &s->counts, e));
    if (s->removed > 0)
        return ERR_OK;
    snapshot_close(s->snapshot);
    return backup_image_put(s->b->to, &s->counts.tag, s->snapshot->path, e);
}

enum err_code backup_run(const struct backup *b, struct backup_counts *ret_counts, struct err *e)
{
    struct state s = {.b = b};

    for (int i = 0; i < TRIES; i++) {
        AUTO(snapshot) struct snapshot snapshot = {0};

        snapshot_init(&snapshot, b->work);
        s.snapshot = &snapshot;
        TRY(try_backup(&s, e));
        if (s.removed > 0)
            continue;
        *ret_counts = s.counts;
        ret_counts->new_blobs = s.copied.new_blobs;
        ret_counts->new_manifests += s.copied.new_manifests;
        return ERR_OK;
    }
    return err_set(e, ERR_UNAVAILABLE,
                   "content was removed faster than it could be saved: try again later");
}
