/* A layer, in pieces of a size that its first byte says, and the report of an image of it twice;
 * checksums of headers are made right, for no fuzzer guesses them. */
#include "analysis/layer_reader.h"
#include "analysis/report.h"
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK     512u
#define MOST      (256u << 10)
#define SUM_AT    148u
#define SUM_BYTES 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_sums_right(uint8_t *p, size_t n)
{
    for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
        unsigned sum = ' ' * SUM_BYTES;

        if (memcmp(p + at + 257, "ustar", 5) != 0)
            continue;
        for (size_t i = 0; i < BLOCK; i++)
            sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? 0 : p[at + i];
        for (size_t i = SUM_AT + 6; i-- > SUM_AT; sum /= 8)
            p[at + i] = (uint8_t)('0' + sum % 8);
        p[at + SUM_AT + 6] = '\0';
        p[at + SUM_AT + 7] = ' ';
    }
}

static enum err_code take(const uint8_t *p, size_t n, size_t piece, struct layer_files **ret,
                          struct err *e)
{
    static const struct layer_limits limits = {
        .max_unpacked_bytes = 8u << 20, .max_ratio = 100, .memory_bytes = 1u << 20};
    AUTO(layer_reader) struct layer_reader *r = layer_reader_new(&limits, false);

    for (size_t at = 0; at < n; at += piece)
        TRY(layer_reader_feed(r, p + at, piece < n - at ? piece : n - at, e));
    return layer_reader_end(r, 0, ret, e);
}

static void report(const struct layer_files *list)
{
    static const char *const digests[] = {"sha256:a", "sha256:a"};
    const struct layer_files *lists[] = {list, list};
    const struct report_image image = {digests, NULL};
    AUTO(image_tree) struct image_tree *t = NULL;
    AUTO(buf) struct buf out = {0};
    struct err e;

    buf_init(&out, 16u << 20);
    if (image_tree_new(lists, 2, 4u << 20, &t, &e) == ERR_OK &&
        report_json(t, &image, 4u << 20, &out, &e) == ERR_OK) {
        AUTO(json) json_t *j = json_loadb(out.p, out.n, 0, NULL);

        assert(j);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(mem) uint8_t *p = NULL;
    AUTO(layer_files) struct layer_files *list = NULL;
    struct err e = {0};

    if (size < 2 || size > MOST)
        return 0;
    p = malloc(size - 1);
    memcpy(p, data + 1, size - 1);
    make_sums_right(p, size - 1);
    if (take(p, size - 1, 1 + (size_t)data[0] * 7, &list, &e) == ERR_OK)
        report(list);
    else
        assert(e.public_detail);
    return 0;
}
