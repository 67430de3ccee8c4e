#include "core/held_image.h"

#include "base/json.h"
#include "base/mem.h"
#include "core/archive_manifest.h"
#include "core/bulk.h"
#include "core/mount.h"
#include "core/own_repo.h"
#include "core/pull.h"
#include "core/upload.h"

#include <stdio.h>
#include <stdlib.h>

#define PLAN_BYTES_MAX (64u << 20)

/* Which of them there are: written before anything comes, deleted when all has gone. */
#define HELD STR("archive-held")

static const char OWNER[] = "";

static void repo_of(const char *key, struct repo_name *ret)
{
    ret->n = (size_t)snprintf(ret->text, sizeof(ret->text), HELD_REPO "%s", key);
}

/* ---- the plan, as JSON */

static json_t *numbers(const bool *set, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        if (set[i])
            json_array_append_new(list, json_integer((json_int_t)i));
    }
    return list;
}

static json_t *blobs_json(const struct archive_verdict *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->n_blobs; i++)
        json_array_append_new(
            list, json_pack("[sI]", v->blobs[i].digest.text, (json_int_t)v->blobs[i].size_bytes));
    return list;
}

static json_t *manifests_json(const struct archive_verdict *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->n_manifests; i++) {
        const struct archive_manifest *m = &v->manifests[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:I, s:s, s:s, s:s}", "digest",
                                              m->digest.text, "mediaType", m->media_type, "index",
                                              m->is_index, "missing", (json_int_t)m->n_missing,
                                              "config", m->config.n > 0 ? m->config.text : "", "os",
                                              m->os, "architecture", m->architecture));
    }
    return list;
}

static json_t *item_json(const struct archive_verdict *v, const struct image_plan_item *item)
{
    json_t *tags = json_array();

    for (size_t i = 0; i < item->n_tags; i++)
        json_array_append_new(tags, json_string(item->tags[i].text));
    return json_pack("{s:I, s:o, s:I}", "manifest", (json_int_t)item->manifest, "tags", tags,
                     "partial",
                     item->partial ? (json_int_t)(item->partial - v->manifests) : (json_int_t)-1);
}

static json_t *place_json(const struct archive_verdict *v, const struct image_place *p)
{
    json_t *items = json_array();

    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(items, item_json(v, &p->items[i]));
    return json_pack("{s:s, s:o, s:o, s:o}", "repository", p->repo.text, "images", items,
                     "manifests", numbers(p->manifests, v->n_manifests), "blobs",
                     numbers(p->blobs, v->n_blobs));
}

static json_t *original_json(const struct original_held *o)
{
    if (!o)
        return json_null();
    return json_pack("{s:s, s:s, s:I, s:s, s:s}", "key", o->kept.key, "name", o->kept.name.text,
                     "size", (json_int_t)o->kept.size_bytes, "digest", o->kept.digest.text,
                     "record", o->record);
}

static json_t *plan_json(const struct archive_verdict *v, const struct image_plan *plan,
                         const struct original_held *original)
{
    json_t *places = json_array();

    for (size_t i = 0; i < plan->n; i++)
        json_array_append_new(places, place_json(v, &plan->places[i]));
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "oci", v->is_oci, "blobs", blobs_json(v),
                     "manifests", manifests_json(v), "places", places, "original",
                     original_json(original));
}

/* ---- putting it there */

static enum err_code put_plan(struct registry *r, const struct repo_name *repo, const json_t *json,
                              struct digest *ret_plan, struct err *e)
{
    AUTO(upload) struct upload *u = NULL;
    AUTO(mem) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;

    if (n == 0 || n > PLAN_BYTES_MAX)
        return err_set(e, ERR_INTERNAL, "what is to become of %s can't be written", repo->text);
    TRY(upload_open_alone(r, NULL, OWNER, DIGEST_SHA256, &u, e));
    TRY(upload_write(u, text, n, e));
    upload_written(u, ret_plan);
    upload_set_repo(u, repo);
    return upload_finish(STEAL(u), ret_plan, NULL, e);
}

