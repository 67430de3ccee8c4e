/* All that is in the bucket. */
#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

#define ABANDONED_MS (24ll * 3600 * 1000) /* a multipart upload that nothing tells of */

/* ---- uploads */

struct found {
    struct s3 *s;
    struct store_upload_info *items;
    size_t n, n_objects;          /* the first ones: of which there are objects */
    struct s3_upload_key *moving; /* what is being moved to its key is no upload any more */
    size_t n_moving;
    int64_t now_ms;
};

/* Is the key an upload's, or its tail's? */
static bool upload_id(struct s3 *s, const struct s3_name *name, struct uuid *ret_id)
{
    struct s3_upload_key key;

    return s3_upload_key_parse(s3_name_below(s, name, STR(S3_UPLOADS)), &key, ret_id);
}

static void add(struct found *f, const struct uuid *id, uint64_t size_bytes, int64_t modified_ms)
{
    f->items = mem_resize(f->items, (f->n + 1) * sizeof(f->items[0]));
    f->items[f->n++] = (struct store_upload_info){
        .id = *id, .has_bytes = true, .size_bytes = size_bytes, .modified_ms = modified_ms};
}

static int by_id(const void *a, const void *b)
{
    const struct store_upload_info *x = a, *y = b;

    return strcmp(x->id.text, y->id.text);
}

/* The same upload may be found as parts, object and tails. */
static void join(struct found *f)
{
    size_t n = 0;

    if (f->n > 0)
        qsort(f->items, f->n, sizeof(f->items[0]), by_id);
    for (size_t i = 0; i < f->n; i++) {
        struct store_upload_info *last = n > 0 ? &f->items[n - 1] : NULL, *next = &f->items[i];

        if (!last || by_id(last, next) != 0) {
            f->items[n++] = *next;
            continue;
        }
        last->size_bytes += next->size_bytes;
        if (next->modified_ms > last->modified_ms)
            last->modified_ms = next->modified_ms;
    }
    f->n = n;
}

static enum err_code found_object(void *ctx, const struct s3_listed *object, struct err *e)
{
    struct found *f = ctx;
    struct uuid id;

    (void)e;
    if (upload_id(f->s, &object->name, &id) && !s3_keeper_deletes(f->s->keeper, &object->name))
        add(f, &id, object->size_bytes, object->modified_ms);
    return ERR_OK;
}

/* Parts at a key of their own, with no tail that tells of it, which s3_multipart_abort_all() does
 * not find on each server. */
static bool is_lost(const struct found *f, const struct s3_name *name, const struct uuid *id,
                    int64_t begun_ms)
{
    const struct store_upload_info key = {.id = *id};
    bool has_tail = f->n_objects > 0 &&
                    bsearch(&key, f->items, f->n_objects, sizeof(f->items[0]), by_id) != NULL;

    return !has_tail && f->now_ms - begun_ms > ABANDONED_MS &&
           name->text[name->n - UUID_TEXT - 1] != '/';
}

static enum err_code found_parts(void *ctx, const struct s3_name *name, const char *upload,
                                 int64_t begun_ms, struct err *e)
{
    struct found *f = ctx;
    struct digest d;
    struct uuid id;

    if (upload_id(f->s, name, &id)) {
        if (is_lost(f, name, &id, begun_ms))
            return s3_multipart_abort(f->s->client, name, upload, e);
        add(f, &id, 0, begun_ms);
    }
    if ((s3_name_digest(s3_name_below(f->s, name, STR(S3_BLOBS)), &d) ||
         s3_is_original(f->s->client, name)) &&
        f->now_ms - begun_ms > ABANDONED_MS)
        return s3_multipart_abort(f->s->client, name, upload, e);
    return ERR_OK;
}

static enum err_code found_move(void *ctx, const struct s3_listed *object, struct err *e)
{
    struct found *f = ctx;
    struct s3_upload_key from;
    struct digest d;

    (void)e;
    if (s3_move_name_parse(f->s, &object->name, &d, &from)) {
        f->moving = mem_resize(f->moving, (f->n_moving + 1) * sizeof(f->moving[0]));
        f->moving[f->n_moving++] = from;
    }
    return ERR_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct s3_upload_key *x = a, *y = b;

    return strncmp(x->text, y->text, UUID_TEXT);
}

static void sort_moving(struct found *f)
{
    if (f->n_moving > 0)
        qsort(f->moving, f->n_moving, sizeof(f->moving[0]), by_begin);
}

/* They are sorted. */
static bool is_moving(const struct found *f, const struct uuid *id)
{
    struct s3_upload_key key;

    s3_parts_key(id, true, &key);
    return f->n_moving > 0 &&
           bsearch(&key, f->moving, f->n_moving, sizeof(f->moving[0]), by_begin) != NULL;
}

static void leave_out_moving(struct found *f)
{
    size_t kept = 0;

    sort_moving(f);
    for (size_t i = 0; i < f->n; i++) {
        if (!is_moving(f, &f->items[i].id))
            f->items[kept++] = f->items[i];
    }
    f->n = kept;
}

/* Moves are looked at before and after: some end meanwhile, some begin. */
static enum err_code find_uploads(struct found *f, struct err *e)
{
    TRY(s3_list(f->s->client, S3_MOVES, found_move, f, e));
    TRY(s3_list(f->s->client, S3_UPLOADS, found_object, f, e));
    join(f);
    f->n_objects = f->n;
    TRY(s3_multipart_each(f->s->client, found_parts, f, e));
    if (f->n > 0)
        TRY(s3_list(f->s->client, S3_MOVES, found_move, f, e));
    join(f);
    leave_out_moving(f);
    return ERR_OK;
}

