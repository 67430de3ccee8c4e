#include "check/mend_manifest.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/manifest.h"

#define MANIFEST_MAX (64u << 20) /* the most that limits.manifest_bytes may be */
#define REPOS_PAGE   256

/* ---- bytes that are good */

static bool is_good(struct str bytes, const struct digest *d)
{
    struct digest is;

    digest_of(d->algorithm, bytes.p, bytes.n, &is);
    return digest_eq(&is, d);
}

/* What can't be read is of no use, and there may be others. */
static bool from_database(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          struct meta_manifest **ret_manifest)
{
    return meta_manifest_by_digest(r->meta, repo, d, ret_manifest, ERR_IGNORED) == ERR_OK;
}

static bool from_store(struct registry *r, const struct repo_name *repo, const struct digest *d,
                       struct meta_manifest **ret_manifest)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(manifest) struct manifest parsed = {0};

    buf_init(&bytes, MANIFEST_MAX);
    if (store_manifest_get(r->store, repo, d, &bytes, ERR_IGNORED) != ERR_OK ||
        !is_good(buf_str(&bytes), d) ||
        manifest_parse(buf_str(&bytes), STR_NONE, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return false;
    *ret_manifest = meta_manifest_new(d, str_of(parsed.media_type), buf_str(&bytes));
    return true;
}

static bool from_repo(struct registry *r, const struct repo_name *repo, const struct digest *d,
                      struct meta_manifest **ret_manifest)
{
    return from_database(r, repo, d, ret_manifest) || from_store(r, repo, d, ret_manifest);
}

/* NULL: nobody has it. There is no list of those that do: all are asked. */
static enum err_code find(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          struct meta_manifest **ret_manifest, struct err *e)
{
    AUTO(name_list) struct meta_name_list page = {0};

    if (from_repo(r, repo, d, ret_manifest))
        return ERR_OK;
    do {
        AUTO(name_list) struct meta_name_list last = page;

        page = (struct meta_name_list){0};
        TRY(meta_repos(r->meta, str_of(last.n ? last.names[last.n - 1] : ""), REPOS_PAGE, &page,
                       e));
        for (size_t i = 0; i < page.n; i++) {
            struct repo_name other;

            if (repo_name_parse(str_of(page.names[i]), &other, ERR_IGNORED) == ERR_OK &&
                from_repo(r, &other, d, ret_manifest))
                return ERR_OK;
        }
    } while (page.more && page.n > 0);
    return ERR_OK;
}

/* ---- what they name */

static bool may_be_sparse(const struct registry *r, const struct manifest *m)
{
    return conf_bool(m->shape == MANIFEST_INDEX ? &r->options->sparse_indexes
                                                : &r->options->sparse_images);
}

static enum meta_edge_kind kind_of(const struct registry *r, const struct manifest *m,
                                   const struct manifest_link *link, const struct meta_link *there)
{
    bool index = m->shape == MANIFEST_INDEX;

    if (there->found)
        return there->is_manifest ? META_EDGE_MANIFEST : META_EDGE_BLOB;
    if (link->kind == LINK_FOREIGN_BLOB || may_be_sparse(r, m))
        return index ? META_EDGE_LOOSE_MANIFEST : META_EDGE_LOOSE_BLOB;
    return index ? META_EDGE_MANIFEST : META_EDGE_BLOB;
}

static enum err_code find_edges(struct registry *r, const struct repo_name *repo,
                                const struct manifest *m, struct meta_edge *ret_edges,
                                struct err *e)
{
    AUTO(mem) struct meta_link *there = mem_zero((m->n_links + 1) * sizeof(*there));

    for (size_t i = 0; i < m->n_links; i++) {
        there[i].digest = &m->links[i].digest;
        there[i].may_be_blob = m->links[i].kind != LINK_MANIFEST;
        there[i].may_be_manifest =
            m->links[i].kind == LINK_MANIFEST || m->links[i].kind == LINK_UNKNOWN;
    }
    TRY(meta_find_links(r->meta, repo, there, m->n_links, e));
    for (size_t i = 0; i < m->n_links; i++)
        ret_edges[i] = (struct meta_edge){.kind = kind_of(r, m, &m->links[i], &there[i]),
                                          .digest = m->links[i].digest};
    return ERR_OK;
}

enum err_code mend_manifest(struct registry *r, const struct repo_name *repo,
                            const struct digest *d, struct err *e)
{
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->manifest_locks, STR_NONE, digest_str(d));
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(manifest) struct manifest parsed = {0};
    AUTO(mem) struct meta_edge *edges = NULL;
    struct meta_op op;
    enum err_code code;

    TRY(find(r, repo, d, &m, e));
    if (!m || manifest_parse(m->bytes, m->media_type, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    edges = mem_zero((parsed.n_links + 1) * sizeof(*edges));
    TRY(find_edges(r, repo, &parsed, edges, e));
    op = meta_op_manifest_mend((struct meta_manifest_put){
        .repo = repo, .manifest = m, .edges = edges, .n_edges = parsed.n_links});
    code = meta_commit(r->meta, &op, 1, 0, NULL, e);
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code; /* it was deleted meanwhile */
}
