/* What clients send to the server themselves, by URLs that are signed for them. */
#include "store/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>

#define MIB (1ull << 20)

/* The key that an upload of that id would have first: so it is found, and removed, as one is. */
static void name_of(const struct s3 *s, const struct uuid *id, struct s3_name *ret_name)
{
    struct s3_upload_key key;

    s3_parts_key(id, true, &key);
    s3_upload_name(s, &key, ret_name);
}

/* As uploads have them, and larger where there would be too many. */
static uint64_t part_bytes(const struct store_s3_options *o, uint64_t size_bytes)
{
    uint64_t least = (size_bytes / STORE_DIRECT_PARTS_MAX / MIB + 1) * MIB;

    return o->part_bytes > least ? o->part_bytes : least;
}

/* Of parts the server is asked for encryption by us; of a whole, it would have to be asked by the
 * client. */
enum err_code s3_direct_begin(struct store *store, const struct uuid *id, uint64_t size_bytes,
                              struct store_direct *ret_direct, struct err *e)
{
    struct s3 *s = s3_of(store);
    const struct store_s3_options *o = s3_client_options(s->client);
    struct store_direct d = {.id = *id, .size_bytes = size_bytes};
    struct s3_name name;

    d.part_bytes = part_bytes(o, size_bytes);
    name_of(s, id, &name);
    if (size_bytes > d.part_bytes || o->sse != STORE_S3_SSE_NONE)
        TRY(s3_multipart_create(s->client, &name, d.upload, e));
    *ret_direct = d;
    return ERR_OK;
}

enum err_code s3_direct_url(struct store *store, const struct store_direct *d, unsigned number,
                            unsigned expires_s, struct buf *ret_url, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_name name;

    name_of(s, &d->id, &name);
    return s3_presigned_put(s->client, &name, d->upload, number, expires_s, ret_url, e);
}

static uint64_t bytes_of(const struct s3_parts *parts)
{
    uint64_t n = 0;

    for (size_t i = 0; i < parts->n; i++)
        n += parts->items[i].size_bytes;
    return n;
}

/* BLOB_UPLOAD_UNKNOWN: they have become one before, or nothing is there. */
static enum err_code join(struct s3 *s, const struct s3_name *name, const struct store_direct *d,
                          uint64_t *ret_come_bytes, struct err *e)
{
    struct s3_parts parts = {0};
    enum err_code code = s3_parts_list(s->client, name, d->upload, &parts, e);

    *ret_come_bytes = bytes_of(&parts);
    if (code == ERR_OK && *ret_come_bytes == d->size_bytes)
        code = s3_multipart_complete(s->client, name, d->upload, &parts, NULL, e);
    free(parts.items);
    return code;
}

enum err_code s3_direct_end(struct store *store, const struct store_direct *d,
                            uint64_t *ret_come_bytes, struct err *e)
{
    struct s3 *s = s3_of(store);
    struct s3_answer a = {0};
    struct s3_name name;
    enum err_code code;

    name_of(s, &d->id, &name);
    if (d->upload[0]) {
        code = join(s, &name, d, ret_come_bytes, e);
        if (code != ERR_BLOB_UPLOAD_UNKNOWN)
            return code;
    }
    code = s3_head(s->client, &name, &a, e);
    *ret_come_bytes = code == ERR_OK ? a.total_bytes : 0;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

enum err_code s3_direct_open(struct store *store, const struct store_direct *d,
                             struct reader **ret_reader, struct err *e)
{
    static const struct digest direct = {.n = 15, .text = "a direct upload"}; /* for messages */
    struct s3 *s = s3_of(store);
    struct s3_name name;

    name_of(s, &d->id, &name);
    return s3_reader_of(s->client, &name, &direct, d->size_bytes, ret_reader, e);
}
