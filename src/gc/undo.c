#include "gc/undo.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/bring_back.h"
#include "core/manifest.h"
#include "core/project.h"
#include "core/push.h"
#include "gc/lost.h"

#include <stdio.h>
#include <stdlib.h>

#define LOST_TOLD 100 /* of what is lost, in the record of the run */
#define KEY_SIZE  (REPO_NAME_MAX + DIGEST_TEXT_MAX + 2)

struct undo {
    const struct gc_undo_options *o;
    struct registry *r;
    struct repo_name repo; /* of the record that it is at */
    json_t *lost;          /* as a set: what does not come back, and what is part of that */
    json_t *back;          /* likewise: what came back, or would in a dry run */
    json_t *told;
    struct gc_undo_counts n;
    char id[GC_RUN_SIZE];
    int64_t started_ms;
};

/* An item of the journal. */
struct deleted {
    enum meta_item_kind kind;
    struct digest digest;
    uint64_t size_bytes;
    struct str media_type, bytes; /* of a manifest */
    const json_t *tags;
};

static enum err_code parse(const json_t *item, struct deleted *ret, struct err *e)
{
    *ret = (struct deleted){
        .kind =
            str_eq(gc_text_of(item, "kind"), STR("manifest")) ? META_ITEM_MANIFEST : META_ITEM_BLOB,
        .size_bytes = (uint64_t)json_integer_value(json_object_get(item, "size")),
        .media_type = gc_text_of(item, "media_type"),
        .bytes = gc_text_of(item, "bytes"),
        .tags = json_object_get(item, "tags"),
    };
    return digest_parse(gc_text_of(item, "digest"), &ret->digest, e);
}

/* ---- what is known of digests of a repository */

static const char *set_key(const struct undo *u, const struct digest *d, char dst[static KEY_SIZE])
{
    snprintf(dst, KEY_SIZE, "%s@%s", u->repo.text, d->text);
    return dst;
}

static void put(const struct undo *u, json_t *set, const struct digest *d)
{
    char key[KEY_SIZE];

    json_object_set_new(set, set_key(u, d, key), json_true());
}

static bool has(const struct undo *u, const json_t *set, const struct digest *d)
{
    char key[KEY_SIZE];

    return json_object_get(set, set_key(u, d, key)) != NULL;
}

/* ---- what is told */

static void tell(struct undo *u, const struct gc_undo_item *item)
{
    struct gc_undo_item whole = *item;

    whole.repo = &u->repo;
    if (u->o->item)
        u->o->item(u->o->ctx, &whole);
}

static void is_back(struct undo *u, enum meta_item_kind kind, const struct digest *d, uint64_t size)
{
    put(u, u->back, d);
    gc_sum_add(&u->n.back, kind, size);
    tell(u,
         &(struct gc_undo_item){.kind = kind, .digest = d, .size_bytes = size, .action = GC_BACK});
}

static void is_lost(struct undo *u, const struct deleted *x, const char *why)
{
    put(u, u->lost, &x->digest);
    u->n.lost++;
    if (json_array_size(u->told) < LOST_TOLD)
        json_array_append_new(u->told, json_pack("{s:s, s:s, s:s}", "repository", u->repo.text,
                                                 "digest", x->digest.text, "why", why));
    tell(u, &(struct gc_undo_item){.kind = x->kind,
                                   .digest = &x->digest,
                                   .size_bytes = x->size_bytes,
                                   .action = GC_LOST,
                                   .why = why});
}

/* Of one image, or blob; the others come back. */
static bool is_of_one(enum err_code code)
{
    return code == ERR_BLOB_UNKNOWN || code == ERR_GONE || code == ERR_MANIFEST_BLOB_UNKNOWN ||
           code == ERR_MANIFEST_INVALID || code == ERR_DIGEST_INVALID || code == ERR_QUOTA;
}

/* ---- blobs */

static enum err_code bring_blob(struct undo *u, const struct digest *d, uint64_t size_bytes,
                                struct err *e)
{
    if (has(u, u->back, d)) /* a manifest may name it twice */
        return ERR_OK;
    if (!u->o->dry_run)
        TRY(bring_back_blob(u->r, &u->repo, d, e));
    is_back(u, META_ITEM_BLOB, d, size_bytes);
    return ERR_OK;
}

