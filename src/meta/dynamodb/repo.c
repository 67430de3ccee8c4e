/* What a repository holds, and what happened to its tags. */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#define PAGE_MOST 1000000 /* of one request: what is more is asked for again */
#define TEXT_MAX  (64u << 20)

static struct dynamo_link *link_of(struct meta *m)
{
    return dynamo_of(m)->link;
}

static size_t page_of(size_t limit)
{
    return limit < PAGE_MOST ? limit + 1 : 0; /* one more says whether there are others */
}

/* ---- tags */

enum err_code dynamo_repo_tag(struct meta *m, const json_t *item, struct meta_repo_tag *ret,
                              struct err *e)
{
    if (tag_name_parse(item_get_text(item, "sk"), &ret->name, ERR_IGNORED) != ERR_OK ||
        digest_parse(item_get_text(item, "digest"), &ret->digest, ERR_IGNORED) != ERR_OK)
        return dynamo_damaged(m, "tag", e);
    ret->version = item_get_number(item, "version");
    ret->pushed_ms = item_get_number(item, "pushed");
    return ERR_OK;
}

static enum err_code repo_tags(struct meta *m, const struct repo_name *repo, struct str after,
                               size_t limit, struct meta_repo_tag_list *ret_list, struct err *e)
{
    struct dynamo_key key = dynamo_key_tag(repo_name_str(repo), after);
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk,
                                        .above = after.n > 0 ? key.sk : NULL,
                                        .page = page_of(limit)}};
    AUTO(meta_repo_tags) struct meta_repo_tag_list l = {0};
    json_t *item;

    for (;;) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(dynamo_repo_tag(m, item, &l.rows[l.n], e));
        l.n++;
        dynamo_cursor_step(&c);
    }
    l.more = item != NULL;
    *ret_list = l;
    l = (struct meta_repo_tag_list){0};
    return ERR_OK;
}

/* ---- manifests and blobs */

static enum err_code manifest_from(struct meta *m, const json_t *item,
                                   struct meta_repo_manifest *ret, struct err *e)
{
    struct str subject = item_get_text(item, "subject");
    AUTO(buf) struct buf bytes = {0};

    *ret = (struct meta_repo_manifest){.since_ms = item_get_number(item, "since"),
                                       .named = item_get_number(item, "uses") > 0};
    if (digest_parse(item_get_text(item, "digest"), &ret->digest, ERR_IGNORED) != ERR_OK ||
        (subject.n > 0 && digest_parse(subject, &ret->subject, ERR_IGNORED) != ERR_OK))
        return dynamo_damaged(m, "manifest", e);
    buf_init(&bytes, TEXT_MAX);
    TRY(dynamo_text_read(link_of(m), item, "bytes", dynamo_link_end(link_of(m)), &bytes, e));
    ret->size_bytes = bytes.n;
    return ERR_OK;
}

struct reading {
    struct meta *meta;
    struct meta_repo_manifest_list manifests;
    struct meta_repo_blob_list blobs;
};

static enum err_code add_manifest(void *ctx, const json_t *item, struct err *e)
{
    struct reading *r = ctx;
    struct meta_repo_manifest_list *l = &r->manifests;

    l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
    TRY(manifest_from(r->meta, item, &l->rows[l->n], e));
    l->n++;
    return ERR_OK;
}

static enum err_code repo_manifests(struct meta *m, const struct repo_name *repo, struct str after,
                                    size_t limit, struct meta_repo_manifest_list *ret_list,
                                    struct err *e)
{
    struct reading r = {.meta = m};
    struct dynamo_held_page page;
    enum err_code code = dynamo_held_each(link_of(m), repo_name_str(repo), true, after, limit,
                                          add_manifest, &r, &page, e);

    if (code != ERR_OK) {
        meta_repo_manifest_list_done(&r.manifests);
        return code;
    }
    r.manifests.next = page.more ? mem_strdup(page.last) : NULL;
    *ret_list = r.manifests;
    return ERR_OK;
}

/* All that have a blob are in its partition. */
static enum err_code is_shared(struct meta *m, const json_t *item, bool *ret_shared, struct err *e)
{
    struct str pk = item_get_text(item, "pk");
    AUTO(dynamo_cursor) struct dynamo_cursor c = {.range = {.partition = pk.p, .page = 2}};
    json_t *other;
    unsigned n = 0;

