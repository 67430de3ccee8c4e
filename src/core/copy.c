#include "core/copy.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/thread.h"
#include "core/inventory.h"
#include "core/manifest.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE_BYTES  (1u << 20)
#define MANIFEST_MAX (64u << 20)

/* Where one end is elsewhere, what waits for an answer leaves room for others. */
#define REMOTE_THREADS 16

/* Manifests that are read together and made durable together. */
#define WINDOW_MANIFESTS 512
#define WINDOW_BYTES     (16u << 20)

/* Marks of manifests of the source. */
enum { UNSEEN, THERE };

struct state {
    const struct copy *c;
    struct inventory from, to;
    struct inventory_list wanted; /* blobs of `from` by digest, then by repository */
    size_t *groups;               /* where each digest of them begins */
    size_t n_groups;
    bool near; /* their server may copy blobs; see `refused` */

    pthread_mutex_t lock; /* all below, and calls of problem() and progress() */
    struct copy_counts counts;
    bool refused; /* it has refused to copy one */
    bool ended;   /* by the first error, which is the next */
    struct err error;
};

__attribute__((format(printf, 2, 3))) static void problem(struct state *s, const char *fmt, ...)
{
    char text[REPO_NAME_MAX + 2 * DIGEST_TEXT_MAX + 512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&s->lock);
    s->counts.problems++;
    if (s->c->problem)
        s->c->problem(s->c->ctx, text);
    pthread_mutex_unlock(&s->lock);
}

/* One more was looked at; *more is how many of its kind are new. */
static void count(struct state *s, uint64_t *more, uint64_t fresh, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    s->counts.done++;
    s->counts.done_bytes += bytes;
    *more += fresh;
    if (s->c->progress)
        s->c->progress(s->c->ctx, &s->counts);
    pthread_mutex_unlock(&s->lock);
}

static void listed(void *ctx, uint64_t n)
{
    struct state *s = ctx;

    s->counts.listed = n;
    if (s->c->progress)
        s->c->progress(s->c->ctx, &s->counts);
}

