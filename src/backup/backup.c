#include "backup/backup.h"

#include "backup/backup_image.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/migrate.h"

#include <stdio.h>
#include <time.h>

#define TRIES 10 /* while what was removed meanwhile is missing */

struct state {
    const struct backup *b;
    struct snapshot *snapshot; /* of this try */
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
    backup_tell(&s->b->told, what, done, 0);
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

/* Was it removed since the snapshot was taken? */
static enum err_code gone(void *ctx, const struct repo_name *repo, const struct digest *d,
                          bool *ret_gone, struct err *e)
{
    struct state *s = ctx;
    uint64_t size_bytes;
    enum err_code code = meta_blob_stat(s->b->meta, repo, d, &size_bytes, e);

    *ret_gone = code == ERR_BLOB_UNKNOWN;
    s->removed += *ret_gone;
    return *ret_gone ? ERR_OK : code;
}

/* What earlier tries have copied stays counted. */
static enum err_code try_backup(struct state *s, struct err *e)
{
    const struct carry carry = {.snapshot = s->snapshot,
                                .from = s->b->store,
                                .to = s->b->to,
                                .tags = true,
                                .lost = "could not be saved",
                                .say_why = true,
                                .gone = gone,
                                .ctx = s,
                                .told = &s->b->told};

    s->counts = (struct backup_counts){.new_blobs = s->counts.new_blobs,
                                       .new_manifests = s->counts.new_manifests};
    s->removed = 0;
    TRY(snapshot_open(s->snapshot, e));
    TRY(take_metadata(s, e));
    TRY(check_name(s, e));
    TRY(carry_run(&carry, &s->counts, e));
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
        return ERR_OK;
    }
    return err_set(e, ERR_UNAVAILABLE,
                   "content was removed faster than it could be saved: try again later");
}
