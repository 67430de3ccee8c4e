#include "core/index_wish.h"

#include "jobs/jobs.h"

#include <stdio.h>

void index_key(const struct repo_name *repo, const struct digest *d,
               char ret_key[static INDEX_KEY_MAX + 1])
{
    snprintf(ret_key, INDEX_KEY_MAX + 1, "%s@%s", repo->text, d->text);
}

size_t index_wish(const struct registry *r, const struct repo_name *repo, const struct digest *d,
                  char ret_key[static INDEX_KEY_MAX + 1], struct meta_op *ops)
{
    if (!r->options->index_files)
        return 0;
    index_key(repo, d, ret_key);
    *ops = meta_op_record_put(INDEX_WISHES, str_of(ret_key), STR("pushed"), META_ANY);
    return 1;
}

void index_wished(struct registry *r)
{
    if (r->options->index_files && r->jobs)
        jobs_wake_own(r->jobs, INDEX_WISH_JOB);
}