static bool has_ended(struct state *s)
{
    bool ended;

    pthread_mutex_lock(&s->lock);
    ended = s->ended;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

static void end(struct state *s, const struct err *e)
{
    pthread_mutex_lock(&s->lock);
    if (!s->ended)
        s->error = *e;
    s->ended = true;
    pthread_mutex_unlock(&s->lock);
}

/* For a store that keeps a blob once any name will do. */
static const struct repo_name any_repo = {3, "any"};

static const struct repo_name *name_of(const struct state *s, uint32_t repo)
{
    return repo == INVENTORY_SHARED ? &any_repo : &s->from.repos[repo];
}

/* The same repository in `to`, for look-ups in its inventory. */
static uint32_t over_there(const struct state *s, uint32_t repo)
{
    return inventory_repo(&s->to, name_of(s, repo));
}

static size_t threads(const struct state *s)
{
    bool remote = store_shared(s->c->from) || store_shared(s->c->to);

    return remote ? REMOTE_THREADS : thread_processors();
}

/* Blobs. */

/* What went wrong where: of the source it is this blob's problem. */
struct carrying {
    struct state *s;
    const struct inventory_item *blob;
    const struct repo_name *repo;
    struct digest digest;
    bool source; /* the error is one of the source */
};

/* Reads all, and writes it to the upload if there is one. */
static enum err_code read_all(struct carrying *c, struct reader *r, struct store_upload *u,
                              struct err *e)
{
    AUTO(mem) char *p = mem_alloc(PIECE_BYTES);
    AUTO(hasher) struct hasher *h = hasher_new(c->digest.algorithm);
    struct digest found;
    uint64_t at = 0;
    size_t n;

    do {
        c->source = true;
        TRY(reader_read_waiting(r, p, PIECE_BYTES, &n, e));
        c->source = false;
        hasher_update(h, p, n);
        if (u && n > 0)
            TRY(store_upload_write(c->s->c->to, u, p, n, at, e));
        at += n;
    } while (n > 0);
    hasher_digest(h, &found);
    c->source = true;
    if (!digest_eq(&found, &c->digest))
        return err_set(e, ERR_CORRUPT, "it is damaged: its %llu bytes have another digest",
                       (unsigned long long)at);
    c->source = false;
    return ERR_OK;
}

static enum err_code upload_and_commit(struct carrying *c, struct reader *r, struct store_upload *u,
                                       uint64_t size_bytes, struct err *e)
{
    struct store *to = c->s->c->to;

    TRY(store_upload_expect(to, u, c->repo, &c->digest, size_bytes, e));
    TRY(read_all(c, r, u, e));
    TRY(store_upload_prepare(to, u, c->repo, &c->digest, NULL, e));
    return store_upload_commit(to, u, c->repo, &c->digest, NULL, e);
}

static enum err_code upload(struct carrying *c, struct reader *r, uint64_t size_bytes,
                            struct err *e)
{
    struct store *to = c->s->c->to;
    struct store_upload *u;
    enum err_code code;
    uint64_t had;
    struct uuid id;

    uuid_make(&id);
    TRY(store_upload_create(to, &id, e));
    TRY(store_upload_open(to, &id, &u, &had, e));
    code = upload_and_commit(c, r, u, size_bytes, e);
    if (code != ERR_OK)
        store_upload_close(to, u);
    (void)!store_upload_delete(to, &id, ERR_IGNORED);
    return code;
}

static bool may_server_copy(struct state *s)
{
    bool may;

    pthread_mutex_lock(&s->lock);
    may = s->near && !s->refused;
    pthread_mutex_unlock(&s->lock);
    return may;
}

static void note_refusal(struct state *s)
{
    pthread_mutex_lock(&s->lock);
    s->refused = true;
    pthread_mutex_unlock(&s->lock);
}

/* Within the server. *ret_done is false, and the reader where it was, when that does not do it. */
static enum err_code copy_there(struct carrying *c, struct reader *r, bool *ret_done, struct err *e)
{
    const struct copy *copy = c->s->c;
    enum err_code code;

    *ret_done = false;
    if (!may_server_copy(c->s))
        return ERR_OK;
    if (!copy->trust)
        TRY(read_all(c, r, NULL, e));
    code = store_blob_copy(copy->to, copy->from, c->repo, &c->digest, c->blob->size_bytes, e);
    *ret_done = code == ERR_OK;
    c->source = code == ERR_BLOB_UNKNOWN;
    if (code != ERR_UNSUPPORTED)
        return code;
    note_refusal(c->s);
    return reader_seek(r, 0, e);
}

/* What a repository of `to` has by now, in another one. A file is taken, for it is synced later
 * with all others. */
static enum err_code link_again(struct carrying *c, const struct repo_name *have, struct err *e)
{
    struct store *to = c->s->c->to;
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;

    if (!store_takes_files(to))
        return store_blob_link(to, have, c->repo, &c->digest, e);
    TRY(store_blob_open(to, have, &c->digest, c->blob->size_bytes, &r, &size, e));
    if (reader_fd(r) < 0)
        return store_blob_link(to, have, c->repo, &c->digest, e);
    return store_blob_take(to, c->repo, &c->digest, reader_fd(r), e);
}

static enum err_code carry(struct carrying *c, struct err *e)
{
    const struct copy *copy = c->s->c;
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;
    bool done;
    int fd;

    c->source = true;
    TRY(store_blob_open(copy->from, c->repo, &c->digest, c->blob->size_bytes, &r, &size, e));
    c->source = false;
    fd = reader_fd(r);
    if (fd >= 0 && store_takes_files(copy->to)) {
        if (!copy->trust)
            TRY(read_all(c, r, NULL, e));
        return store_blob_take(copy->to, c->repo, &c->digest, fd, e);
    }
    TRY(copy_there(c, r, &done, e));
    return done ? ERR_OK : upload(c, r, size, e);
}

enum err_code copy_blob(const struct copy *copy, const struct repo_name *repo,
                        const struct digest *d, uint64_t size_bytes, bool *ret_source,
                        struct err *e)
{
    struct state s = {.c = copy};
    const struct inventory_item blob = {.size_bytes = size_bytes};
    struct carrying c = {.s = &s, .blob = &blob, .repo = repo, .digest = *d};
    enum err_code code;

    pthread_mutex_init(&s.lock, NULL);
    code = carry(&c, e);
    pthread_mutex_destroy(&s.lock);
    *ret_source = c.source;
    return code;
}

/* The blob in one repository. *have is another one of `to` that has it by now, or NULL. */
static enum err_code take_blob(struct state *s, const struct inventory_item *blob,
                               const struct repo_name **have, struct err *e)
{
    struct carrying c = {.s = s, .blob = blob, .repo = name_of(s, blob->repo)};
    bool shared = store_shared(s->c->to);
    const struct inventory_item *there;
    enum err_code code = ERR_OK;

    inventory_digest(blob, &c.digest);
    there = inventory_find(&s->to.blobs, shared ? INVENTORY_SHARED : over_there(s, blob->repo),
                           &c.digest);
    if ((there && there->size_bytes == blob->size_bytes) || (shared && *have)) {
        count(s, &s->counts.new_blobs, 0, 0);
        *have = c.repo;
        return ERR_OK;
    }
    if (there) /* of another length: it is damaged, and stores take what is there for the blob */
        TRY(store_blob_delete(s->c->to, c.repo, &c.digest, false, e));
    code = *have ? link_again(&c, *have, e) : carry(&c, e);
    if (code != ERR_OK && c.source) {
        problem(s, "%s: blob %s is left out: %s", c.repo->text, c.digest.text, e->detail);
        count(s, &s->counts.new_blobs, 0, 0);
        return ERR_OK;
    }
    TRY(code);
    count(s, &s->counts.new_blobs, 1, blob->size_bytes);
    *have = c.repo;
    return ERR_OK;
}

/* All repositories that have one blob. */
static void take_group(void *ctx, size_t i)
{
    struct state *s = ctx;
    size_t next = i + 1 < s->n_groups ? s->groups[i + 1] : s->wanted.n;
    const struct repo_name *have = NULL;
    struct err e = {0};

    for (size_t k = s->groups[i]; k < next && !has_ended(s); k++) {
        if (take_blob(s, &s->wanted.items[k], &have, &e) != ERR_OK)
            end(s, &e);
    }
}

static int by_digest(const void *a, const void *b)
{
    const struct inventory_item *ia = a, *ib = b;

    if (ia->algorithm != ib->algorithm)
        return ia->algorithm < ib->algorithm ? -1 : 1;
    return memcmp(ia->hash, ib->hash, sizeof(ia->hash));
}

static int by_digest_and_repo(const void *a, const void *b)
{
    const struct inventory_item *ia = a, *ib = b;
    int order = by_digest(a, b);

    if (order || ia->repo == ib->repo)
        return order;
    return ia->repo < ib->repo ? -1 : 1;
}

static void group(struct state *s)
{
    struct inventory_list *l = &s->wanted;

    if (l->n > 1)
        qsort(l->items, l->n, sizeof(*l->items), by_digest_and_repo);
    s->groups = mem_alloc((l->n + 1) * sizeof(*s->groups));
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || by_digest(&l->items[i - 1], &l->items[i]) != 0)
            s->groups[s->n_groups++] = i;
    }
}

