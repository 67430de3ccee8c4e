/*
 * The wrappers every caller goes through. They check arguments once, so that a driver sees only
 * sensible ones: names and digests that were parsed, and no call that has nothing to do. Here a
 * call finds, past the hooks of decorators, the driver that answers it.
 */
#include "store/store.h"

#include <assert.h>

static enum err_code before(struct store *s, struct store_call *c, struct err *e)
{
    if (!s)
        return err_set(e, ERR_INTERNAL, "no driver of store answers %s", c->name);
    return s->driver->before ? s->driver->before(s, c, e) : ERR_OK;
}

/* Tells all from s to last, which answered. */
static void after(struct store *s, const struct store *last, const struct store_call *c,
                  enum err_code code)
{
    for (; s; s = s == last ? NULL : s->inner) {
        if (s->driver->after)
            s->driver->after(s, c, code);
    }
}

/* Asks the first from s inwards that has the callback, unless a hook on the way there says no; s is
 * that one then. c is the struct store_call, `size` what its bytes are when the call succeeded, and
 * `e` the function's own. */
#define ASK_SIZE(s, c, size, callback, ...)                                                        \
    ({                                                                                             \
        struct store *outer_ = (s);                                                                \
        enum err_code code_;                                                                       \
        (c).name = #callback;                                                                      \
        while ((code_ = before((s), &(c), e)) == ERR_OK && !(s)->driver->callback)                 \
            (s) = (s)->inner;                                                                      \
        if (code_ == ERR_OK)                                                                       \
            code_ = (s)->driver->callback((s), __VA_ARGS__);                                       \
        (c).bytes = code_ == ERR_OK ? (uint64_t)(size) : 0;                                        \
        after(outer_, (s), &(c), code_);                                                           \
        code_;                                                                                     \
    })

#define ASK(s, c, callback, ...) ASK_SIZE(s, c, (c).bytes, callback, __VA_ARGS__)

/* Has any from s inwards a callback that is optional? */
#define ANSWERS(s, callback)                                                                       \
    ({                                                                                             \
        const struct store *at_ = (s);                                                             \
        while (at_ && !at_->driver->callback)                                                      \
            at_ = at_->inner;                                                                      \
        at_ != NULL;                                                                               \
    })

void store_becomes(const struct repo_name *repo, const struct digest *d,
                   char ret_text[static STORE_BECOMES_MAX + 1])
{
    snprintf(ret_text, STORE_BECOMES_MAX + 1, "%s@%s", repo->text, d->text);
}

/* The first that noted it said the digest alone. */
void store_becomes_parse(struct str text, struct store_upload_info *ret_info)
{
    struct str repo;

    ret_info->digest.n = ret_info->repo.n = 0;
    if (memchr(text.p, '@', text.n) && str_cut(&text, '@', &repo) &&
        repo_name_parse(repo, &ret_info->repo, ERR_IGNORED) != ERR_OK)
        ret_info->repo.n = 0;
    if (digest_parse(text, &ret_info->digest, ERR_IGNORED) != ERR_OK)
        ret_info->digest.n = 0;
}

static bool same_repo(const struct repo_name *a, const struct repo_name *b)
{
    return str_eq(repo_name_str(a), repo_name_str(b));
}

enum err_code store_blob_stat(struct store *s, const struct repo_name *repo, const struct digest *d,
                              uint64_t *ret_size_bytes, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    return ASK_SIZE(s, c, *ret_size_bytes, blob_stat, repo, d, ret_size_bytes, e);
}

bool store_shared(const struct store *s)
{
    while (s->inner)
        s = s->inner;
    return s->driver->shared;
}

enum err_code store_blob_open(struct store *s, const struct repo_name *repo, const struct digest *d,
                              uint64_t known_bytes, struct reader **ret_reader,
                              uint64_t *ret_size_bytes, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    return ASK_SIZE(s, c, *ret_size_bytes, blob_open, repo, d, known_bytes, ret_reader,
                    ret_size_bytes, e);
}

enum err_code store_blob_quarantine(struct store *s, const struct repo_name *repo,
                                    const struct digest *d, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    if (!ANSWERS(s, blob_quarantine))
        return err_set(e, ERR_UNSUPPORTED, "this store is only read");
    return ASK(s, c, blob_quarantine, repo, d, e);
}

struct store *store_behind_cache(struct store *s)
{
    while (s->driver->cache)
        s = s->inner;
    return s;
}

