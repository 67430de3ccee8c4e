/* Look-ups of single things, and records. */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#define MANIFEST_MAX (64u << 20)
#define VALUE_MAX    (64u << 20)
#define LOOKS        8 /* at a tag that moves while its manifest is looked up */

static struct dynamo_link *link_of(struct meta *m)
{
    return dynamo_of(m)->link;
}

enum err_code dynamo_damaged(struct meta *m, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "table %s: damaged %s", dynamo_link_where(link_of(m)), what);
}

/* The bytes are hashed: damage never leaves as an image. NULL: there is none. */
static enum err_code manifest_at(struct meta *m, const struct repo_name *repo, struct str digest,
                                 struct meta_manifest **ret_manifest, struct err *e)
{
    int64_t end_ms = dynamo_link_end(link_of(m));
    struct dynamo_key key = dynamo_key_manifest(repo_name_str(repo), digest);
    AUTO(json) json_t *item = NULL;
    AUTO(buf) struct buf bytes = {0};
    struct digest d, actual;

    *ret_manifest = NULL;
    TRY(dynamo_get(link_of(m), &key, end_ms, &item, e));
    if (!item_has(item, "media"))
        return ERR_OK;
    buf_init(&bytes, MANIFEST_MAX);
    TRY(dynamo_text_read(link_of(m), item, "bytes", end_ms, &bytes, e));
    if (digest_parse(digest, &d, ERR_IGNORED) != ERR_OK)
        return dynamo_damaged(m, "digest of a manifest", e);
    digest_of(d.algorithm, bytes.p ? bytes.p : "", bytes.n, &actual);
    if (!digest_eq(&d, &actual))
        return err_set(e, ERR_CORRUPT, "table %s: bytes of manifest %s do not match it",
                       dynamo_link_where(link_of(m)), d.text);
    *ret_manifest = meta_manifest_new(&d, item_get_text(item, "media"), buf_str(&bytes));
    return ERR_OK;
}

/* A tag never points to what is not there: when the manifest is gone the tag has moved. */
static enum err_code manifest_by_tag(struct meta *m, const struct repo_name *repo,
                                     const struct tag_name *tag,
                                     struct meta_manifest **ret_manifest, int64_t *ret_version,
                                     struct err *e)
{
    struct dynamo_key key = dynamo_key_tag(repo_name_str(repo), tag_name_str(tag));

    for (int i = 0; i < LOOKS; i++) {
        AUTO(json) json_t *item = NULL;

        TRY(dynamo_get(link_of(m), &key, dynamo_link_end(link_of(m)), &item, e));
        if (!item)
            return err_tell(e, ERR_MANIFEST_UNKNOWN, "no tag %s in %s", tag->text, repo->text);
        TRY(manifest_at(m, repo, item_get_text(item, "digest"), ret_manifest, e));
        *ret_version = item_get_number(item, "version");
        if (*ret_manifest)
            return ERR_OK;
    }
    return err_set(e, ERR_UNAVAILABLE, "tag %s of %s moves all the time", tag->text, repo->text);
}

static enum err_code manifest_by_digest(struct meta *m, const struct repo_name *repo,
                                        const struct digest *d, struct meta_manifest **ret_manifest,
                                        struct err *e)
{
    TRY(manifest_at(m, repo, digest_str(d), ret_manifest, e));
    if (!*ret_manifest)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "no manifest %s in %s", d->text, repo->text);
    return ERR_OK;
}

static enum err_code blob_stat(struct meta *m, const struct repo_name *repo, const struct digest *d,
                               uint64_t *ret_size_bytes, struct err *e)
{
    struct dynamo_key key = dynamo_key_blob(repo_name_str(repo), digest_str(d));
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(link_of(m), &key, dynamo_link_end(link_of(m)), &item, e));
    if (!item_has(item, "size"))
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    *ret_size_bytes = (uint64_t)item_get_number(item, "size");
    return ERR_OK;
}

/* In the first repositories that have it, or are said to: those of a blob that is in few are all.
 */
