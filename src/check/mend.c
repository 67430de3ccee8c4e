#include "check/mend.h"

#include "base/cleanup.h"
#include "check/again.h"
#include "check/mend_manifest.h"
#include "check/usage.h"
#include "core/project.h"
#include "core/quarantine.h"
#include "core/upload.h"
#include "jobs/jobs.h"

#include <stdio.h>
#include <string.h>

#define ACTOR      "check"
#define MOVES_PAGE 64

#define ATTEMPTS      5
#define RETRY_MS      2000
#define RETRY_MOST_MS 60000

/* ---- what is done */

static enum err_code mend_missing(struct registry *r, const struct check_finding *f, struct err *e)
{
    bool back;

    return quarantine_missing(r, &f->repo, &f->digest, &back, e);
}

static enum err_code mend_damaged(struct registry *r, const struct check_finding *f, struct err *e)
{
    uint64_t row_bytes = 0;
    struct repo_name has = f->repo;
    bool moved;
    enum err_code code = f->repo.n > 0
                             ? meta_blob_stat(r->meta, &f->repo, &f->digest, &row_bytes, e)
                             : meta_blob_find(r->meta, &f->digest, &has, &row_bytes, e);

    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK;
    TRY(code);
    return quarantine_blob(r, &has, &f->digest, row_bytes, &moved, e);
}

/* The database has its bytes, and they are whole. */
static enum err_code put_manifest(struct registry *r, const struct check_finding *f, struct err *e)
{
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&r->manifest_locks, STR_NONE, digest_str(&f->digest));
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(r->meta, &f->repo, &f->digest, &m, e);

    if (code == ERR_MANIFEST_UNKNOWN)
        return ERR_OK;
    TRY(code);
    if (f->code == CHECK_MANIFEST_DIFFERS) { /* what is there is else taken for it */
        code = store_manifest_delete(r->store, &f->repo, &f->digest, e);
        if (code != ERR_MANIFEST_UNKNOWN)
            TRY(code);
    }
    return store_manifest_put(r->store, &f->repo, &f->digest, m->bytes, e);
}

static enum err_code put_tag(struct registry *r, const struct check_finding *f, struct err *e)
{
    TRY(project_again(r, &f->repo, &f->tag, e));
    return store_tag_sync(r->store, &f->repo, e);
}

static enum err_code sweep(struct registry *r, const struct check_finding *f, struct err *e)
{
    (void)f;
    return upload_sweep(r, e);
}

static enum err_code mend_mode(struct registry *r, const struct check_finding *f, struct err *e)
{
    return store_mend(r->store, STORE_ODD_MODE, f->path, e);
}

static enum err_code remove_temp(struct registry *r, const struct check_finding *f, struct err *e)
{
    return store_mend(r->store, STORE_ODD_TEMP, f->path, e);
}

static enum err_code mend_row(struct registry *r, const struct check_finding *f, struct err *e)
{
    return mend_manifest(r, &f->repo, &f->digest, e);
}

/* Who was quicker has counted it, or made it say something else. */
static enum err_code recount(struct registry *r, const struct check_finding *f, struct err *e)
{
    struct meta_repo_sums said, counted;
    struct meta_op op;
    bool drifted;
    enum err_code code;

    TRY(usage_look(r->meta, &f->repo, &said, &counted, &drifted, e));
    if (!drifted)
        return ERR_OK;
    op = meta_op_repo_recount(&f->repo, said, counted);
    code = meta_commit(r->meta, &op, 1, 0, NULL, e);
    return code == ERR_CONFLICT || code == ERR_NAME_UNKNOWN ? ERR_OK : code;
}

/* As long as it leads nowhere: what somebody has set since stays. */
static enum err_code move_back(struct registry *r, const struct check_finding *f,
                               const struct digest *to, struct err *e)
{
    struct meta_op op = meta_op_tag_set(&f->repo, &f->tag, to, META_DANGLING);
    struct uuid holder;
    enum err_code code;

    op.actor = ACTOR;
    project_hold(r, &op, &holder);
    code = meta_commit(r->meta, &op, 1, 0, NULL, e);
    if (code == ERR_OK)
        project_tag(r, &f->repo, &f->tag);
    return code == ERR_CONFLICT ? ERR_OK : code;
}

/* To where it was last that is still there. */
static enum err_code move_tag(struct registry *r, const struct check_finding *f, struct err *e)
{
    int64_t below = INT64_MAX;
    AUTO(moves) struct meta_move_list page = {0};

