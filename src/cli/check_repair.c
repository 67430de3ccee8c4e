#include "cli/check_repair.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "check/mend.h"
#include "cli/command_accounts.h"

#include <inttypes.h>
#include <time.h>

#define MEMBERS STR("replicas") /* who uses the database: a record each */
#define LOOK_MS 100
#define IDLE_MS 60000 /* so long none of them was begun or done */

enum err_code check_repair_begin(struct check_repair *r, struct err *e)
{
    AUTO(records) struct meta_record_list members = {0};

    if (!meta_is_shared(r->registry->meta))
        return ERR_OK;
    TRY(meta_records(r->registry->meta, MEMBERS, STR(""), 1, &members, e));
    r->beside = members.n > 0;
    return ERR_OK;
}

/* ---- by servers */

static enum err_code ask(struct check_repair *r, const struct check_finding *f, struct err *e)
{
    char key[MEND_KEY_MAX];
    struct meta_op op;
    int64_t now_ms = clock_wall_ms();

    mend_key(f, key);
    op = meta_op_job_add((struct meta_job_add){
        .kind = STR(MEND_JOB), .key = str_of(key), .due_ms = now_ms, .now_ms = now_ms});
    return meta_commit(r->registry->meta, &op, 1, 0, NULL, e);
}

enum progress { GONE, RUNS, WAITS, FAILED };

static enum err_code look(struct check_repair *r, const struct check_finding *f,
                          enum progress *ret_progress, struct err *e)
{
    AUTO(meta_job) struct meta_job j = {0};
    char key[MEND_KEY_MAX];
    enum err_code code;

    mend_key(f, key);
    code = meta_job_get(r->registry->meta, STR(MEND_JOB), str_of(key), &j, e);
    if (code == ERR_NOT_FOUND) {
        *ret_progress = GONE;
        return ERR_OK;
    }
    TRY(code);
    if (j.state == META_JOB_RUNNING)
        *ret_progress = RUNS;
    else
        *ret_progress = j.state == META_JOB_STOPPED || j.attempts + j.passes > 0 ? FAILED : WAITS;
    return ERR_OK;
}

/* It is told as not repaired, and is not tried any more. */
static void give_up(struct check_repair *r, const struct check_finding *f)
{
    char key[MEND_KEY_MAX];
    struct meta_op op;

    mend_key(f, key);
    op = meta_op_job_cancel(STR(MEND_JOB), str_of(key));
    (void)!meta_commit(r->registry->meta, &op, 1, 0, NULL, ERR_IGNORED);
}

static enum err_code wait_for(struct check_repair *r, const struct check_finding *f,
                              int64_t *idle_since_ms, bool *ret_mended, struct err *e)
{
    const struct timespec t = {.tv_nsec = LOOK_MS * 1000000};
    enum progress now;

    for (;;) {
        TRY(look(r, f, &now, e));
        if (now != WAITS)
            *idle_since_ms = clock_mono_ms();
        if (now == GONE || now == FAILED)
            break;
        if (clock_mono_ms() - *idle_since_ms > IDLE_MS)
            return err_set(e, ERR_UNAVAILABLE,
                           "no server does repairs: they are tried when one is started, unless "
                           "`registry jobs cancel` takes them away");
        nanosleep(&t, NULL);
    }
    if (now == FAILED)
        give_up(r, f);
    *ret_mended = now == GONE;
    return ERR_OK;
}

static enum err_code by_servers(struct check_repair *r, const struct check_finding *list, size_t n,
                                bool *ret_mended, struct err *e)
{
    int64_t idle_since_ms = clock_mono_ms();

    for (size_t i = 0; i < n; i++) {
        if (mend_can(list[i].code, r->move_tags))
            TRY(ask(r, &list[i], e));
    }
    for (size_t i = 0; i < n; i++) {
        if (mend_can(list[i].code, r->move_tags))
            TRY(wait_for(r, &list[i], &idle_since_ms, &ret_mended[i], e));
    }
    return ERR_OK;
}

/* ---- */

enum err_code check_repair_all(struct check_repair *r, const struct check_finding *list, size_t n,
                               bool *ret_mended, struct err *e)
{
    if (r->beside)
        return by_servers(r, list, n, ret_mended, e);
    for (size_t i = 0; i < n; i++) {
        if (mend_can(list[i].code, r->move_tags) &&
            mend_finding(r->registry, &list[i], &ret_mended[i], e) != ERR_OK)
            r->failed(r->ctx, &list[i], e);
    }
    return ERR_OK;
}

enum err_code check_repair_note(struct check_repair *r, const struct cli_args *args,
                                const struct check_counts *counts, struct err *e)
{
    char detail[96];

    snprintf(detail, sizeof(detail), "{\"findings\":%" PRIu64 ",\"repaired\":%" PRIu64 "}",
             counts->findings, counts->mended);
    return cli_audit_note(r->registry->meta, args, "", detail, e);
}
