#include "core/layer_lists.h"

#include "base/cleanup.h"
#include "core/own_repo.h"
#include "core/pull.h"
#include "core/remove.h"
#include "core/upload.h"
#include "jobs/jobs.h"

#define LISTS    STR("layer.lists")
#define REPO     OWN_REPO_PREFIX "layers"
#define FORGET   "layer-lists" /* the kind of job that forgets */
#define EVERY_MS (24 * 3600 * 1000)
#define RETRY_MS (10 * 60 * 1000)

static const struct repo_name repo = {sizeof(REPO) - 1, REPO};

/* ---- finding */

static enum err_code no_list(const struct digest *layer, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "there is no list of the files of %s", layer->text);
}

static enum err_code find_list(struct registry *r, const struct digest *layer,
                               struct digest *ret_list, struct err *e)
{
    AUTO(record) struct meta_record record = {0};

    TRY(meta_record_get(r->meta, LISTS, digest_str(layer), &record, e));
    return digest_parse(str_of(record.value), ret_list, e) == ERR_OK ? ERR_OK : no_list(layer, e);
}

enum err_code layer_lists_find(struct registry *r, const struct digest *layer, uint64_t max_bytes,
                               kept_list_want want, void *ctx, struct layer_files **ret_files,
                               struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    struct digest list;
    uint64_t unused;
    enum err_code code;

    TRY(find_list(r, layer, &list, e));
    code = store_blob_open(r->store, &repo, &list, UINT64_MAX, &in, &unused, e);
    if (code == ERR_OK)
        code = kept_list_read(in, digest_str(layer), max_bytes, want, ctx, ret_files, e);
    return code == ERR_BLOB_UNKNOWN || code == ERR_CORRUPT ? no_list(layer, e) : code;
}

bool layer_lists_has(struct registry *r, const struct digest *layer)
{
    struct digest list;
    uint64_t unused;

    return find_list(r, layer, &list, ERR_IGNORED) == ERR_OK &&
           store_blob_stat(r->store, &repo, &list, &unused, ERR_IGNORED) == ERR_OK;
}

/* ---- keeping */

static enum err_code append(void *ctx, const void *p, size_t n, struct err *e)
{
    return upload_write(ctx, p, n, e);
}

/* One of an earlier form, or damaged: a blob that is there is not written again. */
static void drop_old(struct registry *r, const struct digest *layer)
{
    struct digest list;

    if (find_list(r, layer, &list, ERR_IGNORED) == ERR_OK)
        (void)!remove_link(r, &repo, &list, ERR_IGNORED);
}

static enum err_code keep(struct registry *r, const struct digest *layer,
                          const struct layer_files *files, struct err *e)
{
    AUTO(upload) struct upload *u = NULL;
    struct digest list;
    struct meta_op op;

    TRY(registry_has_room(r, e));
    TRY(upload_open_alone(r, &repo, "", DIGEST_SHA256, &u, e));
    TRY(kept_list_write(files, digest_str(layer), append, u, e));
    upload_written(u, &list);
    drop_old(r, layer);
    op = meta_op_record_put(LISTS, digest_str(layer), digest_str(&list), META_ANY);
    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    return upload_finish(STEAL(u), &list, NULL, e);
}

/* ---- getting */

static enum err_code read_layer(struct registry *r, const struct layer_wanted *w,
                                struct layer_files **ret_files, struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    uint64_t unused;

    TRY(pull_blob(r, w->repo, w->digest, &in, &unused, e));
    return layer_read(in, &w->limits, w->go_on, w->ctx, ret_files, e);
}

/* Who reads it under other bounds refuses what these refuse. */
static enum err_code find_allowed(struct registry *r, const struct layer_wanted *w,
                                  struct layer_files **ret_files, struct err *e)
{
    AUTO(layer_files) struct layer_files *files = NULL;

    TRY(layer_lists_find(r, w->digest, w->limits.memory_bytes, NULL, NULL, &files, e));
    TRY(layer_limits_allow(&w->limits, layer_files_packed_bytes(files),
                           layer_files_unpacked_bytes(files), e));
    *ret_files = STEAL(files);
    return ERR_OK;
}

enum err_code layer_lists_get(struct registry *r, const struct layer_wanted *w,
                              struct layer_files **ret_files, enum err_code *ret_kept,
                              struct err *e)
{
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&r->layer_locks, digest_str(w->digest), STR(""));
    enum err_code code = find_allowed(r, w, ret_files, e);

    *ret_kept = ERR_OK;
    if (code != ERR_NOT_FOUND)
        return code;
    TRY(read_layer(r, w, ret_files, e));
    *ret_kept = keep(r, w->digest, *ret_files, ERR_IGNORED);
    return ERR_OK;
}

/* ---- forgetting */

static enum err_code forget_one(void *ctx, const struct meta_record *record, struct err *e)
{
    struct registry *r = ctx;
    struct digest layer, list;
    struct repo_name unused_repo;
    uint64_t unused;
    struct meta_op op;
    enum err_code code;

    if (digest_parse(str_of(record->key), &layer, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    code = meta_blob_find(r->meta, &layer, &unused_repo, &unused, e);
    if (code != ERR_BLOB_UNKNOWN)
        return code;
    if (digest_parse(str_of(record->value), &list, ERR_IGNORED) == ERR_OK) {
        code = remove_link(r, &repo, &list, e);
        if (code != ERR_OK && code != ERR_BLOB_UNKNOWN)
            return code;
    }
    op = meta_op_record_delete(LISTS, digest_str(&layer), record->version);
    code = meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code; /* it was pushed and read again */
}

enum err_code layer_lists_forget(struct registry *r, struct err *e)
{
    return meta_records_each(r->meta, LISTS, forget_one, r, e);
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    (void)job;
    return layer_lists_forget(ctx, e);
}

static int64_t every_ms(void *ctx)
{
    (void)ctx;
    return EVERY_MS;
}

void layer_lists_jobs(struct registry *r)
{
    const struct job_kind kind = {.name = FORGET,
                                  .run = run,
                                  .ctx = r,
                                  .retry_ms = RETRY_MS,
                                  .every_ms = every_ms,
                                  .first_ms = every_ms,
                                  .own = true};

    jobs_kind_add(r->jobs, &kind);
}