/* Manifests. */

struct slot {
    struct state *s;
    struct inventory_item *item;
    struct digest digest;
    struct buf bytes;
    enum err_code code;
    struct err why;
};

struct window {
    struct slot *slots; /* WINDOW_MANIFESTS */
    size_t n;
    uint64_t bytes;
};

static enum err_code read_manifest(struct slot *slot, struct err *e)
{
    struct state *s = slot->s;
    struct buf *bytes = &slot->bytes;
    struct digest found;

    buf_init(bytes, MANIFEST_MAX);
    TRY(store_manifest_get(s->c->from, name_of(s, slot->item->repo), &slot->digest, bytes, e));
    digest_of(slot->digest.algorithm, bytes->p, bytes->n, &found);
    if (!digest_eq(&found, &slot->digest))
        return err_set(e, ERR_CORRUPT, "it is damaged: its %zu bytes have another digest",
                       bytes->n);
    return ERR_OK;
}

static void read_slot(void *ctx, size_t i)
{
    struct slot *slot = (struct slot *)ctx + i;

    slot->code = read_manifest(slot, &slot->why);
}

/* Does `to` have the manifest, as long as it should be? */
static bool is_there(const struct state *s, const struct inventory_item *m, const struct digest *d)
{
    const struct inventory_item *there =
        inventory_find(&s->to.manifests, over_there(s, m->repo), d);

    return there && there->size_bytes == m->size_bytes;
}

