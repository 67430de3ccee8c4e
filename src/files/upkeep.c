#include "files/upkeep.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "files/batch.h"
#include "files/merge.h"

#include <stdio.h>
#include <stdlib.h>

/* Segments of about the same size are merged when there are so many: each file is written once a
 * level, and a search looks at a few of each. */
#define FAN        8
#define FILES_MOST (16u << 20) /* of a segment that is made of others */
#define DEAD_PART  4           /* rewritten when more than the 4th part of the layers is gone */

/* ---- merging */

static unsigned level_of(uint64_t n_files)
{
    unsigned level = 0;

    for (uint64_t most = FILES_BATCH_FILES; n_files > most; most *= FAN)
        level++;
    return level;
}

struct size_at {
    uint64_t n_files;
    size_t at;
};

static int by_size(const void *a, const void *b)
{
    const struct size_at *x = a, *y = b;

    if (x->n_files != y->n_files)
        return x->n_files < y->n_files ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

size_t files_upkeep_choose(const uint64_t *n_files, size_t n, size_t *ret)
{
    AUTO(mem) struct size_at *sorted = mem_alloc((n + 1) * sizeof(*sorted));
    uint64_t sum = 0;
    size_t first = 0, chosen = 0;

    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct size_at){n_files[i], i};
    if (n > 1)
        qsort(sorted, n, sizeof(*sorted), by_size);
    for (size_t i = 0; i < n; i++) {
        if (level_of(sorted[i].n_files) != level_of(sorted[first].n_files))
            first = i;
        if (i - first + 1 == FAN)
            break;
        if (i + 1 == n)
            return 0;
    }
    if (n == 0)
        return 0;
    for (size_t i = first; i < first + FAN && sum + sorted[i].n_files <= FILES_MOST; i++) {
        sum += sorted[i].n_files;
        ret[chosen++] = sorted[i].at;
    }
    return chosen > FAN / 2 ? chosen : 0;
}

struct upkeep {
    struct files_index *x;
    struct meta *meta;
    struct job *job;
    struct files_set *set;
};

static void auto_upkeep_(struct upkeep *u)
{
    files_set_unref(u->set);
}

static enum err_code go_on(void *ctx, struct err *e)
{
    const struct upkeep *u = ctx;

    if (!u->job || job_go_on(job_jobs(u->job), u->job))
        return ERR_OK;
    return err_set(e, ERR_LATER, "stopped");
}

static enum err_code is_there(void *ctx, const struct files_layer *layer, bool *ret_keep,
                              struct err *e)
{
    const struct upkeep *u = ctx;
    struct repo_name repo;
    struct digest d;
    uint64_t size_bytes;
    enum err_code code;

    TRY(files_layer_digest(layer, &d, e));
    code = meta_blob_find(u->meta, &d, &repo, &size_bytes, e);
    *ret_keep = code == ERR_OK;
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

static enum err_code rewrite(struct upkeep *u, struct files_opened *const *old, size_t n,
                             struct err *e)
{
    const struct files_segment *segments[FILES_MERGE_MOST];
    const struct files_merge merge = {
        .segments = segments, .n = n, .keep = is_there, .go_on = go_on, .ctx = u};
    AUTO(fd) int fd = -1;
    struct files_new new;
    struct meta_op check;

    for (size_t i = 0; i < n; i++)
        segments[i] = &old[i]->segment;
    TRY(files_temp(files_index_dir(u->x), &fd, e));
    new.fd = fd;
    TRY(files_merge_run(&merge, fd, &new.size, &new.n_layers, e));
    if (u->job)
        check = job_check_op(u->job);
    return files_index_change(u->x, u->job ? &check : NULL, &new, new.n_layers > 0, old, n, e);
}

static enum err_code merge_some(struct upkeep *u, bool *ret_more, struct err *e)
{
    AUTO(mem) uint64_t *n_files = mem_alloc((u->set->n + 1) * sizeof(*n_files));
    AUTO(mem) size_t *places = mem_alloc((u->set->n + 1) * sizeof(*places));
    struct files_opened *old[FAN];
    size_t n;