/* One that an image named which does not come back is part of what that lacks. */
static enum err_code undo_blob(struct undo *u, const struct deleted *x, struct err *e)
{
    uint64_t size_bytes;
    enum err_code code = meta_blob_stat(u->r->meta, &u->repo, &x->digest, &size_bytes, e);

    if (code != ERR_BLOB_UNKNOWN)
        return code;
    if (has(u, u->lost, &x->digest))
        return ERR_OK;
    code = bring_back_look(u->r, &u->repo, &x->digest, &size_bytes, e);
    if (code == ERR_OK)
        code = bring_blob(u, &x->digest, size_bytes, e);
    if (is_of_one(code)) {
        is_lost(u, x, e->detail);
        return ERR_OK;
    }
    return code;
}

/* ---- manifests */

struct image {
    struct manifest parsed;
    struct meta_link *there; /* what the repository has of it */
};

static void auto_image_(struct image *i)
{
    manifest_done(&i->parsed);
    free(i->there);
}

static bool is_manifest(const struct manifest_link *l)
{
    return l->kind == LINK_MANIFEST;
}

static enum err_code look_for_links(struct undo *u, struct image *i, struct err *e)
{
    const struct manifest *m = &i->parsed;

    i->there = mem_zero((m->n_links + 1) * sizeof(*i->there));
    for (size_t k = 0; k < m->n_links; k++)
        i->there[k] = (struct meta_link){.digest = &m->links[k].digest,
                                         .may_be_blob = !is_manifest(&m->links[k]),
                                         .may_be_manifest = is_manifest(&m->links[k]) ||
                                                            m->links[k].kind == LINK_UNKNOWN};
    return meta_find_links(u->r->meta, &u->repo, i->there, m->n_links, e);
}

/* A child that was not deleted by this run is for the push to judge, which a dry run has not. */
static enum err_code check_child(struct undo *u, const struct digest *d, struct err *e)
{
    bool sparse = conf_bool(&u->r->options->sparse_indexes);

    if (has(u, u->back, d) || (!has(u, u->lost, d) && (sparse || !u->o->dry_run)))
        return ERR_OK;
    return err_set(e, ERR_MANIFEST_BLOB_UNKNOWN, "it names manifest %s, which is not to be had",
                   d->text);
}

/* What is not there can come back, or need not be there. */
static enum err_code check_link(struct undo *u, const struct manifest_link *l, struct err *e)
{
    uint64_t size_bytes = l->size_bytes;
    enum err_code code = ERR_BLOB_UNKNOWN;

    if (has(u, u->back, &l->digest))
        return ERR_OK;
    if (!is_manifest(l))
        code = bring_back_look(u->r, &u->repo, &l->digest, &size_bytes, e);
    if (code == ERR_BLOB_UNKNOWN && l->kind == LINK_FOREIGN_BLOB)
        return ERR_OK;
    if (code == ERR_BLOB_UNKNOWN && l->kind != LINK_BLOB)
        return check_child(u, &l->digest, e);
    if (code == ERR_BLOB_UNKNOWN || (code == ERR_OK && size_bytes != l->size_bytes))
        return err_set(e, ERR_MANIFEST_BLOB_UNKNOWN, "it names blob %s, which is deleted",
                       l->digest.text);
    return code;
}

/* What was looked for and found a moment ago; of a foreign layer it may be nothing. */
static enum err_code bring_link(struct undo *u, const struct manifest_link *l, struct err *e)
{
    uint64_t size_bytes;
    enum err_code code = ERR_BLOB_UNKNOWN;

    if (!is_manifest(l))
        code = bring_back_look(u->r, &u->repo, &l->digest, &size_bytes, e);
    if (code == ERR_BLOB_UNKNOWN && l->kind != LINK_BLOB)
        return ERR_OK;
    TRY(code);
    return bring_blob(u, &l->digest, size_bytes, e);
}

static enum err_code push(struct undo *u, const struct deleted *x, struct err *e)
{
    const struct push p = {.repo = &u->repo,
                           .bytes = x->bytes,
                           .content_type = x->media_type,
                           .digest = &x->digest,
                           .actor = u->o->actor};
    struct pushed pushed;

