#include "core/removal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "base/parallel.h"
#include "jobs/jobs.h"

#include <stdlib.h>
#include <time.h>

#define WHY_REFUSED "pushed and not linked"

#define LINK_TRIES    3
#define AWAIT_MS      1000 /* for a deletion that is on its way */
#define AWAIT_STEP_NS 50000000

/* Of a transaction: where others wait for its answer over a network, or it has a bound. */
#define PAGE_SHARED 64
#define PAGE_MOST   256

#define FILE_THREADS 4

#define FORGET_MS       (24 * 3600 * 1000) /* deletions that ended */
#define UNSURE_LEFT_MAX 4096

/* Of one whose end is not known: so long a server may still take it, by its own clock. */
#define UNSURE_MS ((STORE_PURGE_VALID_S + 15 * 60) * 1000)

static bool once(const struct registry *r)
{
    return store_shared(r->store);
}

static struct meta_content content_of(const struct registry *r, const struct repo_name *repo,
                                      const struct digest *d)
{
    return (struct meta_content){once(r) ? NULL : repo, d};
}

int64_t removal_wait_ms(const struct registry *r)
{
    int64_t grace_ms = (int64_t)conf_u64(&r->gc->grace_ms);
    int64_t linger_ms = once(r) ? (int64_t)conf_u64(&r->gc->linger_ms) : 0;

    return grace_ms > linger_ms ? grace_ms : linger_ms;
}

/* Of what was condemned for gc.grace before: readers, and who wants to undo it. */
static int64_t waited_wait_ms(const struct registry *r)
{
    int64_t linger_ms = once(r) ? (int64_t)conf_u64(&r->gc->linger_ms) : 0;
    int64_t undo_ms = (int64_t)conf_u64(&r->gc->undo_ms);

    return undo_ms > linger_ms ? undo_ms : linger_ms;
}

struct meta_removal removal_of(const struct registry *r, const char *why, bool waited)
{
    int64_t before_ms = waited ? removal_wait_ms(r) - waited_wait_ms(r) : 0;

    return (struct meta_removal){
        .once = once(r), .since_ms = clock_wall_ms() - before_ms, .reason = str_of(why)};
}

void removal_wake(struct registry *r)
{
    if (r->jobs && removal_wait_ms(r) == 0)
        (void)!jobs_add(r->jobs, REGISTRY_REMOVE, STR(JOBS_ALL), ERR_IGNORED);
}

/* ---- linking */

struct meta_op removal_link(const struct registry *r, const struct repo_name *repo,
                            const struct digest *d, uint64_t size_bytes)
{
    struct meta_op op = meta_op_blob_link(repo, d, size_bytes);

    op.blob_link.once = once(r);
    return op;
}

static enum err_code being_deleted(const struct digest *d, struct err *e)
{
    return err_tell(e, ERR_GONE, "%s is being deleted just now; try again", d->text);
}

/* No row is as good as a deletion that ended before anybody looked. */
static enum err_code find_row(struct registry *r, struct meta_content c,
                              struct meta_removed *ret_row, struct err *e)
{
    enum err_code code = meta_removed_get(r->meta, c, ret_row, e);

    if (code != ERR_NOT_FOUND)
        return code;
    *ret_row = (struct meta_removed){.state = META_REMOVED_DELETED};
    return ERR_OK;
}

/* In files, under the lock: a process that died had begun. Its deletion has ended as well. */
static enum err_code end_for_another(struct registry *r, struct meta_content c,
                                     const struct meta_removed *row, struct err *e)
{
    struct meta_op op = meta_op_content_deleted(c, row->number, clock_wall_ms(), true);

    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

enum err_code removal_number(void *ctx, const struct digest *d, int64_t *ret_number, struct err *e)
{
    struct registry *r = ctx;
    struct meta_removed row;

    TRY(find_row(r, (struct meta_content){NULL, d}, &row, e));
    if (row.state == META_REMOVED_GONE)
        return err_set(e, ERR_LATER, "%s is being deleted", d->text);
    *ret_number = row.number;
    return ERR_OK;
}

static void pause_without(struct registry *r, const struct digest *d, pthread_mutex_t **held)
{
    const struct timespec step = {.tv_nsec = AWAIT_STEP_NS};

    locks_release(STEAL(*held));
    nanosleep(&step, NULL);
    *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));
}

/* Until its deletion has ended, or for so long. */
static enum err_code await(struct registry *r, struct meta_content c, pthread_mutex_t **held,
                           struct meta_removed *ret_row, struct err *e)
{
    int64_t end_ms = clock_mono_ms() + AWAIT_MS;

