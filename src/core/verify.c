#include "core/verify.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdlib.h>

#define BUFFER_BYTES (128 * 1024)

struct verify {
    struct reader reader;
    struct reader *inner;
    struct digest digest;
    uint64_t size_bytes, at_bytes;
    struct hasher *hasher; /* NULL once the content was found to match */
    bool seeking;          /* all is to be read before what is at target_bytes */
    uint64_t target_bytes;
};

static enum err_code check(struct verify *v, struct err *e)
{
    struct digest actual;

    hasher_digest(v->hasher, &actual);
    if (!digest_eq(&actual, &v->digest)) {
        reader_distrust(v->inner);
        return err_set(e, ERR_CORRUPT, "stored content of %s has the digest %s", v->digest.text,
                       actual.text);
    }
    hasher_free(v->hasher);
    v->hasher = NULL;
    return ERR_OK;
}

static enum err_code read_checked(struct verify *v, void *buf, size_t cap, size_t *ret_n,
                                  struct err *e)
{
    TRY(reader_read(v->inner, buf, cap, ret_n, e));
    if (!v->hasher || cap == 0)
        return ERR_OK;
    if (*ret_n == 0 && v->at_bytes < v->size_bytes)
        return err_set(e, ERR_CORRUPT, "stored content of %s is too short", v->digest.text);
    if (*ret_n > v->size_bytes - v->at_bytes)
        return err_set(e, ERR_CORRUPT, "stored content of %s is too long", v->digest.text);
    hasher_update(v->hasher, buf, *ret_n);
    v->at_bytes += *ret_n;
    return v->at_bytes == v->size_bytes ? check(v, e) : ERR_OK;
}

/* Reads the rest, so that the digest of all is known before any part is handed out, and goes to
 * where the seek was to. LATER: to be called again. */
static enum err_code go_there(struct verify *v, struct err *e)
{
    AUTO(mem) char *buf = mem_alloc(BUFFER_BYTES);
    size_t n;

    do {
        TRY(read_checked(v, buf, BUFFER_BYTES, &n, e));
    } while (n > 0);
    if (v->hasher)
        TRY(check(v, e));
    TRY(reader_seek(v->inner, v->target_bytes, e));
    v->seeking = false;
    return ERR_OK;
}

static enum err_code verify_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    struct verify *v = (struct verify *)r;

    if (v->seeking)
        TRY(go_there(v, e));
    return read_checked(v, buf, cap, ret_n, e);
}

static enum err_code begin_anew(struct verify *v, struct err *e)
{
    if (v->at_bytes > 0) {
        hasher_free(v->hasher);
        v->hasher = hasher_new(v->digest.algorithm);
        v->at_bytes = 0;
    }
    return reader_seek(v->inner, 0, e);
}

static enum err_code verify_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    struct verify *v = (struct verify *)r;
    enum err_code code;

    v->target_bytes = offset_bytes;
    if (v->seeking || (v->hasher && offset_bytes == v->at_bytes))
        return ERR_OK;
    if (!v->hasher)
        return reader_seek(v->inner, offset_bytes, e);
    TRY(begin_anew(v, e));
    v->seeking = true;
    code = go_there(v, e);
    return code == ERR_LATER ? ERR_OK : code;
}

static int verify_wait_fd(struct reader *r)
{
    return reader_wait_fd(((struct verify *)r)->inner);
}

static void verify_free(struct reader *r)
{
    struct verify *v = (struct verify *)r;

    reader_free(v->inner);
    hasher_free(v->hasher);
    free(v);
}

static const struct reader_ops verify_ops = {
    .read = verify_read,
    .seek = verify_seek,
    .wait_fd = verify_wait_fd,
    .free = verify_free,
};

struct reader *verify_reader_new(struct reader *inner, const struct digest *d, uint64_t size_bytes)
{
    struct verify *v = NEW(struct verify);

    v->reader.ops = &verify_ops;
    v->reader.cache = inner->cache;
    v->inner = inner;
    v->digest = *d;
    v->size_bytes = size_bytes;
    v->hasher = hasher_new(d->algorithm);
    return &v->reader;
}
