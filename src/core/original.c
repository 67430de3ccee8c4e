#include "core/original.h"

#include "archive/pack.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/upload_hold.h"

#include <stdio.h>
#include <stdlib.h>

#define OWNER_MAX  160
#define RECORD_MAX 16384
#define PAGE       64

/* Of a plain one: it is to cost little. */
static const struct packing_form quick = {PACKED_GZIP, 1};

static const char *const formats[] = {
    [PACKED_UNKNOWN] = "tar", [PACKED_NOT] = "tar", [PACKED_GZIP] = "gzip",
    [PACKED_ZSTD] = "zstd",   [PACKED_XZ] = "xz",   [PACKED_BZIP2] = "bzip2",
};

struct original {
    struct registry *r;
    char owner[OWNER_MAX];
    char head[PACK_HEAD_BYTES]; /* of the archive, until it tells how that is packed */
    size_t n_head;
    int64_t at_ms;
    enum packing came;
    struct pack *pack;     /* NULL: it is kept as it comes */
    struct upload *upload; /* NULL: none has begun, or it is over */
    struct hasher *hash, *hash_came;
    uint64_t came_bytes;
    struct original_kept kept;
    bool is_kept;
};

struct original *original_new(struct registry *r, const char *owner)
{
    struct original *o = NEW(struct original);

    o->r = r;
    snprintf(o->owner, sizeof(o->owner), "%s", owner);
    o->hash = hasher_new(DIGEST_SHA256);
    o->hash_came = hasher_new(DIGEST_SHA256);
    return o;
}

void original_close(struct original *o)
{
    if (!o)
        return;
    pack_free(o->pack);
    upload_close(o->upload);
    hasher_free(o->hash);
    hasher_free(o->hash_came);
    free(o);
}

const struct original_kept *original_kept(const struct original *o)
{
    return o->is_kept ? &o->kept : NULL;
}

static enum err_code write_bytes(void *ctx, const void *p, size_t n, struct err *e)
{
    struct original *o = ctx;

    TRY(registry_has_room(o->r, e));
    TRY(store_upload_write(o->r->store, o->upload->handle, p, n, o->kept.size_bytes, e));
    o->kept.size_bytes += n;
    hasher_update(o->hash, p, n);
    return ERR_OK;
}

static enum err_code take(struct original *o, const void *p, size_t n, struct err *e)
{
    return o->pack ? pack_feed(o->pack, p, n, e) : write_bytes(o, p, n, e);
}

static enum err_code begin(struct original *o, struct err *e)
{
    struct uuid id;

    uuid_make(&id);
    o->at_ms = clock_wall_ms();
    o->came = packing_of(o->head, o->n_head, false);
    original_name_make(o->owner, o->at_ms, &id, o->came, &o->kept.name);
    TRY(upload_open_alone(o->r, NULL, o->owner, DIGEST_SHA256, &o->upload, e));
    TRY(store_original_expect(o->r->store, o->upload->handle, &o->kept.name, e));
    if (o->came == PACKED_NOT)
        TRY(pack_new(&quick, UINT64_MAX, write_bytes, o, &o->pack, e));
    return take(o, o->head, o->n_head, e);
}

enum err_code original_feed(struct original *o, const void *p, size_t n, struct err *e)
{
    const char *bytes = p;

    o->came_bytes += n;
    hasher_update(o->hash_came, p, n);
    while (!o->upload && n > 0) {
        o->head[o->n_head++] = *bytes++;
        n--;
        if (o->n_head == sizeof(o->head))
            TRY(begin(o, e));
    }
    return n > 0 ? take(o, bytes, n, e) : ERR_OK;
}

static void add_repositories(const struct original_of *of, struct buf *b)
{
    if (of->n_repos == 1) {
        buf_addf(b, ",\"repository\":\"%s\"", of->repos[0]->text);
        return;
    }
    buf_add_text(b, ",\"repositories\":[");
    for (size_t i = 0; i < of->n_repos; i++)
        buf_addf(b, "%s\"%s\"", i > 0 ? "," : "", of->repos[i]->text);
    buf_add_char(b, ']');
}