    for (;; dynamo_cursor_step(&c)) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &other, e));
        if (!other || n == 2)
            break;
        n += item_has(other, "size");
    }
    *ret_shared = n == 2;
    return ERR_OK;
}

static enum err_code blob_from(struct meta *m, const json_t *item, struct meta_repo_blob *ret,
                               struct err *e)
{
    *ret = (struct meta_repo_blob){.size_bytes = (uint64_t)item_get_number(item, "size"),
                                   .named = item_get_number(item, "uses") > 0};
    if (digest_parse(item_get_text(item, "digest"), &ret->digest, ERR_IGNORED) != ERR_OK)
        return dynamo_damaged(m, "digest of a blob", e);
    return is_shared(m, item, &ret->shared, e);
}

static enum err_code add_blob(void *ctx, const json_t *item, struct err *e)
{
    struct reading *r = ctx;
    struct meta_repo_blob_list *l = &r->blobs;

    l->rows = mem_resize(l->rows, (l->n + 1) * sizeof(*l->rows));
    TRY(blob_from(r->meta, item, &l->rows[l->n], e));
    l->n++;
    return ERR_OK;
}

static enum err_code repo_blobs(struct meta *m, const struct repo_name *repo, struct str after,
                                size_t limit, struct meta_repo_blob_list *ret_list, struct err *e)
{
    struct reading r = {.meta = m};
    struct dynamo_held_page page;
    enum err_code code = dynamo_held_each(link_of(m), repo_name_str(repo), false, after, limit,
                                          add_blob, &r, &page, e);

    if (code != ERR_OK) {
        meta_repo_blob_list_done(&r.blobs);
        return code;
    }
    r.blobs.next = page.more ? mem_strdup(page.last) : NULL;
    *ret_list = r.blobs;
    return ERR_OK;
}

/* ---- history of tags */

static enum err_code move_from(struct meta *m, const json_t *item, struct meta_move *ret,
                               struct err *e)
{
    struct meta_move v = {.version = item_get_number(item, "version"),
                          .time_ms = item_get_number(item, "time")};
    struct str digest = item_get_text(item, "digest"), previous = item_get_text(item, "previous");

    if ((digest.n > 0 && digest_parse(digest, &v.digest, ERR_IGNORED) != ERR_OK) ||
        (previous.n > 0 && digest_parse(previous, &v.previous, ERR_IGNORED) != ERR_OK))
        return err_set(e, ERR_CORRUPT, "table %s: damaged history of a tag",
                       dynamo_link_where(link_of(m)));
    v.actor = str_dup(item_get_text(item, "actor"));
    *ret = v;
    return ERR_OK;
}

static enum err_code moves(struct meta *m, const struct repo_name *repo, const struct tag_name *tag,
                           int64_t before, size_t limit, struct meta_move_list *ret_list,
                           struct err *e)
{
    struct dynamo_key to =
        dynamo_key_move(repo_name_str(repo), tag_name_str(tag), before > 0 ? before - 1 : 0);
    struct dynamo_key from = dynamo_key_move(repo_name_str(repo), tag_name_str(tag), 0);
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = to.pk,
                                        .from = from.sk,
                                        .to = to.sk,
                                        .backwards = true,
                                        .page = page_of(limit)}};
    AUTO(moves) struct meta_move_list l = {0};
    json_t *item;

    for (;;) {
        TRY(dynamo_cursor_peek(link_of(m), &c, dynamo_link_end(link_of(m)), &item, e));
        if (!item || l.n == limit)
            break;
        l.rows = mem_resize(l.rows, (l.n + 1) * sizeof(*l.rows));
        TRY(move_from(m, item, &l.rows[l.n], e));
        l.n++;
        dynamo_cursor_step(&c);
    }
    l.more = item != NULL;
    *ret_list = l;
    l = (struct meta_move_list){0};
    return ERR_OK;
}

enum err_code dynamo_moves_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms, struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages ages = {.from = ""};

    dynamo_ages_init(&ages, "move", before_ms, 0);
    return dynamo_delete_all(d->link, &ages.merge, end_ms, e);
}

void dynamo_repo_fill(struct meta_driver *d)
{
    d->repo_tags = repo_tags;
    d->repo_manifests = repo_manifests;
    d->repo_blobs = repo_blobs;
    d->moves = moves;
}
