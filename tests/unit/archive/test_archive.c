/* An archive as it comes: where its contents are. */
#include "archive/archive.h"

#include "archive/out_layout.h"
#include "archives/hash_sink.h"
#include "base/mem.h"
#include "unit/core/support.h"

#include <stdlib.h>

#define LAYER (20u << 10) /* more than is kept in memory */
#define PIECE 700u

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_stand_in_the_tar_where_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