/* Puts those from *next on into the empty window, as many as it takes; but for those that are
 * there, if told so. False: none is left. */
static bool fill(struct state *s, struct window *w, size_t *next, bool leave_out)
{
    struct inventory_list *l = &s->from.manifests;

    for (; *next < l->n && w->n < WINDOW_MANIFESTS; ++*next) {
        struct inventory_item *m = &l->items[*next];
        struct slot *slot = &w->slots[w->n];

        if (w->n > 0 && w->bytes + m->size_bytes > WINDOW_BYTES)
            break;
        *slot = (struct slot){.s = s, .item = m};
        inventory_digest(m, &slot->digest);
        if (leave_out && is_there(s, m, &slot->digest)) {
            m->mark = THERE;
            count(s, &s->counts.new_manifests, 0, 0);
            continue;
        }
        w->bytes += m->size_bytes;
        w->n++;
    }
    return w->n > 0;
}

static void empty(struct window *w)
{
    for (size_t i = 0; i < w->n; i++)
        buf_done(&w->slots[i].bytes);
    w->n = 0;
    w->bytes = 0;
}

static void read_window(struct state *s, struct window *w)
{
    parallel_each(w->n, threads(s), read_slot, w->slots);
}

/* Which repositories have a blob only their manifests know, where the source keeps it once. Those
 * that are damaged are told when they are copied. */
static void want_links(struct state *s, const struct slot *slot, size_t *cap)
{
    AUTO(manifest) struct manifest parsed = {0};
    struct inventory_list *l = &s->wanted;

    if (slot->code != ERR_OK ||
        manifest_parse(buf_str(&slot->bytes), STR_NONE, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return;
    for (size_t i = 0; i < parsed.n_links; i++) {
        const struct inventory_item *blob =
            inventory_find(&s->from.blobs, INVENTORY_SHARED, &parsed.links[i].digest);

        if (!blob)
            continue;
        if (l->n == *cap) {
            *cap = *cap ? 2 * *cap : 1024;
            l->items = mem_resize(l->items, *cap * sizeof(*l->items));
        }
        l->items[l->n] = *blob;
        l->items[l->n++].repo = slot->item->repo;
    }
}

/* Images share layers. */
static void drop_doubles(struct inventory_list *l)
{
    size_t n = 0;

    if (l->n > 1)
        qsort(l->items, l->n, sizeof(*l->items), by_digest_and_repo);
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || by_digest_and_repo(&l->items[n - 1], &l->items[i]) != 0)
            l->items[n++] = l->items[i];
    }
    l->n = n;
}

