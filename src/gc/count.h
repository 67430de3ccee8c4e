/* What a run did, in numbers, and the reasons in words. */
#pragma once

#include "meta/meta.h"

struct gc_sum {
    uint64_t blobs, manifests;
    uint64_t blob_bytes, manifest_bytes;
};

struct gc_counts {
    uint64_t repos, blobs, manifests; /* that were looked at */
    struct gc_sum revived, condemned, deleted;
    uint64_t empty; /* repositories that went, because they were */
    uint64_t problems;
};

void gc_sum_add(struct gc_sum *s, enum meta_item_kind kind, uint64_t bytes);

/* "no manifest names it" */
const char *gc_why_text(enum meta_why why);