enum err_code store_mend(struct store *s, enum store_odd odd, const char *path, struct err *e)
{
    struct store_call c = {.what = path};

    if (!ANSWERS(s, mend))
        return err_set(e, ERR_UNSUPPORTED, "nothing in this store can be odd");
    return ASK(s, c, mend, odd, path, e);
}

enum err_code store_blob_link(struct store *s, const struct repo_name *from,
                              const struct repo_name *to, const struct digest *d, struct err *e)
{
    struct store_call c = {.repo = to->text, .what = d->text};
    uint64_t size_bytes;

    assert(from->n > 0 && to->n > 0 && d->n > 0);
    if (same_repo(from, to))
        return store_blob_stat(s, from, d, &size_bytes, e);
    return ASK(s, c, blob_link, from, to, d, e);
}

bool store_takes_files(const struct store *s)
{
    return ANSWERS(s, blob_take);
}

enum err_code store_blob_take(struct store *s, const struct repo_name *repo, const struct digest *d,
                              int fd, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0 && fd >= 0);
    if (!store_takes_files(s))
        return err_set(e, ERR_UNSUPPORTED, "this store has no files");
    return ASK(s, c, blob_take, repo, d, fd, e);
}

/* The server of the driver at the end; NULL: none. */
static const char *server_of(const struct store *s)
{
    while (s->inner)
        s = s->inner;
    return s->server;
}

bool store_near(const struct store *a, const struct store *b)
{
    const char *one = server_of(a), *other = server_of(b);

    return one && other && strcmp(one, other) == 0 && ANSWERS(a, blob_fetch) &&
           ANSWERS(b, blob_place);
}

static enum err_code place_of(struct store *s, const struct repo_name *repo, const struct digest *d,
                              uint64_t known_bytes, struct store_place *ret_place, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    return ASK(s, c, blob_place, repo, d, known_bytes, ret_place, e);
}

enum err_code store_blob_copy(struct store *to, struct store *from, const struct repo_name *repo,
                              const struct digest *d, uint64_t known_bytes, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};
    struct store_place place;

    assert(repo->n > 0 && d->n > 0);
    if (!store_near(to, from))
        return err_set(e, ERR_UNSUPPORTED, "these stores are not on one server");
    TRY(place_of(from, repo, d, known_bytes, &place, e));
    return ASK_SIZE(to, c, place.size_bytes, blob_fetch, d, &place, e);
}

enum err_code store_blob_delete(struct store *s, const struct repo_name *repo,
                                const struct digest *d, bool elsewhere, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    return ASK(s, c, blob_delete, repo, d, elsewhere, e);
}

enum err_code store_blob_purge(struct store *s, const struct digest *d, bool (*still)(void *ctx),
                               void *ctx, struct err *e)
{
    static const struct repo_name any = {.n = 1, .text = "-"}; /* it says nothing: store_shared() */
    struct store_call c = {.what = d->text};
    enum err_code code;

    assert(store_shared(s) && d->n > 0);
    if (ANSWERS(s, blob_purge))
        return ASK(s, c, blob_purge, d, still, ctx, e);
    if (!still(ctx))
        return err_set(e, ERR_LATER, "%s may not be deleted any more", d->text);
    code = ASK(s, c, blob_delete, &any, d, false, e);
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

enum err_code store_blob_aside(struct store *s, const struct digest *d, struct err *e)
{
    struct store_call c = {.what = d->text};

    assert(store_shared(s) && d->n > 0);
    if (!ANSWERS(s, blob_aside))
        return err_set(e, ERR_UNSUPPORTED, "this store has no other place for %s", d->text);
    return ASK(s, c, blob_aside, d, e);
}

void store_set_deletions(struct store *s, store_deletion_fn fn, void *ctx)
{
    while (s && !s->driver->set_deletions)
        s = s->inner;
    if (s)
        s->driver->set_deletions(s, fn, ctx);
}

enum err_code store_blob_url(struct store *s, const struct digest *d, unsigned expires_s,
                             struct buf *ret_url, struct err *e)
{
    struct store_call c = {.what = d->text};

    assert(d->n > 0);
    if (!ANSWERS(s, blob_url))
        return err_set(e, ERR_UNSUPPORTED, "this store has no URLs");
    return ASK(s, c, blob_url, d, expires_s, ret_url, e);
}

enum err_code store_manifest_put(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct str bytes, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text, .bytes = bytes.n};

    assert(repo->n > 0 && d->n > 0);
    return ASK(s, c, manifest_put, repo, d, bytes, e);
}

