/* One constructor for each kind of operation. */
#include "meta/meta.h"

#include "base/clock.h"

int64_t meta_op_time(const struct meta_op *op)
{
    return op->time_ms ? op->time_ms : clock_wall_ms();
}

struct meta_op meta_op_blob_link(const struct repo_name *repo, const struct digest *d,
                                 uint64_t size_bytes)
{
    return (struct meta_op){.kind = META_BLOB_LINK,
                            .blob_link = {.repo = repo, .digest = d, .size_bytes = size_bytes}};
}

struct meta_op meta_op_blob_unlink(const struct repo_name *repo, const struct digest *d,
                                   struct meta_removal removal)
{
    return (struct meta_op){.kind = META_BLOB_UNLINK,
                            .blob_unlink = {.repo = repo, .digest = d, .removal = removal}};
}

struct meta_op meta_op_blob_lose(const struct repo_name *repo, const struct digest *d)
{
    return (struct meta_op){.kind = META_BLOB_LOSE, .blob_unlink = {.repo = repo, .digest = d}};
}

struct meta_op meta_op_blob_check(const struct repo_name *repo, const struct digest *d)
{
    return (struct meta_op){.kind = META_BLOB_CHECK, .blob_check = {.repo = repo, .digest = d}};
}

struct meta_op meta_op_manifest_put(struct meta_manifest_put put)
{
    return (struct meta_op){.kind = META_MANIFEST_PUT, .manifest_put = put};
}

struct meta_op meta_op_manifest_delete(const struct repo_name *repo, const struct digest *d,
                                       int64_t seen_version)
{
    return (struct meta_op){
        .kind = META_MANIFEST_DELETE,
        .manifest_delete = {.repo = repo, .digest = d, .seen_version = seen_version}};
}

struct meta_op meta_op_tag_set(const struct repo_name *repo, const struct tag_name *tag,
                               const struct digest *d, int64_t expected_version)
{
    return (struct meta_op){
        .kind = META_TAG_SET,
        .tag_set = {.repo = repo, .tag = tag, .digest = d, .expected_version = expected_version}};
}

struct meta_op meta_op_tag_delete(const struct repo_name *repo, const struct tag_name *tag,
                                  int64_t expected_version)
{
    return (struct meta_op){
        .kind = META_TAG_DELETE,
        .tag_delete = {.repo = repo, .tag = tag, .expected_version = expected_version}};
}

struct meta_op meta_op_upload_take(const struct meta_upload *u, int64_t *ret_turn)
{
    return (struct meta_op){.kind = META_UPLOAD_TAKE,
                            .upload_take = {.upload = u, .ret_turn = ret_turn}};
}

struct meta_op meta_op_upload_finish(const struct meta_upload *u, const struct digest *d,
                                     int64_t finished_ms)
{
    return (struct meta_op){
        .kind = META_UPLOAD_FINISH,
        .upload_finish = {.upload = u, .digest = d, .finished_ms = finished_ms}};
}

struct meta_op meta_op_finished_prune(int64_t before_ms)
{
    return (struct meta_op){.kind = META_FINISHED_PRUNE,
                            .finished_prune = {.before_ms = before_ms}};
}

struct meta_op meta_op_projection_done(const struct repo_name *repo, const struct tag_name *tag,
                                       int64_t version)
{
    return (struct meta_op){.kind = META_PROJECTION_DONE,
                            .projection_done = {.repo = repo, .tag = tag, .version = version}};
}

struct meta_op meta_op_record_put(struct str collection, struct str key, struct str value,
                                  int64_t expected_version)
{
    return (struct meta_op){.kind = META_RECORD_PUT,
                            .record_put = {.collection = collection,
                                           .key = key,
                                           .value = value,
                                           .expected_version = expected_version}};
}

struct meta_op meta_op_record_append(struct str collection, struct str key, struct str value)
{
    struct meta_op op = meta_op_record_put(collection, key, value, META_ANY);

    op.record_put.stamped = true;
    return op;
}

struct meta_op meta_op_record_delete(struct str collection, struct str key,
                                     int64_t expected_version)
{
    return (struct meta_op){.kind = META_RECORD_DELETE,
                            .record_delete = {.collection = collection,
                                              .key = key,
                                              .expected_version = expected_version}};
}

struct meta_op meta_op_record_check(struct str collection, struct str key)
{
    return (struct meta_op){.kind = META_RECORD_CHECK,
                            .record_check = {.collection = collection, .key = key}};
}

struct meta_op meta_op_audit_add(const struct meta_audit *entry)
{
    return (struct meta_op){.kind = META_AUDIT_ADD, .audit_add = {.entry = entry}};
}

struct meta_op meta_op_audit_prune(int64_t before_ms)
{
    return (struct meta_op){.kind = META_AUDIT_PRUNE, .audit_prune = {.before_ms = before_ms}};
}

struct meta_op meta_op_moves_prune(int64_t before_ms)
{
    return (struct meta_op){.kind = META_MOVES_PRUNE, .moves_prune = {.before_ms = before_ms}};
}

struct meta_op meta_op_quota_check(struct str space, uint64_t max_bytes, uint64_t max_tags)
{
    return (struct meta_op){
        .kind = META_QUOTA_CHECK,
        .quota_check = {.space = space, .max_bytes = max_bytes, .max_tags = max_tags}};
}

struct meta_op meta_op_row_add(const struct meta_row *row)
{
    return (struct meta_op){.kind = META_ROW_ADD, .row_add = {.row = row}};
}

