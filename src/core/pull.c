#include "core/pull.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/blob.h"
#include "core/verify.h"
#include "meta/referrer_tag.h"

#define PUT_OFF_MS 1000 /* at most once in that time */

struct meta_manifest *pull_manifest_quick(struct registry *r, const struct repo_name *repo,
                                          const struct reference *ref)
{
    return meta_manifest_peek(r->meta, repo, reference_str(ref));
}

enum err_code pull_manifest(struct registry *r, const struct repo_name *repo,
                            const struct reference *ref, struct meta_manifest **ret_manifest,
                            struct err *e)
{
    if (ref->is_digest)
        return meta_manifest_by_digest(r->meta, repo, &ref->digest, ret_manifest, e);
    return meta_manifest_by_tag(r->meta, repo, &ref->tag, ret_manifest, NULL, e);
}

bool pull_head_matters(const struct reference *ref)
{
    return ref->is_digest || referrer_tag_looks_so(&ref->tag);
}

static enum err_code put_off(struct registry *r, const struct repo_name *repo,
                             const struct digest *d, struct err *e)
{
    int64_t now_ms = clock_wall_ms(), since_ms;
    struct meta_op op = meta_op_condemn_anew(repo, d, now_ms);

    TRY(meta_manifest_condemned(r->meta, repo, d, &since_ms, e));
    return since_ms == 0 || since_ms > now_ms - PUT_OFF_MS
               ? ERR_OK
               : meta_commit(r->meta, &op, 1, 0, NULL, e);
}

/* It may have gone just before it was put off: so it is pulled afterwards. */
enum err_code pull_manifest_head(struct registry *r, const struct repo_name *repo,
                                 const struct reference *ref, struct meta_manifest **ret_manifest,
                                 struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    if (ref->is_digest) {
        TRY(put_off(r, repo, &ref->digest, e));
    } else if (pull_head_matters(ref)) {
        TRY(pull_manifest(r, repo, ref, &m, e));
        TRY(put_off(r, repo, &m->digest, e));
    }
    return pull_manifest(r, repo, ref, ret_manifest, e);
}

/* How a blob is looked up. */
typedef enum err_code (*look_fn)(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, uint64_t *ret_size_bytes, struct err *e);

static enum err_code stat_blob(struct registry *r, const struct repo_name *repo,
                               const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    return meta_blob_stat(r->meta, repo, d, ret_size_bytes, e);
}

static enum err_code open_linked(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, look_fn look, struct reader **ret_reader,
                                 uint64_t *ret_size_bytes, uint64_t *ret_linked_bytes,
                                 bool *ret_missing, struct err *e)
{
    enum err_code code;

    TRY(look(r, repo, d, ret_linked_bytes, e));
    code = store_blob_open(r->store, repo, d, *ret_linked_bytes, ret_reader, ret_size_bytes, e);
    *ret_missing = code == ERR_BLOB_UNKNOWN;
    return code;
}

/* A blob may be deleted between the two looks at it. Where it is linked but not stored, the answer
 * is that of a moment in which nobody links or unlinks it. */
static enum err_code open_settled(struct registry *r, const struct repo_name *repo,
                                  const struct digest *d, look_fn look, struct reader **ret_reader,
                                  uint64_t *ret_size_bytes, uint64_t *ret_linked_bytes,
                                  struct err *e)
{
    AUTO(held) pthread_mutex_t *held = NULL;
    bool missing = false;
    enum err_code code =
        open_linked(r, repo, d, look, ret_reader, ret_size_bytes, ret_linked_bytes, &missing, e);

    if (!missing)
        return code;
    held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));
    missing = false;
    code = open_linked(r, repo, d, look, ret_reader, ret_size_bytes, ret_linked_bytes, &missing, e);
    if (missing)
        return err_set(e, ERR_CORRUPT, "blob %s of '%s' is linked but not in the store", d->text,
                       repo->text);
    return code;
}

/* Checks what was opened against what is known of it; takes *reader. */
static enum err_code hand_out(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, uint64_t size_bytes, uint64_t known_bytes,
                              struct reader **reader, struct reader **ret_reader, struct err *e)
{
    if (size_bytes != known_bytes)
        return err_set(e, ERR_CORRUPT, "blob %s of '%s' has %llu bytes, not %llu", d->text,
                       repo->text, (unsigned long long)size_bytes, (unsigned long long)known_bytes);
    if (conf_bool(r->verify_on_read))
        *reader = verify_reader_new(*reader, d, size_bytes);
    *ret_reader = STEAL(*reader);
    return ERR_OK;
}

static enum err_code pull(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          look_fn look, struct reader **ret_reader, uint64_t *ret_size_bytes,
                          struct err *e)
{
    AUTO(reader) struct reader *reader = NULL;
    uint64_t linked_bytes, size_bytes;

    TRY(open_settled(r, repo, d, look, &reader, &size_bytes, &linked_bytes, e));
    TRY(hand_out(r, repo, d, size_bytes, linked_bytes, &reader, ret_reader, e));
    *ret_size_bytes = size_bytes;
    return ERR_OK;
}

enum err_code pull_blob(struct registry *r, const struct repo_name *repo, const struct digest *d,
                        struct reader **ret_reader, uint64_t *ret_size_bytes, struct err *e)
{
    return pull(r, repo, d, stat_blob, ret_reader, ret_size_bytes, e);
}

enum err_code pull_blob_head(struct registry *r, const struct repo_name *repo,
                             const struct digest *d, struct reader **ret_reader,
                             uint64_t *ret_size_bytes, struct err *e)
{
    return pull(r, repo, d, blob_look, ret_reader, ret_size_bytes, e);
}

enum err_code pull_blob_again(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, uint64_t size_bytes,
                              struct reader **ret_reader, struct err *e)
{
    AUTO(reader) struct reader *reader = NULL;
    uint64_t found_bytes;
    enum err_code code = store_blob_open(r->store, repo, d, size_bytes, &reader, &found_bytes, e);

    if (code == ERR_BLOB_UNKNOWN)
        return err_set(e, ERR_CORRUPT, "blob %s of '%s' is missing, or was just deleted", d->text,
                       repo->text);
    TRY(code);
    return hand_out(r, repo, d, found_bytes, size_bytes, &reader, ret_reader, e);
}
