/*
 * Lists for people. Names come in their own order alone, for no index has another; what is said of
 * many entries is asked for with as few requests as batches take, but for what stands beside
 * manifests, which is a range each.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdio.h>

#define PAGE_MOST   1000000 /* of one request: what is more is asked for again */
#define TEXT_MAX    (64u << 20)
#define LATEST_LOOK 1000 /* tags looked at where it is not known which was pushed last */

static struct dynamo_link *link_of(struct meta *m)
{
    return dynamo_of(m)->link;
}

/* ---- names */

static enum err_code need_name_order(const struct meta_ask *ask, struct err *e)
{
    if (ask->order == META_BY_NAME)
        return ERR_OK;
    return err_tell(e, ERR_UNSUPPORTED,
                    "on DynamoDB lists are sorted by name alone ('sort' is name)");
}

/* Without regard to capitals, as SQL does it: ASCII alone. */
static bool has_in_it(struct str name, struct str search)
{
    char small[DYNAMO_SK_MAX + 1];
    size_t n = name.n < DYNAMO_SK_MAX ? name.n : DYNAMO_SK_MAX;

    for (size_t i = 0; i < n; i++)
        small[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    return search.n == 0 || str_contains((struct str){small, n}, search);
}

/* True: the list is full, and there is more. */
static bool add_place(struct meta_place_list *l, struct str name, const struct meta_ask *ask,
                      size_t limit)
{
    if (!has_in_it(name, ask->search))
        return false;
    l->more = l->n == limit;
    if (l->more)
        return true;
    l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
    l->rows[l->n++] = (struct meta_place){.name = str_dup(name)};
    return false;
}

static size_t page_of(const struct meta_ask *ask, size_t limit)
{
    return limit < PAGE_MOST && ask->search.n == 0 ? limit + 1 : 0;
}

static enum err_code repo_places(struct meta *m, const struct meta_ask *ask, size_t limit,
                                 struct meta_place_list *ret_list, struct err *e)
{
    char partitions[DYNAMO_REPO_SHARDS][DYNAMO_PK_MAX + 1];
    AUTO(dynamo_merge) struct dynamo_merge merge = {.n = DYNAMO_REPO_SHARDS, .by = "sk"};
    AUTO(meta_places) struct meta_place_list l = {0};
    int64_t end_ms = dynamo_link_end(link_of(m));
    json_t *item;

    TRY(need_name_order(ask, e));
    for (unsigned i = 0; i < DYNAMO_REPO_SHARDS; i++) {
        dynamo_repo_partition(i, partitions[i]);
        merge.cursors[i].range =
            (struct dynamo_range){.partition = partitions[i],
                                  .above = ask->after.name[0] ? ask->after.name : NULL,
                                  .page = page_of(ask, limit)};
    }
    do {
        TRY(dynamo_merge_next(link_of(m), &merge, end_ms, &item, e));
    } while (item && (item_get_number(item, "manifests") <= 0 ||
                      !add_place(&l, item_get_text(item, "sk"), ask, limit)));
    *ret_list = l;
    l = (struct meta_place_list){0};
    return ERR_OK;
}

static enum err_code tag_places(struct meta *m, const struct repo_name *repo,
                                const struct meta_ask *ask, size_t limit,
                                struct meta_place_list *ret_list, struct err *e)
{
    struct dynamo_key key = dynamo_key_tag(repo_name_str(repo), STR(""));
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk,
                                        .above = ask->after.name[0] ? ask->after.name : NULL,
                                        .page = page_of(ask, limit)}};
    AUTO(meta_places) struct meta_place_list l = {0};
    json_t *item;

    TRY(need_name_order(ask, e));
    for (;; dynamo_cursor_step(&c)) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item || add_place(&l, item_get_text(item, "sk"), ask, limit))
            break;
    }
    *ret_list = l;
    l = (struct meta_place_list){0};
    return ERR_OK;
}

/* ---- many items by their keys */

struct wanted {
    struct dynamo_key *keys;
    size_t n;
    json_t *items; /* by "PK SK" */
};

static void auto_wanted_(struct wanted *w)
{
    free(w->keys);
    json_decref(w->items);
}

static void name_of(const char *pk, const char *sk,
                    char dst[static DYNAMO_PK_MAX + DYNAMO_SK_MAX + 2])
{
    snprintf(dst, DYNAMO_PK_MAX + DYNAMO_SK_MAX + 2, "%s %s", pk, sk);
}