    do {
        AUTO(moves) struct meta_move_list last = page;

        page = (struct meta_move_list){0};
        TRY(meta_moves(r->meta, &f->repo, &f->tag, below, MOVES_PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            enum err_code code;

            below = page.rows[i].version;
            if (page.rows[i].previous.n == 0)
                continue;
            code = move_back(r, f, &page.rows[i].previous, e);
            if (code != ERR_MANIFEST_UNKNOWN)
                return code;
        }
    } while (page.more && page.n > 0);
    return ERR_OK;
}

typedef enum err_code (*mend_fn)(struct registry *r, const struct check_finding *f, struct err *e);

static const mend_fn mends[CHECK_CODES] = {
    [CHECK_BLOB_MISSING] = mend_missing,     [CHECK_BLOB_SIZE] = mend_damaged,
    [CHECK_BLOB_CORRUPT] = mend_damaged,     [CHECK_MANIFEST_MISSING] = put_manifest,
    [CHECK_MANIFEST_DIFFERS] = put_manifest, [CHECK_TAG_MISSING] = put_tag,
    [CHECK_TAG_DIFFERS] = put_tag,           [CHECK_TAG_UNKNOWN] = put_tag,
    [CHECK_UPLOAD_ABANDONED] = sweep,        [CHECK_TEMP_LEFT] = remove_temp,
    [CHECK_PERMISSIONS] = mend_mode,         [CHECK_MANIFEST_DAMAGED] = mend_row,
    [CHECK_MANIFEST_EDGES] = mend_row,       [CHECK_USAGE_DRIFTED] = recount,
    [CHECK_TAG_DANGLING] = move_tag,
};

bool mend_can(enum check_code code, bool move_tags)
{
    return mends[code] != NULL && (move_tags || code != CHECK_TAG_DANGLING);
}

static enum err_code stands(struct registry *r, const struct check_finding *f, bool *ret_stands,
                            struct err *e)
{
    AUTO(again) struct again a = {0};

    TRY(again_begin(r, f, 1, &a, e));
    return again_stands(&a, f, ret_stands, e);
}

enum err_code mend_finding(struct registry *r, const struct check_finding *f, bool *ret_mended,
                           struct err *e)
{
    bool still = true;

    *ret_mended = false;
    if (!mends[f->code])
        return ERR_OK;
    TRY(stands(r, f, &still, e));
    if (still) {
        TRY(mends[f->code](r, f, e));
        if (f->code != CHECK_UPLOAD_ABANDONED)
            TRY(stands(r, f, &still, e));
    }
    *ret_mended = !still || f->code == CHECK_UPLOAD_ABANDONED;
    return ERR_OK;
}

/* ---- as jobs */

static const char *word(const char *text)
{
    return text && text[0] ? text : "-";
}

void mend_key(const struct check_finding *f, char dst[static MEND_KEY_MAX])
{
    snprintf(dst, MEND_KEY_MAX, "%s %s %s %s %s", check_kinds[f->code].name, word(f->repo.text),
             word(f->digest.text), word(f->tag.text), word(f->path));
}

static bool parse_code(struct str name, enum check_code *ret_code)
{
    for (size_t i = 0; i < CHECK_CODES; i++) {
        if (str_eq(name, str_of(check_kinds[i].name))) {
            *ret_code = (enum check_code)i;
            return true;
        }
    }
    return false;
}

static bool is_none(struct str s)
{
    return str_eq(s, STR("-"));
}

bool mend_key_parse(struct str key, struct check_finding *ret_finding, char *path, size_t path_cap)
{
    struct check_finding f = {.path = NULL};
    struct str code, repo, digest, tag;

    if (!str_cut(&key, ' ', &code) || !str_cut(&key, ' ', &repo) || !str_cut(&key, ' ', &digest) ||
        !str_cut(&key, ' ', &tag) || !parse_code(code, &f.code))
        return false;
    if ((!is_none(repo) && repo_name_parse(repo, &f.repo, ERR_IGNORED) != ERR_OK) ||
        (!is_none(digest) && digest_parse(digest, &f.digest, ERR_IGNORED) != ERR_OK) ||
        (!is_none(tag) && tag_name_parse(tag, &f.tag, ERR_IGNORED) != ERR_OK))
        return false;
    if (!is_none(key)) {
        if (!str_copy(key, path, path_cap))
            return false;
        f.path = path;
    }
    *ret_finding = f;
    return true;
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;
    struct check_finding f;
    char path[FINDING_SUBJECT_MAX];
    bool mended;

    if (!mend_key_parse(job_key(job), &f, path, sizeof(path)))
        return err_set(e, ERR_INTERNAL, "the key is no finding");
    if (!job_go_on(job_jobs(job), job))
        return err_set(e, ERR_LATER, "stopped");
    TRY(mend_finding(r, &f, &mended, e));
    return mended ? ERR_OK : err_set(e, ERR_INTERNAL, "it is still so");
}

void mend_jobs(struct registry *r)
{
    const struct job_kind kind = {.name = MEND_JOB,
                                  .run = run,
                                  .ctx = r,
                                  .attempts = ATTEMPTS,
                                  .retry_ms = RETRY_MS,
                                  .retry_most_ms = RETRY_MOST_MS};

    jobs_kind_add(r->jobs, &kind);
}
