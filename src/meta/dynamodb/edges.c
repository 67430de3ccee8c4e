/* What a manifest names: as an attribute of its item, and as counts of those that are named. */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdlib.h>

static bool is_manifest(enum meta_edge_kind kind)
{
    return kind == META_EDGE_MANIFEST || kind == META_EDGE_LOOSE_MANIFEST;
}

static bool is_strict(enum meta_edge_kind kind)
{
    return kind == META_EDGE_MANIFEST || kind == META_EDGE_BLOB;
}

static int by_digest(const void *a, const void *b)
{
    const struct dynamo_child *x = a, *y = b;
    int order = (int)x->manifest - (int)y->manifest;

    if (order == 0)
        order = strcmp(x->digest.text, y->digest.text);
    return order ? order : (x->first > y->first) - (x->first < y->first);
}

static int by_position(const void *a, const void *b)
{
    const struct dynamo_child *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

void dynamo_children_of(const struct meta_edge *edges, size_t n, struct dynamo_children *ret)
{
    struct dynamo_child *list = mem_zero((n + 1) * sizeof(*list));
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        list[i] = (struct dynamo_child){.digest = edges[i].digest,
                                        .manifest = is_manifest(edges[i].kind),
                                        .strict = is_strict(edges[i].kind),
                                        .first = i};
    if (n > 1)
        qsort(list, n, sizeof(*list), by_digest);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && list[kept - 1].manifest == list[i].manifest &&
            digest_eq(&list[kept - 1].digest, &list[i].digest))
            list[kept - 1].strict |= list[i].strict;
        else
            list[kept++] = list[i];
    }
    if (kept > 1)
        qsort(list, kept, sizeof(*list), by_position);
    *ret = (struct dynamo_children){list, kept};
}

void dynamo_edge_write(size_t position, enum meta_edge_kind kind, struct str digest,
                       struct buf *dst)
{
    buf_addf(dst, "%zu %d " STR_FMT "\n", position, (int)kind, STR_ARG(digest));
}

void dynamo_edges_write(const struct meta_edge *edges, size_t n, struct buf *dst)
{
    for (size_t i = 0; i < n; i++)
        dynamo_edge_write(i, edges[i].kind, digest_str(&edges[i].digest), dst);
}

bool dynamo_edge_next(struct str *text, uint64_t *ret_position, struct meta_edge *ret_edge)
{
    struct str line, position, kind;
    uint64_t number;

    if (text->n == 0)
        return false;
    str_cut(text, '\n', &line);
    if (!str_cut(&line, ' ', &position) || !str_cut(&line, ' ', &kind) ||
        !str_to_u64(position, INT64_MAX, ret_position) ||
        !str_to_u64(kind, META_EDGE_LOOSE_MANIFEST, &number) ||
        digest_parse(line, &ret_edge->digest, ERR_IGNORED) != ERR_OK)
        return false;
    ret_edge->kind = (enum meta_edge_kind)number;
    return true;
}

enum err_code dynamo_children_read(struct dynamo_link *l, const json_t *manifest, int64_t end_ms,
                                   struct dynamo_children *ret, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(mem) struct meta_edge *edges = NULL;
    struct str rest;
    size_t n = 0, cap = 0;
    uint64_t position;

    buf_init(&text, DYNAMO_EDGES_MAX);
    TRY(dynamo_text_read(l, manifest, "edges", end_ms, &text, e));
    for (rest = buf_str(&text); rest.n > 0; n++) {
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            edges = mem_resize(edges, cap * sizeof(*edges));
        }
        if (!dynamo_edge_next(&rest, &position, &edges[n]))
            return err_set(e, ERR_CORRUPT, "what a manifest names is damaged");
    }
    dynamo_children_of(edges, n, ret);
    return ERR_OK;
}

enum err_code dynamo_child_cell(struct dynamo_tx *tx, const struct repo_name *repo,
                                const struct dynamo_child *child, struct dynamo_cell **ret_cell,
                                struct err *e)
{
    struct str r = repo_name_str(repo), d = digest_str(&child->digest);

    *ret_cell =
        dynamo_cell_of(tx, child->manifest ? dynamo_key_manifest(r, d) : dynamo_key_blob(r, d));
    return dynamo_cell_guess(&tx->cells, *ret_cell,
                             json_pack("{s:o}", child->manifest ? "media" : "size", item_number(0)),
                             e);
}

enum err_code dynamo_children_count(struct dynamo_tx *tx, const struct repo_name *repo,
                                    const struct dynamo_children *children, size_t from, size_t to,
                                    int64_t more, struct err *e)
{
    for (size_t i = from; i < to; i++) {
        const struct dynamo_child *child = &children->list[i];
        const char *mark = child->manifest ? "media" : "size";
        struct dynamo_cell *c;

        TRY(dynamo_child_cell(tx, repo, child, &c, e));
        if (more > 0 && child->strict) {
            if (!dynamo_cell_has(c, mark))
                return err_tell(e, ERR_MANIFEST_BLOB_UNKNOWN, "%s is not in this repository",
                                child->digest.text);
            dynamo_cell_saw(c, mark, false);
        }
        if (more > 0) {
            dynamo_cell_saw(c, "c_since", false);
            if (dynamo_is_condemned(c))
                dynamo_wants_revival(tx, repo, child->manifest, &child->digest);
        }
        dynamo_cell_add(c, "uses", more);
    }
    return ERR_OK;
}
