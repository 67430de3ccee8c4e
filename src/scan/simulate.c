#include "scan/simulate.h"

#include "base/media.h"
#include "core/pull.h"
#include "core/pulled.h"

struct run {
    const struct simulation *x;
    simulated_fn fn;
    void *ctx;
    struct simulated_counts counts;
};

static bool is_index(const struct meta_manifest *m)
{
    return str_eq(m->media_type, STR(MEDIA_OCI_INDEX)) ||
           str_eq(m->media_type, STR(MEDIA_DOCKER_LIST));
}

/* Is it that image alone which can't be judged? */
static bool is_of_image(enum err_code code)
{
    return code == ERR_MANIFEST_UNKNOWN || code == ERR_NAME_UNKNOWN || code == ERR_BLOB_UNKNOWN ||
           code == ERR_CORRUPT || code == ERR_MANIFEST_INVALID;
}

/* The images of an index were pulled by their digests, which is recorded, too. */
static enum err_code take_one(void *ctx, const struct repo_name *repo, const struct reference *ref,
                              int64_t time_ms, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct run *r = ctx;
    const struct simulation *x = r->x;
    struct pull_verdict v;
    enum err_code code = pull_manifest(x->registry, repo, ref, &m, e);
    struct simulated s = {.repo = repo, .ref = ref, .pulled_ms = time_ms, .verdict = &v};

    r->counts.pulls++;
    if (code == ERR_OK && is_index(m))
        return ERR_OK;
    if (code == ERR_OK)
        code = gate_judge_by(x->gate, x->rules, repo, &m->digest, x->now_ms, &v, e);
    if (is_of_image(code)) {
        r->counts.gone++;
        return ERR_OK;
    }
    TRY(code);
    if (v.why == PULL_FINE)
        return ERR_OK;
    r->counts.blocked += v.blocked;
    r->counts.warned += !v.blocked;
    s.digest = &m->digest;
    return r->fn(r->ctx, &s, e);
}

enum err_code simulate(const struct simulation *x, simulated_fn fn, void *ctx,
                       struct simulated_counts *ret_counts, struct err *e)
{
    struct run r = {.x = x, .fn = fn, .ctx = ctx};

    TRY(pulled_since(x->registry->meta, &r.counts.since_ms, e));
    TRY(pulled_each(x->registry->meta, x->since_ms, take_one, &r, e));
    *ret_counts = r.counts;
    return ERR_OK;
}
