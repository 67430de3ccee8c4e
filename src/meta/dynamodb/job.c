/*
 * Jobs: an item each, and in the index by age while they wait or run, by priority and time. What is
 * expected of one is guessed, so that adding and ending a job read nothing in the usual case.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { WANTED_NOT, WANTED_AGAIN, WANTED_CANCELLED };

#define PAGE_MOST 1000

static struct dynamo_cell *cell_of(struct dynamo_tx *tx, struct str kind, struct str key)
{
    return dynamo_cell_of(tx, dynamo_key_job(kind, key));
}

static enum err_code not_yours(struct str kind, struct str key, struct err *e)
{
    return err_set(e, ERR_CONFLICT,
                   "the job " STR_FMT " " STR_FMT " was taken by others, stopped or is gone",
                   STR_ARG(kind), STR_ARG(key));
}

static void set(struct dynamo_tx *tx, struct dynamo_cell *c, const char *name, struct str value)
{
    dynamo_cell_set(&tx->cells, c, name, value.p ? value : STR(""));
}

/* ---- the index: "PRIORITY#TIME#HASH OF THE KEY" */

static void partition_of(enum meta_job_state state, unsigned shard, char dst[static 32])
{
    dynamo_age_partition(state == META_JOB_WAITING ? "job-waits" : "job-runs", shard, dst);
}

/* All of a priority, from where on its time is past: what sorts behind it. */
static void place_of(int64_t priority, int64_t due_ms, char dst[static DYNAMO_AT_SIZE])
{
    char first[DYNAMO_SORTED], second[DYNAMO_SORTED];

    dynamo_sorted(priority, first);
    dynamo_sorted(due_ms, second);
    snprintf(dst, DYNAMO_AT_SIZE, "%s#%s", first, second);
}

/* After its state, priority or time has changed. */
static void list_it(struct dynamo_tx *tx, struct dynamo_cell *c)
{
    enum meta_job_state state = (enum meta_job_state)dynamo_cell_number(c, "state");
    char partition[32], place[DYNAMO_AT_SIZE], at[DYNAMO_AT_SIZE + 16];

    if (state == META_JOB_STOPPED) {
        dynamo_cell_unset(c, "g_age");
        dynamo_cell_unset(c, "at");
        return;
    }
    partition_of(state, dynamo_shard_of(str_of(c->sk), DYNAMO_AGE_SHARDS), partition);
    place_of(dynamo_cell_number(c, "priority"), dynamo_cell_number(c, "due"), place);
    snprintf(at, sizeof(at), "%s#%08x", place, dynamo_shard_of(str_of(c->sk), UINT32_MAX));
    set(tx, c, "g_age", str_of(partition));
    set(tx, c, "at", str_of(at));
}

/* ---- operations */

static void put_new(struct dynamo_tx *tx, struct dynamo_cell *c, struct str kind, struct str key)
{
    static const char *const numbers[] = {"attempts", "turn", "wanted", "state", "changed"};

    dynamo_cell_put(c);
    set(tx, c, "k", STR("J"));
    set(tx, c, "kind", kind);
    set(tx, c, "key", key);
    set(tx, c, "holder", STR(""));
    set(tx, c, "note", STR(""));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        dynamo_cell_set_number(c, numbers[i], 0);
}

/* It changes only what was seen. */
static void saw_all(struct dynamo_cell *c)
{
    static const char *const names[] = {"turn", "wanted", "due", "priority"};

    if (c->how != DYNAMO_CELL_UPDATE)
        return; /* it is of this transaction */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        dynamo_cell_saw(c, names[i], true);
}

static void ask_again(struct dynamo_tx *tx, struct dynamo_cell *c, const struct meta_job_add *j)
{
    int64_t state = dynamo_cell_number(c, "state"), due = dynamo_cell_number(c, "due");

    saw_all(c);
    dynamo_cell_set_number(c, "wanted", state == META_JOB_RUNNING ? WANTED_AGAIN : WANTED_NOT);
    if (state == META_JOB_WAITING && dynamo_cell_number(c, "attempts") == 0 && j->due_ms < due)
        dynamo_cell_set_number(c, "due", j->due_ms);
    if (j->priority < dynamo_cell_number(c, "priority"))
        dynamo_cell_set_number(c, "priority", j->priority);
    list_it(tx, c);
}

