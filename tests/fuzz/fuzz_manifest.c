/* A manifest push's body, after a line with its Content-Type: what is accepted holds what the
 * header promises, and parses the same under its own type. */
#include "base/cleanup.h"
#include "core/manifest.h"

#include <assert.h>

static void count(void *ctx, const struct manifest_child *c)
{
    assert(c->digest.n > 0);
    (*(size_t *)ctx)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str bytes = {(const char *)data, n}, content_type;
    AUTO(manifest) struct manifest m = {0}, again = {0};
    struct err e = {0};
    size_t children = 0;

    str_cut(&bytes, '\n', &content_type);
    if (manifest_parse(bytes, content_type, 1000, &m, &e) != ERR_OK) {
        assert(e.code == ERR_MANIFEST_INVALID && e.public_detail);
        return 0;
    }
    assert(manifest_media_type_known(str_of(m.media_type)));
    assert(m.artifact_type && m.annotations_json);
    assert(manifest_parse(bytes, str_of(m.media_type), 1000, &again, &e) == ERR_OK);
    assert(again.n_links == m.n_links && again.shape == m.shape);
    if (m.shape == MANIFEST_INDEX) {
        manifest_children(bytes, count, &children);
        assert(children == m.n_links);
    }
    return 0;
}
