#include "gc/collector.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pace.h"
#include "core/own_repo.h"
#include "core/project.h"
#include "core/removal.h"
#include "gc/empties.h"
#include "gc/lost.h"
#include "gc/orphans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of one transaction: it holds the row of the repository, for which pushes wait, and over a network
 * each step takes its time. */
#define BATCH_SHARED 64
#define BATCH_MOST   256
#define BATCH_BYTES  (1u << 20) /* of manifests, which the journal takes */
#define BLOB_PAGE    512
#define REPO_PAGE    256
#define TAGS_MOST    64
#define LOOSE_MOST   1024 /* blobs without a row whose bytes are still there */
#define NOTE_MS      2000
#define REST_MS      100

struct item {
    enum meta_item_kind kind;
    struct digest digest;
    uint64_t size_bytes;
    enum meta_why why;
    bool has_tags;
    struct gc_node *node; /* of a manifest */
    bool done, skip;
};

struct run {
    const struct gc_options *o;
    struct meta *meta;
    const struct repo_name *repo;
    struct gc_graph *g;
    struct gc_counts n;
    char id[GC_RUN_SIZE];
    int64_t started_ms, noted_ms;
    unsigned records;
    struct item items[BATCH_MOST]; /* of one kind */
    struct meta_op ops[BATCH_MOST + 3];
    size_t batch, n_items, item_bytes, n_loose;
    struct gc_entry entry;
    struct pace pace;
    uint64_t owed_us; /* to gc.rate */
};

/* ---- what is counted and told */

static void tell(struct run *r, const struct item *item, enum gc_action action, const char *problem)
{
    const struct gc_item told = {.repo = r->repo,
                                 .kind = item->kind,
                                 .digest = &item->digest,
                                 .size_bytes = item->size_bytes,
                                 .why = item->why,
                                 .action = action,
                                 .problem = problem};

    if (action == GC_KEPT)
        r->n.problems++;
    else
        gc_sum_add(action == GC_REVIVED     ? &r->n.revived
                   : action == GC_CONDEMNED ? &r->n.condemned
                                            : &r->n.deleted,
                   item->kind, item->size_bytes);
    if (r->o->item)
        r->o->item(r->o->ctx, &told);
}

static char *record_of(const struct run *r, const char *state, const char *error)
{
    const struct gc_note n = {.id = r->id,
                              .actor = r->o->actor,
                              .repo = r->o->repo ? r->o->repo->text : NULL,
                              .started_ms = r->started_ms};
    json_t *did = json_pack("{s:b}", "dry_run", r->o->dry_run);

    gc_counts_json(&r->n, did);
    return gc_run_text(&n, state, error, did);
}

static bool is_noted(const struct run *r)
{
    return !r->o->dry_run || r->o->noted;
}

static enum err_code note_running(struct run *r, struct err *e)
{
    AUTO(mem) char *text = is_noted(r) ? record_of(r, "running", "") : NULL;

    return text ? gc_run_write(r->meta, r->id, text, e) : ERR_OK;
}

static void note_end(struct run *r, enum err_code code, const struct err *e)
{
    AUTO(mem) char *text = record_of(r, gc_run_state(code), code == ERR_OK ? "" : e->detail);

    if (is_noted(r))
        gc_run_end(r->meta, r->id, text, code, r->o->end, r->o->ctx);
}

static enum err_code may_go_on(struct run *r, struct err *e)
{
    int64_t now_ms = clock_mono_ms();

    if (r->o->go_on && !r->o->go_on(r->o->ctx))
        return err_set(e, ERR_LATER, "the run was stopped");
    if (now_ms - r->noted_ms < NOTE_MS)
        return ERR_OK;
    r->noted_ms = now_ms;
    return note_running(r, e);
}

static enum err_code rest(struct run *r, int64_t ms, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + ms, left_ms = ms;

    for (; left_ms > 0; left_ms = until_ms - clock_mono_ms()) {
        TRY(may_go_on(r, e));
        usleep((useconds_t)(left_ms < REST_MS ? left_ms : REST_MS) * 1000);
    }
    return ERR_OK;
}

/* Between two steps, where it holds nothing. */
static enum err_code go_on(struct run *r, struct err *e)
{
    int64_t ms = pace_rest_ms(&r->pace);

    TRY(may_go_on(r, e));
    TRY(rest(r, ms, e));
    if (ms > 0)
        pace_rested(&r->pace);
    return ERR_OK;
}

/* ---- transactions */