enum err_code dynamo_job_add(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_job_add *j = &op->job_add;
    struct dynamo_cell *c = cell_of(tx, j->kind, j->key);

    TRY(dynamo_cell_guess(&tx->cells, c, NULL, e));
    if (dynamo_cell_has(c, "k")) {
        if (j->if_absent)
            dynamo_cell_saw(c, "k", false);
        else
            ask_again(tx, c, j);
        return ERR_OK;
    }
    if (c->how == DYNAMO_CELL_UPDATE)
        dynamo_cell_saw(c, "k", false);
    put_new(tx, c, j->kind, j->key);
    dynamo_cell_set_number(c, "priority", j->priority);
    dynamo_cell_set_number(c, "due", j->due_ms);
    dynamo_cell_set_number(c, "changed", j->now_ms);
    list_it(tx, c);
    return ERR_OK;
}

static enum err_code job_take(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c = cell_of(tx, op->job.kind, op->job.key);
    int64_t wanted;

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "k") || dynamo_cell_number(c, "turn") != op->job.turn ||
        dynamo_cell_number(c, "state") == META_JOB_STOPPED)
        return not_yours(op->job.kind, op->job.key, e);
    saw_all(c);
    wanted = dynamo_cell_number(c, "wanted");
    dynamo_cell_set_number(c, "state", META_JOB_RUNNING);
    dynamo_cell_set_number(c, "turn", op->job.turn + 1);
    dynamo_cell_set_number(c, "attempts", dynamo_cell_number(c, "attempts") + 1);
    dynamo_cell_set_number(c, "changed", op->job.now_ms);
    dynamo_cell_set_number(c, "wanted", wanted == WANTED_CANCELLED ? wanted : WANTED_NOT);
    set(tx, c, "holder", op->job.holder);
    set(tx, c, "note", STR(""));
    list_it(tx, c);
    return ERR_OK;
}

/* Who has it still has it. quick: nothing is needed of it but what is usual. */
static enum err_code own(struct dynamo_tx *tx, struct dynamo_cell *c, struct str kind,
                         struct str key, int64_t turn, bool quick, struct err *e)
{
    json_t *usual =
        json_pack("{s:{s:s}, s:o, s:o, s:o}", "k", "S", "J", "turn", item_number(turn), "state",
                  item_number(META_JOB_RUNNING), "wanted", item_number(WANTED_NOT));
    enum err_code code;

    if (quick) {
        code = dynamo_cell_guess(&tx->cells, c, usual, e);
    } else {
        json_decref(usual);
        code = dynamo_cell_read(&tx->cells, c, e);
    }
    TRY(code);
    if (!dynamo_cell_has(c, "k") || dynamo_cell_number(c, "turn") != turn ||
        dynamo_cell_number(c, "state") != META_JOB_RUNNING)
        return not_yours(kind, key, e);
    if (c->how == DYNAMO_CELL_UPDATE) {
        dynamo_cell_saw(c, "turn", true);
        dynamo_cell_saw(c, "state", true);
    }
    return ERR_OK;
}

static enum err_code job_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c = cell_of(tx, op->job.kind, op->job.key);

    return own(tx, c, op->job.kind, op->job.key, op->job.turn, true, e);
}

static void saw_wanted(struct dynamo_cell *c)
{
    if (c->how == DYNAMO_CELL_UPDATE)
        dynamo_cell_saw(c, "wanted", true);
}

static enum err_code job_note(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c = cell_of(tx, op->job.kind, op->job.key);

    TRY(own(tx, c, op->job.kind, op->job.key, op->job.turn, true, e));
    if (dynamo_cell_number(c, "wanted") == WANTED_CANCELLED)
        return err_set(e, ERR_CONFLICT, "the job " STR_FMT " " STR_FMT " is to go away",
                       STR_ARG(op->job.kind), STR_ARG(op->job.key));
    saw_wanted(c);
    set(tx, c, "note", op->job.note);
    return ERR_OK;
}

static void wait_again(struct dynamo_tx *tx, struct dynamo_cell *c, enum meta_job_state state,
                       int64_t due_ms, int64_t attempts, struct str note, int64_t now_ms)
{
    dynamo_cell_set_number(c, "state", state);
    dynamo_cell_set_number(c, "wanted", WANTED_NOT);
    dynamo_cell_set_number(c, "turn", dynamo_cell_number(c, "turn") + 1);
    dynamo_cell_set_number(c, "due", due_ms);
    dynamo_cell_set_number(c, "attempts", attempts);
    dynamo_cell_set_number(c, "changed", now_ms);
    set(tx, c, "holder", STR(""));
    set(tx, c, "note", note);
    list_it(tx, c);
}

