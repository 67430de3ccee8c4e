/* A stored manifest with its text understood. */
#pragma once

#include "base/json.h"
#include "core/manifest.h"
#include "core/pull.h"

#define OUT_TREE_MAX                                                                               \
    (16u << 20) /* memory of a manifest's or config's JSON while it is looked at                   \
                 */

struct out_manifest {
    struct meta_manifest *stored;
    struct manifest parsed;
    json_t *json;
};

/* Errors: MANIFEST_UNKNOWN; UNSUPPORTED, told, for one that takes more than OUT_TREE_MAX. */
ERR_CHECKED enum err_code out_manifest_get(struct registry *r, const struct repo_name *repo,
                                           const struct reference *ref,
                                           struct out_manifest *ret_manifest, struct err *e);
ERR_CHECKED enum err_code out_manifest_by_digest(struct registry *r, const struct repo_name *repo,
                                                 const struct digest *d,
                                                 struct out_manifest *ret_manifest, struct err *e);
void out_manifest_done(struct out_manifest *m);

/* The JSON of parsed.links[i]; borrowed. */
const json_t *out_manifest_descriptor(const struct out_manifest *m, size_t i);

/* The text of a key; empty when it has none. Lives as long as j. */
struct str out_json_text(const json_t *j, const char *key);

/* NULL when it is no JSON object or takes more than OUT_TREE_MAX. */
json_t *out_json_parse(struct str text);

/* The config of an image, parsed; NULL when it is no JSON object. The caller's. Errors: those of
 * pull_blob(); NOT_ANALYZABLE, told, when it is too large. */
ERR_CHECKED enum err_code out_manifest_config(struct registry *r, const struct repo_name *repo,
                                              const struct out_manifest *m, json_t **ret_config,
                                              struct err *e);

static inline void auto_out_manifest_(struct out_manifest *m)
{
    out_manifest_done(m);
}
