/* Files that are kept as they were uploaded: images/USER/TIME/ID.tar.gz below the prefix. */
#include "store/s3/s3.h"

enum err_code s3_original_open(struct store *store, const struct store_original_name *name,
                               uint64_t known_bytes, struct reader **ret_reader,
                               uint64_t *ret_size_bytes, struct err *e)
{
    static const struct digest an_original = {.n = 11, .text = "an original"}; /* for messages */
    struct s3 *s = s3_of(store);
    struct s3_answer object = {0};
    struct s3_name key;

    s3_original_name(s, name, &key);
    if (known_bytes == UINT64_MAX) {
        TRY(s3_head(s->client, &key, &object, e));
        known_bytes = object.total_bytes;
    }
    *ret_size_bytes = known_bytes;
    return s3_reader_of(s->client, &key, &an_original, known_bytes, ret_reader, e);
}

enum err_code s3_original_delete(struct store *store, const struct store_original_name *name,
                                 struct err *e)
{
    struct s3_name key;

    s3_original_name(s3_of(store), name, &key);
    return s3_delete(s3_of(store)->client, &key, e);
}

struct each {
    struct s3 *s;
    store_original_fn fn;
    void *ctx;
};

static enum err_code each_one(void *ctx, const struct s3_listed *object, struct err *e)
{
    const struct each *at = ctx;
    struct store_original o = {.size_bytes = object->size_bytes,
                               .modified_ms = object->modified_ms};
    struct str below = s3_name_below(at->s, &object->name, STR(STORE_ORIGINALS));

    if (!below.p || !store_original_name_parse(below, &o.name))
        return ERR_OK;
    return at->fn(at->ctx, &o, e);
}

enum err_code s3_original_each(struct store *store, store_original_fn fn, void *ctx, struct err *e)
{
    struct each at = {.s = s3_of(store), .fn = fn, .ctx = ctx};

    return s3_list(at.s->client, STORE_ORIGINALS, each_one, &at, e);
}