static void want_by_manifests(struct state *s)
{
    AUTO(mem) struct slot *slots = mem_zero(WINDOW_MANIFESTS * sizeof(*slots));
    struct window w = {.slots = slots};
    size_t next = 0, cap = 0;

    while (fill(s, &w, &next, false)) {
        read_window(s, &w);
        for (size_t i = 0; i < w.n; i++)
            want_links(s, &w.slots[i], &cap);
        empty(&w);
    }
    drop_doubles(&s->wanted);
}

static void want_blobs(struct state *s)
{
    const struct inventory_list *blobs = &s->from.blobs;

    if (store_shared(s->c->from) && !store_shared(s->c->to)) {
        want_by_manifests(s);
        return;
    }
    s->wanted.items = mem_alloc((blobs->n + 1) * sizeof(*blobs->items));
    if (blobs->n > 0)
        memcpy(s->wanted.items, blobs->items, blobs->n * sizeof(*blobs->items));
    s->wanted.n = blobs->n;
}

/* Those that could be read, together. */
static enum err_code put_window(struct state *s, struct window *w, struct err *e)
{
    AUTO(mem) struct store_manifest *items = mem_alloc(WINDOW_MANIFESTS * sizeof(*items));
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++) {
        const struct slot *slot = &w->slots[i];
        const struct repo_name *repo = name_of(s, slot->item->repo);

        if (slot->code == ERR_OK)
            items[n++] = (struct store_manifest){repo, &slot->digest, buf_str(&slot->bytes)};
        else
            problem(s, "%s: manifest %s is left out: %s", repo->text, slot->digest.text,
                    slot->why.detail);
    }
    TRY(store_manifests_put(s->c->to, items, n, e));
    for (size_t i = 0; i < w->n; i++) {
        bool taken = w->slots[i].code == ERR_OK;

        w->slots[i].item->mark = taken ? THERE : UNSEEN;
        count(s, &s->counts.new_manifests, taken, 0);
    }
    return ERR_OK;
}

static enum err_code take_manifests(struct state *s, struct err *e)
{
    AUTO(mem) struct slot *slots = mem_zero(WINDOW_MANIFESTS * sizeof(*slots));
    struct window w = {.slots = slots};
    enum err_code code = ERR_OK;
    size_t next = 0;

    while (code == ERR_OK && fill(s, &w, &next, true)) {
        read_window(s, &w);
        code = put_window(s, &w, e);
        empty(&w);
    }
    return code;
}

/* Tags. */

static bool can_lead(struct state *s, const struct inventory_tag *tag, struct digest *ret_digest)
{
    const char *repo = name_of(s, tag->repo)->text;
    const struct inventory_item *m;

    if (tag->to.algorithm == INVENTORY_NOWHERE) {
        problem(s, "%s: tag %s is left out: it does not name a digest", repo, tag->name);
        return false;
    }
    inventory_digest(&tag->to, ret_digest);
    m = inventory_find(&s->from.manifests, tag->repo, ret_digest);
    if (m && m->mark == THERE)
        return true;
    problem(s, "%s: tag %s is left out: its manifest %s is not there, or damaged", repo, tag->name,
            ret_digest->text);
    return false;
}

/* What becomes of a tag. */
enum { NEW, MOVED, KEPT, SAME };

static int compare_tag(const struct state *s, const struct inventory_tag *tag,
                       const struct digest *d)
{
    const struct inventory_tag *there =
        inventory_find_tag(&s->to, over_there(s, tag->repo), tag->name);
    struct digest now = {.n = 0};

    if (!there)
        return NEW;
    if (there->to.algorithm != INVENTORY_NOWHERE)
        inventory_digest(&there->to, &now);
    if (digest_eq(&now, d))
        return SAME;
    return s->c->move_tags ? MOVED : KEPT;
}

static enum err_code take_tag(struct state *s, const struct inventory_tag *tag, struct err *e)
{
    uint64_t none = 0, *const counters[] = {
                           [NEW] = &s->counts.new_tags,
                           [MOVED] = &s->counts.moved_tags,
                           [KEPT] = &s->counts.kept_tags,
                           [SAME] = &none,
                       };
    struct tag_name name;
    struct digest d;
    int becomes;

