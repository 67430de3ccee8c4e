/* What clients are told of an archive that became images, or did not. */
#pragma once

#include "api/req.h"

#define IMAGE_ANSWER_MAX_BYTES (4u << 20)

/* id is that of the upload. */
void image_answer(struct buf *ret_json, const struct uuid *id, const struct image_stored *stored);

/* The one image that was stored, and where; NULL: there were several. */
const struct digest *image_answer_one(const struct image_stored *stored,
                                      const struct repo_name **ret_repo);

/* The body of an error, as reply_error() has it. f may be one of which the code is NONE; images as
 * in struct reply_subject. */
void image_answer_refused(struct buf *ret_json, const struct uuid *id, const struct repo_name *repo,
                          const struct tag_name *tag, const struct err *why,
                          const struct refusal *f, struct str images);

/* The log's record of it, whatever `log.access` says. */
void image_refusal_log(const struct uuid *id, const char *actor, const char *request_id,
                       const struct repo_name *repo, const struct err *why,
                       const struct refusal *f);