enum err_code dynamo_job_end(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_job_end *j = &op->job_end;
    bool done = j->as == META_JOB_DONE, quick = done && !j->repeat;
    struct dynamo_cell *c = cell_of(tx, j->kind, j->key);
    int64_t wanted, attempts;

    TRY(own(tx, c, j->kind, j->key, j->turn, quick, e));
    wanted = dynamo_cell_number(c, "wanted");
    saw_wanted(c);
    if (wanted == WANTED_CANCELLED || (quick && wanted == WANTED_NOT)) {
        dynamo_cell_delete(c);
        return ERR_OK;
    }
    saw_all(c);
    attempts = done ? 0 : dynamo_cell_number(c, "attempts");
    if (j->as == META_JOB_PUT_BACK && attempts > 0)
        attempts--;
    if (j->as == META_JOB_FAILED && j->passes)
        attempts += META_JOB_PASS - 1;
    wait_again(tx, c, j->as == META_JOB_FAILED_FOR_GOOD ? META_JOB_STOPPED : META_JOB_WAITING,
               done && wanted == WANTED_AGAIN ? j->now_ms : j->due_ms, attempts, j->note,
               j->now_ms);
    return ERR_OK;
}

static enum err_code find(struct dynamo_tx *tx, const struct meta_op *op,
                          struct dynamo_cell **ret_cell, struct err *e)
{
    struct dynamo_cell *c = cell_of(tx, op->job.kind, op->job.key);

    TRY(dynamo_cell_read(&tx->cells, c, e));
    if (!dynamo_cell_has(c, "k"))
        return err_set(e, ERR_NOT_FOUND, "there is no job " STR_FMT " " STR_FMT,
                       STR_ARG(op->job.kind), STR_ARG(op->job.key));
    saw_all(c);
    *ret_cell = c;
    return ERR_OK;
}

static enum err_code job_retry(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c;

    TRY(find(tx, op, &c, e));
    if (dynamo_cell_number(c, "state") == META_JOB_RUNNING)
        return err_set(e, ERR_CONFLICT, "the job " STR_FMT " " STR_FMT " runs",
                       STR_ARG(op->job.kind), STR_ARG(op->job.key));
    wait_again(tx, c, META_JOB_WAITING, op->job.now_ms, 0, STR(""), op->job.now_ms);
    return ERR_OK;
}

static enum err_code job_cancel(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct dynamo_cell *c;

    TRY(find(tx, op, &c, e));
    if (dynamo_cell_number(c, "state") == META_JOB_RUNNING)
        dynamo_cell_set_number(c, "wanted", WANTED_CANCELLED);
    else
        dynamo_cell_delete(c);
    return ERR_OK;
}

enum err_code dynamo_job(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    switch (op->kind) {
    case META_JOB_TAKE:
        return job_take(tx, op, e);
    case META_JOB_CHECK:
        return job_check(tx, op, e);
    case META_JOB_NOTE:
        return job_note(tx, op, e);
    case META_JOB_RETRY:
        return job_retry(tx, op, e);
    default:
        return job_cancel(tx, op, e);
    }
}

void dynamo_job_row(struct dynamo_tx *tx, const struct meta_row *row, struct dynamo_cell *c)
{
    put_new(tx, c, row->texts[0], row->texts[1]);
    set(tx, c, "note", row->texts[2]);
    dynamo_cell_set_number(c, "state", row->ints[0]);
    dynamo_cell_set_number(c, "priority", row->ints[1]);
    dynamo_cell_set_number(c, "due", row->ints[2]);
    dynamo_cell_set_number(c, "attempts", row->ints[3]);
    list_it(tx, c);
}

/* ---- reading */

static struct meta_job job_from(const json_t *item)
{
    int64_t wanted = item_get_number(item, "wanted"), attempts = item_get_number(item, "attempts");

    return (struct meta_job){.kind = str_dup(item_get_text(item, "kind")),
                             .key = str_dup(item_get_text(item, "key")),
                             .state = (enum meta_job_state)item_get_number(item, "state"),
                             .priority = item_get_number(item, "priority"),
                             .due_ms = item_get_number(item, "due"),
                             .attempts = attempts % META_JOB_PASS,
                             .passes = attempts / META_JOB_PASS,
                             .turn = item_get_number(item, "turn"),
                             .again = wanted == WANTED_AGAIN,
                             .cancelled = wanted == WANTED_CANCELLED,
                             .holder = str_dup(item_get_text(item, "holder")),
                             .note = str_dup(item_get_text(item, "note")),
                             .changed_ms = item_get_number(item, "changed")};
}

static void add(struct meta_job_list *l, const json_t *item)
{
    l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
    l->rows[l->n++] = job_from(item);
}

static size_t page_of(size_t limit)
{
    return limit < PAGE_MOST ? limit + 1 : 0;
}