    for (;;) {
        TRY(find_row(r, c, ret_row, e));
        if (ret_row->state != META_REMOVED_GONE)
            return ERR_OK;
        if (!once(r))
            TRY(end_for_another(r, c, ret_row, e));
        else if (!held || clock_mono_ms() >= end_ms)
            return held ? ERR_OK : being_deleted(c.digest, e);
        else
            pause_without(r, c.digest, held);
    }
}

/* Its deletion does not end: where that does not come. The copy takes long, and nobody else's link
 * waits for it. */
static enum err_code put_aside(struct registry *r, const struct digest *d, pthread_mutex_t **held,
                               struct err *e)
{
    enum err_code code;

    locks_release(STEAL(*held));
    code = store_blob_aside(r->store, d, e);
    *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));
    return code == ERR_UNSUPPORTED ? being_deleted(d, e) : code;
}

/* A link was refused: the number first, then the bytes. */
static enum err_code look_again(struct registry *r, struct meta_op *link, pthread_mutex_t **held,
                                struct err *e)
{
    const struct repo_name *repo = link->blob_link.repo;
    const struct digest *d = link->blob_link.digest;
    struct meta_removed row;
    uint64_t size_bytes;
    enum err_code code = ERR_OK;

    TRY(await(r, content_of(r, repo, d), held, &row, e));
    link->blob_link.seen_number = row.number;
    link->blob_link.aside = row.state == META_REMOVED_GONE;
    if (link->blob_link.aside)
        code = put_aside(r, d, held, e);
    if (code == ERR_OK)
        code = store_blob_stat(r->store, repo, d, &size_bytes, e);
    return code == ERR_BLOB_UNKNOWN || (code == ERR_OK && size_bytes != link->blob_link.size_bytes)
               ? err_tell(e, ERR_GONE, "%s was deleted while it was pushed; push it again", d->text)
               : code;
}

enum err_code removal_commit(struct registry *r, struct meta_op *ops, size_t n, size_t link,
                             pthread_mutex_t **held, struct err *e)
{
    enum err_code code = meta_commit(r->meta, ops, n, 0, NULL, e);

    for (int i = 1; code == ERR_GONE && i < LINK_TRIES; i++) {
        TRY(look_again(r, &ops[link], held, e));
        code = meta_commit(r->meta, ops, n, 0, NULL, e);
    }
    return code == ERR_GONE ? being_deleted(ops[link].blob_link.digest, e) : code;
}

/* ---- what was stored and not linked */

enum err_code removal_condemn(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, struct meta_removal removal, struct err *e)
{
    const struct meta_op op = meta_op_content_condemn(content_of(r, repo, d), removal);

    return meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
}

enum err_code removal_waits(struct meta *m, struct meta_content c, bool *ret_waits, struct err *e)
{
    struct meta_removed row;
    enum err_code code = meta_removed_get(m, c, &row, e);

    *ret_waits = code == ERR_OK && row.state != META_REMOVED_DELETED;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static enum err_code condemn_if_unlinked(struct registry *r, const struct repo_name *repo,
                                         const struct digest *d, struct err *e)
{
    return removal_condemn(r, repo, d, removal_of(r, WHY_REFUSED, false), e);
}

/* In files nobody else can be about to link it; what is condemned waits for its time. */
static enum err_code drop_unlinked(struct registry *r, const struct repo_name *repo,
                                   const struct digest *d, struct err *e)
{
    struct meta_removed row;
    uint64_t size_bytes;
    enum err_code code = meta_blob_stat(r->meta, repo, d, &size_bytes, e);

    if (code != ERR_BLOB_UNKNOWN)
        return code;
    code = meta_removed_get(r->meta, content_of(r, repo, d), &row, e);
    if (code != ERR_NOT_FOUND)
        return code;
    code = store_blob_delete(r->store, repo, d, false, e);
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

enum err_code removal_discard(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, struct err *e)
{
    return once(r) ? condemn_if_unlinked(r, repo, d, e) : drop_unlinked(r, repo, d, e);
}

/* ---- the job */

/* One whose end was not known when it was last looked at, by this process's clock. */
struct removal_unsure {
    int64_t number, since_ms;
};

enum outcome {
    LEFT,    /* tried again, when nothing of it can come any more */
    DELETED, /* for certain */
    BACK     /* nothing was sent, by whom it is gone by: it is condemned as before */
};

struct item {
    struct meta_removed row;
    int64_t number; /* that it is gone by */
    bool gone;
    enum outcome outcome;
};

struct run {
    struct registry *r;
    struct job *job;
    size_t page;
    struct item items[PAGE_MOST];
    struct meta_op ops[PAGE_MOST + 1];
    size_t n;
    struct pace pace;
};

/* NULL: of a command. */
static struct jobs *jobs_of(const struct run *run)
{
    return run->job ? job_jobs(run->job) : run->r->jobs;
}

static bool goes_on(const struct run *run)
{
    return !jobs_of(run) || job_go_on(jobs_of(run), run->job);
}

static void give_way(struct run *run)
{
    int64_t ms = pace_rest_ms(&run->pace);

    if (ms == 0 || !jobs_of(run))
        return;
    (void)job_rest(jobs_of(run), run->job, ms);
    pace_rested(&run->pace);
}

static bool still_ours(void *ctx)
{
    return goes_on(ctx);
}

/* The first n of run->ops, with the precondition that the job is still ours. */
static enum err_code commit(struct run *run, size_t n, unsigned flags, struct err *e)
{
    if (n == 0)
        return ERR_OK;
    if (run->job)
        run->ops[n++] = job_check_op(run->job);
    return meta_commit(run->r->meta, run->ops, n, flags, NULL, e);
}

static struct meta_content content_of_row(const struct meta_removed *row)
{
    return (struct meta_content){row->repo.n > 0 ? &row->repo : NULL, &row->digest};
}

static int64_t new_number(void)
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    return (int64_t)(random >> 1) | 1;
}

static enum err_code mark_gone(struct run *run, struct err *e)
{
    int64_t number = new_number(), now_ms = clock_wall_ms();

