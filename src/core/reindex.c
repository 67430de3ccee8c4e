#include "core/reindex.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/thread.h"
#include "core/inventory.h"
#include "core/manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Manifests that are read together and committed together. */
#define WINDOW_MANIFESTS 512
#define WINDOW_BYTES     (16u << 20)
#define MANIFEST_MAX     (64u << 20) /* the most that limits.manifest_bytes may be */

#define ROWS 2048 /* blobs or tags that are committed together */

/* Readers of manifests: as many as there are processors, or what an answer from elsewhere takes. */
#define REMOTE_READERS 16

/* Marks of the inventory's manifests. */
enum { WAITING, TAKEN, LOST };

/* Marks of its blobs: told as damaged, or the number of the repository they were linked to last,
 * plus this. */
enum { UNSEEN, DAMAGED, LINKED };

struct state {
    const struct reindex *r;
    struct store *store;
    struct meta *meta;
    struct inventory inv;
    struct reindex_counts counts;
    struct inventory_item **later; /* indexes whose children are not there yet */
    size_t n_later;
    struct meta_projection *pending; /* sorted by name; of whose tags the store may be wrong */
    size_t n_pending;
};

/* A manifest on its way. */
struct slot {
    struct state *s;
    struct inventory_item *item;
    struct digest digest;
    bool known; /* to meta */
    enum err_code code;
    struct err why;
    struct manifest parsed;
    struct meta_manifest *stored;
    struct meta_edge *edges;
};

struct window {
    struct slot *slots; /* WINDOW_MANIFESTS */
    size_t n;
    uint64_t bytes;
    struct meta_op *ops;
    size_t n_ops, cap_ops;
};

