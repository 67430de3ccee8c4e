/*
 * The JSON files of an archive, with a strict schema: descriptors, and the config of an image.
 */
#pragma once

#include "archive/member.h"
#include "base/json.h"

/* Parses a member that was kept in memory. Errors: IMAGE_INVALID, IMAGE_TOO_LARGE. */
ERR_CHECKED enum err_code description_parse(const struct member *m, json_t **ret_json,
                                            struct refusal *f, struct err *e);

/* image-spec "Content Descriptors". Texts are borrowed of the JSON. */
struct descriptor {
    const char *media_type;
    struct digest digest;
    uint64_t size_bytes;
    const json_t *annotations; /* object of texts, or NULL */
    bool has_urls;
};

/* `in` is the file in which it stands. Errors: IMAGE_INVALID. */
ERR_CHECKED enum err_code descriptor_parse(const json_t *j, const struct member *in,
                                           struct descriptor *ret, struct refusal *f,
                                           struct err *e);

/* An annotation's text; "" when there is none. */
const char *descriptor_annotation(const struct descriptor *d, const char *key);

/* What a config says. Texts are borrowed of the JSON. */
struct image_config {
    const char *os, *architecture;
    const json_t *diff_ids; /* list, or NULL */
    size_t n_diff_ids;
};

/* image-spec "Image Configuration". n_layers are those of its manifest: history and diff_ids have
 * to agree with it. Errors: IMAGE_INVALID. */
ERR_CHECKED enum err_code config_parse(const json_t *j, const struct member *in, size_t n_layers,
                                       struct image_config *ret, struct refusal *f, struct err *e);

/* Is layer i what the config says? Errors: IMAGE_INVALID. */
ERR_CHECKED enum err_code config_check_layer(const struct image_config *c, size_t i,
                                             const struct member *layer, struct refusal *f,
                                             struct err *e);