static void want(struct wanted *w, struct dynamo_key key)
{
    w->keys = mem_resize(w->keys, (w->n + 1) * sizeof(*w->keys));
    w->keys[w->n++] = key;
}

/* No key twice: the service refuses that. */
static json_t *keys_json(const struct wanted *w)
{
    char name[DYNAMO_PK_MAX + DYNAMO_SK_MAX + 2];
    json_t *keys = json_array();
    AUTO(json) json_t *seen = json_object();

    for (size_t i = 0; i < w->n; i++) {
        json_t *key = w->keys[i].cut ? NULL : dynamo_key_json(w->keys[i].pk, w->keys[i].sk);

        name_of(w->keys[i].pk, w->keys[i].sk, name);
        if (!key || json_object_get(seen, name)) {
            json_decref(key);
            continue;
        }
        json_object_set_new(seen, name, json_true());
        json_array_append_new(keys, key);
    }
    return keys;
}

static enum err_code get_wanted(struct meta *m, struct wanted *w, struct err *e)
{
    AUTO(json) json_t *keys = keys_json(w);
    AUTO(json) json_t *items = NULL;
    json_t *item;
    size_t i;

    w->items = json_object();
    if (json_array_size(keys) == 0)
        return ERR_OK;
    TRY(dynamo_get_many(link_of(m), keys, dynamo_link_end(link_of(m)), &items, e));
    json_array_foreach(items, i, item)
    {
        char name[DYNAMO_PK_MAX + DYNAMO_SK_MAX + 2];

        name_of(item_get_text(item, "pk").p, item_get_text(item, "sk").p, name);
        json_object_set(w->items, name, item);
    }
    return ERR_OK;
}

/* NULL: it is not there. */
static const json_t *got(const struct wanted *w, size_t i)
{
    char name[DYNAMO_PK_MAX + DYNAMO_SK_MAX + 2];

    name_of(w->keys[i].pk, w->keys[i].sk, name);
    return json_object_get(w->items, name);
}

/* ---- manifests */

static enum err_code shown_from(struct meta *m, const json_t *item, struct str digest,
                                struct meta_shown *ret, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    if (!item_has(item, "media"))
        return ERR_OK;
    buf_init(&bytes, TEXT_MAX);
    TRY(dynamo_text_read(link_of(m), item, "bytes", dynamo_link_end(link_of(m)), &bytes, e));
    if (digest_parse(digest, &ret->digest, ERR_IGNORED) != ERR_OK)
        return dynamo_damaged(m, "digest of a manifest", e);
    ret->media_type = str_dup(item_get_text(item, "media"));
    ret->size_bytes = bytes.n;
    if (bytes.n <= META_SHOWN_BYTES)
        ret->bytes = (struct str){str_dup(buf_str(&bytes)), bytes.n};
    return ERR_OK;
}

static enum err_code manifests_shown(struct meta *m, const struct repo_name *repo,
                                     const char *const *digests, size_t n, struct meta_shown *rows,
                                     struct err *e)
{
    AUTO(wanted) struct wanted w = {0};

    for (size_t i = 0; i < n; i++)
        want(&w, dynamo_key_manifest(repo_name_str(repo), str_of(digests[i])));
    TRY(get_wanted(m, &w, e));
    for (size_t i = 0; i < n; i++)
        TRY(shown_from(m, got(&w, i), str_of(digests[i]), &rows[i], e));
    return ERR_OK;
}

/* ---- tags */

/* The manifest of each, and with `moves` who moved it there. */
static enum err_code fill_tags(struct meta *m, const struct repo_name *const *repos, size_t n,
                               struct meta_tag_shown *const *rows, bool moves, struct err *e)
{
    AUTO(wanted) struct wanted w = {0};

    for (size_t i = 0; i < n; i++) {
        struct str repo = repo_name_str(repos[i]);

        want(&w, dynamo_key_manifest(repo, digest_str(&rows[i]->tag.digest)));
        want(&w, dynamo_key_move(repo, tag_name_str(&rows[i]->tag.name), rows[i]->tag.version));
        if (!moves || rows[i]->tag.digest.n == 0)
            w.keys[w.n - 1].cut = true;
        if (rows[i]->tag.digest.n == 0)
            w.keys[w.n - 2].cut = true;
    }
    TRY(get_wanted(m, &w, e));
    for (size_t i = 0; i < n; i++) {
        struct meta_repo_tag *tag = &rows[i]->tag;
        struct str actor = item_get_text(got(&w, 2 * i + 1), "actor");

        if (tag->digest.n == 0)
            continue;
        TRY(shown_from(m, got(&w, 2 * i), digest_str(&tag->digest), &rows[i]->manifest, e));
        rows[i]->actor = str_dup(actor.n > 0 ? actor : STR(""));
        if (rows[i]->manifest.digest.n == 0) /* it went meanwhile */
            *tag = (struct meta_repo_tag){0};
    }
    return ERR_OK;
}