/* The first n of r->ops, which are of n_items. */
static enum err_code commit(struct run *r, size_t n, unsigned flags, size_t *ret_failed,
                            struct err *e)
{
    int64_t before_us = clock_mono_us();
    enum err_code code;

    if (r->o->check)
        r->ops[n++] = *r->o->check;
    code = meta_commit(r->meta, r->ops, n, flags, ret_failed, e);
    pace_took(&r->pace, r->n_items, clock_mono_us() - before_us);
    return code;
}

static struct meta_op revival_of(const struct run *r, const struct item *item, bool *ret_done)
{
    size_t by = item->node ? item->node->by : GC_NONE;

    return item->node ? meta_op_revive_by(r->repo, &item->digest, item->why,
                                          by == GC_NONE ? NULL : &r->g->nodes[by].digest, ret_done)
                      : meta_op_revive(r->repo, item->kind, &item->digest);
}

/* find_live: revived by what it goes with, if the transaction finds that still: who has deleted it
 * since the graph was loaded has condemned this for good. */
static enum err_code revive_batch(struct run *r, struct err *e)
{
    bool done[BATCH_MOST] = {false};

    for (size_t i = 0; i < r->n_items; i++) {
        done[i] = true;
        r->ops[i] = revival_of(r, &r->items[i], &done[i]);
    }
    if (!r->o->dry_run)
        TRY(commit(r, r->n_items, 0, NULL, e));
    for (size_t i = 0; i < r->n_items; i++) {
        if (!done[i])
            continue;
        if (r->items[i].node)
            r->items[i].node->condemned = false;
        tell(r, &r->items[i], GC_REVIVED, NULL);
    }
    return ERR_OK;
}

/* The age of what goes for its age is looked at again as well. */
static int64_t before_ms_of(const struct run *r, const struct item *item, int64_t now_ms)
{
    return item->why == META_WHY_UNTAGGED && r->o->untagged_ms > 0 ? now_ms - r->o->untagged_ms : 0;
}

/* condemn: the transaction looks again. What a power loss takes back is condemned by the next run.
 */
static enum err_code condemn_batch(struct run *r, struct err *e)
{
    bool done[BATCH_MOST] = {false};
    int64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < r->n_items; i++) {
        const struct item *item = &r->items[i];

        done[i] = r->o->dry_run;
        r->ops[i] =
            meta_op_condemn((struct meta_verdict){.repo = r->repo,
                                                  .kind = item->kind,
                                                  .digest = &item->digest,
                                                  .why = item->why,
                                                  .run = str_of(r->id),
                                                  .now_ms = now_ms,
                                                  .seen_version = r->g->seen_version,
                                                  .before_ms = before_ms_of(r, item, now_ms)},
                            &done[i]);
    }
    if (!r->o->dry_run)
        TRY(commit(r, r->n_items, META_LAZY, NULL, e));
    for (size_t i = 0; i < r->n_items; i++) {
        struct item *item = &r->items[i];

        item->done = done[i];
        if (!done[i])
            continue;
        if (item->node) {
            item->node->condemned = true;
            item->node->condemned_ms = now_ms;
        }
        tell(r, item, GC_CONDEMNED, NULL);
    }
    return ERR_OK;
}

/* What the journal has to know of a manifest. One that can't be read keeps what it names. */
static enum err_code write_down(struct run *r, struct item *item, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(name_list) struct meta_name_list tags = {0};
    enum err_code code;

    if (item->kind == META_ITEM_BLOB) {
        gc_entry_blob(&r->entry, &item->digest, item->size_bytes, item->why);
        return ERR_OK;
    }
    code = meta_manifest_by_digest(r->meta, r->repo, &item->digest, &m, e);
    if (code == ERR_OK && item->has_tags)
        code =
            meta_manifest_tags(r->meta, r->repo, &item->digest, STR(""), TAGS_MOST, &tags, NULL, e);
    if (code == ERR_MANIFEST_UNKNOWN) {
        item->skip = true; /* it was deleted meanwhile */
        return ERR_OK;
    }
    if (code == ERR_CORRUPT ||
        (code == ERR_OK && !gc_entry_manifest(&r->entry, m, &tags, item->why))) {
        item->skip = true;
        tell(r, item, GC_KEPT, code == ERR_OK ? "it is no text" : e->detail);
        return ERR_OK;
    }
    return code;
}

