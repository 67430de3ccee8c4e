/*
 * A store in memory, for tests and for trying the registry out: gone with the process.
 *
 * It has a second manner, that of a store on another machine: a blob is kept once for all
 * repositories, an upload can't be read back nor cut below what is durable, keeps a note instead,
 * and leaves nothing before it has bytes.
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define BUCKETS 4096

/* Bytes with several owners: the blob's names, readers, an upload and its handles. */
struct bytes {
    size_t refs, n, cap;
    char *p;
    int64_t modified_ms;
    size_t durable;         /* of an upload in the second manner */
    struct store_note note; /* of those bytes */
};

enum kind { BLOB, MANIFEST, TAG, UPLOAD, NOTE, MARK, ORIGINAL };

struct entry {
    struct entry *next;
    enum kind kind;
    struct str repo; /* "" for uploads */
    struct str name; /* digest, tag or uuid; a tag's bytes are its digest, and those of a note */
    struct bytes *bytes;
    char text[]; /* what repo and name point to */
};

struct mem {
    struct store store;
    pthread_mutex_t lock; /* everything below, and every struct bytes */
    struct entry *buckets[BUCKETS];
};

struct mem_upload {
    struct uuid id;
    struct bytes *bytes;
};

struct mem_reader {
    struct reader reader;
    struct mem *mem;
    struct bytes *bytes;
    uint64_t offset;
};

static struct mem *mem_of(struct store *s)
{
    return (struct mem *)s;
}

static struct mem_upload *upload_of(struct store_upload *u)
{
    return (struct mem_upload *)u;
}

static void lock(struct mem *m)
{
    pthread_mutex_lock(&m->lock);
}

/* Whose a blob is. */
static struct str owner_of(const struct mem *m, const struct repo_name *repo)
{
    return m->store.driver->shared ? STR_NONE : repo_name_str(repo);
}

static void unlock(struct mem *m)
{
    pthread_mutex_unlock(&m->lock);
}

static struct bytes *bytes_ref(struct bytes *b)
{
    b->refs++;
    return b;
}

static void bytes_unref(struct bytes *b)
{
    if (--b->refs > 0)
        return;
    free(b->p);
    free(b);
}

static struct bytes *bytes_new(struct str s)
{
    struct bytes *b = NEW(struct bytes);

    b->refs = 1;
    b->n = b->cap = s.n;
    b->p = mem_alloc(s.n);
    if (s.n)
        memcpy(b->p, s.p, s.n);
    b->modified_ms = clock_wall_ms();
    return b;
}

/* The link that points to the entry, or to NULL at the end of its bucket. Lock held. */
static struct entry **find(struct mem *m, enum kind kind, struct str repo, struct str name)
{
    size_t hash = (size_t)kind;
    struct entry **at;

    for (size_t i = 0; i < repo.n; i++)
        hash = hash * 31 + (unsigned char)repo.p[i];
    for (size_t i = 0; i < name.n; i++)
        hash = hash * 31 + (unsigned char)name.p[i];
    at = &m->buckets[hash % BUCKETS];
    while (*at && !((*at)->kind == kind && str_eq((*at)->repo, repo) && str_eq((*at)->name, name)))
        at = &(*at)->next;
    return at;
}

/* Takes over the reference to b. Lock held. */
static void put(struct mem *m, enum kind kind, struct str repo, struct str name, struct bytes *b)
{
    struct entry **at = find(m, kind, repo, name);
    struct entry *entry = *at;

    if (entry) {
        bytes_unref(entry->bytes);
        entry->bytes = b;
        return;
    }
    entry = mem_zero(sizeof(*entry) + repo.n + name.n);
    if (repo.n)
        memcpy(entry->text, repo.p, repo.n);
    memcpy(entry->text + repo.n, name.p, name.n);
    entry->kind = kind;
    entry->repo = (struct str){entry->text, repo.n};
    entry->name = (struct str){entry->text + repo.n, name.n};
    entry->bytes = b;
    *at = entry;
}

/* A new reference, or NULL. Lock held. */
static struct bytes *get(struct mem *m, enum kind kind, struct str repo, struct str name)
{
    struct entry *entry = *find(m, kind, repo, name);