#define LOOK_MOST 10

static enum err_code see_own(const json_t *item, const struct digest *d,
                             const struct repo_name *repo, uint64_t *ret_size_bytes,
                             struct meta_blob_sight *ret_sight, struct err *e)
{
    if (!item_has(item, "size"))
        return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
    *ret_size_bytes = (uint64_t)item_get_number(item, "size");
    ret_sight->condemned = item_has(item, "c_since");
    return ERR_OK;
}

static enum err_code blob_look(struct meta *m, const struct repo_name *repo, const struct digest *d,
                               uint64_t *ret_size_bytes, struct meta_blob_sight *ret_sight,
                               struct err *e)
{
    struct dynamo_key key = dynamo_key_blob(STR(""), digest_str(d));
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk, .page = LOOK_MOST}};
    bool anywhere = false;
    json_t *item = NULL;

    for (size_t i = 0; i < LOOK_MOST; i++, dynamo_cursor_step(&c)) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item)
            break;
        anywhere = true; /* or once: its content may be condemned */
        if (!item_has(item, "size"))
            continue;
        if (str_eq(item_get_text(item, "sk"), repo_name_str(repo)))
            return see_own(item, d, repo, ret_size_bytes, ret_sight, e);
    }
    if (item) {
        AUTO(json) json_t *own = NULL;

        key = dynamo_key_blob(repo_name_str(repo), digest_str(d));
        TRY(dynamo_get(link_of(m), &key, dynamo_link_end(link_of(m)), &own, e));
        return see_own(own, d, repo, ret_size_bytes, ret_sight, e);
    }
    ret_sight->nowhere = !anywhere;
    return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in %s", d->text, repo->text);
}

static struct dynamo_key key_of_link(const struct repo_name *repo, const struct meta_link *l,
                                     bool manifest)
{
    return manifest ? dynamo_key_manifest(repo_name_str(repo), digest_str(l->digest))
                    : dynamo_key_blob(repo_name_str(repo), digest_str(l->digest));
}

/* Each key once, by its partition: no two of them are in one. */
static void add_key(json_t *keys, const struct repo_name *repo, const struct meta_link *l,
                    bool manifest)
{
    struct dynamo_key key = key_of_link(repo, l, manifest);

    json_object_set_new(keys, key.pk, dynamo_key_json(key.pk, key.sk));
}

static void see_blob(const json_t *items, const struct repo_name *repo, struct meta_link *l)
{
    struct dynamo_key key = key_of_link(repo, l, false);
    const json_t *item = json_object_get(items, key.pk);

    l->found = item_has(item, "size");
    if (l->found)
        l->size_bytes = (uint64_t)item_get_number(item, "size");
}

static enum err_code see_manifest(struct meta *m, const json_t *items, const struct repo_name *repo,
                                  struct meta_link *l, struct err *e)
{
    struct dynamo_key key = key_of_link(repo, l, true);
    const json_t *item = json_object_get(items, key.pk);
    AUTO(buf) struct buf bytes = {0};

    if (!item_has(item, "media"))
        return ERR_OK;
    buf_init(&bytes, MANIFEST_MAX);
    TRY(dynamo_text_read(link_of(m), item, "bytes", dynamo_link_end(link_of(m)), &bytes, e));
    l->found = l->is_manifest = true;
    l->size_bytes = bytes.n;
    return ERR_OK;
}

/* What is wanted of them, by partition. */
static enum err_code get_links(struct meta *m, const struct repo_name *repo,
                               const struct meta_link *links, size_t n, json_t *ret_items,
                               struct err *e)
{
    AUTO(json) json_t *keys = json_object(), *list = json_array(), *items = NULL;
    const char *pk;
    json_t *key;