static enum err_code tags_shown(struct meta *m, const struct repo_name *repo,
                                const char *const *names, size_t n, struct meta_tag_shown *rows,
                                struct err *e)
{
    AUTO(mem) struct meta_tag_shown **refs = mem_zero((n + 1) * sizeof(*refs));
    AUTO(mem) const struct repo_name **repos = mem_zero((n + 1) * sizeof(*repos));
    AUTO(wanted) struct wanted w = {0};

    for (size_t i = 0; i < n; i++)
        want(&w, dynamo_key_tag(repo_name_str(repo), str_of(names[i])));
    TRY(get_wanted(m, &w, e));
    for (size_t i = 0; i < n; i++) {
        if (got(&w, i))
            TRY(dynamo_repo_tag(m, got(&w, i), &rows[i].tag, e));
        refs[i] = &rows[i];
        repos[i] = repo;
    }
    return fill_tags(m, repos, n, refs, true, e);
}

/* ---- repositories */

static bool is_later(const struct meta_repo_tag *a, const struct meta_repo_tag *b)
{
    return a->pushed_ms != b->pushed_ms
               ? a->pushed_ms > b->pushed_ms
               : str_cmp(tag_name_str(&a->name), tag_name_str(&b->name)) > 0;
}

/* Of a repository whose item names none, or one that is gone. */
static enum err_code look_for_latest(struct meta *m, const struct repo_name *repo,
                                     struct meta_repo_shown *row, struct err *e)
{
    AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};

    if (row->tags == 0)
        return ERR_OK;
    TRY(meta_repo_tags(m, repo, STR(""), LATEST_LOOK, &l, e));
    for (size_t i = 0; i < l.n; i++) {
        if (row->latest.tag.name.n == 0 || is_later(&l.rows[i], &row->latest.tag))
            row->latest.tag = l.rows[i];
    }
    if (row->pushed_ms < row->latest.tag.pushed_ms)
        row->pushed_ms = row->latest.tag.pushed_ms;
    return ERR_OK;
}

static void repo_from(const json_t *item, struct meta_repo_shown *row)
{
    row->there = item_has(item, "name");
    row->manifests = (uint64_t)item_get_number(item, "manifests");
    row->bytes = (uint64_t)item_get_number(item, "bytes");
    row->tags = (uint64_t)item_get_number(item, "tags");
    row->pushed_ms = item_get_number(item, "pushed");
}

struct repo_list {
    struct repo_name *names;
    const struct repo_name **refs;
    struct meta_tag_shown **latest;
};

static void auto_repo_list_(struct repo_list *l)
{
    free(l->names);
    free(l->refs);
    free(l->latest);
}

static enum err_code find_latest(struct meta *m, const struct repo_list *l, size_t n,
                                 const struct wanted *repos, struct meta_repo_shown *rows,
                                 struct err *e)
{
    AUTO(wanted) struct wanted tags = {0};

    for (size_t i = 0; i < n; i++) {
        struct str tag = item_get_text(got(repos, i), "pushed_tag");

        want(&tags, dynamo_key_tag(repo_name_str(&l->names[i]), tag.n > 0 ? tag : STR("")));
        tags.keys[i].cut = tag.n == 0;
    }
    TRY(get_wanted(m, &tags, e));
    for (size_t i = 0; i < n; i++) {
        if (got(&tags, i))
            TRY(dynamo_repo_tag(m, got(&tags, i), &rows[i].latest.tag, e));
        else if (rows[i].there)
            TRY(look_for_latest(m, &l->names[i], &rows[i], e));
    }
    return fill_tags(m, l->refs, n, l->latest, false, e);
}

static enum err_code repos_shown(struct meta *m, const char *const *names, size_t n,
                                 struct meta_repo_shown *rows, struct err *e)
{
    AUTO(repo_list)
    struct repo_list l = {.names = mem_zero((n + 1) * sizeof(*l.names)),
                          .refs = mem_zero((n + 1) * sizeof(*l.refs)),
                          .latest = mem_zero((n + 1) * sizeof(*l.latest))};
    AUTO(wanted) struct wanted w = {0};