enum err_code s3_upload_each(struct store *store, store_upload_fn fn, void *ctx, struct err *e)
{
    struct found f = {.s = s3_of(store), .now_ms = clock_wall_ms()};
    enum err_code code = find_uploads(&f, e);

    for (size_t i = 0; i < f.n && code == ERR_OK; i++)
        code = fn(ctx, &f.items[i], e);
    free(f.items);
    free(f.moving);
    return code;
}

enum err_code s3_upload_moves(struct s3 *s, const struct uuid *id, bool *ret_moves, struct err *e)
{
    struct found f = {.s = s};
    enum err_code code = s3_list(s->client, S3_MOVES, found_move, &f, e);

    sort_moving(&f);
    *ret_moves = code == ERR_OK && is_moving(&f, id);
    free(f.moving);
    return code;
}

/* ---- content */

struct each {
    struct s3 *s;
    store_item_fn fn;
    void *ctx;
    struct s3_together *tags;
};

static enum err_code each_blob(void *ctx, const struct s3_listed *object, struct err *e)
{
    const struct each *at = ctx;
    struct store_item item = {
        .kind = STORE_BLOB, .size_bytes = object->size_bytes, .modified_ms = object->modified_ms};

    if (!s3_name_digest(s3_name_below(at->s, &object->name, STR(S3_BLOBS)), &item.digest))
        return ERR_OK;
    return at->fn(at->ctx, &item, e);
}

/* Its size is that of the object that it points to. */
static enum err_code each_move(void *ctx, const struct s3_listed *object, struct err *e)
{
    const struct each *at = ctx;
    struct store_item item = {.kind = STORE_BLOB, .modified_ms = object->modified_ms};
    struct s3_upload_key from;
    struct s3_name name;
    enum err_code code;

    if (!s3_move_name_parse(at->s, &object->name, &item.digest, &from))
        return ERR_OK;
    code = s3_blob_find(at->s, &item.digest, &name, &item.size_bytes, e);
    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK;
    TRY(code);
    return at->fn(at->ctx, &item, e);
}

/* The last '/' in s divides it. */
static bool split_last(struct str s, struct str *ret_head, struct str *ret_tail)
{
    size_t i = s.n;

    while (i > 0 && s.p[i - 1] != '/')
        i--;
    if (i == 0)
        return false;
    *ret_head = (struct str){s.p, i - 1};
    *ret_tail = (struct str){s.p + i, s.n - i};
    return true;
}

static enum err_code each_manifest(void *ctx, const struct s3_listed *object, struct err *e)
{
    const struct each *at = ctx;
    struct store_item item = {.kind = STORE_MANIFEST,
                              .size_bytes = object->size_bytes,
                              .modified_ms = object->modified_ms};
    struct str below = s3_name_below(at->s, &object->name, STR(S3_MANIFESTS)), repo, digest;

    if (!below.p || !split_last(below, &repo, &digest) ||
        repo_name_parse(repo, &item.repo, ERR_IGNORED) != ERR_OK ||
        digest_parse(digest, &item.digest, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    return at->fn(at->ctx, &item, e);
}

/* What the tag points to; nothing: that can't be read. */
static enum err_code ask_tag(void *ctx, struct store_item *item, struct err *e)
{
    enum err_code code = store_tag_get(ctx, &item->repo, &item->tag, &item->digest, e);

    if (code != ERR_MANIFEST_UNKNOWN && code != ERR_DIGEST_MALFORMED)
        return code;
    item->digest.n = 0;
    return ERR_OK;
}

static enum err_code each_tag(void *ctx, const struct s3_listed *object, struct err *e)
{
    const struct each *at = ctx;
    struct store_item item = {.kind = STORE_TAG, .modified_ms = object->modified_ms};
    struct str below = s3_name_below(at->s, &object->name, STR(S3_TAGS)), dir, tag, repo, mark;

    if (!below.p || !split_last(below, &dir, &tag) || !split_last(dir, &repo, &mark) ||
        !str_eq(mark, STR("_tags")) || repo_name_parse(repo, &item.repo, ERR_IGNORED) != ERR_OK ||
        tag_name_parse(tag, &item.tag, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    return s3_together_add(at->tags, &item, e);
}

static enum err_code each_of_tags(struct each *at, struct err *e)
{
    AUTO(s3_together)
    struct s3_together *tags = s3_together_new(ask_tag, &at->s->store, at->fn, at->ctx);

    at->tags = tags;
    TRY(s3_list(at->s->client, S3_TAGS, each_tag, at, e));
    return s3_together_end(tags, e);
}

enum err_code s3_each(struct store *store, unsigned kinds, store_item_fn fn, void *ctx,
                      struct err *e)
{
    struct each at = {.s = s3_of(store), .fn = fn, .ctx = ctx};

    if (kinds & STORE_BLOB) {
        TRY(s3_list(at.s->client, S3_BLOBS, each_blob, &at, e));
        TRY(s3_list(at.s->client, S3_MOVES, each_move, &at, e));
    }
    if (kinds & STORE_MANIFEST)
        TRY(s3_list(at.s->client, S3_MANIFESTS, each_manifest, &at, e));
    if (kinds & STORE_TAG)
        TRY(each_of_tags(&at, e));
    return ERR_OK;
}