struct meta_op meta_op_job_add(struct meta_job_add add)
{
    return (struct meta_op){.kind = META_JOB_ADD, .job_add = add};
}

struct meta_op meta_op_job_take(struct str kind, struct str key, int64_t turn, struct str holder,
                                int64_t now_ms)
{
    return (struct meta_op){
        .kind = META_JOB_TAKE,
        .job = {.kind = kind, .key = key, .turn = turn, .holder = holder, .now_ms = now_ms}};
}

struct meta_op meta_op_job_check(struct str kind, struct str key, int64_t turn)
{
    return (struct meta_op){.kind = META_JOB_CHECK,
                            .job = {.kind = kind, .key = key, .turn = turn}};
}

struct meta_op meta_op_job_note(struct str kind, struct str key, int64_t turn, struct str note)
{
    return (struct meta_op){.kind = META_JOB_NOTE,
                            .job = {.kind = kind, .key = key, .turn = turn, .note = note}};
}

struct meta_op meta_op_job_end(struct meta_job_end end)
{
    return (struct meta_op){.kind = META_JOB_END, .job_end = end};
}

struct meta_op meta_op_job_retry(struct str kind, struct str key, int64_t now_ms)
{
    return (struct meta_op){.kind = META_JOB_RETRY,
                            .job = {.kind = kind, .key = key, .now_ms = now_ms}};
}

struct meta_op meta_op_job_cancel(struct str kind, struct str key)
{
    return (struct meta_op){.kind = META_JOB_CANCEL, .job = {.kind = kind, .key = key}};
}

struct meta_op meta_op_condemn(struct meta_verdict v, bool *ret_done)
{
    return (struct meta_op){.kind = META_CONDEMN, .condemn = {.verdict = v, .ret_done = ret_done}};
}

struct meta_op meta_op_revive(const struct repo_name *repo, enum meta_item_kind kind,
                              const struct digest *d)
{
    return (struct meta_op){.kind = META_REVIVE,
                            .revive = {.repo = repo, .kind = kind, .digest = d, .why = -1}};
}

struct meta_op meta_op_condemn_anew(const struct repo_name *repo, const struct digest *d,
                                    int64_t since_ms)
{
    struct meta_op op = meta_op_revive(repo, META_ITEM_MANIFEST, d);

    op.revive.since_ms = since_ms;
    return op;
}

struct meta_op meta_op_revive_by(const struct repo_name *repo, const struct digest *d,
                                 enum meta_why why, const struct digest *by, bool *ret_done)
{
    struct meta_op op = meta_op_revive(repo, META_ITEM_MANIFEST, d);

    op.revive.why = (int)why;
    op.revive.by = by;
    op.revive.ret_done = ret_done;
    return op;
}

struct meta_op meta_op_condemned_unlink(const struct repo_name *repo, const struct digest *d,
                                        struct meta_removal removal, int64_t until_ms)
{
    struct meta_op op = meta_op_blob_unlink(repo, d, removal);

    op.blob_unlink.if_condemned = true;
    op.blob_unlink.until_ms = until_ms;
    return op;
}

struct meta_op meta_op_condemned_delete(const struct repo_name *repo, const struct digest *d,
                                        int64_t seen_version, int64_t until_ms)
{
    struct meta_op op = meta_op_manifest_delete(repo, d, seen_version);

    op.manifest_delete.if_condemned = true;
    op.manifest_delete.until_ms = until_ms;
    return op;
}

struct meta_op meta_op_content_condemn(struct meta_content c, struct meta_removal removal)
{
    return (struct meta_op){.kind = META_CONTENT_CONDEMN,
                            .content = {.what = c, .removal = removal}};
}

struct meta_op meta_op_content_gone(struct meta_content c, int64_t since_ms, int64_t number,
                                    int64_t now_ms, bool *ret_gone)
{
    return (struct meta_op){.kind = META_CONTENT_GONE,
                            .content = {.what = c,
                                        .since_ms = since_ms,
                                        .number = number,
                                        .now_ms = now_ms,
                                        .ret_gone = ret_gone}};
}

struct meta_op meta_op_content_back(struct meta_content c, int64_t number, int64_t now_ms)
{
    return (struct meta_op){.kind = META_CONTENT_BACK,
                            .content = {.what = c, .number = number, .now_ms = now_ms}};
}

struct meta_op meta_op_content_deleted(struct meta_content c, int64_t number, int64_t now_ms,
                                       bool forget)
{
    return (struct meta_op){
        .kind = META_CONTENT_DELETED,
        .content = {.what = c, .number = number, .now_ms = now_ms, .forget = forget}};
}

struct meta_op meta_op_content_prune(int64_t before_ms)
{
    return (struct meta_op){.kind = META_CONTENT_PRUNE, .content = {.before_ms = before_ms}};
}

struct meta_op meta_op_repo_recount(const struct repo_name *repo, struct meta_repo_sums seen,
                                    struct meta_repo_sums counted)
{
    return (struct meta_op){.kind = META_REPO_RECOUNT,
                            .repo_recount = {.repo = repo, .seen = seen, .counted = counted}};
}

struct meta_op meta_op_repo_delete(const struct repo_name *repo, bool *ret_done)
{
    return (struct meta_op){.kind = META_REPO_DELETE,
                            .repo_delete = {.repo = repo, .ret_done = ret_done}};
}

struct meta_op meta_op_manifest_mend(struct meta_manifest_put put)
{
    return (struct meta_op){.kind = META_MANIFEST_MEND, .manifest_put = put};
}
