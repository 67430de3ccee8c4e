#include "core/quota.h"

static bool covers(struct str space, struct str name)
{
    return space.n == 0 ||
           (str_starts(name, space) && (name.n == space.n || name.p[space.n] == '/'));
}

/* In the configuration 0 is no limit. */
static uint64_t limit_of(uint64_t max)
{
    return max ? max : UINT64_MAX;
}

size_t quota_checks(const struct registry *r, const struct repo_name *repo,
                    struct meta_op ops[static QUOTAS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < r->quotas->n && n < QUOTAS_MAX; i++) {
        const struct conf_quota *q = &r->quotas->items[i];

        if (!covers(str_of(q->name), repo_name_str(repo)))
            continue;
        ops[n++] = meta_op_quota_check(str_of(q->name), limit_of(q->bytes), limit_of(q->tags));
    }
    return n;
}

static enum err_code has_room(const struct registry *r, const struct conf_quota *q, uint64_t bytes,
                              struct err *e)
{
    uint64_t max = limit_of(q->bytes);
    enum err_code code = ERR_QUOTA;
    struct meta_op op;

    if (max == UINT64_MAX)
        return ERR_OK;
    op = meta_op_quota_check(str_of(q->name), bytes < max ? max - bytes : 0, UINT64_MAX);
    if (bytes <= max)
        code = meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
    if (code != ERR_QUOTA)
        return code;
    return err_tell(e, ERR_QUOTA, "'%s' may hold %llu bytes, which %llu more are too many for",
                    q->name, (unsigned long long)max, (unsigned long long)bytes);
}

enum err_code quota_has_room(const struct registry *r, const struct quota_need *needs,
                             size_t n_needs, struct err *e)
{
    for (size_t i = 0; i < r->quotas->n; i++) {
        const struct conf_quota *q = &r->quotas->items[i];
        uint64_t bytes = 0;
        bool any = false;

        for (size_t k = 0; k < n_needs; k++) {
            if (!covers(str_of(q->name), repo_name_str(needs[k].repo)))
                continue;
            bytes += needs[k].bytes;
            any = true;
        }
        if (any)
            TRY(has_room(r, q, bytes, e));
    }
    return ERR_OK;
}
