#include "core/copy.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/thread.h"
#include "core/inventory.h"
#include "core/manifest.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE_BYTES  (1u << 20)
#define MANIFEST_MAX (64u << 20)

/* Where one end is elsewhere, what waits for an answer leaves room for others. */
#define REMOTE_THREADS 8

/* Marks of manifests of the source. */
enum { UNSEEN, THERE };

struct state {
    const struct copy *c;
    struct inventory from, to;
    struct inventory_list wanted; /* blobs of `from` by digest, then by repository */
    size_t *groups;               /* where each digest of them begins */
    size_t n_groups;

    pthread_mutex_t lock; /* all below, and calls of problem() and progress() */
    struct copy_counts counts;
    bool ended; /* by the first error, which is the next */
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

/* Blobs. */

/* What went wrong where: of the source it is this blob's problem. */
struct carrying {
    struct state *s;
    const struct inventory_item *blob;
    const struct repo_name *repo;
    struct digest digest;
    bool source; /* the error is one of the source */
};

static enum err_code read_piece(struct reader *r, char *p, size_t *ret_n, struct err *e)
{
    enum err_code code;

    while ((code = reader_read(r, p, PIECE_BYTES, ret_n, e)) == ERR_LATER) {
        struct pollfd wait = {.fd = reader_wait_fd(r), .events = POLLIN};

        poll(&wait, 1, -1);
    }
    return code;
}

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
        TRY(read_piece(r, p, &n, e));
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

static enum err_code carry(struct carrying *c, struct err *e)
{
    const struct copy *copy = c->s->c;
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;
    int fd;

