/* Fails the n-th call, for torture tests. A call that fails does not reach the inner meta. */
#include "base/mem.h"
#include "meta/meta.h"

#include <stdlib.h>

struct fault {
    struct meta meta;
    struct meta *inner;
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t n; /* 0: none */
    atomic_int code;
};

static struct fault *fault_of(struct meta *m)
{
    return (struct fault *)m;
}

static struct meta *inner_of(struct meta *m)
{
    return fault_of(m)->inner;
}

static enum err_code pass(struct meta *m, struct err *e)
{
    struct fault *f = fault_of(m);
    uint64_t call = atomic_fetch_add(&f->calls, 1) + 1;

    if (call != atomic_load(&f->n))
        return ERR_OK;
    return err_set(e, (enum err_code)atomic_load(&f->code), "fault injected into call %llu",
                   (unsigned long long)call);
}

static enum err_code fault_commit(struct meta *m, const struct meta_op *ops, size_t n_ops,
                                  unsigned flags, size_t *ret_failed, struct err *e)
{
    enum err_code code = pass(m, e);

    if (code != ERR_OK) {
        *ret_failed = n_ops;
        return code;
    }
    return meta_commit(inner_of(m), ops, n_ops, flags, ret_failed, e);
}

static enum err_code fault_manifest_by_tag(struct meta *m, const struct repo_name *repo,
                                           const struct tag_name *tag,
                                           struct meta_manifest **ret_manifest,
                                           int64_t *ret_version, struct err *e)
{
    TRY(pass(m, e));
    return meta_manifest_by_tag(inner_of(m), repo, tag, ret_manifest, ret_version, e);
}

static enum err_code fault_manifest_by_digest(struct meta *m, const struct repo_name *repo,
                                              const struct digest *d,
                                              struct meta_manifest **ret_manifest, struct err *e)
{
    TRY(pass(m, e));
    return meta_manifest_by_digest(inner_of(m), repo, d, ret_manifest, e);
}

/* Can't fail, and does not count. */
static struct meta_manifest *fault_manifest_peek(struct meta *m, const struct repo_name *repo,
                                                 struct str reference)
{
    return meta_manifest_peek(inner_of(m), repo, reference);
}

static enum err_code fault_blob_stat(struct meta *m, const struct repo_name *repo,
                                     const struct digest *d, uint64_t *ret_size_bytes,
                                     struct err *e)
{
    TRY(pass(m, e));
    return meta_blob_stat(inner_of(m), repo, d, ret_size_bytes, e);
}

static enum err_code fault_blob_find(struct meta *m, const struct digest *d,
                                     struct repo_name *ret_repo, uint64_t *ret_size_bytes,
                                     struct err *e)
{
    TRY(pass(m, e));
    return meta_blob_find(inner_of(m), d, ret_repo, ret_size_bytes, e);
}

static enum err_code fault_repo_exists(struct meta *m, const struct repo_name *repo,
                                       bool *ret_exists, struct err *e)
{
    TRY(pass(m, e));
    return meta_repo_exists(inner_of(m), repo, ret_exists, e);
}

static enum err_code fault_repos(struct meta *m, struct str after, size_t limit,
                                 struct meta_name_list *ret_list, struct err *e)
{
    TRY(pass(m, e));
    return meta_repos(inner_of(m), after, limit, ret_list, e);
}

static enum err_code fault_tags(struct meta *m, const struct repo_name *repo, struct str after,
                                size_t limit, struct meta_name_list *ret_list, struct err *e)
{
    TRY(pass(m, e));
    return meta_tags(inner_of(m), repo, after, limit, ret_list, e);
}

static enum err_code fault_referrers(struct meta *m, const struct repo_name *repo,
                                     const struct digest *subject, struct str artifact_type,
                                     struct str after, size_t limit,
                                     struct meta_referrer_list *ret_list, struct err *e)
{
    TRY(pass(m, e));
    return meta_referrers(inner_of(m), repo, subject, artifact_type, after, limit, ret_list, e);
}

static enum err_code fault_upload_get(struct meta *m, const struct uuid *id,
                                      struct meta_upload *ret_upload, struct err *e)
{
    TRY(pass(m, e));
    return meta_upload_get(inner_of(m), id, ret_upload, e);
}

static enum err_code fault_uploads_each(struct meta *m, int64_t started_before_ms,
                                        meta_upload_fn fn, void *ctx, struct err *e)
{
    TRY(pass(m, e));
    return meta_uploads_each(inner_of(m), started_before_ms, fn, ctx, e);
}

static enum err_code fault_projections(struct meta *m, struct meta_projection *ret_rows, size_t cap,
                                       size_t *ret_n, struct err *e)
{
    TRY(pass(m, e));
    return meta_projections(inner_of(m), ret_rows, cap, ret_n, e);
}

static enum err_code fault_record_get(struct meta *m, struct str collection, struct str key,
                                      struct meta_record *ret_record, struct err *e)
{
    TRY(pass(m, e));
    return meta_record_get(inner_of(m), collection, key, ret_record, e);
}

static enum err_code fault_records(struct meta *m, struct str collection, struct str after,
                                   size_t limit, struct meta_record_list *ret_list, struct err *e)
{
    TRY(pass(m, e));
    return meta_records(inner_of(m), collection, after, limit, ret_list, e);
}

static enum err_code fault_audit(struct meta *m, const struct meta_audit_filter *filter,
                                 size_t limit, struct meta_audit_list *ret_list, struct err *e)
{
    TRY(pass(m, e));
    return meta_audit(inner_of(m), filter, limit, ret_list, e);
}

static enum err_code fault_usage(struct meta *m, struct str space, struct meta_usage *ret_usage,
                                 struct err *e)
{
    TRY(pass(m, e));
    return meta_usage(inner_of(m), space, ret_usage, e);
}

static enum err_code fault_health(struct meta *m, struct err *e)
{
    TRY(pass(m, e));
    return meta_health(inner_of(m), e);
}

static void fault_free(struct meta *m)
{
    meta_free(inner_of(m));
    free(m);
}

static const struct meta_driver fault_driver = {
    .name = "fault",
    .commit = fault_commit,
    .manifest_by_tag = fault_manifest_by_tag,
    .manifest_by_digest = fault_manifest_by_digest,
    .manifest_peek = fault_manifest_peek,
    .blob_stat = fault_blob_stat,
    .blob_find = fault_blob_find,
    .repo_exists = fault_repo_exists,
    .repos = fault_repos,
    .tags = fault_tags,
    .referrers = fault_referrers,
    .upload_get = fault_upload_get,
    .uploads_each = fault_uploads_each,
    .projections = fault_projections,
    .record_get = fault_record_get,
    .records = fault_records,
    .audit = fault_audit,
    .usage = fault_usage,
    .health = fault_health,
    .free = fault_free,
};

struct meta *meta_fault_new(struct meta *inner)
{
    struct fault *f = NEW(struct fault);

    f->meta.driver = &fault_driver;
    f->inner = inner;
    return &f->meta;
}

void meta_fault_arm(struct meta *fault, uint64_t n, enum err_code code)
{
    struct fault *f = fault_of(fault);

    atomic_store(&f->code, (int)code);
    atomic_store(&f->calls, 0);
    atomic_store(&f->n, n);
}

uint64_t meta_fault_calls(const struct meta *fault)
{
    return atomic_load(&((struct fault *)(void *)fault)->calls);
}