    for (size_t i = 0; i < n; i++) {
        if (links[i].may_be_blob)
            add_key(keys, repo, &links[i], false);
        if (links[i].may_be_manifest)
            add_key(keys, repo, &links[i], true);
    }
    json_object_foreach(keys, pk, key) json_array_append(list, key);
    TRY(dynamo_get_many(link_of(m), list, dynamo_link_end(link_of(m)), &items, e));
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        AUTO(mem) char *place = str_dup(item_get_text(item, "pk"));

        json_object_set(ret_items, place, item);
    }
    return ERR_OK;
}

static enum err_code find_links(struct meta *m, const struct repo_name *repo,
                                struct meta_link *links, size_t n, struct err *e)
{
    AUTO(json) json_t *items = json_object();

    TRY(get_links(m, repo, links, n, items, e));
    for (size_t i = 0; i < n; i++) {
        if (links[i].may_be_blob)
            see_blob(items, repo, &links[i]);
        if (links[i].may_be_manifest && !links[i].found)
            TRY(see_manifest(m, items, repo, &links[i], e));
    }
    return ERR_OK;
}

/* Those that are only named there are passed over. */
static enum err_code blob_find(struct meta *m, const struct digest *d, struct repo_name *ret_repo,
                               uint64_t *ret_size_bytes, struct err *e)
{
    int64_t end_ms = dynamo_link_end(link_of(m));
    struct dynamo_key key = dynamo_key_blob(STR(""), digest_str(d));
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk, .page = 10}};
    json_t *item;

    for (;;) {
        TRY(dynamo_cursor_peek(link_of(m), &c, end_ms, &item, e));
        if (!item)
            return err_tell(e, ERR_BLOB_UNKNOWN, "no blob %s in any repository", d->text);
        if (item_has(item, "size"))
            break;
        dynamo_cursor_step(&c);
    }
    if (repo_name_parse(item_get_text(item, "sk"), ret_repo, ERR_IGNORED) != ERR_OK)
        return dynamo_damaged(m, "name of a repository", e);
    *ret_size_bytes = (uint64_t)item_get_number(item, "size");
    return ERR_OK;
}

static enum err_code repo_exists(struct meta *m, const struct repo_name *repo, bool *ret_exists,
                                 struct err *e)
{
    struct dynamo_key key = dynamo_key_repo(repo_name_str(repo));
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(link_of(m), &key, dynamo_link_end(link_of(m)), &item, e));
    *ret_exists = item_has(item, "k");
    return ERR_OK;
}

static enum err_code upload_item(struct meta *m, const struct uuid *id, json_t **ret_item,
                                 struct err *e)
{
    struct dynamo_key key = dynamo_key_upload(str_of(id->text));

    TRY(dynamo_get(link_of(m), &key, dynamo_link_end(link_of(m)), ret_item, e));
    if (!*ret_item)
        return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN, "no upload %s", id->text);
    return ERR_OK;
}

static enum err_code upload_from(struct meta *m, const json_t *item, struct meta_upload *ret,
                                 struct err *e)
{
    struct meta_upload u = {.started_ms = item_get_number(item, "started"),
                            .turn = item_get_number(item, "turn"),
                            .over = item_has(item, "digest")};

    if (!uuid_parse(item_get_text(item, "id"), &u.id) ||
        repo_name_parse(item_get_text(item, "repo"), &u.repo, ERR_IGNORED) != ERR_OK ||
        !str_copy(item_get_text(item, "owner"), u.owner, sizeof(u.owner)) ||
        !digest_algorithm_parse(item_get_text(item, "algorithm"), &u.algorithm) ||
        !str_copy(item_get_text(item, "holder"), u.holder.text, sizeof(u.holder.text)))
        return dynamo_damaged(m, "upload", e);
    *ret = u;
    return ERR_OK;
}

static enum err_code upload_get(struct meta *m, const struct uuid *id,
                                struct meta_upload *ret_upload, struct err *e)
{
    AUTO(json) json_t *item = NULL;

    TRY(upload_item(m, id, &item, e));
    return upload_from(m, item, ret_upload, e);
}

