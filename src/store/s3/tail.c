#include "store/s3/tail.h"

#include <stdio.h>

void s3_tail_hash(const struct s3_parts *parts, struct digest *ret_digest)
{
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);

    for (size_t i = 0; i < parts->n; i++) {
        struct str tag = s3_etag_bare(parts->items[i].etag);

        hasher_update(h, tag.p, tag.n);
        hasher_update(h, "\n", 1);
    }
    hasher_digest(h, ret_digest);
}

void s3_tail_tell(const struct s3_parts *parts, const struct s3_upload_key *key,
                  char dst[static S3_TAIL_PARTS_MAX])
{
    struct digest tags;

    s3_tail_hash(parts, &tags);
    snprintf(dst, S3_TAIL_PARTS_MAX, "%zu %s %s", parts->n, tags.text, key->text);
}

bool s3_tail_hear(const char *text, struct s3_tail_parts *ret_parts)
{
    struct str rest = str_of(text), n, tags;
    struct uuid id;
    uint64_t number;

    if (!str_cut(&rest, ' ', &n) || !str_to_u64_up_to(n, S3_PARTS_MAX, &number) ||
        !str_cut(&rest, ' ', &tags) ||
        digest_parse(tags, &ret_parts->tags, ERR_IGNORED) != ERR_OK ||
        !s3_upload_key_parse(rest, &ret_parts->key, &id))
        return false;
    ret_parts->n = (size_t)number;
    return true;
}

struct newest {
    const struct s3 *s;
    struct s3_upload_key tail;
};

static enum err_code take_newer(void *ctx, const struct s3_listed *object, struct err *e)
{
    struct newest *at = ctx;
    struct s3_upload_key key;
    struct uuid id;

    (void)e;
    if (s3_upload_key_parse(s3_name_below(at->s, &object->name, STR(S3_UPLOADS)), &key, &id) &&
        s3_tail_number(&key) > 0 && strcmp(key.text, at->tail.text) > 0)
        at->tail = key;
    return ERR_OK;
}

static enum err_code find_once(struct s3 *s, const struct uuid *id, struct s3_upload_key *ret_key,
                               struct s3_answer *ret_tail, struct err *e)
{
    struct newest newest = {.s = s};
    char below[sizeof(S3_UPLOADS S3_TAIL "_") + UUID_TEXT];
    struct s3_name name;

    snprintf(below, sizeof(below), S3_UPLOADS "%s" S3_TAIL "_", id->text);
    TRY(s3_list(s->client, below, take_newer, &newest, e));
    *ret_key = newest.tail;
    if (!newest.tail.text[0])
        return err_set(e, ERR_NOT_FOUND, "upload %s has no tail", id->text);
    s3_upload_name(s, &newest.tail, &name);
    return s3_head(s->client, &name, ret_tail, e);
}

#define FIND_TRIES 3 /* another process may replace it just then */

enum err_code s3_tail_find(struct s3 *s, const struct uuid *id, struct s3_upload_key *ret_key,
                           struct s3_answer *ret_tail, struct err *e)
{
    enum err_code code = ERR_NOT_FOUND;

    for (int i = 0; i < FIND_TRIES; i++) {
        code = find_once(s, id, ret_key, ret_tail, e);
        if (code != ERR_NOT_FOUND || !ret_key->text[0])
            return code;
    }
    return err_set(e, ERR_UNAVAILABLE, "another process goes on with upload %s", id->text);
}
