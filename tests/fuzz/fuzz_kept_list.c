/* A kept list of a layer's files (analysis/kept_list.h): what can be read is written as bytes that
 * are read as the same list. */
#include "analysis/kept_list.h"
#include "base/buf.h"

#include <assert.h>

#define OF         STR("x")
#define MEMORY     (1u << 20)
#define OUTPUT_MAX (64u << 20)

struct bytes {
    struct reader reader;
    struct str rest;
};

static enum err_code next(struct reader *r, void *buf, size_t cap, size_t *ret_n, struct err *e)
{
    struct bytes *b = (struct bytes *)r;
    size_t n = b->rest.n < cap ? b->rest.n : cap;

    (void)e;
    if (n > 0)
        memcpy(buf, b->rest.p, n);
    b->rest = str_sub(b->rest, n, b->rest.n - n);
    *ret_n = n;
    return ERR_OK;
}

static const struct reader_ops ops = {.read = next};

static enum err_code add(void *ctx, const void *p, size_t n, struct err *e)
{
    (void)e;
    buf_add(ctx, p, n);
    return ERR_OK;
}

static enum err_code restore(struct str bytes, struct layer_files **ret_files)
{
    struct bytes in = {.reader = {&ops}, .rest = bytes};

    return kept_list_read(&in.reader, OF, MEMORY, NULL, NULL, ret_files, ERR_IGNORED);
}

static void write_list(const struct layer_files *f, struct buf *dst)
{
    enum err_code code = kept_list_write(f, OF, add, dst, ERR_IGNORED);

    assert(code == ERR_OK && !dst->full);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(layer_files) struct layer_files *files = NULL, *again = NULL;
    AUTO(buf) struct buf once = {0};
    AUTO(buf) struct buf twice = {0};
    enum err_code code = restore((struct str){(const char *)data, n}, &files);

    assert(code == ERR_OK || code == ERR_CORRUPT || code == ERR_IMAGE_TOO_LARGE);
    if (code != ERR_OK)
        return 0;
    buf_init(&once, OUTPUT_MAX);
    buf_init(&twice, OUTPUT_MAX);
    write_list(files, &once);
    code = restore(buf_str(&once), &again);
    assert(code == ERR_OK);
    write_list(again, &twice);
    assert(once.n == twice.n && memcmp(once.p, twice.p, once.n) == 0);
    return 0;
}