    for (size_t i = 0; i < run->n; i++) {
        struct item *it = &run->items[i];

        it->number = number;
        run->ops[i] = meta_op_content_gone(content_of_row(&it->row), it->row.since_ms, number,
                                           now_ms, &it->gone);
    }
    return commit(run, run->n, 0, e);
}

/* Of files, under the lock: a push may have ended this deletion, and stored the blob. */
static enum err_code delete_file(struct run *run, const struct item *it, struct err *e)
{
    const struct repo_name *repo = &it->row.repo;
    const struct digest *d = &it->row.digest;
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&run->r->blob_locks, STR_NONE, digest_str(d));
    struct meta_removed now;
    enum err_code code;

    TRY(find_row(run->r, content_of_row(&it->row), &now, e));
    if (now.state != META_REMOVED_GONE || now.number != it->number)
        return ERR_OK;
    code = store_drop(run->r->store, STORE_BLOB, repo, d, e);
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

/* LATER: nothing was sent. */
static enum err_code delete_content(struct run *run, const struct item *it, struct err *e)
{
    bool is_once = it->row.repo.n == 0;

    if (is_once != once(run->r)) /* the store was another one then: there is nothing of it */
        return ERR_OK;
    return is_once ? store_blob_purge(run->r->store, &it->row.digest, still_ours, run, e)
                   : delete_file(run, it, e);
}

/* Of files: those of a repository that go together are gone for certain. */
static void settle_files(struct run *run, struct err_first *all)
{
    const struct repo_name *settled = NULL;
    enum err_code code = ERR_OK;

    for (size_t i = 0; i < run->n; i++) {
        struct item *it = &run->items[i];
        const struct repo_name *repo = &it->row.repo;

        if (it->outcome != DELETED || repo->n == 0 || once(run->r))
            continue;
        if (!settled || !str_eq(repo_name_str(settled), repo_name_str(repo))) {
            code = store_dropped(run->r->store, STORE_BLOB, repo, &all->step);
            err_first_add(all, code);
            settled = repo;
        }
        if (code != ERR_OK)
            it->outcome = LEFT;
    }
}

struct deleting {
    struct run *run;
    pthread_mutex_t lock; /* of what follows */
    struct err_first *all;
};

static void delete_one(void *ctx, size_t i)
{
    struct deleting *x = ctx;
    struct item *it = &x->run->items[i];
    struct err e = {0};
    enum err_code code;

    if (!it->gone || !goes_on(x->run))
        return;
    code = delete_content(x->run, it, &e);
    it->outcome = code == ERR_OK ? DELETED : code == ERR_LATER ? BACK : LEFT;
    if (code == ERR_OK || code == ERR_LATER)
        return;
    pthread_mutex_lock(&x->lock);
    x->all->step = e;
    err_first_add(x->all, code);
    pthread_mutex_unlock(&x->lock);
}

/* Files side by side, for there are disks and networks that each deletion waits for. */
static void delete_all(struct run *run, struct err_first *all)
{
    struct deleting x = {.run = run, .lock = PTHREAD_MUTEX_INITIALIZER, .all = all};
    int64_t before_us = clock_mono_us();

    parallel_each(run->n, once(run->r) || pace_gives_way(&run->pace) ? 1 : FILE_THREADS, delete_one,
                  &x);
    pthread_mutex_destroy(&x.lock);
    settle_files(run, all);
    pace_took(&run->pace, run->n, clock_mono_us() - before_us);
}

/* Of files lazily: an end that is lost is written by the next run. */
static enum err_code write_ends(struct run *run, struct err *e)
{
    int64_t now_ms = clock_wall_ms();
    size_t n = 0;

