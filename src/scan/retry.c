#include "scan/retry.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"

#define PAGE 100

/* It may have been taken, or have ended, since it was read. */
static enum err_code retry(struct registry *r, const struct meta_job *job, struct err *e)
{
    const struct meta_op op =
        meta_op_job_retry(str_of(job->kind), str_of(job->key), clock_wall_ms());
    enum err_code code = meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);

    return code == ERR_NOT_FOUND || code == ERR_CONFLICT ? ERR_OK : code;
}

static enum err_code retry_page(struct registry *r, const char *kind, char *after, bool *ret_more,
                                struct err *e)
{
    AUTO(meta_jobs) struct meta_job_list l = {0};

    TRY(meta_jobs(r->meta, str_of(kind), str_of(after), PAGE, &l, e));
    *ret_more = l.more;
    for (size_t i = 0; i < l.n; i++) {
        const struct meta_job *job = &l.rows[i];

        if (strcmp(job->kind, kind) != 0) {
            *ret_more = false;
            return ERR_OK;
        }
        if (job->state == META_JOB_WAITING && job->attempts + job->passes > 0)
            TRY(retry(r, job, e));
        (void)!str_copy(str_of(job->key), after, SCAN_KEY_MAX + 1);
    }
    return ERR_OK;
}

enum err_code scan_retry_waiting(struct registry *r, struct err *e)
{
    static const char *const kinds[] = {SCAN_ASKED, SCAN_PUSHED, SCAN_AGAIN};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char after[SCAN_KEY_MAX + 1] = "";
        bool more = true;

        while (more)
            TRY(retry_page(r, kinds[i], after, &more, e));
    }
    if (r->jobs)
        jobs_wake(r->jobs);
    return ERR_OK;
}
