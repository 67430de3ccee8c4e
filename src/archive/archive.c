#include "archive/archive.h"

#include "archive/arrival.h"
#include "archive/docker_layout.h"
#include "archive/judge.h"
#include "archive/oci_layout.h"
#include "base/mem.h"

#include <stdlib.h>

struct archive {
    struct archive_limits limits;
    struct refusal refusal;
    struct budget budget;
    struct arrival arrival;
    struct unpack *unpack;
    struct tar *tar;
    struct archive_verdict verdict;
};

/* What the packing around it unpacks to. */
static enum err_code take_unpacked(void *ctx, const void *p, size_t n, struct err *e)
{
    struct archive *a = ctx;

    TRY(budget_out(&a->budget, n, e));
    return tar_feed(a->tar, p, n, e);
}

struct archive *archive_new(const struct archive_limits *limits, const struct archive_sink *sink,
                            void *ctx)
{
    struct archive *a = NEW(struct archive);

    a->limits = *limits;
    a->budget = (struct budget){.limits = &a->limits, .refusal = &a->refusal};
    a->arrival = (struct arrival){
        .limits = &a->limits,
        .sink = sink,
        .sink_ctx = ctx,
        .budget = &a->budget,
        .refusal = &a->refusal,
        .pack_as = {.as = PACKED_NOT},
    };
    a->tar = tar_new(&arrival_events, &a->arrival, &a->refusal);
    a->unpack = unpack_new(false, take_unpacked, a, &a->refusal);
    unpack_bound(a->unpack, limits->decoder_bytes);
    return a;
}

void archive_free(struct archive *a)
{
    if (!a)
        return;
    unpack_free(a->unpack);
    tar_free(a->tar);
    arrival_done(&a->arrival);
    verdict_done(&a->verdict);
    free(a);
}

void archive_pack(struct archive *a, const struct packing_form *form)
{
    a->arrival.pack_as = *form;
}

const struct refusal *archive_refusal(const struct archive *a)
{
    return &a->refusal;
}

bool archive_is_packed(const struct archive *a)
{
    return unpack_packing(a->unpack) != PACKED_NOT;
}

enum err_code archive_feed(struct archive *a, const void *p, size_t n, struct err *e)
{
    TRY(budget_in(&a->budget, n, e));
    return unpack_feed(a->unpack, p, n, e);
}

static enum err_code find_top(struct archive *a, const char *name, struct member **ret,
                              struct err *e)
{
    *ret = NULL;
    return members_find(&a->arrival.members, str_of(name), name, true, ret, &a->refusal, e);
}

static enum err_code no_image(struct archive *a, struct err *e)
{
    struct member *old = NULL;

    TRY(find_top(a, "repositories", &old, e));
    if (old)
        return refuse(&a->refusal, REFUSAL_OLD_FORMAT, STR("repositories"), e,
                      "the format of Docker before 1.10");
    return refuse(&a->refusal, REFUSAL_NOT_AN_IMAGE, STR_NONE, e,
                  "neither manifest.json nor oci-layout and index.json is there");
}

static enum err_code judge(struct archive *a, struct err *e)
{
    struct judge g = {
        .members = &a->arrival.members, .refusal = &a->refusal, .verdict = &a->verdict};
    struct member *layout = NULL, *index = NULL, *manifest_json = NULL;

    TRY(find_top(a, "oci-layout", &layout, e));
    TRY(find_top(a, "index.json", &index, e));
    TRY(find_top(a, "manifest.json", &manifest_json, e));
    if (layout && index) {
        TRY(judge_oci(&g, layout, index, e));
        return manifest_json ? judge_both(&g, manifest_json, e) : ERR_OK;
    }
    return manifest_json ? judge_docker(&g, manifest_json, e) : no_image(a, e);
}

static int by_digest(const void *a, const void *b)
{
    const struct archive_blob *x = a, *y = b;

    return strcmp(x->digest.text, y->digest.text);
}

/* Each digest once, in an order of its own. */
static void list_blobs(struct archive *a)
{
    struct archive_verdict *v = &a->verdict;
    size_t n = 0, kept = 0;

    v->blobs = mem_alloc((a->arrival.members.n + 1) * sizeof(*v->blobs));
    for (size_t i = 0; i < a->arrival.members.n; i++) {
        const struct member *m = &a->arrival.members.all[i];

        if (m->is_blob)
            v->blobs[n++] = (struct archive_blob){.digest = m->digest,
                                                  .size_bytes = m->size_bytes,
                                                  .at_bytes = m->at_bytes,
                                                  .bytes = m->bytes,
                                                  .content = m->content};
    }
    qsort(v->blobs, n, sizeof(*v->blobs), by_digest);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !digest_eq(&v->blobs[kept - 1].digest, &v->blobs[i].digest))
            v->blobs[kept++] = v->blobs[i];
    }
    v->n_blobs = kept;
}

enum err_code archive_end(struct archive *a, const struct archive_verdict **ret_verdict,
                          struct err *e)
{
    TRY(unpack_end(a->unpack, e));
    TRY(tar_end(a->tar, e));
    TRY(judge(a, e));
    list_blobs(a);
    *ret_verdict = &a->verdict;
    return ERR_OK;
}
