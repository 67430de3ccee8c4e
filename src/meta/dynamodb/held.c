/*
 * What a repository has: a row for each blob and manifest leads from it to their items. It is
 * written with them, and read consistently, so that what is there is found; what it leads to is
 * looked at, and may be gone.
 */
#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"

#include <stdlib.h>

#define PAGE 500 /* rows that are looked at together */

void dynamo_held(struct dynamo_tx *tx, struct str repo, bool manifest, struct str digest)
{
    dynamo_cell_put(dynamo_cell_of(tx, dynamo_key_held(repo, manifest, digest)));
}

void dynamo_not_held(struct dynamo_tx *tx, struct str repo, bool manifest, struct str digest)
{
    dynamo_cell_delete(dynamo_cell_of(tx, dynamo_key_held(repo, manifest, digest)));
}

static struct dynamo_key key_of(struct str repo, bool manifest, struct str digest)
{
    return manifest ? dynamo_key_manifest(repo, digest) : dynamo_key_blob(repo, digest);
}

/* Some digests, in their order, and the items that belong to them, by partition. */
struct batch {
    char (*digests)[DIGEST_TEXT_MAX + 1];
    size_t n;
    json_t *items;
};

static void auto_batch_(struct batch *b)
{
    free(b->digests);
    json_decref(b->items);
}

static enum err_code next_digests(struct dynamo_link *l, struct dynamo_cursor *c, size_t most,
                                  struct batch *b, struct err *e)
{
    json_t *item;

    b->digests = mem_alloc(most * sizeof(*b->digests));
    while (b->n < most) {
        struct str sk;

        TRY(dynamo_cursor_peek(l, c, dynamo_link_end(l), &item, e));
        if (!item)
            return ERR_OK;
        sk = item_get_text(item, "sk");
        if (sk.n > 2 && str_copy(str_sub(sk, 2, sk.n - 2), b->digests[b->n], sizeof(*b->digests)))
            b->n++;
        dynamo_cursor_step(c);
    }
    return ERR_OK;
}

static enum err_code read_items(struct dynamo_link *l, struct str repo, bool manifest,
                                struct batch *b, struct err *e)
{
    AUTO(json) json_t *keys = json_array();
    AUTO(json) json_t *items = NULL;
    json_t *item;
    size_t i;

    for (i = 0; i < b->n; i++) {
        struct dynamo_key key = key_of(repo, manifest, str_of(b->digests[i]));

        json_array_append_new(keys, dynamo_key_json(key.pk, key.sk));
    }
    TRY(dynamo_get_many(l, keys, dynamo_link_end(l), &items, e));
    b->items = json_object();
    json_array_foreach(items, i, item) json_object_set(b->items, item_get_text(item, "pk").p, item);
    return ERR_OK;
}

static enum err_code give(struct str repo, bool manifest, const struct batch *b, dynamo_held_fn fn,
                          void *ctx, struct err *e)
{
    const char *mark = manifest ? "media" : "size";

    for (size_t i = 0; i < b->n; i++) {
        struct dynamo_key key = key_of(repo, manifest, str_of(b->digests[i]));
        const json_t *item = json_object_get(b->items, key.pk);

        if (item_has(item, mark))
            TRY(fn(ctx, item, e));
    }
    return ERR_OK;
}

enum err_code dynamo_held_each(struct dynamo_link *l, struct str repo, bool manifest,
                               struct str after, size_t limit, dynamo_held_fn fn, void *ctx,
                               struct dynamo_held_page *ret_page, struct err *e)
{
    struct dynamo_key key = dynamo_key_held(repo, manifest, after);
    AUTO(dynamo_cursor)
    struct dynamo_cursor c = {.range = {.partition = key.pk,
                                        .above = after.n > 0 ? key.sk : NULL,
                                        .prefix = DYNAMO_HELD_PREFIX(manifest),
                                        .page = limit < PAGE ? limit + 1 : 0}};
    struct dynamo_held_page page = {.more = true};
    json_t *item = NULL;

    for (size_t done = 0, n; done < limit; done += n) {
        AUTO(batch) struct batch b = {.n = 0};

        TRY(next_digests(l, &c, limit - done < PAGE ? limit - done : PAGE, &b, e));
        n = b.n;
        if (n == 0)
            break;
        TRY(read_items(l, repo, manifest, &b, e));
        TRY(give(repo, manifest, &b, fn, ctx, e));
        memcpy(page.last, b.digests[n - 1], sizeof(page.last));
    }
    TRY(dynamo_cursor_peek(l, &c, dynamo_link_end(l), &item, e));
    page.more = item != NULL;
    *ret_page = page;
    return ERR_OK;
}
