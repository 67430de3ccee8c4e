/* An archive of images, in pieces of a size that its first byte says; checksums of headers are made
 * right, so that headers are read. What is accepted names only what is there. */
#include "../archives/hash_sink.h"
#include "archive/archive.h"
#include "base/mem.h"

#include <assert.h>

static void make_sums_right(unsigned char *p, size_t n)
{
    for (; n >= 512; p += 512, n -= 512) {
        unsigned sum = 0;

        if (memcmp(p + 257, "ustar", 5) != 0)
            continue;
        memset(p + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++)
            sum += p[i];
        for (int i = 5; i >= 0; i--, sum >>= 3)
            p[148 + i] = (unsigned char)('0' + (sum & 7));
        p[154] = '\0';
    }
}

static void check(const struct archive_verdict *v)
{
    assert(v->n_images > 0);
    for (size_t i = 0; i < v->n_images; i++)
        assert(v->images[i].manifest < v->n_manifests);
    for (size_t i = 0; i < v->n_blobs; i++)
        assert(v->blobs[i].digest.n > 0 && (v->blobs[i].bytes || v->blobs[i].content));
    for (size_t i = 0; i < v->n_manifests; i++) {
        struct digest d;

        digest_of(v->manifests[i].digest.algorithm, v->manifests[i].bytes.p,
                  v->manifests[i].bytes.n, &d);
        assert(digest_eq(&d, &v->manifests[i].digest));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct archive_limits limits = {
        .max_bytes = 1 << 20,
        .max_unpacked_bytes = 4 << 20,
        .max_ratio = 1000,
        .max_members = 100,
        .json_bytes = 64 << 10,
        .memory_bytes = 256 << 10,
        .decoder_bytes = 16 << 20,
    };
    size_t piece = n > 0 ? data[0] * 16u + 1 : 1;
    unsigned char *p = mem_alloc(n);
    struct archive *a = archive_new(&limits, &hash_sink, NULL);
    const struct archive_verdict *v;
    static const struct packing_form quick = {PACKED_ZSTD, 1};
    enum err_code code = ERR_OK;
    struct err e = {0};

    if (n > 1 && data[1] % 2)
        archive_pack(a, &quick);
    memcpy(p, data, n);
    make_sums_right(p, n);
    for (size_t at = 0; at < n && code == ERR_OK; at += piece)
        code = archive_feed(a, p + at, piece < n - at ? piece : n - at, &e);
    if (code == ERR_OK)
        code = archive_end(a, &v, &e);
    if (code == ERR_OK)
        check(v);
    else
        assert(archive_refusal(a)->code != REFUSAL_NONE && e.public_detail);
    archive_free(a);
    assert(open_contents == 0);
    free(p);
    return 0;
}