enum err_code store_manifests_put(struct store *s, const struct store_manifest *items, size_t n,
                                  struct err *e)
{
    struct store_call c = {.bytes = 0};

    if (ANSWERS(s, manifests_put)) {
        for (size_t i = 0; i < n; i++)
            c.bytes += items[i].bytes.n;
        return n > 0 ? ASK(s, c, manifests_put, items, n, e) : ERR_OK;
    }
    for (size_t i = 0; i < n; i++)
        TRY(store_manifest_put(s, items[i].repo, items[i].digest, items[i].bytes, e));
    return ERR_OK;
}

enum err_code store_manifest_get(struct store *s, const struct repo_name *repo,
                                 const struct digest *d, struct buf *ret_bytes, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};
    size_t had = ret_bytes->n;

    assert(repo->n > 0 && d->n > 0);
    return ASK_SIZE(s, c, ret_bytes->n - had, manifest_get, repo, d, ret_bytes, e);
}

enum err_code store_manifest_delete(struct store *s, const struct repo_name *repo,
                                    const struct digest *d, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    return ASK(s, c, manifest_delete, repo, d, e);
}

enum err_code store_drop(struct store *s, enum store_kind kind, const struct repo_name *repo,
                         const struct digest *d, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0 && (kind == STORE_BLOB || kind == STORE_MANIFEST));
    if (ANSWERS(s, drop))
        return ASK(s, c, drop, kind, repo, d, e);
    return kind == STORE_BLOB ? store_blob_delete(s, repo, d, false, e)
                              : store_manifest_delete(s, repo, d, e);
}

enum err_code store_dropped(struct store *s, enum store_kind kind, const struct repo_name *repo,
                            struct err *e)
{
    struct store_call c = {.repo = repo->text};

    assert(repo->n > 0);
    return ANSWERS(s, dropped) ? ASK(s, c, dropped, kind, repo, e) : ERR_OK;
}

enum err_code store_tag_put(struct store *s, const struct repo_name *repo,
                            const struct tag_name *tag, const struct digest *d, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = tag->text};

    assert(repo->n > 0 && tag->n > 0 && d->n > 0);
    return ASK(s, c, tag_put, repo, tag, d, e);
}

enum err_code store_tag_get(struct store *s, const struct repo_name *repo,
                            const struct tag_name *tag, struct digest *ret_digest, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = tag->text};

    assert(repo->n > 0 && tag->n > 0);
    return ASK(s, c, tag_get, repo, tag, ret_digest, e);
}

enum err_code store_tag_delete(struct store *s, const struct repo_name *repo,
                               const struct tag_name *tag, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = tag->text};

    assert(repo->n > 0 && tag->n > 0);
    return ASK(s, c, tag_delete, repo, tag, e);
}

enum err_code store_tag_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    struct store_call c = {.repo = repo->text};

    assert(repo->n > 0);
    return ASK(s, c, tag_sync, repo, e);
}

enum err_code store_upload_create(struct store *s, const struct uuid *id, struct err *e)
{
    struct store_call c = {.what = id->text};

    assert(id->text[0]);
    return ASK(s, c, upload_create, id, e);
}

enum err_code store_upload_open(struct store *s, const struct uuid *id,
                                struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                struct err *e)
{
    struct store_call c = {.what = id->text};

    assert(id->text[0]);
    return ASK_SIZE(s, c, *ret_size_bytes, upload_open, id, ret_upload, ret_size_bytes, e);
}

enum err_code store_upload_note(struct store *s, struct store_upload *u,
                                struct store_note *ret_note, struct err *e)
{
    struct store_call c = {0};

    ret_note->n = 0;
    return ANSWERS(s, upload_note) ? ASK(s, c, upload_note, u, ret_note, e) : ERR_OK;
}

enum err_code store_upload_expect(struct store *s, struct store_upload *u,
                                  const struct repo_name *repo, const struct digest *d,
                                  uint64_t size_bytes, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text, .bytes = size_bytes};

    assert(repo->n > 0 && d->n > 0);
    return ANSWERS(s, upload_expect) ? ASK(s, c, upload_expect, u, repo, d, size_bytes, e) : ERR_OK;
}

enum err_code store_upload_write(struct store *s, struct store_upload *u, const void *p, size_t n,
                                 uint64_t offset_bytes, struct err *e)
{
    struct store_call c = {.bytes = n};

    if (n == 0)
        return ERR_OK;
    if (offset_bytes > (uint64_t)INT64_MAX - n)
        return err_set(e, ERR_INTERNAL, "write past the largest size a file can have");
    return ASK(s, c, upload_write, u, p, n, offset_bytes, e);
}

