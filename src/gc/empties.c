#include "gc/empties.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 256

struct look {
    const struct gc_empties *o;
    json_t *busy;  /* as a set: names into which something is pushed */
    json_t *empty; /* likewise: that this run found empty, and that stay */
    int64_t now_ms;
};

static enum err_code note_upload(void *ctx, const struct meta_upload *u, struct err *e)
{
    struct look *l = ctx;

    (void)e;
    json_object_set_new(l->busy, u->repo.text, json_true());
    return ERR_OK;
}

static enum err_code commit(const struct look *l, struct meta_op *ops, size_t n, struct err *e)
{
    if (l->o->check)
        ops[n++] = *l->o->check;
    return meta_commit(l->o->meta, ops, n, META_LAZY, NULL, e);
}

static enum err_code write_since(struct look *l, const struct repo_name *repo, struct err *e)
{
    char text[48];
    struct meta_op ops[2];

    snprintf(text, sizeof(text), "{\"since\":%" PRId64 "}", l->now_ms);
    ops[0] = meta_op_record_put(GC_EMPTY, repo_name_str(repo), str_of(text), META_ANY);
    return l->o->dry_run ? ERR_OK : commit(l, ops, 1, e);
}

/* 0: no run has found it so. */
static enum err_code empty_since(const struct look *l, const struct repo_name *repo,
                                 int64_t *ret_since_ms, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *json = NULL;
    enum err_code code = meta_record_get(l->o->meta, GC_EMPTY, repo_name_str(repo), &record, e);

    *ret_since_ms = 0;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    json = json_loads(record.value, 0, NULL);
    *ret_since_ms = json_integer_value(json_object_get(json, "since"));
    return ERR_OK;
}

/* What a dry run can't see is that a history keeps it. */
static enum err_code take_away(struct look *l, const struct repo_name *repo, bool *ret_done,
                               struct err *e)
{
    struct meta_op ops[2];

    *ret_done = true;
    if (l->o->dry_run)
        return ERR_OK;
    ops[0] = meta_op_repo_delete(repo, ret_done);
    return commit(l, ops, 1, e);
}

static enum err_code look_at(struct look *l, const struct repo_name *repo, struct err *e)
{
    int64_t since_ms;
    bool done = false;

    TRY(empty_since(l, repo, &since_ms, e));
    if (since_ms == 0)
        TRY(write_since(l, repo, e));
    else if (since_ms <= l->now_ms - l->o->age_ms)
        TRY(take_away(l, repo, &done, e));
    if (done)
        l->o->gone(l->o->ctx, repo);
    else
        json_object_set_new(l->empty, repo->text, json_true());
    return ERR_OK;
}

/* manifests, version, bytes, tags */
static bool may_be_empty(const struct look *l, const struct meta_row *row)
{
    char name[REPO_NAME_MAX + 1];

    return row->ints[0] == 0 && row->ints[2] == 0 && row->ints[3] == 0 &&
           str_copy(row->texts[0], name, sizeof(name)) && !json_object_get(l->busy, name);
}

static enum err_code look_at_all(struct look *l, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    for (bool more = true; more;) {
        AUTO(row_list) struct meta_row_list page = {0};

        TRY(meta_rows(l->o->meta, META_ROW_REPO, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            struct repo_name repo;

            if (!may_be_empty(l, &page.rows[i]))
                continue;
            TRY(repo_name_parse(page.rows[i].texts[0], &repo, e));
            TRY(look_at(l, &repo, e));
        }
        TRY(l->o->go_on(l->o->ctx, e));
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.next);
        }
    }
    return ERR_OK;
}

/* It is not empty any more, or gone. */
static enum err_code forget(void *ctx, const struct meta_record *record, struct err *e)
{
    struct look *l = ctx;
    struct meta_op ops[2] = {meta_op_record_delete(GC_EMPTY, str_of(record->key), META_ANY)};

    return json_object_get(l->empty, record->key) ? ERR_OK : commit(l, ops, 1, e);
}

enum err_code gc_empties(const struct gc_empties *o, struct err *e)
{
    AUTO(json) json_t *busy = json_object(), *empty = json_object();
    struct look l = {.o = o, .busy = busy, .empty = empty, .now_ms = clock_wall_ms()};

    if (o->age_ms > 0) {
        TRY(meta_uploads_each(o->meta, INT64_MAX, note_upload, &l, e));
        TRY(look_at_all(&l, e));
    }
    return o->dry_run ? ERR_OK : meta_records_each(o->meta, GC_EMPTY, forget, &l, e);
}
