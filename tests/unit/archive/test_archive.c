/* An archive as it comes: where its contents are. */
#include "archive/archive.h"

#include "archive/out_layout.h"
#include "archives/hash_sink.h"
#include "base/mem.h"
#include "unit/core/support.h"

#include <stdlib.h>
#include <string.h>

#define LAYER (20u << 10) /* more than is kept in memory */
#define PIECE 700u
#define ZEROS (80u << 20) /* 64 MiB are free */

static void make_archive(struct out_layout *l)
{
    AUTO(mem) char *layer = noise(LAYER, 1);
    struct digest d;
    char config[512];

    out_layout_init(l);
    digest_of(DIGEST_SHA256, layer, LAYER, &d);
    snprintf(config, sizeof(config), "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
             d.text);
    out_layout_file(l, STR("config.json"), str_of(config));
    out_layout_file(l, STR("layer.tar"), (struct str){layer, LAYER});
    out_layout_file(
        l, STR("manifest.json"),
        STR("[{\"Config\":\"config.json\",\"Layers\":[\"layer.tar\"],\"RepoTags\":[\"a:v1\"]}]"));
    assert_ok(out_layout_end(l, ERR_IGNORED));
}

static void contents_stand_in_the_tar_where_it_says(void **state)
{
    static const struct archive_limits limits = {1 << 20, 1 << 20, 10, 10, 1 << 16, 1 << 16};
    struct archive *a = archive_new(&limits, &hash_sink, NULL);
    const struct archive_verdict *v;
    struct out_layout l;
    struct str tar;

    (void)state;
    make_archive(&l);
    tar = buf_str(&l.text);
    for (size_t at = 0; at < tar.n; at += PIECE)
        assert_ok(
            archive_feed(a, tar.p + at, tar.n - at < PIECE ? tar.n - at : PIECE, ERR_IGNORED));
    assert_ok(archive_end(a, &v, ERR_IGNORED));
    assert_false(archive_is_packed(a));
    assert_int_equal(v->n_blobs, 2);
    for (size_t i = 0; i < v->n_blobs; i++) {
        struct digest there;

        digest_of(DIGEST_SHA256, tar.p + v->blobs[i].at_bytes, (size_t)v->blobs[i].size_bytes,
                  &there);
        assert_string_equal(there.text, v->blobs[i].digest.text);
    }
    archive_free(a);
    out_layout_done(&l);
}

static enum err_code feed(void *ctx, const void *p, size_t n, struct err *e)
{
    return archive_feed(ctx, p, n, e);
}

/* A file of zeros, packed to less than a hundredth, as far as it is taken. */
static enum err_code feed_zeros(struct archive *a, struct err *e)
{
    static const struct packing_form form = {.as = PACKED_GZIP};
    static const char zeros[ZEROS];
    AUTO(out_layout) struct out_layout l = {0};
    AUTO(pack) struct pack *k = NULL;
    struct digest d;

    digest_of(DIGEST_SHA256, zeros, ZEROS, &d);
    out_layout_init(&l);
    out_layout_blob(&l, STR("zeros"), &d, ZEROS);
    assert_ok(out_layout_end(&l, ERR_IGNORED));
    assert_ok(pack_new(&form, l.n_bytes, feed, a, &k, ERR_IGNORED));
    for (size_t i = 0; i < l.n_pieces; i++) {
        const struct out_piece *piece = &l.pieces[i];

        TRY(pack_feed(k, piece->is_blob ? zeros : l.text.p + piece->text_at, (size_t)piece->n_bytes,
                      e));
    }
    return pack_end(k, e);
}

static void what_unpacks_to_too_many_times_its_size_is_refused(void **state)
{
    static const struct archive_limits few = {1 << 30, 1 << 30, 10, 10, 1 << 16, 1 << 16};
    static const struct archive_limits many = {1 << 30, 1 << 30, 1000, 10, 1 << 16, 1 << 16};
    AUTO(archive) struct archive *refused = archive_new(&few, &hash_sink, NULL);
    AUTO(archive) struct archive *taken = archive_new(&many, &hash_sink, NULL);
    struct err e = {0};

    (void)state;
    assert_int_equal(feed_zeros(refused, &e), ERR_IMAGE_TOO_LARGE);
    assert_non_null(strstr(e.detail, "more than 10 times its size"));
    assert_int_equal(archive_refusal(refused)->code, REFUSAL_UNPACKED_TOO_LARGE);
    assert_ok(feed_zeros(taken, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_unpacks_to_too_many_times_its_size_is_refused),
        cmocka_unit_test(contents_stand_in_the_tar_where_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
