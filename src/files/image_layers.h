/* What the index of files takes from a manifest. Pure functions. */
#pragma once

#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

struct image_layers {
    bool is_index;        /* then `digests` are of the manifests that it names, else of layers */
    struct digest config; /* of an image; n is 0: there is none that has a platform */
    struct digest *digests;
    char (*platforms)[96]; /* of an index, as it says; "": it does not */
    size_t n;
};

/* Of a manifest that was accepted once. What is no image has no layers. Error: CORRUPT. */
ERR_CHECKED enum err_code image_layers_read(struct str manifest, struct image_layers *ret,
                                            struct err *e);
void image_layers_done(struct image_layers *l);

/* "linux/arm64/v8" of an object that has such fields; "" when it has not. */
void image_platform_text(const json_t *of, char dst[static 96]);

static inline void auto_image_layers_(struct image_layers *l)
{
    image_layers_done(l);
}
