#include "core/scan_wish.h"

#include "jobs/jobs.h"

#include <stdio.h>

void scan_key(const struct repo_name *repo, const struct digest *d,
              char ret_key[static SCAN_KEY_MAX + 1])
{
    snprintf(ret_key, SCAN_KEY_MAX + 1, "%s@%s", repo->text, d->text);
}

bool scan_is_config(struct str media_type)
{
    return str_eq(media_type, STR("application/vnd.oci.image.config.v1+json")) ||
           str_eq(media_type, STR("application/vnd.docker.container.image.v1+json"));
}

size_t scan_wish(const struct registry *r, const struct repo_name *repo, const struct digest *d,
                 const struct manifest *m, char ret_key[static SCAN_KEY_MAX + 1],
                 struct meta_op *ops)
{
    if (!r->jobs || !conf_bool(&r->options->scan_on_push) || m->shape != MANIFEST_IMAGE ||
        !scan_is_config(str_of(m->artifact_type)))
        return 0;
    scan_key(repo, d, ret_key);
    *ops = jobs_add_op(r->jobs, SCAN_PUSHED, str_of(ret_key));
    return 1;
}

void scan_wished(struct registry *r)
{
    if (r->jobs && conf_bool(&r->options->scan_on_push))
        jobs_wake(r->jobs);
}