/* What any repository is to have. */
static void unite(const struct archive_verdict *v, const struct image_plan *plan,
                  struct image_place *ret)
{
    for (size_t i = 0; i < plan->n; i++) {
        for (size_t k = 0; k < v->n_manifests; k++)
            ret->manifests[k] |= plan->places[i].manifests[k];
        for (size_t k = 0; k < v->n_blobs; k++)
            ret->blobs[k] |= plan->places[i].blobs[k];
    }
}

enum err_code held_image_put(struct registry *r, const char *key, const struct archive_verdict *v,
                             const struct image_plan *plan, const struct original_held *original,
                             const struct image_source *source, struct digest *ret_plan,
                             struct err *e)
{
    AUTO(mem) bool *manifests = mem_zero(v->n_manifests + 1), *blobs = mem_zero(v->n_blobs + 1);
    AUTO(json) json_t *json = plan_json(v, plan, original);
    struct image_place place = {.manifests = manifests, .blobs = blobs};
    const struct image_plan all = {.places = &place, .n = 1};
    struct publishing p = {
        .r = r, .verdict = v, .plan = &all, .actor = "", .rights = NULL, .source = source};
    const struct meta_op op = meta_op_record_put(HELD, str_of(key), STR("{}"), META_ANY);

    repo_of(key, &place.repo);
    unite(v, plan, &place);
    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    TRY(image_publish(&p, e));
    return put_plan(r, &place.repo, json, ret_plan, e);
}

/* ---- and finding it again */

static struct str text_of(const json_t *j, const char *key)
{
    return out_json_text(j, key);
}

static size_t size_of(const json_t *j, const char *key)
{
    return (size_t)json_integer_value(json_object_get(j, key));
}

static bool take_blobs(const json_t *list, struct archive_verdict *v)
{
    v->n_blobs = json_array_size(list);
    v->blobs = mem_zero((v->n_blobs + 1) * sizeof(*v->blobs));
    for (size_t i = 0; i < v->n_blobs; i++) {
        const json_t *row = json_array_get(list, i);
        const char *digest = json_string_value(json_array_get(row, 0));

        if (!digest || digest_parse(str_of(digest), &v->blobs[i].digest, ERR_IGNORED) != ERR_OK)
            return false;
        v->blobs[i].size_bytes = (uint64_t)json_integer_value(json_array_get(row, 1));
    }
    return true;
}

static bool take_manifest(const json_t *j, struct archive_manifest *m)
{
    struct str config = text_of(j, "config");

    m->media_type = json_string_value(json_object_get(j, "mediaType"));
    m->is_index = json_is_true(json_object_get(j, "index"));
    m->n_missing = size_of(j, "missing");
    return m->media_type && digest_parse(text_of(j, "digest"), &m->digest, ERR_IGNORED) == ERR_OK &&
           (config.n == 0 || digest_parse(config, &m->config, ERR_IGNORED) == ERR_OK) &&
           str_copy(text_of(j, "os"), m->os, sizeof(m->os)) &&
           str_copy(text_of(j, "architecture"), m->architecture, sizeof(m->architecture));
}

static bool take_manifests(const json_t *list, struct archive_verdict *v)
{
    v->n_manifests = json_array_size(list);
    v->manifests = mem_zero((v->n_manifests + 1) * sizeof(*v->manifests));
    for (size_t i = 0; i < v->n_manifests; i++) {
        if (!take_manifest(json_array_get(list, i), &v->manifests[i]))
            return false;
    }
    return true;
}

static bool take_numbers(const json_t *list, bool *set, size_t n)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t at = json_integer_value(json_array_get(list, i));

        if (at < 0 || (size_t)at >= n)
            return false;
        set[at] = true;
    }
    return true;
}

static bool take_item(const json_t *j, const struct archive_verdict *v,
                      struct image_plan_item *item)
{
    const json_t *tags = json_object_get(j, "tags");
    json_int_t partial = json_integer_value(json_object_get(j, "partial"));

