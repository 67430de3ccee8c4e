#include "files/index.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "core/remove.h"
#include "core/upload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define GOOD_MS    1000 /* a list of segments */
#define COPY_BYTES (1u << 20)
#define PAGE       256
#define TRIES      3

struct shared_set {
    struct files_set set;
    atomic_uint refs;
    int64_t read_ms;
};

struct files_index {
    struct registry *r;
    const char *dir;
    pthread_mutex_t mutex; /* guards the next */
    struct shared_set *now;
};

struct files_index *files_index_new(struct registry *r, const char *dir)
{
    struct files_index *x = NEW(struct files_index);

    x->r = r;
    x->dir = dir;
    pthread_mutex_init(&x->mutex, NULL);
    return x;
}

void files_index_free(struct files_index *x)
{
    if (!x)
        return;
    files_set_unref(x->now ? &x->now->set : NULL);
    pthread_mutex_destroy(&x->mutex);
    free(x);
}

struct registry *files_index_registry(const struct files_index *x)
{
    return x->r;
}

const char *files_index_dir(const struct files_index *x)
{
    return x->dir;
}

void files_set_unref(struct files_set *s)
{
    struct shared_set *shared = (struct shared_set *)s;

    if (!s || atomic_fetch_sub(&shared->refs, 1) > 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        files_opened_unref(s->list[i]);
    free(s->list);
    free(shared);
}

/* ---- reading the list */

static struct files_opened *find_open(const struct files_set *old, struct str digest)
{
    for (size_t i = 0; old && i < old->n; i++) {
        if (str_eq(digest_str(&old->list[i]->digest), digest))
            return files_opened_ref(old->list[i]);
    }
    return NULL;
}

static enum err_code open_segment(struct files_index *x, const struct files_set *old,
                                  const struct meta_record *row, struct files_set *set,
                                  struct err *e)
{
    struct files_opened *opened = find_open(old, str_of(row->key));

    if (!opened) {
        AUTO(json) json_t *value = json_loads(row->value, 0, NULL);
        json_int_t n_files = json_integer_value(json_object_get(value, "files"));
        struct digest d;

        TRY(digest_parse(str_of(row->key), &d, e));
        TRY(files_open(x->r->store, x->dir, &d, (uint64_t)n_files, &opened, e));
    }
    set->list[set->n++] = opened;
    set->n_files += opened->n_files;
    return ERR_OK;
}

static enum err_code read_segments(struct files_index *x, const struct files_set *old,
                                   struct files_set *set, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};

    TRY(meta_records(x->r->meta, FILES_SEGMENTS, STR(""), FILES_SEGMENTS_MOST, &l, e));
    set->list = mem_zero((l.n + 1) * sizeof(struct files_opened *));
    for (size_t i = 0; i < l.n; i++)
        TRY(open_segment(x, old, &l.rows[i], set, e));
    return ERR_OK;
}

static enum err_code count(struct meta *m, struct str collection, size_t *ret_n, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};

    TRY(meta_records(m, collection, STR(""), FILES_WAITING_MOST, &l, e));
    *ret_n = l.n;
    return ERR_OK;
}

static enum err_code read_state(struct meta *m, struct files_set *set, struct err *e)
{
    AUTO(record) struct meta_record state = {0};
    enum err_code code = meta_record_get(m, FILES_STATE, FILES_SCAN, &state, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    set->scanned = code == ERR_OK && str_starts(str_of(state.value), STR(FILES_SCANNED));
    TRY(count(m, INDEX_WISHES, &set->waiting, e));
    return count(m, FILES_UNREAD, &set->unread, e);
}

/* A segment may be merged into another one between the list and the look at it. */
static enum err_code read_set(struct files_index *x, const struct files_set *old,
                              struct files_set *set, struct err *e)
{
    enum err_code code = ERR_BLOB_UNKNOWN;

    TRY(read_state(x->r->meta, set, e)); /* first: what it says is indexed is in the segments */
    for (unsigned i = 0; i < TRIES && code == ERR_BLOB_UNKNOWN; i++) {
        for (size_t j = 0; j < set->n; j++)
            files_opened_unref(set->list[j]);
        free(set->list);
        set->list = NULL;
        set->n = 0;
        set->n_files = 0;
        code = read_segments(x, old, set, e);
    }
    if (code == ERR_BLOB_UNKNOWN)
        return err_set(e, ERR_CORRUPT, "a segment of the index of files is not in the store");
    return code;
}

static struct shared_set *current(struct files_index *x)
{
    struct shared_set *now;

