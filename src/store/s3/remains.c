/* What is left of uploads that this process does not know. */
#include "store/s3/s3.h"

#include "base/mem.h"
#include "store/s3/tail.h"

#include <stdio.h>
#include <stdlib.h>

struct remains {
    struct s3 *s;
    struct s3_name *names;
    size_t n;
};

/* Parts that a tail tells of are at a key that not each server finds by the id. */
static enum err_code abort_told(struct s3 *s, const struct s3_name *name, struct err *e)
{
    struct s3_answer tail = {0};
    enum err_code code = s3_head(s->client, name, &tail, e);
    struct s3_tail_parts told;
    struct s3_name parts;

    if (code == ERR_NOT_FOUND || (code == ERR_OK && !s3_tail_hear(tail.meta_parts, &told)))
        return ERR_OK;
    TRY(code);
    s3_upload_name(s, &told.key, &parts);
    return s3_multipart_abort(s->client, &parts, tail.meta_id, e);
}

static enum err_code take_remain(void *ctx, const struct s3_listed *object, struct err *e)
{
    struct remains *r = ctx;
    struct s3_upload_key key;
    struct uuid id;

    if (!s3_upload_key_parse(s3_name_below(r->s, &object->name, STR(S3_UPLOADS)), &key, &id))
        return ERR_OK;
    r->names = mem_resize(r->names, (r->n + 1) * sizeof(r->names[0]));
    r->names[r->n++] = object->name;
    return s3_is_tail(&key) ? abort_told(r->s, &object->name, e) : ERR_OK;
}

static enum err_code delete_all(struct remains *r, const struct uuid *id, struct err *e)
{
    char below[sizeof(S3_UPLOADS) + UUID_TEXT];
    struct s3_upload_key key;
    struct s3_name name;
    bool moves;

    s3_parts_key(id, true, &key);
    s3_upload_name(r->s, &key, &name);
    snprintf(below, sizeof(below), S3_UPLOADS "%s", id->text);
    TRY(s3_list(r->s->client, below, take_remain, r, e));
    TRY(s3_multipart_abort_all(r->s->client, &name, e));
    if (r->n == 0)
        return ERR_OK;
    TRY(s3_upload_moves(r->s, id, &moves, e));
    for (size_t n, i = 0; i < r->n && !moves; i += n) {
        n = r->n - i < S3_DELETE_MOST ? r->n - i : S3_DELETE_MOST;
        TRY(s3_delete_many(r->s->client, r->names + i, n, e));
    }
    return ERR_OK;
}

enum err_code s3_remains_delete(struct s3 *s, const struct uuid *id, struct err *e)
{
    struct remains r = {.s = s};
    enum err_code code = delete_all(&r, id, e);

    free(r.names);
    return code;
}