    return entry ? bytes_ref(entry->bytes) : NULL;
}

/* False when there is none. */
static bool drop(struct mem *m, enum kind kind, struct str repo, struct str name)
{
    struct entry **at, *entry;

    lock(m);
    at = find(m, kind, repo, name);
    entry = *at;
    if (entry) {
        *at = entry->next;
        bytes_unref(entry->bytes);
        free(entry);
    }
    unlock(m);
    return entry != NULL;
}

static enum err_code unknown(struct err *e, enum err_code code, const struct repo_name *repo,
                             const char *name)
{
    return err_set(e, code, "no %s in %s", name, repo->text);
}

static enum err_code reader_mem_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                     struct err *e)
{
    struct mem_reader *mr = (struct mem_reader *)r;
    struct bytes *b = mr->bytes; /* a blob's bytes never change */
    uint64_t left = mr->offset < b->n ? b->n - mr->offset : 0;
    size_t n = left < cap ? (size_t)left : cap;

    (void)e;
    if (n)
        memcpy(buf, b->p + mr->offset, n);
    mr->offset += n;
    *ret_n = n;
    return ERR_OK;
}

static enum err_code reader_mem_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    (void)e;
    ((struct mem_reader *)r)->offset = offset_bytes;
    return ERR_OK;
}

static void reader_mem_free(struct reader *r)
{
    struct mem_reader *mr = (struct mem_reader *)r;

    lock(mr->mem);
    bytes_unref(mr->bytes);
    unlock(mr->mem);
    free(mr);
}

static const struct reader_ops reader_mem = {
    .read = reader_mem_read,
    .seek = reader_mem_seek,
    .free = reader_mem_free,
};

static enum err_code mem_blob_stat(struct store *s, const struct repo_name *repo,
                                   const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    struct mem *m = mem_of(s);
    struct entry *entry;

    lock(m);
    entry = *find(m, BLOB, owner_of(m, repo), digest_str(d));
    if (entry)
        *ret_size_bytes = entry->bytes->n;
    unlock(m);
    return entry ? ERR_OK : unknown(e, ERR_BLOB_UNKNOWN, repo, d->text);
}

/* False: there is none. */
static bool open_bytes(struct mem *m, enum kind kind, struct str repo, struct str name,
                       struct reader **ret_reader, uint64_t *ret_size_bytes)
{
    struct mem_reader *r;
    struct bytes *b;

    lock(m);
    b = get(m, kind, repo, name);
    unlock(m);
    if (!b)
        return false;
    r = NEW(struct mem_reader);
    r->reader.ops = &reader_mem;
    r->mem = m;
    r->bytes = b;
    *ret_size_bytes = b->n;
    *ret_reader = &r->reader;
    return true;
}

static enum err_code mem_blob_open(struct store *s, const struct repo_name *repo,
                                   const struct digest *d, uint64_t known_bytes,
                                   struct reader **ret_reader, uint64_t *ret_size_bytes,
                                   struct err *e)
{
    struct mem *m = mem_of(s);

    (void)known_bytes;
    if (!open_bytes(m, BLOB, owner_of(m, repo), digest_str(d), ret_reader, ret_size_bytes))
        return unknown(e, ERR_BLOB_UNKNOWN, repo, d->text);
    return ERR_OK;
}

static enum err_code mem_blob_link(struct store *s, const struct repo_name *from,
                                   const struct repo_name *to, const struct digest *d,
                                   struct err *e)
{
    struct mem *m = mem_of(s);
    struct bytes *b;

    lock(m);
    b = get(m, BLOB, owner_of(m, from), digest_str(d));
    if (b)
        put(m, BLOB, owner_of(m, to), digest_str(d), b);
    unlock(m);
    return b ? ERR_OK : unknown(e, ERR_BLOB_UNKNOWN, from, d->text);
}

static enum err_code mem_blob_delete(struct store *s, const struct repo_name *repo,
                                     const struct digest *d, bool elsewhere, struct err *e)
{
    struct mem *m = mem_of(s);

    if (s->driver->shared && elsewhere)
        return ERR_OK;
    if (drop(m, BLOB, owner_of(m, repo), digest_str(d)))
        return ERR_OK;
    return unknown(e, ERR_BLOB_UNKNOWN, repo, d->text);
}