enum err_code store_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                                uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    struct store_call c = {0};

    if (cap == 0 || offset_bytes > (uint64_t)INT64_MAX - cap) {
        *ret_n = 0;
        return ERR_OK;
    }
    return ASK_SIZE(s, c, *ret_n, upload_read, u, p, cap, offset_bytes, ret_n, e);
}

enum err_code store_upload_keep_from(struct store *s, struct store_upload *u, uint64_t from_bytes,
                                     struct err *e)
{
    struct store_call c = {.bytes = from_bytes};

    if (!ANSWERS(s, upload_keep_from))
        return err_set(e, ERR_UNSUPPORTED, "an upload is written anew");
    return ASK(s, c, upload_keep_from, u, from_bytes, e);
}

enum err_code store_upload_sync(struct store *s, struct store_upload *u,
                                const struct store_note *note, uint64_t *ret_durable_bytes,
                                struct err *e)
{
    struct store_call c = {0};

    return ASK(s, c, upload_sync, u, note, ret_durable_bytes, e);
}

enum err_code store_upload_truncate(struct store *s, struct store_upload *u, uint64_t size_bytes,
                                    struct err *e)
{
    struct store_call c = {.bytes = size_bytes};

    return ASK(s, c, upload_truncate, u, size_bytes, e);
}

enum err_code store_upload_prepare(struct store *s, struct store_upload *u,
                                   const struct repo_name *repo, const struct digest *d,
                                   const struct repo_name *twin, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    if (twin && same_repo(twin, repo) && !store_shared(s))
        twin = NULL;
    return ASK(s, c, upload_prepare, u, repo, d, twin, e);
}

enum err_code store_upload_commit(struct store *s, struct store_upload *u,
                                  const struct repo_name *repo, const struct digest *d,
                                  const struct repo_name *twin, struct err *e)
{
    struct store_call c = {.repo = repo->text, .what = d->text};

    assert(repo->n > 0 && d->n > 0);
    if (twin && same_repo(twin, repo) && !store_shared(s))
        twin = NULL;
    return ASK(s, c, upload_commit, u, repo, d, twin, e);
}

void store_upload_close(struct store *s, struct store_upload *u)
{
    struct store_call c = {.name = "upload_close", .cannot_fail = true};
    struct store *outer = s;

    if (!u)
        return;
    for (; s; s = s->inner) {
        (void)!before(s, &c, ERR_IGNORED);
        if (s->driver->upload_close)
            break;
    }
    if (s)
        s->driver->upload_close(s, u);
    after(outer, s, &c, ERR_OK);
}

enum err_code store_upload_delete(struct store *s, const struct uuid *id, struct err *e)
{
    struct store_call c = {.what = id->text};

    assert(id->text[0]);
    return ASK(s, c, upload_delete, id, e);
}

void store_upload_forget(struct store *s, const struct uuid *id)
{
    while (s && !s->driver->upload_forget)
        s = s->inner;
    if (s)
        s->driver->upload_forget(s, id);
}

enum err_code store_upload_each(struct store *s, store_upload_fn fn, void *ctx, struct err *e)
{
    struct store_call c = {0};

    return ASK(s, c, upload_each, fn, ctx, e);
}

enum err_code store_direct_begin(struct store *s, const struct uuid *id, uint64_t size_bytes,
                                 struct store_direct *ret_direct, struct err *e)
{
    struct store_call c = {.what = id->text};

    if (!ANSWERS(s, direct_begin))
        return err_set(e, ERR_UNSUPPORTED, "this store has no server that clients can send to");
    return ASK(s, c, direct_begin, id, size_bytes, ret_direct, e);
}

unsigned store_direct_parts(const struct store_direct *d)
{
    uint64_t n = (d->size_bytes + d->part_bytes - 1) / d->part_bytes;

    return n > 0 ? (unsigned)n : 1;
}

enum err_code store_direct_url(struct store *s, const struct store_direct *d, unsigned number,
                               unsigned expires_s, struct buf *ret_url, struct err *e)
{
    struct store_call c = {.what = d->id.text};

    return ASK(s, c, direct_url, d, number, expires_s, ret_url, e);
}

enum err_code store_direct_end(struct store *s, const struct store_direct *d,
                               uint64_t *ret_come_bytes, struct err *e)
{
    struct store_call c = {.what = d->id.text};

    return ASK(s, c, direct_end, d, ret_come_bytes, e);
}

