#include "trust/signed_children.h"

#include <stdio.h>

#define BATCH   32
#define KEY_MAX (REPO_NAME_MAX + 2 * (DIGEST_TEXT_MAX + 1))

/* "NAME@CHILD@INDEX"; without the index, what all of them begin with. */
static struct str key_of(const struct repo_name *repo, const struct digest *child,
                         const struct digest *index, char dst[static KEY_MAX + 1])
{
    int n =
        snprintf(dst, KEY_MAX + 1, "%s@%s@%s", repo->text, child->text, index ? index->text : "");

    return (struct str){dst, (size_t)n};
}

static enum err_code is_noted(struct registry *r, struct str key, bool *ret_is, struct err *e)
{
    AUTO(record) struct meta_record unused = {0};
    enum err_code code = meta_record_get(r->meta, SIGNED_CHILDREN, key, &unused, e);

    *ret_is = code == ERR_OK;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* Each is looked for: one alone may be gone, for its index was for a while. */
enum err_code signed_children_note(struct registry *r, const struct repo_name *repo,
                                   const struct out_manifest *index, bool *ret_any, struct err *e)
{
    const struct manifest *m = &index->parsed;
    size_t n = m->n_links < SIGNED_CHILDREN_MAX ? m->n_links : SIGNED_CHILDREN_MAX;
    char keys[BATCH][KEY_MAX + 1];
    struct meta_op ops[BATCH];

    *ret_any = false;
    for (size_t i = 0; i < n;) {
        size_t k = 0;

        for (; k < BATCH && i < n; i++) {
            struct str key = key_of(repo, &m->links[i].digest, &index->stored->digest, keys[k]);
            bool noted;

            TRY(is_noted(r, key, &noted, e));
            if (!noted)
                ops[k++] = meta_op_record_put(SIGNED_CHILDREN, key, STR("{}"), META_ANY);
        }
        if (k == 0)
            continue;
        TRY(meta_commit(r->meta, ops, k, META_LAZY, NULL, e));
        *ret_any = true;
    }
    return ERR_OK;
}

enum err_code signed_indexes_next(struct registry *r, const struct repo_name *repo,
                                  const struct digest *child, struct signed_indexes *l,
                                  struct err *e)
{
    AUTO(records) struct meta_record_list rows = {0};
    char text[KEY_MAX + 1], after[KEY_MAX + 1];
    struct str begin = key_of(repo, child, NULL, text);
    struct str from = l->n > 0 ? key_of(repo, child, &l->digests[l->n - 1], after) : begin;

    l->n = 0;
    TRY(meta_records(r->meta, SIGNED_CHILDREN, from, SIGNED_INDEXES_PAGE, &rows, e));
    for (size_t i = 0; i < rows.n; i++) {
        struct str key = str_of(rows.rows[i].key);

        if (!str_starts(key, begin))
            break;
        l->n += digest_parse(str_sub(key, begin.n, key.n - begin.n), &l->digests[l->n],
                             ERR_IGNORED) == ERR_OK;
    }
    return ERR_OK;
}

void signed_children_forget(struct registry *r, const struct repo_name *repo,
                            const struct digest *child, const struct digest *index)
{
    char text[KEY_MAX + 1];
    struct meta_op op =
        meta_op_record_delete(SIGNED_CHILDREN, key_of(repo, child, index, text), META_ANY);

    (void)!meta_commit(r->meta, &op, 1, META_LAZY, NULL, ERR_IGNORED);
}

/* ---- those of indexes that are gone */

struct pruning {
    struct registry *r;
    bool (*go_on)(void *ctx);
    void *ctx;
};

/* "NAME@CHILD@INDEX" */
static bool parse_key(struct str key, struct repo_name *ret_repo, struct digest *ret_index)
{
    struct str name, child;

    return str_cut(&key, '@', &name) && str_cut(&key, '@', &child) &&
           repo_name_parse(name, ret_repo, ERR_IGNORED) == ERR_OK &&
           digest_parse(key, ret_index, ERR_IGNORED) == ERR_OK;
}

static enum err_code prune_one(void *ctx, const struct meta_record *row, struct err *e)
{
    const struct pruning *p = ctx;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct meta_op op = meta_op_record_delete(SIGNED_CHILDREN, str_of(row->key), META_ANY);
    struct repo_name repo;
    struct digest index;
    enum err_code code;

    if (!p->go_on(p->ctx))
        return err_set(e, ERR_LATER, "stopped before all records of images were looked at");
    if (parse_key(str_of(row->key), &repo, &index)) {
        code = meta_manifest_by_digest(p->r->meta, &repo, &index, &m, e);
        if (code != ERR_MANIFEST_UNKNOWN && code != ERR_NAME_UNKNOWN)
            return code;
    }
    return meta_commit(p->r->meta, &op, 1, META_LAZY, NULL, e);
}

enum err_code signed_children_prune(struct registry *r, bool (*go_on)(void *ctx), void *ctx,
                                    struct err *e)
{
    struct pruning p = {r, go_on, ctx};

    return meta_records_each(r->meta, SIGNED_CHILDREN, prune_one, &p, e);
}