static enum err_code mem_blob_quarantine(struct store *s, const struct repo_name *repo,
                                         const struct digest *d, struct err *e)
{
    return mem_blob_delete(s, repo, d, false, e); /* nobody could look at it */
}

static enum err_code mem_manifest_put(struct store *s, const struct repo_name *repo,
                                      const struct digest *d, struct str bytes, struct err *e)
{
    struct mem *m = mem_of(s);

    (void)e;
    lock(m);
    put(m, MANIFEST, repo_name_str(repo), digest_str(d), bytes_new(bytes));
    unlock(m);
    return ERR_OK;
}

static enum err_code mem_manifest_get(struct store *s, const struct repo_name *repo,
                                      const struct digest *d, struct buf *ret_bytes, struct err *e)
{
    struct mem *m = mem_of(s);
    enum err_code code = ERR_OK;
    struct entry *entry;

    lock(m);
    entry = *find(m, MANIFEST, repo_name_str(repo), digest_str(d));
    if (!entry)
        code = unknown(e, ERR_MANIFEST_UNKNOWN, repo, d->text);
    else
        buf_add(ret_bytes, entry->bytes->p, entry->bytes->n);
    if (ret_bytes->full)
        code = err_set(e, ERR_CORRUPT, "%s is larger than any manifest may be", d->text);
    unlock(m);
    return code;
}

static enum err_code mem_manifest_delete(struct store *s, const struct repo_name *repo,
                                         const struct digest *d, struct err *e)
{
    if (drop(mem_of(s), MANIFEST, repo_name_str(repo), digest_str(d)))
        return ERR_OK;
    return unknown(e, ERR_MANIFEST_UNKNOWN, repo, d->text);
}

static enum err_code mem_tag_put(struct store *s, const struct repo_name *repo,
                                 const struct tag_name *tag, const struct digest *d, struct err *e)
{
    struct mem *m = mem_of(s);

    (void)e;
    lock(m);
    put(m, TAG, repo_name_str(repo), tag_name_str(tag), bytes_new(digest_str(d)));
    unlock(m);
    return ERR_OK;
}

static enum err_code mem_tag_get(struct store *s, const struct repo_name *repo,
                                 const struct tag_name *tag, struct digest *ret_digest,
                                 struct err *e)
{
    struct mem *m = mem_of(s);
    enum err_code code;
    struct entry *entry;

    lock(m);
    entry = *find(m, TAG, repo_name_str(repo), tag_name_str(tag));
    if (entry)
        code = digest_parse((struct str){entry->bytes->p, entry->bytes->n}, ret_digest, e);
    else
        code = unknown(e, ERR_MANIFEST_UNKNOWN, repo, tag->text);
    unlock(m);
    return code;
}

static enum err_code mem_tag_delete(struct store *s, const struct repo_name *repo,
                                    const struct tag_name *tag, struct err *e)
{
    (void)e;
    drop(mem_of(s), TAG, repo_name_str(repo), tag_name_str(tag));
    return ERR_OK;
}

static enum err_code mem_tag_sync(struct store *s, const struct repo_name *repo, struct err *e)
{
    (void)s, (void)repo, (void)e;
    return ERR_OK;
}

static enum err_code mem_upload_create(struct store *s, const struct uuid *id, struct err *e)
{
    struct mem *m = mem_of(s);
    bool taken;

    lock(m);
    taken = *find(m, UPLOAD, STR_NONE, str_of(id->text)) != NULL;
    if (!taken)
        put(m, UPLOAD, STR_NONE, str_of(id->text), bytes_new(STR_NONE));
    unlock(m);
    return taken ? err_set(e, ERR_INTERNAL, "upload %s exists", id->text) : ERR_OK;
}

static enum err_code mem_upload_open(struct store *s, const struct uuid *id,
                                     struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                     struct err *e)
{
    struct mem *m = mem_of(s);
    struct mem_upload *u;
    struct bytes *b;

    lock(m);
    b = get(m, UPLOAD, STR_NONE, str_of(id->text));
    if (b)
        *ret_size_bytes = b->n;
    unlock(m);
    if (!b)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "no upload %s", id->text);
    u = NEW(struct mem_upload);
    u->id = *id;
    u->bytes = b;
    *ret_upload = (struct store_upload *)u;
    return ERR_OK;
}