static enum err_code upload_finished(struct meta *m, const struct uuid *id,
                                     struct meta_finished *ret_finished, struct err *e)
{
    AUTO(json) json_t *item = NULL;
    struct meta_finished f;

    TRY(upload_item(m, id, &item, e));
    if (!item_has(item, "digest") || str_eq(item_get_text(item, "digest"), META_BECAME_NOTHING))
        return err_tell(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s became no blob", id->text);
    if (repo_name_parse(item_get_text(item, "repo"), &f.repo, ERR_IGNORED) != ERR_OK ||
        !str_copy(item_get_text(item, "owner"), f.owner, sizeof(f.owner)) ||
        digest_parse(item_get_text(item, "digest"), &f.digest, ERR_IGNORED) != ERR_OK)
        return dynamo_damaged(m, "finished upload", e);
    f.finished_ms = item_get_number(item, "finished");
    *ret_finished = f;
    return ERR_OK;
}

/* fn may take its time, and change what is looked at: each page has a time of its own. */
static enum err_code uploads_each(struct meta *m, int64_t started_before_ms, meta_upload_fn fn,
                                  void *ctx, struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages ages = {.from = ""};

    dynamo_ages_init(&ages, "open", started_before_ms, 0);
    for (;;) {
        struct meta_upload u;
        json_t *item;

        TRY(dynamo_merge_next(link_of(m), &ages.merge, dynamo_link_end(link_of(m)), &item, e));
        if (!item)
            return ERR_OK;
        TRY(upload_from(m, item, &u, e));
        TRY(fn(ctx, &u, e));
    }
}

/* ---- records */

static enum err_code record_from(struct meta *m, const json_t *item, struct meta_record *ret,
                                 struct err *e)
{
    AUTO(buf) struct buf value = {0};

    buf_init(&value, VALUE_MAX);
    TRY(dynamo_text_read(link_of(m), item, "value", dynamo_link_end(link_of(m)), &value, e));
    *ret = (struct meta_record){.key = str_dup(item_get_text(item, "sk")),
                                .value = str_dup(buf_str(&value)),
                                .version = item_get_number(item, "version")};
    return ERR_OK;
}

static enum err_code record_get(struct meta *m, struct str collection, struct str key,
                                struct meta_record *ret_record, struct err *e)
{
    struct dynamo_key k = dynamo_key_record(collection, key);
    AUTO(json) json_t *item = NULL;

    TRY(dynamo_get(link_of(m), &k, dynamo_link_end(link_of(m)), &item, e));
    if (!item)
        return err_set(e, ERR_NOT_FOUND, "no " STR_FMT " '" STR_FMT "'", STR_ARG(collection),
                       STR_ARG(key));
    return record_from(m, item, ret_record, e);
}

#define PAGE_MOST 1000000 /* of one request: what is more is asked for again */

static enum err_code records(struct meta *m, struct str collection, struct str after, size_t limit,
                             struct meta_record_list *ret_list, struct err *e)
{
    struct dynamo_key k = dynamo_key_record(collection, after);
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = k.pk,
                                        .above = after.n > 0 ? k.sk : NULL,
                                        .page = limit < PAGE_MOST ? limit + 1 : 0}};
    AUTO(records) struct meta_record_list l = {0};
    json_t *item;

    for (;;) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(record_from(m, item, &l.rows[l.n], e));
        l.n++;
        dynamo_cursor_step(&c);
    }
    l.more = item != NULL;
    *ret_list = l;
    l = (struct meta_record_list){0};
    return ERR_OK;
}

void dynamo_read_fill(struct meta_driver *d)
{
    d->manifest_by_tag = manifest_by_tag;
    d->manifest_by_digest = manifest_by_digest;
    d->blob_stat = blob_stat;
    d->blob_look = blob_look;
    d->find_links = find_links;
    d->blob_find = blob_find;
    d->repo_exists = repo_exists;
    d->upload_get = upload_get;
    d->upload_finished = upload_finished;
    d->uploads_each = uploads_each;
    d->record_get = record_get;
    d->records = records;
}
