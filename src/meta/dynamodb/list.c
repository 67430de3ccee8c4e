/* Lists: repositories, tags, referrers, pending projections; and what a namespace holds. */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdio.h>

#define PAGE_MOST       1000000 /* of one request: what is more is asked for again */
#define REFERRER_PAGE   (4 << 20)
#define ANNOTATIONS_MAX (64u << 20)
#define PAST_NAMES      "\xF4\x8F\xBF\xBF" /* sorts behind every name */

static struct dynamo_link *link_of(struct meta *m)
{
    return dynamo_of(m)->link;
}

/* A place of a client's as a text that may stand in a key and sorts alike among names, which are
 * ASCII and shorter. */
static void place_of(struct str after, char dst[static DYNAMO_SK_MAX + 1])
{
    size_t n = 0, step;

    while (n < after.n && n < 512 && (step = str_utf8_step(str_sub(after, n, after.n - n))) > 0)
        n += step;
    snprintf(dst, DYNAMO_SK_MAX + 1, "%.*s%s", (int)n, after.p ? after.p : "",
             n < after.n && n < 512 ? PAST_NAMES : "");
}

static size_t page_of(size_t limit)
{
    return limit < PAGE_MOST ? limit + 1 : 0; /* one more says whether there are others */
}

static void add_name(struct meta_name_list *l, size_t *cap, struct str name)
{
    if (l->n == *cap) {
        *cap = *cap ? 2 * *cap : 64;
        l->names = mem_resize(l->names, *cap * sizeof(l->names[0]));
    }
    l->names[l->n++] = str_dup(name);
}

static void hand_over(struct meta_name_list *l, struct meta_name_list *ret)
{
    *ret = *l;
    *l = (struct meta_name_list){0};
}

/* All shards by name; those without manifests are passed over. */
static enum err_code repos(struct meta *m, struct str after, size_t limit,
                           struct meta_name_list *ret_list, struct err *e)
{
    char partitions[DYNAMO_REPO_SHARDS][DYNAMO_PK_MAX + 1], place[DYNAMO_SK_MAX + 1];
    AUTO(dynamo_merge) struct dynamo_merge merge = {.n = DYNAMO_REPO_SHARDS, .by = "sk"};
    AUTO(name_list) struct meta_name_list l = {0};
    int64_t end_ms = dynamo_link_end(link_of(m));
    size_t cap = 0;
    json_t *item;

    place_of(after, place);
    for (unsigned i = 0; i < DYNAMO_REPO_SHARDS; i++) {
        dynamo_repo_partition(i, partitions[i]);
        merge.cursors[i].range = (struct dynamo_range){
            .partition = partitions[i], .above = place[0] ? place : NULL, .page = page_of(limit)};
    }
    for (;;) {
        TRY(dynamo_merge_next(link_of(m), &merge, end_ms, &item, e));
        if (!item)
            break;
        if (item_get_number(item, "manifests") <= 0)
            continue;
        l.more = l.n == limit;
        if (l.more)
            break;
        add_name(&l, &cap, item_get_text(item, "sk"));
    }
    hand_over(&l, ret_list);
    return ERR_OK;
}

/* Names of a range, without a prefix of so many bytes. */
static enum err_code names_of(struct meta *m, struct dynamo_range range, size_t skip, size_t limit,
                              struct meta_name_list *ret_list, struct err *e)
{
    AUTO(dynamo_cursor) struct dynamo_cursor c = {.range = range};
    AUTO(name_list) struct meta_name_list l = {0};
    int64_t end_ms = dynamo_link_end(link_of(m));
    size_t cap = 0;
    json_t *item;

    for (;;) {
        struct str sk;

        TRY(dynamo_cursor_peek(link_of(m), &c, end_ms, &item, e));
        if (!item || l.n == limit)
            break;
        sk = item_get_text(item, "sk");
        add_name(&l, &cap, str_sub(sk, skip, sk.n - skip));
        dynamo_cursor_step(&c);
    }
    l.more = item != NULL;
    hand_over(&l, ret_list);
    return ERR_OK;
}

/* Whether there is such a repository is of interest only where there are no tags. */
static enum err_code tags(struct meta *m, const struct repo_name *repo, struct str after,
                          size_t limit, struct meta_name_list *ret_list, struct err *e)
{
    struct dynamo_key key = dynamo_key_tag(repo_name_str(repo), STR(""));
    char place[DYNAMO_SK_MAX + 1];
    AUTO(name_list) struct meta_name_list l = {0};
    bool exists = true;

    place_of(after, place);
    TRY(names_of(m,
                 (struct dynamo_range){
                     .partition = key.pk, .above = place[0] ? place : NULL, .page = page_of(limit)},
                 0, limit, &l, e));
    if (l.n == 0)
        TRY(meta_repo_exists(m, repo, &exists, e));
    if (!exists)
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", repo->text);
    hand_over(&l, ret_list);
    return ERR_OK;
}