enum err_code store_direct_open(struct store *s, const struct store_direct *d,
                                struct reader **ret_reader, struct err *e)
{
    struct store_call c = {.what = d->id.text};

    return ASK(s, c, direct_open, d, ret_reader, e);
}

enum err_code store_mark_get(struct store *s, struct buf *ret_text, struct err *e)
{
    struct store_call c = {0};
    size_t n = ret_text->n;

    return ASK_SIZE(s, c, ret_text->n - n, mark_get, ret_text, e);
}

enum err_code store_mark_put(struct store *s, struct str text, bool first, struct err *e)
{
    struct store_call c = {.bytes = text.n};

    assert(text.n > 0 && text.n <= STORE_MARK_MAX);
    return ASK(s, c, mark_put, text, first, e);
}

enum err_code store_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx,
                         struct err *e)
{
    struct store_call c = {0};

    return ASK(s, c, each, kinds, fn, ctx, e);
}

enum err_code store_sync(struct store *s, struct err *e)
{
    struct store_call c = {.name = NULL};

    return ANSWERS(s, sync) ? ASK(s, c, sync, e) : ERR_OK;
}

enum err_code store_health(struct store *s, struct store_health *ret_health, struct err *e)
{
    struct store_call c = {0};

    return ASK(s, c, health, ret_health, e);
}

void store_hurry(struct store *s, uint64_t ms)
{
    for (; s; s = s->inner) {
        if (s->driver->hurry)
            s->driver->hurry(s, ms);
    }
}

void store_counts(struct store *s, store_count_fn fn, void *ctx)
{
    for (; s; s = s->inner) {
        if (s->driver->counts)
            s->driver->counts(s, fn, ctx);
    }
}

void store_free(struct store *s)
{
    while (s) {
        struct store *inner = s->inner;

        s->driver->free(s);
        s = inner;
    }
}

static bool is_original_part(struct str part)
{
    if (part.n == 0 || part.n > STORE_ORIGINAL_PART_MAX || part.p[0] == '.')
        return false;
    for (size_t i = 0; i < part.n; i++) {
        if (!str_is_alphanumeric(part.p[i]) && !memchr("._~%-", part.p[i], 5))
            return false;
    }
    return true;
}

bool store_original_name_parse(struct str text, struct store_original_name *ret_name)
{
    struct str rest = text, user, time;

    if (!str_cut(&rest, '/', &user) || !str_cut(&rest, '/', &time) || !is_original_part(user) ||
        !is_original_part(time) || !is_original_part(rest) ||
        !str_copy(text, ret_name->text, sizeof(ret_name->text)))
        return false;
    ret_name->n = text.n;
    return true;
}

enum err_code store_original_expect(struct store *s, struct store_upload *u,
                                    const struct store_original_name *name, struct err *e)
{
    struct store_call c = {.what = name->text};

    assert(name->n > 0);
    return ANSWERS(s, original_expect) ? ASK(s, c, original_expect, u, name, e) : ERR_OK;
}

static enum err_code no_originals(struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "this store keeps no originals");
}

enum err_code store_original_commit(struct store *s, struct store_upload *u,
                                    const struct store_original_name *name, struct err *e)
{
    struct store_call c = {.what = name->text};

    assert(name->n > 0);
    return ANSWERS(s, original_commit) ? ASK(s, c, original_commit, u, name, e) : no_originals(e);
}

enum err_code store_original_open(struct store *s, const struct store_original_name *name,
                                  uint64_t known_bytes, struct reader **ret_reader,
                                  uint64_t *ret_size_bytes, struct err *e)
{
    struct store_call c = {.what = name->text};

    assert(name->n > 0);
    if (!ANSWERS(s, original_open))
        return no_originals(e);
    return ASK_SIZE(s, c, *ret_size_bytes, original_open, name, known_bytes, ret_reader,
                    ret_size_bytes, e);
}

enum err_code store_original_delete(struct store *s, const struct store_original_name *name,
                                    struct err *e)
{
    struct store_call c = {.what = name->text};

    assert(name->n > 0);
    return ANSWERS(s, original_delete) ? ASK(s, c, original_delete, name, e) : no_originals(e);
}

enum err_code store_original_each(struct store *s, store_original_fn fn, void *ctx, struct err *e)
{
    struct store_call c = {0};

    return ANSWERS(s, original_each) ? ASK(s, c, original_each, fn, ctx, e) : ERR_OK;
}
