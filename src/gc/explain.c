#include "gc/explain.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "gc/count.h"

#define PAGE 512

static void because(const struct gc_graph *g, size_t at, struct buf *dst)
{
    const struct gc_node *node = &g->nodes[at];

    buf_addf(dst, "manifest %s ", node->digest.text);
    switch (node->because) {
    case GC_TAGGED:
        buf_addf(dst, "is kept: tag %s points to it\n", node->tag);
        break;
    case GC_UNTAGGED:
        buf_add_text(dst, "is kept: it has no tag, and belongs to nothing that went\n");
        break;
    case GC_CHILD_OF_LIVE:
        buf_addf(dst, "is kept: index %s names it\n", g->nodes[node->by].digest.text);
        break;
    case GC_REFERRER_OF_LIVE:
        buf_addf(dst, "is kept: it refers to %s\n", g->nodes[node->by].digest.text);
        break;
    case GC_NOT_LIVE:
        buf_addf(dst, "goes: %s\n", gc_why_text(node->why));
        break;
    }
}

/* From it to what it lives by in the end. */
static void chain(const struct gc_graph *g, size_t at, struct buf *dst)
{
    while (at != GC_NONE) {
        because(g, at, dst);
        at = g->nodes[at].by;
    }
}

static void when(bool condemned, int64_t condemned_ms, int64_t grace_ms, struct buf *dst)
{
    char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];

    if (!condemned) {
        buf_add_text(dst, "it is not condemned yet: the next run does that\n");
        return;
    }
    clock_rfc3339(condemned_ms, since);
    clock_rfc3339(condemned_ms + grace_ms, until);
    buf_addf(dst, "it was condemned at %s and goes with a run after %s, unless something uses it\n",
             since, until);
}

static void explain_blob(const struct gc_graph *g, const struct meta_use_list *l, int64_t grace_ms,
                         struct buf *dst)
{
    const struct meta_use *u = &l->rows[0];

    for (size_t i = 0; i < u->n_users; i++) {
        size_t at = gc_graph_by_id(g, l->users[u->users + i]);

        if (at == GC_NONE || g->nodes[at].because == GC_NOT_LIVE)
            continue;
        buf_addf(dst, "blob %s is kept: manifest %s names it\n", u->digest.text,
                 g->nodes[at].digest.text);
        chain(g, at, dst);
        return;
    }
    buf_addf(dst, "blob %s goes: %s\n", u->digest.text,
             u->n_users > 0 ? "only manifests that go name it" : gc_why_text(META_WHY_UNUSED));
    when(u->condemned, u->condemned_ms, grace_ms, dst);
}

/* The text right before it in the order of digests: a page behind that begins with it. */
static void text_before(const struct digest *d, char dst[static DIGEST_TEXT_MAX + 1])
{
    memcpy(dst, d->text, d->n + 1);
    dst[d->n - 1]--;
}

static enum err_code look_for_blob(struct meta *m, const struct repo_name *repo,
                                   const struct digest *d, struct meta_use_list *ret, struct err *e)
{
    char after[DIGEST_TEXT_MAX + 1];

    text_before(d, after);
    TRY(meta_uses(m, repo, META_ITEM_BLOB, str_of(after), 1, ret, e));
    return ERR_OK;
}

enum err_code gc_explain(struct meta *m, const struct repo_name *repo, const struct digest *d,
                         const struct gc_policy *p, int64_t grace_ms, struct buf *dst,
                         bool *ret_there, struct err *e)
{
    AUTO(gc_graph) struct gc_graph g = {0};
    AUTO(meta_uses) struct meta_use_list blob = {0};
    size_t at;

    *ret_there = false;
    TRY(gc_graph_load(m, repo, p, &g, e));
    at = gc_graph_by_digest(&g, digest_str(d));
    if (at != GC_NONE) {
        *ret_there = true;
        chain(&g, at, dst);
        if (g.nodes[at].because == GC_NOT_LIVE)
            when(g.nodes[at].condemned, g.nodes[at].condemned_ms, grace_ms, dst);
    }
    TRY(look_for_blob(m, repo, d, &blob, e));
    if (blob.n > 0 && digest_eq(&blob.rows[0].digest, d)) {
        *ret_there = true;
        explain_blob(&g, &blob, grace_ms, dst);
    }
    return ERR_OK;
}