    if (!can_lead(s, tag, &d)) {
        count(s, &none, 0, 0);
        return ERR_OK;
    }
    becomes = compare_tag(s, tag, &d);
    if (becomes == NEW || becomes == MOVED) {
        TRY(tag_name_parse(str_of(tag->name), &name, e));
        TRY(store_tag_put(s->c->to, name_of(s, tag->repo), &name, &d, e));
    }
    count(s, counters[becomes], 1, 0);
    return ERR_OK;
}

static void take_tag_at(void *ctx, size_t i)
{
    struct state *s = ctx;
    struct err e = {0};

    if (!has_ended(s) && take_tag(s, &s->from.tags[i], &e) != ERR_OK)
        end(s, &e);
}

static bool is_wanted(struct state *s, enum store_kind kind, const struct inventory_item *item)
{
    bool shared = item->repo == INVENTORY_SHARED;
    struct digest d = {.n = 0};

    if (item->algorithm != INVENTORY_NOWHERE)
        inventory_digest(item, &d);
    return s->c->wanted(s->c->ctx, kind, shared ? NULL : &s->from.repos[item->repo], &d);
}

static void drop_unwanted(struct state *s, enum store_kind kind, struct inventory_list *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (is_wanted(s, kind, &l->items[i]))
            l->items[n++] = l->items[i];
    }
    l->n = n;
}

static void drop_unwanted_tags(struct state *s)
{
    struct inventory *inv = &s->from;
    size_t n = 0;

    for (size_t i = 0; i < inv->n_tags; i++) {
        if (is_wanted(s, STORE_TAG, &inv->tags[i].to))
            inv->tags[n++] = inv->tags[i];
        else
            free(inv->tags[i].name);
    }
    inv->n_tags = n;
}

static enum err_code list_both(struct state *s, struct err *e)
{
    TRY(inventory_load(s->c->from, listed, s, &s->from, e));
    if (s->c->wanted) {
        drop_unwanted(s, STORE_BLOB, &s->from.blobs);
        drop_unwanted(s, STORE_MANIFEST, &s->from.manifests);
        drop_unwanted_tags(s);
    }
    TRY(inventory_load(s->c->to, NULL, NULL, &s->to, e));
    want_blobs(s);
    group(s);
    s->counts.blobs = s->wanted.n;
    s->counts.manifests = s->from.manifests.n;
    s->counts.tags = s->from.n_tags;
    s->counts.listed = s->wanted.n + s->from.manifests.n + s->from.n_tags;
    return ERR_OK;
}

/* All, durably. */
static enum err_code take_each(struct state *s, size_t n, void (*take)(void *ctx, size_t i),
                               struct err *e)
{
    parallel_each(n, threads(s), take, s);
    if (s->ended) {
        *e = s->error;
        return s->error.code;
    }
    return store_sync(s->c->to, e);
}

/* What others refer to comes before them. */
static enum err_code run(struct state *s, struct err *e)
{
    TRY(list_both(s, e));
    TRY(store_sync(s->c->from, e)); /* what becomes a link must be durable before it */
    TRY(take_each(s, s->n_groups, take_group, e));
    TRY(take_manifests(s, e));
    return take_each(s, s->from.n_tags, take_tag_at, e);
}

enum err_code copy_run(const struct copy *c, struct copy_counts *ret_counts, struct err *e)
{
    struct state s = {.c = c, .near = store_near(c->to, c->from)};
    enum err_code code;

    pthread_mutex_init(&s.lock, NULL);
    code = run(&s, e);
    pthread_mutex_destroy(&s.lock);
    inventory_done(&s.from);
    inventory_done(&s.to);
    free(s.wanted.items);
    free(s.groups);
    TRY(code);
    *ret_counts = s.counts;
    return ERR_OK;
}