/* Lock held. */
static enum err_code write_bytes(struct bytes *b, const void *p, size_t n, size_t offset,
                                 struct err *e)
{
    if (offset + n > b->cap) {
        size_t cap = b->cap * 2 > offset + n ? b->cap * 2 : offset + n;
        char *more = realloc(b->p, cap); /* as large as a client likes: may fail */

        if (!more)
            return err_set(e, ERR_STORAGE_FULL, "no memory for %zu bytes", cap);
        b->p = more;
        b->cap = cap;
    }
    if (offset > b->n)
        memset(b->p + b->n, 0, offset - b->n);
    memcpy(b->p + offset, p, n);
    if (offset + n > b->n)
        b->n = offset + n;
    b->modified_ms = clock_wall_ms();
    return ERR_OK;
}

static enum err_code mem_upload_write(struct store *s, struct store_upload *u, const void *p,
                                      size_t n, uint64_t offset_bytes, struct err *e)
{
    struct mem *m = mem_of(s);
    enum err_code code;

    lock(m);
    code = write_bytes(upload_of(u)->bytes, p, n, (size_t)offset_bytes, e);
    unlock(m);
    return code;
}

static enum err_code mem_upload_read(struct store *s, struct store_upload *u, void *p, size_t cap,
                                     uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    struct mem *m = mem_of(s);
    struct bytes *b = upload_of(u)->bytes;
    size_t n = 0;

    (void)e;
    lock(m);
    if (offset_bytes < b->n) {
        n = b->n - offset_bytes < cap ? (size_t)(b->n - offset_bytes) : cap;
        memcpy(p, b->p + offset_bytes, n);
    }
    unlock(m);
    *ret_n = n;
    return ERR_OK;
}

/* Bytes that can be read back need no note. */
static enum err_code mem_upload_sync(struct store *s, struct store_upload *u,
                                     const struct store_note *note, uint64_t *ret_durable_bytes,
                                     struct err *e)
{
    struct mem *m = mem_of(s);

    (void)note, (void)e;
    lock(m);
    *ret_durable_bytes = upload_of(u)->bytes->n;
    unlock(m);
    return ERR_OK;
}

static enum err_code remote_upload_read(struct store *s, struct store_upload *u, void *p,
                                        size_t cap, uint64_t offset_bytes, size_t *ret_n,
                                        struct err *e)
{
    (void)s, (void)p, (void)cap, (void)offset_bytes, (void)ret_n;
    return err_set(e, ERR_UNSUPPORTED, "upload %s can't be read back", upload_of(u)->id.text);
}

static enum err_code remote_upload_open(struct store *s, const struct uuid *id,
                                        struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                                        struct err *e)
{
    struct mem *m = mem_of(s);

    lock(m);
    if (!*find(m, UPLOAD, STR_NONE, str_of(id->text)))
        put(m, UPLOAD, STR_NONE, str_of(id->text), bytes_new(STR_NONE));
    unlock(m);
    return mem_upload_open(s, id, ret_upload, ret_size_bytes, e);
}

static enum err_code remote_upload_sync(struct store *s, struct store_upload *u,
                                        const struct store_note *note, uint64_t *ret_durable_bytes,
                                        struct err *e)
{
    struct mem *m = mem_of(s);
    struct bytes *b = upload_of(u)->bytes;

    (void)e;
    lock(m);
    b->durable = b->n;
    b->note = *note;
    *ret_durable_bytes = b->n;
    unlock(m);
    return ERR_OK;
}

static enum err_code remote_upload_note(struct store *s, struct store_upload *u,
                                        struct store_note *ret_note, struct err *e)
{
    struct mem *m = mem_of(s);

    (void)e;
    lock(m);
    if (upload_of(u)->bytes->durable == upload_of(u)->bytes->n)
        *ret_note = upload_of(u)->bytes->note;
    unlock(m);
    return ERR_OK;
}

