/* What names a manifest in a request: what is accepted is a valid tag or digest, and the same
 * text. */
#include "core/reference.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = {(const char *)data, n};
    struct reference ref;
    struct err e = {0};

    if (reference_parse(text, &ref, &e) != ERR_OK) {
        assert(e.public_detail);
        return 0;
    }
    assert(str_eq(reference_str(&ref), text));
    assert(ref.is_digest || tag_name_valid(text));
    return 0;
}