/* Unless it was revived, or something that it refers to is there again. */
static struct meta_op deletion(struct run *r, const struct item *item, struct uuid *holder)
{
    int64_t until_ms = clock_wall_ms() - r->o->grace_ms;
    struct meta_op op;

    if (item->kind == META_ITEM_BLOB)
        return meta_op_condemned_unlink(r->repo, &item->digest,
                                        removal_of(r->o->registry, gc_why_text(item->why), true),
                                        until_ms);
    op = meta_op_condemned_delete(r->repo, &item->digest, r->g->seen_version, until_ms);
    project_hold(r->o->registry, &op, holder);
    return op;
}

/* A run that goes on after its process died has the same id. */
static void next_key(struct run *r, char dst[static GC_KEY_SIZE])
{
    snprintf(dst, GC_KEY_SIZE, "%s/%" PRId64 "-%06u", r->id, r->started_ms, ++r->records);
}

/* *ret_again: one of them is in use after all, and is left out from now on. The journal comes
 * first: where a transaction does not hold all of it, nothing goes that is not written down, and a
 * record of one that failed may say too much, which stays as it is there. So each try has its own.
 *
 * Files of manifests go right afterwards, so it waits for the disk. Bytes of blobs go by a
 * transaction of their own that does so (core/removal.h): what a power loss takes back before that
 * is deleted by the next run. */
static enum err_code try_delete(struct run *r, char key[static GC_KEY_SIZE], bool *ret_again,
                                struct err *e)
{
    const bool of_manifests = r->items[0].kind == META_ITEM_MANIFEST;
    const size_t first = of_manifests ? 2 : 1;
    struct item *of[BATCH_MOST];
    struct uuid holder;
    size_t n = 0, failed = SIZE_MAX;
    enum err_code code;

    *ret_again = false;
    gc_entry_begin(&r->entry, r->repo);
    for (size_t i = 0; i < r->n_items; i++) {
        struct item *item = &r->items[i];

        if (!item->skip)
            TRY(write_down(r, item, e));
        if (item->skip)
            continue;
        r->ops[first + n] = deletion(r, item, &holder);
        of[n++] = item;
    }
    if (n == 0)
        return ERR_OK;
    next_key(r, key);
    r->ops[0] = meta_op_record_put(GC_JOURNAL, str_of(key), gc_entry_end(&r->entry), META_ABSENT);
    if (of_manifests)
        r->ops[1] = meta_op_record_put(GC_CONTENT, str_of(key), STR("{}"), META_ABSENT);
    code = commit(r, first + n, of_manifests ? 0 : META_LAZY, &failed, e);
    if (registry_refused(code) && failed >= first && failed < first + n) {
        of[failed - first]->skip = *ret_again = true;
        return ERR_OK;
    }
    TRY(code);
    for (size_t i = 0; i < n; i++)
        of[i]->done = true;
    return ERR_OK;
}

/* delete: still condemned, and no row is there that it goes with. Then the content of manifests. */
static enum err_code delete_and_drop(struct run *r, struct err *e)
{
    char key[GC_KEY_SIZE] = "";
    struct meta_op mark;
    bool again = true, any = false;

    while (again)
        TRY(try_delete(r, key, &again, e));
    for (size_t i = 0; i < r->n_items; i++)
        any = any || r->items[i].done;
    if (!any || r->items[0].kind == META_ITEM_BLOB)
        return ERR_OK;
    registry_wake(r->o->registry); /* tags may have gone with manifests */
    TRY(gc_content_delete(r->o->registry, buf_str(&r->entry.text), e));
    mark = meta_op_record_delete(GC_CONTENT, str_of(key), META_ANY);
    return meta_commit(r->meta, &mark, 1, META_LAZY, NULL, e);
}

/* gc.rate, after so many deletions. */
static enum err_code keep_rate(struct run *r, size_t n, struct err *e)
{
    int64_t ms;

    if (r->o->rate == 0 || r->o->dry_run)
        return ERR_OK;
    r->owed_us += n * 1000000 / r->o->rate;
    ms = (int64_t)r->owed_us / 1000;
    r->owed_us %= 1000;
    return rest(r, ms, e);
}

static enum err_code delete_loose(struct run *r, struct err *e)
{
    if (r->n_loose == 0)
        return ERR_OK;
    r->n_loose = 0;
    return gc_blobs_delete(r->o->registry, e);
}

static enum err_code delete_batch(struct run *r, struct err *e)
{
    size_t n = 0;