static enum err_code mem_upload_truncate(struct store *s, struct store_upload *u,
                                         uint64_t size_bytes, struct err *e)
{
    struct mem *m = mem_of(s);
    struct bytes *b = upload_of(u)->bytes;

    (void)e;
    lock(m);
    if (size_bytes < b->n)
        b->n = (size_t)size_bytes;
    unlock(m);
    return ERR_OK;
}

static enum err_code remote_upload_truncate(struct store *s, struct store_upload *u,
                                            uint64_t size_bytes, struct err *e)
{
    struct mem *m = mem_of(s);
    bool durable;

    lock(m);
    durable = size_bytes < upload_of(u)->bytes->durable;
    unlock(m);
    if (durable)
        return err_set(e, ERR_UNSUPPORTED, "upload %s can't be cut below what is durable",
                       upload_of(u)->id.text);
    return mem_upload_truncate(s, u, size_bytes, e);
}

static void mem_upload_close(struct store *s, struct store_upload *u)
{
    struct mem *m = mem_of(s);

    lock(m);
    bytes_unref(upload_of(u)->bytes);
    unlock(m);
    free(u);
}

/* There is nothing that takes long. */
static enum err_code mem_upload_prepare(struct store *s, struct store_upload *u,
                                        const struct repo_name *repo, const struct digest *d,
                                        const struct repo_name *twin, struct err *e)
{
    (void)s, (void)u, (void)repo, (void)d, (void)twin, (void)e;
    return ERR_OK;
}

/* Its bytes are where they belong, unless it is gone: then it is still the caller's. */
static enum err_code end_upload(struct store *s, struct store_upload *u, bool gone, struct err *e)
{
    struct str id = str_of(upload_of(u)->id.text);

    if (gone)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s was removed", id.p);
    drop(mem_of(s), UPLOAD, STR_NONE, id);
    mem_upload_close(s, u);
    return ERR_OK;
}

static enum err_code mem_upload_commit(struct store *s, struct store_upload *u,
                                       const struct repo_name *repo, const struct digest *d,
                                       const struct repo_name *twin, struct err *e)
{
    struct mem *m = mem_of(s);
    struct str id = str_of(upload_of(u)->id.text);
    struct bytes *mine = upload_of(u)->bytes, *b = NULL;
    char note[STORE_BECOMES_MAX + 1];
    bool gone;

    store_becomes(repo, d, note);
    lock(m);
    gone = *find(m, UPLOAD, STR_NONE, id) == NULL;
    if (!gone && !*find(m, BLOB, owner_of(m, repo), digest_str(d))) {
        if (twin)
            b = get(m, BLOB, owner_of(m, twin), digest_str(d));
        put(m, BLOB, owner_of(m, repo), digest_str(d), b ? b : bytes_ref(mine));
    }
    if (!gone)
        put(m, NOTE, STR_NONE, id, bytes_new(str_of(note)));
    unlock(m);
    return end_upload(s, u, gone, e);
}

static enum err_code mem_upload_delete(struct store *s, const struct uuid *id, struct err *e)
{
    (void)e;
    drop(mem_of(s), UPLOAD, STR_NONE, str_of(id->text));
    drop(mem_of(s), NOTE, STR_NONE, str_of(id->text));
    return ERR_OK;
}

/* What all uploads are now; the caller frees. */
static struct store_upload_info *list_uploads(struct mem *m, size_t *ret_n)
{
    struct store_upload_info *list = NULL;
    size_t n = 0;

    lock(m);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *at = m->buckets[i]; at; at = at->next) {
            if (at->kind != UPLOAD && at->kind != NOTE)
                continue;
            list = mem_resize(list, (n + 1) * sizeof(*list));
            list[n] = (struct store_upload_info){.modified_ms = at->bytes->modified_ms,
                                                 .has_bytes = at->kind == UPLOAD};
            if (at->kind == UPLOAD)
                list[n].size_bytes = at->bytes->n;
            else
                store_becomes_parse((struct str){at->bytes->p, at->bytes->n}, &list[n]);
            str_copy(at->name, list[n].id.text, sizeof(list[n].id.text));
            n++;
        }
    }
    unlock(m);
    *ret_n = n;
    return list;
}