    for (size_t i = 0; i < n; i++) {
        TRY(repo_name_parse(str_of(names[i]), &l.names[i], e));
        l.refs[i] = &l.names[i];
        l.latest[i] = &rows[i].latest;
        want(&w, dynamo_key_repo(str_of(names[i])));
    }
    TRY(get_wanted(m, &w, e));
    for (size_t i = 0; i < n; i++)
        repo_from(got(&w, i), &rows[i]);
    return find_latest(m, &l, n, &w, rows, e);
}

/* ---- what stands beside manifests */

static enum err_code is_signature(struct meta *m, const json_t *item, bool *ret_is, struct err *e)
{
    struct str type = item_get_text(item, "type");
    AUTO(buf) struct buf annotations = {0};

    *ret_is = str_eq(type, META_SIGNATURE_SIMPLE) || str_eq(type, META_SIGNATURE_NOTATION);
    if (*ret_is || !str_starts(type, META_SIGNATURE_BUNDLE))
        return ERR_OK;
    buf_init(&annotations, TEXT_MAX);
    TRY(dynamo_text_read(link_of(m), item, "annotations", dynamo_link_end(link_of(m)), &annotations,
                         e));
    *ret_is = str_contains(buf_str(&annotations), META_SIGNATURE_PREDICATE) ||
              str_contains(buf_str(&annotations), META_SIGNATURE_CONTENT);
    return ERR_OK;
}

static enum err_code has_signature(struct meta *m, const struct repo_name *repo, struct str digest,
                                   bool *ret_has, struct err *e)
{
    struct dynamo_key key = dynamo_key_referrer(repo_name_str(repo), digest, STR(""));
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk, .prefix = "d#"}};
    json_t *item;

    for (; !*ret_has; dynamo_cursor_step(&c)) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item)
            break;
        TRY(is_signature(m, item, ret_has, e));
    }
    return ERR_OK;
}

static enum err_code signed_among(struct meta *m, const struct repo_name *repo,
                                  const char *const *digests, size_t n, bool *rows, struct err *e)
{
    AUTO(wanted) struct wanted w = {0};

    for (size_t i = 0; i < n; i++) {
        char tag[DIGEST_TEXT_MAX + 8];
        char *colon;

        snprintf(tag, sizeof(tag), "%s.sig", digests[i]);
        colon = strchr(tag, ':');
        if (colon)
            *colon = '-';
        want(&w, dynamo_key_tag(repo_name_str(repo), str_of(tag)));
    }
    TRY(get_wanted(m, &w, e));
    for (size_t i = 0; i < n; i++) {
        rows[i] = got(&w, i) != NULL;
        TRY(has_signature(m, repo, str_of(digests[i]), &rows[i], e));
    }
    return ERR_OK;
}

/* ---- records */

static enum err_code record_from(struct meta *m, const json_t *item, struct meta_record *ret,
                                 struct err *e)
{
    AUTO(buf) struct buf value = {0};

    buf_init(&value, TEXT_MAX);
    TRY(dynamo_text_read(link_of(m), item, "value", dynamo_link_end(link_of(m)), &value, e));
    *ret = (struct meta_record){.key = str_dup(item_get_text(item, "sk")),
                                .value = str_dup(buf_str(&value)),
                                .version = item_get_number(item, "version")};
    return ERR_OK;
}

static enum err_code records_among(struct meta *m, struct str collection, const char *const *keys,
                                   size_t n, struct meta_record *rows, struct err *e)
{
    AUTO(wanted) struct wanted w = {0};

    for (size_t i = 0; i < n; i++)
        want(&w, dynamo_key_record(collection, str_of(keys[i])));
    TRY(get_wanted(m, &w, e));
    for (size_t i = 0; i < n; i++) {
        if (got(&w, i))
            TRY(record_from(m, got(&w, i), &rows[i], e));
    }
    return ERR_OK;
}

void dynamo_shown_fill(struct meta_driver *d)
{
    d->repo_places = repo_places;
    d->tag_places = tag_places;
    d->repos_shown = repos_shown;
    d->tags_shown = tags_shown;
    d->manifests_shown = manifests_shown;
    d->signed_among = signed_among;
    d->records_among = records_among;
}
