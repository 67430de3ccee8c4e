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

enum err_code signed_children_note(struct registry *r, const struct repo_name *repo,
                                   const struct out_manifest *index, struct err *e)
{
    const struct manifest *m = &index->parsed;
    size_t n = m->n_links < SIGNED_CHILDREN_MAX ? m->n_links : SIGNED_CHILDREN_MAX;
    char keys[BATCH][KEY_MAX + 1];
    struct meta_op ops[BATCH];
    bool noted;

    if (n == 0)
        return ERR_OK;
    TRY(is_noted(r, key_of(repo, &m->links[n - 1].digest, &index->stored->digest, keys[0]), &noted,
                 e));
    for (size_t i = 0; i < n && !noted;) {
        size_t k = 0;

        for (; k < BATCH && i < n; k++, i++)
            ops[k] = meta_op_record_put(
                SIGNED_CHILDREN, key_of(repo, &m->links[i].digest, &index->stored->digest, keys[k]),
                STR("{}"), META_ANY);
        TRY(meta_commit(r->meta, ops, k, META_LAZY, NULL, e));
    }
    return ERR_OK;
}

enum err_code signed_indexes_of(struct registry *r, const struct repo_name *repo,
                                const struct digest *child, struct signed_indexes *ret,
                                struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    char text[KEY_MAX + 1];
    struct str begin = key_of(repo, child, NULL, text);

    ret->n = 0;
    TRY(meta_records(r->meta, SIGNED_CHILDREN, begin, SIGNED_INDEXES_MAX, &l, e));
    for (size_t i = 0; i < l.n; i++) {
        struct str key = str_of(l.rows[i].key);

        if (!str_starts(key, begin))
            break;
        ret->n += digest_parse(str_sub(key, begin.n, key.n - begin.n), &ret->digests[ret->n],
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