    return u->o->dry_run ? ERR_OK : push_manifest(u->r, &p, &pushed, e);
}

static enum err_code bring_manifest(struct undo *u, const struct deleted *x, struct image *i,
                                    struct err *e)
{
    TRY(manifest_parse(x->bytes, x->media_type, SIZE_MAX, &i->parsed, e));
    TRY(look_for_links(u, i, e));
    for (size_t k = 0; k < i->parsed.n_links; k++) {
        if (!i->there[k].found)
            TRY(check_link(u, &i->parsed.links[k], e));
    }
    for (size_t k = 0; k < i->parsed.n_links; k++) {
        if (!i->there[k].found)
            TRY(bring_link(u, &i->parsed.links[k], e));
    }
    TRY(push(u, x, e));
    is_back(u, META_ITEM_MANIFEST, &x->digest, x->bytes.n);
    return ERR_OK;
}

static void lose_image(struct undo *u, const struct deleted *x, const struct image *i,
                       const char *why)
{
    is_lost(u, x, why);
    for (size_t k = 0; k < i->parsed.n_links; k++) {
        if (!is_manifest(&i->parsed.links[k]))
            put(u, u->lost, &i->parsed.links[k].digest);
    }
}

/* It is not there, or points to the same already. */
static enum err_code set_tag(struct undo *u, const struct digest *d, const struct tag_name *tag,
                             bool *ret_set, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct meta_op op = meta_op_tag_set(&u->repo, tag, d, META_ABSENT);
    enum err_code code = meta_manifest_by_tag(u->r->meta, &u->repo, tag, &m, NULL, e);
    struct uuid holder;

    *ret_set = code == ERR_MANIFEST_UNKNOWN;
    if (!*ret_set || u->o->dry_run)
        return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
    op.actor = u->o->actor;
    project_hold(u->r, &op, &holder);
    code = meta_commit(u->r->meta, &op, 1, 0, NULL, e);
    *ret_set = code == ERR_OK;
    if (code == ERR_OK)
        project_tag(u->r, &u->repo, tag);
    return code == ERR_CONFLICT || code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code points_to(struct undo *u, const struct digest *d, const struct tag_name *tag,
                               bool *ret_is, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_tag(u->r->meta, &u->repo, tag, &m, NULL, e);

    *ret_is = code == ERR_OK && digest_eq(&m->digest, d);
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code bring_tags(struct undo *u, const struct deleted *x, struct err *e)
{
    const json_t *name;
    size_t i;

    json_array_foreach(x->tags, i, name)
    {
        struct tag_name tag;
        bool set, same = false;

        TRY(tag_name_parse(str_of(json_string_value(name)), &tag, e));
        TRY(set_tag(u, &x->digest, &tag, &set, e));
        if (!set)
            TRY(points_to(u, &x->digest, &tag, &same, e));
        if (same)
            continue;
        u->n.tags += set;
        u->n.tags_elsewhere += !set;
        tell(u, &(struct gc_undo_item){.kind = META_ITEM_MANIFEST,
                                       .digest = &x->digest,
                                       .action = set ? GC_TAG_BACK : GC_TAG_ELSEWHERE,
                                       .tag = tag.text});
    }
    return ERR_OK;
}

static enum err_code undo_manifest(struct undo *u, const struct deleted *x, struct err *e)
{
    AUTO(image) struct image i = {0};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(u->r->meta, &u->repo, &x->digest, &m, e);

    if (code == ERR_MANIFEST_UNKNOWN)
        code = bring_manifest(u, x, &i, e);
    if (is_of_one(code)) {
        lose_image(u, x, &i, e->detail);
        return ERR_OK;
    }
    TRY(code);
    return bring_tags(u, x, e);
}

/* ---- the journal, backwards: what was deleted last is what the others named */

static enum err_code undo_record(struct undo *u, struct str key, enum meta_item_kind kind,
                                 struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(json) json_t *json = NULL;
    const json_t *items;
    enum err_code code = meta_record_get(u->r->meta, GC_JOURNAL, key, &record, e);

    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    json = json_loads(record.value, 0, NULL);
    items = json_object_get(json, "items");
    if (gc_text_of(json, "repository").n == 0) /* blobs of none: who names them brings them back */
        return ERR_OK;
    TRY(repo_name_parse(gc_text_of(json, "repository"), &u->repo, e));
    for (size_t i = json_array_size(items); i-- > 0;) {
        struct deleted x;

        TRY(parse(json_array_get(items, i), &x, e));
        if (x.kind == kind)
            TRY(kind == META_ITEM_BLOB ? undo_blob(u, &x, e) : undo_manifest(u, &x, e));
    }
    return ERR_OK;
}

static enum err_code undo_all(struct undo *u, const struct meta_name_list *keys,
                              enum meta_item_kind kind, struct err *e)
{
    for (size_t i = keys->n; i-- > 0;) {
        if (u->o->go_on && !u->o->go_on(u->o->ctx))
            return err_set(e, ERR_LATER, "it was stopped");
        TRY(undo_record(u, str_of(keys->names[i]), kind, e));
    }
    return ERR_OK;
}

/* ---- the run */

static char *record_of(const struct undo *u, const char *state, const char *error)
{
    const struct gc_note n = {
        .id = u->id, .actor = u->o->actor, .undo = u->o->undo, .started_ms = u->started_ms};
    json_t *did =
        json_pack("{s:o, s:I, s:I, s:I, s:O}", "back", gc_sum_json(&u->n.back), "tags",
                  (json_int_t)u->n.tags, "tags_elsewhere", (json_int_t)u->n.tags_elsewhere,
                  "problems", (json_int_t)u->n.lost, "lost", u->told);

    return gc_run_text(&n, state, error, did);
}

static enum err_code note_running(struct undo *u, struct err *e)
{
    AUTO(mem) char *text = u->o->dry_run ? NULL : record_of(u, "running", "");

    return text ? gc_run_write(u->r->meta, u->id, text, e) : ERR_OK;
}

/* One that could not begin has a record when it was asked for by an order. */
static void note_end(struct undo *u, enum err_code code, const struct err *e)
{
    AUTO(mem) char *text = record_of(u, gc_run_state(code), code == ERR_OK ? "" : e->detail);
    bool begun = code != ERR_NOT_FOUND && code != ERR_REQUEST_INVALID;

    if (!u->o->dry_run && (begun || u->o->id))
        gc_run_end(u->r->meta, u->id, text, code, u->o->end, u->o->ctx);
}

enum err_code gc_undo_possible(const struct meta_record *run, struct err *e)
{
    AUTO(json) json_t *json = json_loads(run->value, 0, NULL);

    return json_object_get(json, "deleted") && !json_is_true(json_object_get(json, "dry_run"))
               ? ERR_OK
               : err_tell(e, ERR_REQUEST_INVALID, "run %s is none that deletes", run->key);
}

static enum err_code check_run(struct undo *u, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(u->r->meta, GC_RUNS, str_of(u->o->undo), &record, e);

    if (code == ERR_NOT_FOUND)
        return err_tell(e, code, "there is no run %s", u->o->undo);
    TRY(code);
    return gc_undo_possible(&record, e);
}

static enum err_code undo(struct undo *u, struct err *e)
{
    AUTO(name_list) struct meta_name_list keys = {0};

    TRY(check_run(u, e));
    TRY(note_running(u, e));
    if (!u->o->dry_run)
        TRY(gc_lost_end(u->r->meta, u->id, e));
    TRY(gc_journal_keys(u->r->meta, GC_JOURNAL, u->o->undo, &keys, e));
    TRY(undo_all(u, &keys, META_ITEM_MANIFEST, e));
    return undo_all(u, &keys, META_ITEM_BLOB, e);
}

enum err_code gc_undo(const struct gc_undo_options *o, struct gc_undo_counts *ret_counts,
                      struct err *e)
{
    AUTO(json) json_t *lost = json_object(), *back = json_object(), *told = json_array();
    struct undo u = {.o = o,
                     .r = o->registry,
                     .lost = lost,
                     .back = back,
                     .told = told,
                     .started_ms = clock_wall_ms()};
    enum err_code code;

    if (!o->id || !str_copy(str_of(o->id), u.id, sizeof(u.id)))
        gc_run_id(u.id);
    code = undo(&u, e);
    note_end(&u, code, e);
    registry_wake(o->registry);
    *ret_counts = u.n;
    return code;
}