    item->manifest = size_of(j, "manifest");
    item->n_tags = json_array_size(tags);
    item->tags = mem_zero((item->n_tags + 1) * sizeof(*item->tags));
    for (size_t i = 0; i < item->n_tags; i++) {
        const char *tag = json_string_value(json_array_get(tags, i));

        if (!tag || tag_name_parse(str_of(tag), &item->tags[i], ERR_IGNORED) != ERR_OK)
            return false;
    }
    if (partial >= 0 && (size_t)partial < v->n_manifests)
        item->partial = &v->manifests[partial];
    return item->manifest < v->n_manifests;
}

static bool take_place(const json_t *j, const struct archive_verdict *v, struct image_place *p)
{
    const json_t *items = json_object_get(j, "images");

    p->manifests = mem_zero(v->n_manifests + 1);
    p->blobs = mem_zero(v->n_blobs + 1);
    p->items = mem_zero((json_array_size(items) + 1) * sizeof(*p->items));
    for (size_t i = 0; i < json_array_size(items); i++) {
        p->n = i + 1;
        if (!take_item(json_array_get(items, i), v, &p->items[i]))
            return false;
    }
    return repo_name_parse(text_of(j, "repository"), &p->repo, ERR_IGNORED) == ERR_OK &&
           take_numbers(json_object_get(j, "manifests"), p->manifests, v->n_manifests) &&
           take_numbers(json_object_get(j, "blobs"), p->blobs, v->n_blobs);
}

static bool take_places(const json_t *list, struct held_image *h)
{
    h->plan.places = mem_zero((json_array_size(list) + 1) * sizeof(*h->plan.places));
    for (size_t i = 0; i < json_array_size(list); i++) {
        h->plan.n = i + 1;
        if (!take_place(json_array_get(list, i), &h->verdict, &h->plan.places[i]))
            return false;
    }
    return h->plan.n > 0;
}

static bool take_original(const json_t *j, struct original_held *o)
{
    const char *record = json_string_value(json_object_get(j, "record"));

    if (!record)
        return json_is_null(j);
    o->record = mem_strdup(record);
    o->kept.size_bytes = size_of(j, "size");
    return str_copy(text_of(j, "key"), o->kept.key, sizeof(o->kept.key)) &&
           store_original_name_parse(text_of(j, "name"), &o->kept.name) &&
           digest_parse(text_of(j, "digest"), &o->kept.digest, ERR_IGNORED) == ERR_OK;
}

static bool take_all(struct held_image *h)
{
    h->verdict.is_oci = json_is_true(json_object_get(h->json, "oci"));
    return take_blobs(json_object_get(h->json, "blobs"), &h->verdict) &&
           take_manifests(json_object_get(h->json, "manifests"), &h->verdict) &&
           take_places(json_object_get(h->json, "places"), h) &&
           take_original(json_object_get(h->json, "original"), &h->original);
}

static enum err_code read_plan(struct held_image *h, const struct digest *plan, struct err *e)
{
    AUTO(reader) struct reader *in = NULL;
    AUTO(mem) char *text = NULL;
    uint64_t size_bytes;
    size_t at = 0, n = 1;

    TRY(pull_blob(h->r, &h->repo, plan, &in, &size_bytes, e));
    if (size_bytes > PLAN_BYTES_MAX)
        return err_set(e, ERR_CORRUPT, "%s has %llu bytes", plan->text,
                       (unsigned long long)size_bytes);
    text = mem_alloc(size_bytes + 1);
    while (n > 0 && at < size_bytes) {
        TRY(reader_read_waiting(in, text + at, size_bytes - at, &n, e));
        at += n;
    }
    h->json = json_loadb(text, at, 0, NULL);
    if (!h->json || !take_all(h))
        return err_set(e, ERR_CORRUPT, "%s does not say what is to become of %s", plan->text,
                       h->repo.text);
    return ERR_OK;
}

static bool is_placed(const struct held_image *h, size_t manifest)
{
    for (size_t i = 0; i < h->plan.n; i++) {
        if (h->plan.places[i].manifests[manifest])
            return true;
    }
    return false;
}