static void add_record(const struct original *o, const struct original_of *of, struct buf *b)
{
    char time[CLOCK_RFC3339_SIZE];
    struct digest came;

    hasher_digest(o->hash_came, &came);
    clock_rfc3339(o->at_ms, time);
    buf_add_text(b, "{\"user\":");
    buf_add_json(b, str_of(o->owner[0] ? o->owner : "anonymous"));
    buf_addf(b, ",\"time\":\"%s\"", time);
    add_repositories(of, b);
    buf_add_text(b, ",\"images\":[");
    for (size_t i = 0; i < of->n_images; i++)
        buf_addf(b, "%s\"%s\"", i > 0 ? "," : "", of->images[i]->text);
    buf_addf(b,
             "],\"path\":\"" STORE_ORIGINALS "%s\",\"size\":%llu,\"digest\":\"%s\",\"format\":"
             "\"%s\",\"received\":{\"size\":%llu,\"digest\":\"%s\"}}",
             o->kept.name.text, (unsigned long long)o->kept.size_bytes, o->kept.digest.text,
             formats[o->came], (unsigned long long)o->came_bytes, came.text);
}

static enum err_code make_record(struct original *o, const struct original_of *of, char **ret_text,
                                 struct err *e)
{
    AUTO(buf) struct buf text = {0}, owner = {0};

    buf_init(&text, RECORD_MAX);
    buf_init(&owner, OWNER_MAX);
    if (!original_name_read(&o->kept.name, &owner, o->kept.key))
        return err_set(e, ERR_INTERNAL, "'%s' is no name of an original", o->kept.name.text);
    add_record(o, of, &text);
    *ret_text = str_dup(buf_str(&text));
    return ERR_OK;
}

static enum err_code put_bytes(struct original *o, struct err *e)
{
    if (!o->upload)
        TRY(begin(o, e));
    if (o->pack)
        TRY(pack_end(o->pack, e));
    hasher_digest(o->hash, &o->kept.digest);
    TRY(registry_has_room(o->r, e));
    o->is_kept = true; /* perhaps also when it fails */
    TRY(store_original_commit(o->r->store, o->upload->handle, &o->kept.name, e));
    o->upload->handle = NULL;
    upload_close(STEAL(o->upload));
    return ERR_OK;
}

enum err_code original_hold(struct original *o, const struct original_of *of,
                            struct original_held *ret_held, struct err *e)
{
    enum err_code code = put_bytes(o, e);

    if (code == ERR_OK)
        code = make_record(o, of, &ret_held->record, e);
    if (code != ERR_OK)
        original_take_back(o);
    ret_held->kept = o->kept;
    return code;
}

enum err_code original_publish(struct registry *r, const struct original_held *h, struct err *e)
{
    const struct meta_op op =
        meta_op_record_put(STR(ORIGINALS), str_of(h->kept.key), str_of(h->record), META_ANY);

    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

enum err_code original_keep(struct original *o, const struct original_of *of, struct err *e)
{
    AUTO(original_held) struct original_held held = {.record = NULL};
    enum err_code code;

    TRY(original_hold(o, of, &held, e));
    code = original_publish(o->r, &held, e);
    if (code != ERR_OK)
        original_take_back(o);
    return code;
}

enum err_code original_unpublish(struct registry *r, const struct original_held *h, struct err *e)
{
    const struct meta_op op = meta_op_record_delete(STR(ORIGINALS), str_of(h->kept.key), META_ANY);