static enum err_code mem_upload_each(struct store *s, store_upload_fn fn, void *ctx, struct err *e)
{
    enum err_code code = ERR_OK;
    size_t n;
    struct store_upload_info *list = list_uploads(mem_of(s), &n);

    for (size_t i = 0; i < n && code == ERR_OK; i++)
        code = fn(ctx, &list[i], e);
    free(list);
    return code;
}

struct items {
    struct store_item *p;
    size_t n;
};

static void add_item(struct items *items, const struct entry *at)
{
    static const enum store_kind kinds[] = {
        [BLOB] = STORE_BLOB, [MANIFEST] = STORE_MANIFEST, [TAG] = STORE_TAG};
    struct store_item item = {.kind = kinds[at->kind],
                              .modified_ms = at->bytes->modified_ms,
                              .size_bytes = at->kind == TAG ? 0 : at->bytes->n};
    struct str digest = at->kind == TAG ? (struct str){at->bytes->p, at->bytes->n} : at->name;

    if ((at->repo.n > 0 && repo_name_parse(at->repo, &item.repo, ERR_IGNORED) != ERR_OK) ||
        digest_parse(digest, &item.digest, ERR_IGNORED) != ERR_OK ||
        (at->kind == TAG && tag_name_parse(at->name, &item.tag, ERR_IGNORED) != ERR_OK))
        abort(); /* they were put here as what they are */
    items->p = mem_resize(items->p, (items->n + 1) * sizeof(*items->p));
    items->p[items->n++] = item;
}

static enum err_code mem_each(struct store *s, unsigned kinds, store_item_fn fn, void *ctx,
                              struct err *e)
{
    struct mem *m = mem_of(s);
    struct items items = {0};
    enum err_code code = ERR_OK;

    lock(m);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *at = m->buckets[i]; at; at = at->next) {
            if ((at->kind == BLOB && (kinds & STORE_BLOB)) ||
                (at->kind == MANIFEST && (kinds & STORE_MANIFEST)) ||
                (at->kind == TAG && (kinds & STORE_TAG)))
                add_item(&items, at);
        }
    }
    unlock(m);
    for (size_t i = 0; i < items.n && code == ERR_OK; i++)
        code = fn(ctx, &items.p[i], e);
    free(items.p);
    return code;
}

static enum err_code mem_original_commit(struct store *s, struct store_upload *u,
                                         const struct store_original_name *name, struct err *e)
{
    struct mem *m = mem_of(s);
    struct str id = str_of(upload_of(u)->id.text);
    bool gone;

    lock(m);
    gone = *find(m, UPLOAD, STR_NONE, id) == NULL;
    if (!gone)
        put(m, ORIGINAL, STR_NONE, str_of(name->text), bytes_ref(upload_of(u)->bytes));
    unlock(m);
    return end_upload(s, u, gone, e);
}

static enum err_code mem_original_open(struct store *s, const struct store_original_name *name,
                                       uint64_t known_bytes, struct reader **ret_reader,
                                       uint64_t *ret_size_bytes, struct err *e)
{
    (void)known_bytes;
    if (!open_bytes(mem_of(s), ORIGINAL, STR_NONE, str_of(name->text), ret_reader, ret_size_bytes))
        return err_set(e, ERR_NOT_FOUND, "no %s", name->text);
    return ERR_OK;
}

static enum err_code mem_original_delete(struct store *s, const struct store_original_name *name,
                                         struct err *e)
{
    (void)e;
    drop(mem_of(s), ORIGINAL, STR_NONE, str_of(name->text));
    return ERR_OK;
}

static struct store_original *list_originals(struct mem *m, size_t *ret_n)
{
    struct store_original *list = NULL;
    size_t n = 0;

    lock(m);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *at = m->buckets[i]; at; at = at->next) {
            if (at->kind != ORIGINAL)
                continue;
            list = mem_resize(list, (n + 1) * sizeof(*list));
            list[n] = (struct store_original){.size_bytes = at->bytes->n,
                                              .modified_ms = at->bytes->modified_ms};
            n += store_original_name_parse(at->name, &list[n].name);
        }
    }
    unlock(m);
    *ret_n = n;
    return list;
}

