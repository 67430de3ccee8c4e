/* What might be done about an image: which layer, and how many bytes it would save. */
#pragma once

#include "analysis/findings.h"
#include "base/buf.h"

/* Appends a JSON list, what saves most first, of so many at most. */
void suggestions_json(const struct image_tree *t, const struct findings *f, size_t most,
                      struct buf *ret_json);
