#include "gc/count.h"

const char *gc_why_text(enum meta_why why)
{
    static const char *const texts[] = {
        [META_WHY_UNUSED] = "no manifest names it",
        [META_WHY_UNTAGGED] = "it has no tag",
        [META_WHY_CHILD] = "its index went",
        [META_WHY_REFERRER] = "what it refers to went",
        [META_WHY_UNKNOWN] = "the database does not know it",
    };

    return texts[why];
}

void gc_sum_add(struct gc_sum *s, enum meta_item_kind kind, uint64_t bytes)
{
    if (kind == META_ITEM_BLOB) {
        s->blobs++;
        s->blob_bytes += bytes;
    } else {
        s->manifests++;
        s->manifest_bytes += bytes;
    }
}
