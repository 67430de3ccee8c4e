/* Where a blob is: at its key, or where it came as long as it is being moved there. */
#include "store/s3/s3.h"

enum err_code s3_blob_unknown(const struct digest *d, struct err *e)
{
    return err_set(e, ERR_BLOB_UNKNOWN, "no %s in the bucket", d->text);
}

struct pointer {
    const struct s3 *s;
    struct s3_upload_key from; /* "": none was found */
};

static enum err_code found_pointer(void *ctx, const struct s3_listed *object, struct err *e)
{
    struct pointer *p = ctx;
    struct s3_upload_key from;
    struct digest d;

    (void)e;
    if (s3_move_name_parse(p->s, &object->name, &d, &from))
        p->from = from;
    return ERR_OK;
}

enum err_code s3_move_find(struct s3 *s, const struct digest *d, struct s3_upload_key *ret_from,
                           struct err *e)
{
    struct pointer p = {.s = s};
    char below[S3_MOVES_BELOW_MAX];

    s3_moves_below(d, below);
    TRY(s3_list(s->client, below, found_pointer, &p, e));
    if (!p.from.text[0])
        return err_set(e, ERR_NOT_FOUND, "%s is not being moved", d->text);
    *ret_from = p.from;
    return ERR_OK;
}

static enum err_code size_at(struct s3 *s, const struct s3_name *name, uint64_t *ret_size_bytes,
                             struct err *e)
{
    struct s3_answer a = {0};

    TRY(s3_head(s->client, name, &a, e));
    *ret_size_bytes = a.total_bytes;
    return ERR_OK;
}

enum err_code s3_blob_find(struct s3 *s, const struct digest *d, struct s3_name *ret_name,
                           uint64_t *ret_size_bytes, struct err *e)
{
    struct s3_upload_key from;
    enum err_code code;

    if (!s3_keeper_moving(s->keeper, d, &from)) {
        s3_blob_name(s, d, ret_name);
        code = size_at(s, ret_name, ret_size_bytes, e);
        if (code != ERR_NOT_FOUND)
            return code;
        code = s3_move_find(s, d, &from, e);
        if (code != ERR_OK)
            return code == ERR_NOT_FOUND ? s3_blob_unknown(d, e) : code;
    }
    s3_upload_name(s, &from, ret_name);
    code = size_at(s, ret_name, ret_size_bytes, e);
    if (code == ERR_NOT_FOUND) { /* moved just now */
        s3_blob_name(s, d, ret_name);
        code = size_at(s, ret_name, ret_size_bytes, e);
    }
    return code == ERR_NOT_FOUND ? s3_blob_unknown(d, e) : code;
}

/* A blob that came to its key between the looks at key and pointer is found by the second round. */
static enum err_code find_surely(struct s3 *s, const struct digest *d, uint64_t *ret_size_bytes,
                                 struct err *e)
{
    struct s3_name name;
    enum err_code code = s3_blob_find(s, d, &name, ret_size_bytes, e);

    return code == ERR_BLOB_UNKNOWN ? s3_blob_find(s, d, &name, ret_size_bytes, e) : code;
}

enum err_code s3_blob_stat(struct store *store, const struct repo_name *repo,
                           const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    (void)repo;
    return find_surely(s3_of(store), d, ret_size_bytes, e);
}