static enum err_code mem_original_each(struct store *s, store_original_fn fn, void *ctx,
                                       struct err *e)
{
    enum err_code code = ERR_OK;
    size_t n;
    struct store_original *list = list_originals(mem_of(s), &n);

    for (size_t i = 0; i < n && code == ERR_OK; i++)
        code = fn(ctx, &list[i], e);
    free(list);
    return code;
}

static enum err_code mem_mark_get(struct store *s, struct buf *ret_text, struct err *e)
{
    struct mem *m = mem_of(s);
    struct entry *entry;

    lock(m);
    entry = *find(m, MARK, STR_NONE, STR("mark"));
    if (entry)
        buf_add(ret_text, entry->bytes->p, entry->bytes->n);
    unlock(m);
    return entry ? ERR_OK : err_set(e, ERR_NOT_FOUND, "no mark");
}

static enum err_code mem_mark_put(struct store *s, struct str text, bool first, struct err *e)
{
    struct mem *m = mem_of(s);
    bool taken;

    lock(m);
    taken = first && *find(m, MARK, STR_NONE, STR("mark"));
    if (!taken)
        put(m, MARK, STR_NONE, STR("mark"), bytes_new(text));
    unlock(m);
    return taken ? err_set(e, ERR_PRECONDITION, "there is a mark") : ERR_OK;
}

static enum err_code mem_health(struct store *s, struct store_health *ret_health, struct err *e)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    (void)s, (void)e;
    ret_health->free_bytes = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * page;
    ret_health->total_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * page;
    return ERR_OK;
}

static void mem_free(struct store *s)
{
    struct mem *m = mem_of(s);

    for (size_t i = 0; i < BUCKETS; i++) {
        while (m->buckets[i]) {
            struct entry *entry = m->buckets[i];

            m->buckets[i] = entry->next;
            bytes_unref(entry->bytes);
            free(entry);
        }
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* What both manners have. */
#define BOTH                                                                                       \
    .blob_stat = mem_blob_stat, .blob_open = mem_blob_open, .blob_link = mem_blob_link,            \
    .blob_delete = mem_blob_delete, .blob_quarantine = mem_blob_quarantine,                        \
    .manifest_put = mem_manifest_put, .manifest_get = mem_manifest_get,                            \
    .manifest_delete = mem_manifest_delete, .tag_put = mem_tag_put, .tag_get = mem_tag_get,        \
    .tag_delete = mem_tag_delete, .tag_sync = mem_tag_sync, .upload_create = mem_upload_create,    \
    .upload_write = mem_upload_write, .upload_prepare = mem_upload_prepare,                        \
    .upload_commit = mem_upload_commit, .upload_close = mem_upload_close,                          \
    .upload_delete = mem_upload_delete, .upload_each = mem_upload_each,                            \
    .original_commit = mem_original_commit, .original_open = mem_original_open,                    \
    .original_delete = mem_original_delete, .original_each = mem_original_each,                    \
    .mark_get = mem_mark_get, .mark_put = mem_mark_put, .each = mem_each, .health = mem_health,    \
    .free = mem_free

static const struct store_driver store_mem = {
    .name = "mem",
    BOTH,
    .upload_open = mem_upload_open,
    .upload_read = mem_upload_read,
    .upload_sync = mem_upload_sync,
    .upload_truncate = mem_upload_truncate,
};

static const struct store_driver store_mem_remote = {
    .name = "mem, as on another machine",
    .shared = true,
    BOTH,
    .upload_open = remote_upload_open,
    .upload_note = remote_upload_note,
    .upload_read = remote_upload_read,
    .upload_sync = remote_upload_sync,
    .upload_truncate = remote_upload_truncate,
};

static struct store *new_store(const struct store_driver *driver)
{
    struct mem *m = NEW(struct mem);

    m->store.driver = driver;
    pthread_mutex_init(&m->lock, NULL);
    return &m->store;
}

struct store *store_mem_new(void)
{
    return new_store(&store_mem);
}

struct store *store_mem_remote_new(void)
{
    return new_store(&store_mem_remote);
}