    for (size_t i = 0; i < u->set->n; i++)
        n_files[i] = u->set->list[i]->n_files;
    n = files_upkeep_choose(n_files, u->set->n, places);
    *ret_more = n > 0;
    for (size_t i = 0; i < n; i++)
        old[i] = u->set->list[places[i]];
    return n > 0 ? rewrite(u, old, n, e) : ERR_OK;
}

enum err_code files_upkeep_merge(struct files_index *x, struct job *job, struct err *e)
{
    for (bool more = true; more;) {
        AUTO(upkeep)
        struct upkeep u = {.x = x, .meta = files_index_registry(x)->meta, .job = job};

        TRY(files_index_set(x, true, &u.set, e));
        TRY(merge_some(&u, &more, e));
    }
    return ERR_OK;
}

/* ---- what is gone */

/* "image DIGEST DIGEST ..." of an image, "index ..." of an index: its records go first. */
static enum err_code forget_image(struct upkeep *u, const struct meta_record *r,
                                  const struct repo_name *repo, const struct digest *digest,
                                  struct err *e)
{
    struct str rest = str_of(r->value), what, name;
    char key[DIGEST_TEXT_MAX + 1 + INDEX_KEY_MAX + 1], child[INDEX_KEY_MAX + 1];
    struct meta_op op;

    str_cut(&rest, ' ', &what);
    while (rest.n > 0) {
        struct digest d;

        str_cut(&rest, ' ', &name);
        if (digest_parse(name, &d, ERR_IGNORED) != ERR_OK)
            continue;
        if (str_eq(what, STR("index"))) {
            index_key(repo, &d, child);
            snprintf(key, sizeof(key), "%s/%s", child, digest->text);
            op = meta_op_record_delete(FILES_PARENTS, str_of(key), META_ANY);
        } else {
            snprintf(key, sizeof(key), "%s/%s", d.text, r->key);
            op = meta_op_record_delete(FILES_IMAGES, str_of(key), META_ANY);
        }
        TRY(meta_commit(u->meta, &op, 1, META_LAZY, NULL, e));
    }
    op = meta_op_record_delete(FILES_DONE, str_of(r->key), META_ANY);
    return meta_commit(u->meta, &op, 1, META_LAZY, NULL, e);
}

static enum err_code prune_image(void *ctx, const struct meta_record *r, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct upkeep *u = ctx;
    struct str name, digest = str_of(r->key);
    struct repo_name repo;
    struct digest d;
    enum err_code code;

    TRY(go_on(u, e));
    str_cut(&digest, '@', &name);
    TRY(repo_name_parse(name, &repo, e));
    TRY(digest_parse(digest, &d, e));
    code = meta_manifest_by_digest(u->meta, &repo, &d, &m, e);
    return code == ERR_MANIFEST_UNKNOWN ? forget_image(u, r, &repo, &d, e) : code;
}

static enum err_code prune_unread(void *ctx, const struct meta_record *r, struct err *e)
{
    struct upkeep *u = ctx;
    const struct meta_op op = meta_op_record_delete(FILES_UNREAD, str_of(r->key), META_ANY);
    struct files_layer layer;
    struct digest d;
    bool there;

    TRY(digest_parse(str_of(r->key), &d, e));
    files_layer_of(&d, &layer);
    TRY(is_there(u, &layer, &there, e));
    return there ? ERR_OK : meta_commit(u->meta, &op, 1, META_LAZY, NULL, e);
}

static enum err_code prune_segment(struct upkeep *u, struct files_opened *o, struct err *e)
{
    uint32_t gone = 0;

    for (uint32_t i = 0; i < o->segment.n_layers; i++) {
        struct files_layer layer;
        bool there;

        TRY(go_on(u, e));
        TRY(files_segment_layer(&o->segment, i, &layer, e));
        TRY(is_there(u, &layer, &there, e));
        gone += !there;
    }
    return gone > o->segment.n_layers / DEAD_PART ? rewrite(u, &o, 1, e) : ERR_OK;
}

enum err_code files_upkeep_prune(struct files_index *x, struct job *job, struct err *e)
{
    AUTO(upkeep) struct upkeep u = {.x = x, .meta = files_index_registry(x)->meta, .job = job};

    TRY(files_index_tidy(x, e));
    TRY(meta_records_each(u.meta, FILES_DONE, prune_image, &u, e));
    TRY(meta_records_each(u.meta, FILES_UNREAD, prune_unread, &u, e));
    TRY(files_index_set(x, true, &u.set, e));
    for (size_t i = 0; i < u.set->n; i++)
        TRY(prune_segment(&u, u.set->list[i], e));
    return ERR_OK;
}