    if (!r->o->dry_run)
        TRY(delete_and_drop(r, e));
    for (size_t i = 0; i < r->n_items; i++) {
        struct item *item = &r->items[i];

        item->done = item->done || (r->o->dry_run && !item->skip);
        if (!item->done)
            continue;
        if (item->node)
            item->node->gone = true;
        tell(r, item, GC_DELETED, NULL);
        r->n_loose += item->kind == META_ITEM_BLOB && !r->o->dry_run;
        n++;
    }
    if (r->n_loose >= LOOSE_MOST)
        TRY(delete_loose(r, e));
    return keep_rate(r, n, e);
}

typedef enum err_code (*batch_fn)(struct run *r, struct err *e);

static enum err_code flush(struct run *r, batch_fn fn, struct err *e)
{
    enum err_code code = r->n_items > 0 ? fn(r, e) : ERR_OK;

    r->n_items = r->item_bytes = 0;
    TRY(code);
    return go_on(r, e);
}

static enum err_code put(struct run *r, const struct item *item, batch_fn fn, struct err *e)
{
    r->items[r->n_items++] = *item;
    r->item_bytes += item->kind == META_ITEM_MANIFEST ? item->size_bytes : 0;
    return r->n_items >= pace_fits(&r->pace, r->batch) || r->item_bytes >= BATCH_BYTES
               ? flush(r, fn, e)
               : ERR_OK;
}

/* ---- manifests */

static struct item item_of(struct gc_node *node)
{
    return (struct item){.kind = META_ITEM_MANIFEST,
                         .digest = node->digest,
                         .size_bytes = node->size_bytes,
                         .why = node->why,
                         .has_tags = node->has_tags,
                         .node = node};
}

static bool is_old(const struct run *r, int64_t condemned_ms)
{
    return condemned_ms <= clock_wall_ms() - r->o->grace_ms;
}

static void mark_of(const struct gc_graph *g, const struct gc_pair *pairs, size_t n,
                    bool until_gone, bool *waits)
{
    for (size_t i = 0; i < n; i++) {
        const struct gc_node *from = &g->nodes[pairs[i].from];

        if (!(until_gone ? from->gone : from->condemned))
            waits[pairs[i].to] = true;
    }
}

/* What each node waits for: all that it belongs to is condemned, or gone. */
static void mark_waiting(const struct gc_graph *g, bool until_gone, bool *waits)
{
    memset(waits, 0, g->n * sizeof(*waits));
    mark_of(g, g->children, g->n_children, until_gone, waits);
    mark_of(g, g->referrers, g->n_referrers, until_gone, waits);
}

static bool is_next(const struct run *r, const struct gc_node *node, bool deleting)
{
    if (node->because != GC_NOT_LIVE || node->gone || node->damaged)
        return false;
    return deleting ? node->condemned && is_old(r, node->condemned_ms) : !node->condemned;
}

/* By levels: as many rounds as there are indexes in indexes, and referrers of referrers. */
static enum err_code by_levels(struct run *r, bool deleting, struct err *e)
{
    batch_fn fn = deleting ? delete_batch : condemn_batch;
    AUTO(mem) bool *waits = mem_zero(r->g->n + 1);
    AUTO(mem) bool *tried = mem_zero(r->g->n + 1);

    for (bool any = true; any;) {
        any = false;
        mark_waiting(r->g, deleting, waits);
        for (size_t i = 0; i < r->g->n; i++) {
            struct item item;

            if (waits[i] || tried[i] || !is_next(r, &r->g->nodes[i], deleting))
                continue;
            tried[i] = any = true;
            item = item_of(&r->g->nodes[i]);
            TRY(put(r, &item, fn, e));
        }
        TRY(flush(r, fn, e));
    }
    return ERR_OK;
}

static void tell_damaged(struct run *r)
{
    for (size_t i = 0; i < r->g->n; i++) {
        struct item item = item_of(&r->g->nodes[i]);

        if (r->g->nodes[i].damaged)
            tell(r, &item, GC_KEPT, "what it names can't be read");
    }
}

static enum err_code find_live(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->g->n; i++) {
        struct gc_node *node = &r->g->nodes[i];
        struct item item;

        if (!node->condemned || node->because == GC_NOT_LIVE)
            continue;
        item = item_of(node);
        TRY(put(r, &item, revive_batch, e));
    }
    return flush(r, revive_batch, e);
}

/* ---- blobs */

enum use { USE_LIVE, USE_CONDEMNED, USE_NONE };