    c->source = true;
    TRY(store_blob_open(copy->from, c->repo, &c->digest, c->blob->size_bytes, &r, &size, e));
    c->source = false;
    fd = reader_fd(r);
    if (fd < 0 || !store_takes_files(copy->to))
        return upload(c, r, size, e);
    if (!copy->trust)
        TRY(read_all(c, r, NULL, e));
    return store_blob_take(copy->to, c->repo, &c->digest, fd, e);
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
    code = *have ? store_blob_link(s->c->to, *have, c.repo, &c.digest, e) : carry(&c, e);
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

static enum err_code read_manifest(struct state *s, const struct inventory_item *m,
                                   const struct digest *d, struct buf *bytes, struct err *e)
{
    struct digest found;

    buf_init(bytes, MANIFEST_MAX);
    TRY(store_manifest_get(s->c->from, name_of(s, m->repo), d, bytes, e));
    digest_of(d->algorithm, bytes->p, bytes->n, &found);
    if (!digest_eq(&found, d))
        return err_set(e, ERR_CORRUPT, "it is damaged: its %zu bytes have another digest",
                       bytes->n);
    return ERR_OK;
}

/* Which repositories have a blob only their manifests know, where the source keeps it once. */
static void want_links(struct state *s, const struct inventory_item *m, struct str bytes,
                       size_t *cap)
{
    AUTO(manifest) struct manifest parsed = {0};
    struct inventory_list *l = &s->wanted;

    if (manifest_parse(bytes, STR_NONE, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
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
        l->items[l->n++].repo = m->repo;
    }
}

/* Those that are damaged are told when they are copied. */
static void want_by_manifests(struct state *s)
{
    size_t cap = 0, n = 0;

    for (size_t i = 0; i < s->from.manifests.n; i++) {
        const struct inventory_item *m = &s->from.manifests.items[i];
        AUTO(buf) struct buf bytes = {0};
        struct digest d;

        inventory_digest(m, &d);
        if (read_manifest(s, m, &d, &bytes, ERR_IGNORED) == ERR_OK)
            want_links(s, m, buf_str(&bytes), &cap);
    }
    if (s->wanted.n > 1)
        qsort(s->wanted.items, s->wanted.n, sizeof(*s->wanted.items), by_digest_and_repo);
    for (size_t i = 0; i < s->wanted.n; i++) { /* images share layers */
        if (i == 0 || by_digest_and_repo(&s->wanted.items[n - 1], &s->wanted.items[i]) != 0)
            s->wanted.items[n++] = s->wanted.items[i];
    }
    s->wanted.n = n;
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

static enum err_code take_manifest(struct state *s, struct inventory_item *m, struct err *e)
{
    const struct repo_name *repo = name_of(s, m->repo);
    AUTO(buf) struct buf bytes = {0};
    const struct inventory_item *there;
    struct digest d;

    inventory_digest(m, &d);
    there = inventory_find(&s->to.manifests, over_there(s, m->repo), &d);
    if (there && there->size_bytes == m->size_bytes) {
        m->mark = THERE;
        count(s, &s->counts.new_manifests, 0, 0);
        return ERR_OK;
    }
    if (read_manifest(s, m, &d, &bytes, e) != ERR_OK) {
        problem(s, "%s: manifest %s is left out: %s", repo->text, d.text, e->detail);
        count(s, &s->counts.new_manifests, 0, 0);
        return ERR_OK;
    }
    TRY(store_manifest_put(s->c->to, repo, &d, buf_str(&bytes), e));
    m->mark = THERE;
    count(s, &s->counts.new_manifests, 1, 0);
    return ERR_OK;
}

static void take_manifest_at(void *ctx, size_t i)
{
    struct state *s = ctx;
    struct err e = {0};

    if (!has_ended(s) && take_manifest(s, &s->from.manifests.items[i], &e) != ERR_OK)
        end(s, &e);
}

/* Tags, in order: those of a repository together. */

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

static enum err_code put_tag(struct state *s, const struct inventory_tag *tag, bool *ret_put,
                             struct err *e)
{
    const struct repo_name *repo = name_of(s, tag->repo);
    struct tag_name name;
    struct digest d, now = {.n = 0};
    enum err_code code;

    *ret_put = false;
    if (!can_lead(s, tag, &d))
        return ERR_OK;
    TRY(tag_name_parse(str_of(tag->name), &name, e));
    code = store_tag_get(s->c->to, repo, &name, &now, e);
    if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN)
        return code;
    if (code == ERR_OK && digest_eq(&now, &d))
        return ERR_OK;
    *ret_put = code == ERR_MANIFEST_UNKNOWN || s->c->move_tags;
    s->counts.new_tags += code == ERR_MANIFEST_UNKNOWN;
    s->counts.moved_tags += code == ERR_OK && *ret_put;
    s->counts.kept_tags += !*ret_put;
    return *ret_put ? store_tag_put(s->c->to, repo, &name, &d, e) : ERR_OK;
}

static enum err_code take_tags(struct state *s, struct err *e)
{
    bool unsynced = false, put;

    for (size_t i = 0; i < s->from.n_tags; i++) {
        const struct inventory_tag *tag = &s->from.tags[i];
        bool last = i + 1 == s->from.n_tags || tag[1].repo != tag->repo;

        TRY(put_tag(s, tag, &put, e));
        unsynced |= put;
        if (last && unsynced)
            TRY(store_tag_sync(s->c->to, name_of(s, tag->repo), e));
        unsynced &= !last;
        count(s, &s->counts.new_tags, 0, 0);
    }
    return ERR_OK;
}

static size_t threads(const struct state *s)
{
    bool remote = store_shared(s->c->from) || store_shared(s->c->to);

    return remote ? REMOTE_THREADS : thread_processors();
}

static enum err_code list_both(struct state *s, struct err *e)
{
    TRY(inventory_load(s->c->from, listed, s, &s->from, e));
    TRY(inventory_load(s->c->to, NULL, NULL, &s->to, e));
    want_blobs(s);
    group(s);
    s->counts.blobs = s->wanted.n;
    s->counts.manifests = s->from.manifests.n;
    s->counts.tags = s->from.n_tags;
    s->counts.listed = s->wanted.n + s->from.manifests.n + s->from.n_tags;
    return ERR_OK;
}

/* What others refer to comes before them. */
static enum err_code run(struct state *s, struct err *e)
{
    TRY(list_both(s, e));
    parallel_each(s->n_groups, threads(s), take_group, s);
    parallel_each(s->ended ? 0 : s->from.manifests.n, threads(s), take_manifest_at, s);
    if (s->ended) {
        *e = s->error;
        return s->error.code;
    }
    return take_tags(s, e);
}

enum err_code copy_run(const struct copy *c, struct copy_counts *ret_counts, struct err *e)
{
    struct state s = {.c = c};
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
