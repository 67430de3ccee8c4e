#include "core/referrers.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/manifest.h"

#include <stdio.h>
#include <stdlib.h>

/* Rows of meta in memory at a time: the annotations of one may be as large as a manifest. */
#define BATCH 8

void referrers_tag(const struct digest *subject, struct tag_name *ret_tag)
{
    struct str hex = digest_hex(subject);

    ret_tag->n = (size_t)snprintf(ret_tag->text, sizeof(ret_tag->text), "%s-%.*s",
                                  digest_algorithm_name(subject->algorithm),
                                  hex.n < 64 ? (int)hex.n : 64, hex.p);
}

/* Two sorted lists become one: the rows of meta, fetched as they are needed, and those that an
 * index under the schema's tag lists. A digest that is in both counts as meta has it. */
struct merge {
    struct registry *r;
    const struct referrers_query *q;
    struct meta_referrer_list rows, listed;
    size_t row, child;      /* next of each */
    struct digest last_row; /* of meta */
    bool no_more_rows;
};

static void auto_merge_(struct merge *m)
{
    meta_referrer_list_done(&m->rows);
    meta_referrer_list_done(&m->listed);
}

static void add_child(void *ctx, const struct manifest_child *c)
{
    struct merge *m = ctx;
    struct meta_referrer_list *l = &m->listed;

    if (str_cmp(digest_str(&c->digest), m->q->after) <= 0)
        return;
    if (m->q->artifact_type.n && !str_eq(c->artifact_type, m->q->artifact_type))
        return;
    if ((l->n & (l->n - 1)) == 0) /* full at powers of two */
        l->rows = mem_resize(l->rows, (l->n ? 2 * l->n : 1) * sizeof(*l->rows));
    l->rows[l->n++] = (struct meta_referrer){
        .digest = c->digest,
        .size_bytes = c->size_bytes,
        .media_type = str_dup(c->media_type),
        .artifact_type = str_dup(c->artifact_type),
        .annotations_json = mem_strdup(c->annotations_json),
    };
}

static int by_digest(const void *a, const void *b)
{
    const struct meta_referrer *ra = a, *rb = b;

    return strcmp(ra->digest.text, rb->digest.text);
}

/* dist-spec "Enabling the Referrers API": what an index under the schema's tag lists counts. */
static enum err_code load_listed(struct merge *m, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *index = NULL;
    struct tag_name tag;
    enum err_code code;

    referrers_tag(m->q->subject, &tag);
    code = meta_manifest_by_tag(m->r->meta, m->q->repo, &tag, &index, NULL, e);
    if (code == ERR_MANIFEST_UNKNOWN)
        return ERR_OK;
    TRY(code);
    if (!str_eq(index->media_type, STR(MEDIA_OCI_INDEX)))
        return ERR_OK;
    manifest_children(index->bytes, add_child, m);
    if (m->listed.n > 1)
        qsort(m->listed.rows, m->listed.n, sizeof(*m->listed.rows), by_digest);
    return ERR_OK;
}

/* Does the listed manifest exist here, and does it not name another subject? */
static bool counts(const struct merge *m, const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *found = NULL;
    AUTO(manifest) struct manifest parsed = {0};

    if (meta_manifest_by_digest(m->r->meta, m->q->repo, d, &found, ERR_IGNORED) != ERR_OK)
        return false;
    if (manifest_parse(found->bytes, found->media_type, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return false;
    return !parsed.has_subject || digest_eq(&parsed.subject, m->q->subject);
}

static enum err_code fetch_rows(struct merge *m, struct err *e)
{
    struct str after = m->last_row.n ? digest_str(&m->last_row) : m->q->after;
    size_t limit = m->q->limit < BATCH ? m->q->limit : BATCH;

    if (m->row < m->rows.n || m->no_more_rows)
        return ERR_OK;
    meta_referrer_list_done(&m->rows);
    m->row = 0;
    TRY(meta_referrers(m->r->meta, m->q->repo, m->q->subject, m->q->artifact_type, after, limit,
                       &m->rows, e));
    m->no_more_rows = !m->rows.more;
    if (m->rows.n > 0)
        m->last_row = m->rows.rows[m->rows.n - 1].digest;
    return ERR_OK;
}

/* *ret_row is NULL at the end; it lives until the next call. */
static enum err_code next_row(struct merge *m, const struct meta_referrer **ret_row, struct err *e)
{
    const struct meta_referrer *row, *child;

    TRY(fetch_rows(m, e));
    row = m->row < m->rows.n ? &m->rows.rows[m->row] : NULL;
    for (; m->child < m->listed.n; m->child++) {
        int order;

        child = &m->listed.rows[m->child];
        if (m->child > 0 && by_digest(child, child - 1) == 0)
            continue;
        order = row ? by_digest(child, row) : -1;
        if (order > 0)
            break;
        if (order < 0 && counts(m, &child->digest)) {
            m->child++;
            *ret_row = child;
            return ERR_OK;
        }
    }
    m->row += row != NULL;
    *ret_row = row;
    return ERR_OK;
}

enum err_code referrers_each(struct registry *r, const struct referrers_query *q, referrers_fn fn,
                             void *ctx, bool *ret_more, struct err *e)
{
    AUTO(merge) struct merge m = {.r = r, .q = q};
    const struct meta_referrer *row;

    TRY(load_listed(&m, e));
    for (size_t n = 0;; n++) {
        TRY(next_row(&m, &row, e));
        if (!row || n == q->limit || !fn(ctx, row)) {
            *ret_more = row != NULL;
            return ERR_OK;
        }
    }
}