/* The version is read first: what comes between the two is in the list and later than it. */
static enum err_code manifest_tags(struct meta *m, const struct repo_name *repo,
                                   const struct digest *d, struct str after, size_t limit,
                                   struct meta_name_list *ret_list, int64_t *ret_version,
                                   struct err *e)
{
    struct dynamo_key key = dynamo_key_repo(repo_name_str(repo));
    struct dynamo_key head = dynamo_key_manifest(repo_name_str(repo), digest_str(d));
    char place[DYNAMO_SK_MAX + 1], above[DYNAMO_SK_MAX + 3];
    AUTO(json) json_t *item = NULL;

    place_of(after, place);
    snprintf(above, sizeof(above), "t#%s", place);
    TRY(dynamo_get(link_of(m), &key, dynamo_link_end(link_of(m)), &item, e));
    TRY(names_of(m,
                 (struct dynamo_range){.partition = head.pk,
                                       .prefix = "t#",
                                       .above = place[0] ? above : NULL,
                                       .page = page_of(limit)},
                 2, limit, ret_list, e));
    *ret_version = item_get_number(item, "version");
    return ERR_OK;
}

/* ---- referrers */

static void auto_referrer_list_(struct meta_referrer_list *l)
{
    meta_referrer_list_done(l);
}

static enum err_code referrer_from(struct meta *m, const json_t *item, struct meta_referrer *ret,
                                   size_t *bytes, struct err *e)
{
    AUTO(buf) struct buf annotations = {0};

    if (digest_parse(item_get_text(item, "digest"), &ret->digest, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "table %s: damaged digest of a referrer",
                       dynamo_link_where(link_of(m)));
    buf_init(&annotations, ANNOTATIONS_MAX);
    TRY(dynamo_text_read(link_of(m), item, "annotations", dynamo_link_end(link_of(m)), &annotations,
                         e));
    ret->size_bytes = (uint64_t)item_get_number(item, "size");
    ret->media_type = str_dup(item_get_text(item, "media"));
    ret->artifact_type = str_dup(item_get_text(item, "type"));
    ret->annotations_json = str_dup(buf_str(&annotations));
    *bytes += sizeof(*ret) + strlen(ret->media_type) + strlen(ret->artifact_type) + annotations.n;
    return ERR_OK;
}

static enum err_code referrers(struct meta *m, const struct repo_name *repo,
                               const struct digest *subject, struct str artifact_type,
                               struct str after, size_t limit, struct meta_referrer_list *ret_list,
                               struct err *e)
{
    struct dynamo_key key = dynamo_key_referrer(repo_name_str(repo), digest_str(subject), STR(""));
    char prefix[DYNAMO_TYPE_SIZE] = "d#", place[DYNAMO_SK_MAX + 1];
    char above[DYNAMO_TYPE_SIZE + DYNAMO_SK_MAX + 1];
    AUTO(dynamo_cursor) struct dynamo_cursor c = {.ended = false};
    AUTO(referrer_list) struct meta_referrer_list l = {0};
    size_t bytes = 0;
    json_t *item;

    if (artifact_type.n > 0)
        dynamo_type_prefix(artifact_type, prefix);
    place_of(after, place);
    snprintf(above, sizeof(above), "%s%s", prefix, place);
    c.range = (struct dynamo_range){.partition = key.pk,
                                    .prefix = prefix,
                                    .above = place[0] ? above : NULL,
                                    .page = page_of(limit)};
    for (;;) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item || l.n == limit || bytes > REFERRER_PAGE)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(referrer_from(m, item, &l.rows[l.n], &bytes, e));
        l.n++;
        dynamo_cursor_step(&c);
    }
    l.more = item != NULL;
    *ret_list = l;
    l = (struct meta_referrer_list){0};
    return ERR_OK;
}

/* ---- projections */

static enum err_code projection_from(struct meta *m, const json_t *item,
                                     struct meta_projection *ret, struct err *e)
{
    struct meta_projection p = {.version = item_get_number(item, "version")};
    struct str digest = item_get_text(item, "digest");

    p.deleted = digest.n == 0;
    if ((!p.deleted && digest_parse(digest, &p.digest, ERR_IGNORED) != ERR_OK) ||
        repo_name_parse(item_get_text(item, "repo"), &p.repo, ERR_IGNORED) != ERR_OK ||
        tag_name_parse(item_get_text(item, "tag"), &p.tag, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CORRUPT, "table %s: damaged projection",
                       dynamo_link_where(link_of(m)));
    *ret = p;
    return ERR_OK;
}

static struct str holder_of(const json_t *item)
{
    struct str holder = item_get_text(item, "holder");

