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