/* By manifests that are there, as far as is known: one that came later is a use. */
static enum use use_of(const struct run *r, const struct meta_use_list *l, const struct meta_use *u)
{
    enum use found = USE_NONE;

    for (size_t i = 0; i < u->n_users; i++) {
        size_t at = gc_graph_by_id(r->g, l->users[u->users + i]);
        const struct gc_node *node = at == GC_NONE ? NULL : &r->g->nodes[at];

        if (!node || !node->condemned)
            return USE_LIVE;
        if (!node->gone)
            found = USE_CONDEMNED;
    }
    return found;
}

struct blob_page {
    struct meta_use_list list;
    enum use uses[BLOB_PAGE];
};

static enum err_code put_blob(struct run *r, const struct meta_use *u, batch_fn fn, struct err *e)
{
    const struct item item = {.kind = META_ITEM_BLOB,
                              .digest = u->digest,
                              .size_bytes = u->size_bytes,
                              .why = META_WHY_UNUSED};

    return put(r, &item, fn, e);
}

/* The times of a page that was condemned just now are those of the batches; for a grace of 0 they
 * need only be in the past. */
static enum err_code collect_page(struct run *r, struct blob_page *p, struct err *e)
{
    for (size_t i = 0; i < p->list.n; i++) {
        p->uses[i] = use_of(r, &p->list, &p->list.rows[i]);
        if (p->uses[i] == USE_LIVE && p->list.rows[i].condemned)
            TRY(put_blob(r, &p->list.rows[i], revive_batch, e));
    }
    TRY(flush(r, revive_batch, e));
    for (size_t i = 0; i < p->list.n; i++) {
        struct meta_use *u = &p->list.rows[i];

        if (p->uses[i] == USE_LIVE || u->condemned)
            continue;
        u->condemned_ms = clock_wall_ms();
        TRY(put_blob(r, u, condemn_batch, e));
    }
    TRY(flush(r, condemn_batch, e));
    for (size_t i = 0; i < p->list.n; i++) {
        const struct meta_use *u = &p->list.rows[i];

        if (p->uses[i] == USE_NONE && is_old(r, u->condemned_ms))
            TRY(put_blob(r, u, delete_batch, e));
    }
    return flush(r, delete_batch, e);
}

static void auto_blob_page_(struct blob_page *p)
{
    meta_use_list_done(&p->list);
}

static enum err_code collect_blobs(struct run *r, struct err *e)
{
    char after[DIGEST_TEXT_MAX + 1] = "";

    for (bool more = true; more;) {
        AUTO(blob_page) struct blob_page p = {0};

        TRY(meta_uses(r->meta, r->repo, META_ITEM_BLOB, str_of(after), BLOB_PAGE, &p.list, e));
        if (p.list.n == 0)
            break;
        r->n.blobs += p.list.n;
        strcpy(after, p.list.rows[p.list.n - 1].digest.text);
        more = p.list.more;
        TRY(collect_page(r, &p, e));
        TRY(go_on(r, e));
    }
    return ERR_OK;
}

/* ---- repositories */

struct gc_policy gc_policy_of(const struct gc_options *o, int64_t now_ms)
{
    return (struct gc_policy){.children = o->children,
                              .referrers = o->referrers,
                              .untagged_before_ms =
                                  o->untagged_ms > 0 ? now_ms - o->untagged_ms : 0};
}

static enum err_code collect_repo(struct run *r, const struct repo_name *repo, struct err *e)
{
    const struct gc_policy policy = gc_policy_of(r->o, clock_wall_ms());
    AUTO(gc_graph) struct gc_graph g = {0};

    if (own_repo(repo)) /* no manifest names what is in there */
        return ERR_OK;
    r->repo = repo;
    r->n_items = r->item_bytes = 0;
    TRY(gc_graph_load(r->meta, repo, &policy, &g, e));
    r->g = &g;
    r->n.repos++;
    r->n.manifests += g.n;
    tell_damaged(r);
    TRY(find_live(r, e));
    TRY(by_levels(r, false, e));
    TRY(by_levels(r, true, e));
    return collect_blobs(r, e);
}

static bool ends_all(enum err_code code)
{
    return code == ERR_LATER || code == ERR_UNSUPPORTED || code == ERR_CONFLICT ||
           code == ERR_UNAVAILABLE || code == ERR_STORAGE_FULL || code == ERR_STORAGE_READONLY;
}