__attribute__((format(printf, 2, 3))) static void problem(struct state *s, const char *fmt, ...)
{
    char text[REPO_NAME_MAX + 2 * DIGEST_TEXT_MAX + 512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    s->counts.problems++;
    if (s->r->problem)
        s->r->problem(s->r->ctx, text);
}

static void progress(struct state *s)
{
    if (s->r->progress)
        s->r->progress(s->r->ctx, &s->counts);
}

static void listed(void *ctx, uint64_t n)
{
    struct state *s = ctx;

    s->counts.listed = n;
    progress(s);
}

static const struct repo_name *repo_of(const struct state *s, const struct inventory_item *item)
{
    return &s->inv.repos[item->repo];
}

/* Reading; many threads. */

static enum err_code read_bytes(struct slot *slot, struct buf *bytes, struct err *e)
{
    struct state *s = slot->s;
    struct digest found;

    buf_init(bytes, MANIFEST_MAX);
    TRY(store_manifest_get(s->store, repo_of(s, slot->item), &slot->digest, bytes, e));
    digest_of(slot->digest.algorithm, bytes->p, bytes->n, &found);
    if (!digest_eq(&found, &slot->digest))
        return err_set(e, ERR_CORRUPT, "it is damaged: its %zu bytes have another digest",
                       bytes->n);
    return ERR_OK;
}

/* How many it may name was checked when it was pushed; the limit may have been another then. */
static enum err_code read_manifest(struct slot *slot, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    TRY(read_bytes(slot, &bytes, e));
    TRY(manifest_parse(buf_str(&bytes), STR_NONE, SIZE_MAX, &slot->parsed, e));
    slot->stored =
        meta_manifest_new(&slot->digest, str_of(slot->parsed.media_type), buf_str(&bytes));
    slot->edges = mem_zero((slot->parsed.n_links + 1) * sizeof(*slot->edges));
    return ERR_OK;
}

static void read_slot(void *ctx, size_t i)
{
    struct slot *slot = (struct slot *)ctx + i;
    struct state *s = slot->s;
    AUTO(meta_manifest) struct meta_manifest *known = NULL;

    inventory_digest(slot->item, &slot->digest);
    slot->code =
        meta_manifest_by_digest(s->meta, repo_of(s, slot->item), &slot->digest, &known, &slot->why);
    slot->known = slot->code == ERR_OK;
    if (slot->code == ERR_MANIFEST_UNKNOWN)
        slot->code = read_manifest(slot, &slot->why);
}

/* Taking; one thread. */

static void add_op(struct window *w, struct meta_op op)
{
    if (w->n_ops == w->cap_ops) {
        w->cap_ops = w->cap_ops ? 2 * w->cap_ops : 4096;
        w->ops = mem_resize(w->ops, w->cap_ops * sizeof(*w->ops));
    }
    w->ops[w->n_ops++] = op;
}

/* Content that was deleted, or is being: it is linked when its bytes are there after that. */
static enum err_code look_at_removed(struct state *s, struct meta_op *link, struct err *e)
{
    const struct repo_name *repo = link->blob_link.repo;
    const struct digest *d = link->blob_link.digest;
    struct meta_removed row;
    uint64_t unused;
    enum err_code code = meta_removed_get(
        s->meta, (struct meta_content){link->blob_link.once ? NULL : repo, d}, &row, e);

    if (code == ERR_NOT_FOUND || (code == ERR_OK && row.number == 0))
        return ERR_OK;
    TRY(code);
    if (row.state == META_REMOVED_GONE)
        return err_set(e, ERR_UNAVAILABLE, "%s is being deleted: try again", d->text);
    link->blob_link.seen_number = row.number;
    code = store_blob_stat(s->store, repo, d, &unused, e);
    return code == ERR_BLOB_UNKNOWN
               ? err_set(e, ERR_UNAVAILABLE, "%s was just deleted: try again", d->text)
               : code;
}

/* A blob that the store has; *ret_whole unless its size is not what a manifest says of it. Then it
 * is left out, so that clients hear that it is missing and push it again. */
static enum err_code link_blob(struct slot *slot, struct window *w, const struct digest *d,
                               uint64_t size_bytes, struct inventory_item *blob, bool *ret_whole,
                               struct err *e)
{
    struct state *s = slot->s;
    const struct repo_name *repo = repo_of(s, slot->item);
    struct meta_op op;
    uint64_t known_bytes;
    enum err_code code;

    *ret_whole = blob->size_bytes == size_bytes;
    if (!*ret_whole && blob->mark != DAMAGED) {
        problem(s, "%s: blob %s is damaged: it has %llu bytes, a manifest says %llu", repo->text,
                d->text, (unsigned long long)blob->size_bytes, (unsigned long long)size_bytes);
        blob->mark = blob->mark == UNSEEN ? DAMAGED : blob->mark;
    }
    if (!*ret_whole || blob->mark == LINKED + slot->item->repo)
        return ERR_OK;
    blob->mark = LINKED + slot->item->repo;
    code = meta_blob_stat(s->meta, repo, d, &known_bytes, e);
    if (code != ERR_BLOB_UNKNOWN)
        return code;
    op = meta_op_blob_link(repo, d, size_bytes);
    op.blob_link.once = store_shared(s->store);
    TRY(look_at_removed(s, &op, e));
    add_op(w, op);
    s->counts.new_blobs++;
    return ERR_OK;
}

static uint32_t blobs_of(const struct state *s, uint32_t repo)
{
    return store_shared(s->store) ? INVENTORY_SHARED : repo;
}

/* d as a blob, of the store or, when that has it not, of meta alone. */
static enum err_code find_blob(struct slot *slot, struct window *w, const struct meta_edge *edge,
                               uint64_t size_bytes, bool *ret_found, struct err *e)
{
    struct state *s = slot->s;
    struct inventory_item *blob =
        inventory_find(&s->inv.blobs, blobs_of(s, slot->item->repo), &edge->digest);
    uint64_t unused;
    enum err_code code;

    if (blob)
        return link_blob(slot, w, &edge->digest, size_bytes, blob, ret_found, e);
    code = meta_blob_stat(s->meta, repo_of(s, slot->item), &edge->digest, &unused, e);
    *ret_found = code == ERR_OK;
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

static enum err_code find_manifest(struct slot *slot, const struct digest *d, bool *ret_found,
                                   struct err *e)
{
    struct state *s = slot->s;
    struct inventory_item *child = inventory_find(&s->inv.manifests, slot->item->repo, d);
    AUTO(meta_manifest) struct meta_manifest *known = NULL;
    enum err_code code;

    *ret_found = child && child->mark == TAKEN;
    if (*ret_found)
        return ERR_OK;
    code = meta_manifest_by_digest(s->meta, repo_of(s, slot->item), d, &known, e);
    *ret_found = code == ERR_OK;
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

/* What link i of the manifest leads to. */
static enum err_code resolve(struct slot *slot, struct window *w, size_t i, bool *ret_found,
                             struct err *e)
{
    const struct manifest_link *link = &slot->parsed.links[i];
    struct meta_edge *edge = &slot->edges[i];
    bool index = slot->parsed.shape == MANIFEST_INDEX;

    edge->digest = link->digest;
    edge->kind = META_EDGE_BLOB;
    *ret_found = false;
    if (link->kind != LINK_MANIFEST)
        TRY(find_blob(slot, w, edge, link->size_bytes, ret_found, e));
    if (!*ret_found && index) {
        edge->kind = META_EDGE_MANIFEST;
        TRY(find_manifest(slot, &link->digest, ret_found, e));
    }
    if (!*ret_found)
        edge->kind = index ? META_EDGE_LOOSE_MANIFEST : META_EDGE_LOOSE_BLOB;
    return ERR_OK;
}

static bool may_be_missing(const struct slot *slot, size_t i)
{
    const struct conf_registry *options = slot->s->r->registry->options;

    if (slot->parsed.links[i].kind == LINK_FOREIGN_BLOB)
        return true;
    return slot->parsed.shape == MANIFEST_INDEX ? conf_bool(&options->sparse_indexes)
                                                : conf_bool(&options->sparse_images);
}

static enum err_code resolve_links(struct slot *slot, struct window *w, struct err *e)
{
    const struct digest *first = NULL;
    size_t missing = 0;
    bool found;

    for (size_t i = 0; i < slot->parsed.n_links; i++) {
        TRY(resolve(slot, w, i, &found, e));
        if (found || may_be_missing(slot, i))
            continue;
        first = first ? first : &slot->parsed.links[i].digest;
        missing++;
    }
    if (missing > 0)
        problem(slot->s, "%s: manifest %s names %zu that are missing or damaged; the first is %s",
                repo_of(slot->s, slot->item)->text, slot->digest.text, missing, first->text);
    return ERR_OK;
}

/* An index whose children come later in the list. */
static bool must_wait(const struct slot *slot)
{
    if (slot->parsed.shape != MANIFEST_INDEX)
        return false;
    for (size_t i = 0; i < slot->parsed.n_links; i++) {
        const struct inventory_item *child;

        child = inventory_find(&slot->s->inv.manifests, slot->item->repo,
                               &slot->parsed.links[i].digest);
        if (child && child->mark == WAITING)
            return true;
    }
    return false;
}

static enum err_code take(struct slot *slot, struct window *w, struct err *e)
{
    struct state *s = slot->s;
    const struct manifest *m = &slot->parsed;

    TRY(resolve_links(slot, w, e));
    add_op(w, meta_op_manifest_put((struct meta_manifest_put){
                  .repo = repo_of(s, slot->item),
                  .manifest = slot->stored,
                  .edges = slot->edges,
                  .n_edges = m->n_links,
                  .subject = m->has_subject ? &m->subject : NULL,
                  .artifact_type = str_of(m->artifact_type),
                  .annotations_json = str_of(m->annotations_json),
              }));
    slot->item->mark = TAKEN;
    s->counts.new_manifests++;
    return ERR_OK;
}

/* The manifest is no good, or is there no more: that ends nothing. */
static bool is_its_own(enum err_code code)
{
    return code == ERR_CORRUPT || code == ERR_MANIFEST_INVALID || code == ERR_MANIFEST_UNKNOWN;
}

static enum err_code settle(struct slot *slot, struct window *w, bool last_round, struct err *e)
{
    struct state *s = slot->s;

    if (is_its_own(slot->code)) {
        problem(s, "%s: manifest %s is left out: %s", repo_of(s, slot->item)->text,
                slot->digest.text, slot->why.detail);
        slot->item->mark = LOST;
    } else if (slot->code != ERR_OK) {
        *e = slot->why;
        return slot->code;
    } else if (slot->known) {
        slot->item->mark = TAKEN;
    } else if (!last_round && must_wait(slot)) {
        s->later[s->n_later++] = slot->item;
        return ERR_OK;
    } else {
        TRY(take(slot, w, e));
    }
    s->counts.done++;
    return ERR_OK;
}

static void empty(struct window *w)
{
    for (size_t i = 0; i < w->n; i++) {
        manifest_done(&w->slots[i].parsed);
        meta_manifest_unref(w->slots[i].stored);
        free(w->slots[i].edges);
    }
    w->n = w->n_ops = 0;
    w->bytes = 0;
}

static size_t readers(const struct state *s)
{
    return store_shared(s->store) ? REMOTE_READERS : thread_processors();
}

/* Reads all that is in the window, takes it in order, and commits. */
static enum err_code carry(struct state *s, struct window *w, bool last_round, struct err *e)
{
    parallel_each(w->n, readers(s), read_slot, w->slots);
    for (size_t i = 0; i < w->n; i++)
        TRY(settle(&w->slots[i], w, last_round, e));
    TRY(meta_commit(s->meta, w->ops, w->n_ops, META_LAZY, NULL, e));
    empty(w);
    progress(s);
    return ERR_OK;
}

static enum err_code put_in(struct state *s, struct window *w, struct inventory_item *item,
                            bool last_round, struct err *e)
{
    if (w->n == WINDOW_MANIFESTS || (w->n > 0 && w->bytes + item->size_bytes > WINDOW_BYTES))
        TRY(carry(s, w, last_round, e));
    w->slots[w->n++] = (struct slot){.s = s, .item = item};
    w->bytes += item->size_bytes;
    return ERR_OK;
}

static enum err_code take_later(struct state *s, struct window *w, struct err *e)
{
    bool last_round = false;

    /* Each round takes those whose children have come: the deepest first. */
    while (s->n_later > 0) {
        size_t n = s->n_later;
        AUTO(mem) struct inventory_item **list = s->later;

        s->later = mem_alloc(n * sizeof(*list));
        s->n_later = 0;
        for (size_t i = 0; i < n; i++)
            TRY(put_in(s, w, list[i], last_round, e));
        TRY(carry(s, w, last_round, e));
        last_round = s->n_later == n;
    }
    return ERR_OK;
}

static enum err_code take_manifests(struct state *s, struct err *e)
{
    struct window w = {.slots = mem_alloc(WINDOW_MANIFESTS * sizeof(*w.slots))};
    enum err_code code = ERR_OK;

    s->later = mem_alloc((s->inv.manifests.n + 1) * sizeof(struct inventory_item *));
    for (size_t i = 0; i < s->inv.manifests.n && code == ERR_OK; i++)
        code = put_in(s, &w, &s->inv.manifests.items[i], false, e);
    if (code == ERR_OK)
        code = carry(s, &w, false, e);
    if (code == ERR_OK)
        code = take_later(s, &w, e);
    empty(&w);
    free(w.slots);
    free(w.ops);
    free(s->later);
    return code;
}

/* Rows of blobs and tags: the operations, and what they point to. */
struct rows {
    struct meta_op ops[2 * ROWS];
    struct digest digests[ROWS];
    struct tag_name tags[ROWS];
    size_t n, n_ops;
};

static enum err_code commit_rows(struct state *s, struct rows *rows, struct err *e)
{
    TRY(meta_commit(s->meta, rows->ops, rows->n_ops, META_LAZY, NULL, e));
    rows->n = rows->n_ops = 0;
    progress(s);
    return ERR_OK;
}

/* A blob of a repository that none of its manifests names: one that was pushed and not used yet. */
static enum err_code take_blob(struct state *s, struct rows *rows, struct inventory_item *blob,
                               struct err *e)
{
    const struct repo_name *repo = repo_of(s, blob);
    struct digest *d = &rows->digests[rows->n];
    struct meta_removed row;
    uint64_t unused;
    enum err_code code;

    if (blob->mark != UNSEEN)
        return ERR_OK;
    inventory_digest(blob, d);
    code = meta_blob_stat(s->meta, repo, d, &unused, e);
    if (code != ERR_BLOB_UNKNOWN)
        return code;
    code = meta_removed_get(s->meta, (struct meta_content){repo, d}, &row, e);
    if (code != ERR_NOT_FOUND) /* it goes */
        return code;
    rows->n++;
    rows->ops[rows->n_ops++] = meta_op_blob_link(repo, d, blob->size_bytes);
    s->counts.new_blobs++;
    return rows->n == ROWS ? commit_rows(s, rows, e) : ERR_OK;
}

static enum err_code take_blobs(struct state *s, struct err *e)
{
    AUTO(mem) struct rows *rows = NEW(struct rows);

    s->counts.done += s->inv.blobs.n;
    if (store_shared(s->store)) /* whose they are only manifests say */
        return ERR_OK;
    for (size_t i = 0; i < s->inv.blobs.n; i++)
        TRY(take_blob(s, rows, &s->inv.blobs.items[i], e));
    return commit_rows(s, rows, e);
}

static int by_name(const void *a, const void *b)
{
    const struct meta_projection *pa = a, *pb = b;
    int order = strcmp(pa->repo.text, pb->repo.text);

    return order ? order : strcmp(pa->tag.text, pb->tag.text);
}

/* Not carried here: those of a backup that was put back are older than the store. */
static enum err_code load_pending(struct state *s, struct err *e)
{
    size_t cap = 1024;

    for (;;) {
        s->pending = mem_resize(s->pending, cap * sizeof(*s->pending));
        TRY(meta_projections(s->meta, STR(""), s->pending, cap, &s->n_pending, e));
        if (s->n_pending < cap)
            break;
        cap *= 2;
    }
    if (s->n_pending > 1)
        qsort(s->pending, s->n_pending, sizeof(*s->pending), by_name);
    return ERR_OK;
}

/* Has meta deleted the tag without the store knowing? */
static bool is_deleted(const struct state *s, const struct repo_name *repo,
                       const struct tag_name *tag)
{
    struct meta_projection key = {.repo = *repo, .tag = *tag};
    const struct meta_projection *p =
        s->n_pending ? bsearch(&key, s->pending, s->n_pending, sizeof(key), by_name) : NULL;

    return p && p->deleted;
}

/* Can the tag be set? Its manifest was taken, or meta has it without the store. */
static enum err_code leads_somewhere(struct state *s, const struct inventory_tag *tag,
                                     const struct digest *d, bool *ret_leads, struct err *e)
{
    struct inventory_item *to = inventory_find(&s->inv.manifests, tag->repo, d);
    AUTO(meta_manifest) struct meta_manifest *known = NULL;
    enum err_code code;

    *ret_leads = to && to->mark == TAKEN;
    if (*ret_leads)
        return ERR_OK;
    code = meta_manifest_by_digest(s->meta, &s->inv.repos[tag->repo], d, &known, e);
    *ret_leads = code == ERR_OK;
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

/* *ret_version is what the tag must be at when it is set; *ret_set is false: nothing is to do. */
static enum err_code compare_tag(struct state *s, const struct repo_name *repo,
                                 const struct tag_name *tag, const struct digest *d,
                                 int64_t *ret_version, bool *ret_set, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *now = NULL;
    enum err_code code = meta_manifest_by_tag(s->meta, repo, tag, &now, ret_version, e);

    *ret_set = true;
    if (code == ERR_MANIFEST_UNKNOWN) {
        *ret_version = META_ABSENT;
        *ret_set = s->r->move_tags || !is_deleted(s, repo, tag);
        s->counts.new_tags += *ret_set;
        s->counts.kept_tags += !*ret_set;
        return ERR_OK;
    }
    TRY(code);
    *ret_set = s->r->move_tags && !digest_eq(&now->digest, d);
    if (*ret_set)
        s->counts.moved_tags++;
    else if (!digest_eq(&now->digest, d))
        s->counts.kept_tags++;
    return ERR_OK;
}

/* The store says already what the tag is set to: no projection is left pending. */
static void add_tag(struct rows *rows, const struct repo_name *repo, int64_t version)
{
    const struct tag_name *tag = &rows->tags[rows->n];

    rows->ops[rows->n_ops++] = meta_op_tag_set(repo, tag, &rows->digests[rows->n], version);
    rows->ops[rows->n_ops++] = meta_op_projection_done(repo, tag, INT64_MAX);
    rows->n++;
}

static enum err_code take_tag(struct state *s, struct rows *rows, const struct inventory_tag *tag,
                              struct err *e)
{
    const struct repo_name *repo = &s->inv.repos[tag->repo];
    struct digest *d = &rows->digests[rows->n];
    int64_t version;
    bool leads, set;

    if (tag->to.algorithm == INVENTORY_NOWHERE) {
        problem(s, "%s: tag %s is left out: it does not name a digest", repo->text, tag->name);
        return ERR_OK;
    }
    inventory_digest(&tag->to, d);
    TRY(leads_somewhere(s, tag, d, &leads, e));
    if (!leads) {
        problem(s, "%s: tag %s is left out: its manifest %s is not there, or damaged", repo->text,
                tag->name, d->text);
        return ERR_OK;
    }
    TRY(tag_name_parse(str_of(tag->name), &rows->tags[rows->n], e));
    TRY(compare_tag(s, repo, &rows->tags[rows->n], d, &version, &set, e));
    if (set)
        add_tag(rows, repo, version);
    return rows->n == ROWS ? commit_rows(s, rows, e) : ERR_OK;
}

static enum err_code take_tags(struct state *s, struct err *e)
{
    AUTO(mem) struct rows *rows = NEW(struct rows);

    for (size_t i = 0; i < s->inv.n_tags; i++) {
        s->counts.done++;
        TRY(take_tag(s, rows, &s->inv.tags[i], e));
    }
    return commit_rows(s, rows, e);
}

/* Durable, and with it everything before (META_LAZY). */
static enum err_code finish(struct state *s, struct err *e)
{
    const struct reindex_counts *c = &s->counts;
    char detail[256];
    struct meta_audit entry = {
        .time_ms = clock_wall_ms(),
        .actor = s->r->actor,
        .action = s->r->action,
        .target = "",
        .address = "",
        .result = "ok",
        .detail = detail,
    };
    struct meta_op op = meta_op_audit_add(&entry);

    snprintf(detail, sizeof(detail),
             "{\"manifests\":%llu,\"blobs\":%llu,\"tags\":%llu,\"moved_tags\":%llu,"
             "\"problems\":%llu}",
             (unsigned long long)c->new_manifests, (unsigned long long)c->new_blobs,
             (unsigned long long)c->new_tags, (unsigned long long)c->moved_tags,
             (unsigned long long)c->problems);
    return meta_commit(s->meta, &op, 1, 0, NULL, e);
}

static enum err_code run(struct state *s, struct err *e)
{
    TRY(load_pending(s, e));
    TRY(inventory_load(s->store, listed, s, &s->inv, e));
    s->counts.repositories = s->inv.n_repos;
    s->counts.blobs = s->inv.blobs.n;
    s->counts.manifests = s->inv.manifests.n;
    s->counts.tags = s->inv.n_tags;
    s->counts.listed = s->inv.blobs.n + s->inv.manifests.n + s->inv.n_tags;
    TRY(take_manifests(s, e));
    TRY(take_blobs(s, e));
    TRY(take_tags(s, e));
    return finish(s, e);
}

enum err_code reindex_run(const struct reindex *r, struct reindex_counts *ret_counts, struct err *e)
{
    struct state s = {.r = r, .store = r->registry->store, .meta = r->registry->meta};
    enum err_code code = run(&s, e);

    inventory_done(&s.inv);
    free(s.pending);
    TRY(code);
    *ret_counts = s.counts;
    return ERR_OK;
}
