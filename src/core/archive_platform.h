/* Platforms of images: os/architecture[/variant], as image-spec "image index" has them. */
#pragma once

#include "core/archive_manifest.h"

#define OUT_PLATFORM_MAX 96

struct out_platform {
    char os[32], architecture[32], variant[32]; /* "" : none */
};

/* Error: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code out_platform_parse(struct str s, struct out_platform *ret_platform,
                                             struct err *e);

/* What a descriptor or config says, or false. */
bool out_platform_of_json(const json_t *j, struct out_platform *ret_platform);

/* What a descriptor says as "linux/arm64/v8"; "": nothing. */
#define OUT_PLATFORM_TEXT (OUT_PLATFORM_MAX + 4)
void out_platform_print(const json_t *descriptor, char dst[static OUT_PLATFORM_TEXT]);

/* Statements about other images have this platform. */
static inline bool out_platform_is_statement(const char *platform)
{
    return strcmp(platform, "unknown/unknown") == 0;
}

/* Is p what is wanted? A variant that is left out is the usual one; with any_variant, whichever,
 * where wanted has none. */
bool out_platform_fits(const struct out_platform *p, const struct out_platform *wanted,
                       bool any_variant);

/*
 * Of the images that m names, the one for that platform; or, when wanted is NULL, the only one
 * there is. m becomes it, and stays as it is when it is an image itself, of that platform.
 * *ret_platform is what its index says of it (NULL: nothing), and the caller's.
 * Errors, told: NOT_FOUND, with the platforms that there are; REQUEST_INVALID, when there
 * are several and none is wanted; UNSUPPORTED, when m names none.
 */
ERR_CHECKED enum err_code out_platform_choose(struct registry *r, const struct repo_name *repo,
                                              struct out_manifest *m,
                                              const struct out_platform *wanted,
                                              json_t **ret_platform, struct err *e);
