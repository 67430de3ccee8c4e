/* Answers that need an image's analysis, which may have to be made first. */
#pragma once

#include "api/req.h"

/* What is asked for; q->digest is the image. Error LATER: there is none yet. */
typedef enum err_code (*image_look_fn)(struct req *q, void *ctx, struct err *e);

/* Of the path and `platform`: q->digest. Errors: as image_analysis_find(). */
ERR_CHECKED enum err_code image_find(struct req *q, struct err *e);

/* Looks; where there is nothing yet, has it made and waits a little. *ret_known: it has looked;
 * else 202 was answered. Errors: those of look; NOT_ANALYZABLE, told. */
ERR_CHECKED enum err_code image_known(struct req *q, image_look_fn look, void *ctx, bool *ret_known,
                                      struct err *e);

/* The same of another image than that of the path. */
ERR_CHECKED enum err_code image_known_of(struct req *q, const struct repo_name *repo,
                                         const struct digest *d, image_look_fn look, void *ctx,
                                         bool *ret_known, struct err *e);

/* For a look that takes memory, up to analysis.memory_bytes. Errors: those of look; UNAVAILABLE,
 * told: too many do so at once. */
ERR_CHECKED enum err_code image_look_in_turn(struct req *q, image_look_fn look, void *ctx,
                                             struct err *e);