    return holder.p ? holder : STR("");
}

/* Those of others are passed over: what is pending is little. */
static enum err_code projections(struct meta *m, struct str holder,
                                 struct meta_projection *ret_rows, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages ages = {.from = ""};
    int64_t end_ms = dynamo_link_end(link_of(m));
    size_t n = 0;

    dynamo_ages_init(&ages, "projection", INT64_MAX, cap < PAGE_MOST ? cap : 0);
    while (n < cap) {
        json_t *item;

        TRY(dynamo_merge_next(link_of(m), &ages.merge, end_ms, &item, e));
        if (!item)
            break;
        if (str_eq(holder_of(item), holder))
            TRY(projection_from(m, item, &ret_rows[n++], e));
    }
    *ret_n = n;
    return ERR_OK;
}

static bool is_listed(const struct meta_name_list *l, struct str name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(str_of(l->names[i]), name))
            return true;
    }
    return false;
}

static enum err_code projection_holders(struct meta *m, size_t limit,
                                        struct meta_name_list *ret_list, struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages ages = {.from = ""};
    AUTO(name_list) struct meta_name_list l = {0};
    int64_t end_ms = dynamo_link_end(link_of(m));

    dynamo_ages_init(&ages, "projection", INT64_MAX, 0);
    while (l.n < limit) {
        json_t *item;

        TRY(dynamo_merge_next(link_of(m), &ages.merge, end_ms, &item, e));
        if (!item)
            break;
        if (is_listed(&l, holder_of(item)))
            continue;
        l.names = mem_resize(l.names, (l.n + 1) * sizeof(*l.names));
        l.names[l.n++] = str_dup(holder_of(item));
    }
    *ret_list = l;
    l = (struct meta_name_list){0};
    return ERR_OK;
}

/* ---- what a namespace holds */

static enum err_code add_usage(struct dynamo *d, struct dynamo_range range, int64_t end_ms,
                               struct meta_usage *usage, struct err *e)
{
    AUTO(dynamo_cursor) struct dynamo_cursor c = {.range = range};
    json_t *item;

    for (;;) {
        TRY(dynamo_cursor_peek(d->link, &c, end_ms, &item, e));
        if (!item)
            return ERR_OK;
        usage->bytes += (uint64_t)item_get_number(item, "bytes");
        usage->tags += (uint64_t)item_get_number(item, "tags");
        usage->repositories++;
        dynamo_cursor_step(&c);
    }
}

static enum err_code usage_of_all(struct dynamo *d, int64_t end_ms, struct meta_usage *usage,
                                  struct err *e)
{
    for (unsigned i = 0; i < DYNAMO_REPO_SHARDS; i++) {
        char partition[DYNAMO_PK_MAX + 1];

        dynamo_repo_partition(i, partition);
        TRY(add_usage(d, (struct dynamo_range){.partition = partition}, end_ms, usage, e));
    }
    return ERR_OK;
}

/* A namespace is in one shard: the repository of its name, and what begins with it and "/". */
enum err_code dynamo_usage(struct dynamo *d, struct str space, int64_t end_ms,
                           struct meta_usage *ret_usage, struct err *e)
{
    char partition[DYNAMO_PK_MAX + 1], name[REPO_NAME_MAX + 1], below[REPO_NAME_MAX + 2];
    struct meta_usage usage = {0};

    if (space.n == 0) {
        TRY(usage_of_all(d, end_ms, &usage, e));
        *ret_usage = usage;
        return ERR_OK;
    }
    if (!str_copy(space, name, sizeof(name)))
        return err_set(e, ERR_INTERNAL, "no namespace has so long a name");
    dynamo_repo_partition(dynamo_repo_shard(space), partition);
    snprintf(below, sizeof(below), "%s/", name);
    TRY(add_usage(d, (struct dynamo_range){.partition = partition, .from = name, .to = name},
                  end_ms, &usage, e));
    TRY(add_usage(d, (struct dynamo_range){.partition = partition, .prefix = below}, end_ms, &usage,
                  e));
    *ret_usage = usage;
    return ERR_OK;
}

static enum err_code usage(struct meta *m, struct str space, struct meta_usage *ret_usage,
                           struct err *e)
{
    return dynamo_usage(dynamo_of(m), space, dynamo_link_end(link_of(m)), ret_usage, e);
}

void dynamo_list_fill(struct meta_driver *d)
{
    d->repos = repos;
    d->tags = tags;
    d->manifest_tags = manifest_tags;
    d->referrers = referrers;
    d->projections = projections;
    d->projection_holders = projection_holders;
    d->usage = usage;
}