    return h->kept.key[0] ? meta_commit(r->meta, &op, 1, 0, NULL, e) : ERR_OK;
}

enum err_code original_drop(struct registry *r, const struct original_held *h, struct err *e)
{
    TRY(store_original_delete(r->store, &h->kept.name, e));
    return original_unpublish(r, h, e);
}

void original_held_done(struct original_held *h)
{
    free(h->record);
    h->record = NULL;
}

void original_take_back(struct original *o)
{
    const struct original_held held = {.kept = o->kept};

    if (!o->is_kept)
        return;
    upload_close(STEAL(o->upload));
    (void)!original_drop(o->r, &held, ERR_IGNORED);
    o->is_kept = false;
}

/* ---- those that are kept */

bool original_record_name(const struct meta_record *record, struct store_original_name *ret_name)
{
    AUTO(json) json_t *j = json_loads(record->value, 0, NULL);
    const char *path = json_string_value(json_object_get(j, "path"));
    struct str text = str_of(path ? path : "");

    if (!str_starts(text, STR(STORE_ORIGINALS)))
        return false;
    return store_original_name_parse(
        str_sub(text, sizeof(STORE_ORIGINALS) - 1, text.n - (sizeof(STORE_ORIGINALS) - 1)),
        ret_name);
}

enum err_code original_delete(struct registry *r, const struct meta_record *record, struct err *e)
{
    struct meta_op op = meta_op_record_delete(STR(ORIGINALS), str_of(record->key), META_ANY);
    struct store_original_name name;

    if (original_record_name(record, &name))
        TRY(store_original_delete(r->store, &name, e));
    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

/* Keys are sorted by time. */
enum err_code originals_expire(struct registry *r, int64_t now_ms, original_go_on_fn go_on,
                               void *ctx, struct err *e)
{
    uint64_t keep_ms = conf_u64(&r->options->archives.original_keep_ms);
    char until[ORIGINAL_TIME_SIZE];
    bool more = keep_ms > 0 && (int64_t)keep_ms < now_ms;

    if (more)
        original_time(now_ms - (int64_t)keep_ms, until);
    while (more) {
        AUTO(records) struct meta_record_list page = {0};

        TRY(meta_records(r->meta, STR(ORIGINALS), STR_NONE, PAGE, &page, e));
        more = page.more;
        for (size_t i = 0; i < page.n; i++) {
            if (strcmp(page.rows[i].key, until) >= 0)
                return ERR_OK;
            if (!go_on(ctx))
                return err_set(e, ERR_LATER, "stopped");
            TRY(original_delete(r, &page.rows[i], e));
        }
    }
    return ERR_OK;
}

struct adoption {
    struct registry *r;
    int64_t before_ms;
    original_go_on_fn go_on;
    void *ctx;
};

static void add_adopted(const struct store_original *o, struct str owner, const char *key,
                        struct buf *b)
{
    buf_add_text(b, "{\"user\":");
    buf_add_json(b, owner);
    buf_addf(b, ",\"time\":\"%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.000Z\"", key, key + 4, key + 6, key + 9,
             key + 11, key + 13);
    buf_addf(b, ",\"path\":\"" STORE_ORIGINALS "%s\",\"size\":%llu}", o->name.text,
             (unsigned long long)o->size_bytes);
}

static enum err_code adopt(void *ctx, const struct store_original *o, struct err *e)
{
    const struct adoption *a = ctx;
    AUTO(record) struct meta_record there = {0};
    AUTO(buf) struct buf owner = {0}, text = {0};
    char key[ORIGINAL_KEY_SIZE];
    struct meta_op op;
    enum err_code code;

    buf_init(&owner, OWNER_MAX);
    if (!a->go_on(a->ctx))
        return err_set(e, ERR_LATER, "stopped");
    if (o->modified_ms >= a->before_ms || !original_name_read(&o->name, &owner, key))
        return ERR_OK;
    code = meta_record_get(a->r->meta, STR(ORIGINALS), str_of(key), &there, e);
    if (code != ERR_NOT_FOUND)
        return code;
    buf_init(&text, RECORD_MAX);
    add_adopted(o, buf_str(&owner), key, &text);
    op = meta_op_record_put(STR(ORIGINALS), str_of(key), buf_str(&text), META_ANY);
    return meta_commit(a->r->meta, &op, 1, 0, NULL, e);
}

enum err_code originals_adopt(struct registry *r, int64_t before_ms, original_go_on_fn go_on,
                              void *ctx, struct err *e)
{
    struct adoption a = {r, before_ms, go_on, ctx};

    return store_original_each(r->store, adopt, &a, e);
}