static enum err_code jobs(struct meta *m, struct str after_kind, struct str after_key, size_t limit,
                          struct meta_job_list *ret_list, struct err *e)
{
    struct dynamo_link *link = dynamo_of(m)->link;
    struct dynamo_key after = dynamo_key_job(after_kind, after_key);
    char partitions[DYNAMO_JOB_SHARDS][DYNAMO_PK_MAX + 1];
    AUTO(dynamo_merge) struct dynamo_merge merge = {.n = DYNAMO_JOB_SHARDS, .by = "sk"};
    AUTO(meta_jobs) struct meta_job_list l = {0};
    int64_t end_ms = dynamo_link_end(link);
    json_t *item;

    for (unsigned i = 0; i < DYNAMO_JOB_SHARDS; i++) {
        dynamo_job_partition(i, partitions[i]);
        merge.cursors[i].range = (struct dynamo_range){
            .partition = partitions[i], .above = after.sk, .page = page_of(limit)};
    }
    for (;;) {
        TRY(dynamo_merge_next(link, &merge, end_ms, &item, e));
        if (!item || l.n == limit)
            break;
        add(&l, item);
    }
    l.more = item != NULL;
    *ret_list = l;
    l = (struct meta_job_list){0};
    return ERR_OK;
}

/* Those of a shard whose time has come, by priority and time, one more than limit at most. What of
 * a priority is not due yet is jumped over. */
static enum err_code due_of_shard(struct dynamo_link *link, enum meta_job_state state,
                                  unsigned shard, int64_t now_ms, size_t limit,
                                  struct meta_job_list *l, struct err *e)
{
    char partition[32], above[DYNAMO_AT_SIZE];
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.index = "g_age",
                                        .hash = "g_age",
                                        .sort = "at",
                                        .partition = partition,
                                        .page = page_of(limit)}};

    partition_of(state, shard, partition);
    for (size_t n = 0; n <= limit;) {
        json_t *item;

        TRY(dynamo_cursor_peek(link, &c, dynamo_link_end(link), &item, e));
        if (!item)
            break;
        if (state == META_JOB_WAITING && item_get_number(item, "due") > now_ms) {
            place_of(item_get_number(item, "priority"), INT64_MAX, above);
            dynamo_cursor_done(&c);
            c.range.above = above;
            c.ended = false;
            c.at = 0;
            continue;
        }
        add(l, item);
        dynamo_cursor_step(&c);
        n++;
    }
    return ERR_OK;
}

static int by_urgency(const void *a, const void *b)
{
    const struct meta_job *x = a, *y = b;

    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->due_ms > y->due_ms) - (x->due_ms < y->due_ms);
}

/* Of the state, up to limit more; the index lags a little, and who takes a job looks again. */
static enum err_code add_due(struct dynamo_link *link, enum meta_job_state state, int64_t now_ms,
                             size_t limit, struct meta_job_list *l, struct err *e)
{
    size_t from = l->n;

    for (unsigned i = 0; i < DYNAMO_AGE_SHARDS; i++)
        TRY(due_of_shard(link, state, i, now_ms, limit, l, e));
    if (l->n > from + 1)
        qsort(l->rows + from, l->n - from, sizeof(*l->rows), by_urgency);
    l->more |= l->n - from > limit;
    while (l->n - from > limit)
        meta_job_done(&l->rows[--l->n]);
    return ERR_OK;
}

static enum err_code jobs_due(struct meta *m, int64_t now_ms, size_t limit,
                              struct meta_job_list *ret_list, struct err *e)
{
    struct dynamo_link *link = dynamo_of(m)->link;
    AUTO(meta_jobs) struct meta_job_list l = {0};

    TRY(add_due(link, META_JOB_WAITING, now_ms, limit, &l, e));
    TRY(add_due(link, META_JOB_RUNNING, now_ms, limit, &l, e));
    *ret_list = l;
    l = (struct meta_job_list){0};
    return ERR_OK;
}

static enum err_code job_get(struct meta *m, struct str kind, struct str key,
                             struct meta_job *ret_job, struct err *e)
{
    struct dynamo_link *link = dynamo_of(m)->link;
    struct dynamo_key k = dynamo_key_job(kind, key);
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(link, &k, dynamo_link_end(link), &item, e));
    if (!item)
        return err_set(e, ERR_NOT_FOUND, "there is no job " STR_FMT " " STR_FMT, STR_ARG(kind),
                       STR_ARG(key));
    *ret_job = job_from(item);
    return ERR_OK;
}

void dynamo_job_fill(struct meta_driver *d)
{
    d->jobs = jobs;
    d->jobs_due = jobs_due;
    d->job_get = job_get;
}