static enum err_code read_manifests(struct held_image *h, struct err *e)
{
    struct archive_verdict *v = &h->verdict;

    h->manifests = mem_zero((v->n_manifests + 1) * sizeof(*h->manifests));
    for (size_t i = 0; i < v->n_manifests; i++) {
        if (!is_placed(h, i))
            continue;
        TRY(meta_manifest_by_digest(h->r->meta, &h->repo, &v->manifests[i].digest, &h->manifests[i],
                                    e));
        v->manifests[i].bytes = h->manifests[i]->bytes;
    }
    return ERR_OK;
}

enum err_code held_image_get(struct registry *r, const char *key, const struct digest *plan,
                             struct held_image *ret, struct err *e)
{
    AUTO(held_image) struct held_image h = {.r = r};

    repo_of(key, &h.repo);
    TRY(read_plan(&h, plan, e));
    TRY(read_manifests(&h, e));
    *ret = h;
    h = (struct held_image){.r = r};
    return ERR_OK;
}

void held_image_done(struct held_image *h)
{
    for (size_t i = 0; h->manifests && i < h->verdict.n_manifests; i++)
        meta_manifest_unref(h->manifests[i]);
    free(h->manifests);
    image_plan_done(&h->plan);
    free(h->verdict.blobs);
    free(h->verdict.manifests);
    original_held_done(&h->original);
    json_decref(h->json);
}

static enum err_code bring(void *ctx, const struct repo_name *repo, size_t blob, struct err *e)
{
    struct held_image *h = ctx;
    const struct digest *d = &h->verdict.blobs[blob].digest;
    enum err_code code = mount_blob(h->r, repo, &h->repo, d, e);

    return code == ERR_BLOB_UNKNOWN ? image_publish_gone(d, e) : code;
}

struct image_source held_image_source(struct held_image *h)
{
    return (struct image_source){.bring = bring, .ctx = h};
}

/* ---- its end */

static enum err_code remove_repo(struct registry *r, const struct repo_name *repo, struct err *e)
{
    const struct bulk b = {.registry = r, .repo = repo, .actor = "", .soon = true};
    struct bulk_counts done;
    struct meta_op op;
    bool left, gone;
    enum err_code code = bulk_remove_repo(&b, &done, &left, e);

    if (code == ERR_NAME_UNKNOWN)
        return ERR_OK;
    TRY(code);
    op = meta_op_repo_delete(repo, &gone);
    return meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
}

enum err_code held_image_remove(struct registry *r, const char *key, struct err *e)
{
    const struct meta_op op = meta_op_record_delete(HELD, str_of(key), META_ANY);
    struct repo_name repo;

    repo_of(key, &repo);
    TRY(remove_repo(r, &repo, e));
    return meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
}

void held_image_drop_original(struct registry *r, const char *key, const struct digest *plan)
{
    AUTO(held_image) struct held_image h = {.r = r};

    repo_of(key, &h.repo);
    if (read_plan(&h, plan, ERR_IGNORED) == ERR_OK && h.original.record)
        (void)!original_drop(r, &h.original, ERR_IGNORED);
}

struct sweep {
    struct registry *r;
    held_image_fn is_held;
    void *ctx;
    struct err_first all;
};

static enum err_code sweep_one(void *ctx, const struct meta_record *record, struct err *e)
{
    struct sweep *x = ctx;
    bool is = true;
    enum err_code code = x->is_held(x->ctx, str_of(record->key), &is, &x->all.step);

    (void)e;
    if (code == ERR_OK && !is)
        code = held_image_remove(x->r, record->key, &x->all.step);
    err_first_add(&x->all, code);
    return ERR_OK;
}

enum err_code held_images_sweep(struct registry *r, held_image_fn is_held, void *ctx, struct err *e)
{
    struct sweep x = {.r = r, .is_held = is_held, .ctx = ctx};

    TRY(meta_records_each(r->meta, HELD, sweep_one, &x, e));
    return err_first_of(&x.all, e);
}