/* One repository that can't be looked at keeps what it has. */
static enum err_code collect_all(struct run *r, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");
    struct err_first all = {0};
    uint64_t done = 0;

    for (bool more = true; more;) {
        AUTO(row_list) struct meta_row_list page = {0};

        TRY(meta_rows(r->meta, META_ROW_REPO, str_of(after), REPO_PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            struct repo_name repo;
            enum err_code code;

            TRY(repo_name_parse(page.rows[i].texts[0], &repo, e));
            code = collect_repo(r, &repo, &all.step);
            if (ends_all(code)) {
                *e = all.step;
                return code;
            }
            r->n.problems += code != ERR_OK;
            err_first_add(&all, code);
            if (r->o->progress)
                r->o->progress(r->o->ctx, ++done, 0);
        }
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.next);
        }
    }
    return err_first_of(&all, e);
}

/* ---- what the database does not know */

static void next_orphan_key(void *ctx, char dst[static GC_KEY_SIZE])
{
    next_key(ctx, dst);
}

static enum err_code run_goes_on(void *ctx, struct err *e)
{
    return go_on(ctx, e);
}

static void orphan_is_gone(void *ctx, const struct store_item *orphan)
{
    struct run *r = ctx;
    bool blob = orphan->kind == STORE_BLOB;
    const struct item item = {.kind = blob ? META_ITEM_BLOB : META_ITEM_MANIFEST,
                              .digest = orphan->digest,
                              .size_bytes = orphan->size_bytes,
                              .why = META_WHY_UNKNOWN};

    r->repo = &orphan->repo;
    tell(r, &item, blob && r->o->grace_ms > 0 ? GC_CONDEMNED : GC_DELETED, NULL);
    r->n_loose += blob && r->o->grace_ms == 0 && !r->o->dry_run;
}

static enum err_code collect_orphans(struct run *r, struct err *e)
{
    const struct gc_orphans o = {.registry = r->o->registry,
                                 .repo = r->o->repo,
                                 .age_ms = r->o->orphans_ms,
                                 .dry_run = r->o->dry_run,
                                 .at_once = r->o->grace_ms == 0,
                                 .check = r->o->check,
                                 .next_key = next_orphan_key,
                                 .gone = orphan_is_gone,
                                 .go_on = run_goes_on,
                                 .ctx = r};

    return r->o->orphans_ms > 0 ? gc_orphans(&o, e) : ERR_OK;
}

/* ---- what is empty */

static void empty_is_gone(void *ctx, const struct repo_name *repo)
{
    struct run *r = ctx;

    r->n.empty++;
    if (r->o->repo_gone)
        r->o->repo_gone(r->o->ctx, repo);
}

static enum err_code collect_empties(struct run *r, struct err *e)
{
    const struct gc_empties o = {.meta = r->meta,
                                 .age_ms = r->o->empty_ms,
                                 .dry_run = r->o->dry_run,
                                 .check = r->o->check,
                                 .gone = empty_is_gone,
                                 .go_on = run_goes_on,
                                 .ctx = r};

    return r->o->repo ? ERR_OK : gc_empties(&o, e);
}

/* ---- the run */

static enum err_code collect(struct run *r, struct err *e)
{
    enum err_code code;

    TRY(note_running(r, e));
    if (!r->o->dry_run) {
        TRY(gc_lost_end(r->meta, r->id, e));
        TRY(gc_journal_finish(r->o->registry, e));
    }
    code = r->o->repo ? collect_repo(r, r->o->repo, e) : collect_all(r, e);
    if (code == ERR_OK)
        code = collect_orphans(r, e);
    if (code == ERR_OK)
        code = collect_empties(r, e);
    if (code == ERR_OK)
        return delete_loose(r, e);
    if (!ends_all(code)) /* else the next run does it, or the job */
        (void)!delete_loose(r, ERR_IGNORED);
    return code;
}

enum err_code gc_run(const struct gc_options *o, struct gc_counts *ret_counts, struct err *e)
{
    AUTO(mem) struct run *r = NEW(struct run);
    enum err_code code;

    r->o = o;
    r->meta = o->registry->meta;
    r->batch = meta_is_shared(r->meta) ? BATCH_SHARED : BATCH_MOST;
    r->started_ms = clock_wall_ms();
    r->noted_ms = clock_mono_ms();
    r->pace = pace_begin(o->share);
    if (!o->id || !str_copy(str_of(o->id), r->id, sizeof(r->id)))
        gc_run_id(r->id);
    code = collect(r, e);
    note_end(r, code, e);
    buf_done(&r->entry.text);
    *ret_counts = r->n;
    return code;
}