    for (size_t i = 0; i < run->n; i++) {
        const struct item *it = &run->items[i];
        struct meta_content c = content_of_row(&it->row);

        if (it->gone && it->outcome == DELETED)
            run->ops[n++] = meta_op_content_deleted(c, it->number, now_ms, !once(run->r));
        else if (it->gone && it->outcome == BACK)
            run->ops[n++] = meta_op_content_back(c, it->number, now_ms);
    }
    return commit(run, n, once(run->r) ? 0 : META_LAZY, e);
}

/* gone: by somebody who did not say what came of it. */
static void take(struct run *run, const struct meta_removed *row, bool gone)
{
    run->items[run->n++] = (struct item){
        .row = *row, .number = row->number, .gone = gone, .outcome = gone ? LEFT : BACK};
}

/* Condemned for long enough. *ret_more: there are others. */
static enum err_code next_condemned(struct run *run, bool *ret_more, struct err_first *all,
                                    struct err *e)
{
    int64_t before_ms = clock_wall_ms() - removal_wait_ms(run->r) + 1;
    AUTO(meta_removed_list) struct meta_removed_list l = {0};
    size_t n_gone = 0;

    TRY(meta_removed(run->r->meta, META_REMOVED_CONDEMNED, before_ms, STR(""),
                     pace_fits(&run->pace, run->page), &l, e));
    run->n = 0;
    for (size_t i = 0; i < l.n; i++)
        take(run, &l.rows[i], false);
    TRY(mark_gone(run, e));
    delete_all(run, all);
    TRY(write_ends(run, e));
    for (size_t i = 0; i < run->n; i++)
        n_gone += run->items[i].gone && run->items[i].outcome != BACK;
    *ret_more = l.more && n_gone > 0;
    give_way(run);
    return ERR_OK;
}

/* NOTHING_COMES: of a deletion that this process has known for long enough. Those of a number were
 * begun together. */
static bool nothing_comes(struct registry *r, const struct meta_removed *row)
{
    struct removal_unsure *list = r->unsure;
    int64_t now_ms = clock_mono_ms();

    if (!once(r))
        return true;
    for (size_t i = 0; i < r->n_unsure; i++) {
        if (list[i].number != row->number)
            continue;
        if (now_ms - list[i].since_ms < UNSURE_MS)
            return false;
        list[i].since_ms = now_ms; /* of the next one */
        return true;
    }
    if (r->n_unsure < UNSURE_LEFT_MAX) {
        r->unsure = mem_resize(r->unsure, (r->n_unsure + 1) * sizeof(*r->unsure));
        r->unsure[r->n_unsure++] = (struct removal_unsure){row->number, now_ms};
    }
    return false;
}

/* Those that somebody began and nobody ended. */
static enum err_code end_begun(struct run *run, struct err_first *all, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    for (bool more = true; more && goes_on(run);) {
        AUTO(meta_removed_list) struct meta_removed_list l = {0};

        TRY(meta_removed(run->r->meta, META_REMOVED_GONE, INT64_MAX, str_of(after),
                         pace_fits(&run->pace, run->page), &l, e));
        run->n = 0;
        if (l.n == 0 && !after[0] && once(run->r))
            run->r->n_unsure = 0;
        for (size_t i = 0; i < l.n; i++) {
            if (nothing_comes(run->r, &l.rows[i]))
                take(run, &l.rows[i], true);
        }
        delete_all(run, all);
        TRY(write_ends(run, e));
        more = l.more && l.next;
        if (more) {
            free(after);
            after = STEAL(l.next);
        }
        give_way(run);
    }
    return ERR_OK;
}

enum err_code removal_run(struct registry *r, struct job *job, struct err *e)
{
    AUTO(mem) struct run *run = NEW(struct run);
    struct meta_op prune = meta_op_content_prune(clock_wall_ms() - FORGET_MS);
    struct err_first all = {0};

    run->r = r;
    run->job = job;
    run->pace = pace_begin(conf_u64(&r->gc->share));
    run->page = once(r) || meta_is_shared(r->meta) ? PAGE_SHARED : PAGE_MOST;
    TRY(end_begun(run, &all, e));
    for (bool more = true; more && goes_on(run);)
        TRY(next_condemned(run, &more, &all, e));
    TRY(meta_commit(r->meta, &prune, 1, META_LAZY, NULL, e));
    return err_first_of(&all, e);
}