    pthread_mutex_lock(&x->mutex);
    now = x->now;
    if (now)
        atomic_fetch_add(&now->refs, 1);
    pthread_mutex_unlock(&x->mutex);
    return now;
}

/* For those who come, and for the caller. */
static void become(struct files_index *x, struct shared_set *set)
{
    struct shared_set *before;

    atomic_fetch_add(&set->refs, 1);
    pthread_mutex_lock(&x->mutex);
    before = x->now;
    x->now = set;
    pthread_mutex_unlock(&x->mutex);
    files_set_unref(before ? &before->set : NULL);
}

enum err_code files_index_set(struct files_index *x, bool fresh, struct files_set **ret_set,
                              struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    struct shared_set *old = current(x), *set;
    enum err_code code;

    if (old && !fresh && now_ms - old->read_ms < GOOD_MS) {
        *ret_set = &old->set;
        return ERR_OK;
    }
    set = NEW(struct shared_set);
    atomic_init(&set->refs, 1);
    set->read_ms = now_ms;
    code = read_set(x, old ? &old->set : NULL, &set->set, e);
    files_set_unref(old ? &old->set : NULL);
    if (code != ERR_OK) {
        files_set_unref(&set->set);
        return code;
    }
    become(x, set);
    *ret_set = &set->set;
    return ERR_OK;
}

/* ---- changing it */

static enum err_code store_segment(struct files_index *x, const struct files_new *new,
                                   struct digest *ret_digest, struct err *e)
{
    AUTO(upload) struct upload *u = NULL;
    AUTO(mem) char *bytes = mem_alloc(COPY_BYTES);

    TRY(upload_open_alone(x->r, files_repo(), "", DIGEST_SHA256, &u, e));
    for (uint64_t at = 0; at < new->size.n_bytes;) {
        uint64_t left = new->size.n_bytes - at;
        ssize_t n =
            file_pread_all(new->fd, bytes, left < COPY_BYTES ? (size_t)left : COPY_BYTES, at);

        if (n <= 0)
            return err_errno(e, "read a new segment of the index of files");
        TRY(upload_write(u, bytes, (size_t)n, e));
        at += (uint64_t)n;
    }
    upload_written(u, ret_digest);
    return upload_finish(STEAL(u), ret_digest, NULL, e);
}

static char *describe(const struct files_new *new)
{
    AUTO(json)
    json_t *value = json_pack("{s:I, s:I, s:I}", "files", (json_int_t) new->size.n_files, "layers",
                              (json_int_t) new->n_layers, "bytes", (json_int_t) new->size.n_bytes);

    return value ? json_dumps(value, JSON_COMPACT) : mem_strdup("{}");
}

struct change {
    struct meta_op *ops;
    size_t n;
    struct digest *digests; /* of new segments */
    char **values;
    size_t n_new;
};

static void auto_change_(struct change *c)
{
    for (size_t i = 0; i < c->n_new; i++)
        free(c->values[i]);
    free(c->values);
    free(c->digests);
    free(c->ops);
}

static bool is_new(const struct change *c, const struct digest *d)
{
    for (size_t i = 0; i < c->n_new; i++) {
        if (digest_eq(&c->digests[i], d))
            return true;
    }
    return false;
}

enum err_code files_index_change(struct files_index *x, const struct meta_op *check,
                                 const struct files_new *new, size_t n_new,
                                 struct files_opened *const *old, size_t n_old, struct err *e)
{
    AUTO(change)
    struct change c = {.ops = mem_alloc((n_new + n_old + 1) * sizeof(*c.ops)),
                       .digests = mem_alloc((n_new + 1) * sizeof(*c.digests)),
                       .values = mem_alloc((n_new + 1) * sizeof(char *))};

    for (size_t i = 0; i < n_new; i++) {
        TRY(store_segment(x, &new[i], &c.digests[i], e));
        c.values[c.n_new++] = describe(&new[i]);
        c.ops[c.n++] = meta_op_record_put(FILES_SEGMENTS, digest_str(&c.digests[i]),
                                          str_of(c.values[i]), META_ANY);
    }
    for (size_t i = 0; i < n_old; i++) {
        if (!is_new(&c, &old[i]->digest))
            c.ops[c.n++] =
                meta_op_record_delete(FILES_SEGMENTS, digest_str(&old[i]->digest), META_ANY);
    }
    if (check)
        c.ops[c.n++] = *check;
    TRY(meta_commit(x->r->meta, c.ops, c.n, 0, NULL, e));
    for (size_t i = 0; i < n_old; i++) {
        if (!is_new(&c, &old[i]->digest))
            (void)!remove_link(x->r, files_repo(), &old[i]->digest, ERR_IGNORED);
    }
    return ERR_OK;
}

static enum err_code tidy_one(struct files_index *x, const struct digest *d, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(x->r->meta, FILES_SEGMENTS, digest_str(d), &record, e);

    if (code != ERR_NOT_FOUND)
        return code;
    code = remove_link(x->r, files_repo(), d, e);
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

enum err_code files_index_tidy(struct files_index *x, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    while (after) {
        AUTO(meta_repo_blobs) struct meta_repo_blob_list l = {0};

        TRY(meta_repo_blobs(x->r->meta, files_repo(), str_of(after), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++)
            TRY(tidy_one(x, &l.rows[i].digest, e));
        free(after);
        after = STEAL(l.next);
    }
    return ERR_OK;
}
